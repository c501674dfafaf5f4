package wire

import "sync/atomic"

// Traffic counts the octets of any number of connections. Its zero value is ready.
type Traffic struct {
	in, out, wireIn, wireOut atomic.Int64
	counted                  atomic.Pointer[func()]
}

// OnCount has a function called each time that octets were counted, from the goroutine that moved them, in place of any
// other. A connection that is just being closed may call it late.
func (t *Traffic) OnCount(counted func()) { t.counted.Store(&counted) }

// Octets returns how many octets came from the server and went to it, as IMAP sees them.
func (t *Traffic) Octets() (in, out int64) { return t.in.Load(), t.out.Load() }

// OnWire returns how many they were on their way, compressed where a connection was, and before TLS.
func (t *Traffic) OnWire() (in, out int64) { return t.wireIn.Load(), t.wireOut.Load() }

// Include counts what another Traffic has counted so far, too.
func (t *Traffic) Include(o *Traffic) {
	t.in.Add(o.in.Load())
	t.out.Add(o.out.Load())
	t.wireIn.Add(o.wireIn.Load())
	t.wireOut.Add(o.wireOut.Load())
}

// count adds octets to one of the two sums of Octets.
func (t *Traffic) count(sum *atomic.Int64, n int) {
	sum.Add(int64(n))
	if counted := t.counted.Load(); counted != nil && n > 0 {
		(*counted)()
	}
}
