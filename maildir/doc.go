// Package maildir is the side of a pair that lies on the disk: a tree of Maildirs, one for each mailbox.
//
// Terms:
//
//   - The root holds a directory for each mailbox; levels of a name are levels of directories. A mailbox is a directory
//     that has cur and new; one without them only holds others.
//   - The base name of a file is what stands before the ":". It is the ID of the message, and outlives changes of flags.
//   - The info is what follows the ":", "2," and the letters of the flags.
//   - A look is one reading of cur and new. Beside a mail program that renames, a look misses files that are there, so
//     that what is gone is known only from two looks between which nothing changed.
//
// Messages that have CRLF throughout are stored with LF, all others as they came; what goes out is in canonical form
// again, octet for octet. Directories are opened one level at a time and never through a symbolic link, and every
// name handed to the system is a single level, so that no name leads out of the root.
//
// Nothing is ever overwritten, and what a method stored or removed is on the disk when it returns.
//
// The flags and names that go-maildir defines are kept to, and it clears out tmp; what it does with plain renames
// (delivery, flags, moves) it does not do here, for they overwrite.
//
// Source: <https://cr.yp.to/proto/maildir.html>.
package maildir
