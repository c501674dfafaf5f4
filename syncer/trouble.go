package syncer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"mailtwin/mailbox"
)

// What was left behind twice is tried again after a pause, which grows with each try. The first second try comes with
// the next run, for most refusals pass.
const (
	firstPause            = 10 * time.Minute
	longestPause          = 24 * time.Hour
	longestTemporaryPause = time.Hour
)

// recall reads what former runs left behind and what was removed today.
func (r *run) recall(ctx context.Context) error {
	troubles, err := r.ledger.Troubles(ctx)
	if err != nil {
		return err
	}
	for _, t := range troubles {
		r.before[mailbox.Place{Mailbox: t.Mailbox, ID: t.ID}] = t
	}
	r.day = r.opts.Now().UTC().Format(time.DateOnly)
	r.today, err = r.ledger.Removed(ctx, r.day)
	return err
}

// problem records what was left behind, without ending the run. What was told once in a run is not told again, and what
// is met in each run, as a mailbox that cannot be opened, is told when its time has come.
func (r *run) problem(err error) {
	if !r.record(err) && r.opts.Events != nil {
		r.opts.Events.Problem(err)
	}
}

func (r *run) record(err error) (told bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	place, ok := placeOf(err)
	if t, known := r.before[place]; known && t.Reason == reason(err) && r.early(t) {
		r.waiting[place] = true
		return true
	}
	if ok {
		r.failed[place] = err
	}
	told = r.told[err.Error()]
	if !told {
		r.told[err.Error()] = true
		r.report.Problems = append(r.report.Problems, err)
	}
	return told
}

// early tells whether it is not yet time to try something again.
func (r *run) early(t mailbox.Trouble) bool { return !r.opts.Retry && r.opts.Now().Before(t.Next) }

// placeOf tells which message or mailbox an error concerns.
func placeOf(err error) (place mailbox.Place, ok bool) {
	var message *mailbox.MessageError
	var box *mailbox.MailboxError
	switch {
	case errors.As(err, &message):
		return mailbox.Place{Mailbox: message.Mailbox, ID: message.ID}, true
	case errors.As(err, &box):
		return mailbox.Place{Mailbox: box.Mailbox}, true
	}
	return mailbox.Place{}, false
}

// setAside marks, of what is new, what went wrong in this run already, or before, if it is not yet time to try it again,
// and takes it out where it cannot account for anything: where its side lost no message that it could be, and the other
// side got none.
func (r *run) setAside(jobs []*job) {
	var lost [2]bool
	for _, j := range jobs {
		for _, side := range []Side{Far, Near} {
			_, n := j.gone(side)
			lost[side] = lost[side] || n > 0
		}
	}
	for _, j := range jobs {
		for _, side := range r.tried() {
			r.setNewAside(j, side, lost[side] || len(j.delta.New[side.Other()]) > 0)
		}
	}
}

// tried returns the sides whose messages may be on record as left behind. In a transfer those of the near side are not,
// and both sides may have the same IDs.
func (r *run) tried() []Side {
	if r.opts.Direction == Transfer {
		return []Side{Far}
	}
	return []Side{Far, Near}
}

func (r *run) setNewAside(j *job, side Side, accounts bool) {
	kept := j.delta.New[side][:0]
	for _, a := range j.delta.New[side] {
		if !a.Waits && r.waits(j.name, a.ID) { // what was on record to be downloaded needs no second look
			a.Waits, j.dirty[side] = true, true
		}
		if a.Waits && !accounts {
			j.aside[side]++
			continue
		}
		kept = append(kept, a)
	}
	j.delta.New[side] = kept
}

// setPairsAside does the same for known messages. The brake has seen them by then.
func (r *run) setPairsAside(j *job) {
	j.delta.Pairs = slices.DeleteFunc(j.delta.Pairs, func(c Change) bool {
		waits := r.waits(j.name, c.Pair.Far) || r.opts.Direction != Transfer && r.waits(j.name, c.Pair.Near)
		if waits {
			j.dirty = [2]bool{true, true}
		}
		return waits
	})
}

// waits tells whether a message is not to be tried now.
func (r *run) waits(name mailbox.Name, id mailbox.ID) bool {
	if id == "" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	place := mailbox.Place{Mailbox: name, ID: id}
	if r.failed[place] != nil {
		return true
	}
	t, known := r.before[place]
	if known = known && r.early(t); known {
		r.waiting[place] = true
	}
	return known
}

// conclude puts on record what is left behind. Complete means that the run looked at everything it was to look at: then
// what did not go wrong again is mended.
func (r *run) conclude(ctx context.Context, complete bool) error {
	now := r.opts.Now()
	after := map[mailbox.Place]mailbox.Trouble{}
	for place, t := range r.before {
		if !complete || r.waiting[place] || !r.opts.Mailboxes(place.Mailbox) {
			after[place] = t
		}
		if r.waiting[place] && r.failed[place] == nil {
			r.report.Waiting = append(r.report.Waiting, t)
		}
	}
	for place, err := range r.failed {
		after[place] = again(r.before[place], place, err, now)
	}
	slices.SortFunc(r.report.Waiting, compareTroubles)
	if maps.Equal(after, r.before) {
		return nil
	}
	return r.ledger.PutTroubles(context.WithoutCancel(ctx), slices.SortedFunc(maps.Values(after), compareTroubles))
}

// again is the record of what went wrong once more.
func again(t mailbox.Trouble, place mailbox.Place, err error, now time.Time) mailbox.Trouble {
	if t.Tries == 0 {
		t.Since = now
	}
	t.Mailbox, t.ID, t.Reason, t.Last, t.Next = place.Mailbox, place.ID, reason(err), now, time.Time{}
	t.Temporary = errors.Is(err, mailbox.ErrTemporary)
	t.Tries++
	longest := longestPause
	if t.Temporary {
		longest = longestTemporaryPause
	}
	if t.Tries > 1 && !errors.Is(err, mailbox.ErrHalf) { // its owner is to hear of an accident each time
		t.Next = now.Add(min(longest, firstPause<<min(t.Tries-2, 10)))
	}
	return t
}

// reason is what went wrong, without the names of mailbox and message.
func reason(err error) string {
	var message *mailbox.MessageError
	var box *mailbox.MailboxError
	switch {
	case errors.As(err, &message):
		return message.Err.Error()
	case errors.As(err, &box):
		return box.Err.Error()
	}
	return err.Error()
}

func compareTroubles(a, b mailbox.Trouble) int {
	if n := compareNames(a.Mailbox, b.Mailbox); n != 0 {
		return n
	}
	return strings.Compare(string(a.ID), string(b.ID))
}
