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

// left is the record of a message that only the near side has.
func left(p mailbox.Pair, now time.Time) mailbox.Pair {
	if p.Parked != mailbox.Left {
		p.Parked, p.Since = mailbox.Left, now
	}
	p.Far = ""
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

// Prune removes on the near side what the far side has not had since before a time, and returns how much that was.
func Prune(ctx context.Context, near Replica, ledger Ledger, before time.Time) (int, error) {
	twins, err := ledger.Mailboxes(ctx)
	if err != nil {
		return 0, err
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

func prune(ctx context.Context, near Replica, ledger Ledger, name mailbox.Name, before time.Time) (int, error) {
	var doomed []mailbox.Doomed
	pairs := map[mailbox.ID]mailbox.Pair{}
	for pair, err := range ledger.Pairs(ctx, name) {
		if err != nil {
			return 0, err
		}
		if pair.Parked == mailbox.Left && pair.Since.Before(before) {
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
		}
		if err := ledger.Commit(ctx, update); err != nil {
			return sum, err
		}
		sum += len(gone)
	}
	return sum, nil
}
