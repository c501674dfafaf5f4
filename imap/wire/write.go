package wire

import (
	"bytes"
	"context"
	"strings"
)

// outgoing follows what go-imap sends: which commands, and where their literals lie.
type outgoing struct {
	line    []byte // the segment so far
	literal int64  // octets left of a literal
	entry   *entry // the command that is being sent; nil between commands
	answer  []byte // the line so far, if it answers a challenge
}

// Write takes what go-imap sends. A command has the connection to itself from its tag to its end, so that those of Exec
// do not come in between.
func (c *Conn) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		n, err := c.writeSome(b)
		written += n
		if err != nil {
			return written, err
		}
		b = b[n:]
	}
	return written, nil
}

// writeSome writes up to the end of a segment or of a literal.
func (c *Conn) writeSome(b []byte) (int, error) {
	if c.answering() {
		return c.writeAnswer(b)
	}
	if c.sent.idle() {
		if err := c.claim(context.Background()); err != nil {
			return 0, err
		}
	}
	if c.sent.literal > 0 {
		return c.writeLiteral(b[:min(int64(len(b)), c.sent.literal)])
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		c.sent.line = append(c.sent.line, b...)
		return len(b), nil // kept until the segment is whole
	}
	c.sent.line = append(c.sent.line, b[:end+1]...)
	return end + 1, c.writeSegment()
}

// idle tells whether no command is being sent.
func (o *outgoing) idle() bool { return o.entry == nil && len(o.line) == 0 && o.literal == 0 }

func (c *Conn) writeLiteral(b []byte) (int, error) {
	n, err := c.send(b)
	c.sent.literal -= int64(n)
	return n, c.broken(err)
}

// writeSegment sends the segment that is whole now.
func (c *Conn) writeSegment() error {
	if _, err := c.send(c.segmentDone()); err != nil {
		return c.broken(err)
	}
	if c.sent.entry == nil {
		c.unclaim()
	}
	return nil
}

// broken lets go of the connection if it failed in the middle of a command.
func (c *Conn) broken(err error) error {
	if err == nil {
		return nil
	}
	c.sent = outgoing{}
	c.unclaim()
	return c.fail(err)
}

// segmentDone registers the command, finds out whether a literal or the next command follows, and returns the segment
// as it goes over the wire.
func (c *Conn) segmentDone() []byte {
	line := c.sent.line
	c.sent.line = nil
	if c.sent.entry == nil {
		line = append([]byte(c.prefix), line...)
		c.sent.entry = c.begun(line)
	}
	text := strings.TrimRight(string(line), "\r\n")
	e := c.sent.entry
	c.traceSent(text, e.verb)
	size, synchronising, ok := announced(text)
	waits := ok && synchronising
	if ok {
		c.sent.literal = size
		if c.options.Trace != nil {
			c.options.Trace.skippedOut(size)
		}
	} else {
		waits = e.verb == "AUTHENTICATE" || e.verb == "IDLE"
		c.sent.entry = nil
	}
	c.register(e, waits, !ok)
	return line
}

// begun makes the entry of a command from its first segment.
func (c *Conn) begun(line []byte) *entry {
	tag, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	return &entry{tag: tag, own: strings.TrimPrefix(tag, c.prefix), verb: verbOf(rest)}
}

// register notes that one more segment of a command is about to be sent.
func (c *Conn) register(e *entry, waits, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if waits {
		e.waits++
	}
	e.whole = whole
	if !e.queued {
		e.queued = true
		c.queue = append(c.queue, e)
	}
}

func verbOf(rest string) string {
	fields := strings.Fields(strings.ToUpper(rest[:min(len(rest), 80)]))
	switch {
	case len(fields) == 0:
		return ""
	case fields[0] == "UID" && len(fields) > 1:
		return "UID " + fields[1]
	}
	return fields[0]
}

// announced reads the literal that a segment of a command announces at its end.
func announced(text string) (size int64, synchronising, ok bool) {
	i := strings.LastIndexByte(text, '{')
	if i < 0 || !strings.HasSuffix(text, "}") {
		return 0, false, false
	}
	size, err := literalSize([]byte(text[i:]))
	return size, !strings.HasSuffix(text, "+}"), err == nil
}

// answering tells whether go-imap is in the middle of AUTHENTICATE or IDLE, so that its lines are no commands.
func (c *Conn) answering() bool {
	if len(c.sent.answer) > 0 {
		return true
	}
	e := c.head()
	return c.sent.idle() && e != nil && e.exec == nil && (e.verb == "AUTHENTICATE" || e.verb == "IDLE")
}

// writeAnswer sends the line when it is whole, so that the trace knows what to leave out.
func (c *Conn) writeAnswer(b []byte) (int, error) {
	end := bytes.IndexByte(b, '\n') + 1
	if end == 0 {
		c.sent.answer = append(c.sent.answer, b...)
		return len(b), nil
	}
	line := append(c.sent.answer, b[:end]...) //nolint:gocritic // the field is emptied
	c.sent.answer = nil
	if e := c.head(); e != nil && e.verb == "AUTHENTICATE" {
		c.register(e, true, true) // the server may ask on
		if string(line) == "=\r\n" {
			line = line[1:] // go-imap's empty answer, which is right only behind the verb (RFC 4959, section 3)
		}
	}
	if c.options.Trace != nil {
		c.options.Trace.sentSecret(line)
	}
	// A server may refuse a login and hang up at once. Then go-imap is to hear the refusal, not that the line is dead.
	if n, err := c.send(line); err != nil && n < len(line) {
		return 0, c.fail(err)
	}
	return end, nil
}
