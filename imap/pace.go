package imap

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// What Gmail says of its limits stands in the text of its answers.
const (
	throttled   = "[throttled]"
	bandwidth   = "exceeded command or bandwidth limits"
	sessionOver = "session expired"
)

// How long to wait before the next command of an account that is throttled: longer each time that the server says so,
// and less and less once it does not.
const longestPace = 2 * time.Minute

// soon is how long a session must last that was begun because another one was ended, or the account has had enough.
const soon = time.Minute

// A pace is how quickly a server wants to be asked, and whether it wants to be at all. It may be used from several
// goroutines.
type pace struct {
	mu     sync.Mutex
	first  time.Duration
	gap    time.Duration // between two commands
	until  time.Time     // nothing is asked before
	ended  time.Time     // when a session was ended last
	spent  string        // the words by which the server said that the quota is used up
	alarms []string      // the addresses that a login was told to go to
}

// hear looks at what a server says along with its answers, on a connection that began at a time.
func (a *Account) hear(began time.Time, s wire.Status) {
	text := strings.ToLower(s.Text)
	p := &a.pace
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.Contains(text, throttled) || s.Code == "THROTTLED":
		p.gap = min(max(2*p.gap, 2*a.options.Pause), longestPace)
		p.until = time.Now().Add(p.gap)
	case strings.Contains(text, bandwidth), s.Kind == "BYE" && s.Code == "OVERQUOTA":
		p.spent = s.Text
	case s.Kind == "BYE" && strings.Contains(text, sessionOver):
		if !p.ended.IsZero() && began.After(p.ended) && time.Since(began) < soon {
			p.spent = s.Text
		}
		p.ended = time.Now()
	case s.Code == "WEBALERT":
		p.alarms = append(p.alarms, s.Args)
	}
}

// wait waits until the server may be asked again.
func (p *pace) wait(ctx context.Context) error {
	if err := p.judge(nil); err != nil {
		return err
	}
	p.mu.Lock()
	rest := time.Until(p.until)
	if rest <= 0 && p.gap > 0 { // it was calm since
		if p.gap = p.gap * 3 / 4; p.gap < 10*time.Millisecond {
			p.gap = 0
		}
		p.until = time.Now().Add(p.gap)
	}
	p.mu.Unlock()
	if rest <= 0 {
		return nil
	}
	return pause(ctx, rest)
}

// judge says of what went wrong after the quota was used up that it went wrong for that.
func (p *pace) judge(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spent == "" {
		return err
	}
	if err == nil {
		return fmt.Errorf("%w: %s", mailbox.ErrQuota, p.spent)
	}
	return fmt.Errorf("%w: %w", mailbox.ErrQuota, err)
}
