package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mailtwin/mailbox"
)

// apply carries the plan out, phase by phase over the whole account: what adds a copy comes before what takes one
// away. Each phase records what it did before the next begins.
func (r *run) apply(ctx context.Context, v *view, jobs []*job) error {
	a := &applier{run: r, view: v, jobs: map[mailbox.Name]*job{}}
	for _, j := range jobs {
		a.jobs[j.name] = j
	}
	if err := a.create(ctx, jobs); err != nil {
		return err
	}
	if err := a.every(ctx, jobs, a.agree); err != nil {
		return err
	}
	if err := a.relocate(ctx, jobs); err != nil {
		return err
	}
	if err := a.transfer(ctx, jobs); err != nil {
		return err
	}
	if err := a.decide(ctx, jobs); err != nil {
		return err
	}
	if err := a.every(ctx, jobs, a.remove); err != nil {
		return err
	}
	if err := a.every(ctx, jobs, a.leaveBehind); err != nil {
		return err
	}
	if err := a.every(ctx, jobs, a.deleteMailbox); err != nil {
		return err
	}
	return a.finish(ctx, jobs)
}

type applier struct {
	*run
	view *view
	jobs map[mailbox.Name]*job

	fates  map[mailbox.Place]fate // of far messages that are to be removed, where one can be, or show, in several mailboxes
	losers []mailbox.Name         // mailboxes in which some are to be removed
}

// every does one phase for all mailboxes. What concerns one mailbox alone does not end the run.
func (a *applier) every(ctx context.Context, jobs []*job, do func(context.Context, *job) error) error {
	return a.each(ctx, jobs, func(ctx context.Context, j *job) error {
		if j.failed[Far] || j.failed[Near] {
			return nil
		}
		return a.tolerate(j, do(ctx, j))
	})
}

// tolerate turns an error that concerns one mailbox into a problem, and leaves its cursors where they are.
func (a *applier) tolerate(j *job, err error) error {
	var one *mailbox.MailboxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &one), errors.Is(err, mailbox.ErrNoMailbox), errors.Is(err, mailbox.ErrUIDValidity):
		if one == nil {
			err = &mailbox.MailboxError{Mailbox: j.name, Err: err}
		}
		a.problem(err)
		a.soil(j.name, Far)
		a.soil(j.name, Near)
		return nil
	}
	return fmt.Errorf("mailbox %q: %w", string(j.name), err)
}

// soil notes that something on a side of a mailbox was left undone.
func (r *run) soilJob(j *job, side Side) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.dirty[side] = true
}

func (a *applier) soil(name mailbox.Name, side Side) {
	if j := a.jobs[name]; j != nil {
		a.soilJob(j, side)
	}
}

