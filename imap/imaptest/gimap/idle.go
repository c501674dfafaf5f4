package gimap

import (
	"errors"
	"strings"
	"time"
)

// An idling is an IDLE under way.
type idling struct {
	*session
	line    chan string     // the one that ends it; closed if none comes
	changed <-chan struct{} // something happened in the account; nil when it is deaf
	end     <-chan time.Time
	lag     time.Duration
	deaf    time.Time // from then on; zero is never
}

// idle pushes what happens to the open mailbox, until DONE.
func (c *session) idle(cmd *command) string {
	if len(cmd.args) != 0 {
		return badCommand
	}
	c.say("+ idling")
	i := idling{session: c, line: make(chan string, 1), changed: c.s.store.changed, lag: c.s.o.Lag}
	switch life := c.s.o.IdleLife; {
	case life > 0 && c.s.o.IdleDeaf:
		i.deaf = c.s.o.Now().Add(life)
	case life > 0:
		i.end = time.After(life)
	}
	c.s.mu.Unlock()
	defer c.s.mu.Lock()
	if err := errors.Join(c.send(), c.flush()); err != nil {
		return ""
	}
	go i.read()
	for {
		if answer, over := i.wait(); over {
			return answer
		}
	}
}

func (i *idling) read() {
	defer close(i.line)
	if text, err := i.r.ReadString('\n'); err == nil {
		i.line <- text
	}
}

// wait waits for one thing to happen, and tells whether it is over.
func (i *idling) wait() (answer string, over bool) {
	select {
	case text, ok := <-i.line:
		return i.done(text, ok), true
	case <-i.end:
		i.s.mu.Lock()
		i.over = sessionOver
		i.s.mu.Unlock()
		return i.leave(""), true
	case <-i.changed:
	}
	if i.lag > 0 {
		select {
		case text, ok := <-i.line:
			return i.done(text, ok), true
		case <-time.After(i.lag):
		}
	}
	return i.push()
}

func (i *idling) done(text string, ok bool) string {
	switch {
	case !ok:
		return ""
	case !strings.EqualFold(strings.TrimSpace(text), "DONE"):
		return badCommand
	}
	return "OK IDLE terminated (Success)"
}

// push tells what happened, or that the quota is spent.
func (i *idling) push() (answer string, over bool) {
	i.s.mu.Lock()
	i.changed = i.s.store.changed
	switch {
	case !i.deaf.IsZero() && i.s.o.Now().After(i.deaf):
		i.changed = nil
		i.s.mu.Unlock()
		return "", false
	case i.ends():
		i.s.mu.Unlock()
		return i.leave(""), true
	case i.s.spent():
		i.s.mu.Unlock()
		return i.leave(quotaNo), true
	}
	i.tell(true)
	i.s.mu.Unlock()
	for _, part := range i.out {
		if _, err := i.w.Write(part.text); err != nil {
			return i.leave(""), true
		}
	}
	i.out = nil
	if i.flush() != nil {
		return i.leave(""), true
	}
	return "", false
}

// leave ends it without a DONE. The session goes on if an answer is given.
func (i *idling) leave(answer string) string {
	i.interrupt()
	<-i.line
	if answer != "" {
		_ = i.conn.SetReadDeadline(time.Time{})
	}
	return answer
}
