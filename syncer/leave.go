package syncer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mailtwin/mailbox"
)

// leaveBehind records what only one side has from now on, because nothing is taken away for it on the other.
func (a *applier) leaveBehind(ctx context.Context, j *job) error {
	now := a.opts.Now()
	for part := range slices.Chunk(j.steps.Leave, chunk) {
		update := mailbox.Update{Mailbox: j.name}
		for _, p := range part {
			if p.Far != "" {
				update.Drop = append(update.Drop, p)
			}
			update.Put = append(update.Put, left(p, now))
		}
		if err := a.ledger.Commit(ctx, update); err != nil {
			return err
		}
		a.count(j.name, func(c *Counts) {
			for _, p := range part {
				c.leave(p)
			}
		})
	}
	for part := range slices.Chunk(j.steps.Keep, chunk) {
		if err := a.ledger.Commit(ctx, mailbox.Update{Mailbox: j.name, Put: part}); err != nil {
			return err
		}
	}
	return nil
}

// reunite finds that what was downloaded is what only the near side has, or would be left with, which its header alone
// could not tell: the file that was there stays, and the other one goes.
func (t *transfers) reunite(ctx context.Context, j *job, arrived []mailbox.Pair) error {
	if t.opts.Direction == Transfer || !j.holdsLeft && len(j.steps.Leave) == 0 {
		return nil
	}
	var doomed []mailbox.Doomed
	twins := map[mailbox.ID]mailbox.Located{} // by the ID of what was downloaded
	for _, pair := range arrived {
		there, err := t.claim(ctx, j, pair)
		if err != nil {
			return err
		}
		if there != nil {
			twins[pair.Near] = *there
			doomed = append(doomed, mailbox.Doomed{ID: pair.Near, Pair: pair})
		}
	}
	if len(doomed) == 0 {
		return nil
	}
	gone, _, err := t.side[Near].Remove(ctx, j.name, doomed)
	if err != nil {
		return err
	}
	removed := set(gone)
	var agreements []Agreement
	for _, d := range doomed {
		there, pair := twins[d.ID], d.Pair
		if !removed[d.ID] {
			continue
		}
		pair.Near, pair.Stored = there.Near, there.Stored
		g := Policy{Direction: t.opts.Direction}.agree(pair, pair.Flags, there.Flags, there.Flags)
		g.Drop, g.New = &there, true
		agreements = append(agreements, g)
	}
	return t.settle(ctx, j, agreements)
}

// claim returns a message of the same content that the near side has in the mailbox and the far side has not; nil if there
// is none. None is returned twice.
func (t *transfers) claim(ctx context.Context, j *job, pair mailbox.Pair) (*mailbox.Located, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	same := func(p mailbox.Pair) bool { return p.Digest == pair.Digest }
	if i := slices.IndexFunc(j.steps.Leave, func(p mailbox.Pair) bool { return p.Far != "" && same(p) }); i >= 0 {
		there := &mailbox.Located{Mailbox: j.name, Pair: j.steps.Leave[i]}
		j.steps.Leave = slices.Delete(j.steps.Leave, i, i+1)
		return there, nil
	}
	for held, err := range t.ledger.ByHint(ctx, pair.Hint) {
		if err != nil {
			return nil, err
		}
		place := mailbox.Place{Mailbox: j.name, ID: held.Near}
		if held.Mailbox == j.name && held.Parked == mailbox.Left && same(held.Pair) && !t.claimed[place] {
			if t.claimed == nil {
				t.claimed = map[mailbox.Place]bool{}
			}
			t.claimed[place] = true
			return &held, nil
		}
	}
	return nil, nil
}

// left is the record of a message that only the near side has.
func left(p mailbox.Pair, now time.Time) mailbox.Pair {
	if p.Parked != mailbox.Left && p.Far != "" {
		p.Since = now
	}
	p.Parked, p.Far = mailbox.Left, ""
	return p
}

// holdLost finds where else the near side has what it lost in one place, so that a backup need not fetch it again.
func (r *run) holdLost(ctx context.Context, jobs []*job, l *lookup) error {
	return r.each(ctx, jobs, func(ctx context.Context, j *job) error {
		for i := range j.delta.Pairs {
			c := &j.delta.Pairs[i]
			if !c.lost() || c.Pair.Digest.IsZero() {
				continue
			}
			for held, err := range r.byHint(ctx, c.Pair.Hint) {
				if err != nil {
					return err
				}
				place := mailbox.Place{Mailbox: held.Mailbox, ID: held.Near}
				if held.Digest == c.Pair.Digest && held.Near != "" && !l.gone[place] {
					c.Held = append(c.Held, held)
				}
			}
		}
		return nil
	})
}

// Prune removes on the near side what the far side had, and has not had since before a time, and returns how much that was.
// What was never seen there stays. If that were more than so many percent of all that the near side has, and not few, it
// removes nothing, and returns a *BrakeError.
func Prune(ctx context.Context, near Replica, ledger Ledger, before time.Time, percent int) (int, error) {
	twins, err := ledger.Mailboxes(ctx)
	if err != nil {
		return 0, err
	}
	doomed, all := 0, 0
	for _, t := range twins {
		for pair, err := range ledger.Pairs(ctx, t.Name) {
			if err != nil {
				return 0, err
			}
			if pair.Near != "" {
				all++
			}
			if outlived(pair, before) {
				doomed++
			}
		}
	}
	if Large(doomed, all, percent) {
		return 0, &BrakeError{Side: Far, Lost: doomed, Of: all}
	}
	sum := 0
	for _, t := range twins {
		n, err := prune(ctx, near, ledger, t.Name, before)
		sum += n
		if err != nil {
			return sum, fmt.Errorf("mailbox %q: %w", string(t.Name), err)
		}
	}
	return sum, nil
}

// outlived tells whether only the near side has had a message since before a time.
func outlived(p mailbox.Pair, before time.Time) bool {
	return p.Parked == mailbox.Left && !p.Since.IsZero() && p.Since.Before(before)
}

func prune(ctx context.Context, near Replica, ledger Ledger, name mailbox.Name, before time.Time) (int, error) {
	var doomed []mailbox.Doomed
	pairs := map[mailbox.ID]mailbox.Pair{}
	for pair, err := range ledger.Pairs(ctx, name) {
		if err != nil {
			return 0, err
		}
		if outlived(pair, before) {
			doomed = append(doomed, mailbox.Doomed{ID: pair.Near, Size: pair.Size, Pair: pair})
			pairs[pair.Near] = pair
		}
	}
	sum := 0
	for part := range slices.Chunk(doomed, chunk) {
		gone, _, err := near.Remove(ctx, name, part)
		if err != nil {
			return sum, err
		}
		update := mailbox.Update{Mailbox: name}
		for _, id := range gone {
			update.Drop = append(update.Drop, pairs[id])
			update.Log = append(update.Log, mailbox.Change{
				Kind: mailbox.MessageRemoved, On: [2]bool{Near: true}, Mailbox: name, Pair: pairs[id],
			})
		}
		if err := ledger.Commit(ctx, update); err != nil {
			return sum, err
		}
		sum += len(gone)
	}
	return sum, nil
}
