package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// An execution is a flight of commands and what came of them.
type execution struct {
	handler func(*Response) error
	running sync.Mutex // held while handler runs, so that Exec does not return under it

	mu      sync.Mutex
	answers []Status
	waiting int
	refused error // of the handler
	failed  error // of the connection
	done    chan struct{}
}

// Exec sends commands in one flight. handle, which may be nil, gets every untagged response that comes while one of
// them is at the head of the queue, one at a time and in order; once go-imap is on top it is called in go-imap's
// goroutine, and must not call the Conn.
//
// Exec returns a Status for each command, in order: a refused command is a Status, not an error. An error of handle
// makes handle deaf, and is returned once all is answered. Any other error is the end of the connection; where another
// one may do better it wraps mailbox.ErrTemporary. An IMAP command cannot be taken back: if ctx ends first, the
// connection is closed. handle is not running any more when Exec returns.
func (c *Conn) Exec(ctx context.Context, handle func(*Response) error, cmds ...*Command) ([]Status, error) {
	wait, err := c.Start(ctx, handle, cmds...)
	if err != nil || wait == nil {
		return nil, err
	}
	return wait()
}

// Start is Exec that returns as soon as the commands are sent, so that others may follow in the same flight; wait does
// the rest, unless nobody cares what comes of them. It is nil if there are no commands.
func (c *Conn) Start(ctx context.Context, handle func(*Response) error, cmds ...*Command) (wait func() ([]Status, error), err error) {
	x := &execution{handler: handle, answers: make([]Status, len(cmds)), waiting: len(cmds), done: make(chan struct{})}
	if len(cmds) == 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.launch(ctx, x, cmds); err != nil {
		return nil, err
	}
	return func() ([]Status, error) { return c.attend(ctx, x) }, nil
}

func (c *Conn) attend(ctx context.Context, x *execution) ([]Status, error) {
	if !c.isHanded() {
		return c.drive(ctx, x)
	}
	select {
	case <-x.done:
		return x.result()
	case <-ctx.Done():
		c.fail(ctx.Err()) //nolint:errcheck // what is returned is why the caller gave up
		<-x.done
		x.silence()
		return nil, ctx.Err()
	}
}

// drive reads by itself, as long as go-imap does not.
func (c *Conn) drive(ctx context.Context, x *execution) ([]Status, error) {
	stop := context.AfterFunc(ctx, func() { c.fail(ctx.Err()) }) //nolint:errcheck // as above
	defer stop()
	for {
		select {
		case <-x.done:
			return x.result()
		default:
		}
		if err := c.pump(); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, err
		}
	}
}

var errLiterals = errors.New("a command with literals is for StartLiterals")

// launch registers the commands and sends them in one write. Once they are registered, x hears how they end.
func (c *Conn) launch(ctx context.Context, x *execution, cmds []*Command) error {
	lines := make([]string, len(cmds))
	for i, cmd := range cmds {
		line, err := cmd.line()
		if err == nil && len(cmd.literals) > 0 {
			err = errLiterals
		}
		if err != nil {
			return fmt.Errorf("%s: %w", verbOf(line), err)
		}
		lines[i] = line
	}
	if err := c.claim(ctx); err != nil {
		return err
	}
	defer c.unclaim()
	flight, err := c.enqueue(x, cmds, lines)
	if err != nil {
		return err
	}
	if _, err := c.send(flight); err != nil {
		c.fail(err) //nolint:errcheck // x learns of it with all others
	}
	return nil
}

// enqueue gives the commands their tags and a place in the queue.
func (c *Conn) enqueue(x *execution, cmds []*Command, lines []string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return nil, c.dead
	}
	var flight []byte
	for i, line := range lines {
		cmds[i].tag = c.nextTag()
		c.queue = append(c.queue, &entry{tag: cmds[i].tag, verb: verbOf(line), exec: x, index: i, whole: true})
		flight = fmt.Appendf(flight, "%s %s\r\n", cmds[i].tag, line)
		c.traceSent(cmds[i].tag+" "+line, verbOf(line))
	}
	return flight, nil
}

// nextTag returns the tag of one more command. c.mu is held.
func (c *Conn) nextTag() string {
	c.serial++
	return fmt.Sprintf("%sX%d", c.prefix, c.serial)
}

func (x *execution) handle(r *Response) error {
	x.running.Lock()
	defer x.running.Unlock()
	x.mu.Lock()
	deaf := x.handler == nil || x.refused != nil || x.failed != nil
	x.mu.Unlock()
	if deaf {
		return nil
	}
	return x.handler(r)
}

// silence waits until the handler has returned, and it is not called again: whoever calls this has seen x fail.
func (x *execution) silence() {
	x.running.Lock()
	defer x.running.Unlock()
}

func (x *execution) refuse(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.refused = err
}

func (x *execution) answer(i int, s Status) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answers[i] = s
	if x.waiting--; x.waiting == 0 {
		close(x.done)
	}
}

// end gives up what has not been answered. It is called once for each such command.
func (x *execution) end(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.failed = err
	if x.waiting--; x.waiting == 0 {
		close(x.done)
	}
}

func (x *execution) result() ([]Status, error) {
	x.silence()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.failed != nil {
		return nil, x.failed
	}
	return x.answers, x.refused
}
