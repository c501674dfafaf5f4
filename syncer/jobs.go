package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mailtwin/mailbox"
)

// errDoubt means that a listing left a mailbox out that is still there.
var errDoubt = errors.New("not listed, but it is there; left alone in this run")

// A job is one mailbox and what is done about it in this pass.
type job struct {
	name    mailbox.Name
	twin    *mailbox.Twin // nil if last does not know the mailbox
	special bool          // INBOX, or what the far side has for a special use: it cannot vanish for good on the near side
	exists  [2]bool       // by Side, as listed
	missing [2]bool       // by Side: last knows it, and it is certainly gone
	active  [2]bool       // by Side: it has to be looked into
	created [2]bool       // by Side: this pass made it

	pairs     int      // what last has of it, less what was reset
	paired    int      // of those, what both sides have
	hold      [2]holds // by Side
	reset     bool     // the far side started anew: last knows nothing
	half      [2]mailbox.Half
	start     mailbox.Cursor // of the far side's scan
	oldest    [2]int64       // by Side: the date of the oldest message that it shows, if it may have older ones
	aside     [2]int         // by Side: how many new messages wait for another try
	unread    bool           // the near side has new messages that cannot be read
	way       Direction
	holdsLeft bool           // last knows messages that only the near side has
	left      []mailbox.Pair // what only the near side has, if the far side started anew
	failed    [2]bool        // by Side: it could not be read in full
	dirty     [2]bool        // by Side: something was left undone, so the cursor stays where it is
	held      [2]bool        // by Side: removals there were held back
	later     bool           // the mailbox vanished on the far side; what is new on the near side waits for the next pass
	kept      []mailbox.ID   // what the near side removed and the far side keeps

	forgotten  bool // last no longer has it
	generation string
	scanned    [2]bool
	delta      Delta
	steps      *Steps
}

type holds func(mailbox.Flag) bool

// jobs finds the mailboxes that have to be looked at.
func (r *run) jobs(ctx context.Context, v *view) []*job {
	var jobs []*job
	r.doubt = [2]bool{}
	for _, name := range v.names {
		j := r.job(v, name)
		if j == nil || r.opts.Direction == Transfer && !j.exists[Far] && j.twin == nil || r.doubtful(ctx, j) {
			continue
		}
		r.activate(v, j)
		if j.active[Far] || j.active[Near] || j.missing[Far] || j.missing[Near] || j.twin == nil || j.twin.Open > 0 {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

func (r *run) job(v *view, name mailbox.Name) *job {
	j := &job{
		name: name, exists: [2]bool{v.has(Far, name), v.has(Near, name)}, delta: Delta{Mailbox: name},
		special: name == mailbox.Inbox || name == v.trash || v.infos[Far][name].Role != "", way: r.opts.Direction,
	}
	if twin, ok := v.twins[name]; ok {
		j.twin = &twin
		j.half = [2]mailbox.Half{twin.Far, twin.Near}
	} else if !j.exists[Far] && !j.exists[Near] {
		return nil // it only holds other mailboxes
	}
	return j
}

// doubtful finds out whether a mailbox that is not listed is really gone. If that cannot be told, the mailbox is left
// alone, and the side counts as one that could not be read in full.
func (r *run) doubtful(ctx context.Context, j *job) bool {
	for _, side := range []Side{Far, Near} {
		if j.exists[side] || j.twin == nil || j.unmade(side) || side == Far && j.orphaned() {
			continue
		}
		gone, err := r.side[side].Vanished(ctx, j.name)
		if err == nil && !gone {
			err = errDoubt
		}
		if err != nil {
			r.doubt[side] = true
			r.problem(&mailbox.MailboxError{Mailbox: j.name, Err: fmt.Errorf("on the %s side: %w", side, err)})
			return true
		}
		j.missing[side] = true
	}
	return false
}

// orphaned tells whether the mailbox is one that only the near side has, as is known from a run before.
func (j *job) orphaned() bool {
	return j.way != BothWays && !j.exists[Far] && j.twin != nil && j.twin.Far == mailbox.Half{}
}

// unmade tells whether a side never had the mailbox: a run that died was about to make it.
func (j *job) unmade(side Side) bool {
	return j.half[side] == mailbox.Half{} && j.twin.Pairs == j.twin.Open
}

// activate decides which sides have to be looked into. From the second pass on, a far mailbox that cannot tell by its
// mark is looked into only if this run changed it.
func (r *run) activate(v *view, j *job) {
	for _, side := range []Side{Far, Near} {
		if !j.exists[side] {
			continue
		}
		mark := v.infos[side][j.name].Mark
		j.active[side] = j.twin == nil || !j.half[side].Cursor.Unchanged(mark)
		if side == Far && r.pass > 1 && mark == "" && j.twin != nil {
			j.active[side] = r.looking[j.name]
		}
		j.half[side].Identity = v.infos[side][j.name].Identity
	}
	if j.active[Near] && v.infos[Far][j.name].Window { // which of its files are older than what is shown
		j.active[Far] = true
	}
}

// plan takes over the steps of the mailbox. What the policy holds back leaves the cursors of the other side where
// they are, so that the next run finds it again.
func (j *job) plan(steps *Steps, policy Policy) {
	j.steps = steps
	if len(steps.Again) > 0 {
		j.dirty[Near] = true
	}
	for _, loser := range []Side{Far, Near} {
		if _, lost := j.gone(loser.Other()); policy.spares(loser, j.name) && lost > 0 {
			j.dirty[loser.Other()] = true
			j.held[loser] = true
		}
		if steps.Waits[loser.Other()] {
			j.dirty[loser.Other()] = true
			j.held[loser] = true
		}
	}
	j.delta = Delta{Mailbox: j.name} // the steps hold what is left of it
}

// postpone leaves what is new on the near side for the next pass if the mailbox vanished on the far side. By then the
// ledger has forgotten the mailbox, whose UIDs would otherwise mix with those of the one that is made anew.
func (j *job) postpone() {
	if j.missing[Far] && slices.ContainsFunc(j.delta.New[Near], func(a Arrival) bool { return !a.Waits }) {
		j.later, j.delta.New[Near] = true, nil
	}
}

// creates tells whether the mailbox is to be made on a side: if only the other side has it, or if it vanished while
// the other side got mail for it, or if it is one that is always there.
func (j *job) creates(side Side) bool {
	if j.exists[side] || side == Far && j.way != BothWays {
		return false
	}
	lasting := !j.missing[side] || side == Near && (j.special && j.way != Transfer || j.way == Backup)
	return lasting && j.exists[side.Other()] || j.wanted(side)
}

// wanted tells whether messages are to be brought into the mailbox on a side.
func (j *job) wanted(side Side) bool {
	for _, m := range j.steps.Relocate {
		if m.Side == side {
			return true
		}
	}
	if side == Far {
		return len(j.steps.Upload)+len(j.steps.Again) > 0
	}
	return len(j.steps.Download)+len(j.steps.Link) > 0
}

// deletes tells whether the mailbox itself is to be removed from a side, because it vanished on the other.
func (j *job) deletes(side Side) bool {
	other := side.Other()
	return j.exists[side] && j.missing[other] && !j.creates(other) && !j.held[side] && j.name != mailbox.Inbox &&
		!j.later && j.way == BothWays
}
