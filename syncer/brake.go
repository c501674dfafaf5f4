package syncer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"mailtwin/mailbox"
)

// A BrakeError says that a side looks as if it had lost its mail by accident.
type BrakeError struct {
	Side    Side         // the side that looks wrong
	Mailbox mailbox.Name // the mailbox that lost mail; empty if the whole side is empty or cannot be read
	Lost    int          // how many messages the ledger knows there that are gone, or lost flags
	// Of, if not zero, is how many messages there were. Then only the removals that would follow were held back, and
	// everything else was done. If it is zero, or the run is a Transfer, nothing was changed on either side.
	Of int
	// Earlier is how many more were removed today by former runs. Then it is the account, not a mailbox, of which too
	// much would go, and Mailbox is empty.
	Earlier int
	Flags   bool  // it is flags that were lost, not messages
	Err     error // why the side cannot be read, if that is it
}

func (e *BrakeError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("the %s side cannot be read although messages are known there: %v", e.Side, e.Err)
	case e.Flags && e.Mailbox == "":
		return fmt.Sprintf("%d of %d messages of the account lost flags on the %s side", e.Lost, e.Of, e.Side)
	case e.Flags:
		return fmt.Sprintf("%d of %d messages of mailbox %q lost flags on the %s side", e.Lost, e.Of, string(e.Mailbox), e.Side)
	case e.Of > 0 && e.Mailbox == "" && e.Earlier > 0:
		return fmt.Sprintf("%d of %d messages of the account are gone on the %s side today, with the %d that were removed already",
			e.Lost+e.Earlier, e.Of, e.Side, e.Earlier)
	case e.Of > 0 && e.Mailbox == "":
		return fmt.Sprintf("%d of %d messages of the account are gone on the %s side", e.Lost, e.Of, e.Side)
	case e.Of > 0:
		return fmt.Sprintf("%d of %d messages of mailbox %q are gone on the %s side", e.Lost, e.Of, string(e.Mailbox), e.Side)
	case e.Mailbox != "":
		return fmt.Sprintf("mailbox %q vanished on the %s side with all its %d messages", string(e.Mailbox), e.Side, e.Lost)
	}
	return fmt.Sprintf("the %s side is empty although %d messages are known there", e.Side, e.Lost)
}

// Unwrap returns the reason, if there is one.
func (e *BrakeError) Unwrap() error { return e.Err }

// brake stops the run before its first effect if a side is empty although the ledger knows messages there, or if its
// INBOX is gone: an unmounted disk and a wiped account look just like that. A transfer it also stops if too large a share of what
// was brought to the near side is gone there.
func (r *run) brake(v *view, jobs []*job) error {
	if r.opts.AllowDelete {
		return nil
	}
	for _, side := range []Side{Far, Near} {
		if side == Far && r.opts.Direction != BothWays {
			continue // nothing is taken away for it
		}
		lost, inbox := 0, 0
		for _, j := range jobs {
			_, here := j.gone(side)
			lost += here
			if j.missing[side] && j.name == mailbox.Inbox {
				inbox = here
			}
		}
		switch {
		case lost > 0 && r.empty(side, v, jobs):
			return &BrakeError{Side: side, Lost: lost}
		case inbox > 0 && r.opts.Direction == BothWays:
			return &BrakeError{Side: side, Mailbox: mailbox.Inbox, Lost: inbox}
		}
	}
	if lost := r.lostThere(v, jobs); r.large(lost, v.paired) {
		return &BrakeError{Side: Near, Lost: lost, Of: v.paired}
	}
	return nil
}

// lostThere counts what a transfer brought to the near side that is no longer there. It would never be brought again. What
// seems to have moved there, and what was in the Trash, is not lost.
func (r *run) lostThere(v *view, jobs []*job) int {
	if r.opts.Direction != Transfer {
		return 0
	}
	type likeness struct {
		hint mailbox.Hint
		size int64
	}
	anew := map[likeness]int{}
	for _, j := range jobs {
		for _, a := range j.delta.New[Near] {
			anew[likeness{a.Hint, a.Size}]++
		}
	}
	lost := 0
	for _, j := range jobs {
		for _, c := range j.delta.Pairs {
			like := likeness{c.Pair.Hint, c.Pair.Size}
			switch {
			case !c.lost() || j.emptied(v, Far):
			case anew[like] > 0:
				anew[like]--
			default:
				lost++
			}
		}
	}
	return lost
}

// smallRemoval is how many messages may be removed from a mailbox whatever share of it they are.
const smallRemoval = 50

// restrain finds what would lose too large a share of its messages: mailboxes in this run, and the whole account in one
// day (R32). What moved is not removed, and the Trash is there to be emptied. The policy then spares them.
func (r *run) restrain(v *view, jobs []*job, steps []Steps, policy *Policy) error {
	if r.opts.AllowDelete {
		return nil
	}
	var all []error
	for _, loser := range []Side{Near, Far} {
		if loser == Far && r.opts.DeleteRemote == Never {
			continue // nothing is
		}
		sum := 0
		for i, j := range jobs {
			n, forGood := j.losses(v, loser, r.unmeant(j, loser, steps[i].Remove[loser]))
			if r.large(n, j.paired) {
				policy.Spared[loser][j.name] = true
				all = append(all, &BrakeError{Side: loser.Other(), Mailbox: j.name, Lost: n, Of: j.paired})
				continue
			}
			sum += forGood
		}
		before := r.today.Removed[loser]
		if sum > 0 && r.large(before+sum, before+v.paired) {
			policy.NoRemoval[loser] = true
			all = append(all, &BrakeError{Side: loser.Other(), Lost: sum, Earlier: before, Of: before + v.paired})
		}
	}
	return errors.Join(all...)
}

