package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"mailtwin/mailbox"
)

// Options say how a Conn behaves.
type Options struct {
	Trace      *Trace        // nil: nothing is written
	Silence    time.Duration // how long the server may say nothing while an answer is awaited; 0 means a minute
	MaxMessage int64         // octets of the largest body; 0 means 1 GiB
	Report     func(string)  // told what was skipped because it could not be read; the text is foreign. May be nil
}

// A Conn lies between a network connection and go-imap. It is a net.Conn for go-imap's use; Exec and Close may be
// called from any goroutine. The deadlines that go-imap sets are ignored: Silence takes their place.
type Conn struct {
	options Options
	raw     net.Conn
	p       *parser
	out     []byte // for go-imap, not yet read by it

	writing sync.Mutex // held from the first octet of a command to its last
	sent    outgoing   // guarded by writing, while go-imap sends a command

	mu     sync.Mutex
	queue  []*entry
	serial int
	handed bool  // go-imap is on top and reads
	dead   error // why the connection ended
	bye    string
	caps   []string
}

// An entry of the queue is a command that was sent and not yet answered.
type entry struct {
	tag   string
	verb  string
	exec  *execution // nil for a command of go-imap
	index int        // among the commands of exec
	conts int        // how many continuation requests go-imap waits for
}

// New lays a Conn over a TCP or TLS connection.
func New(conn net.Conn, o Options) *Conn {
	if o.Silence == 0 {
		o.Silence = time.Minute
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = defaultLargest
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	c := &Conn{options: o, raw: conn}
	c.p = &parser{br: bufio.NewReaderSize(source{c}, 64<<10), largest: o.MaxMessage}
	if o.Trace != nil {
		c.p.lines, c.p.skips = o.Trace.received, o.Trace.skipped
	}
	return c
}

// source reads from the network with the deadline that is due.
type source struct{ c *Conn }

func (s source) Read(p []byte) (int, error) {
	s.c.mu.Lock()
	raw := s.c.raw
	err := raw.SetReadDeadline(s.c.deadline())
	s.c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return raw.Read(p)
}

// deadline is when the server has been silent for too long; never, if nothing is awaited. c.mu is held.
func (c *Conn) deadline() time.Time {
	if c.handed && len(c.queue) == 0 {
		return time.Time{}
	}
	return time.Now().Add(c.options.Silence)
}

// Read serves go-imap with what is meant for it.
func (c *Conn) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if err := c.pump(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// pump reads one response and brings it where it belongs. An error is the end of the connection.
func (c *Conn) pump() error {
	if err := c.Err(); err != nil {
		return err
	}
	err := c.p.begin()
	if err == nil {
		err = c.dispatch()
	}
	if err != nil {
		err = c.fail(err)
	}
	return err
}

// Err returns why the connection ended; nil if it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// fail ends the connection and all that waits for it. It returns what is said about it, now and ever after.
func (c *Conn) fail(err error) error {
	c.mu.Lock()
	if c.dead == nil {
		c.dead = c.explain(err)
	}
	dead, waiting := c.dead, c.queue
	c.queue = nil
	c.mu.Unlock()
	for _, e := range waiting {
		if e.exec != nil {
			e.exec.end(dead)
		}
	}
	if closeErr := c.raw.Close(); closeErr != nil && !errors.Is(closeErr, net.ErrClosed) {
		return errors.Join(dead, closeErr)
	}
	return dead
}

// explain says what the end of a connection means. c.mu is held.
func (c *Conn) explain(err error) error {
	var bound *BoundError
	switch {
	case errors.As(err, &bound), errors.Is(err, errTag):
		return err
	case c.bye != "":
		return fmt.Errorf("%w: the server closed the connection: %s", mailbox.ErrTemporary, c.bye)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: the server said nothing for %s", mailbox.ErrTemporary, c.options.Silence)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the server closed the connection", mailbox.ErrTemporary)
	}
	return fmt.Errorf("%w: %w", mailbox.ErrTemporary, err)
}

var errTag = errors.New("the server answered what was never asked")

// dispatch looks at how the response begins.
func (c *Conn) dispatch() error {
	switch {
	case c.p.at('+'):
		return c.continuation()
	case bytes.HasPrefix(c.p.seg, []byte("* ")):
		c.p.seg = c.p.seg[2:]
		return c.untagged()
	}
	return c.tagged()
}

// continuation passes a continuation request on if the command at the head waits for one. Others are nobody's.
func (c *Conn) continuation() error {
	c.mu.Lock()
	var wanted bool
	if len(c.queue) > 0 && c.queue[0].conts > 0 {
		c.queue[0].conts--
		wanted = true
	}
	c.mu.Unlock()
	if !wanted {
		c.options.Report("a continuation request that nobody waits for")
		return nil
	}
	c.pass("+ ", strings.TrimLeft(string(c.p.seg[1:]), " "))
	return nil
}

func (c *Conn) pass(parts ...string) {
	for _, part := range parts {
		c.out = append(c.out, part...)
	}
	c.out = append(c.out, '\r', '\n')
}

func (c *Conn) tagged() error {
	tag := string(c.p.word())
	c.p.space()
	status := parseStatus(string(c.p.word()), c.p.seg)
	e := c.take(tag)
	if e == nil || (status.Kind != "OK" && status.Kind != "NO" && status.Kind != "BAD") {
		return fmt.Errorf("%w: %.80q", errTag, tag+" "+status.Kind)
	}
	if status.Code == "CAPABILITY" {
		c.learn(strings.Fields(strings.ToUpper(status.Args)))
	}
	if e.exec != nil {
		e.exec.answer(e.index, status)
		return nil
	}
	c.pass(tag, " ", guardStatus(status, e.verb))
	return nil
}

// take removes a command from the queue.
func (c *Conn) take(tag string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range c.queue {
		if e.tag == tag {
			c.queue = append(c.queue[:i:i], c.queue[i+1:]...)
			return e
		}
	}
	return nil
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
	switch r.Kind {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return c.untaggedStatus(r)
	case "CAPABILITY":
		c.learn(r.Caps())
	}
	e := c.head()
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
	r.Kind = kind(word)
	return r
}

func kind(word []byte) string {
	if string(word) == "FETCH" {
		return "FETCH"
	}
	return strings.ToUpper(string(word))
}

func (c *Conn) isHanded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handed
}

