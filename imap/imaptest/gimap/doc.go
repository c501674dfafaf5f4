// Package gimap is a mail server that behaves as Gmail's IMAP does, inside this process: one message that shows in several
// mailboxes, labels, X-GM-EXT-1, one MODSEQ for the account, a Trash that takes everything away, merged uploads, quotas, and
// the faults that Gmail is known for. Tests point mailtwin at it, `mailtwin demo` runs on it, and other mail programs can be
// pointed at it, too.
//
// Where nobody knows what Gmail does there is a field in Options for either answer. A Server also has a web hand, which
// changes things as somebody in a browser does, and counters.
//
// It reads and writes IMAP by itself and shares nothing with the code that it tests.
package gimap
