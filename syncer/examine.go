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

// An examination is the look at one mailbox.
type examination struct {
	*verifier
	name    mailbox.Name
	twin    mailbox.Twin
	known   bool // last has the mailbox
	sides   [2]*listing
	differs []Difference // but those that compare finds
}

func (v *verifier) examine(ctx context.Context, name mailbox.Name) error {
	e := &examination{verifier: v, name: name}
	e.twin, e.known = v.twins[name]
	for side := range v.side {
		if err := e.look(ctx, Side(side)); err != nil {
			return fmt.Errorf("on the %s side: %w", Side(side), err)
		}
	}
	seen, err := e.view(ctx)
	if err != nil {
		return err
	}
	found, doubtful, err := compare(name, e.pairs(ctx), e.sides)
	if err != nil {
		return err
	}
	found.Differences = e.inView(seen, found.Differences)
	found.Differences = e.explained(found.Differences)
	rewritten, err := e.rewritten(ctx, &found)
	if err != nil {
		return err
	}
	if found.Differences, err = e.confirmed(ctx, found.Differences); err != nil {
		return err
	}
	found.Differences = append(e.differs, found.Differences...)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found.Mailboxes = append(v.found.Mailboxes, &found)
	v.reads = append(v.reads, &reading{Verified: &found, doubtful: doubtful, rewritten: rewritten, looked: [2]bool{e.sides[Far] != nil, e.sides[Near] != nil}})
	return nil
}

// pairs are those of last. Of a mailbox that it does not know there are none.
func (e *examination) pairs(ctx context.Context) iter.Seq2[mailbox.Pair, error] {
	if !e.known {
		return func(func(mailbox.Pair, error) bool) {}
	}
	return e.ledger.Pairs(ctx, e.name)
}

// look lists one side, or tells that it lacks the mailbox.
func (e *examination) look(ctx context.Context, side Side) error {
	if !e.exists(side, e.name) {
		return e.absent(ctx, side)
	}
	err := e.list(ctx, side)
	if errors.Is(err, mailbox.ErrHalf) {
		return e.lacks(ctx, side, err)
	}
	if err != nil || e.known || e.exists(side.Other(), e.name) {
		return err
	}
	here := e.sides[side].count()
	e.sides[side] = nil
	e.differs = append(e.differs, Difference{
		Kind: MailboxUnknown, Side: side, Mailbox: e.name, Messages: here, Waits: side == Far || here == 0,
	})
	return nil
}

var errUnlisted = fmt.Errorf("not listed, but it is there; look again later: %w", mailbox.ErrTemporary)

// absent makes sure that a mailbox that a listing left out is not there.
func (e *examination) absent(ctx context.Context, side Side) error {
	if !e.known {
		return nil
	}
	gone, err := e.side[side].Vanished(ctx, e.name)
	if errors.Is(err, mailbox.ErrHalf) {
		return e.lacks(ctx, side, err)
	}
	if err == nil && !gone {
		err = &mailbox.MailboxError{Mailbox: e.name, Err: errUnlisted}
	}
	if err != nil {
		return err
	}
	return e.lacks(ctx, side, nil)
}

// lacks tells that a side lacks the mailbox, or a part of it, unless last has nothing there.
func (e *examination) lacks(ctx context.Context, side Side, why error) error {
	var box *mailbox.MailboxError
	if errors.As(why, &box) {
		why = box.Err
	}
	all, here := 0, 0
	for pair, err := range e.pairs(ctx) {
		if err != nil {
			return err
		}
		all++
		if has(side, pair) {
			here++
		}
	}
	if all == 0 || here > 0 || why != nil {
		e.differs = append(e.differs, Difference{Kind: MailboxMissing, Side: side, Mailbox: e.name, Messages: here, Err: why})
	}
	return nil
}

func (e *examination) list(ctx context.Context, side Side) error {
	l := &listing{messages: map[mailbox.ID]listed{}}
	found := func(m mailbox.Message) {
		l.messages[m.ID] = listed{flags: m.Flags, size: m.Size, stored: m.Content.Stored}
	}
	scan, err := inspect(ctx, e.side[side], e.name, found)
	if err != nil {
		return err
	}
	for id, why := range scan.Unread {
		e.differs = append(e.differs, Difference{Kind: Unreadable, Side: side, Mailbox: e.name, Pair: pairOf(side, id), Err: why})
	}
	l.holds, l.window = scan.Holds, scan.Window
	if e.renumbered(side, scan.Generation) {
		e.differs = append(e.differs, Difference{Kind: Renumbered, Side: side, Mailbox: e.name, Messages: len(l.messages)})
	} else {
		e.sides[side] = l
	}
	if !scan.Settled {
		e.problem(&mailbox.MailboxError{Mailbox: e.name, Err: errUnsettled})
	}
	return nil
}

