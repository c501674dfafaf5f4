package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Bounds on what a server may send. Breaking one ends the connection, for what follows cannot be told from protocol.
const (
	maxLine        = 1 << 20  // octets of a segment
	maxListing     = 16 << 20 // of one that lists UIDs: a million of them
	maxAnswer      = 64 << 20 // of a response, bodies not counted
	maxLiteral     = 64 << 10 // of any literal but a body
	maxDepth       = 100      // of parentheses
	defaultLargest = 1 << 30  // of a body
)

// A BoundError says that the server sent more than is reasonable. The connection is closed.
type BoundError struct{ What string }

func (e *BoundError) Error() string { return "the server sent " + e.What }

// errSyntax means that a response is not what it should be. The connection lives on.
var errSyntax = errors.New("malformed response")

// A parser reads one response after another. What it hands out is valid until it goes on.
type parser struct {
	br      *bufio.Reader
	largest int64 // octets of a body literal
	lines   func([]byte)
	skips   func(int64)
	fatal   error // of the connection, or of a bound: nothing can be read after it

	seg    []byte // what is left of the segment
	long   []byte // holds a segment that is longer than br's buffer
	answer int    // octets of the response so far
	bodies bool   // the response may hold bodies
	open   int64  // octets left of the literal that is being read
	inside bool   // a literal was entered and not left
	ended  bool   // the response's last segment was read
}

// begin reads the first segment of the next response.
func (p *parser) begin() error {
	p.answer, p.open, p.bodies, p.inside, p.ended = 0, 0, false, false, false
	if cap(p.long) > maxLine {
		p.long = nil
	}
	return p.segment()
}

// die notes an error that nothing can be read after.
func (p *parser) die(err error) error {
	if p.fatal == nil {
		p.fatal = err
	}
	return err
}

// exceeded is a broken bound.
func (p *parser) exceeded(format string, args ...any) error {
	return p.die(&BoundError{fmt.Sprintf(format, args...)})
}

// segment reads up to the next line end, which is left out.
func (p *parser) segment() error {
	line, err := p.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = p.longSegment(line)
	}
	if err != nil {
		if len(line) > 0 || p.answer > 0 {
			err = eof(err)
		}
		return p.die(err)
	}
	if p.answer += len(line); p.answer > maxAnswer {
		return p.exceeded("an answer of more than %d MiB", maxAnswer>>20)
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	if p.lines != nil {
		p.lines(line)
	}
	p.seg = line
	return nil
}

// longSegment reads on when the buffer is full. Its limit counts the line end.
func (p *parser) longSegment(start []byte) ([]byte, error) {
	p.long = append(p.long[:0], start...)
	limit := maxLine
	if listing(start) {
		limit = maxListing
	}
	for {
		more, err := p.br.ReadSlice('\n')
		p.long = append(p.long, more...)
		if len(p.long) > limit {
			return nil, p.exceeded("a line of more than %d MiB", limit>>20)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return p.long, err
		}
	}
}

// listing tells whether a line lists UIDs and may therefore be longer than others.
func listing(line []byte) bool {
	for _, word := range []string{"* SEARCH", "* ESEARCH", "* VANISHED"} {
		if len(line) >= len(word) && bytes.EqualFold(line[:len(word)], []byte(word)) {
			return true
		}
	}
	return false
}

// finish reads what is left of the response, literals too.
func (p *parser) finish() error {
	for {
		if err := p.leave(); err != nil {
			return err
		}
		size, ok, err := p.tail()
		if err != nil {
			return err
		}
		if !ok {
			p.seg, p.ended = nil, true
			return nil
		}
		if err := p.enter(size, p.bodies); err != nil {
			return err
		}
	}
}

