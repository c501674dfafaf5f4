package imaptest

import (
	"errors"
	"maps"
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// A memorySession mends four faults of imapmemserver: a COPY or MOVE from A to B beside one from B to A locks up, a
// mailbox that is selected over another is never let go, RENAME leaves the mailboxes below where they are, and
// PERMANENTFLAGS leaves out what no message has yet.
type memorySession struct {
	*imapmemserver.UserSession
	server   *MemoryServer
	name     string // of the account
	user     *memoryUser
	selected bool
}

var errLogin = errors.New("not logged in")

// Login gives the session an account.
func (s *memorySession) Login(name, password string) error {
	user := s.server.user(name)
	if user == nil {
		return imapserver.ErrAuthFailed
	}
	if err := user.Login(name, password); err != nil {
		return err
	}
	s.name, s.user = name, user
	s.UserSession = imapmemserver.NewUserSession(user.User)
	return nil
}

// Select opens a mailbox.
func (s *memorySession) Select(name string, o *goimap.SelectOptions) (*goimap.SelectData, error) {
	if s.selected {
		if err := s.Unselect(); err != nil {
			return nil, err
		}
	}
	data, err := s.UserSession.Select(name, o)
	if err != nil {
		return nil, err
	}
	s.selected = true
	data.Flags, data.PermanentFlags = withSystem(data.Flags), withSystem(data.PermanentFlags)
	return data, nil
}

// withSystem adds the flags that every mailbox can store.
func withSystem(flags []goimap.Flag) []goimap.Flag {
	for _, f := range []goimap.Flag{goimap.FlagAnswered, goimap.FlagFlagged, goimap.FlagDeleted, goimap.FlagSeen, goimap.FlagDraft} {
		if !slices.ContainsFunc(flags, func(other goimap.Flag) bool { return strings.EqualFold(string(f), string(other)) }) {
			flags = append(flags, f)
		}
	}
	return flags
}

// Unselect leaves the mailbox.
func (s *memorySession) Unselect() error {
	s.selected = false
	return s.UserSession.Unselect()
}

// Copy copies messages, one command at a time in the whole server.
func (s *memorySession) Copy(set goimap.NumSet, to string) (*goimap.CopyData, error) {
	if s.UserSession == nil {
		return nil, errLogin
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return s.UserSession.Copy(set, to)
}

// Move moves messages, one command at a time in the whole server.
func (s *memorySession) Move(w *imapserver.MoveWriter, set goimap.NumSet, to string) error {
	if s.UserSession == nil {
		return errLogin
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return s.UserSession.Move(w, set, to)
}

// Create makes a mailbox.
func (s *memorySession) Create(name string, _ *goimap.CreateOptions) error {
	return s.server.create(s.name, strings.TrimRight(name, "/"))
}

// Delete removes a mailbox. Those below it stay.
func (s *memorySession) Delete(name string) error {
	if err := s.UserSession.Delete(name); err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	delete(s.user.names, name)
	return nil
}

// Rename gives a mailbox, and those below it, another name.
//
// Source: RFC 9051, section 6.3.6.
func (s *memorySession) Rename(from, to string, _ *goimap.RenameOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	renamed := false
	for _, name := range slices.Sorted(maps.Keys(s.user.names)) {
		rest, below := strings.CutPrefix(name, from)
		if !below || rest != "" && !strings.HasPrefix(rest, "/") {
			continue
		}
		if err := s.UserSession.Rename(name, to+rest, nil); err != nil {
			return err
		}
		delete(s.user.names, name)
		s.user.names[to+rest] = true
		renamed = true
	}
	if !renamed {
		return s.UserSession.Rename(from, to, nil) // which says what is wrong
	}
	return nil
}
