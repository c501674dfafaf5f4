package gimap

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Web is a hand that changes the account from outside, as somebody in a browser does. It may be used at any moment.
type Web struct{ s *Server }

// Web returns the hand.
func (s *Server) Web() *Web { return &Web{s} }

// A Mail is what the web hand delivers.
type Mail struct {
	Raw    []byte   // with CRLF
	Labels []string // `\Inbox`, `\Sent`, `\Important`, `\Draft`, and the user's in UTF-8
	Flags  []string // `\Seen` and so on
	Date   time.Time
	Spam   bool
	Trash  bool
}

// Deliver stores a message and returns its X-GM-MSGID.
func (w *Web) Deliver(m Mail) uint64 {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	at := inMail
	if m.Spam {
		at = inSpam
	}
	if m.Trash {
		at = inTrash
	}
	if m.Date.IsZero() {
		m.Date = w.s.o.Now()
	}
	return w.s.store.deliver(m.Raw, at, m.Labels, m.Flags, m.Date).id
}

// change does something to a message; if it is gone, nothing.
func (w *Web) change(id uint64, do func(s *store, m *message)) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if m := w.s.store.messages[id]; m != nil {
		do(w.s.store, m)
	}
}

// Label gives and takes labels.
func (w *Web) Label(id uint64, give, take []string) {
	w.change(id, func(s *store, m *message) {
		s.change(m, func() {
			for _, l := range take {
				delete(m.labels, l)
			}
			for _, l := range give {
				s.label(m, l)
			}
		})
	})
}

// Flag sets and clears flags; `\Flagged` is the star.
func (w *Web) Flag(id uint64, set, unset []string) {
	w.change(id, func(s *store, m *message) {
		s.change(m, func() {
			for _, f := range unset {
				delete(m.flags, f)
			}
			for _, f := range set {
				m.flags[f] = true
			}
		})
	})
}

// Trash moves a message to the Trash.
func (w *Web) Trash(id uint64) { w.change(id, func(s *store, m *message) { s.put(m, inTrash) }) }

// Spam reports a message as spam.
func (w *Web) Spam(id uint64) { w.change(id, func(s *store, m *message) { s.put(m, inSpam) }) }

// Restore brings a message back from Trash or Spam.
func (w *Web) Restore(id uint64) { w.change(id, func(s *store, m *message) { s.put(m, inMail) }) }

// Destroy removes a message for good.
func (w *Web) Destroy(id uint64) { w.change(id, func(s *store, m *message) { s.destroy(m) }) }

// WrongSize makes RFC822.SIZE of a message wrong.
func (w *Web) WrongSize(id uint64, by int64) {
	w.change(id, func(_ *store, m *message) { m.sizeOff = by })
}

// EmptyTrash removes all that lies in the Trash.
func (w *Web) EmptyTrash() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for _, e := range slices.Clone(w.s.store.use(`\Trash`).members) {
		w.s.store.destroy(e.m)
	}
}

// MakeLabel makes a label that no message has.
func (w *Web) MakeLabel(name string) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.store.makeLabel(name)
}

// on does something to a mailbox; one that is not there is an error of the test.
func (w *Web) on(name string, do func(s *store, f *folder)) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	f := w.s.store.folder(name)
	if f == nil {
		panic(fmt.Sprintf("there is no mailbox %q", name))
	}
	do(w.s.store, f)
}

// RenameLabel renames a label.
func (w *Web) RenameLabel(from, to string) {
	w.on(from, func(s *store, f *folder) { s.rename(f, to) })
}

// DropLabel takes a label away from all mail.
func (w *Web) DropLabel(name string) { w.on(name, func(s *store, f *folder) { s.dropLabel(f) }) }

// Hide unticks "Show in IMAP" for a mailbox, and Show ticks it.
func (w *Web) Hide(name string) { w.on(name, func(_ *store, f *folder) { f.hidden = true }) }

// Show shows a hidden mailbox.
func (w *Web) Show(name string) { w.on(name, func(_ *store, f *folder) { f.hidden = false }) }

// Renumber gives a mailbox another UIDVALIDITY and its messages new UIDs.
func (w *Web) Renumber(name string) { w.on(name, func(s *store, f *folder) { s.renumber(f) }) }

// A Message is what the account holds, for whoever judges a sync.
type Message struct {
	ID      uint64
	Raw     []byte
	Date    time.Time
	Flags   []string // keywords that belong to a mailbox are those of All Mail, Trash or Spam
	Labels  []string
	Trash   bool
	Spam    bool
	Folders map[string]uint32 // the UID in each mailbox that shows it, hidden ones too
}

// Messages returns all messages, by X-GM-MSGID.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, id := range slices.Sorted(maps.Keys(s.store.messages)) {
		m := s.store.messages[id]
		one := Message{
			ID: id, Raw: m.raw, Date: m.date, Flags: slices.Sorted(maps.Keys(m.flags)), Labels: slices.Sorted(maps.Keys(m.labels)),
			Trash: m.place == inTrash, Spam: m.place == inSpam, Folders: map[string]uint32{},
		}
		for _, f := range s.store.folders {
			if uid, in := f.uids[id]; in {
				one.Folders[f.name] = uid
			}
			if f.use == `\All` || f.use == `\Trash` || f.use == `\Junk` {
				one.Flags = append(one.Flags, slices.Sorted(maps.Keys(f.keywords[id]))...)
			}
		}
		all = append(all, one)
	}
	return all
}

// Message returns one message; ok is false if there is none.
func (s *Server) Message(id uint64) (m Message, ok bool) {
	all := s.Messages()
	i, found := slices.BinarySearchFunc(all, id, func(m Message, id uint64) int {
		if m.ID < id {
			return -1
		}
		if m.ID > id {
			return 1
		}
		return 0
	})
	if !found {
		return m, false
	}
	return all[i], true
}

// A Folder is a mailbox.
type Folder struct {
	Name     string // in UTF-8
	Use      string // its special use; `\Inbox`, `\Chats` and the like for what is Gmail's and has none; empty for a label
	Validity uint32
	Next     uint32
	Hidden   bool
}

// Folders returns all mailboxes, hidden ones too.
func (s *Server) Folders() []Folder {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Folder
	for _, f := range s.store.folders {
		all = append(all, Folder{f.name, f.use, f.validity, f.next, f.hidden})
	}
	return all
}

// Role returns the name of the mailbox with a special use.
func (s *Server) Role(use string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.store.use(use); f != nil {
		return f.name
	}
	return ""
}
