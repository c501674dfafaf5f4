package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// A Question is what is asked of the messages of a mailbox.
type Question struct {
	// Fetch holds what follows UID FETCH, one command each.
	Fetch []string
	// Begin is called before the answers come: again if the connection broke and all is asked once more.
	Begin func()
	// Take gets each answer that names its UID. header is what came of a header, if that was asked for.
	Take func(m *wire.Fetch, header []byte)
}

var errNameless = fmt.Errorf("%w: an answer does not say of which message it is", mailbox.ErrTemporary)

// Selected is what a SELECT said of a mailbox.
type Selected struct {
	Validity, Next, Count uint32
	Highest               uint64
}

// Ask selects a mailbox and asks about its messages, all in one flight. The answers hold only if the validity is the
// expected one.
func (a *Account) Ask(ctx context.Context, name mailbox.Name, q Question) (Selected, error) {
	var data Selected
	err := a.repeat(ctx, name, func(s *session) error {
		q.Begin()
		nameless := false
		wait, err := s.beginOpen(ctx, name, false)
		if err != nil {
			return err
		}
		cmds := make([]*wire.Command, len(q.Fetch))
		for i, text := range q.Fetch {
			cmds[i] = wire.Cmd("UID FETCH").Raw(text)
		}
		status, execErr := s.conn.Exec(ctx, func(r *wire.Response) error { return q.take(r, &nameless) }, cmds...)
		opened, err := wait(ctx)
		if err != nil || execErr != nil {
			return errors.Join(err, execErr)
		}
		data = Selected{opened.UIDValidity, uint32(opened.UIDNext), opened.NumMessages, opened.HighestModSeq}
		a.mu.Lock()
		a.learn(name, data.Validity, data.Next)
		a.keeps[name] = s.holds(opened)
		a.mu.Unlock()
		for _, answer := range status {
			if err := answer.Err(); err != nil {
				return err
			}
		}
		if nameless {
			return errNameless
		}
		return nil
	})
	return data, named(name, "list the messages", err)
}

func (q Question) take(r *wire.Response, nameless *bool) error {
	if r.Kind != "FETCH" {
		return nil
	}
	var header []byte
	m, err := r.Fetch(func(_ *wire.Fetch, _ string, size int64, body io.Reader) (err error) {
		header, err = io.ReadAll(io.LimitReader(body, min(size, maxHeader)))
		return err
	})
	switch {
	case err != nil:
	case m.UID != 0:
		q.Take(m, header)
	case answers(m):
		*nameless = true
	}
	return err
}

// CursorAt is the cursor of a mailbox of which everything is known up to these numbers.
func CursorAt(mark string, validity, next uint32) mailbox.Cursor {
	c := memo{Validity: validity, Next: next, Full: time.Now().Unix()}.cursor()
	c.Mark = mark
	return c
}

// ValidityOf is the UIDVALIDITY under which a cursor was made; 0 if it does not say.
func ValidityOf(c mailbox.Cursor) uint32 { return readMemo(c).Validity }

// Has tells whether the server announced a capability after the last login.
func (a *Account) Has(capability string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.offers[capability]
}

// StoreLabels adds or takes labels of messages, in modified UTF-7 as they go over the wire. add is "+" or "-".
//
// Source: Gmail's X-GM-EXT-1.
func (a *Account) StoreLabels(ctx context.Context, name mailbox.Name, ids []mailbox.ID, add string, labels ...string) error {
	if err := a.mayChange(name, "change labels"); err != nil {
		return err
	}
	err := a.repeat(ctx, name, func(s *session) error {
		if err := s.use(ctx, name); err != nil {
			return err
		}
		var cmds []*wire.Command
		for _, set := range uidSet(ids).Split(maxSet) {
			cmds = append(cmds, wire.Cmd("UID STORE").Set(set).Raw(add+"X-GM-LABELS.SILENT").Labels(labels...))
		}
		status, err := s.exec(ctx, nil, cmds)
		if err != nil {
			return err
		}
		for _, answer := range status {
			if err := answer.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	return named(name, "change labels", err)
}

// Sets are the UIDs of messages as they go over the wire, in parts that are short enough for one command each.
func Sets(ids []mailbox.ID) []string {
	var parts []string
	for _, set := range uidSet(ids).Split(maxSet) {
		parts = append(parts, set.String())
	}
	return parts
}

// IDOf is the ID of the message with a UID.
func IDOf(uid uint32) mailbox.ID { return idOf(uid) }

// WireName is how the name of a mailbox goes over the wire, in modified UTF-7.
func (a *Account) WireName(name mailbox.Name) (string, error) { return a.wireName(name) }

var errTooMany = errors.New("a search for one message finds too many")

// Find returns the messages of a mailbox that a SEARCH with one key finds, for one value or another: as many searches, all in
// one flight. Which of them found which message, the answers do not say.
func (a *Account) Find(ctx context.Context, name mailbox.Name, key string, values ...string) ([]mailbox.ID, error) {
	var ids []mailbox.ID
	err := a.repeat(ctx, name, func(s *session) error {
		ids = nil
		if _, err := s.open(ctx, name, false); err != nil { // anew, for what just came
			return err
		}
		cmds := make([]*wire.Command, len(values))
		for i, value := range values {
			cmds[i] = wire.Cmd("UID SEARCH").Raw(key).String(value)
		}
		status, err := s.exec(ctx, func(r *wire.Response) error {
			if r.Kind != "SEARCH" {
				return nil
			}
			answer, err := r.Search()
			if answer.All.Count() > maxAsked {
				return errTooMany
			}
			each(answer.All, func(uid uint32) { ids = append(ids, idOf(uid)) })
			return err
		}, cmds)
		if err != nil {
			return err
		}
		for _, answer := range status {
			if err := answer.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, named(name, "search", err)
}
