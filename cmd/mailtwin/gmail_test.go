package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"mailtwin/imap/imaptest/gimap"
)

// A first sync downloads each message once, and the Maildir has it once, under several names. What follows costs what
// changed.
func TestGmail(t *testing.T) {
	w := filledGmail(t, 200)
	w.deliver(gmMail(200), `\Draft`)
	w.syncs("first")
	if draft := w.file(gmNames["Drafts"], 200); letters(draft) != "D" {
		t.Errorf("the draft is %s", draft)
	}
	if n := len(w.g.Counters().Bodies); n != 201 {
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
	want := []string{list, `SELECT "[Gmail]/All Mail" (CONDSTORE)`, "UID FETCH 1:201 (UID X-GM-MSGID FLAGS) (CHANGEDSINCE 31042)"}
	if got := w.syncs("one flag"); !slices.Equal(got, want) {
		t.Errorf("one flag changed: %q", got)
	}
	w.deliver(gmMail(1000), `\Inbox`, "Work", "Home")
	// LIST, three for All Mail, two for each of three labels, at most two for the body
	if got := w.syncs("one message with three labels"); len(got) > 12 || len(w.g.Counters().Bodies) != 1 {
		t.Errorf("one message with three labels: %d bodies, %d commands %q", len(w.g.Counters().Bodies), len(got), got)
	}
}

// The bytes of a first sync are those of the messages and little more, however many labels there are, also where Starred and
// Important are mirrored: each message is downloaded once, and is one file with several names.
func TestGmailBytes(t *testing.T) {
	n := size(1000, 20_000)
	for _, tt := range []struct {
		name   string
		line   string
		also   []string
		labels [][]string
		ratio  float64
	}{
		{"labels", "compress = false", nil, [][]string{{`\Inbox`, "Work"}, {"Home", "Work"}, {"Work"}, {`\Inbox`, "Home", "Work"}}, 1.05},
		{"Starred and Important, too", "compress = false", []string{`\Flagged`, `\Important`}, [][]string{
			{`\Inbox`, `\Important`, "Work"}, {"Home", `\Starred`}, {`\Important`}, {`\Inbox`, `\Important`},
		}, 1.05},
		{"compressed", "compress = true", nil, [][]string{{`\Inbox`, "Work"}, {"Home", "Work"}, {"Work"}, {`\Inbox`, "Home", "Work"}}, 0.5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := gmWorld(t, gimap.Options{})
			w.line(tt.line)
			w.syncAlso(tt.also...)
			places, unique := 0, int64(0)
			for i := range n {
				labels := tt.labels[i%len(tt.labels)]
				places += 1 + len(labels) // and All Mail
				id := w.deliver(gmMailOf(i, 8900), labels...)
				if slices.Contains(labels, `\Starred`) {
					w.web.Flag(id, []string{`\Flagged`}, nil)
				}
			}
			for _, m := range w.g.Messages() {
				unique += int64(len(m.Raw))
			}
			w.g.ResetCounters()
			if status := w.run("sync", "--json"); status != 0 {
				t.Fatalf("exit status %d\n%s", status, w.stderr)
			}
			w.once("first")
			var sum struct {
				OnWire int64 `json:"received_on_wire"`
			}
			lines := strings.Split(strings.TrimSpace(w.stdout), "\n")
			w.must(json.Unmarshal([]byte(lines[len(lines)-1]), &sum))
			down := sum.OnWire
			ratio := float64(down) / float64(unique)
			t.Logf("%d messages in %d places: %d octets came for %d octets of mail: %.3f times", n, places, down, unique, ratio)
			if ratio > tt.ratio {
				t.Error("that is too much")
			}
			if bodies := len(w.g.Counters().Bodies); bodies != n {
				t.Errorf("%d bodies were downloaded", bodies)
			}
			if names, inodes := w.countFiles(); names != places || inodes != n {
				t.Errorf("%d files under %d names, want %d under %d", inodes, names, n, places)
			}
		})
	}
}

// countFiles counts the names of messages in the Maildir, and the files that they are names of.
func (w *gmailWorld) countFiles() (names, inodes int) {
	w.Helper()
	seen := map[uint64]bool{}
	w.must(filepath.WalkDir(w.maildir(), func(path string, d fs.DirEntry, err error) error {
		if box := filepath.Base(filepath.Dir(path)); err != nil || d.IsDir() || box != "cur" && box != "new" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			names++
			seen[info.Sys().(*syscall.Stat_t).Ino] = true
		}
		return err
	}))
	return names, len(seen)
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

