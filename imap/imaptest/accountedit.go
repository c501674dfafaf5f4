package imaptest

import (
	"errors"
	"fmt"

	goimap "github.com/emersion/go-imap/v2"
)

// Append stores a message and returns its UID, or 0 if the server did not tell.
func (a *Account) Append(mailbox string, m Message) (uint32, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	cmd := a.client.Append(a.wire(mailbox), int64(len(m.Body)), m.options())
	_, writeErr := cmd.Write(m.Body)
	closeErr := cmd.Close()
	data, err := cmd.Wait()
	if err := errors.Join(err, writeErr, closeErr); err != nil {
		return 0, fmt.Errorf("append to %q: %w", mailbox, err)
	}
	return uint32(data.UID), nil
}

// Flag adds and takes flags.
func (a *Account) Flag(mailbox string, uids []uint32, add, take []string) error {
	return a.in(mailbox, uids, func(set goimap.UIDSet) error {
		for op, flags := range map[goimap.StoreFlagsOp][]string{goimap.StoreFlagsAdd: add, goimap.StoreFlagsDel: take} {
			if len(flags) == 0 {
				continue
			}
			store := &goimap.StoreFlags{Op: op, Silent: true, Flags: imapFlags(flags)}
			if err := a.client.Store(set, store, nil).Close(); err != nil {
				return fmt.Errorf("store flags in %q: %w", mailbox, err)
			}
		}
		return nil
	})
}

// Expunge removes messages for good.
func (a *Account) Expunge(mailbox string, uids ...uint32) error {
	if err := a.Flag(mailbox, uids, []string{`\Deleted`}, nil); err != nil {
		return err
	}
	return a.in(mailbox, uids, func(set goimap.UIDSet) error {
		if err := a.client.UIDExpunge(set).Close(); err != nil {
			return fmt.Errorf("expunge from %q: %w", mailbox, err)
		}
		return nil
	})
}

// Copy copies messages into another mailbox.
func (a *Account) Copy(from, to string, uids ...uint32) error {
	return a.in(from, uids, func(set goimap.UIDSet) error {
		if _, err := a.client.Copy(set, a.wire(to)).Wait(); err != nil {
			return fmt.Errorf("copy from %q to %q: %w", from, to, err)
		}
		return nil
	})
}

// Move moves messages into another mailbox.
func (a *Account) Move(from, to string, uids ...uint32) error {
	return a.in(from, uids, func(set goimap.UIDSet) error {
		if _, err := a.client.Move(set, a.wire(to)).Wait(); err != nil {
			return fmt.Errorf("move from %q to %q: %w", from, to, err)
		}
		return nil
	})
}

// in does something with messages of a selected mailbox; with none it does nothing.
func (a *Account) in(mailbox string, uids []uint32, do func(goimap.UIDSet) error) error {
	if len(uids) == 0 {
		return nil
	}
	var set goimap.UIDSet
	for _, uid := range uids {
		set.AddNum(goimap.UID(uid))
	}
	return a.inside(mailbox, false, func(uint32) error { return do(set) })
}

// Create makes a mailbox.
func (a *Account) Create(mailbox string) error {
	return a.outside("create "+mailbox, func() error { return a.client.Create(a.wire(mailbox), nil).Wait() })
}

// Rename gives a mailbox another name.
func (a *Account) Rename(from, to string) error {
	return a.outside("rename "+from+" to "+to, func() error { return a.client.Rename(a.wire(from), a.wire(to), nil).Wait() })
}

// IsTaken tells whether the server refused because there is a mailbox of that name, RFC 5530 section 3.
func IsTaken(err error) bool {
	var no *goimap.Error
	return errors.As(err, &no) && no.Code == goimap.ResponseCodeAlreadyExists
}

// Delete removes a mailbox with all its messages.
func (a *Account) Delete(mailbox string) error {
	return a.outside("delete "+mailbox, func() error { return a.client.Delete(a.wire(mailbox)).Wait() })
}

// outside does something for which no mailbox is selected.
func (a *Account) outside(what string, do func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
