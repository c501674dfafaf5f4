package syncer

import (
	"context"
	"slices"

	"mailtwin/mailbox"
)

// A fate is what becomes of a far message that the near side removed from a mailbox.
type fate uint8

const (
	goes    fate = iota // it is removed as a whole
	follows             // it goes along with the same message in another mailbox
	leaves              // it is taken out of this mailbox, and stays in others
	returns             // it stays in others, and cannot be taken out of this one alone: it comes back
)

// weigh finds out which removals leave the message in other mailboxes.
func (r *run) weigh(ctx context.Context, steps []Steps) error {
	if _, shares := r.side[Far].(Labeler); !shares {
		return nil
	}
	fading := map[mailbox.Place]bool{}
	for _, s := range steps {
		for _, list := range [][]mailbox.Pair{s.Forget, pairsOf(s.Remove[Far]), pairsOf(s.Remove[Near])} {
			for _, p := range list {
				fading[mailbox.Place{Mailbox: s.Mailbox, ID: p.Far}] = true
			}
		}
	}
	for _, s := range steps {
		for _, list := range s.Remove {
			for i, c := range list {
				stays, err := r.stays(ctx, c.Pair, fading)
				if err != nil {
					return err
				}
				list[i].Stays = stays
			}
		}
	}
	return nil
}

// stays tells whether both sides have a message in another mailbox, where it does not fade.
func (r *run) stays(ctx context.Context, pair mailbox.Pair, fading map[mailbox.Place]bool) (bool, error) {
	if pair.AccountID == "" {
		return false, nil
	}
	for l, err := range r.ledger.ByHint(ctx, mailbox.AccountHint(pair.AccountID)) {
		if err != nil {
			return false, err
		}
		if l.AccountID == pair.AccountID && l.Near != "" && !fading[mailbox.Place{Mailbox: l.Mailbox, ID: l.Far}] {
			return true, nil
		}
	}
	return false, nil
}

// decide settles the fate of all far messages that are to be removed, before the first of them is. Where a message can be in
// several mailboxes, what the near side took out of some is taken out of those, and what it took out of all of them is
// removed as a whole.
func (a *applier) decide(ctx context.Context, jobs []*job) error {
	far, shares := a.side[Far].(Labeler)
	if !shares && !slices.ContainsFunc(jobs, func(j *job) bool { return a.view.virtual(j.name) && len(j.steps.Remove[Far]) > 0 }) {
		return nil
	}
	a.fates = map[mailbox.Place]fate{}
	d := decision{applier: a, leaving: map[mailbox.Place]bool{}, gone: map[mailbox.Place]bool{}}
	settle := d.shown
	if shares {
		d.whole, settle = far.Whole(), d.fate
	}
	d.note(jobs)
	for _, j := range jobs {
		for _, c := range j.steps.Remove[Far] {
			f, err := settle(ctx, j.name, c)
			if err != nil {
				return err
			}
			a.fates[mailbox.Place{Mailbox: j.name, ID: c.Pair.Far}] = f
		}
	}
	return nil
}

type decision struct {
	*applier
	whole   mailbox.Name
	leaving map[mailbox.Place]bool // far messages that are to be removed
	gone    map[mailbox.Place]bool // those that are gone already
}

func (d *decision) note(jobs []*job) {
	for _, j := range jobs {
		if len(j.steps.Remove[Far]) > 0 {
			d.losers = append(d.losers, j.name)
		}
		for _, c := range j.steps.Remove[Far] {
			d.leaving[mailbox.Place{Mailbox: j.name, ID: c.Pair.Far}] = true
		}
		for _, list := range [][]mailbox.Pair{j.steps.Forget, pairsOf(j.steps.Remove[Near])} {
			for _, p := range list {
				d.gone[mailbox.Place{Mailbox: j.name, ID: p.Far}] = true
			}
		}
	}
}

// fate settles it where a message can be in several mailboxes.
func (d *decision) fate(ctx context.Context, name mailbox.Name, c Change) (fate, error) {
	if c.Pair.AccountID == "" {
		return goes, nil
	}
	here := mailbox.Place{Mailbox: name, ID: c.Pair.Far}
	f := goes
	for l, err := range d.ledger.ByHint(ctx, mailbox.AccountHint(c.Pair.AccountID)) {
		if err != nil {
			return f, err
		}
		place := mailbox.Place{Mailbox: l.Mailbox, ID: l.Far}
		switch {
		case l.AccountID != c.Pair.AccountID || place == here || d.gone[place]:
		case !d.leaving[place] && name == d.whole:
			return returns, nil
		case !d.leaving[place]:
			return leaves, nil
		case compareNames(l.Mailbox, name) < 0:
			f = follows
		}
	}
	return f, nil
}

