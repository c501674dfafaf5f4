package syncer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"mailtwin/mailbox"
)

// scan looks into every mailbox that has to be looked into, and fills the jobs' deltas.
func (r *run) scan(ctx context.Context, jobs []*job) error {
	return r.each(ctx, jobs, func(ctx context.Context, j *job) error {
		err := r.scanJob(ctx, j)
		var mailboxErr *mailbox.MailboxError
		if errors.As(err, &mailboxErr) || errors.Is(err, mailbox.ErrNoMailbox) {
			r.problem(err)
			return nil
		}
		return err
	})
}

// scanJob fills the delta of one mailbox. A side that could not be read leaves the mailbox alone.
func (r *run) scanJob(ctx context.Context, j *job) error {
	s := &sift{job: j}
	if err := s.load(ctx, r.ledger); err != nil {
		return err
	}
	for _, side := range []Side{Far, Near} {
		if j.missing[side] {
			s.vanish(side)
			continue
		}
		anew := side == Near && j.reset && j.exists[Near]
		if !j.active[side] && !anew {
			continue
		}
		if err := r.scanSide(ctx, s, side); err != nil {
			j.failed, j.dirty = [2]bool{true, true}, [2]bool{true, true}
			j.delta = Delta{Mailbox: j.name}
			return err
		}
	}
	s.pending(r.waits)
	s.beyond()
	for _, c := range s.changes {
		j.delta.Pairs = append(j.delta.Pairs, *c)
	}
	return nil
}

func (r *run) scanSide(ctx context.Context, s *sift, side Side) error {
	j := s.job
	req := mailbox.ScanRequest{
		Name: j.name, Since: j.half[side].Cursor, Known: s.known(side),
		Identify: r.knowing, Generation: j.generation,
	}
	if j.reset || j.twin == nil {
		req.Since = mailbox.Cursor{}
	}
	scan, err := r.side[side].Scan(ctx, req)
	if err != nil {
		return fmt.Errorf("scan the %s side: %w", side, err)
	}
	if side == Far {
		j.generation, j.start = scan.Generation, scan.Start
		if scan.Reset {
			s.reset()
		}
	}
	if side == Near && scan.Reset {
		return r.nearReset(ctx, s)
	}
	for id, err := range scan.Unread {
		if side == Near {
			err = fmt.Errorf("%w; %s", err, untilRead)
		}
		r.problem(&mailbox.MessageError{Mailbox: j.name, ID: id, Err: err})
		j.dirty[side] = true
		j.unread = j.unread || side == Near
	}
	s.take(side, scan)
	j.half[side].Cursor = scan.Cursor
	j.hold[side] = scan.Holds
	j.scanned[side] = true
	if !scan.Settled {
		j.dirty[side] = true
	}
	return nil
}

// A sift sorts what a scan brought into what last knows and what is new.
type sift struct {
	job     *job
	pairs   []mailbox.Pair
	byID    [2]map[mailbox.ID]int32 // into pairs
	changed map[int32]*Change
	changes []*Change      // in the order in which they were found
	hidden  map[int32]bool // pairs that the far side does not show, and may have
}

func (s *sift) load(ctx context.Context, ledger Ledger) error {
	s.changed = map[int32]*Change{}
	s.byID = [2]map[mailbox.ID]int32{{}, {}}
	if s.job.twin == nil || s.job.twin.Pairs == 0 {
		return nil
	}
	for pair, err := range ledger.Pairs(ctx, s.job.name) {
		if err != nil {
			return err
		}
		i := int32(len(s.pairs))
		s.pairs = append(s.pairs, pair)
		for _, side := range []Side{Far, Near} {
			if id := idOn(side, pair); id != "" {
				s.byID[side][id] = i
			}
		}
		s.job.holdsLeft = s.job.holdsLeft || pair.Parked == mailbox.Left
		if pair.Parked == mailbox.Kept {
			s.job.kept = append(s.job.kept, pair.Far)
		}
	}
	s.job.pairs, s.job.paired = len(s.pairs), len(s.byID[Near])
	return nil
}

// known implements mailbox.Known.
type known map[mailbox.ID]int32

func (k known) Len() int               { return len(k) }
func (k known) Has(id mailbox.ID) bool { _, ok := k[id]; return ok }

// All yields every ID.
func (k known) All() iter.Seq[mailbox.ID] { return maps.Keys(k) }

func (s *sift) known(side Side) mailbox.Known { return known(s.byID[side]) }