// create makes the mailboxes that one side lacks, parents first.
func (a *applier) create(ctx context.Context, jobs []*job) error {
	if err := a.begin(ctx, jobs); err != nil {
		return err
	}
	for _, j := range jobs {
		if j.failed[Far] || j.failed[Near] {
			continue
		}
		for _, side := range []Side{Far, Near} {
			if !j.creates(side) {
				continue
			}
			if err := a.createOn(ctx, j, side); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin forgets what a new start of the far side made void, and puts on record of which generation the IDs are that
// follow: should the run die before its cursors are, the next one must be able to tell them from others.
func (a *applier) begin(ctx context.Context, jobs []*job) error {
	var updates []mailbox.Update
	for _, j := range jobs {
		first := j.scanned[Far] && (j.twin == nil || j.twin.Far.Cursor == mailbox.Cursor{})
		if j.failed[Far] || j.failed[Near] || !j.reset && !first {
			continue
		}
		updates = append(updates, mailbox.Update{Mailbox: j.name, Reset: j.reset, Put: j.left, Far: &mailbox.Half{Cursor: j.start}})
	}
	if len(updates) == 0 {
		return nil
	}
	return a.ledger.Commit(ctx, updates...)
}

func (a *applier) createOn(ctx context.Context, j *job, side Side) error {
	if side == Far {
		a.touch(j.name)
	}
	if err := a.side[side].Create(ctx, j.name); err != nil {
		j.failed[side] = true
		a.stay(j.steps.Relocate)
		return a.tolerate(j, uncreated(j.name, side, err))
	}
	j.created[side] = true
	j.half[side] = mailbox.Half{}
	a.count(j.name, func(c *Counts) { c.Created[side] = true })
	return nil
}

// uncreated says of a mailbox why it was not made. As has other names for it, which no record is to bear.
func uncreated(name mailbox.Name, side Side, err error) error {
	err = fmt.Errorf("create it on the %s side: %w", side, err)
	var one *mailbox.MailboxError
	if errors.As(err, &one) && one.Mailbox != name {
		return &mailbox.MailboxError{Mailbox: name, Err: err}
	}
	return err
}

// checkNames finds out for a dry run which mailboxes could not be made, as far as their names tell.
func (r *run) checkNames(jobs []*job) {
	for _, j := range jobs {
		for _, side := range []Side{Far, Near} {
			namer, ok := r.side[side].(Namer)
			if !ok || j.failed[Far] || j.failed[Near] || !j.creates(side) {
				continue
			}
			if _, err := namer.WireName(j.name); err != nil {
				j.failed[side] = true
				err = uncreated(j.name, side, err)
				r.report.Problems = append(r.report.Problems, err)
				if r.opts.Events != nil { // also of what was told before: here it is the answer
					r.opts.Events.Problem(err)
				}
			}
		}
	}
}

// chunk is how many messages one command, and one commit of the ledger, is about.
const chunk = 500

// agreeChunk is how many messages are brought in line at once. A change of flags may be done twice, so that a run that
// dies need not have put it on record, and the more messages, the fewer commands: one for each distinct change.
const agreeChunk = 10_000

// agree brings the flags of known and adopted messages in line.
func (a *applier) agree(ctx context.Context, j *job) error {
	for part := range slices.Chunk(j.steps.Agree, agreeChunk) {
		if err := a.settle(ctx, j, part); err != nil {
			return err
		}
	}
	return nil
}

// settle sets the flags of agreements on both sides and records them.
func (a *applier) settle(ctx context.Context, j *job, agreements []Agreement) error {
	failed := map[int]bool{}
	for _, side := range []Side{Far, Near} {
		if err := a.setFlags(ctx, j, side, agreements, failed); err != nil {
			return err
		}
	}
	updates := map[mailbox.Name]*mailbox.Update{}
	update := func(name mailbox.Name) *mailbox.Update {
		if updates[name] == nil {
			updates[name] = &mailbox.Update{Mailbox: name}
		}
		return updates[name]
	}
	for i, g := range agreements {
		if failed[i] {
			continue
		}
		if g.Drop != nil {
			a.drop(g, update(g.Drop.Mailbox))
		}
		update(j.name).Put = append(update(j.name).Put, g.Pair)
		update(j.name).Log = append(update(j.name).Log, g.log(j.name)...)
		if g.New {
			update(j.name).End = append(update(j.name).End, g.Pair.Near)
		}
		if g.New && a.opts.Direction == Transfer && a.pass > 1 {
			continue // it was transferred by this very run
		}
		a.count(j.name, func(c *Counts) { c.agreed(g) })
	}
	return a.commit(ctx, updates)
}

// drop records what becomes of the pair that an agreement takes the place of.
func (a *applier) drop(g Agreement, update *mailbox.Update) {
	switch {
	case g.Keep:
		update.Put = append(update.Put, keep(g.Drop.Pair))
		a.remember(g.Drop)
	case g.Back:
		update.Put = append(update.Put, returning(g.Drop.Pair))
	default:
		update.Drop = append(update.Drop, g.Drop.Pair)
	}
}

func (a *applier) commit(ctx context.Context, updates map[mailbox.Name]*mailbox.Update) error {
	all := make([]mailbox.Update, 0, len(updates))
	for _, u := range updates {
		all = append(all, *u)
	}
	if len(all) == 0 {
		return nil
	}
	return a.ledger.Commit(ctx, all...)
}

// remember notes in the job of a mailbox that the far side keeps one message more there.
func (a *applier) remember(kept *mailbox.Located) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if j := a.jobs[kept.Mailbox]; j != nil {
		j.kept = append(j.kept, kept.Far)
	}
}

// keep is the record of a message that only the far side has, and keeps.
func keep(pair mailbox.Pair) mailbox.Pair {
	pair.Near, pair.Parked = "", mailbox.Kept
	return pair
}

// setFlags changes the flags of one side and notes in failed the agreements for which that went wrong.
func (a *applier) setFlags(ctx context.Context, j *job, side Side, agreements []Agreement, failed map[int]bool) error {
	var changes []mailbox.FlagChange
	index := map[mailbox.ID]int{}
	for i, g := range agreements {
		if g.changes(side) && g.Flags[side].ID != "" {
			index[g.Flags[side].ID] = i
			changes = append(changes, g.Flags[side])
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if side == Far {
		a.touch(j.name)
	}
	return a.side[side].SetFlags(ctx, j.name, changes, func(id mailbox.ID, err error) {
		failed[index[id]] = true
		a.leave(j, side, id, fmt.Errorf("set flags: %w", err))
		a.soilJob(j, side.Other())
	})
}

// deleteMailbox removes a mailbox from a side because the other side removed it. One that holds something after all
// stays, and last forgets it, so that the next run takes it for new.
func (a *applier) deleteMailbox(ctx context.Context, j *job) error {
	if j.missing[Near] && (j.missing[Far] || j.orphaned()) && !j.created[Near] {
		j.forgotten = true
		return a.ledger.Commit(ctx, mailbox.Update{Mailbox: j.name, Forget: true, Log: mailboxRemoved(j.name)})
	}
	if j.later && !j.dirty[Far] && !j.dirty[Near] {
		j.forgotten = true
		a.touch(j.name)
		return a.ledger.Commit(ctx, mailbox.Update{Mailbox: j.name, Forget: true})
	}
	for _, side := range []Side{Far, Near} {
		if !j.deletes(side) || j.dirty[Far] || j.dirty[Near] || (side == Far && a.opts.DeleteRemote == Never) {
			continue
		}
		if side == Far {
			a.touch(j.name)
		}
		err := a.side[side].Delete(ctx, j.name, j.kept)
		if err != nil && !errors.Is(err, mailbox.ErrNotEmpty) {
			return fmt.Errorf("remove the mailbox on the %s side: %w", side, err)
		}
		forget := mailbox.Update{Mailbox: j.name, Forget: true}
		if err == nil {
			a.count(j.name, func(c *Counts) { c.Deleted[side] = true })
			forget.Log = mailboxRemoved(j.name, side)
		}
		j.forgotten = true
		return a.ledger.Commit(ctx, forget)
	}
	return nil
}

// finish advances the cursors of all mailboxes below which nothing was left undone.
func (a *applier) finish(ctx context.Context, jobs []*job) error {
	if err := a.introduce(ctx, jobs); err != nil {
		return err
	}
	sure := a.doubt == [2]bool{}
	a.report.Settled, a.report.Behind = sure, nil
	var updates []mailbox.Update
	for _, j := range jobs {
		if j.dirty[Far] || j.failed != [2]bool{} {
			a.report.Settled = false
			if sure {
				a.report.Behind = append(a.report.Behind, j.name)
			}
		}
		if !j.forgotten && !j.failed[Far] && !j.failed[Near] {
			updates = append(updates, j.settled(a.opts.Now()))
		}
	}
	if len(updates) == 0 {
		return nil
	}
	return a.ledger.Commit(ctx, updates...)
}

// settled is the record of where the mailbox stands.
func (j *job) settled(now time.Time) mailbox.Update {
	u := mailbox.Update{Mailbox: j.name}
	if (j.scanned[Far] || j.created[Far]) && !j.dirty[Far] {
		u.Far = &j.half[Far]
	}
	if j.missing[Far] && j.way != BothWays && !j.dirty[Far] {
		u.Far = &mailbox.Half{}
	}
	if (j.scanned[Near] || j.created[Near]) && !j.dirty[Near] {
		u.Near = &j.half[Near]
	}
	if !j.dirty[Far] && !j.dirty[Near] {
		u.Synced = now
	}
	return u
}

// introduce learns the identity of mailboxes that were made on the near side, so that a rename before the next run is
// recognised. Those of the far side are learnt in the next pass.
func (a *applier) introduce(ctx context.Context, jobs []*job) error {
	if !slices.ContainsFunc(jobs, func(j *job) bool { return j.created[Near] }) {
		return nil
	}
	infos, err := index(a.side[Near].Mailboxes(ctx))
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.created[Near] {
			j.half[Near].Identity = infos[j.name].Identity
		}
	}
	return nil
}
