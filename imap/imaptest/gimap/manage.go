package gimap

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// reserved tells whether Gmail keeps a name for itself.
func reserved(name string) bool {
	return slices.Contains([]string{
		"todo", "archive", "muted", "voicemail", "migrated", "inbox", "trash", "spam", "sent", "draft", "drafts", "starred", "important", "unread", "chats", "bin",
	}, strings.ToLower(name))
}

func spaced(name string) bool {
	return strings.TrimSpace(name) != name || strings.Contains(name, "  ")
}

// tooMany is said of one label too many. What Gmail says is not known.
const tooMany = "NO Too many labels. (Failure)"

// unfit says what is wrong with a name for a new label.
func (c *session) unfit(name string) string {
	s := c.s.store
	switch {
	case utf8.RuneCountInString(name) > s.o.LabelLength:
		return "NO Folder name is not allowed. (Failure)"
	case spaced(name):
		return "NO [CANNOT] Folder contains excess whitespace (Failure)"
	case name == "" || strings.Contains(name, "^") || strings.Contains(name, "\x00") || strings.HasPrefix(name, c.s.o.Prefix+"/") || name == c.s.o.Prefix ||
		strings.HasSuffix(name, "/") || reserved(name) && !strings.EqualFold(name, "INBOX"):
		return "NO Folder name is not allowed. (Failure)"
	case s.folder(name) != nil:
		return "NO [ALREADYEXISTS] Duplicate folder name " + name + " (Failure)"
	case slices.ContainsFunc(s.folders, func(f *folder) bool { return strings.EqualFold(f.name, name) }):
		return "NO Folder name conflicts with existing folder name. (Failure)"
	}
	return ""
}

func (c *session) create(cmd *command) string {
	if len(cmd.args) != 1 {
		return badCommand
	}
	name := c.decode(cmd.args[0].text)
	if bad := c.unfit(name); bad != "" {
		return bad
	}
	if c.s.store.full() {
		return tooMany
	}
	c.s.store.makeLabel(name)
	return "OK Success"
}

// delete takes a label away; its mail stays.
func (c *session) delete(cmd *command) string {
	if len(cmd.args) != 1 {
		return badCommand
	}
	f := c.s.store.shown(c.decode(cmd.args[0].text))
	switch {
	case f == nil:
		return "NO [NONEXISTENT] Unknown Mailbox: " + cmd.args[0].text + " (Failure)"
	case f.use != "":
		return "NO [CANNOT] Folder cannot be deleted. (Failure)"
	}
	c.s.store.dropLabel(f)
	return "OK Success"
}

// rename renames a label and those below it.
func (c *session) rename(cmd *command) string {
	if len(cmd.args) != 2 {
		return badCommand
	}
	from, to := c.decode(cmd.args[0].text), c.decode(cmd.args[1].text)
	s := c.s.store
	below := slices.DeleteFunc(slices.Clone(s.folders), func(f *folder) bool {
		return f.use != "" || f.name != from && !strings.HasPrefix(f.name, from+"/")
	})
	if len(below) == 0 {
		return "NO [NONEXISTENT] Unknown Mailbox: " + cmd.args[0].text + " (Failure)"
	}
	if bad := c.unfit(to); bad != "" {
		return bad
	}
	for _, f := range below {
		s.rename(f, to+strings.TrimPrefix(f.name, from))
	}
	return "OK Success"
}

// byeLiteral is what ends the session when a message has a NUL in it.
const byeLiteral = "BYE Invalid character in literal."

// An upload is what an APPEND brings.
type upload struct {
	f     *folder
	raw   []byte
	flags []string
	date  time.Time
}

func (c *session) append(cmd *command) string {
	u, bad := c.readAppend(cmd)
	if bad != "" {
		return bad
	}
	s := c.s.store
	uid := uint32(0)
	if old := c.merge(u); old != nil {
		uid = c.join(u, old)
	} else {
		uid = u.f.next
		c.add(u)
	}
	if c.selected != nil {
		c.tell(false)
	}
	s.wake()
	return "OK [APPENDUID " + number(u.f.validity) + " " + number(uid) + "] (Success)"
}

