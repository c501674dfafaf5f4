// Package gmail will hold what Gmail does differently from an ordinary IMAP server: labels, X-GM-MSGID, All Mail,
// quotas. It imports imap, never the reverse. Until then Gmail is synced like any other server.
package gmail
