package gimap

import (
	"net"
	"time"
)

// send writes the answer, as far as the fault that the command met lets it.
func (c *session) send() error {
	out, fault := c.out, c.now
	c.out, c.now = nil, nil
	if fault == nil {
		fault = &Fault{}
	}
	sent, inLiteral := 0, false
	for i, part := range out {
		text := part.text
		for _, p := range []Point{BeforeLiteral, BeforeTag} {
			if p == BeforeLiteral && part.literal && !inLiteral || p == BeforeTag && i == len(out)-1 {
				if err := c.meet(fault, p); err != nil {
					return err
				}
			}
		}
		at := -1 // where in this part something happens
		p := AtOctet
		switch {
		case part.literal && !inLiteral && uses(fault, InLiteral):
			at, p = min(fault.Octet, len(text)), InLiteral
		case uses(fault, AtOctet) && fault.Octet >= sent && fault.Octet < sent+len(text):
			at = fault.Octet - sent
		}
		inLiteral = inLiteral || part.literal
		if at >= 0 {
			if _, err := c.w.Write(text[:at]); err != nil {
				return err
			}
			if err := c.meet(fault, p); err != nil {
				return err
			}
			text = text[at:]
		}
		if _, err := c.w.Write(text); err != nil {
			return err
		}
		sent += len(part.text)
	}
	if c.r.Buffered() == 0 {
		return c.flush()
	}
	return nil
}

func uses(f *Fault, p Point) bool { return f.Cut == p || f.Stall == p || f.At == p && f.Web != nil }

// meet does what a fault does at a point.
func (c *session) meet(f *Fault, p Point) error {
	if f.Web != nil && f.At == p {
		f.Web(c.s.Web())
	}
	if f.Cut == p {
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

var _ net.Conn = (*countedConn)(nil)
