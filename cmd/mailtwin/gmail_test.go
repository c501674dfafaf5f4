package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mailtwin/imap/imaptest/gimap"
)

// A first sync downloads each message once, and the Maildir has it once, under several names. What follows costs what
// changed.
func TestGmail(t *testing.T) {
	w := filledGmail(t, 200)
	w.syncs("first")
	if n := len(w.g.Counters().Bodies); n != 200 {
		t.Errorf("%d messages were downloaded", n)
	}
	one, err := os.Stat(w.file("INBOX", 7))
	if err != nil {
		t.Fatal(err)
	}
	for _, box := range []string{"Work", "Home", gmAll} {
		if other, err := os.Stat(w.file(box, 7)); err != nil || !os.SameFile(one, other) {
			t.Errorf("%s has another file: %v", box, err)
		}
	}
	w.absent(filepath.Join(w.maildir(), "[Gmail]", "Important"), filepath.Join(w.maildir(), "[Gmail]", "Trash"))

	list := `LIST "" "*" RETURN (SPECIAL-USE SUBSCRIBED STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))`
	if got := w.syncs("nothing changed"); !slices.Equal(got, []string{list}) {
		t.Errorf("nothing changed: %q", got)
	}
	w.web.Flag(w.ids[7], []string{`\Seen`}, nil)
	want := []string{list, `SELECT "[Gmail]/All Mail" (CONDSTORE)`, "UID FETCH 1:200 (UID X-GM-MSGID FLAGS) (CHANGEDSINCE 31033)"}
	if got := w.syncs("one flag"); !slices.Equal(got, want) {
		t.Errorf("one flag changed: %q", got)
	}
	w.deliver(gmMail(1000), `\Inbox`, "Work", "Home")
	// LIST, three for All Mail, two for each of three labels, at most two for the body
	if got := w.syncs("one message with three labels"); len(got) > 12 || len(w.g.Counters().Bodies) != 1 {
		t.Errorf("one message with three labels: %d bodies, %d commands %q", len(w.g.Counters().Bodies), len(got), got)
	}
}

// The bytes of a first sync are those of the messages and little more, however many labels there are.
func TestGmailBytes(t *testing.T) {
	w := gmWorld(t, gimap.Options{})
	n := size(1000, 20_000)
	for i := range n {
		labels := [][]string{{`\Inbox`, "Work"}, {"Home", "Work"}, {"Work"}, {`\Inbox`, "Home", "Work"}}[i%4]
		w.deliver(gmMailOf(i, 8900), labels...)
	}
	var unique int64
	for _, m := range w.g.Messages() {
		unique += int64(len(m.Raw))
	}
	w.g.ResetCounters()
	w.want(0, "", "", "sync")
	down := w.g.Counters().Down
	ratio := float64(down) / float64(unique)
	t.Logf("%d octets came for %d octets of mail: %.3f times", down, unique, ratio)
	if ratio > 1.05 {
		t.Error("that is too much")
	}
}

// What each removal and each move in the Maildir does on Gmail.
func TestGmailWriting(t *testing.T) {
	everywhere := []string{"INBOX", "Home", gmAll} // of message 69
	for _, tt := range []struct {
		name, policy string
		do           func(w *gmailWorld)
		n            int
		labels       string // it has afterwards
		bin          bool
		gone         bool
	}{
		{"removed from a label", "trash", func(w *gmailWorld) { w.remove(2, "Work") }, 2, "", false, false},
		{"removed from INBOX", "expunge", func(w *gmailWorld) { w.remove(3, "INBOX") }, 3, "Work", false, false},
		{"removed from All Mail alone", "expunge", func(w *gmailWorld) { w.remove(3, gmAll) }, 3, `Work \Inbox`, false, false},
		{"removed everywhere", "trash", func(w *gmailWorld) { w.remove(69, everywhere...) }, 69, "", true, false},
		{"removed everywhere, expunge", "expunge", func(w *gmailWorld) { w.remove(69, everywhere...) }, 69, "", false, true},
		{"removed everywhere but in a label that is not synced", "expunge", func(w *gmailWorld) {
			w.keys = append(w.keys, `mailboxes = ["INBOX", "Home"]`)
			w.set("timeout", "11s")
			w.remove(7, "INBOX", "Home")
		}, 7, "Work", false, false},
		{"archived", "expunge", func(w *gmailWorld) {
			w.moveFile(w.file("INBOX", 5), gmAll)
		}, 5, "Home", false, false},
		{"moved", "trash", func(w *gmailWorld) { w.moveFile(w.file("INBOX", 1), "Home") }, 1, "Home", false, false},
		{"moved out of All Mail", "trash", func(w *gmailWorld) { w.moveFile(w.file(gmAll, 1), "Home") }, 1, `Home \Inbox`, false, false},
		{"a mailbox removed", "expunge", func(w *gmailWorld) {
			if err := os.RemoveAll(filepath.Join(w.maildir(), "Work", "2024")); err != nil {
				w.Fatal(err)
			}
		}, 16, "", false, false},
	} {
		w := filledGmail(t, 80)
		w.set("delete_remote", tt.policy)
		w.syncs("first: " + tt.name)
		tt.do(w)
		w.g.ResetCounters()
		if status := w.run("sync", "-v"); status != 0 {
			t.Fatalf("%s: exit status %d\n%s%s", tt.name, status, w.stdout, w.stderr)
		}
		m, there := w.g.Message(w.ids[tt.n])
		if tt.gone == there {
			t.Errorf("%s: it is there: %v\n%s", tt.name, there, w.stdout)
		}
		if got := strings.Join(m.Labels, " "); got != tt.labels || m.Trash != tt.bin {
			t.Errorf("%s: labels %q, in the Trash: %v, want %q, %v\n%s", tt.name, got, m.Trash, tt.labels, tt.bin, w.stdout)
		}
		if n := len(w.g.Counters().Bodies); n > 0 {
			t.Errorf("%s: %d bodies", tt.name, n)
		}
		w.once(tt.name)
	}
}

// A file that is new in several mailboxes is uploaded once, and the other mailboxes are labels.
func TestGmailUpload(t *testing.T) {
	w := filledGmail(t, 20)
	w.syncs("first")
	for _, box := range []string{"INBOX", "Home", gmAll} {
		w.write(box, "fresh."+strconv.Itoa(len(box))+".x", gmMail(2000))
	}
	commands := strings.Join(w.syncs("uploaded"), "\n")
	if n := strings.Count(commands, "APPEND"); n != 1 || len(w.g.Counters().Bodies) > 0 {
		t.Errorf("%d times uploaded:\n%s", n, commands)
	}
	w.want(0, "nothing to do", "", "sync", "-n")
}

// Without All Mail each mailbox is asked for everything, each message is still downloaded once, and the owner is told.
func TestGmailAllMailHidden(t *testing.T) {
	w := filledGmail(t, 40)
	w.web.Hide(gmAll)
	w.g.ResetCounters()
	w.want(0, "", "no All Mail is shown over IMAP", "sync")
	w.once("first")
	w.web.Flag(w.ids[7], []string{`\Seen`}, nil)
	w.want(0, "INBOX: 1 flagged in the Maildir", "", "sync", "-v")
	w.want(0, "nothing to do", "", "sync", "-n")
	w.web.Show(gmAll)
	w.want(0, "", "", "sync")
	w.want(0, "nothing to do", "", "sync", "-n")
}
