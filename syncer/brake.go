package syncer

import (
	"errors"
	"fmt"

	"mailtwin/mailbox"
)

// A BrakeError says that a side looks as if it had lost its mail by accident.
type BrakeError struct {
	Side    Side         // the side that looks wrong
	Mailbox mailbox.Name // the mailbox that lost mail; empty if the whole side is empty or cannot be read
	Lost    int          // how many messages the ledger knows there that are gone, or lost flags
	// Of, if not zero, is how many messages there were. Then only the removals that would follow were held back, and
	// everything else was done. If it is zero, nothing was changed on either side.
	Of    int
	Flags bool  // it is flags that were lost, not messages
	Err   error // why the side cannot be read, if that is it
}

func (e *BrakeError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("the %s side cannot be read although messages are known there: %v", e.Side, e.Err)
	case e.Flags:
		return fmt.Sprintf("%d of %d messages of mailbox %q lost flags on the %s side", e.Lost, e.Of, string(e.Mailbox), e.Side)
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
// INBOX is gone: an unmounted disk and a wiped account look just like that.
func (r *run) brake(v *view, jobs []*job) error {
	if r.opts.AllowDelete {
		return nil
	}
	for _, side := range []Side{Far, Near} {
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
		case inbox > 0:
			return &BrakeError{Side: side, Mailbox: mailbox.Inbox, Lost: inbox}
		}
	}
	return nil
}

// smallRemoval is how many messages may be removed from a mailbox whatever share of it they are.
const smallRemoval = 50

// restrain finds the mailbox of which too large a share is to be removed. What moved is not removed.
func (r *run) restrain(jobs []*job, steps []Steps) *BrakeError {
	if r.opts.AllowDelete {
		return nil
	}
	for i, j := range jobs {
		for _, loser := range []Side{Near, Far} {
			n := 0
			for _, c := range steps[i].Remove[loser] {
				if !c.Moved {
					n++
				}
			}
			if r.large(n, j) {
				return &BrakeError{Side: loser.Other(), Mailbox: j.name, Lost: n, Of: j.paired}
			}
		}
	}
	return nil
}

// large tells whether n messages are more of a mailbox than may lose something in one run.
func (r *run) large(n int, j *job) bool { return n > smallRemoval && n*100 > j.paired*r.opts.MaxDelete }

// restoreFlags finds the mailboxes of which too many messages lost flags on one side (R23): mail that was copied over a
// file system that knows no ":" in names, say. There the loss is not taken for anybody's wish, and seen again by the
// next run.
func (r *run) restoreFlags(jobs []*job) error {
	if r.opts.AllowDelete {
		return nil
	}
	var all []error
	for _, j := range jobs {
		for _, side := range []Side{Near, Far} {
			var poorer []int
			for i, c := range j.delta.Pairs {
				if !c.Gone[Far] && !c.Gone[Near] && !c.Pair.Flags.Minus(c.Flags[side]).Empty() {
					poorer = append(poorer, i)
				}
			}
			if !r.large(len(poorer), j) {
				continue
			}
			for _, i := range poorer {
				c := &j.delta.Pairs[i]
				c.Flags[side] = c.Flags[side].Union(c.Pair.Flags)
			}
			j.dirty[side] = true
			all = append(all, &BrakeError{Side: side, Mailbox: j.name, Lost: len(poorer), Of: j.paired, Flags: true})
		}
	}
	return errors.Join(all...)
}

// gone counts the messages that a side had and has no longer; lost those of them that the other side still has.
func (j *job) gone(side Side) (gone, lost int) {
	for _, c := range j.delta.Pairs {
		if !c.Gone[side] || c.Pair.Parked != mailbox.Paired {
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
	looked := map[mailbox.Name]bool{}
	for _, j := range jobs {
		looked[j.name] = true
		if gone, _ := j.gone(side); len(j.delta.New[side]) > 0 || j.paired > gone {
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
