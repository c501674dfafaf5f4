package imap

import (
	"context"
	"fmt"
	"maps"
	"slices"

	goimap "github.com/emersion/go-imap/v2"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// Copy copies messages to another mailbox of the account, as far as they are there and are those that are meant. Where a
// message can be in a mailbox only once, as on Gmail, a session that ends in the middle of it is no harm.
//
// Source: RFC 9051, section 6.4.7; RFC 4315, section 3.
func (a *Account) Copy(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (map[mailbox.ID]mailbox.ID, error) {
	if err := a.mayChange(from, "copy messages"); err != nil {
		return nil, err
	}
	arrived := map[mailbox.ID]mailbox.ID{}
	try := a.once
	if a.Has(gmail) {
		try = a.resume
	}
	err := try(ctx, from, func(s *session) error {
		if err := s.use(ctx, from); err != nil {
			return err
		}
		same, _, err := s.verify(ctx, messages)
		if err != nil || len(same) == 0 {
			return err
		}
		return s.transplant(ctx, s.copy, same, to, arrived)
	})
	return arrived, named(from, fmt.Sprintf("copy messages to %q", string(to)), err)
}

// Move moves messages to another mailbox of the account. Without MOVE they are copied and then removed; where that
// cannot be done for just these messages, they are marked and Kept.
//
// Source: RFC 6851.
func (a *Account) Move(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (mailbox.Moved, error) {
	if err := a.mayChange(from, "move messages"); err != nil {
		return mailbox.Moved{}, err
	}
	m := &moving{to: to, sent: map[mailbox.ID]bool{}, moved: mailbox.Moved{To: map[mailbox.ID]mailbox.ID{}}}
	try := a.once
	if a.Has("MOVE") {
		try = a.resume
	}
	err := try(ctx, from, func(s *session) error { return m.from(ctx, s, from, messages) })
	return m.moved, named(from, fmt.Sprintf("move messages to %q", string(to)), err)
}

// A moving is one call of Move, over all its sessions.
type moving struct {
	to    mailbox.Name
	sent  map[mailbox.ID]bool // by MOVE, perhaps on a session that ended before it was answered
	moved mailbox.Moved
}

// from moves messages over one session.
func (m *moving) from(ctx context.Context, s *session, name mailbox.Name, messages []mailbox.Doomed) error {
	if err := s.use(ctx, name); err != nil {
		return err
	}
	same, gone, err := s.verify(ctx, messages)
	m.settle(gone)
	if err != nil || len(same) == 0 {
		return err
	}
	if s.client.Caps().Has(goimap.CapMove) { // else go-imap would go its own way, with a bare EXPUNGE
		for _, id := range same {
			m.sent[id] = true
		}
		return s.transplant(ctx, s.move, same, m.to, m.moved.To)
	}
	if err := s.transplant(ctx, s.copy, same, m.to, m.moved.To); err != nil {
		return err
	}
	copied := slices.Collect(maps.Keys(m.moved.To))
	if !s.caps["UIDPLUS"] {
		m.moved.Kept = copied
	}
	return s.expunge(ctx, copied)
}

// settle sorts what is no longer there into what was moved and what somebody else took away.
func (m *moving) settle(gone []mailbox.ID) {
	m.moved.Gone = nil
	for _, id := range gone {
		_, arrived := m.moved.To[id]
		switch {
		case arrived:
		case m.sent[id]:
			m.moved.To[id] = ""
		default:
			m.moved.Gone = append(m.moved.Gone, id)
		}
	}
}

// copied is what a COPYUID says.
type copied struct {
	validity     uint32
	source, dest goimap.UIDSet
}

func (s *session) copy(set goimap.UIDSet, to string) (c copied, err error) {
	data, err := s.client.Copy(set, to).Wait()
	if err == nil {
		c = copied{data.UIDValidity, data.SourceUIDs, data.DestUIDs}
	}
	return c, err
}

func (s *session) move(set goimap.UIDSet, to string) (c copied, err error) {
	data, err := s.client.Move(set, to).Wait()
	if err == nil {
		c.validity = data.UIDValidity
		c.source, _ = data.SourceUIDs.(goimap.UIDSet)
		c.dest, _ = data.DestUIDs.(goimap.UIDSet)
	}
	return c, err
}

// transplant copies or moves messages, and notes where they arrived.
func (s *session) transplant(ctx context.Context, do func(goimap.UIDSet, string) (copied, error),
	ids []mailbox.ID, to mailbox.Name, arrived map[mailbox.ID]mailbox.ID,
) error {
	target, err := s.account.utf8Name(to)
	if err != nil {
		return err
	}
	for _, set := range uidSet(ids).Split(maxSet) {
		before := s.account.given(to)
		var c copied
		err := s.do(ctx, func() (err error) {
			c, err = do(numSet(set), target)
			return err
		})
		if err != nil {
			return err
		}
		if len(c.dest) > 0 && !s.account.arrivals(to, c, before) {
			c.source, c.dest = nil, nil // UIDs of a mailbox that is not the one we know, or of other messages
		}
		mapCopied(ids, set, c.source, c.dest, arrived)
	}
	return nil
}

// mapCopied reads a COPYUID. Sets are walked in step and never further than what was sent; if they do not fit each
// other, or name what was not sent, nobody knows the new UIDs.
func mapCopied(ids []mailbox.ID, sent wire.UIDSet, source, dest goimap.UIDSet, arrived map[mailbox.ID]mailbox.ID) {
	pairs, ok := inStep(source, dest, len(ids))
	for _, p := range pairs {
		ok = ok && sent.Contains(p[0])
	}
	if ok && len(pairs) > 0 {
		for _, p := range pairs {
			arrived[idOf(p[0])] = idOf(p[1])
		}
		return
	}
	for _, id := range ids {
		if sent.Contains(uidOf(id)) {
			arrived[id] = ""
		}
	}
}

// inStep pairs two sets of the same size, which must be at most limit.
func inStep(a, b goimap.UIDSet, limit int) (pairs [][2]uint32, ok bool) {
	flat := func(set goimap.UIDSet) []uint32 {
		var uids []uint32
		for _, r := range set {
			for uid := uint64(r.Start); uid <= uint64(r.Stop) && len(uids) <= limit; uid++ {
				uids = append(uids, uint32(uid))
			}
		}
		return uids
	}
	x, y := flat(a), flat(b)
	if len(x) != len(y) || len(x) > limit {
		return nil, false
	}
	for i := range x {
		pairs = append(pairs, [2]uint32{x[i], y[i]})
	}
	return pairs, true
}
