package syncer

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"mailtwin/mailbox"
)

// remove takes away, on each side, what the other side removed, and forgets what is gone from both.
func (a *applier) remove(ctx context.Context, j *job) error {
	for part := range slices.Chunk(j.steps.Remove[Near], chunk) {
		if err := a.removeNear(ctx, j, part); err != nil {
			return err
		}
	}
	if err := a.removeExtra(ctx, j); err != nil {
		return err
	}
	slices.SortStableFunc(j.steps.Remove[Far], func(x, y Change) int { return x.rank() - y.rank() })
	for part := range chunks(j.steps.Remove[Far]) {
		if err := a.removeFar(ctx, j, part); err != nil {
			return err
		}
	}
	if len(j.steps.Forget) == 0 {
		return nil
	}
	return a.ledger.Commit(ctx, mailbox.Update{Mailbox: j.name, Drop: j.steps.Forget, Log: a.goneFrom(j.name, j.steps.Gone)})
}

// rank puts what was only left behind by a move apart from what was removed.
func (c Change) rank() int {
	if c.Moved {
		return 0
	}
	return 1
}

// chunks cuts a list that is sorted by rank into parts of one rank.
func chunks(list []Change) iter.Seq[[]Change] {
	return func(yield func([]Change) bool) {
		for len(list) > 0 {
			n := 1
			for n < len(list) && n < chunk && list[n].rank() == list[0].rank() {
				n++
			}
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

func (a *applier) removeNear(ctx context.Context, j *job, part []Change) error {
	gone, _, err := a.side[Near].Remove(ctx, j.name, doom(part, Near))
	if err != nil {
		return err
	}
	return a.removed(ctx, j, Near, part, outcome{gone: set(gone)})
}

// removeFar removes on the far side, as DeleteRemote says, what one more look confirms to be gone on the near side.
func (a *applier) removeFar(ctx context.Context, j *job, part []Change) error {
	part, err := a.surelyGone(ctx, j, part)
	if err != nil || len(part) == 0 {
		return err
	}
	if a.opts.DeleteRemote == Never && !part[0].Moved {
		all := map[mailbox.ID]bool{}
		for _, c := range part {
			all[c.Pair.Far] = true
		}
		a.count(j.name, func(c *Counts) { c.Kept += len(all) })
		return a.keepAll(ctx, j, part, outcome{kept: all})
	}
	if far, ok := a.side[Far].(Labeler); ok {
		return a.removeShared(ctx, j, far, part)
	}
	if part, err = a.removeShown(ctx, j, part); err != nil || len(part) == 0 {
		return err
	}
	a.touch(j.name)
	mover, canMove := a.side[Far].(Mover)
	if a.opts.DeleteRemote == Trash && j.name != a.view.trash && canMove && !part[0].Moved {
		return a.toTrash(ctx, j, mover, part)
	}
	gone, kept, err := a.side[Far].Remove(ctx, j.name, doom(part, Far))
	if err != nil {
		return err
	}
	return a.removed(ctx, j, Far, part, outcome{gone: set(gone), kept: set(kept)})
}

// surelyGone leaves only what is certainly gone on the near side; the rest is for the next run.
func (a *applier) surelyGone(ctx context.Context, j *job, part []Change) ([]Change, error) {
	if j.missing[Near] && !j.created[Near] {
		gone, err := a.side[Near].Vanished(ctx, j.name)
		if err != nil || !gone {
			a.soilJob(j, Near)
			return nil, err
		}
		return part, nil
	}
	ids := make([]mailbox.ID, len(part))
	for i, c := range part {
		ids[i] = c.Pair.Near
	}
	missing, err := a.side[Near].Missing(ctx, j.name, ids)
	if err != nil {
		return nil, err
	}
	gone := set(missing)
	var sure []Change
	for _, c := range part {
		if gone[c.Pair.Near] {
			sure = append(sure, c)
		} else {
			a.soilJob(j, Near)
		}
	}
	return sure, nil
}

func (a *applier) toTrash(ctx context.Context, j *job, mover Mover, part []Change) error {
	if err := a.ensureTrash(ctx); err != nil {
		return err
	}
	a.touch(a.view.trash)
	moved, err := mover.Move(ctx, j.name, doom(part, Far), a.view.trash)
	if err != nil {
		return err
	}
	gone := map[mailbox.ID]bool{}
	for id := range moved.To {
		gone[id] = true
	}
	marked := set(moved.Kept)
	for id := range marked {
		delete(gone, id)
	}
	a.count(j.name, func(c *Counts) { c.Trashed += len(gone) })
	for _, id := range moved.Gone { // removed there, too, since the scan
		gone[id] = true
	}
	return a.removed(ctx, j, Far, part, outcome{gone: gone, kept: marked, bin: moved.To})
}

// ensureTrash makes the mailbox that removed mail goes to, if the account has none.
func (a *applier) ensureTrash(ctx context.Context) error {
	if a.view.bin {
		return nil
	}
	if err := a.side[Far].Create(ctx, a.view.trash); err != nil {
		return fmt.Errorf("create the mailbox %q for removed mail: %w", string(a.view.trash), err)
	}
	return nil
}

// An outcome is what a removal came to, by the messages' IDs.
type outcome struct {
	gone map[mailbox.ID]bool
	kept map[mailbox.ID]bool       // still there, marked
	bin  map[mailbox.ID]mailbox.ID // their IDs in the Trash; nil if they were not moved there
}

// removed records what a removal came to: gone, kept under another sign, or not done, which the next run sees.
func (a *applier) removed(ctx context.Context, j *job, side Side, part []Change, o outcome) error {
	update, lost := mailbox.Update{Mailbox: j.name}, len(o.kept)
	for _, c := range part {
		id := idOn(side, c.Pair)
		switch {
		case o.gone[id]:
			update.Drop = append(update.Drop, c.Pair)
			update.Log = append(update.Log, a.removal(j.name, side, c, o)...)
			if !c.Stays {
				lost++
			}
		case o.kept[id]:
			continue
		default:
			a.leave(j, side.Other(), id, fmt.Errorf("not removed on the %s side: it is no longer the same message%s", side, a.orAlone(side)))
			a.soilJob(j, side)
		}
	}
	a.count(j.name, func(n *Counts) { n.Removed[side] += len(update.Drop) })
	update.Tally = a.tally(j, side, part[0].Moved, lost)
	if err := a.ledger.Commit(ctx, update); err != nil {
		return err
	}
	a.count(j.name, func(c *Counts) { c.Marked += len(o.kept) })
	return a.keepAll(ctx, j, part, o)
}

// orAlone is what else may keep a message where it is.
func (a *applier) orAlone(side Side) string {
	if far, shares := a.side[side].(Labeler); shares && far.Whole() == "" {
		return ", or no other mailbox that is synced has it, and All Mail is hidden, or cannot be listed"
	}
	return ""
}

// tally is what a removal adds to those of the day: nothing if the user allowed it in so many words, and nothing for
// what the brake does not look at.
func (a *applier) tally(j *job, side Side, moved bool, n int) *mailbox.Tally {
	if n == 0 || moved || a.opts.AllowDelete || j.emptied(a.view, side) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.today.Removed[side] += n
	t := &mailbox.Tally{Day: a.day}
	t.Removed[side] = n
	return t
}

// keepAll records messages that only the far side has from now on.
func (a *applier) keepAll(ctx context.Context, j *job, part []Change, o outcome) error {
	if len(o.kept) == 0 {
		return nil
	}
	update := mailbox.Update{Mailbox: j.name}
	for _, c := range part {
		if o.kept[c.Pair.Far] {
			update.Put = append(update.Put, keep(c.Pair))
			update.Log = append(update.Log, a.keeping(j.name, c, o)...)
			j.kept = append(j.kept, c.Pair.Far)
		}
	}
	return a.ledger.Commit(ctx, update)
}

func doom(part []Change, side Side) []mailbox.Doomed {
	doomed := make([]mailbox.Doomed, len(part))
	for i, c := range part {
		doomed[i] = mailbox.Doomed{ID: idOn(side, c.Pair), Size: c.Pair.Size, Pair: c.Pair}
	}
	return doomed
}
