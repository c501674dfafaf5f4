// Package mailbox holds the words that the rest of mailtwin speaks: names of mailboxes, identities of messages, flags,
// cursors, and the pair that ties a message on one side to its twin on the other. It does no I/O and imports nothing
// of ours.
//
// Terms:
//
//   - A mailbox is what IMAP calls a mailbox and mail programs call a folder.
//   - A side is one of the two places that are kept alike: far (the server) and near (the Maildir).
//   - An ID names a message on one side; a Pair holds the two IDs of one message and what both sides last agreed on.
//   - The canonical form of a message is the one that travels over IMAP, with CRLF line ends. Sizes and digests are
//     always those of the canonical form.
//   - A Cursor says what a mailbox looked like, cheaply enough to be compared without a listing.
//
// A file name is never the identity of a message, and neither is a Message-ID alone.
package mailbox