// reset forgets what last knows: the far side started anew, so no pair can be told from its ID any more. The messages
// will be found again by content. What only the near side has is not affected.
func (s *sift) reset() {
	before := s.pairs
	*s = sift{job: s.job, changed: map[int32]*Change{}, byID: [2]map[mailbox.ID]int32{{}, {}}}
	for _, pair := range before {
		if pair.Parked == mailbox.Left {
			s.byID[Near][pair.Near] = int32(len(s.pairs))
			s.pairs = append(s.pairs, pair)
		}
	}
	s.job.reset, s.job.pairs, s.job.paired, s.job.left = true, len(s.pairs), len(s.pairs), slices.Clone(s.pairs)
}

// vanish takes everything that a side had as gone.
func (s *sift) vanish(side Side) {
	for _, i := range s.byID[side] {
		s.change(i).Gone[side] = true
	}
}

func (s *sift) change(i int32) *Change {
	c := s.changed[i]
	if c == nil {
		c = &Change{Pair: s.pairs[i], Flags: [2]mailbox.Flags{s.pairs[i].Flags, s.pairs[i].Flags}}
		s.changed[i] = c
		s.changes = append(s.changes, c)
	}
	return c
}

// take sorts one side's scan.
func (s *sift) take(side Side, scan *mailbox.Scan) {
	gone := scan.Gone
	if scan.Window {
		gone = s.withinWindow(side, scan)
	}
	for _, id := range gone {
		if i, ok := s.byID[side][id]; ok {
			s.change(i).Gone[side] = true
		}
	}
	fresh := len(scan.Present) - len(s.byID[side])
	if s.job.delta.New[side] == nil && fresh > 0 {
		s.job.delta.New[side] = make([]Arrival, 0, fresh)
	}
	for _, m := range scan.Present {
		i, ok := s.byID[side][m.ID]
		if !ok {
			s.job.delta.New[side] = append(s.job.delta.New[side], arrival(m))
			continue
		}
		pair := s.pairs[i]
		flags := heldFlags(m.Flags, pair.Flags, scan.Holds)
		if !flags.Same(pair.Flags) && pair.Parked != mailbox.Kept {
			s.change(i).Flags[side] = flags
		}
	}
}

// heldFlags reads the flags of a side that cannot hold all of them: what it cannot hold is as last had it, for its
// absence means nothing.
func heldFlags(now, last mailbox.Flags, holds func(mailbox.Flag) bool) mailbox.Flags {
	if holds == nil {
		return now
	}
	for _, flag := range last.All() {
		if !holds(flag) {
			now = now.With(flag)
		}
	}
	return now
}

func arrival(m mailbox.Message) Arrival {
	a := Arrival{ID: m.ID, Flags: m.Flags, Size: m.Size, AccountID: m.Content.AccountID}
	if !m.InternalDate.IsZero() {
		a.Date = m.InternalDate.Unix()
	}
	if m.Content.MessageID != "" {
		a.Hint = m.Content.Hint()
	} else if m.Size > 0 {
		a.Hint = mailbox.MakeHint("", m.Size)
	}
	if m.Origin != "" || !m.Content.Digest.IsZero() {
		a.Evidence = &Evidence{Content: m.Content, Same: m.Origin}
		a.Size = m.Content.Size
	}
	return a
}

// pending makes arrivals of the messages that the far side has and that were never downloaded.
func (s *sift) pending(waits func(mailbox.Name, mailbox.ID) bool) {
	for i, pair := range s.pairs {
		c := s.changed[int32(i)]
		if pair.Parked != mailbox.Pending || (c != nil && c.Gone[Far]) {
			continue
		}
		a := Arrival{
			ID: pair.Far, Flags: pair.Flags, Size: pair.Size, Hint: pair.Hint, AccountID: pair.AccountID,
			Waits: waits(s.job.name, pair.Far), OnRecord: c == nil,
		}
		if !pair.InternalDate.IsZero() {
			a.Date = pair.InternalDate.Unix()
		}
		if c != nil {
			a.Flags = c.Flags[Far]
			c.Pair.Parked = mailbox.Pending
			s.drop(c)
		}
		s.job.delta.New[Far] = append(s.job.delta.New[Far], a)
	}
}

// drop takes a change back, because an arrival says the same.
func (s *sift) drop(c *Change) {
	for i, other := range s.changes {
		if other == c {
			s.changes = append(s.changes[:i], s.changes[i+1:]...)
			return
		}
	}
}
