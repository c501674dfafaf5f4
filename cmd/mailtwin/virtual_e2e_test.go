package main

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// virtualServer is a Dovecot that claims what Gmail does, but for labels, and has All Mail as a virtual mailbox.
func virtualServer(t *testing.T) *imaptest.Server {
	t.Helper()
	return imaptest.Dovecot(t, imaptest.DovecotOptions{Capability: imaptest.GmailCapability, Virtual: true})
}

// virtualTwin is an account on it, with n messages, each of which All Mail shows too.
func virtualTwin(t *testing.T, dovecot *imaptest.Server, policy string, n int) *changes {
	t.Helper()
	c := newChanges(newTwin(t, server{
		addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: imaptest.NoQResync, delete: policy,
	}), 95)
	c.small(8000)
	c.must(c.account.Create("Work"))
	c.must(c.account.Create("Work/2024"))
	for i := range n {
		c.arrive(c.far(), []string{"INBOX", "Work", "Work/2024"}[i%3])
	}
	return c
}

// arrive brings a message into a mailbox, and with it into All Mail.
func (c *changes) arrive(e editor, mailbox string) {
	c.Helper()
	m := c.fresh()
	c.must(e.append(mailbox, m))
	c.expected[m.Sum()] += 2
}

// TestVirtual is the suite on an account that shows each message twice, under two UIDs and with the same flags.
func TestVirtual(t *testing.T) {
	c := virtualTwin(t, virtualServer(t), "expunge", size(60, 1500))
	c.sync()
	far, near := c.wantAgreement("after the first sync")
	if diff := imaptest.DiffDates(far, near); len(diff) > 0 {
		t.Errorf("dates differ:\n%s", head(diff))
	}
	c.wantIdle("second sync")
	for range size(3, 12) {
		c.everySecond()
		c.proxy.Reset()
		c.sync("--allow-delete")
		c.wantAgreement("after changes")
		c.wantIdle("and then")
	}
}

// everySecond changes about half of the messages, each in one of its places on one side.
func (c *changes) everySecond() {
	c.Helper()
	far, near := c.views()
	met := map[[32]byte]bool{}
	for side, v := range []imaptest.View{far, near} {
		e := []editor{c.far(), c.near()}[side]
		c.rng.Shuffle(len(v.Copies), func(i, j int) { v.Copies[i], v.Copies[j] = v.Copies[j], v.Copies[i] })
		for _, m := range v.Copies {
			if int(m.Sum[0]%2) == side && !met[m.Sum] && c.rng.IntN(2) == 0 {
				met[m.Sum] = true
				c.changeShown(e, m)
			}
		}
	}
}

// changeShown does one thing to a message that two mailboxes show.
func (c *changes) changeShown(e editor, m imaptest.Copy) {
	c.Helper()
	to := []string{"INBOX", "Work", "Work/2024"}[c.rng.IntN(3)]
	comesBack := e.name == "near" && m.Mailbox == imaptest.AllMail
	switch kind := c.rng.IntN(12); {
	case kind < 5:
		c.must(c.flag(e, m, c.flags[c.rng.IntN(len(c.flags))]))
	case kind < 7 && to != m.Mailbox:
		c.must(e.move(m, to))
	case kind < 8 && to != m.Mailbox:
		c.must(e.copy(m, to))
		c.expected[m.Sum] += 2
	case kind < 10:
		c.must(e.remove(m))
		if !comesBack {
			c.expected[m.Sum] -= 2
		}
	default:
		c.arrive(e, to)
	}
}

