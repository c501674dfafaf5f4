package syncer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"mailtwin/mailbox"
)

// An Inspector is a Replica that can list a mailbox without changing anything in it, at less cost than a Scan. It tells
// found of each message once: its flags, and its Size or, in Content.Stored, how many octets it takes where it lies. The
// Scan that it returns has no message. What it leaves out may be there all the same; Missing is proof.
type Inspector interface {
	Inspect(ctx context.Context, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error)
}

// A Recaller is a Replica that can tell, without asking anybody, what a cursor remembers.
type Recaller interface {
	// Generation of the IDs when the cursor was taken; empty if it does not say.
	Generation(c mailbox.Cursor) string
	// After tells whether an ID of the same generation may have been given after the cursor was taken.
	After(c mailbox.Cursor, id mailbox.ID) bool
}

// VerifyOptions say how much is verified.
type VerifyOptions struct {
	// Mailboxes tells which mailboxes are looked at; nil means all.
	Mailboxes func(mailbox.Name) bool
	// Deep reads every message of the near side. Otherwise only those are read whose size cannot be told to be right.
	Deep bool
	// Percent of the messages of each mailbox, chosen by chance and rounded up, are read from the far side again.
	Percent int
	// Seed of the choice: the same seed chooses the same ones among the same messages.
	Seed uint64
	// Budget, if not nil, limits what comes from the far side. What is more is left out, and a problem says so.
	Budget Budget
	// Workers is how many mailboxes, or parts of one, are worked on at once; by default as many as the replicas say they
	// can serve.
	Workers int
	Events  Events // may be nil
}

// A Verification is what a look at both sides found.
type Verification struct {
	Mailboxes []*Verified // all that were looked at, INBOX first
	Problems  []error     // what could not be looked at
}

// Verify compares both sides with what last has of them and so with each other, anew and without trust in any cursor. It
// changes nothing, on either side and in the ledger. Far is listed with one Scan for each mailbox; bodies are read as the
// options say.
//
// Sides and ledger are not seen at one moment: what a run, or a mail program, does meanwhile may look like a difference.
// Confirm leaves only those that a second look finds, too.
func Verify(ctx context.Context, far, near Replica, ledger Ledger, opts VerifyOptions) (*Verification, error) {
	v := &verifier{
		side: [2]Replica{far, near}, ledger: ledger, opts: opts, found: &Verification{}, troubles: map[mailbox.Place]mailbox.Trouble{},
		twins: map[mailbox.Name]mailbox.Twin{}, done: map[mailbox.Hint]bool{},
	}
	v.defaults()
	if err := v.list(ctx); err != nil {
		return nil, err
	}
	v.phase("compare")
	if err := v.each(ctx, v.names, v.examine); err != nil {
		return nil, err
	}
	slices.SortFunc(v.found.Mailboxes, func(a, b *Verified) int { return compareNames(a.Mailbox, b.Mailbox) })
	if err := v.readAll(ctx); err != nil {
		return nil, err
	}
	for _, m := range v.found.Mailboxes {
		m.relate()
	}
	return v.found, ctx.Err()
}

// Differences yields all that was found, INBOX's first.
func (v *Verification) Differences() iter.Seq[*Difference] {
	return func(yield func(*Difference) bool) {
		for _, m := range v.Mailboxes {
			for i := range m.Differences {
				if !yield(&m.Differences[i]) {
					return
				}
			}
		}
	}
}

// Doubtful returns the mailboxes that are worth a second look: where something differs, or could not be looked at.
func (v *Verification) Doubtful() map[mailbox.Name]bool {
	names := map[mailbox.Name]bool{}
	for d := range v.Differences() {
		names[d.Mailbox] = names[d.Mailbox] || !d.Waits
	}
	for _, err := range v.Problems {
		if place, ok := placeOf(err); ok {
			names[place.Mailbox] = true
		}
	}
	maps.DeleteFunc(names, func(_ mailbox.Name, is bool) bool { return !is })
	return names
}

