package wire

import "sync/atomic"

// Traffic counts the octets of any number of connections. Its zero value is ready.
type Traffic struct{ in, out, wireIn, wireOut atomic.Int64 }

// Octets returns how many octets came from the server and went to it, as IMAP sees them.
func (t *Traffic) Octets() (in, out int64) { return t.in.Load(), t.out.Load() }

// OnWire returns how many they were on their way, compressed where a connection was, and before TLS.
func (t *Traffic) OnWire() (in, out int64) { return t.wireIn.Load(), t.wireOut.Load() }
