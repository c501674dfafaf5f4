package imap

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// An inspection is what one look at all messages of a mailbox brings. There may be a million of them, so no more is asked
// for, and kept, than is told.
type inspection struct {
	seen []inspected
	scan *mailbox.Scan
	all  bool // as many as the mailbox has, and of each all was said
}

type inspected struct {
	uid      uint32
	hasFlags bool
	size     int64
	flags    mailbox.Flags
}

// Inspect lists a mailbox as Scan does without a cursor, and tells of each message its flags and its size. The mailbox is
// examined in the same flight, so that it costs one round trip. What the numbers do not add up of is scanned.
//
// Source: RFC 9051, sections 6.3.3 and 6.4.5.
func (a *Account) Inspect(ctx context.Context, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error) {
	var in inspection
	err := a.repeat(ctx, name, func(s *session) error {
		in = inspection{}
		if err := s.squeeze(ctx, int64(a.given(name))*metaOctets); err != nil {
			return err
		}
		return in.look(ctx, s, name)
	})
	if err != nil {
		return nil, named(name, "list the messages", err)
	}
	if !in.all {
		return a.scanned(ctx, name, found)
	}
	for _, m := range in.seen {
		found(mailbox.Message{ID: idOf(m.uid), Flags: m.flags, Size: m.size, Generation: in.scan.Generation})
	}
	return in.scan, nil
}

// scanned hands over what a scan finds.
func (a *Account) scanned(ctx context.Context, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error) {
	scan, err := a.Scan(ctx, mailbox.ScanRequest{Name: name, Known: mailbox.Nothing{}})
	if err != nil {
		return nil, err
	}
	for _, m := range scan.Present {
		found(m)
	}
	scan.Present = nil
	return scan, nil
}

func (in *inspection) look(ctx context.Context, s *session, name mailbox.Name) error {
	wait, err := s.beginOpen(ctx, name, true)
	if err != nil {
		return err
	}
	status, execErr := s.conn.Exec(ctx, in.take, wire.Cmd("UID FETCH").Raw("1:* (UID FLAGS RFC822.SIZE)"))
	data, err := wait(ctx)
	if err != nil || execErr != nil {
		return errors.Join(err, execErr)
	}
	if err := status[0].Err(); err != nil && data.NumMessages > 0 { // some servers find * wrong in an empty mailbox
		return err
	}
	a := s.account
	a.mu.Lock()
	a.learn(name, data.UIDValidity, uint32(data.UIDNext))
	a.mu.Unlock()
	in.scan = &mailbox.Scan{
		Full: true, Settled: true, Window: a.narrows(data.NumMessages), Holds: s.holds(data), Generation: strconv.FormatUint(uint64(data.UIDValidity), 10),
	}
	in.unite()
	in.all = len(in.seen) == int(data.NumMessages) &&
		!slices.ContainsFunc(in.seen, func(m inspected) bool { return !m.hasFlags || m.size < 0 })
	return nil
}

func (in *inspection) take(r *wire.Response) error {
	if r.Kind != "FETCH" {
		return nil
	}
	m, err := r.Fetch(nil)
	if err != nil || m.UID == 0 {
		return err
	}
	one := inspected{uid: m.UID, size: m.Size, hasFlags: m.HasFlags}
	if m.HasFlags {
		one.flags = flagsOf(m.Flags)
	}
	in.seen = append(in.seen, one)
	return nil
}

// unite makes one of what was said of a message in several answers; the last flags count.
func (in *inspection) unite() {
	slices.SortStableFunc(in.seen, func(a, b inspected) int { return cmp.Compare(a.uid, b.uid) })
	kept := in.seen[:0]
	for _, m := range in.seen {
		if n := len(kept); n == 0 || kept[n-1].uid != m.uid {
			kept = append(kept, m)
			continue
		}
		last := &kept[len(kept)-1]
		if m.hasFlags {
			last.hasFlags, last.flags = true, m.flags
		}
		if m.size >= 0 {
			last.size = m.size
		}
	}
	in.seen = kept
}
