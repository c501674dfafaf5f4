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

// What Gmail says of its limits stands in the text of its answers, in any case of letters.
const (
	bandwidth   = "exceeded command or bandwidth limits"
	sessionOver = "session expired"
)

// longestPace is the longest wait between two commands of an account that is throttled.
const longestPace = 2 * time.Minute

// soon is how long a session must last that was begun after another one was ended. If it does not, the account has had
// enough, whatever the server says.
const soon = time.Minute

// A pace is how often the server lets the account ask for something, and whether it does at all, as it says along with its
// answers. It may be used from several goroutines.
type pace struct {
	first  time.Duration // the gap after the first complaint
	report func(string)

	mu    sync.Mutex
	gap   time.Duration // between two commands; 0 is none
	next  time.Time     // when the next command may go
	hot   bool          // the server complained since the last command went
	ended time.Time     // when the server last ended a session
	spent string        // the words by which it said that the quota is used up; empty if it did not
}

// hear looks at what the server says on a connection that was made at a time.
func (p *pace) hear(made time.Time, s wire.Status) {
	text := strings.ToLower(s.Text)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case s.Throttled():
		p.slow(s.Kind != "OK")
	case s.Kind == "OK":
	case strings.Contains(text, bandwidth), s.Kind == "BYE" && s.Code == "OVERQUOTA":
		p.spent = s.Text
	case s.Kind == "BYE" && strings.Contains(text, sessionOver):
		if made.After(p.ended) && !p.ended.IsZero() && time.Since(made) < soon {
			p.spent = s.Text
		}
		p.ended = time.Now()
	}
}

// refusedPace is how many times the first gap a server gets that refuses what it is asked too often: what was refused is put
// off until another run anyway, and the rest is to go on.
const refusedPace = 4

// slow makes the gap longer: once for all complaints about commands that went together. p.mu is held.
func (p *pace) slow(refused bool) {
	if p.hot {
		return
	}
	if p.gap == 0 {
		p.report(fmt.Sprintf("the server asks for fewer commands (THROTTLED): from now on they wait for each other, %s at first", p.first))
	}
	p.hot = true
	longest := longestPace
	if refused {
		longest = max(p.gap, min(refusedPace*p.first, longestPace))
	}
	p.gap = min(max(2*p.gap, p.first), longest)
	p.next = time.Now().Add(p.gap)
}

// calm makes the gap shorter. p.mu is held.
func (p *pace) calm() {
	if p.gap = p.gap * 3 / 4; p.gap < p.first/4 {
		p.gap = 0
		p.report("the server has not asked for fewer commands for a while: they wait no longer")
	}
}

// turn returns how long the caller has to wait until it may ask the server for something. Each that waits has a turn of
// its own.
func (p *pace) turn() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gap == 0 {
		return 0
	}
	if !p.hot {
		p.calm()
	}
	p.hot = false
	now := time.Now()
	rest := max(p.next.Sub(now), 0)
	p.next = now.Add(rest + p.gap)
	return rest
}

// wait waits for the caller's turn. The error is a mailbox.ErrQuota if the server is not to be asked any more.
func (p *pace) wait(ctx context.Context) error {
	if err := p.quota(); err != nil {
		return err
	}
	rest := p.turn()
	if rest == 0 {
		return nil
	}
	if err := pause(ctx, rest); err != nil {
		return err
	}
	return p.quota()
}

// quota is a mailbox.ErrQuota once the server has said that the quota is used up.
func (p *pace) quota() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spent == "" {
		return nil
	}
	return &LockedError{Text: p.spent}
}

// verdict says of something that ended so what it is to be taken for: once the quota is used up, nothing that went wrong
// went wrong for another reason.
func (p *pace) verdict(err error) error {
	if quota := p.quota(); err != nil && quota != nil {
		return quota
	}
	return err
}

// A LockedError means that the server does nothing more for the account for a while, because its quota is used up. It is a
// kind of mailbox.ErrQuota.
type LockedError struct {
	Text string // what the server said
}

func (e *LockedError) Error() string {
	return "the server does nothing more for the account for now: " + e.Text
}

// Unwrap makes it a mailbox.ErrQuota.
func (e *LockedError) Unwrap() error { return mailbox.ErrQuota }