func (c *Conn) untaggedStatus(r *Response) error {
	status := r.Status()
	if r.Kind == "BYE" {
		c.mu.Lock()
		c.bye = status.Text
		c.mu.Unlock()
	}
	if status.Code == "CAPABILITY" {
		c.learn(strings.Fields(strings.ToUpper(status.Args)))
	}
	if e := c.head(); e != nil && e.exec != nil {
		return c.hand(e.exec, r)
	}
	if r.Kind != "PREAUTH" && c.isHanded() {
		c.pass("* ", guardStatus(status, ""))
	}
	return nil
}

// hand gives a response to a handler. What cannot be read is skipped and reported; what breaks a bound, or the line, is
// not survived.
func (c *Conn) hand(x *execution, r *Response) error {
	err := x.handle(r)
	var bound *BoundError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &bound), errors.Is(err, io.ErrUnexpectedEOF), isNetwork(err):
		return err
	case errors.Is(err, errSyntax), errors.Is(err, errUIDSet):
		c.options.Report(fmt.Sprintf("a %s response: %v", r.Kind, err))
		return nil
	}
	x.refuse(err)
	return nil
}

func isNetwork(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && !errors.Is(err, errBody)
}

func (c *Conn) learn(caps []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.caps = caps
}

// Caps returns the capabilities that the server announced last, in upper case; nil if it did not since they were
// forgotten.
func (c *Conn) Caps() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.caps
}

// Hide makes the trace leave out a secret, should the server send it back.
func (c *Conn) Hide(secret string) { c.options.Trace.Hide(secret) }

// ForgetCaps forgets them: after STARTTLS and after the login others hold.
func (c *Conn) ForgetCaps() { c.learn(nil) }

// Bye returns what the server said when it closed the connection.
func (c *Conn) Bye() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bye
}

// HandOver puts go-imap on top: from now on Read serves it, first with a greeting of our own making that brings the
// capabilities, so that it never asks by itself. Call it once, with nothing in flight.
func (c *Conn) HandOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handed = true
	c.pass("* OK [CAPABILITY", guardCaps(c.caps), "] ready")
}

// TLS returns the state of the TLS connection, if there is one.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn, ok := c.raw.(*tls.Conn)
	if !ok {
		return tls.ConnectionState{}, false
	}
	return conn.ConnectionState(), true
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.mu.Lock()
	raw := c.raw
	if c.dead == nil {
		c.dead = fmt.Errorf("%w: %w", mailbox.ErrTemporary, net.ErrClosed)
	}
	dead, waiting := c.dead, c.queue
	c.queue = nil
	c.mu.Unlock()
	for _, e := range waiting {
		if e.exec != nil {
			e.exec.end(dead)
		}
	}
	return raw.Close()
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr returns the server's address.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// SetDeadline does nothing, see Conn.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, see Conn.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, see Conn.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
