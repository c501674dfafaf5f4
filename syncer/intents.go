package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mailtwin/mailbox"
)

// maxAttempts is how often a server may say that it stored a message and then not show it, before the message is left
// alone. Without this bound a server that stores what cannot be recognised would be filled with copies.
const maxAttempts = 3

// merged stands for the attempts at a message that the server makes one with another each time: it is not sent again
// unless its owner wants that.
const merged = 200

var (
	errLostUploads = fmt.Errorf("stored on the server %d times, and never seen there as a message of its own; left alone", maxAttempts)
	errMerged      = errors.New("the server made it one with another message that it has, and shows nothing else; it stays here and is not uploaded again, unless with --retry")
)

// A search finds, of what was sent or copied before, what became of it on the far side.
type search struct {
	job   *job
	begun map[mailbox.ID]mailbox.Intent // by near ID
	found map[mailbox.ID]bool           // by near ID
	taken map[mailbox.ID]bool           // by far ID
}

// intents finds uploads that a run before began. The server may have stored the message in another form, or say another
// size of it than it has. One that was tried too often is left alone.
func (r *run) intents(ctx context.Context, j *job) error {
	if len(j.delta.New[Near]) == 0 {
		return nil
	}
	intents, err := r.ledger.Intents(ctx, j.name)
	if err != nil || len(intents) == 0 {
		return err
	}
	s := &search{job: j, begun: map[mailbox.ID]mailbox.Intent{}, found: map[mailbox.ID]bool{}, taken: map[mailbox.ID]bool{}}
	for _, intent := range intents {
		s.begun[intent.Near] = intent
	}
	if err := s.byHeader(ctx, r.side[Far]); err != nil {
		return err
	}
	s.byMessageID()
	kept := j.delta.New[Near][:0]
	for _, a := range j.delta.New[Near] {
		reason := r.enough(j, a, s.begun[a.ID])
		if reason != nil && !s.found[a.ID] && !a.Waits && !s.arrived(a) {
			r.leave(j, Near, a.ID, reason)
			j.aside[Near]++
			continue
		}
		kept = append(kept, a)
	}
	j.delta.New[Near] = kept
	return nil
}

// enough tells why a message is not sent once more; nil if it is.
func (r *run) enough(j *job, a Arrival, intent mailbox.Intent) error {
	_, due := r.before[mailbox.Place{Mailbox: j.name, ID: a.ID}] // left alone before, and its time has come
	alone := !due || r.pass > 1
	switch {
	case intent.Attempts >= merged && (alone || !r.opts.Retry):
		return errMerged
	case intent.Attempts >= maxAttempts && intent.Attempts < merged && alone:
		return errLostUploads
	}
	return nil
}

// arrived tells whether the far side has, new in the same mailbox, what a was to become.
func (s *search) arrived(a Arrival) bool {
	return slices.ContainsFunc(s.job.delta.New[Far], func(far Arrival) bool { return far.digest() == a.digest() })
}

// byMessageID finds what the server stored in another form, by the Message-ID and the date that was sent along.
func (s *search) byMessageID() {
	type named struct {
		hint mailbox.Hint
		date int64
	}
	free := map[named][]mailbox.ID{}
	for _, far := range s.job.delta.New[Far] {
		if key := (named{far.Hint, far.Date}); far.digest().IsZero() && !s.taken[far.ID] {
			free[key] = append(free[key], far.ID)
		}
	}
	for i := range s.job.delta.New[Near] {
		a := &s.job.delta.New[Near][i]
		key := named{a.Hint, a.Date}
		if s.begun[a.ID].MessageID != "" && !s.found[a.ID] && len(free[key]) > 0 {
			if a.Evidence.Same == "" {
				a.Evidence.Same, free[key] = free[key][0], free[key][1:]
			}
			s.found[a.ID] = true
		}
	}
}

// byHeader finds new far messages with the same header, and with the same date if there is no Message-ID in it. If their size
// were the same, too, they would have been recognised. Where two different messages have the same header, neither is found.
func (s *search) byHeader(ctx context.Context, far Replica) error {
	wanted := map[mailbox.Digest][]*Arrival{}
	hints, dates := map[mailbox.Hint]bool{}, map[int64]bool{}
	for i := range s.job.delta.New[Near] {
		a := &s.job.delta.New[Near][i]
		if _, ok := s.begun[a.ID]; !ok || a.Evidence.Same != "" || s.arrived(*a) {
			continue
		}
		header := a.Evidence.Content.Header
		wanted[header], hints[a.Hint], dates[a.Date] = append(wanted[header], a), true, true
	}
	asked := map[mailbox.ID]int64{}
	for _, a := range s.job.delta.New[Far] {
		if a.digest().IsZero() && (hints[a.Hint] || dates[a.Date]) {
			asked[a.ID] = a.Date
		}
	}
	if len(asked) == 0 {
		return nil
	}
	err := far.Identify(ctx, s.job.name, slices.Sorted(maps.Keys(asked)), func(id mailbox.ID, c mailbox.Content) {
		list := wanted[c.Header]
		if len(list) > 0 && alike(list) && (c.MessageID != "" || list[0].Date == asked[id]) {
			list[0].Evidence.Same, wanted[c.Header] = id, list[1:]
			s.found[list[0].ID], s.taken[id] = true, true
		}
	})
	if err != nil && !errors.Is(err, mailbox.ErrNoMailbox) {
		return fmt.Errorf("look for what was sent: %w", err)
	}
	return nil
}

func alike(list []*Arrival) bool {
	return !slices.ContainsFunc(list, func(a *Arrival) bool { return a.digest() != list[0].digest() })
}