// Confirm takes over what a second look at the Doubtful mailboxes found, and leaves only those differences that both
// found. What was found by reading stays: a second look need not read again.
func (v *Verification) Confirm(again *Verification) {
	doubtful, first, second := v.Doubtful(), map[topic]bool{}, map[topic]bool{}
	for d := range v.Differences() {
		first[d.topic()] = true
	}
	looks := map[mailbox.Name]*Verified{}
	for _, m := range again.Mailboxes {
		m.Differences = slices.DeleteFunc(m.Differences, func(d Difference) bool { return !first[d.topic()] })
		for i := range m.Differences {
			second[m.Differences[i].topic()] = true
		}
		looks[m.Mailbox] = m
	}
	kept := v.Mailboxes[:0]
	for _, m := range v.Mailboxes {
		look := looks[m.Mailbox]
		switch {
		case !doubtful[m.Mailbox]:
		case look == nil: // it is on neither side any more
			continue
		default:
			for _, d := range m.Differences {
				if d.read && !second[d.topic()] {
					look.Differences = append(look.Differences, d)
				}
			}
			look.Read = m.Read
			look.relate()
			m = look
		}
		kept = append(kept, m)
	}
	v.Mailboxes = kept
	v.Problems = slices.DeleteFunc(v.Problems, func(err error) bool { _, ok := placeOf(err); return ok })
	v.Problems = append(v.Problems, again.Problems...)
}

// A topic is what a difference is about. No two of one look have the same.
type topic struct {
	kind Kind
	side Side
	mailbox.Place
}

func (d *Difference) topic() topic {
	return topic{d.Kind, d.Side, mailbox.Place{Mailbox: d.Mailbox, ID: d.ID()}}
}

type verifier struct {
	side   [2]Replica
	ledger Ledger
	opts   VerifyOptions

	names    []mailbox.Name
	infos    [2]map[mailbox.Name]mailbox.Info
	twins    map[mailbox.Name]mailbox.Twin
	troubles map[mailbox.Place]mailbox.Trouble

	mu       sync.Mutex // guards what follows
	found    *Verification
	reads    []*reading
	done     map[mailbox.Hint]bool // account-wide ids of messages that were chosen to be read from the far side
	underWay int64                 // octets that are being read from there
	over     int                   // messages that the budget had no room for
}

func (v *verifier) defaults() {
	if v.opts.Mailboxes == nil {
		v.opts.Mailboxes = func(mailbox.Name) bool { return true }
	}
	if v.opts.Workers == 0 {
		v.opts.Workers = runtime.GOMAXPROCS(0)
		if pool, ok := v.side[Far].(Pool); ok {
			v.opts.Workers = pool.Parallel()
		}
	}
}

func (v *verifier) phase(name string) {
	if v.opts.Events != nil {
		v.opts.Events.Phase(name)
	}
}

// list asks both sides and the ledger for their mailboxes.
func (v *verifier) list(ctx context.Context) error {
	v.phase("list")
	group, listing := errgroup.WithContext(ctx)
	for side := range v.side {
		group.Go(func() (err error) {
			v.infos[side], err = index(v.side[side].Mailboxes(listing))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	twins, err := v.ledger.Mailboxes(ctx)
	if err != nil {
		return err
	}
	troubles, err := v.ledger.Troubles(ctx)
	if err != nil {
		return err
	}
	for _, t := range troubles {
		v.troubles[mailbox.Place{Mailbox: t.Mailbox, ID: t.ID}] = t
	}
	all := map[mailbox.Name]bool{}
	for _, t := range twins {
		v.twins[t.Name], all[t.Name] = t, true
	}
	for _, infos := range v.infos {
		for name, info := range infos {
			all[name] = all[name] || !info.NoSelect
		}
	}
	maps.DeleteFunc(all, func(name mailbox.Name, is bool) bool { return !is || !v.opts.Mailboxes(name) })
	v.names = slices.SortedFunc(maps.Keys(all), compareNames)
	return nil
}

// each calls do for every mailbox, several at once. What concerns one mailbox alone does not keep the others.
func (v *verifier) each(ctx context.Context, names []mailbox.Name, do func(context.Context, mailbox.Name) error) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(max(1, v.opts.Workers))
	for _, name := range names {
		group.Go(func() error { return v.tolerate(name, do(working, name)) })
	}
	return group.Wait()
}

// tolerate turns an error that concerns one mailbox into a problem.
func (v *verifier) tolerate(name mailbox.Name, err error) error {
	var one *mailbox.MailboxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &one):
		v.problem(err)
		return nil
	case errors.Is(err, mailbox.ErrNoMailbox), errors.Is(err, mailbox.ErrUIDValidity), errors.Is(err, mailbox.ErrHalf):
		v.problem(&mailbox.MailboxError{Mailbox: name, Err: err})
		return nil
	}
	return fmt.Errorf("mailbox %q: %w", string(name), err)
}

func (v *verifier) problem(err error) {
	v.mu.Lock()
	v.found.Problems = append(v.found.Problems, err)
	v.mu.Unlock()
	if v.opts.Events != nil {
		v.opts.Events.Problem(err)
	}
}

// exists tells whether a side has the mailbox and can store messages in it.
func (v *verifier) exists(side Side, name mailbox.Name) bool {
	info, ok := v.infos[side][name]
	return ok && !info.NoSelect
}
