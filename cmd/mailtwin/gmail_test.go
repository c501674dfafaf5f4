package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func gmMail(n int) string { return gmMailOf(n, 5*(n%50)) }

func gmMailOf(n, octets int) string {
	return fmt.Sprintf("From: a@example.org\r\nMessage-ID: <%d@example.org>\r\nSubject: %d\r\n\r\n%s\r\n", n, n, strings.Repeat("text ", octets/5))
}

func gmWorld(t *testing.T) (*world, *gmailFake) {
	g := newGmail(t)
	return newWorld(t, g.addr, "me", "pass"), g
}

func (g *gmailFake) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.commands = nil
	g.down.Store(0)
	clear(g.bodies)
}

// near reads the Maildir: mailbox, content's sum, flags.
func nearFiles(t *testing.T, root string) map[string]int {
	got := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		dir := filepath.Dir(path)
		if b := filepath.Base(dir); b != "cur" && b != "new" {
			return nil
		}
		rel, _ := filepath.Rel(root, filepath.Dir(dir))
		text, err := os.ReadFile(path)
		id := ""
		for _, l := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(l, "Message-ID") {
				id = l
			}
		}
		_, letters, _ := strings.Cut(filepath.Base(path), ":2,")
		got[rel+" "+id+" "+letters]++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (g *gmailFake) wanted() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	want := map[string]int{}
	for _, f := range g.folders {
		switch f.role {
		case `\Trash`:
			if !g.bin {
				continue
			}
		case `\Important`, `\Junk`, `\Flagged`, `\Noselect`:
			continue
		}
		for id := range f.uids {
			m := g.msgs[id]
			line := ""
			for _, l := range strings.Split(m.raw, "\r\n") {
				if strings.HasPrefix(l, "Message-ID") {
					line = l
				}
			}
			letters := ""
			if f.role == `\Drafts` {
				letters += "D"
			}
			for _, x := range [][2]string{{`\Flagged`, "F"}, {`\Answered`, "R"}, {`\Seen`, "S"}} {
				if m.flags[x[0]] {
					letters += x[1]
				}
			}
			want[f.name+" "+line+" "+letters]++
		}
	}
	return want
}

func gmAgree(t *testing.T, when string, w *world, g *gmailFake) {
	t.Helper()
	want, got := g.wanted(), nearFiles(t, w.maildir())
	if !maps.Equal(want, got) {
		for k, n := range want {
			if got[k] != n {
				t.Errorf("%s: %q: %d on Gmail, %d here", when, k, n, got[k])
			}
		}
		for k, n := range got {
			if want[k] == 0 {
				t.Errorf("%s: %q: %d here, none on Gmail", when, k, n)
			}
		}
	}
}

// A gmailWorld is a configuration with one account on Gmail.
type gmailWorld struct {
	*world
	g   *gmailFake
	ids []uint64 // of the first messages, in order
}

var gmailLabels = []string{`\Inbox`, "Work", "Home", `\Important`, "Work/2024"}

// filledGmail has n messages; the i-th label is on those whose number has the i-th bit.
func filledGmail(t *testing.T, n int) *gmailWorld {
	t.Helper()
	w, g := gmWorld(t)
	filled := &gmailWorld{world: w, g: g}
	for i := range n {
		var labels []string
		for bit, label := range gmailLabels {
			if (i>>bit)&1 == 1 {
				labels = append(labels, label)
			}
		}
		filled.ids = append(filled.ids, g.deliver(gmMail(i), labels...))
	}
	return filled
}

// syncs syncs, wants agreement, and returns the commands that followed the login.
func (w *gmailWorld) syncs(when string) []string {
	w.Helper()
	w.g.reset()
	if status := w.run("sync", "-v"); status != 0 {
		w.Fatalf("%s: exit status %d\n%s%s", when, status, w.stdout, w.stderr)
	}
	gmAgree(w.T, when, w.world, w.g)
	w.g.mu.Lock()
	defer w.g.mu.Unlock()
	for id, n := range w.g.bodies {
		if n != 1 {
			w.Errorf("%s: %s was downloaded %d times", when, w.g.name(id), n)
		}
	}
	if w.g.deleted > 0 {
		w.Errorf(`%s: \Deleted was set outside Spam and Trash`, when)
	}
	return slices.DeleteFunc(w.g.commands, func(c string) bool { return c == "CAPABILITY" })
}

