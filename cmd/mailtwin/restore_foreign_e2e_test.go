package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// What mbsync keeps of an account, and what offlineimap does, is recognised when it is brought back to that account, whatever
// they made of its names, and of messages that are there several times. To an empty account it goes under the real names.
func TestRestoreForeign(t *testing.T) {
	mbsync, err := exec.LookPath("mbsync")
	if err != nil {
		imaptest.Missing(t, "mbsync")
	}
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	user := dovecot.NewUser()
	w := newTwin(t, server{addr: dovecot.Addr, user: user, password: dovecot.Password, profile: imaptest.All})
	boxes := []string{"INBOX", "Größe", "Work", "Work/2024", "日本語/R&D"}
	for _, name := range boxes[1:] {
		w.must(w.account.Create(name))
	}
	for i, m := range imaptest.Sample(30, 23, imaptest.CorpusOptions{MaxSize: 5000}) {
		places := []string{boxes[i%5]}
		if i%3 == 0 {
			places = append(places, boxes[i%5], boxes[(i+1)%5]) // twice in one, once in another
		}
		for _, name := range places {
			_, err := w.account.Append(name, m)
			w.must(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), mbsync, "-c", mbsyncConfig(t, w, dovecot, user), "-a").CombinedOutput(); err != nil {
		t.Fatalf("mbsync: %v\n%s", err, out)
	}
	root := filepath.Join(w.dir, "mbsync")
	before, err := w.account.View()
	w.must(err)
	wantNothing := func(when string) {
		t.Helper()
		o := w.run("restore", "--from", root, "test")
		after, err := w.account.View()
		w.must(err)
		if diff := imaptest.Diff(before, after); o.code != 0 || !strings.Contains(o.stdout, "0 messages brought back") || len(diff) > 0 {
			t.Errorf("%s: %v\n%s", when, o, head(diff))
		}
	}
	wantNothing("mbsync's")
	w.must(os.Rename(filepath.Join(root, "Work", "2024"), filepath.Join(root, "Work.2024")))
	wantNothing("with dots")

	other := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: imaptest.All})
	w.must(os.Rename(filepath.Join(root, "Work.2024"), filepath.Join(root, "Work", "2024")))
	if o := other.run("restore", "--from", root, "test"); o.code != 0 {
		t.Fatal(o)
	}
	after, err := other.account.View()
	w.must(err)
	for _, name := range boxes {
		if got, want := len(after.In(name)), len(before.In(name)); got != want {
			t.Errorf("%q: %d messages, want %d", name, got, want)
		}
	}
}