// inspect lists a mailbox in the cheapest way that a side knows.
func inspect(ctx context.Context, side Replica, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error) {
	if inspector, ok := side.(Inspector); ok {
		return inspector.Inspect(ctx, name, found)
	}
	scan, err := side.Scan(ctx, mailbox.ScanRequest{Name: name, Known: mailbox.Nothing{}})
	if err != nil {
		return nil, err
	}
	for _, m := range scan.Present {
		found(m)
	}
	return scan, nil
}

var errUnsettled = fmt.Errorf("what was listed does not add up; look again later: %w", mailbox.ErrTemporary)

// renumbered tells whether the IDs of a side are of another generation than those of last.
func (e *examination) renumbered(side Side, generation string) bool {
	recaller, ok := e.side[side].(Recaller)
	if !ok || !e.known {
		return false
	}
	was := recaller.Generation(e.half(side).Cursor)
	return was != "" && generation != "" && was != generation
}

func (e *examination) half(side Side) mailbox.Half {
	if side == Far {
		return e.twin.Far
	}
	return e.twin.Near
}

// explained notes which differences the next run is about to settle. What cannot be read need not be told twice.
func (e *examination) explained(found []Difference) []Difference {
	recaller, recalls := e.side[Far].(Recaller)
	bad := map[mailbox.ID]bool{}
	for _, d := range e.differs {
		bad[d.ID()] = d.Kind == Unreadable
	}
	kept := found[:0]
	for _, d := range found {
		if d.Kind == Absent && bad[d.ID()] {
			continue
		}
		if d.Kind == Unknown && d.Side == Far {
			d.Waits = recalls && recaller.After(e.twin.Far.Cursor, d.Pair.Far)
		}
		if trouble, ok := e.troubles[mailbox.Place{Mailbox: e.name, ID: d.ID()}]; ok && d.Kind == Unknown {
			d.Waits, d.Err = true, errors.New(trouble.Reason)
		}
		kept = append(kept, d)
	}
	return kept
}

// rewritten takes out the far messages that have another size because the far side stored what was uploaded in a form of
// its own: they bear the Message-ID that they should, and their bytes were never read.
func (e *examination) rewritten(ctx context.Context, found *Verified) (map[mailbox.ID]bool, error) {
	suspects := map[mailbox.ID]mailbox.Pair{}
	for _, d := range found.Differences {
		if d.Kind == WrongSize && d.Side == Far && d.Pair.FarDigest.IsZero() {
			suspects[d.Pair.Far] = d.Pair
		}
	}
	if len(suspects) == 0 {
		return nil, nil
	}
	are := map[mailbox.ID]bool{}
	err := e.side[Far].Identify(ctx, e.name, slices.Sorted(maps.Keys(suspects)), func(id mailbox.ID, c mailbox.Content) {
		are[id] = c.MessageID != "" && c.Hint() == suspects[id].Hint
	})
	found.Differences = slices.DeleteFunc(found.Differences, func(d Difference) bool {
		return d.Kind == WrongSize && d.Side == Far && are[d.Pair.Far]
	})
	for _, is := range are {
		if is {
			found.Rewritten++
		}
	}
	return are, err
}

// confirmed leaves of what is missing only what certainly is: one look, and one listing, may leave out what is there.
func (e *examination) confirmed(ctx context.Context, found []Difference) ([]Difference, error) {
	var gone [2]map[mailbox.ID]bool
	for side := range e.side {
		var ids []mailbox.ID
		for _, d := range found {
			if d.Kind == Absent && d.Side == Side(side) {
				ids = append(ids, d.ID())
			}
		}
		if len(ids) == 0 {
			continue
		}
		missing, err := e.side[side].Missing(ctx, e.name, ids)
		if err != nil {
			return nil, err
		}
		gone[side] = set(missing)
		if doubt := len(ids) - len(missing); doubt > 0 {
			e.problem(unseen(e.name, doubt))
		}
	}
	return slices.DeleteFunc(found, func(d Difference) bool { return d.Kind == Absent && !gone[d.Side][d.ID()] }), nil
}

// unseen is the problem with messages that were there and not there.
func unseen(name mailbox.Name, messages int) error {
	return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("%d messages were moved or renamed meanwhile, and could not be looked at: %w", messages, mailbox.ErrTemporary)}
}