// Where All Mail is not synced, the keywords of many messages are still set there in a few round trips: all of the messages are
// looked for at once.
func TestGmailKeywordsInFlights(t *testing.T) {
	for _, more := range []string{"INBOX", gmAll} {
		w := gmWorld(t, gimap.Options{BoxKeywords: true})
		w.syncOnly("INBOX", more)
		for i := range 60 {
			w.lay(gmMail(i), "INBOX")
		}
		w.want(0, "", "", "sync")
		for i := range 60 {
			w.does(i, "here flag INBOX P")
		}
		w.g.ResetCounters()
		w.want(0, "", "", "sync")
		counted := w.g.Counters()
		if counted.Verbs["SELECT"] > 6 || counted.Flights > 20 {
			t.Errorf("%s: %d mailboxes opened, %d round trips:\n%s", more, counted.Verbs["SELECT"], counted.Flights, strings.Join(w.commands(), "\n"))
		}
		t.Logf("%s: %d mailboxes opened, %d commands, %d round trips", more, counted.Verbs["SELECT"], len(w.commands()), counted.Flights)
		w.agree(more)
		for _, m := range w.g.Messages() {
			if !slices.Contains(m.Flags, "$Forwarded") {
				t.Errorf("%s: message %s has %q", more, gmNumber(m.Raw), m.Flags)
			}
		}
		w.want(0, "nothing to do", "", "sync", "-n")
	}
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

// Without All Mail, a message cannot lose the one label that is synced, if it has others. It stays, and its owner is told.
func TestGmailAllMailHiddenAndOneLabelSynced(t *testing.T) {
	w := filledGmail(t, 8)
	w.web.Hide(gmAll)
	w.syncOnly("INBOX")
	w.want(0, "", "no All Mail is shown over IMAP", "sync")
	w.remove(3, "INBOX") // it is in Work, too
	w.remove(1, "INBOX")
	w.want(1, "", "All Mail is hidden", "sync")
	if got := w.far(3) + ", " + w.far(1); got != "INBOX Work, Trash" {
		t.Errorf("they are in %q", got)
	}
}

// Archiving is no removal, however many messages it takes out of INBOX. Labels that many messages lose at once, or that are
// not there any more, are held back.
func TestGmailBrake(t *testing.T) {
	full := func(t *testing.T) *gmailWorld {
		w := gmWorld(t, gimap.Options{})
		for i := range 80 {
			w.ids = append(w.ids, w.deliver(gmMail(i), `\Inbox`, "Work"))
		}
		w.syncs("first")
		return w
	}
	for _, tt := range []struct {
		name   string
		do     func(w *gmailWorld)
		status int
		labels string // that the messages have afterwards, and once it is allowed
	}{
		{"archived on the web", func(w *gmailWorld) {
			for _, id := range w.ids {
				w.web.Label(id, nil, []string{`\Inbox`})
			}
		}, 0, "Work Work"},
		{"archived here", func(w *gmailWorld) {
			for i, path := range w.files("INBOX") {
				w.must(os.Rename(path, filepath.Join(w.maildir(), gmAll, "cur", strconv.Itoa(i)+".x:2,")))
			}
		}, 0, "Work Work"},
		{"a label removed here", func(w *gmailWorld) { w.must(os.RemoveAll(filepath.Join(w.maildir(), "Work"))) }, 5, `Work+\Inbox \Inbox`},
		{"all files of a label removed here", func(w *gmailWorld) {
			for _, path := range w.files("Work") {
				w.must(os.Remove(path))
			}
		}, 5, `Work+\Inbox \Inbox`},
		{"a label dropped on the web", func(w *gmailWorld) { w.web.DropLabel("Work") }, 5, `\Inbox \Inbox`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := full(t)
			tt.do(w)
			got := ""
			for _, args := range [][]string{{"sync"}, {"sync", "--allow-delete"}} {
				if status := w.run(args...); status != tt.status && len(args) == 1 || status != 0 && len(args) == 2 {
					t.Errorf("%q: exit status %d\n%s", args, status, w.stderr)
				}
				m, _ := w.g.Message(w.ids[7])
				got += " " + strings.Join(m.Labels, "+")
			}
			if got[1:] != tt.labels {
				t.Errorf("labels %q, want %q", got[1:], tt.labels)
			}
			w.agree("in the end")
		})
	}
}
