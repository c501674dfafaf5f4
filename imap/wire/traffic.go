package wire

import "sync/atomic"

// Traffic counts the octets of any number of connections. Its zero value is ready.
type Traffic struct {
	in, out, wireIn, wireOut atomic.Int64
	// Counted, if not nil, is called each time that octets were counted, from the goroutine that moved them. It is set
	// before the first connection is made.
	Counted func()
}

// Octets returns how many octets came from the server and went to it, as IMAP sees them.
func (t *Traffic) Octets() (in, out int64) { return t.in.Load(), t.out.Load() }

// OnWire returns how many they were on their way, compressed where a connection was, and before TLS.
func (t *Traffic) OnWire() (in, out int64) { return t.wireIn.Load(), t.wireOut.Load() }

// count adds octets to one of the two sums of Octets.
func (t *Traffic) count(sum *atomic.Int64, n int) {
	sum.Add(int64(n))
	if t.Counted != nil && n > 0 {
		t.Counted()
	}
}
