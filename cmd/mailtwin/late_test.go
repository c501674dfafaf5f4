package main

import (
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
	"mailtwin/state"
)

// A sync that follows one that was cut off in an upload lets the server do what was sent, before it looks.
func TestLateUploads(t *testing.T) {
	w := filledGmail(t, 4)
	w.syncs("first")
	begins := func(name mailbox.Name, intent mailbox.Intent) {
		db, err := state.Open(t.Context(), w.state(), state.Options{})
		w.must(err)
		w.must(db.Commit(t.Context(), mailbox.Update{Mailbox: name, Begin: []mailbox.Intent{intent}}))
		w.must(db.Close())
	}
	waits := func(when string, want bool) {
		began := time.Now()
		if status := w.run("sync", "-v"); status != 0 {
			t.Fatalf("%s: exit status %d\n%s", when, status, w.stderr)
		}
		if waited := strings.Contains(w.stderr, "so this one begins in"); waited != want || want && time.Since(began) < usualLate/2 {
			t.Errorf("%s: after %v: %s", when, time.Since(began), w.stderr)
		}
	}
	waits("nothing is under way", false)
	begins("INBOX", mailbox.Intent{Near: "gone.x", Digest: mailbox.Digest{1}, Attempts: 1})
	waits("the answer came", false)
	w.write("INBOX", "late.x", gmMail(50))
	begins("INBOX", mailbox.Intent{Near: "late.x", Digest: mailbox.Digest{2}})
	waits("an upload was cut off", true)
	waits("that is over", false)
}
