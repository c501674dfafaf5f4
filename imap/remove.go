package imap

import (
	"context"

	goimap "github.com/emersion/go-imap/v2"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// verify finds out which of the messages are still there, and are still those that are meant: some servers give a UID
// to another message. What is there under another identity is in neither result.
func (s *session) verify(ctx context.Context, messages []mailbox.Doomed) (same, gone []mailbox.ID, err error) {
	ids := make([]mailbox.ID, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	var met sightings
	for _, set := range uidSet(ids).Split(maxSet) {
		status, err := s.conn.Exec(ctx, met.take,
			wire.Cmd("UID FETCH").Set(set).Raw("(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"))
		if err != nil {
			return nil, nil, err
		}
		if err := status[0].Err(); err != nil {
			return nil, nil, err
		}
	}
	var absent []mailbox.ID
	for _, m := range messages {
		switch e := met.of(uidOf(m.ID)); {
		case e == nil:
			absent = append(absent, m.ID)
		case e.is(m):
			same = append(same, m.ID)
		}
	}
	if len(absent) > 0 && !s.narrowed() { // asked a second time, in another way: an answer may leave out what is there
		gone, err = s.certainlyGone(ctx, absent)
	}
	return same, gone, err
}

// is tells whether what the server has is the message that is meant: by Message-ID if it has one, else by date. Of a
// message that only sent its flags nothing is known; it is left alone. One of which we know nothing is taken for itself.
func (e *sighting) is(m mailbox.Doomed) bool {
	switch {
	case e.messageID != "" && m.MessageID != "":
		return e.messageID == m.MessageID
	case e.messageID != "" && m.Pair.Hint != 0:
		return mailbox.MakeHint(e.messageID, 0) == m.Pair.Hint
	case m.Pair.InternalDate.IsZero():
		return true
	}
	return e.hasDate && e.date == m.Pair.InternalDate.Unix()
}

// Remove takes messages away for good, and only these: \Deleted, then UID EXPUNGE. A server without UIDPLUS can only
// expunge everything that is marked, by whomever; there the messages are marked, and kept.
//
// Source: RFC 4315, section 2.1.
func (a *Account) Remove(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed) (gone, kept []mailbox.ID, err error) {
	if err := a.mayChange(name, "remove messages"); err != nil {
		return nil, nil, err
	}
	err = a.resume(ctx, name, func(s *session) error {
		if err := s.use(ctx, name); err != nil {
			return err
		}
		same, absent, err := s.verify(ctx, messages)
		if err != nil {
			return err
		}
		gone = absent
		if len(same) == 0 {
			return nil
		}
		if err := s.expunge(ctx, same); err != nil {
			return err
		}
		if s.caps["UIDPLUS"] {
			gone = append(gone, same...)
		} else {
			kept = same
		}
		return nil
	})
	return gone, kept, named(name, "remove messages", err)
}

// expunge marks messages as deleted and takes exactly these away, if the server can do that.
func (s *session) expunge(ctx context.Context, ids []mailbox.ID) error {
	for _, set := range uidSet(ids).Split(maxSet) {
		mark := &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Silent: true, Flags: []goimap.Flag{goimap.FlagDeleted}}
		err := s.do(ctx, func() error { return s.client.Store(numSet(set), mark, nil).Close() })
		if err == nil && s.caps["UIDPLUS"] {
			err = s.do(ctx, func() error { return s.client.UIDExpunge(numSet(set)).Close() })
		}
		if err != nil {
			return err
		}
	}
	return nil
}
