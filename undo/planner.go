package undo

import (
	"fmt"

	"mailtwin/mailbox"
)

// A planner goes over the changes of a run, from the last one to the first, and moves files about that are only thought
// of.
type planner struct {
	*past
	*present
	plan *Plan

	need     map[content]int
	changed  []*file
	recalled map[mailbox.Digest]bool
	absent   map[mailbox.Digest]bool
}

func (m *planner) undo(c change) {
	switch c.Kind {
	case mailbox.MessageRemoved, mailbox.MessageGone, mailbox.MessageKept:
		m.restore(c)
	case mailbox.MessageMoved:
		m.moveBack(c)
	case mailbox.FlagsChanged:
		m.setBack(c)
	case mailbox.MailboxRemoved:
		m.makeAgain(c)
	case mailbox.MailboxRenamed:
		m.rename(c)
	case mailbox.MessageSurplus: // the mailbox has it, and cannot have it twice
		m.settle(true)
	}
}

func (m *planner) leave(c change, reason string) {
	m.plan.Left = append(m.plan.Left, Left{Change: c.Change, Reason: reason})
}

func (m *planner) lose(c change, reason string) {
	m.plan.Left = append(m.plan.Left, Left{c.Change, reason, true})
}

// file returns the message of a change, if it is in a place; nil if it is not.
func (m *planner) file(place mailbox.Place, c change) *file {
	if f := m.files[place]; f != nil && f.digest == c.Pair.Digest {
		return f
	}
	return nil
}

// settle notes that a change needs nothing.
func (m *planner) settle(synced bool) {
	m.plan.Settled++
	m.plan.Unsynced = m.plan.Unsynced || !synced
}

// since says what a later run did with a message; otherwise what else there is to say.
func (m *planner) since(place mailbox.Place, otherwise string) string {
	s, again := m.gone[place]
	switch {
	case !again:
		return otherwise
	case s.to != "":
		return fmt.Sprintf("run %d moved it to %q", s.run, string(s.to))
	}
	return fmt.Sprintf("run %d removed it again", s.run)
}

// restore puts a message back that the near side lost.
func (m *planner) restore(c change) {
	key, binned := content{c.here.Mailbox, c.Pair.Digest}, mailbox.Place{Mailbox: c.to, ID: c.Far}
	_, again := m.gone[c.here]
	switch {
	case m.file(c.here, c) != nil:
		m.settle(m.files[c.here].synced)
	case m.held[key] >= m.need[key]:
		m.settle(true)
	case m.parkedBy(c).Parked == mailbox.Pending:
		m.settle(false)
	case again:
		m.leave(c, m.since(c.here, ""))
	case m.gone[binned].to != "":
		m.leave(c, m.since(binned, ""))
	default:
		m.bringBack(c)
	}
}

// parkedBy returns the pair of the change, if only the far side has it still.
func (m *planner) parkedBy(c change) mailbox.Pair {
	return m.parked[mailbox.Place{Mailbox: c.here.Mailbox, ID: c.Pair.Far}]
}

// bringBack finds where a message can be taken from: first where there is no need for it any more.
func (m *planner) bringBack(c change) {
	switch {
	case m.fromTrash(c), m.fromMailbox(c), m.fromServer(c, c.Far != ""), m.fromAttic(c), m.fromCopy(c), m.fromServer(c, c.Pair.AccountID != ""):
	case c.Kind == mailbox.MessageGone && len(m.copies[c.Pair.Digest]) > 0:
		m.leave(c, fmt.Sprintf("it is in %q", string(m.copies[c.Pair.Digest][0].at.Mailbox)))
	case m.absent[c.Pair.Digest]:
		m.lose(c, "it is not in the Trash on the server any more")
	default:
		m.lose(c, "nothing is left of it")
	}
}

// fromMailbox has a message downloaded again that the far side kept where it was.
func (m *planner) fromMailbox(c change) bool {
	pair := m.parkedBy(c)
	if c.Kind != mailbox.MessageKept || pair.Parked != mailbox.Kept {
		return false
	}
	unmark := c.Flags.Has(mailbox.Deleted) && !c.Pair.Flags.Has(mailbox.Deleted)
	m.plan.Download = append(m.plan.Download, Wanted{mailbox.Located{Mailbox: c.here.Mailbox, Pair: pair}, unmark, c.Change})
	return true
}

// fromAttic takes what the attic has of this very message, or of one that is the same.
func (m *planner) fromAttic(c change) bool {
	source, found := m.shelf[mailbox.Place{Mailbox: c.Mailbox, ID: c.Pair.Near}]
	for _, l := range m.shelves[c.Pair.Digest] {
		if !found {
			source, found = m.shelf[mailbox.Place{Mailbox: l.Mailbox, ID: l.Near}]
		}
	}
	if found {
		m.double(c, source)
	}
	return found
}

// fromTrash takes the message out of the Trash that it was moved to.
func (m *planner) fromTrash(c change) bool {
	var found *file
	for _, f := range m.copies[c.Pair.Digest] {
		if c.to != "" && f.at.Mailbox == c.to && (found == nil || f.far == c.Far) {
			found = f
		}
	}
	if found == nil {
		return false
	}
	found.flags = c.Pair.Flags
	m.put(c, found)
	return true
}