// file returns the path of the n-th message in a mailbox.
func (w *gmailWorld) file(box string, n int) string {
	w.Helper()
	for _, path := range gmFiles(w.T, w.maildir(), box) {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), fmt.Sprintf("<%d@", n)) {
			return path
		}
	}
	w.Fatalf("%s has no message %d", box, n)
	return ""
}

func (w *gmailWorld) remove(n int, boxes ...string) {
	w.Helper()
	for _, box := range boxes {
		if err := os.Remove(w.file(box, n)); err != nil {
			w.Fatal(err)
		}
	}
}

func gmFiles(t *testing.T, root, box string) []string {
	files, err := filepath.Glob(filepath.Join(root, strings.ReplaceAll(box, "[", "\\["), "[cn]*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

// A first sync downloads each message once, and the Maildir has it once, under several names. What follows costs what
// changed.
func TestGmail(t *testing.T) {
	w := filledGmail(t, 200)
	w.syncs("first")
	if n := len(w.g.bodies); n != 200 {
		t.Errorf("%d messages were downloaded", n)
	}
	one, err := os.Stat(w.file("INBOX", 7))
	if err != nil {
		t.Fatal(err)
	}
	for _, box := range []string{"Work", "Home", "[Gmail]/All Mail"} {
		if other, err := os.Stat(w.file(box, 7)); err != nil || !os.SameFile(one, other) {
			t.Errorf("%s has another file: %v", box, err)
		}
	}
	w.absent(filepath.Join(w.maildir(), "[Gmail]", "Important"), filepath.Join(w.maildir(), "[Gmail]", "Trash"))

	list := `LIST "" "*" RETURN (SPECIAL-USE SUBSCRIBED STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))`
	if got := w.syncs("nothing changed"); !slices.Equal(got, []string{list}) {
		t.Errorf("nothing changed: %q", got)
	}
	w.g.web(w.ids[7], func(m *gmailMessage) { m.flags[`\Seen`] = true })
	want := []string{list, `SELECT "[Gmail]/All Mail" (CONDSTORE)`, "UID FETCH 1:200 (UID X-GM-MSGID FLAGS) (CHANGEDSINCE 2800)"}
	if got := w.syncs("one flag"); !slices.Equal(got, want) {
		t.Errorf("one flag changed: %q", got)
	}
	w.g.deliver(gmMail(1000), `\Inbox`, "Work", "Home")
	// LIST, three for All Mail, two for each of three labels, at most two for the body
	if got := w.syncs("one message with three labels"); len(got) > 12 || len(w.g.bodies) != 1 {
		t.Errorf("one message with three labels: %d bodies, %d commands %q", len(w.g.bodies), len(got), got)
	}
}

// The bytes of a first sync are those of the messages and little more, however many labels there are.
func TestGmailBytes(t *testing.T) {
	w, g := gmWorld(t)
	n := size(1000, 20_000)
	for i := range n {
		labels := [][]string{{`\Inbox`, "Work"}, {"Home", "Work"}, {"Work"}, {`\Inbox`, "Home", "Work"}}[i%4]
		g.deliver(gmMailOf(i, 8900), labels...)
	}
	var unique int64
	for _, m := range g.msgs {
		unique += int64(len(m.raw))
	}
	g.reset()
	w.want(0, "", "", "sync")
	if ratio := float64(g.down.Load()) / float64(unique); ratio > 1.05 {
		t.Errorf("%d octets came for %d octets of mail: %.3f times", g.down.Load(), unique, ratio)
	} else {
		t.Logf("%d octets came for %d octets of mail: %.3f times", g.down.Load(), unique, ratio)
	}
}

// What each removal and each move in the Maildir does on Gmail.
func TestGmailWriting(t *testing.T) {
	everywhere := []string{"INBOX", "Home", "[Gmail]/All Mail"} // of message 69
	for _, tt := range []struct {
		name, policy string
		do           func(w *gmailWorld)
		n            int
		labels       string // it has afterwards
		bin          string
		gone         bool
	}{
		{"removed from a label", "trash", func(w *gmailWorld) { w.remove(2, "Work") }, 2, "", "", false},
		{"removed from INBOX", "expunge", func(w *gmailWorld) { w.remove(3, "INBOX") }, 3, "Work", "", false},
		{"removed from All Mail alone", "expunge", func(w *gmailWorld) { w.remove(3, "[Gmail]/All Mail") }, 3, `Work \Inbox`, "", false},
		{"removed everywhere", "trash", func(w *gmailWorld) { w.remove(69, everywhere...) }, 69, "", "trash", false},
		{"removed everywhere, expunge", "expunge", func(w *gmailWorld) { w.remove(69, everywhere...) }, 69, "", "", true},
		{"removed everywhere but in a label that is not synced", "expunge", func(w *gmailWorld) {
			w.keys = append(w.keys, `mailboxes = ["INBOX", "Home"]`)
			w.set("timeout", "11s")
			w.remove(7, "INBOX", "Home")
		}, 7, "Work", "", false},
		{"archived", "expunge", func(w *gmailWorld) {
			w.moveFile(w.file("INBOX", 5), "[Gmail]/All Mail")
		}, 5, "Home", "", false},
		{"moved", "trash", func(w *gmailWorld) { w.moveFile(w.file("INBOX", 1), "Home") }, 1, "Home", "", false},
		{"moved out of All Mail", "trash", func(w *gmailWorld) { w.moveFile(w.file("[Gmail]/All Mail", 1), "Home") }, 1, `Home \Inbox`, "", false},
		{"a mailbox removed", "expunge", func(w *gmailWorld) {
			if err := os.RemoveAll(filepath.Join(w.maildir(), "Work", "2024")); err != nil {
				w.Fatal(err)
			}
		}, 16, "", "", false},
	} {
		w := filledGmail(t, 80)
		w.set("delete_remote", tt.policy)
		w.syncs("first: " + tt.name)
		tt.do(w)
		w.g.reset()
		if status := w.run("sync", "-v"); status != 0 {
			t.Fatalf("%s: exit status %d\n%s%s", tt.name, status, w.stdout, w.stderr)
		}
		m := w.g.msgs[w.ids[tt.n]]
		if tt.gone != (m == nil) {
			t.Errorf("%s: gone is %v\n%s", tt.name, m == nil, w.stdout)
			continue
		}
		if tt.gone {
			continue
		}
		if got := strings.Join(slices.Sorted(maps.Keys(m.labels)), " "); got != tt.labels || m.bin != tt.bin {
			t.Errorf("%s: labels %q, %q, want %q, %q\n%s", tt.name, got, m.bin, tt.labels, tt.bin, w.stdout)
		}
		if len(w.g.bodies) > 0 || w.g.deleted > 0 {
			t.Errorf(`%s: %d bodies, %d times \Deleted`, tt.name, len(w.g.bodies), w.g.deleted)
		}
	}
}

// moveFile moves a file into the directory of a mailbox, under another name, as mail programs do.
func (w *gmailWorld) moveFile(path, box string) {
	w.Helper()
	if err := os.Rename(path, filepath.Join(w.maildir(), box, "cur", "moved."+filepath.Base(path)+":2,")); err != nil {
		w.Fatal(err)
	}
}

// A file that is new in several mailboxes is uploaded once, and the other mailboxes are labels.
func TestGmailUpload(t *testing.T) {
	w := filledGmail(t, 20)
	w.syncs("first")
	for _, box := range []string{"INBOX", "Home", "[Gmail]/All Mail"} {
		path := filepath.Join(w.maildir(), box, "new", "fresh."+strconv.Itoa(len(box))+".x")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(gmMail(2000), "\r\n", "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := strings.Join(w.syncs("uploaded"), "\n")
	if n := strings.Count(commands, "APPEND"); n != 1 || len(w.g.bodies) > 0 {
		t.Errorf("%d times uploaded:\n%s", n, commands)
	}
	w.want(0, "nothing to do", "", "sync", "-n")
}

// Without All Mail each mailbox is asked for everything, each message is still downloaded once, and the owner is told.
func TestGmailAllMailHidden(t *testing.T) {
	w := filledGmail(t, 40)
	w.g.hidden = true
	w.g.reset()
	w.want(0, "", "no All Mail is shown over IMAP", "sync")
	for id, n := range w.g.bodies {
		if n != 1 {
			t.Errorf("%s was downloaded %d times", w.g.name(id), n)
		}
	}
	w.g.web(w.ids[7], func(m *gmailMessage) { m.flags[`\Seen`] = true })
	w.want(0, "INBOX: 1 flagged in the Maildir", "", "sync", "-v")
	w.want(0, "nothing to do", "", "sync", "-n")
	w.g.hidden = false
	w.want(0, "", "", "sync")
	w.want(0, "nothing to do", "", "sync", "-n")
}
