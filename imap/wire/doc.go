// Package wire is the layer between a network connection and go-imap. It guards go-imap against what it cannot survive
// and speaks what it does not.
//
// Terms: a response is what the server sends between two command ends: a line, or several joined by literals. It is
// untagged (begins with "*"), tagged (ends a command) or a continuation request ("+"). A segment is the part of a
// response between two literals. Commands form a queue; untagged responses belong to its head.
//
// A Conn frames the stream inside Read, with no goroutine of its own, so all its work happens in the one goroutine in
// which go-imap reads. It bounds every line, literal, answer and nesting before anything is parsed or stored. What
// belongs to a command of go-imap is passed on if go-imap is known to understand it, word by word; what belongs to a
// command sent with Exec goes to a tolerant parser and never reaches go-imap. APPEND is sent with StartLiterals.
//
// # What can be dropped when
//
// Each piece waits for something in go-imap (version 2.0.0-beta.8 is what it was written for):
//
//   - Exec for LIST with STATUS, SEARCH and FETCH: until go-imap keeps every answer (a STATUS that follows another
//     LIST, an unasked FETCH in the middle, BODY[] before UID, a SEARCH that brought nothing);
//   - the guard: until go-imap skips what it cannot read instead of closing the connection, bounds what it stores, and
//     bounds recursion;
//   - StartLiterals: until go-imap sends literals of more than 4096 octets unasked, several of them in one command, and
//     holds the end of one back until its body has come to its own;
//   - the trace: until its DebugWriter leaves out passwords;
//   - what go-imap has no types for: QRESYNC (pull request 720), X-GM-EXT-1 (757), COMPRESS (759).
package wire
