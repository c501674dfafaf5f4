package gimap

import (
	"math"
	"time"
)

// send writes the answer, as far as the fault that the command met lets it.
func (c *session) send() error {
	out, fault := c.out, c.now
	c.out, c.now = nil, nil
	if fault == nil {
		fault = &Fault{}
	}
	a := answer{session: c, fault: fault}
	for i, part := range out {
		if i == len(out)-1 {
			if err := c.meet(fault, BeforeTag); err != nil {
				return err
			}
		}
		if err := a.write(part); err != nil {
			return err
		}
	}
	if c.r.Buffered() == 0 {
		return c.flush()
	}
	return nil
}

// An answer is one that is being sent.
type answer struct {
	*session
	fault     *Fault
	sent      int
	inLiteral bool
}

// write sends a part of an answer, and has the fault happen at its point, be it within the part.
func (a *answer) write(part chunk) error {
	text, first := part.text, part.literal && !a.inLiteral
	if first {
		a.inLiteral = true
		if err := a.meet(a.fault, BeforeLiteral); err != nil {
			return err
		}
	}
	if part.body != 0 {
		a.s.noteBody(part.body, false)
	}
	at, p := -1, AtOctet
	switch f := a.fault; {
	case first && uses(f, InLiteral):
		at, p = min(f.Octet, len(text)), InLiteral
	case uses(f, AtOctet) && f.Octet >= a.sent && f.Octet < a.sent+len(text):
		at = f.Octet - a.sent
	}
	a.sent += len(text)
	if at >= 0 {
		if _, err := a.w.Write(text[:at]); err != nil {
			return err
		}
		if err := a.meet(a.fault, p); err != nil {
			return err
		}
		text = text[at:]
	}
	if err := a.pass(text); err != nil {
		return err
	}
	if part.body != 0 {
		a.s.noteBody(part.body, true)
	}
	return nil
}

// pass writes as much of an answer as the quota has room for.
func (a *answer) pass(text []byte) error {
	room := a.room()
	if _, err := a.w.Write(text[:min(len(text), room)]); err != nil {
		return err
	}
	if len(text) <= room {
		return nil
	}
	if err := a.flush(); err != nil {
		return err
	}
	a.out = nil
	return errClosed
}

// room is how many octets may still be sent.
func (a *answer) room() int {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if !a.s.o.QuotaCuts || !a.user || a.s.o.QuotaDown == 0 {
		return math.MaxInt
	}
	a.settleCounts()
	return int(max(a.s.o.QuotaDown-a.s.used.down-int64(a.w.Buffered()), 0))
}

func uses(f *Fault, p Point) bool { return f.Cut == p || f.Stall == p || f.At == p && f.Web != nil }

// meet does what a fault does at a point.
func (c *session) meet(f *Fault, p Point) error {
	if f.Web != nil && f.At == p {
		f.Web(c.s.Web())
	}
	if f.Cut == p {
		if f.Bye != "" && (p == AtCommand || p == AfterDoing || p == BeforeTag) {
			if _, err := c.w.WriteString(f.Bye + "\r\n"); err != nil {
				return err
			}
		}
		if err := c.flush(); err != nil {
			return err
		}
		c.out = nil
		return errClosed
	}
	if f.Stall == p {
		if err := c.flush(); err != nil {
			return err
		}
		return c.stall()
	}
	return nil
}

// stall reads on and says nothing, until the client goes.
func (c *session) stall() error {
	c.out = nil
	b := make([]byte, 4096)
	for {
		if _, err := c.r.Read(b); err != nil {
			return err
		}
	}
}

// pause waits, but not for a client that is gone.
func (c *session) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	<-time.After(d)
}