// emptied tells whether it is the Trash, which is there to be emptied, but not to vanish as a whole.
func (j *job) emptied(v *view, loser Side) bool {
	return j.name == v.trash && !j.missing[loser.Other()]
}

// unmeant leaves out the removals on the far side that follow from what the owner wants.
func (r *run) unmeant(j *job, loser Side, list []Change) []Change {
	if loser == Near {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(c Change) bool { return r.opts.Meant(j.name, c.Pair.Near) })
}

// losses counts the removals that somebody asked for, and that are not what a Trash is for; forGood are those after which
// the message is in no other mailbox either. On the near side the others are no loss, unless the mailbox itself vanished:
// somebody archived mail. On the far side they are, for nobody can tell again which mail it was.
func (j *job) losses(v *view, loser Side, list []Change) (n, forGood int) {
	if j.emptied(v, loser) {
		return 0, 0
	}
	for _, c := range list {
		switch {
		case c.Moved:
		case !c.Stays:
			n, forGood = n+1, forGood+1
		case loser == Far || j.missing[Far]:
			n++
		}
	}
	return n, forGood
}

// removals counts what was removed, not what was only left behind by a move.
func removals(list []Change) int {
	n := 0
	for _, c := range list {
		if !c.Moved {
			n++
		}
	}
	return n
}

// maxDelete is the default of MaxDelete.
const maxDelete = 25

// large tells whether n messages are more of so many than may lose something.
func (r *run) large(n, of int) bool { return Large(n, of, r.opts.MaxDelete) }

// Large tells whether n messages are more than so many percent of all, and not few.
func Large(n, of, percent int) bool { return n > smallRemoval && n*100 > of*cmp.Or(percent, maxDelete) }

// restoreFlags finds the mailboxes, or the account, of which too many messages lost flags on one side (R23): mail that
// was copied over a file system that knows no ":" in names, say. There the loss is not taken for anybody's wish, and
// seen again by the next run.
func (r *run) restoreFlags(v *view, jobs []*job) error {
	if r.opts.AllowDelete {
		return nil
	}
	var all []error
	for _, side := range []Side{Near, Far} {
		if r.opts.Direction != BothWays && (side == Near || r.opts.Direction == Transfer) {
			continue // flags are put back there, or nobody minds
		}
		poorer, sum := make([][]int, len(jobs)), 0
		for i, j := range jobs {
			poorer[i] = j.poorer(side, r.opts.Meant)
			sum += len(poorer[i])
		}
		account := r.large(sum, v.paired)
		if account {
			all = append(all, &BrakeError{Side: side, Lost: sum, Of: v.paired, Flags: true})
		}
		for i, j := range jobs {
			if !account && !r.large(len(poorer[i]), j.paired) {
				continue
			}
			j.restore(side, poorer[i])
			if !account {
				all = append(all, &BrakeError{Side: side, Mailbox: j.name, Lost: len(poorer[i]), Of: j.paired, Flags: true})
			}
		}
	}
	return errors.Join(all...)
}

// poorer finds the messages that lost flags on a side, by their index in the delta. What the owner wants is no loss.
func (j *job) poorer(side Side, meant func(mailbox.Name, mailbox.ID) bool) []int {
	var poorer []int
	for i, c := range j.delta.Pairs {
		if meant(j.name, c.Pair.Near) { // on the far side, too: a run that died may have carried it there
			continue
		}
		if !c.Gone[Far] && !c.Gone[Near] && !c.Pair.Flags.Minus(c.Flags[side]).Empty() {
			poorer = append(poorer, i)
		}
	}
	return poorer
}

// restore takes the loss of flags back in the delta, and leaves it to be seen again.
func (j *job) restore(side Side, poorer []int) {
	for _, i := range poorer {
		c := &j.delta.Pairs[i]
		c.Flags[side] = c.Flags[side].Union(c.Pair.Flags)
		j.dirty[side] = true
	}
}

// gone counts the messages that a side had and has no longer; lost those of them that the other side still has.
func (j *job) gone(side Side) (gone, lost int) {
	for _, c := range j.delta.Pairs {
		if !c.Gone[side] || c.Pair.Parked != mailbox.Paired && (side == Far || c.Pair.Parked != mailbox.Left) {
			continue
		}
		gone++
		if !c.Gone[side.Other()] {
			lost++
		}
	}
	return gone, lost
}

// empty tells whether a side holds no message that is known or new.
func (r *run) empty(side Side, v *view, jobs []*job) bool {
	if v.beyond[side] {
		return false
	}
	looked := map[mailbox.Name]bool{}
	for _, j := range jobs {
		looked[j.name] = true
		if gone, _ := j.gone(side); len(j.delta.New[side])+j.aside[side] > 0 || j.paired > gone {
			return false
		}
	}
	for name, twin := range v.twins {
		if !looked[name] && twin.Pairs > twin.Open {
			return false
		}
	}
	return true
}
