package gimap

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"
)

// A store is an account. Whoever uses it holds the server's lock.
type store struct {
	o        *Options
	mod      uint64
	nextID   uint64
	nextBox  uint32
	messages map[uint64]*message
	folders  []*folder
	old      map[string]uint32 // the UIDVALIDITY of labels that are no more
	byKey    map[string]uint64 // messages by their keys
	changed  chan struct{}     // closed at the next change
}

func newStore(o *Options) *store {
	s := &store{
		o: o, mod: 29233, nextID: 1592225494819146101, nextBox: 23, messages: map[uint64]*message{},
		old: map[string]uint32{}, byKey: map[string]uint64{}, changed: make(chan struct{}),
	}
	for _, f := range systemFolders(o) {
		s.folders = append(s.folders, newFolder(f.name, f.use, f.validity))
	}
	return s
}

// folder finds a mailbox by its name; only INBOX may be written in any case.
func (s *store) folder(name string) *folder {
	for _, f := range s.folders {
		if f.name == name || f.use == `\Inbox` && strings.EqualFold(name, f.name) {
			return f
		}
	}
	return nil
}

// shown is folder, for what IMAP shows.
func (s *store) shown(name string) *folder {
	if f := s.folder(name); f != nil && !f.hidden {
		return f
	}
	return nil
}

func (s *store) use(use string) *folder {
	for _, f := range s.folders {
		if f.use == use {
			return f
		}
	}
	return nil
}

// makeLabel makes the mailbox of a label, if there is none.
func (s *store) makeLabel(name string) {
	if s.folder(name) != nil {
		return
	}
	validity := s.nextBox
	s.nextBox++
	if s.o.SameValidity && s.old[name] != 0 {
		validity = s.old[name]
	}
	s.folders = append(s.folders, newFolder(name, "", validity))
	s.wake()
}

// full tells whether there are as many labels as there may be.
func (s *store) full() bool {
	labels := 0
	for _, f := range s.folders {
		if f.use == "" {
			labels++
		}
	}
	return labels >= s.o.Labels
}

func (s *store) dropLabel(f *folder) {
	for _, e := range slices.Clone(f.members) {
		delete(e.m.labels, f.name)
		s.settle(e.m)
	}
	s.old[f.name] = f.validity
	s.folders = slices.DeleteFunc(s.folders, func(other *folder) bool { return other == f })
	s.wake()
}

func (s *store) rename(f *folder, to string) {
	for _, e := range f.members {
		delete(e.m.labels, f.name)
		e.m.labels[to] = true
	}
	f.name = to // no MODSEQ moves, which is how it is
	s.wake()
}

// deliver stores a message.
func (s *store) deliver(raw []byte, at place, labels, flags []string, date time.Time) *message {
	s.nextID += 7
	m := &message{
		id: s.nextID, raw: bytes.Clone(raw), date: date.UTC().Truncate(time.Second), place: at,
		flags: map[string]bool{}, labels: map[string]bool{},
	}
	for _, l := range labels {
		s.label(m, l)
	}
	for _, f := range flags {
		m.flags[f] = true
	}
	m.thread = s.threadOf(m)
	s.messages[m.id] = m
	for _, key := range m.keys() {
		s.byKey[key] = m.id
	}
	s.settle(m)
	return m
}

func exactKey(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "exact " + string(sum[:])
}

// keys are what the message is found by: what an upload may be merged with it for, and its Message-ID.
func (m *message) keys() []string {
	keys := []string{exactKey(m.raw)}
	if key := headerKey(m); key != "" {
		keys = append(keys, key, nameKey(m.header("Message-ID")))
	}
	return keys
}

func nameKey(messageID string) string { return "name " + messageID }

// threadOf is the X-GM-THRID of a message: that of one that it answers, or its own name.
func (s *store) threadOf(m *message) uint64 {
	for name := range strings.FieldsSeq(m.header("References") + " " + m.header("In-Reply-To")) {
		if first := s.messages[s.byKey[nameKey(name)]]; first != nil {
			return first.thread
		}
	}
	return m.id
}

