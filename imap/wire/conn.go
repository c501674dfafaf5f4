package wire

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"mailtwin/mailbox"
)

// Options say how a Conn behaves.
type Options struct {
	Trace      *Trace        // nil: nothing is written
	Silence    time.Duration // how long the server may take for an answer, or for 64 KiB of a longer one; 0 means a minute
	MaxMessage int64         // octets of the largest body; 0 means 1 GiB
	Traffic    *Traffic      // counts the octets; may be nil
	Report     func(string)  // told what was skipped because it could not be read; the text is foreign. May be nil
	Heard      func(Status)  // told every status response, tagged or not, as it comes; may be nil
}

// ErrBye means that the server ended the session, and said so: of what it had not answered by then, nothing is under way
// any more. It is a kind of mailbox.ErrTemporary.
var ErrBye = fmt.Errorf("%w: the server closed the connection", mailbox.ErrTemporary)

// A Conn lies between a network connection and go-imap. It is a net.Conn for go-imap's use; Exec and Close may be
// called from any goroutine. The deadlines that go-imap sets are ignored: Silence takes their place.
type Conn struct {
	options Options
	prefix  string // of every tag: nobody can answer what they have not read
	p       *parser
	out     []byte // for go-imap
	taken   int    // of out, read by it

	writing chan struct{} // holds one token, from the first octet of a command to its last
	sent    outgoing      // touched only by the goroutine in which go-imap sends a command
	pack    *bufio.Writer // of commands with literals; touched only by the one who has the token
	packed  bool          // a part of such a command was sent

	mu     sync.Mutex
	raw    net.Conn
	stream io.ReadWriter // over raw; counted, and compressed if that was agreed on
	queue  []*entry
	serial int
	handed bool          // go-imap is on top and reads
	dead   error         // why the connection ended
	gone   chan struct{} // closed when it did
	bye    string
	caps   []string

	patience patience
}

// An entry of the queue is a command that was sent and not yet answered.
type entry struct {
	tag   string // as it went over the wire
	own   string // as go-imap knows it
	verb  string
	exec  *execution // nil for a command of go-imap
	index int        // among the commands of exec

	queued bool          // it is or was in the queue
	waits  int           // for how many continuation requests the sender waits
	whole  bool          // all of it was sent
	goOn   chan struct{} // gets those of a command that was not sent by go-imap
}

// New lays a Conn over a TCP or TLS connection.
func New(conn net.Conn, o Options) *Conn {
	if o.Silence == 0 {
		o.Silence = time.Minute
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = defaultLargest
	}
	if o.Traffic == nil {
		o.Traffic = new(Traffic)
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	c := &Conn{
		options: o, raw: conn, prefix: rand.Text()[:6],
		writing: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	c.stream = &meter{Conn: conn, traffic: o.Traffic}
	c.p = &parser{br: bufio.NewReaderSize(source{c}, 64<<10), largest: o.MaxMessage}
	if o.Trace != nil {
		c.p.lines, c.p.skips = c.traceLine, o.Trace.skipped
	}
	return c
}

// send writes to the network, and makes a reader that waits there notice that an answer is due.
func (c *Conn) send(b []byte) (int, error) {
	const most = 64 << 10 // for each of which the server has the whole time
	written := 0
	for len(b) > 0 {
		n, err := c.sendSome(b[:min(len(b), most)])
		written += n
		b = b[n:]
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (c *Conn) sendSome(b []byte) (int, error) {
	c.mu.Lock()
	raw, dead := c.raw, c.dead
	out := c.stream
	c.mu.Unlock()
	if dead != nil {
		return 0, dead
	}
	if err := raw.SetWriteDeadline(time.Now().Add(c.options.Silence)); err != nil {
		return 0, err
	}
	n, err := out.Write(b)
	c.options.Traffic.count(&c.options.Traffic.out, n)
	if err == nil {
		_, err = c.await(true)
	}
	return n, err
}

// claim takes the right to send. It gives up when the connection or ctx ends.
func (c *Conn) claim(ctx context.Context) error {
	select {
	case c.writing <- struct{}{}:
		return nil
	case <-c.gone:
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Conn) unclaim() { <-c.writing }

// Err returns why the connection ended; nil if it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// fail ends the connection and all that waits for it. It returns what is said about it, now and ever after. What closing
// a broken connection says on top of that helps nobody.
func (c *Conn) fail(err error) error {
	dead := c.end(err)
	_ = c.network().Close()
	return dead
}

// end notes why the connection ended, if it had not, and tells those who wait. It returns what was noted.
func (c *Conn) end(err error) error {
	c.mu.Lock()
	if c.dead == nil {
		c.dead = c.explain(err)
		close(c.gone)
	}
	dead, waiting := c.dead, c.queue
	c.queue = nil
	c.mu.Unlock()
	for _, e := range waiting {
		if e.exec != nil {
			e.exec.end(dead)
		}
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
		return fmt.Errorf("%w: %s", ErrBye, c.bye)
	case errors.Is(err, ErrCompression):
		return fmt.Errorf("%w: %w", mailbox.ErrTemporary, err)
	case errors.Is(err, os.ErrDeadlineExceeded) && c.patience.octets > 0:
		return fmt.Errorf("%w: the server is too slow: %d octets in %s", mailbox.ErrTemporary, c.patience.octets, c.options.Silence)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: the server said nothing for %s", mailbox.ErrTemporary, c.options.Silence)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the server closed the connection", mailbox.ErrTemporary)
	}
	return fmt.Errorf("%w: %w", mailbox.ErrTemporary, err)
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

// ForgetCaps forgets them: after STARTTLS and after the login others hold.
func (c *Conn) ForgetCaps() { c.learn(nil) }

// Hide makes the trace leave out a secret, should the server send it back.
func (c *Conn) Hide(secret string) { c.options.Trace.Hide(secret) }

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

func (c *Conn) isHanded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handed
}

// TLS returns the state of the TLS connection, if there is one.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	conn, ok := c.network().(*tls.Conn)
	if !ok {
		return tls.ConnectionState{}, false
	}
	return conn.ConnectionState(), true
}

func (c *Conn) network() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw
}

// Close closes the connection. Everything that waits for it ends with an error that wraps net.ErrClosed.
func (c *Conn) Close() error {
	_ = c.end(net.ErrClosed) // which is what is asked for
	return c.network().Close()
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.network().LocalAddr() }

// RemoteAddr returns the server's address.
func (c *Conn) RemoteAddr() net.Addr { return c.network().RemoteAddr() }

// SetDeadline does nothing, see Conn.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, see Conn.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, see Conn.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