// removeShared removes on a far side where a message can be in several mailboxes.
func (a *applier) removeShared(ctx context.Context, j *job, far Labeler, part []Change) error {
	by := a.byFate(j, part)
	if err := a.bringBack(ctx, j, by[returns]); err != nil {
		return err
	}
	all, further, err := a.nowhereElse(ctx, j, far, by[goes])
	if err != nil {
		return err
	}
	if j.name == far.Whole() { // nothing can be taken out of it alone
		if err := a.bringBack(ctx, j, further); err != nil {
			return err
		}
		further = nil
	}
	if err := a.unlabel(ctx, j, far, append(by[leaves], further...)); err != nil {
		return err
	}
	return a.discard(ctx, j, far, all)
}

// byFate sorts removals. What goes along with something else is left for the next pass to see.
func (a *applier) byFate(j *job, part []Change) map[fate][]Change {
	by := map[fate][]Change{}
	for _, c := range part {
		f := a.fates[mailbox.Place{Mailbox: j.name, ID: c.Pair.Far}]
		by[f] = append(by[f], c)
	}
	if len(by[follows]) > 0 {
		a.soilJob(j, Near)
	}
	return by
}

func pairsOf(changes []Change) []mailbox.Pair {
	pairs := make([]mailbox.Pair, len(changes))
	for i, c := range changes {
		pairs[i] = c.Pair
	}
	return pairs
}

// bringBack has messages downloaded again, which the next pass does without a transfer: the near side has them elsewhere.
func (a *applier) bringBack(ctx context.Context, j *job, part []Change) error {
	if len(part) == 0 {
		return nil
	}
	a.touch(j.name)
	update := mailbox.Update{Mailbox: j.name}
	for _, c := range part {
		c.Pair.Flags = c.Flags[Far]
		update.Put = append(update.Put, returning(c.Pair))
	}
	return a.ledger.Commit(ctx, update)
}

// returning is the record of a message that is to come to the near side again.
func returning(pair mailbox.Pair) mailbox.Pair {
	pair.Near, pair.Parked = "", mailbox.Pending
	return pair
}

// staysIn tells whether a message stays in a far mailbox also when it is moved to another.
func (a *applier) staysIn(name mailbox.Name) bool {
	far, shares := a.side[Far].(Labeler)
	return shares && name == far.Whole()
}

// nowhereElse tells those messages that are in no mailbox that is not synced from those that are in a further one.
func (a *applier) nowhereElse(ctx context.Context, j *job, far Labeler, part []Change) (only, further []Change, err error) {
	if len(part) == 0 || j.name == a.view.trash {
		return part, nil, nil
	}
	ids := make([]mailbox.ID, len(part))
	for i, c := range part {
		ids[i] = c.Pair.Far
	}
	elsewhere, err := far.Elsewhere(ctx, j.name, ids, a.losers)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range part {
		if elsewhere[c.Pair.Far] {
			further = append(further, c)
		} else {
			only = append(only, c)
		}
	}
	return only, further, nil
}

func (a *applier) unlabel(ctx context.Context, j *job, far Labeler, part []Change) error {
	if len(part) == 0 {
		return nil
	}
	a.touch(j.name)
	gone, err := far.Unlabel(ctx, j.name, doom(part, Far))
	if err != nil {
		return err
	}
	a.count(j.name, func(c *Counts) { c.Unlabelled += len(gone) })
	return a.removed(ctx, j, Far, part, outcome{gone: set(gone)})
}

// discard removes messages from all mailboxes: to the Trash, or for good.
func (a *applier) discard(ctx context.Context, j *job, far Labeler, part []Change) error {
	if len(part) == 0 {
		return nil
	}
	for name := range a.jobs {
		a.touch(name)
	}
	mover, canMove := a.side[Far].(Mover)
	if a.opts.DeleteRemote == Trash && j.name != a.view.trash && canMove {
		return a.toTrash(ctx, j, mover, part)
	}
	if err := a.ensureTrash(ctx); err != nil {
		return err
	}
	gone, err := far.Discard(ctx, j.name, doom(part, Far), a.view.trash)
	if err != nil {
		return err
	}
	return a.removed(ctx, j, Far, part, outcome{gone: set(gone)})
}

// removeExtra takes away near files that are a second copy of a message in its mailbox.
func (a *applier) removeExtra(ctx context.Context, j *job) error {
	if len(j.steps.Extra) == 0 {
		return nil
	}
	doomed := make([]mailbox.Doomed, len(j.steps.Extra))
	for i, e := range j.steps.Extra {
		pair := newPair(Arrival{}, e)
		doomed[i] = mailbox.Doomed{ID: e.ID, Size: e.Size, Pair: pair}
	}
	gone, _, err := a.side[Near].Remove(ctx, j.name, doomed)
	if err != nil {
		return err
	}
	a.soilJob(j, Near)
	a.count(j.name, func(c *Counts) { c.Removed[Near] += len(gone) })
	return a.ledger.Commit(ctx, mailbox.Update{Mailbox: j.name, Log: surplus(j.name, doomed)})
}
