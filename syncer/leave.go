package syncer

import (
	"context"
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
