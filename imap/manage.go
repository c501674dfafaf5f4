package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	goimap "github.com/emersion/go-imap/v2"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// Create makes a mailbox and subscribes to it. Most servers make those above it by themselves; for others they are made
// one by one.
//
// Source: RFC 9051, section 6.3.4.
func (a *Account) Create(ctx context.Context, name mailbox.Name) error {
	if err := a.mayChange(name, "create"); err != nil {
		return err
	}
	err := a.repeat(ctx, "", func(s *session) error { return s.create(ctx, name) })
	return named(name, "create", err)
}

func (s *session) create(ctx context.Context, name mailbox.Name) error {
	target, err := s.account.utf8Name(name)
	if err != nil {
		return err
	}
	create := func() error { return s.client.Create(target, nil).Wait() }
	err = s.do(ctx, create)
	var refused *goimap.Error
	if errors.As(err, &refused) {
		switch parent := name.Parent(); {
		case s.exists(ctx, name, refused):
			err = nil
		case parent != "":
			if err := s.create(ctx, parent); err != nil {
				return err
			}
			err = s.do(ctx, create)
		}
	}
	if err != nil {
		return err
	}
	s.subscribe(ctx, target, true)
	return nil
}

// exists tells whether a CREATE was refused because the mailbox is there.
func (s *session) exists(ctx context.Context, name mailbox.Name, refused *goimap.Error) bool {
	if refused.Code == goimap.ResponseCodeAlreadyExists {
		return true
	}
	_, err := s.open(ctx, name, true)
	return err == nil
}

// subscribe makes mail programs show a mailbox, or stop showing it. A server that does not want that is no reason to
// stop.
func (s *session) subscribe(ctx context.Context, target string, on bool) {
	err := s.do(ctx, func() error {
		if on {
			return s.client.Subscribe(target).Wait()
		}
		return s.client.Unsubscribe(target).Wait()
	})
	if err != nil {
		s.account.options.Report(fmt.Sprintf("mailbox %q: subscribe: %v", target, err))
	}
}

// Rename gives a mailbox another name, and with it those below it.
//
// Source: RFC 9051, section 6.3.6.
func (a *Account) Rename(ctx context.Context, from, to mailbox.Name) error {
	if err := a.mayChange(from, "rename"); err != nil {
		return err
	}
	source, err := a.utf8Name(from)
	if err != nil {
		return err
	}
	target, err := a.utf8Name(to)
	if err != nil {
		return err
	}
	err = a.once(ctx, "", func(s *session) error {
		if err := s.unselect(ctx); err != nil {
			return err
		}
		if err := s.do(ctx, func() error { return s.client.Rename(source, target, nil).Wait() }); err != nil {
			return err
		}
		a.forget(from)
		s.subscribe(ctx, source, false)
		s.subscribe(ctx, target, true)
		return nil
	})
	return named(from, fmt.Sprintf("rename to %q", string(to)), err)
}

// Delete removes a mailbox that holds no messages but those of kept, which Remove or Move had to leave there, marked.
// Mailboxes below it stay.
//
// Source: RFC 9051, section 6.3.5.
func (a *Account) Delete(ctx context.Context, name mailbox.Name, kept []mailbox.ID) error {
	if err := a.mayChange(name, "delete"); err != nil {
		return err
	}
	target, err := a.utf8Name(name)
	if err != nil {
		return err
	}
	err = a.once(ctx, "", func(s *session) error {
		data, err := s.open(ctx, name, true)
		if errors.Is(err, mailbox.ErrNoMailbox) {
			return nil
		}
		if err != nil {
			return err
		}
		empty, err := s.holdsOnly(ctx, kept, data.NumMessages)
		if err != nil {
			return err
		}
		if err := s.unselect(ctx); err != nil {
			return err
		}
		if !empty {
			return mailbox.ErrNotEmpty
		}
		if err := s.do(ctx, func() error { return s.client.Delete(target).Wait() }); err != nil {
			return err
		}
		a.forget(name)
		s.subscribe(ctx, target, false)
		return nil
	})
	return named(name, "delete", err)
}

// holdsOnly tells whether the selected mailbox, of so many messages, holds nothing but these messages, all of them
// marked \Deleted.
func (s *session) holdsOnly(ctx context.Context, kept []mailbox.ID, messages uint32) (bool, error) {
	if messages == 0 || int(messages) > len(kept) {
		return messages == 0, nil
	}
	var met sightings
	status, err := s.conn.Exec(ctx, met.take, wire.Cmd("UID FETCH").Raw("1:* (UID FLAGS)"))
	if err != nil || status[0].Kind != "OK" {
		return false, err
	}
	known := uidSet(kept)
	for _, e := range met.list {
		if !known.Contains(e.uid) || !e.flags.Has(mailbox.Deleted) {
			return false, nil
		}
	}
	return len(met.list) == int(messages), nil
}

// forget drops what is known of a mailbox and those below it, whose names and UIDs may soon mean something else.
// Sessions that have one of them selected are closed.
func (a *Account) forget(name mailbox.Name) {
	a.mu.Lock()
	defer a.mu.Unlock()
	hit := func(other mailbox.Name) bool { return other == name || other.Under(name) }
	deleteKeys(a.wires, hit)
	deleteKeys(a.validity, hit)
	deleteKeys(a.taken, hit)
	deleteKeys(a.keeps, hit)
	a.idle = slices.DeleteFunc(a.idle, func(s *session) bool {
		if !hit(s.selected) {
			return false
		}
		a.live--
		s.conn.Close() //nolint:errcheck // nobody waits for anything on it
		return true
	})
	a.changed.Broadcast()
}

func deleteKeys[V any](m map[mailbox.Name]V, hit func(mailbox.Name) bool) {
	for name := range m {
		if hit(name) {
			delete(m, name)
		}
	}
}