// TestVirtualRemovals removes files of a message that two mailboxes show. Only what is removed from where the message
// lies takes it away, and what that takes out of the Maildir is in the attic.
func TestVirtualRemovals(t *testing.T) {
	dovecot := virtualServer(t)
	for _, tt := range []struct {
		policy  string
		removed []string
		want    []string // mailboxes that have it then, on both sides
	}{
		{"trash", []string{imaptest.AllMail}, []string{"INBOX", imaptest.AllMail}},
		{"expunge", []string{imaptest.AllMail}, []string{"INBOX", imaptest.AllMail}},
		{"trash", []string{"INBOX"}, []string{"Trash"}},
		{"expunge", []string{"INBOX"}, nil},
		{"trash", []string{"INBOX", imaptest.AllMail}, []string{"Trash"}},
		{"expunge", []string{"INBOX", imaptest.AllMail}, nil},
	} {
		t.Run(tt.policy+" "+strings.Join(tt.removed, " "), func(t *testing.T) {
			c := virtualTwin(t, dovecot, tt.policy, 9)
			c.sync()
			_, near := c.wantAgreement("after the first sync")
			m := near.In("INBOX")[0]
			for _, o := range near.Copies {
				if o.Sum == m.Sum && slices.Contains(tt.removed, o.Mailbox) {
					c.must(c.tree.Remove(o))
				}
			}
			c.sync()
			c.expected[m.Sum] = len(tt.want)
			far, _ := c.wantAgreement("after the removal")
			for _, name := range tt.want {
				if !slices.ContainsFunc(far.In(name), func(o imaptest.Copy) bool { return o.Sum == m.Sum }) {
					t.Errorf("it is not in %q", name)
				}
			}
			if n, lost := c.attic(), tt.policy == "expunge" && !slices.Contains(tt.removed, imaptest.AllMail); n > 0 != lost {
				t.Errorf("%d messages in the attic", n)
			}
			c.wantIdle("and then")
		})
	}
	c := virtualTwin(t, dovecot, "expunge", 9)
	c.sync()
	c.must(c.tree.Delete(imaptest.AllMail))
	c.sync()
	c.wantAgreement("after the directory was removed")
	c.wantIdle("and then")
}

// attic counts the files that are kept beside the state.
func (w *twin) attic() (n int) {
	w.Helper()
	err := filepath.WalkDir(filepath.Join(w.dir, "state.attic"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return nil // there may be none
	})
	w.must(err)
	return n
}

// TestVirtualRefuses brings messages into a mailbox that takes none. They are named and stay where they are, and nothing
// else is kept back by it.
func TestVirtualRefuses(t *testing.T) {
	c := virtualTwin(t, virtualServer(t), "trash", 9)
	c.sync()
	_, near := c.wantAgreement("after the first sync")
	fresh, moved := c.fresh(), near.In("INBOX")[0]
	shown := near.In(imaptest.AllMail)[slices.IndexFunc(near.In(imaptest.AllMail), func(o imaptest.Copy) bool { return o.Sum == moved.Sum })].Path
	c.must(c.near().append(imaptest.AllMail, fresh))
	c.must(c.near().move(moved, imaptest.AllMail))
	for range 3 {
		c.arrive(c.far(), "INBOX")
		c.arrive(c.near(), "INBOX")
		o := c.try()
		if o.code != exitProblems || strings.Contains(o.stderr, "hint: ") {
			t.Errorf("%v", o)
		}
		far, near := c.views()
		want := []string{`near only: [Gmail]/All Mail`, `far only: INBOX`, `near only: [Gmail]/All Mail`}
		if diff := imaptest.Diff(far, near); len(diff) != len(want) {
			t.Errorf("the sides differ:\n%s", head(diff))
		}
		for sum, n := range c.expected {
			if far.Count()[sum] != n {
				t.Errorf("%x is %d times on the server, want %d", sum[:6], far.Count()[sum], n)
			}
		}
	}
	// Brought elsewhere, they arrive.
	_, near = c.views()
	for _, m := range near.In(imaptest.AllMail) {
		if m.Sum == fresh.Sum() || m.Sum == moved.Sum && filepath.Base(m.Path) != filepath.Base(shown) {
			c.must(c.near().move(m, "Work"))
		}
	}
	c.expected[fresh.Sum()] += 2
	c.sync("--retry")
	c.wantAgreement("brought elsewhere")
	c.wantIdle("and then")
}
