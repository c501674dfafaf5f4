package wire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
)

// A TraceWriter is a file into which several connections write what goes over the wire.
type TraceWriter struct {
	mu    sync.Mutex
	w     io.Writer
	conns int
	err   error
}

// NewTraceWriter returns one that writes to w.
func NewTraceWriter(w io.Writer) *TraceWriter { return &TraceWriter{w: w} }

// Err returns the first error of writing.
func (t *TraceWriter) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Conn returns the trace of one more connection, which begins its lines with the number of the connection.
func (t *TraceWriter) Conn() *Trace {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns++
	return &Trace{t: t, conn: t.conns}
}

func (t *TraceWriter) line(conn int, side, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := fmt.Fprintf(t.w, "%d %s: %s\n", conn, side, text); err != nil && t.err == nil {
		t.err = err
	}
}

// A Trace writes what goes over one connection, a line for a segment, control characters made visible. It leaves out
// whatever may be secret: the arguments of LOGIN and AUTHENTICATE and all that is sent until they are answered. Of
// literals it writes the size, which the announcing line shows.
type Trace struct {
	t    *TraceWriter
	conn int

	mu      sync.Mutex
	secrets []string
}

// Hide makes the trace write "***" for a secret, should the server send it back.
func (t *Trace) Hide(secret string) {
	if t == nil || secret == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.secrets = append(t.secrets, secret)
}

func (t *Trace) write(side, text string) {
	t.mu.Lock()
	for _, secret := range t.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	t.mu.Unlock()
	t.t.line(t.conn, side, strings.Map(visible, text))
}

// visible replaces what would make more of a line than a line.
func visible(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
		return '\uFFFD'
	}
	return r
}

func (t *Trace) skipped(size int64) { t.write("S", fmt.Sprintf("<%d octets>", size)) }

func (t *Trace) skippedOut(size int64) { t.write("C", fmt.Sprintf("<%d octets>", size)) }

// sentCommand writes a segment of a command. Those of a login are cut behind the verb; a segment that follows a literal
// of one has no verb of its own to show. What has no verb is no command, but the answer to a challenge that came too late,
// for the server had ended the login.
func (t *Trace) sentCommand(text, verb string) {
	if verb == "" {
		t.write("C", "***")
		return
	}
	if verb != "LOGIN" && verb != "AUTHENTICATE" {
		t.write("C", text)
		return
	}
	tag, rest, _ := strings.Cut(text, " ")
	if verbOf(rest) != verb {
		t.write("C", "***")
		return
	}
	if words := strings.Fields(rest); verb == "AUTHENTICATE" && len(words) == 3 { // with an initial response
		t.hideWord(words[2])
	}
	t.write("C", tag+" "+verb+" ***")
}

// traceSent writes a segment of a command, if there is a trace, and anything in it.
func (c *Conn) traceSent(text, verb string) {
	if c.options.Trace != nil && text != "" {
		c.options.Trace.sentCommand(text, verb)
	}
}

// sentSecret writes that something was answered to a challenge, which is left out from then on, should it come back.
func (t *Trace) sentSecret(b []byte) {
	t.hideWord(string(b))
	t.write("C", "***")
}

// hideWord hides one of the words of a login, in whatever form it was sent. Very short ones hide nothing but the trace.
func (t *Trace) hideWord(word string) {
	if word = strings.TrimSpace(word); len(word) >= 6 {
		t.Hide(word)
	}
}

// traceLine writes a segment that came. What a server says in the middle of a login may be an echo.
func (c *Conn) traceLine(line []byte) {
	if e := c.head(); e != nil && e.verb == "AUTHENTICATE" && bytes.HasPrefix(line, []byte("+")) {
		line = []byte("+ ***")
	}
	c.options.Trace.write("S", string(line))
}
