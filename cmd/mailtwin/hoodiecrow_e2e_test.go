package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// hoodiecrow is what hoodiecrow-imap does not have of what others have.
var hoodiecrow = imaptest.Profile{Name: "hoodiecrow", Removed: []string{"QRESYNC", "ESEARCH", "SEARCHRES", "LIST-STATUS", "LIST-EXTENDED"}}

// hoodiecrowTwin is an account with n messages in some mailboxes, to which mailtwin logs in with XOAUTH2.
func hoodiecrowTwin(t *testing.T, o imaptest.HoodiecrowOptions, n int, mailboxes ...string) *changes {
	t.Helper()
	s := imaptest.Hoodiecrow(t, o)
	c := newChanges(newTwin(t, server{addr: s.Addr, user: s.User, password: s.Password, token: s.Token, profile: hoodiecrow}), 94)
	c.small(20_000)
	c.must(c.account.Create("Work"))
	for i := range n {
		c.add(c.far(), mailboxes[i%len(mailboxes)])
	}
	return c
}

// TestHoodiecrow is the suite on hoodiecrow-imap, which knows CONDSTORE only in part: all of an account, then nothing, then
// changes on both sides, then nothing, and once more with the state lost. Mailboxes do not go: it says BAD, and not NO, to
// who asks whether one is gone, which is no proof.
func TestHoodiecrow(t *testing.T) {
	c := hoodiecrowTwin(t, imaptest.HoodiecrowOptions{}, size(50, 300), "INBOX", "Work", "Drafts", "Sent", "Trash")
	c.sync()
	far, near := c.wantAgreement("after the first sync")
	if diff := imaptest.DiffDates(far, near); len(diff) > 0 {
		t.Errorf("dates differ:\n%s", head(diff))
	}
	c.wantIdle("second sync")
	for range size(2, 5) {
		c.both(size(30, 100))
		c.sync("--allow-delete")
		c.wantAgreement("after changes")
		c.wantIdle("and then")
	}
	c.must(os.Remove(filepath.Join(c.dir, "state.db")))
	c.proxy.Reset()
	c.sync()
	if n := c.proxy.BodyFetches() + c.proxy.Stats().Commands["APPEND"]; n > 0 {
		t.Errorf("%d transfers after the state was lost", n)
	}
	c.wantAgreement("after the state was lost")
}

// TestHoodiecrowGmail lets it claim Gmail's extension. It does only part of what that means: a message that is copied or
// moved gets another X-GM-MSGID, and there is no All Mail. So messages stay where they are.
func TestHoodiecrowGmail(t *testing.T) {
	c := hoodiecrowTwin(t, imaptest.HoodiecrowOptions{Gmail: true}, 20, "INBOX", "Work", "Sent")
	if o := c.sync(); !strings.Contains(o.stderr, "no All Mail is shown over IMAP") || !strings.Contains(o.trace, " X-GM-MSGID 127845534423033486") {
		t.Errorf("it is not taken for Gmail: %v", o)
	}
	c.agrees("after the first sync")
	c.proxy.Reset()
	c.sync()
	if stats := c.proxy.Stats(); c.proxy.BodyFetches() > 0 || stats.Commands["UID STORE"]+stats.Commands["APPEND"] > 0 {
		t.Errorf("nothing changed: %v", stats.Commands)
	}

	far, near := c.views()
	c.must(c.far().flag(far.In("INBOX")[0], []string{`\Flagged`, "todo"}, nil))
	c.must(c.near().flag(near.In("Work")[0], []string{`\Flagged`, "todo"}, nil))
	c.must(c.far().remove(far.In("Sent")[0]))
	c.must(c.near().remove(near.In("INBOX")[1]))
	c.expected[far.In("Sent")[0].Sum]--
	c.expected[near.In("INBOX")[1].Sum]--
	c.add(c.far(), "INBOX")
	c.add(c.near(), "Work")
	c.proxy.Reset()
	o := c.sync()
	c.agrees("after changes")
	if uploads := strings.Count(o.trace, "(UID X-GM-MSGID RFC822.SIZE)"); c.proxy.BodyFetches() != 1 || uploads != 1 {
		t.Errorf("%d bodies, %d uploads were looked at: %v", c.proxy.BodyFetches(), uploads, o)
	}
	c.proxy.Reset()
	c.sync()
	if stats := c.proxy.Stats(); c.proxy.BodyFetches() > 0 || stats.Commands["UID STORE"]+stats.Commands["APPEND"] > 0 {
		t.Errorf("nothing changed: %v", stats.Commands)
	}
}

// agrees compares both sides, but for the Trash, which is not synced from Gmail unless its owner asks for it.
func (c *changes) agrees(when string) {
	c.Helper()
	far, near := c.views()
	synced := imaptest.View{Mailboxes: near.Mailboxes}
	for _, m := range far.Copies {
		if m.Mailbox != "Trash" {
			synced.Copies = append(synced.Copies, m)
		}
	}
	if diff := imaptest.Diff(synced, near); len(diff) > 0 {
		c.Fatalf("%s: the sides differ:\n%s", when, head(diff))
	}
	c.wantExpected(when, far)
}

// TestHoodiecrowRefusesToken shows it an access token that it does not know. It says why in a challenge, and no only to
// the answer.
func TestHoodiecrowRefusesToken(t *testing.T) {
	s := imaptest.Hoodiecrow(t, imaptest.HoodiecrowOptions{})
	w := newTwin(t, server{addr: s.Addr, user: s.User, password: s.Password, token: "ya29.another", profile: hoodiecrow})
	o := w.try()
	if o.code != exitAuth || !strings.Contains(o.stderr, "NO SASL authentication failed") || strings.Contains(o.stderr+o.trace, "ya29") {
		t.Errorf("%v", o)
	}
	if stats := w.proxy.Stats(); stats.Commands["AUTHENTICATE"] != 1 || stats.Commands["LOGIN"] > 0 {
		t.Errorf("%v", stats.Commands)
	}
}
