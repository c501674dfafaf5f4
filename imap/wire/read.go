package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Read serves go-imap with what is meant for it.
func (c *Conn) Read(p []byte) (int, error) {
	for c.taken == len(c.out) {
		c.out, c.taken = c.out[:0], 0
		if err := c.pump(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.out[c.taken:])
	c.taken += n
	return n, nil
}

// pass puts a line before go-imap.
func (c *Conn) pass(parts ...string) {
	for _, part := range parts {
		c.out = append(c.out, part...)
	}
	c.out = append(c.out, '\r', '\n')
}

// pump reads one response and brings it where it belongs; the one before it is done with. An error is the end of the connection.
func (c *Conn) pump() error {
	if err := c.Err(); err != nil {
		return err
	}
	c.answered()
	err := c.p.begin()
	if err == nil {
		err = c.dispatch()
	}
	if err != nil {
		err = c.fail(err)
	}
	return err
}

// errTag is somebody answering for the server, or a server that nobody can follow.
var errTag = errors.New("the server answered what was never asked")

// dispatch looks at how the response begins.
func (c *Conn) dispatch() error {
	switch {
	case c.p.at('+'):
		c.continuation()
		return nil
	case bytes.HasPrefix(c.p.seg, []byte("* ")):
		c.p.seg = c.p.seg[2:]
		return c.untagged()
	case string(c.p.seg) == "*":
		c.options.Report("an empty response")
		return nil
	}
	return c.tagged()
}

// continuation passes a continuation request on if the command at the head waits for one. Others are nobody's.
func (c *Conn) continuation() {
	c.mu.Lock()
	var e *entry
	if len(c.queue) > 0 && c.queue[0].waits > 0 {
		e = c.queue[0]
		e.waits--
	}
	c.mu.Unlock()
	text := strings.TrimSpace(string(c.p.seg[1:]))
	switch {
	case e == nil:
		c.options.Report("a continuation request that nobody waits for")
	case e.exec != nil:
		e.goOn <- struct{}{} // there is room: a sender waits for one at a time
	case e.verb == "AUTHENTICATE":
		c.pass(guardChallenge(text))
	default:
		c.pass("+ ", guardText(text))
	}
}

func (c *Conn) tagged() (err error) {
	tag := string(c.p.word())
	c.p.space()
	status := parseStatus(string(c.p.word()), c.p.seg)
	c.hear(status)
	e := c.take(tag, status.Kind)
	if e == nil {
		return fmt.Errorf("%w: %.80q", errTag, tag+" "+status.Kind)
	}
	if status.Code == "CAPABILITY" {
		c.learn(capWords(status.Args))
	}
	if e.exec != nil {
		if e.verb == "COMPRESS" && status.Kind == "OK" {
			err = c.squeeze()
		}
		e.exec.answer(e.index, status)
		return err
	}
	c.pass(e.own, " ", c.guardTagged(status, e.verb))
	return nil
}

// guardTagged returns the end of a command of go-imap. After a login go-imap would ask for capabilities, unless it
// gets some; those that the server sends when they are asked for will follow.
func (c *Conn) guardTagged(s Status, verb string) string {
	if (verb == "LOGIN" || verb == "AUTHENTICATE") && s.Kind == "OK" && s.Code != "CAPABILITY" {
		s.Code, s.Args = "CAPABILITY", strings.Join(c.Caps(), " ")
	}
	return guardStatus(s, verb)
}

// take removes a command from the queue. It is nil if there is none that could be answered so: a command may be refused
// before all of it was sent, but not be carried out.
func (c *Conn) take(tag, kind string) *entry {
	if kind != "OK" && kind != "NO" && kind != "BAD" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range c.queue {
		if e.tag != tag {
			continue
		}
		if !e.whole && kind == "OK" {
			return nil
		}
		c.queue = slices.Delete(c.queue, i, i+1) // which forgets it: what hears its answers may hold much
		return e
	}
	return nil
}

func (c *Conn) hear(s Status) {
	if c.options.Heard != nil {
		c.options.Heard(s)
	}
}

func (c *Conn) head() *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return nil
	}
	return c.queue[0]
}

func (c *Conn) untagged() error {
	r := c.response()
	e := c.head()
	switch r.Kind {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return c.untaggedStatus(r, e)
	case "CAPABILITY":
		words := capWords(string(c.p.seg))
		c.learn(words)
		if c.isHanded() {
			c.pass("* CAPABILITY", guardCaps(words))
		}
	}
	if e != nil && e.exec != nil {
		if err := c.hand(e.exec, r); err != nil {
			return err
		}
	} else if line, ok := guardData(r); ok && c.isHanded() {
		c.pass("* ", line)
	}
	return c.p.finish()
}

// response reads the kind of an untagged response, and the number before it.
func (c *Conn) response() *Response {
	r := &Response{p: c.p}
	word := c.p.word()
	if n, err := strconv.ParseUint(string(word), 10, 32); err == nil {
		r.Num = uint32(n)
		c.p.space()
		word = c.p.word()
	}
	r.Kind = upper(word)
	c.p.bodies = r.Kind == "FETCH"
	return r
}

// untaggedStatus takes an untagged OK, NO, BAD, BYE or PREAUTH. Its text is free, so what looks like the announcement of
// a literal at its end is none.
func (c *Conn) untaggedStatus(r *Response, e *entry) error {
	status := parseStatus(r.Kind, c.p.seg)
	c.hear(status)
	if r.Kind == "BYE" {
		c.mu.Lock()
		c.bye = status.Text
		c.mu.Unlock()
	}
	if status.Code == "CAPABILITY" {
		c.learn(capWords(status.Args))
	}
	if e != nil && e.exec != nil {
		return c.hand(e.exec, r)
	}
	if r.Kind != "PREAUTH" && c.isHanded() {
		verb := ""
		if e != nil {
			verb = e.verb
		}
		c.pass("* ", guardStatus(status, verb))
	}
	return nil
}

// hand gives a response to a handler. What cannot be read is skipped and reported; what breaks a bound, or the line, is
// not survived, whatever the handler makes of it.
func (c *Conn) hand(x *execution, r *Response) error {
	err := x.handle(r)
	switch {
	case c.p.fatal != nil:
		return c.p.fatal
	case err == nil:
	case errors.Is(err, errSyntax), errors.Is(err, errUIDSet):
		c.options.Report(fmt.Sprintf("a %s response: %v", r.Kind, err))
	default:
		x.refuse(err)
	}
	return nil
}
