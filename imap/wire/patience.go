package wire

import (
	"io"
	"time"
)

// progress is after how many octets of one response the server has the whole time again.
const progress = 64 << 10

// patience counts the time that the server makes us wait. What we take for ourselves between two reads does not count.
type patience struct {
	since  time.Time     // when this wait began; zero if nothing is awaited
	spent  time.Duration // in waits before this one
	octets int           // that came meanwhile
}

// renewed is the patience of one who just got what was awaited, or asked for something else.
func (w *patience) renewed() { w.spent, w.octets = 0, 0 }

// source reads from the network with the deadline that is due.
type source struct{ c *Conn }

func (s source) Read(p []byte) (int, error) {
	in, err := s.c.await(false)
	if err != nil {
		return 0, err
	}
	n, err := in.Read(p)
	s.c.options.Traffic.count(&s.c.options.Traffic.in, n)
	s.c.heard(n)
	return n, err
}

// await sets the time by which the server must have said something: none, if nothing is awaited. It is decided and set
// in one step, else a reader that waits at leisure could be given the deadline of a command answered long ago. Whoever
// has just sent something asks anew.
func (c *Conn) await(anew bool) (io.Reader, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if anew {
		c.patience.renewed()
	}
	var limit time.Time
	c.patience.since = time.Time{}
	if !c.handed || len(c.queue) > 0 {
		c.patience.since = time.Now()
		limit = c.patience.since.Add(c.options.Silence - c.patience.spent)
	}
	return c.stream, c.raw.SetReadDeadline(limit)
}

// heard counts what came. A server that says an octet now and then must not hold us up for ever.
func (c *Conn) heard(octets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.patience
	if !w.since.IsZero() {
		w.spent += time.Since(w.since)
	}
	if w.octets += octets; w.octets >= progress {
		w.renewed()
	}
}

// answered notes that a response was read to its end.
func (c *Conn) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.patience.renewed()
}