// tail tells whether the rest of the segment ends in a literal, and how long that is.
func (p *parser) tail() (size int64, ok bool, err error) {
	if p.fatal != nil {
		return 0, false, p.fatal
	}
	if p.ended || len(p.seg) == 0 || p.seg[len(p.seg)-1] != '}' {
		return 0, false, nil
	}
	i := bytes.LastIndexByte(p.seg, '{')
	if i < 0 || !announces(p.seg[i:]) || quoted(p.seg[:i]) {
		return 0, false, nil
	}
	if size, err = literalSize(p.seg[i:]); err != nil {
		return 0, false, p.die(err)
	}
	return size, true, nil
}

// quoted tells whether the text ends inside a quoted string.
func quoted(text []byte) bool {
	for {
		start := bytes.IndexByte(text, '"')
		if start < 0 {
			return false
		}
		p := parser{seg: text[start:]}
		if _, ok := p.quotedString(); !ok {
			return true
		}
		text = p.seg
	}
}

// announces tells whether text in braces means the size of a literal, be it a sane one or not.
func announces(text []byte) bool { return len(bytes.Trim(text[1:len(text)-1], "0123456789+-")) == 0 }

// literalSize reads "{n}" or "{n+}". What does not fit is fatal, for then nobody knows where the literal ends.
func literalSize(p []byte) (int64, error) {
	n, err := strconv.ParseUint(string(bytes.TrimSuffix(p[1:len(p)-1], []byte("+"))), 10, 63)
	if err != nil {
		return 0, &BoundError{fmt.Sprintf("a literal of size %.40q", p)}
	}
	return int64(n), nil
}

// enter begins a literal. The size of a body has a bound of its own, and does not count for the answer.
func (p *parser) enter(size int64, body bool) error {
	limit := int64(maxLiteral)
	if body {
		limit = p.largest
	}
	if size > limit {
		return p.exceeded("a literal of %d octets, more than the %d that are allowed", size, limit)
	}
	if !body {
		if p.answer += int(size); p.answer > maxAnswer {
			return p.exceeded("an answer of more than %d MiB", maxAnswer>>20)
		}
	}
	p.seg, p.open, p.inside = nil, size, true
	if p.skips != nil {
		p.skips(size)
	}
	return nil
}

// leave reads the literal to its end, if one was entered, and goes to the segment that follows it.
func (p *parser) leave() error {
	if p.fatal != nil {
		return p.fatal
	}
	for p.open > 0 {
		n, err := p.br.Discard(int(min(p.open, 1<<20)))
		p.open -= int64(n)
		if err != nil {
			return p.die(eof(err))
		}
	}
	if !p.inside {
		return nil
	}
	p.inside = false
	return p.segment()
}

// eof turns an end of file in the middle of something into what it is.
func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// literalReader reads the open literal. An error that it returns besides io.EOF is one of the connection.
type literalReader struct{ p *parser }

func (l literalReader) Read(b []byte) (int, error) {
	switch {
	case l.p.fatal != nil:
		return 0, l.p.fatal
	case l.p.open == 0:
		return 0, io.EOF
	case int64(len(b)) > l.p.open:
		b = b[:l.p.open]
	}
	n, err := l.p.br.Read(b)
	l.p.open -= int64(n)
	if err != nil && l.p.open > 0 {
		return n, l.p.die(eof(err))
	}
	return n, nil
}

// WriteTo saves a copy: the octets go from the connection's buffer to w.
func (l literalReader) WriteTo(w io.Writer) (written int64, err error) {
	for l.p.open > 0 {
		chunk, err := l.chunk()
		if err != nil {
			return written, err
		}
		n, err := w.Write(chunk)
		written += int64(n)
		l.p.open -= int64(n)
		if _, discardErr := l.p.br.Discard(n); discardErr != nil || err != nil {
			return written, errors.Join(err, discardErr)
		}
	}
	return written, nil
}

// chunk returns what has come of the literal, at least one octet of it.
func (l literalReader) chunk() ([]byte, error) {
	if l.p.fatal != nil {
		return nil, l.p.fatal
	}
	if _, err := l.p.br.Peek(1); err != nil {
		return nil, l.p.die(eof(err))
	}
	return l.p.br.Peek(int(min(int64(l.p.br.Buffered()), l.p.open)))
}
