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

// TestMbsyncMaildir takes over a Maildir that mbsync made. Some messages lie in several mailboxes, and some twice in one: into
// each of its copies mbsync puts another line, so that no two files of them are alike.
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
	i, held := 0, map[string]int{}
	for m := range imaptest.Corpus(21, imaptest.CorpusOptions{}) {
		if i == size(100, 5000) {
			break
		}
		if !bytes.Contains(m.Body, []byte("\r\n\r\n")) {
			continue // to a header that does not end, mbsync adds more than its line
		}
		i++
		places := []string{boxes[i%4]}
		if i%5 == 0 {
			places = append(places, boxes[(i+1)%4], boxes[(i+2)%4])
		}
		if i%7 == 0 {
			places = append(places, boxes[i%4])
		}
		for _, name := range places {
			_, err := w.account.Append(name, m)
			w.must(err)
			w.expected[m.Sum()]++
			held[name]++
		}
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
		if f, n := len(far.In(name)), len(near.In(name)); f != n || f != held[name] {
			t.Errorf("%s: %d messages on the server, %d in the Maildir, want %d", name, f, n, held[name])
		}
	}
}

// TestAlikeHeaders loses the state where messages have the same header and size, and other bodies: nobody but a download can
// tell which is which, and nothing is there twice afterwards.
func TestAlikeHeaders(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, damaged := range []bool{false, true} {
		w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: imaptest.All})
		const header = "From: a@example.org\r\nMessage-ID: <alike@example.org>\r\nSubject: alike\r\n\r\n"
		a, b := imaptest.Message{Body: []byte(header + "one\r\n")}, imaptest.Message{Body: []byte(header + "two\r\n")}
		w.must(w.account.Create("Work"))
		w.must(w.tree.Create("INBOX"))
		w.must(w.tree.Create("Work"))
		for _, put := range []struct {
			name    string
			message imaptest.Message
		}{{"INBOX", a}, {"Work", a}, {"Work", b}} {
			_, err := w.account.Append(put.name, put.message)
			w.must(err)
			w.expected[put.message.Sum()]++
			if damaged && put.name == "INBOX" {
				continue // here it is another one, which the server gets
			}
			_, err = w.tree.Deliver(put.name, put.message)
			w.must(err)
		}
		if damaged {
			flipped := imaptest.Message{Body: []byte(header + "onf\r\n")}
			_, err := w.tree.Deliver("INBOX", flipped)
			w.must(err)
			w.expected[flipped.Sum()]++
		}
		w.sync()
		w.wantAgreement("headers are alike")
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
