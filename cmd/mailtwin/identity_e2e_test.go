package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// TestIdentity takes away, one after the other, what ties the messages of both sides together. They are recognised by
// their content, and none is transferred again.
func TestIdentity(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.Bare} {
		t.Run(profile.Name, func(t *testing.T) {
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
			w.fill(size(200, 20_000))
			w.sync()
			w.wantAgreement("after the first sync")
			state := filepath.Join(w.dir, "state.db")

			w.must(os.Remove(state))
			w.wantRecognised("the state was lost")

			w.must(os.Rename(w.tree.Root, w.tree.Root+".old"))
			w.must(os.CopyFS(w.tree.Root, os.DirFS(w.tree.Root+".old")))
			w.must(os.Remove(state))
			w.wantRecognised("the Maildir was copied by hand")

			old, err := os.ReadFile(state)
			w.must(err)
			newChanges(w, 12).both(size(60, 1000))
			w.sync()
			w.wantAgreement("after changes")
			w.must(os.WriteFile(state, old, 0o600))
			w.wantRecognised("the state is from before the changes")

			w.renumber("R&D", "Lists/new", "Größe & mehr")
			w.wantRecognised("UIDVALIDITY changed")
		})
	}
}

// TestMbsyncMaildir takes over a Maildir that mbsync made.
func TestMbsyncMaildir(t *testing.T) {
	mbsync, err := exec.LookPath("mbsync")
	if err != nil {
		imaptest.Missing(t, "mbsync")
	}
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	user := dovecot.NewUser()
	w := newTwin(t, server{addr: dovecot.Addr, user: user, password: dovecot.Password, profile: imaptest.All})
	boxes := []string{"INBOX", "Work/2024", "Größe & mehr", "日本語/R&D"}
	for _, name := range boxes[1:] {
		w.must(w.account.Create(name))
	}
	i := 0
	for m := range imaptest.Corpus(21, imaptest.CorpusOptions{}) {
		if i == size(100, 5000) {
			break
		}
		if !bytes.Contains(m.Body, []byte("\r\n\r\n")) {
			continue // to a header that does not end, mbsync adds more than its line
		}
		i++
		_, err := w.account.Append(boxes[i%4], m)
		w.must(err)
		w.expected[m.Sum()]++
	}
	rc := mbsyncConfig(t, w, dovecot, user)
	if out, err := exec.CommandContext(t.Context(), mbsync, "-c", rc, "-a").CombinedOutput(); err != nil {
		t.Fatalf("mbsync: %v\n%s", err, out)
	}
	w.must(os.Rename(filepath.Join(w.dir, "mbsync"), w.tree.Root))
	named := 0
	w.must(filepath.WalkDir(w.tree.Root, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, ",U=") {
			named++
		}
		return err
	}))
	if named < size(100, 5000) {
		t.Fatalf("mbsync stored %d messages", named)
	}
	w.recognises("the Maildir is mbsync's")
	w.sync()
	w.wantIdle("the next run")
	far, near := w.views() // the files have one line more, which mbsync put there
	if !slices.Equal(far.Mailboxes, near.Mailboxes) {
		t.Errorf("mailboxes on the server %q, in the Maildir %q", far.Mailboxes, near.Mailboxes)
	}
	for _, name := range boxes {
		if f, n := len(far.In(name)), len(near.In(name)); f != n || f != size(100, 5000)/4 {
			t.Errorf("%s: %d messages on the server, %d in the Maildir", name, f, n)
		}
	}
}

// wantRecognised syncs, and fails if that transferred a message or left the sides unequal.
func (w *twin) wantRecognised(when string) {
	w.Helper()
	w.recognises(when)
	w.wantAgreement(when)
	w.sync()
	w.wantIdle(when + ", next run")
}

func (w *twin) recognises(when string) {
	w.Helper()
	w.proxy.Reset()
	o := w.sync("--json")
	stats := w.proxy.Stats()
	if n := w.proxy.BodyFetches(); n > 0 || stats.Commands["APPEND"] > 0 {
		w.Errorf("%s: %d body fetches, %v: %s", when, n, stats.Commands, o.stdout)
	}
	w.Logf("%s: %v, %d octets from the server", when, o.took, stats.ToClient)
}

// renumber gives mailboxes another UIDVALIDITY, and their messages other UIDs.
func (w *twin) renumber(names ...string) {
	w.Helper()
	for _, name := range names {
		copies, err := w.account.Messages(name)
		w.must(err)
		var uids []uint32
		for _, c := range copies {
			if !strings.Contains(c.Flags, `\deleted`) { // what a server without UIDPLUS keeps would be new mail
				uids = append(uids, c.UID)
			}
		}
		w.must(w.account.Create("renumbered"))
		w.must(w.account.Copy(name, "renumbered", uids...))
		w.must(w.account.Delete(name))
		w.must(w.account.Rename("renumbered", name))
	}
}
