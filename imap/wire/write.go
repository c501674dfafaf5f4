package wire

import (
	"bytes"
	"strings"
	"time"
)

// outgoing follows what go-imap sends: which commands, and where their literals lie.
type outgoing struct {
	line    []byte // the segment so far
	literal int64  // octets left of a literal
	entry   *entry // the command that is being sent; nil between commands
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
	if c.sent.entry == nil && len(c.sent.line) == 0 && c.sent.literal == 0 {
		c.writing.Lock()
	}
	if c.sent.literal > 0 {
		b = b[:min(int64(len(b)), c.sent.literal)]
		n, err := c.send(b)
		c.sent.literal -= int64(n)
		return n, c.broken(err)
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		c.sent.line = append(c.sent.line, b...)
		return len(b), nil // kept until the segment is whole
	}
	c.sent.line = append(c.sent.line, b[:end+1]...)
	_, err := c.send(c.segmentDone())
	if c.sent.entry == nil {
		c.writing.Unlock()
	}
	return end + 1, c.broken(err)
}

// broken lets go of the connection if it failed in the middle of a command.
func (c *Conn) broken(err error) error {
	if err == nil {
		return nil
	}
	if c.sent.entry != nil {
		c.sent = outgoing{}
		c.writing.Unlock()
	}
	return c.fail(err)
}

// segmentDone registers the command, finds out whether a literal or the next command follows, and returns the segment.
func (c *Conn) segmentDone() []byte {
	line := c.sent.line
	c.sent.line = nil
	text := strings.TrimRight(string(line), "\r\n")
	if c.sent.entry == nil {
		tag, rest, _ := strings.Cut(text, " ")
		c.sent.entry = &entry{tag: tag, verb: verbOf(rest)}
		c.register(c.sent.entry)
	}
	if c.options.Trace != nil {
		c.options.Trace.sentCommand(text, c.sent.entry.verb)
	}
	size, synchronising, ok := announced(text)
	switch {
	case ok:
		c.sent.literal = size
		if synchronising {
			c.expect(c.sent.entry)
		}
		if c.options.Trace != nil {
			c.options.Trace.skippedOut(size)
		}
	default:
		if v := c.sent.entry.verb; v == "AUTHENTICATE" || v == "IDLE" {
			c.expect(c.sent.entry)
		}
		c.sent.entry = nil
	}
	return line
}

func verbOf(rest string) string {
	fields := strings.Fields(strings.ToUpper(rest))
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

func (c *Conn) register(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, e)
}

func (c *Conn) expect(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.conts++
}

// answering tells whether go-imap is in the middle of AUTHENTICATE or IDLE, so that its lines are no commands.
func (c *Conn) answering() bool {
	if c.sent.entry != nil || len(c.sent.line) > 0 {
		return false
	}
	e := c.head()
	return e != nil && e.exec == nil && (e.verb == "AUTHENTICATE" || e.verb == "IDLE")
}

func (c *Conn) writeAnswer(b []byte) (int, error) {
	e := c.head()
	if e != nil && e.verb == "AUTHENTICATE" {
		c.expect(e) // the server may ask on
	}
	if c.options.Trace != nil {
		c.options.Trace.sentSecret()
	}
	n, err := c.send(b)
	if err != nil {
		return n, c.fail(err)
	}
	return n, nil
}

// send writes to the network, and makes a reader that waits there notice that an answer is due.
func (c *Conn) send(b []byte) (int, error) {
	c.mu.Lock()
	raw, dead, limit := c.raw, c.dead, time.Now().Add(c.options.Silence)
	c.mu.Unlock()
	if dead != nil {
		return 0, dead
	}
	if err := raw.SetWriteDeadline(limit); err != nil {
		return 0, err
	}
	n, err := raw.Write(b)
	if err == nil {
		err = raw.SetReadDeadline(time.Now().Add(c.options.Silence))
	}
	return n, err
}
