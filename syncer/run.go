package syncer

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mailtwin/mailbox"
)

// Removal says what becomes of a message on the far side that was removed on the near side.
type Removal string

// What can become of it.
const (
	Trash   Removal = "trash"   // it is moved to the Trash mailbox; in Trash itself it is removed for good
	Expunge Removal = "expunge" // it is removed for good
	Never   Removal = "never"   // it stays, and is not downloaded again
)

// Options say how a run is to go.
type Options struct {
	// DryRun plans and changes nothing on either side.
	DryRun bool
	// AllowDelete lets removals pass that the brake would hold back.
	AllowDelete bool
	// Mailboxes tells which mailboxes the run is about; nil means all. The others are left alone on both sides, whatever
	// became of them, and what is known of them stays as it is.
	Mailboxes func(mailbox.Name) bool
	// Meant, if not nil, tells of near messages, by mailbox and ID, that their owner wants to leave that mailbox, or to lose
	// flags there. The brake does not count them.
	Meant func(mailbox.Name, mailbox.ID) bool
	// MaxDelete is the percentage, 25 by default, of a mailbox in one run, and of the account in one day, of which more
	// may not be removed, unless that is few messages.
	MaxDelete int
	// Retry tries everything again that was left behind, also what it is not yet time for.
	Retry bool
	// DeleteRemote defaults to Trash.
	DeleteRemote Removal
	// Direction is BothWays by default. In the others the far side is only read.
	Direction Direction
	// AsFound leaves the flags alone of messages that a Transfer finds on the near side.
	AsFound bool
	// Once says of a Transfer that the near side has a message only once, whatever mailboxes it is in.
	Once bool
	// OneCopy brings a message that the far side shows in several mailboxes into one of them only, in a Transfer: into
	// that which Before puts first.
	OneCopy bool
	// Before, if not nil, orders the mailboxes: INBOX first, then by name, by default.
	Before func(a, b mailbox.Name) int
	// Choose, if not nil, tells which messages of the far side a Transfer is about. The others are looked at in each run.
	Choose func(mailbox.Name, Arrival) bool
	// Listed, if not nil, is told by a dry run of each message that would be transferred to the near side.
	Listed func(mailbox.Name, Arrival)
	// Workers is how many mailboxes, or parts of one, are worked on at once; by default as many as the replicas say
	// they can serve.
	Workers int
	// Budget, if not nil, limits what is transferred. What is more waits for another run.
	Budget Budget
	// Events, if not nil, is told how the run goes on.
	Events Events
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Events is told how a run goes on. Its methods may be called from several goroutines.
type Events interface {
	// Phase announces what comes next: "list", "scan", "compare", "transfer", "settle".
	Phase(name string)
	// Planned tells how many messages and octets are to be transferred.
	Planned(messages int, octets int64)
	// Transferred tells that so many messages and octets more are done.
	Transferred(messages int, octets int64)
	// Problem tells of something that was left behind.
	Problem(err error)
}

// maxPasses bounds how often a run looks again after it changed the far side. The second pass finds what the first
// one did and advances the cursors over it; further ones are needed if somebody else changes mail meanwhile, or if what the
// second one did (a copy of what the first one uploaded, with its flags) shows in further mailboxes.
const maxPasses = 4

// Run makes both sides agree once. What it could not do for a single message or mailbox is in the Report; an error
// ended the run early, and says so with mailbox.ErrTemporary where another try may succeed. A *BrakeError means that
// removals look like an accident and were held back; it says whether the rest was done. A *QuotaError means that all was
// done but transfers for which the budget had no room.
//
// Everything that was done is in the ledger, whatever the error.
func Run(ctx context.Context, far, near Replica, ledger Ledger, opts Options) (*Report, error) {
	r := &run{
		side: [2]Replica{far, near}, ledger: ledger, opts: opts, report: newReport(), touched: map[mailbox.Name]bool{},
		before: map[mailbox.Place]mailbox.Trouble{}, failed: map[mailbox.Place]error{}, told: map[string]bool{},
		waiting: map[mailbox.Place]bool{}, stuck: map[mailbox.Name]bool{},
	}
	r.defaults()
	if err := r.recall(ctx); err != nil {
		return r.report, err
	}
	err := r.passes(ctx)
	if opts.DryRun {
		return r.report, errors.Join(err, r.braked)
	}
	if kept := r.conclude(ctx, err == nil); err == nil {
		err = kept
	}
	if err != nil {
		return r.report, err
	}
	return r.report, errors.Join(r.braked, r.quota.err())
}

// passes looks and applies until nothing changes any more on the far side.
func (r *run) passes(ctx context.Context) error {
	for pass := 1; pass <= maxPasses; pass++ {
		r.pass = pass
		r.looking, r.touched = r.touched, map[mailbox.Name]bool{}
		if err := r.once(ctx); err != nil {
			return err
		}
		if len(r.touched) == 0 || r.opts.DryRun {
			break
		}
	}
	return nil
}

type run struct {
	side   [2]Replica
	ledger Ledger
	opts   Options

	pass    int
	braked  error                 // what was held back
	knowing bool                  // something is known that a new message might turn out to be
	looking map[mailbox.Name]bool // what the pass before changed on the far side
	stuck   map[mailbox.Name]bool // what could not be renamed, by its old name
	doubt   [2]bool               // by Side: its listing leaves out what is there
	anew    map[mailbox.Name]bool // what the far side started anew, as this pass found

	day    string        // today, as tallies name it
	today  mailbox.Tally // what was removed today before this run
	before map[mailbox.Place]mailbox.Trouble

	mu      sync.Mutex // guards what follows
	report  *Report
	touched map[mailbox.Name]bool   // what this pass changed on the far side
	failed  map[mailbox.Place]error // what this run left behind
	told    map[string]bool         // what it told of that
	waiting map[mailbox.Place]bool  // of what was left behind before, what it is not yet time for
	quota   quota
}

func (r *run) defaults() {
	if r.opts.Mailboxes == nil {
		r.opts.Mailboxes = func(mailbox.Name) bool { return true }
	}
	if r.opts.Meant == nil {
		r.opts.Meant = func(mailbox.Name, mailbox.ID) bool { return false }
	}
	if r.opts.MaxDelete == 0 {
		r.opts.MaxDelete = maxDelete
	}
	if r.opts.DeleteRemote == "" {
		r.opts.DeleteRemote = Trash
	}
	if r.opts.Before == nil {
		r.opts.Before = compareNames
	}
	if r.opts.Now == nil {
		r.opts.Now = time.Now
	}
	if r.opts.Workers == 0 {
		r.opts.Workers = runtime.GOMAXPROCS(0)
		if pool, ok := r.side[Far].(Pool); ok {
			r.opts.Workers = pool.Parallel()
		}
	}
}

// once lists, scans, plans and applies.
func (r *run) once(ctx context.Context) error {
	v, err := r.list(ctx)
	if err != nil {
		return err
	}
	r.report.Looked, r.report.Settled = len(v.names), false
	r.knowing = v.knows() || len(v.infos[Near]) > 0
	jobs := r.jobs(ctx, v)
	r.phase("scan")
	if err := r.scan(ctx, jobs); err != nil {
		return err
	}
	r.setAside(jobs)
	r.phase("compare")
	if err := r.identify(ctx, v, jobs); err != nil {
		return err
	}
	if err := r.brake(v, jobs); err != nil {
		return err
	}
	if err := r.plan(ctx, v, jobs); err != nil {
		return err
	}
	if r.opts.DryRun {
		r.checkNames(jobs)
		a := &applier{run: r, view: v}
		if err := a.decide(ctx, jobs); err != nil {
			return err
		}
		r.report.plan(a, jobs)
		r.tellListed(jobs)
		return nil
	}
	return r.apply(ctx, v, jobs)
}

// plan finds what is to be done in each mailbox, but for what a brake holds back.
func (r *run) plan(ctx context.Context, v *view, jobs []*job) error {
	braked := r.restoreFlags(v, jobs)
	deltas := make([]Delta, len(jobs))
	for i, j := range jobs {
		if r.opts.Direction == BothWays {
			j.postpone()
		}
		r.setPairsAside(j)
		deltas[i] = j.delta
	}
	policy := r.policy(v, jobs)
	steps := Plan(deltas, policy)
	if err := r.weigh(ctx, steps); err != nil {
		return err
	}
	if brakes := r.restrain(v, jobs, steps, &policy); brakes != nil {
		braked = errors.Join(braked, brakes)
		steps = Plan(deltas, policy)
		if err := r.weigh(ctx, steps); err != nil {
			return err
		}
	}
	if braked != nil { // a later pass need not look there again
		r.braked = braked
	}
	for i, j := range jobs {
		j.plan(&steps[i], policy)
		if len(steps[i].Again) > 0 {
			r.touch(j.name) // so that another pass follows
		}
	}
	return nil
}

func (r *run) tellListed(jobs []*job) {
	if r.opts.Listed == nil {
		return
	}
	for _, j := range jobs {
		if j.failed[Far] || j.failed[Near] {
			continue
		}
		for _, a := range slices.Concat(j.steps.Download, j.steps.Link) {
			r.opts.Listed(j.name, a)
		}
	}
}

// policy holds removals back on a side as long as the other side could not be read in full, or is not planned for in
// full: what seems removed might have moved to where nobody looks.
func (r *run) policy(v *view, jobs []*job) Policy {
	p := Policy{
		Trash: v.trash, Again: r.pass < maxPasses, NoRemoval: [2]bool{Far: r.doubt[Near], Near: r.doubt[Far]},
		Spared: [2]map[mailbox.Name]bool{{}, {}}, Direction: r.opts.Direction, AsFound: r.opts.AsFound, OneCopy: r.opts.OneCopy,
	}
	_, p.Once = r.side[Far].(Labeler)
	for _, j := range jobs {
		p.NoRemoval[Far] = p.NoRemoval[Far] || j.later || j.unread
		for _, side := range []Side{Far, Near} {
			if j.failed[side] {
				p.NoRemoval[side.Other()] = true
			}
		}
	}
	return p
}

// each calls do for every job, several at once, and stops at the first error.
func (r *run) each(ctx context.Context, jobs []*job, do func(context.Context, *job) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, r.opts.Workers))
	for _, j := range jobs {
		group.Go(func() error { return do(ctx, j) })
	}
	return group.Wait()
}

func (r *run) phase(name string) {
	if r.pass > 1 {
		if name != "list" {
			return
		}
		name = "settle"
	}
	if r.opts.Events != nil {
		r.opts.Events.Phase(name)
	}
}

// touch remembers that this pass changed a mailbox of the far side.
func (r *run) touch(name mailbox.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.touched[name] = true
}

// count adds to the report's line of a mailbox.
func (r *run) count(name mailbox.Name, add func(*Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	add(r.report.mailbox(name))
}
