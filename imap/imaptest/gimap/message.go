package gimap

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// A place is where a message lies that has left All Mail.
type place int

const (
	inMail place = iota
	inTrash
	inSpam
)

// A message is one thing, however many mailboxes show it.
type message struct {
	id, thread uint64
	raw        []byte
	date       time.Time
	flags      map[string]bool // without \Deleted, which belongs to a mailbox, and \Draft, which is one
	labels     map[string]bool // of the user by their names, and `\Inbox`, `\Sent`, `\Important`, `\Draft`, `\Muted`
	place      place
	mod        uint64
	flagMod    uint64 // of the last change of its flags; 0 if they are those that it came with
	sizeOff    int64  // by which RFC822.SIZE is wrong
	was        *version
}

// A version is what a message looked like before its last change.
type version struct {
	changed time.Time
	mod     uint64
	flagMod uint64
	flags   map[string]bool
	labels  map[string]bool
}

func (m *message) header(name string) string {
	head, _, _ := bytes.Cut(m.raw, []byte("\r\n\r\n"))
	text := strings.ReplaceAll(strings.ReplaceAll(string(head), "\r\n ", " "), "\r\n\t", " ")
	for _, line := range strings.Split(text, "\r\n") {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// A member is a message in a mailbox.
type member struct {
	uid uint32
	m   *message
}

// A folder is a view of messages, with UIDs of its own.
type folder struct {
	name     string // in UTF-8
	use      string // its special use; `\Inbox`, `\Chats` and the like for what is Gmail's and has none; empty for a label
	validity uint32
	next     uint32
	members  []member // by UID
	uids     map[uint64]uint32
	deleted  map[uint64]bool
	keywords map[uint64]map[string]bool // where they belong to the mailbox
	ever     uint64                     // the highest MODSEQ that a member has had
	hidden   bool
}

func newFolder(name, use string, validity uint32) *folder {
	return &folder{
		name: name, use: use, validity: validity, next: 1,
		uids: map[uint64]uint32{}, deleted: map[uint64]bool{}, keywords: map[uint64]map[string]bool{},
	}
}

// label is what a message has that shows in the folder; empty for those that show by other rules.
func (f *folder) label() string {
	switch f.use {
	case "":
		return f.name
	case `\Drafts`:
		return `\Draft`
	case `\All`, `\Trash`, `\Junk`, `\Flagged`:
		return ""
	}
	return f.use
}

// place is where the messages of the folder lie.
func (f *folder) place() place {
	switch f.use {
	case `\Trash`:
		return inTrash
	case `\Junk`:
		return inSpam
	}
	return inMail
}

// shows tells whether a message is in the folder.
func (f *folder) shows(m *message) bool {
	if m.place != f.place() {
		return false
	}
	switch f.use {
	case `\Trash`, `\Junk`, `\All`:
		return true
	case `\Flagged`:
		return m.flags[`\Flagged`]
	}
	return m.labels[f.label()]
}

func (f *folder) add(m *message) {
	f.uids[m.id] = f.next
	f.members = append(f.members, member{f.next, m})
	f.next++
}

func (f *folder) drop(m *message) {
	uid := f.uids[m.id]
	i, found := slices.BinarySearchFunc(f.members, uid, func(e member, uid uint32) int { return int(e.uid) - int(uid) })
	if found {
		f.members = slices.Delete(slices.Clone(f.members), i, i+1) // sessions hold the old one
	}
	delete(f.uids, m.id)
	delete(f.deleted, m.id)
	delete(f.keywords, m.id)
}

// visible are the members that are shown under a limit.
func (f *folder) visible(limit int) []member {
	if limit > 0 && len(f.members) > limit {
		return f.members[len(f.members)-limit:]
	}
	return f.members
}