func (c *session) readAppend(cmd *command) (u upload, bad string) {
	args := cmd.args
	if len(args) < 2 || len(args) > 4 {
		return u, badCommand
	}
	if u.f = c.s.store.shown(c.decode(args[0].text)); u.f == nil {
		return u, "NO [TRYCREATE] Folder doesn't exist. (Failure)"
	}
	u.raw = []byte(args[len(args)-1].text)
	if c.s.o.MendsLines {
		u.raw = mend(u.raw)
	}
	for _, a := range args[1 : len(args)-1] {
		if a.isList {
			u.flags = a.words()
			continue
		}
		at, err := time.Parse("_2-Jan-2006 15:04:05 -0700", a.text)
		if err != nil {
			return u, badCommand
		}
		u.date = at
	}
	first, _, _ := bytes.Cut(u.raw, []byte("\n"))
	switch {
	case bytes.IndexByte(u.raw, 0) >= 0:
		return u, byeLiteral
	case !bytes.Contains(first, []byte(":")):
		return u, "BAD Invalid Arguments: Unable to parse message"
	}
	if u.date.IsZero() {
		u.date = c.dateOf(u.raw)
	}
	return u, ""
}

// mend makes all line ends CRLF, that of the last line, too.
func mend(raw []byte) []byte {
	text := strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(string(raw))
	if !strings.HasSuffix(text, "\r\n") {
		text += "\r\n"
	}
	return []byte(text)
}

// dateOf is the INTERNALDATE of a message that came without one.
func (c *session) dateOf(raw []byte) time.Time {
	if at, ok := readDate((&message{raw: raw}).header("Date")); ok {
		return at
	}
	return c.s.o.Now()
}

// add stores an upload as a new message.
func (c *session) add(u upload) {
	s := c.s.store
	var labels, flags []string
	if l := u.f.label(); l != "" {
		labels = []string{l}
	}
	deleted, kept := false, map[string]bool{}
	for _, word := range u.flags {
		if strings.EqualFold(word, `\Deleted`) {
			deleted = true
			continue
		}
		if !strings.EqualFold(word, `\Draft`) && !strings.EqualFold(word, `\Recent`) && s.o.keeps(word, kept, nil) {
			kept[word] = true
			flags = append(flags, word)
		}
	}
	if u.f.use == `\Flagged` {
		flags = append(flags, `\Flagged`)
	}
	m := s.deliver(u.raw, u.f.place(), labels, flags, u.date)
	if deleted {
		c.s.noteDeleted()
		s.expunge(u.f, m)
	}
}

// merge finds the message that Gmail thinks an upload is. What goes to the Trash or to Spam is taken for none that lies
// elsewhere, or an upload could throw mail away.
func (c *session) merge(u upload) *message {
	s, key := c.s.store, ""
	switch c.s.o.Dedupe {
	case DedupeExact:
		key = exactKey(u.raw)
	case DedupeHeader, DedupeGhost:
		key = headerKey(&message{raw: u.raw})
	case NoDedupe:
	}
	if key == "" {
		return nil
	}
	m := s.messages[s.byKey[key]]
	if m != nil && u.f.place() != inMail && m.place != u.f.place() {
		return nil
	}
	return m
}

// join makes an upload one with a message that is there, and returns the UID that is said.
func (c *session) join(u upload, m *message) uint32 {
	s := c.s.store
	if c.s.o.Dedupe == DedupeGhost {
		u.f.next++
		return u.f.next - 1
	}
	if _, in := u.f.uids[m.id]; in && c.s.o.Dedupe == DedupeHeader {
		u.f.drop(m) // it gets a new UID there
	}
	s.change(m, func() {
		m.place = u.f.place()
		if l := u.f.label(); l != "" {
			s.label(m, l)
		}
		if u.f.use == `\Flagged` {
			m.flags[`\Flagged`] = true
		}
	})
	return u.f.uids[m.id]
}