// headerKey is what may make an upload the same as a message; without a Message-ID nothing does.
func headerKey(m *message) string {
	id := m.header("Message-ID")
	if id == "" {
		return ""
	}
	return "header " + id + "\n" + m.header("Date")
}

// label gives a label to a message, and a mailbox to the label.
func (s *store) label(m *message, name string) {
	if !strings.HasPrefix(name, `\`) {
		s.makeLabel(name)
	}
	m.labels[name] = true
}

// settle gives a changed message its new MODSEQ, and its place in every mailbox.
func (s *store) settle(m *message) { s.settleAs(m, true) }

func (s *store) settleAs(m *message, counts bool) {
	if counts {
		s.mod += s.o.Step
		m.mod = s.mod
	}
	for _, f := range s.folders {
		_, had := f.uids[m.id]
		shows := f.shows(m)
		switch {
		case shows && !had:
			f.add(m)
		case !shows && had:
			f.drop(m)
		}
		if shows || had {
			f.ever = max(f.ever, m.mod)
		}
	}
	s.wake()
}

// change changes a message.
func (s *store) change(m *message, do func()) { s.changeAs(m, false, do) }

// changeAs is change; inBox tells that what changes are flags, though it may be those that the message has in one mailbox
// only. What the message was stays known for sessions that lag behind.
func (s *store) changeAs(m *message, inBox bool, do func()) {
	if s.o.Lag > 0 {
		m.was = &version{changed: s.o.Now(), mod: m.mod, flagMod: m.flagMod, flags: maps.Clone(m.flags), labels: maps.Clone(m.labels)}
	}
	before := maps.Clone(m.flags)
	do()
	flagged := inBox || !maps.Equal(before, m.flags)
	s.settleAs(m, !s.o.SilentLabels || flagged)
	if flagged {
		m.flagMod = m.mod
	}
}

// put moves a message to the Trash or to Spam, which takes all labels, or back.
func (s *store) put(m *message, at place) {
	s.change(m, func() {
		if at != inMail && m.place != at {
			m.labels = map[string]bool{}
		}
		m.place = at
	})
}

// destroy removes a message for good.
func (s *store) destroy(m *message) {
	for _, f := range s.folders {
		if _, in := f.uids[m.id]; in {
			f.drop(m)
		}
	}
	delete(s.messages, m.id)
	for _, key := range m.keys() {
		if s.byKey[key] == m.id {
			delete(s.byKey, key)
		}
	}
	s.mod += s.o.Step
	s.wake()
}

// expunge is what \Deleted and EXPUNGE do to a message of a mailbox.
func (s *store) expunge(f *folder, m *message) {
	delete(f.deleted, m.id)
	switch f.use {
	case `\Trash`, `\Junk`:
		s.destroy(m)
		return
	case `\All`:
		if s.o.AllMailTrash {
			s.put(m, inTrash)
		}
		return
	case `\Flagged`:
		s.change(m, func() { delete(m.flags, `\Flagged`) })
	default:
		s.change(m, func() { delete(m.labels, f.label()) })
	}
	if s.isShown(m) {
		return
	}
	switch s.o.Behaviour {
	case ToTrash:
		s.put(m, inTrash)
	case DeleteForever:
		s.destroy(m)
	case Archive:
	}
}

func (s *store) isShown(m *message) bool {
	return slices.ContainsFunc(s.folders, func(f *folder) bool { return !f.hidden && f.shows(m) })
}

// highest is the HIGHESTMODSEQ of a mailbox.
func (s *store) highest(f *folder) uint64 {
	highest := s.mod
	if s.o.FolderModSeq {
		highest = max(f.ever, 1)
	}
	return highest + s.o.ModSeqAhead - min(highest-1, s.o.ModSeqBehind)
}

// renumber gives a mailbox a new UIDVALIDITY and its messages new UIDs.
func (s *store) renumber(f *folder) {
	f.validity = s.nextBox + 1000
	s.nextBox += 1001
	f.next = 1
	members := f.members
	f.members = nil
	for _, e := range members {
		f.add(e.m)
	}
	s.wake()
}

func (s *store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
