package imap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// An Account is an account on a server. Its methods may be called from several goroutines at once; Close ends it.
type Account struct {
	options Options
	// noVanished means that the server offers QRESYNC and does not do it.
	noVanished atomic.Bool
	window     atomic.Uint32 // see Narrow

	mu          sync.Mutex
	plain       bool       // what the server compresses cannot be read
	changed     *sync.Cond // idle or live changed
	idle        []*session
	live        int
	most        int // connections that the server allows
	closed      bool
	delim       string
	prefix      string // of the user's own mailboxes but INBOX, as it goes over the wire
	prefixKnown bool
	wires       map[mailbox.Name]string // wire names of what was listed or made
	validity    map[mailbox.Name]uint32 // as last learnt
	taken       map[mailbox.Name]uint32 // under that validity
	keeps       map[mailbox.Name]func(mailbox.Flag) bool
	pace        pace
	offers      map[string]bool // what the server announced after the last login
}

// Open connects and logs in once, so that a wrong password or name shows at once. mailbox.ErrAuth and ErrTLS are
// final; mailbox.ErrTemporary is worth another try later.
func Open(ctx context.Context, options Options) (*Account, error) {
	options.defaults()
	a := &Account{
		options: options, most: options.Connections, delim: "/", wires: map[mailbox.Name]string{},
		validity: map[mailbox.Name]uint32{}, taken: map[mailbox.Name]uint32{}, keeps: map[mailbox.Name]func(mailbox.Flag) bool{},
	}
	a.changed = sync.NewCond(&a.mu)
	if options.Prefix != nil {
		a.setPrefix(*options.Prefix)
	}
	a.pace = pace{first: 2 * options.Pause, report: options.Report}
	if err := a.repeat(ctx, "", func(*session) error { return nil }); err != nil {
		return nil, err
	}
	return a, nil
}

// Parallel says how many calls are worth making at once.
func (a *Account) Parallel() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most
}

// Close logs out of nothing and closes all connections: a server needs no farewell.
func (a *Account) Close() error {
	a.mu.Lock()
	idle := a.idle
	a.idle, a.closed = nil, true
	a.live -= len(idle)
	a.changed.Broadcast()
	a.mu.Unlock()
	var errs []error
	for _, s := range idle {
		errs = append(errs, ignoreClosed(s.conn.Close()))
	}
	return errors.Join(errs...)
}

// acquire returns a session, if possible one that has the mailbox selected already.
func (a *Account) acquire(ctx context.Context, prefer mailbox.Name) (*session, error) {
	stop := context.AfterFunc(ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.changed.Broadcast()
	})
	defer stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		switch {
		case a.closed:
			return nil, fmt.Errorf("%w: the account was closed", mailbox.ErrTemporary)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		if s := a.pick(prefer); s != nil {
			return s, nil
		}
		if a.live < a.most {
			s, err := a.grow(ctx)
			if !errors.Is(err, errCrowded) || a.live == 0 {
				return s, err
			}
			a.most = a.live // the server has as many as it wants
			a.options.Report(fmt.Sprintf("the server allows %d connections", a.most))
			continue
		}
		a.changed.Wait()
	}
}

// pick takes an idle session: one that has the mailbox selected, else the one that was used last. Those whose
// connection broke while nobody looked are dropped.
func (a *Account) pick(prefer mailbox.Name) *session {
	alive := a.idle[:0]
	for _, s := range a.idle {
		if s.conn.Err() == nil {
			alive = append(alive, s)
		}
	}
	a.live -= len(a.idle) - len(alive)
	clear(a.idle[len(alive):])
	a.idle = alive
	if len(a.idle) == 0 {
		return nil
	}
	at := len(a.idle) - 1
	for i, s := range a.idle {
		if s.selected == prefer {
			at = i
		}
	}
	s := a.idle[at]
	a.idle = append(a.idle[:at:at], a.idle[at+1:]...)
	return s
}

// grow connects once more. a.mu is held, but not meanwhile.
func (a *Account) grow(ctx context.Context) (*session, error) {
	a.live++
	a.mu.Unlock()
	s, err := a.connect(ctx)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil { // one of ours, for a single step
		err = fmt.Errorf("%w: the server was silent for %s: %w", mailbox.ErrTemporary, a.options.Timeout, err)
	}
	a.mu.Lock()
	if err != nil {
		a.live--
		a.changed.Broadcast()
		return nil, err
	}
	a.offers = maps.Clone(s.caps)
	return s, nil
}

// release gives a session back. One whose connection is dead is dropped.
func (a *Account) release(s *session) {
	a.distrust(s.conn.Err())
	dead := s.conn.Err() != nil
	a.mu.Lock()
	if dead || a.closed {
		a.live--
		dead = true
	} else {
		a.idle = append(a.idle, s)
	}
	a.changed.Broadcast()
	a.mu.Unlock()
	if dead {
		if err := ignoreClosed(s.conn.Close()); err != nil {
			a.options.Report("closing a connection: " + err.Error())
		}
	}
}

// once runs something on a session, without a second try. Only connecting is tried again, for then nothing was done.
// What was done is done, also if the quota is used up by it.
func (a *Account) once(ctx context.Context, prefer mailbox.Name, do func(*session) error) error {
	var s *session
	err := a.retry(ctx, func() (err error) {
		s, err = a.acquire(ctx, prefer)
		return err
	})
	if err != nil {
		return err
	}
	defer a.release(s)
	return a.pace.verdict(do(s))
}

// resume is once, with a second try after the server ended the session in the middle of it: do goes on with what the first
// one left. Nothing of that is under way any more.
func (a *Account) resume(ctx context.Context, prefer mailbox.Name, do func(*session) error) error {
	err := a.once(ctx, prefer, do)
	if errors.Is(err, wire.ErrBye) && again(err) {
		err = a.once(ctx, prefer, do)
	}
	return err
}

// repeat runs something that may be repeated, again after transient faults.
func (a *Account) repeat(ctx context.Context, prefer mailbox.Name, do func(*session) error) error {
	return a.retry(ctx, func() error {
		s, err := a.acquire(ctx, prefer)
		if err != nil {
			return err
		}
		defer a.release(s)
		if err := a.pace.verdict(do(s)); err != nil {
			return err
		}
		return a.pace.quota() // some of it may have been refused for that
	})
}

// retry calls do again after transient faults, with growing pauses. Many clients that lost the same server must not
// come back all at once, so each pause is a little longer by chance.
func (a *Account) retry(ctx context.Context, do func() error) error {
	wait := a.options.Pause
	for try := 1; ; try++ {
		if err := a.pace.wait(ctx); err != nil {
			return err
		}
		err := do()
		if errors.Is(err, errLookup) && try >= lookups {
			return fmt.Errorf("%w: %s", mailbox.ErrAuth, strings.TrimPrefix(err.Error(), mailbox.ErrTemporary.Error()+": "))
		}
		if err == nil || !again(err) || try >= a.options.Tries || ctx.Err() != nil {
			return err
		}
		if err := pause(ctx, wait+rand.N(wait/2+time.Millisecond)); err != nil {
			return err
		}
		wait *= 2
	}
}

// lookups is how often a server may say that it does not find the user before it is believed.
const lookups = 3

// again tells whether another try may mend what went wrong.
func again(err error) bool {
	return errors.Is(err, mailbox.ErrTemporary) && !errors.Is(err, mailbox.ErrQuota) && !errors.Is(err, errNoHost)
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
