package main

import (
	"bytes"
	"slices"
	"testing"

	"mailtwin/imap/imaptest"
)

// courier is what Courier does not have of what others have.
var courier = imaptest.Profile{Name: "courier", Removed: []string{
	"CONDSTORE", "QRESYNC", "ESEARCH", "SEARCHRES", "LIST-STATUS", "LIST-EXTENDED", "SPECIAL-USE", "MOVE", "UNSELECT", "ENABLE", "ID",
}}

// TestCourier is the suite on Courier: all of an account, then nothing, then changes on both sides, then nothing.
// Courier puts all mailboxes below "INBOX.", which nobody is to see in the Maildir.
func TestCourier(t *testing.T) {
	server := imaptest.Courier(t)
	w := newTwin(t, serverOf(server, courier))
	boxes := []string{"INBOX", "Work", "Work/2024", "Work/2024/Q1", "R&D", "Größe & mehr", "日本語", "INBOX/child", "UPPER", "upper"}
	c := newChanges(w, 98)
	c.ended()
	for _, name := range boxes[1:] {
		w.must(w.account.Create(name))
	}
	for i := range size(60, 5000) {
		c.add(c.far(), boxes[i%len(boxes)])
	}
	w.sync()
	far, near := w.wantAgreement("after the first sync")
	if diff := imaptest.DiffDates(far, near); len(diff) > 0 {
		t.Errorf("dates differ:\n%s", head(diff))
	}
	slices.Sort(boxes)
	if !slices.Equal(near.Mailboxes, boxes) {
		t.Errorf("mailboxes in the Maildir: %q, want %q", near.Mailboxes, boxes)
	}
	w.wantIdle("second sync")

	c.prepareMailboxes(1)
	w.sync()
	w.wantAgreement("with the mailboxes that will change")
	c.mailboxes(1)
	w.sync() // RENAME gives a mailbox another UIDVALIDITY here, so that what is removed from it in the same run comes back
	w.wantAgreement("after mailboxes came, went and moved")
	c.both(size(30, 500))
	w.sync()
	w.wantAgreement("after changes")
	w.wantIdle("third sync")
}

// TestCourierTrash removes files: without a Trash, one is made, where Courier wants it.
func TestCourierTrash(t *testing.T) {
	s := serverOf(imaptest.Courier(t), courier)
	s.delete = "trash"
	w := newTwin(t, s)
	w.must(w.account.Create("Work"))
	c := newChanges(w, 97)
	c.ended()
	for range 5 {
		c.add(c.far(), "Work")
	}
	w.sync()
	copies, err := w.tree.Read("Work")
	w.must(err)
	w.must(w.tree.Remove(copies[0]))
	w.sync()
	far, _ := w.wantAgreement("after a removal")
	if n := len(far.In("Trash")); n != 1 {
		t.Errorf("%d messages in the Trash; mailboxes %q", n, far.Mailboxes)
	}
	w.wantIdle("and then")
}

// ended has messages to come end with a whole line, for Courier ends those that do not.
func (c *changes) ended() {
	c.small(20_000)
	any := c.fresh
	c.fresh = func() imaptest.Message {
		for {
			if m := any(); bytes.HasSuffix(m.Body, []byte("\r\n")) {
				return m
			}
		}
	}
}

func serverOf(s *imaptest.CourierServer, profile imaptest.Profile) server {
	return server{addr: s.Addr, user: s.NewUser(), password: s.Password, profile: profile}
}
