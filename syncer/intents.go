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

// intents finds uploads that a run before began. The server may have stored the message in another form: then its
// Message-ID, with the date that was sent along, tells. Of one without a Message-ID the header must be the same. One that
// was tried too often is left alone.
func (r *run) intents(ctx context.Context, j *job) error {
	if len(j.delta.New[Near]) == 0 {
		return nil
	}
	intents, err := r.ledger.Intents(ctx, j.name)
	if err != nil || len(intents) == 0 {
		return err
	}
	byNear := map[mailbox.ID]mailbox.Intent{}
	for _, intent := range intents {
		byNear[intent.Near] = intent
	}
	if err := r.byHeader(ctx, j, byNear); err != nil {
		return err
	}
	type named struct {
		hint mailbox.Hint
		date int64
	}
	free := map[named][]mailbox.ID{}
	for _, far := range j.delta.New[Far] {
		if key := (named{far.Hint, far.Date}); far.digest().IsZero() {
			free[key] = append(free[key], far.ID)
		}
	}
	kept := j.delta.New[Near][:0]
	for _, a := range j.delta.New[Near] {
		intent, begun := byNear[a.ID]
		key := named{a.Hint, a.Date}
		found := begun && (a.Evidence.Same != "" || intent.MessageID != "" && len(free[key]) > 0)
		if found && a.Evidence.Same == "" {
			a.Evidence.Same, free[key] = free[key][0], free[key][1:]
		}
		_, due := r.before[mailbox.Place{Mailbox: j.name, ID: a.ID}] // left alone before, and its time has come
		alone := !due || r.pass > 1
		reason := errLostUploads
		if intent.Attempts >= merged {
			alone, reason = alone || !r.opts.Retry, errMerged
		}
		if begun && !found && intent.Attempts >= maxAttempts && !a.Waits && !r.arrived(j, a) && alone {
			r.leave(j, Near, a.ID, reason)
			j.aside[Near]++
			continue
		}
		kept = append(kept, a)
	}
	j.delta.New[Near] = kept
	return nil
}

// arrived tells whether the far side has, new in the same mailbox, what a was to become.
func (r *run) arrived(j *job, a Arrival) bool {
	return slices.ContainsFunc(j.delta.New[Far], func(far Arrival) bool { return far.digest() == a.digest() })
}

// byHeader finds, for what was sent or copied before, new far messages with the same header, and with the same date if there
// is no Message-ID in it. Their size may be another, for servers lie about it; otherwise they would have been recognised.
// Where two different messages have the same header, neither is found.
func (r *run) byHeader(ctx context.Context, j *job, begun map[mailbox.ID]mailbox.Intent) error {
	wanted := map[mailbox.Digest][]*Arrival{}
	hints, dates := map[mailbox.Hint]bool{}, map[int64]bool{}
	for i := range j.delta.New[Near] {
		a := &j.delta.New[Near][i]
		if _, ok := begun[a.ID]; !ok || a.Evidence.Same != "" || r.arrived(j, *a) {
			continue
		}
		header := a.Evidence.Content.Header
		wanted[header], hints[a.Hint], dates[a.Date] = append(wanted[header], a), true, true
	}
	asked := map[mailbox.ID]int64{}
	for _, far := range j.delta.New[Far] {
		if far.digest().IsZero() && (hints[far.Hint] || dates[far.Date]) {
			asked[far.ID] = far.Date
		}
	}
	if len(asked) == 0 {
		return nil
	}
	err := r.side[Far].Identify(ctx, j.name, slices.Sorted(maps.Keys(asked)), func(id mailbox.ID, c mailbox.Content) {
		list := wanted[c.Header]
		if len(list) > 0 && alike(list) && (c.MessageID != "" || list[0].Date == asked[id]) {
			list[0].Evidence.Same, wanted[c.Header] = id, list[1:]
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
