package gimap

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A session is one connection.
type session struct {
	s     *Server
	conn  *countedConn
	r     *bufio.Reader
	w     *bufio.Writer
	pack  *flate.Writer // where the session is compressed
	packs bool          // that it will be, as soon as the answer is out
	inner *plain        // what goes through it
	out   []chunk       // what the command under way has to say
	now   *Fault

	user     bool // logged in
	began    time.Time
	over     string // the BYE with which the server ends it
	utf8     bool
	condense bool // CONDSTORE is on
	selected *folder
	readOnly bool
	opened   time.Time
	view     []member // what the client knows, by sequence number
	told     uint64   // up to this MODSEQ it was told of flags
	top      uint32   // and up to this UID of messages
}

// A chunk is a part of an answer.
type chunk struct {
	text    []byte
	literal bool
	body    uint64 // it is the whole of this message
}

// A plain counts octets before they are compressed.
type plain struct {
	r        io.Reader
	w        io.Writer
	down, up atomic.Int64
}

func (p *plain) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.up.Add(int64(n))
	return n, err
}

func (p *plain) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.down.Add(int64(n))
	return n, err
}

// A countedConn counts octets.
type countedConn struct {
	net.Conn
	down, up atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.up.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.down.Add(int64(n))
	return n, err
}

func newSession(s *Server, nc net.Conn) *session {
	conn := &countedConn{Conn: nc}
	return &session{s: s, conn: conn, r: bufio.NewReaderSize(conn, 32<<10), w: bufio.NewWriterSize(conn, 32<<10), began: s.o.Now()}
}

// A command is one that came.
type command struct {
	tag, verb string
	uid       bool
	rest      []byte // behind the verb
	args      []node
	bad       error // its arguments make no sense
	fresh     bool  // it came on its own, after an answer
}

var errClosed = errors.New("the session is over")

func (c *session) serve() {
	defer func() {
		_ = c.conn.Close()
		c.s.mu.Lock()
		c.settleCounts()
		delete(c.s.sessions, c)
		c.s.mu.Unlock()
	}()
	c.say("* OK Gimap ready for requests from 127.0.0.1 %s", id)
	for c.send() == nil {
		cmd, err := c.read()
		if err != nil {
			c.farewell()
			return
		}
		if c.handle(cmd) != nil {
			return
		}
	}
}

// farewell says BYE if the server ended the session.
func (c *session) farewell() {
	c.s.mu.Lock()
	over := c.over
	c.s.mu.Unlock()
	if over != "" {
		c.say("%s", over)
		_ = c.send()
		_ = c.flush()
	}
}

// settleCounts adds what the connection counted to the server's sums. The lock is held.
func (c *session) settleCounts() {
	down, up := c.conn.down.Swap(0), c.conn.up.Swap(0)
	c.s.count.Down += down
	c.s.count.Up += up
	if c.s.o.QuotaPlain && c.inner != nil {
		down, up = c.inner.down.Swap(0), c.inner.up.Swap(0)
	}
	c.s.used.down += down
	c.s.used.up += up
	if c.s.spent() {
		c.s.store.wake() // for those that are idle
	}
}

// id stands at the end of greetings, as Gmail has one there.
const id = "u9mb76462483wmq"

// maxLine is how long a command may be, literals apart.
const maxLine = 64 << 10

// read reads one command, asks for its literals, and answers itself where it cannot be read.
func (c *session) read() (*command, error) {
	for {
		fresh := c.r.Buffered() == 0
		if fresh {
			if err := c.flush(); err != nil {
				return nil, err
			}
		}
		text, complaint, err := c.readText()
		if err != nil {
			return nil, err
		}
		tag, rest, _ := bytes.Cut(text, []byte(" "))
		if complaint != "" {
			c.say("%s %s", tag, complaint)
			if err := c.send(); err != nil {
				return nil, err
			}
			continue
		}
		cmd := readCommand(rest)
		cmd.tag, cmd.fresh = string(tag), fresh
		return cmd, nil
	}
}

