// Package imap is the IMAP replica: an account on a server, as the engine sees one side of a pair.
//
// Terms: a session is one connection, logged in; the pool holds at most Options.Connections of them. A wire name is a
// mailbox name as it goes over the wire, in modified UTF-7 and with the server's delimiter. The validity of a mailbox
// is its UIDVALIDITY; a command with UIDs is sent only under the validity that they were learnt under.
//
// go-imap speaks the protocol and lives only here; below it lies package wire, which guards it and through which go all
// commands whose answers it may lose: LIST, STATUS, SEARCH and FETCH. Commands name UIDs, never sequence numbers.
// Silence, an error or a strange answer is never taken as evidence that a message is gone.
package imap