// fromServer has the message moved back on the server, from a Trash that is only there, if it can be named. If it is known
// by the same name in all mailboxes, that is done once, and it follows in the others.
func (m *planner) fromServer(c change, named bool) bool {
	follows := c.Pair.AccountID != "" && m.recalled[c.Pair.Digest]
	switch {
	case c.to == "" || m.synced[c.to] || m.absent[c.Pair.Digest]:
		return false
	case follows:
		m.plan.Follow = append(m.plan.Follow, c.Change)
		return true
	case !named:
		return false
	}
	m.recalled[c.Pair.Digest] = true
	m.make(c.here.Mailbox)
	m.plan.Recall = append(m.plan.Recall, Recall{mailbox.Place{Mailbox: c.to, ID: c.Far}, c.here.Mailbox, c.Change})
	return true
}

// fromCopy takes the content from another mailbox. Where both sides had lost the message, it may have been moved there,
// unless it can be in several at once.
func (m *planner) fromCopy(c change) bool {
	if c.Kind == mailbox.MessageGone && c.Pair.AccountID == "" || len(m.copies[c.Pair.Digest]) == 0 {
		return false
	}
	m.double(c, m.copies[c.Pair.Digest][0].from)
	return true
}

// double puts another copy of what lies somewhere where the message was.
func (m *planner) double(c change, from mailbox.Source) {
	f := &file{from: from, stay: true, digest: c.Pair.Digest, date: c.Pair.InternalDate, flags: c.Pair.Flags}
	m.copies[f.digest] = append(m.copies[f.digest], f)
	m.put(c, f)
}

// put has a file lie where the message of a change was.
func (m *planner) put(c change, f *file) {
	m.make(c.here.Mailbox)
	if f.at.Mailbox != "" {
		m.held[content{f.at.Mailbox, f.digest}]--
		delete(m.files, f.at)
	}
	f.at = c.here
	m.held[content{f.at.Mailbox, f.digest}]++
	m.files[f.at] = f
	m.touch(c, f)
}

func (m *planner) touch(c change, f *file) {
	if f.why == nil {
		m.changed = append(m.changed, f)
	}
	f.why = &c.Change
}

// make makes a mailbox that is not there.
func (m *planner) make(name mailbox.Name) {
	if !m.exists[name] {
		m.exists[name] = true
		m.plan.Create = append(m.plan.Create, name)
	}
}

// moveBack takes a move back, with the change of flags that came with it.
func (m *planner) moveBack(c change) {
	there := mailbox.Place{Mailbox: c.to, ID: c.Near}
	f := m.file(there, c)
	switch {
	case m.file(c.here, c) != nil: // a server that does not tell where it moved it may have brought flags back
		m.setBack(c)
	case f == nil && c.Pair.AccountID != "" && m.held[content{c.here.Mailbox, c.Pair.Digest}] > 0:
		m.settle(true) // where it cannot be twice, any of its names will do
	case f == nil:
		m.leave(c, m.since(there, fmt.Sprintf("it is not in %q any more", string(c.to))))
	default:
		f.flags = before(f.flags, c.Change)
		m.put(c, f)
	}
}

// setBack takes a change of flags back, as far as they are still what the run made of them.
func (m *planner) setBack(c change) {
	f := m.file(c.here, c)
	if f == nil {
		m.leave(c, m.since(c.here, "it is not there any more"))
		return
	}
	flags := before(f.flags, c.Change)
	if flags.Same(f.flags) {
		m.settle(f.synced)
		return
	}
	for _, flag := range differ(c.Change).All() {
		if run, again := m.flagged[c.here][flag]; again {
			m.leave(c, fmt.Sprintf("run %d changed %s again", run, flag))
			return
		}
		if holds := m.holds[c.here.Mailbox]; holds != nil && !holds(flag) {
			m.lose(c, fmt.Sprintf("the Maildir has no room for the keyword %s", flag))
			return
		}
	}
	f.flags = flags
	m.touch(c, f)
}

// before returns flags as they were before a change, as far as that changed them.
func before(flags mailbox.Flags, c mailbox.Change) mailbox.Flags {
	return flags.Minus(c.Flags.Minus(c.Pair.Flags)).Union(c.Pair.Flags.Minus(c.Flags))
}

// makeAgain makes a mailbox that was removed.
func (m *planner) makeAgain(c change) {
	s, again := m.gone[mailbox.Place{Mailbox: c.here.Mailbox}]
	switch {
	case m.exists[c.here.Mailbox]:
		m.settle(m.synced[c.here.Mailbox])
	case again:
		m.leave(c, fmt.Sprintf("run %d removed it again", s.run))
	default:
		m.make(c.here.Mailbox)
	}
}

// rename gives a mailbox the name that it had.
func (m *planner) rename(c change) {
	switch {
	case c.to == c.Mailbox:
		m.settle(true)
	case m.there(c.to) == c.Mailbox:
		m.settle(false)
	case !m.exists[c.to]:
		m.leave(c, fmt.Sprintf("there is no mailbox %q any more", string(c.to)))
	case m.exists[c.Mailbox]:
		m.leave(c, fmt.Sprintf("there is another mailbox %q now", string(c.Mailbox)))
	default:
		m.plan.Rename = append(m.plan.Rename, Rename{c.to, c.Mailbox})
	}
}