// readCommand reads what stands behind the tag.
func readCommand(text []byte) *command {
	cmd := &command{}
	verb, rest, _ := bytes.Cut(text, []byte(" "))
	if strings.EqualFold(string(verb), "UID") {
		cmd.uid = true
		verb, rest, _ = bytes.Cut(rest, []byte(" "))
	}
	cmd.verb, cmd.rest = strings.ToUpper(string(verb)), rest
	cmd.args, cmd.bad = parse(rest)
	if bytes.HasSuffix(text, []byte(" ")) {
		cmd.bad = errParse
	}
	return cmd
}

// readText reads a line and its literals. A complaint is the answer to one that is refused before it was read.
func (c *session) readText() (text []byte, complaint string, err error) {
	size := 0
	for {
		line, err := c.r.ReadBytes('\n')
		if err != nil {
			return nil, "", err
		}
		text = append(text, line...)
		if size += len(line); size > maxLine {
			complaint = "BAD Could not parse command"
		}
		n, wait, is := literalAt(text)
		if !is {
			return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r")), complaint, nil
		}
		if over := c.refuseLiteral(text, n, wait); over != "" {
			complaint = over
			if wait {
				return text, complaint, nil
			}
		}
		if wait {
			c.say("+ go ahead")
			if err := errors.Join(c.send(), c.flush()); err != nil {
				return nil, "", err
			}
		}
		at := len(text)
		text = append(text, make([]byte, n)...)
		if _, err := io.ReadFull(c.r, text[at:]); err != nil {
			return nil, "", err
		}
	}
}

// refuseLiteral says what is wrong with a literal that is announced.
func (c *session) refuseLiteral(text []byte, n int, wait bool) string {
	c.s.mu.Lock()
	limit, long := c.s.o.AppendLimit, c.s.o.LongLiterals
	c.s.mu.Unlock()
	switch {
	case int64(n) > limit:
		return "BAD [TOOBIG] Message too large. https://support.google.com/mail/answer/6584#limit"
	case !wait && n > 4096 && !long:
		return "BAD Could not parse command"
	case !bytes.Contains(bytes.ToUpper(text[:min(40, len(text))]), []byte(" APPEND ")) && n > maxLine:
		return "BAD Could not parse command"
	}
	return ""
}

// literalAt reads the announcement of a literal at the end of a line.
func literalAt(line []byte) (n int, wait, is bool) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if !bytes.HasSuffix(line, []byte("}")) {
		return 0, false, false
	}
	i := bytes.LastIndexByte(line, '{')
	if i < 0 {
		return 0, false, false
	}
	digits, plus := strings.CutSuffix(string(line[i+1:len(line)-1]), "+")
	n, err := strconv.Atoi(digits)
	return n, !plus, err == nil && n >= 0 && n <= 1<<30
}

// say adds a line to the answer.
func (c *session) say(format string, args ...any) {
	c.out = append(c.out, chunk{text: fmt.Appendf(nil, format+"\r\n", args...)})
}

// flush sends what was written.
func (c *session) flush() error {
	if err := c.w.Flush(); err != nil {
		return err
	}
	if c.pack != nil {
		return c.pack.Flush()
	}
	return nil
}

// compress makes all that follows DEFLATE (RFC 4978).
func (c *session) compress() error {
	if err := c.flush(); err != nil {
		return err
	}
	pack, err := flate.NewWriter(c.conn, flate.DefaultCompression)
	if err != nil {
		return err
	}
	c.pack = pack
	c.inner = &plain{r: flate.NewReader(c.r), w: pack}
	c.r = bufio.NewReaderSize(c.inner, 32<<10)
	c.w = bufio.NewWriterSize(c.inner, 32<<10)
	return nil
}

// interrupt wakes a session that reads.
func (c *session) interrupt() { _ = c.conn.SetReadDeadline(time.Unix(1, 0)) }
