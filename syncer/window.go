package syncer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"mailtwin/mailbox"
)

// withinWindow returns which messages are gone of a mailbox that shows its newest messages only: those that are newer than
// the oldest one that it shows, by ID and by date, for nobody knows which of the two its side goes by. The others left the
// view, and are taken for gone only if there is nothing to lose.
func (s *sift) withinWindow(side Side, scan *mailbox.Scan) []mailbox.ID {
	hidden := set(scan.Gone)
	w := window{date: math.MaxInt64}
	for id, i := range s.byID[side] {
		if !hidden[id] {
			w.show(id, s.pairs[i].InternalDate)
		}
	}
	for _, m := range scan.Present {
		w.show(m.ID, m.InternalDate)
	}
	if w.id != "" && w.date != math.MaxInt64 {
		s.job.oldest[side] = w.date
	}
	var gone []mailbox.ID
	for _, id := range scan.Gone {
		i, ok := s.byID[side][id]
		switch {
		case !ok:
		case s.pairs[i].Parked == mailbox.Pending || w.spans(s.pairs[i], id):
			gone = append(gone, id)
		case side == Far:
			s.hide(i)
		}
	}
	return gone
}

// hide notes that the far side does not show a message, and may have it.
func (s *sift) hide(i int32) {
	if s.hidden == nil {
		s.hidden = map[int32]bool{}
	}
	s.hidden[i] = true
}

// beyond marks what concerns messages that a side may have where it does not show them.
func (s *sift) beyond() {
	for i := range s.hidden {
		if c := s.changed[i]; c != nil {
			c.Hidden = true
		}
	}
	for _, side := range []Side{Far, Near} {
		oldest := s.job.oldest[side.Other()]
		for i := range s.job.delta.New[side] {
			a := &s.job.delta.New[side][i]
			a.Beyond = oldest != 0 && a.Date < oldest
		}
	}
}

// A window is what a mailbox shows, by the oldest message in it. Its ID is empty if it shows none.
type window struct {
	id   mailbox.ID
	date int64 // in seconds since 1970
}

// show makes the window wide enough for a message.
func (w *window) show(id mailbox.ID, date time.Time) {
	if w.id == "" || compareIDs(id, w.id) < 0 {
		w.id = id
	}
	if !date.IsZero() {
		w.date = min(w.date, date.Unix())
	}
}

// spans tells whether the window would show a message if it was there.
func (w window) spans(pair mailbox.Pair, id mailbox.ID) bool {
	return w.id != "" && compareIDs(id, w.id) > 0 && !pair.InternalDate.IsZero() && pair.InternalDate.Unix() > w.date
}

const onlyNewest = "the far side shows only the newest messages of the mailbox"

var (
	errNotUploaded = errors.New("not uploaded: it may be there already, where only the newest messages of the mailbox are shown")
	errNotRemoved  = errors.New("not removed on the far side: " + onlyNewest)
	errNotMoved    = errors.New("not moved on the far side: " + onlyNewest)
	errNotCopied   = errors.New("not copied on the far side: " + onlyNewest)
)

// withhold names messages that a side may have where it does not show them: uploaded, they would be doubled, and removed they
// cannot be.
func (a *applier) withhold(jobs []*job) {
	for _, j := range jobs {
		for side, list := range j.steps.Beyond {
			for _, m := range list {
				a.leave(j, Side(side), m.ID, errNotUploaded)
			}
		}
		for _, c := range j.steps.Hidden {
			a.leave(j, Near, c.Pair.Far, errNotRemoved)
		}
	}
}

// beyondReach names a message that the far side did not copy or move, if it may be that it does not show it. Uploaded, it
// would be doubled.
func (a *applier) beyondReach(j *job, m Relocation) bool {
	if m.Side != Far || !a.view.infos[Far][m.From.Mailbox].Window {
		return false
	}
	err := errNotMoved
	if m.Pair == nil {
		err = errNotCopied
	}
	a.leave(j, Near, m.Arrival.ID, err)
	return true
}

// view is what the far side shows of the mailbox, if it may have older messages; else nil.
func (e *examination) view(ctx context.Context) (*window, error) {
	far := e.sides[Far]
	if far == nil || !far.window {
		return nil, nil
	}
	w := &window{date: math.MaxInt64}
	for pair, err := range e.pairs(ctx) {
		if err != nil {
			return nil, err
		}
		if _, shown := far.messages[pair.Far]; shown {
			w.show(pair.Far, pair.InternalDate)
		}
	}
	return w, nil
}

// inView leaves out what is missing on the far side only because it is older than what that shows, and says how much it is.
func (e *examination) inView(seen *window, differences []Difference) []Difference {
	if seen == nil {
		return differences
	}
	all := len(differences)
	differences = slices.DeleteFunc(differences, func(d Difference) bool {
		return d.Kind == Absent && d.Side == Far && !seen.spans(d.Pair, d.Pair.Far)
	})
	if n := all - len(differences); n > 0 {
		e.problem(&mailbox.MailboxError{Mailbox: e.name, Err: fmt.Errorf("not compared, as %s: %d", onlyNewest, n)})
	}
	return differences
}
