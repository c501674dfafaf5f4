package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
)

// A literal is the place in a command where the octets of a body go.
type literal struct {
	at    int // how much of the command's text comes before it
	size  int64
	body  io.Reader
	waits bool // for the server's leave
}

// A BodyError says that the body of a literal could not be read, or was not as long as was announced. The server has not
// got all of it, and never will.
type BodyError struct {
	Err error
	// Begun means that a part of the command was sent. The connection is good for nothing then but the answers to what
	// was sent before, and is to be closed when they are there.
	Begun bool
}

func (e *BodyError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *BodyError) Unwrap() error { return e.Err }

// ErrLength is the reason of a BodyError if the body was not as long as was announced.
var ErrLength = errors.New("it changed while it was read")

// StartLiterals sends one command that has literals, once go-imap is on top. It returns when all of it was sent, or when
// the server has refused it before: wait tells how it ends. If ctx ends meanwhile, the connection is closed.
func (c *Conn) StartLiterals(ctx context.Context, cmd *Command) (wait func(context.Context) (Status, error), err error) {
	line, err := cmd.line()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if err := c.claim(ctx); err != nil {
		return nil, err
	}
	x := &execution{answers: make([]Status, 1), waiting: 1, done: make(chan struct{})}
	e, err := c.admit(x, cmd, line)
	if err != nil {
		c.unclaim()
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.fail(ctx.Err()) }) //nolint:errcheck // whoever waits sees it
	defer stop()
	var broken *BodyError
	switch err := c.transmit(e, cmd, line); {
	case errors.As(err, &broken):
		return nil, c.takeBack(e, broken)
	case err != nil && !errors.Is(err, errRefused):
		c.fail(err) //nolint:errcheck // x learns of it with all others
	}
	c.unclaim()
	return func(ctx context.Context) (Status, error) { return c.outcome(ctx, x) }, nil
}

func (c *Conn) outcome(ctx context.Context, x *execution) (Status, error) {
	answers, err := c.attend(ctx, x)
	switch {
	case err == nil:
		return answers[0], nil
	case ctx.Err() != nil:
		return Status{}, ctx.Err()
	}
	return Status{}, err
}

// takeBack forgets a command of which nothing was sent. Of another one the right to send is kept for ever: nothing must
// follow half a literal.
func (c *Conn) takeBack(e *entry, err *BodyError) error {
	if err.Begun = c.packed; err.Begun {
		return err
	}
	c.pack.Reset(sender{c})
	c.mu.Lock()
	c.queue = slices.DeleteFunc(c.queue, func(other *entry) bool { return other == e })
	c.mu.Unlock()
	c.unclaim()
	return err
}

// admit gives a command that has literals its tag and a place in the queue.
func (c *Conn) admit(x *execution, cmd *Command, line string) (*entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return nil, c.dead
	}
	e := &entry{tag: c.nextTag(), verb: verbOf(line), exec: x, queued: true, goOn: make(chan struct{}, 1)}
	cmd.tag = e.tag
	c.queue = append(c.queue, e)
	return e, nil
}

// transmit sends the command piece by piece. Small ones go out in one write.
func (c *Conn) transmit(e *entry, cmd *Command, line string) error {
	c.packed = false
	if c.pack == nil {
		c.pack = bufio.NewWriterSize(sender{c}, progress)
	}
	text, begin := e.tag+" ", 0
	for _, l := range cmd.literals {
		text += line[begin:l.at]
		begin = l.at
		if err := c.announce(e, l, text); err != nil {
			return err
		}
		if err := l.copyTo(c.pack); err != nil {
			return err
		}
		text = ""
	}
	c.traceSent(text+line[begin:], e.verb)
	if _, err := c.pack.WriteString(text + line[begin:] + "\r\n"); err != nil {
		return err
	}
	c.register(e, false, true)
	return c.pack.Flush()
}

// announce sends what comes before a literal, and waits for leave to send the literal if that is needed.
func (c *Conn) announce(e *entry, l literal, text string) error {
	c.traceSent(text, e.verb)
	if _, err := c.pack.WriteString(text + "\r\n"); err != nil {
		return err
	}
	if l.waits {
		c.register(e, true, false)
		if err := c.pack.Flush(); err != nil {
			return err
		}
		if err := e.leave(); err != nil {
			return err
		}
	}
	if c.options.Trace != nil {
		c.options.Trace.skippedOut(l.size)
	}
	return nil
}

// errRefused means that a command was answered before all of it was sent.
var errRefused = errors.New("the command was refused before its literal")

// leave waits until the server wants the literal.
func (e *entry) leave() error {
	select {
	case <-e.goOn:
		return nil
	case <-e.exec.done:
	}
	select {
	case <-e.goOn: // a server that wants the literal of what it has refused is to get it
		return nil
	default:
		return errRefused
	}
}

// copyTo brings the body on its way. Its last octet is kept back until the body has come to its end.
func (l literal) copyTo(w *bufio.Writer) error {
	body := &noted{r: l.body}
	_, err := io.CopyN(w, body, l.size-1)
	var rest [2]byte
	n := 0
	if err == nil {
		n, _ = io.ReadFull(body, rest[:]) // what was wrong is noted
	}
	switch {
	case body.err != nil:
		return &BodyError{Err: body.err}
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case n != int(min(1, l.size)):
		return &BodyError{Err: ErrLength}
	}
	_, err = w.Write(rest[:n])
	return err
}

// A noted reader remembers how reading failed.
type noted struct {
	r   io.Reader
	err error
}

func (n *noted) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}

// A sender is a Conn as a command's pieces are written to it.
type sender struct{ c *Conn }

func (s sender) Write(b []byte) (int, error) {
	s.c.packed = true
	return s.c.send(b)
}
