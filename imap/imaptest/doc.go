// Package imaptest provides IMAP servers to try mailtwin on, and independent eyes that look at both sides of a twin.
//
//   - [Dovecot] starts the Dovecot that is installed on this machine, on free loopback ports, with accounts of its own.
//   - [Courier] and [Hoodiecrow] do the same with servers that scripts/test puts in its cache.
//   - [Memory] runs an IMAP server inside this process; package gimap runs one that behaves as Gmail's.
//   - [NewProxy] stands between a client and a server: it takes capabilities away and refuses what belongs to them,
//     counts, slows down, cuts the line at a chosen byte or answer, and speaks as odd servers do, see [Servers].
//   - [Account] looks at a server, and changes it, through go-imap alone; [Tree] does the same with a Maildir by
//     reading its files. Neither shares code with the replicas that it judges. [Diff] compares what they saw.
//   - [Corpus] makes messages that look like those people have; [Captures] finds answers of real servers.
//
// Everything listens on loopback addresses only. Passwords are no secrets here.
package imaptest
