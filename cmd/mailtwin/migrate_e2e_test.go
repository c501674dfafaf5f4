package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
)

// An end is one account of a migration.
type end struct {
	addr, user, password string
	account              *imaptest.Account
	gmail                *gimap.Server // nil if it is none
}

func dovecotEnd(t *testing.T) *end {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	e := &end{addr: server.Addr, user: server.NewUser(), password: server.Password}
	e.account = imaptest.NewAccount(t, e.addr, e.user, e.password)
	return e
}

func gmailEnd(t *testing.T) *end { return gmailWith(t, gimap.Options{}) }

func gmailWith(t *testing.T, options gimap.Options) *end {
	g := gimap.Start(t, options)
	return &end{addr: g.Addr, user: g.User, password: g.Password, gmail: g}
}

// A migrationWorld has two accounts in its configuration, old and new.
type migrationWorld struct {
	*world
	old, new *end
}

func newMigration(t *testing.T, from, to *end) *migrationWorld {
	w := &migrationWorld{world: newWorld(t, from.addr, from.user, from.password), old: from, new: to}
	w.configure("", "")
	return w
}

// configure writes the configuration, with further lines for each account.
func (w *migrationWorld) configure(old, new string) {
	w.Helper()
	var text strings.Builder
	for _, a := range []struct {
		*end
		name, more string
	}{{w.old, "old", old}, {w.new, "new", new}} {
		host, port, err := net.SplitHostPort(a.addr)
		if err != nil {
			w.Fatal(err)
		}
		fmt.Fprintf(&text, "[accounts.%s]\nhost = %q\nport = %s\ntls = \"none\"\nuser = %q\npassword = %q\ntimeout = \"20s\"\n%s\n",
			a.name, host, port, a.user, a.password, a.more)
	}
	if err := os.WriteFile(w.config, []byte(text.String()), 0o600); err != nil {
		w.Fatal(err)
	}
}

// content is what an account has, by mailbox, content, flags and date.
func (e *end) content(t *testing.T, names func(string) string) map[string]int {
	t.Helper()
	all := map[string]int{}
	if e.gmail == nil {
		view, err := e.account.View()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range view.Copies {
			all[line(names(c.Mailbox), c.Sum, c.Flags, c.Date)]++
		}
		return all
	}
	for _, m := range e.gmail.Messages() {
		for folder := range m.Folders {
			all[line(names(folder), imaptest.Message{Body: m.Raw}.Sum(), flagWords(m.Flags), m.Date)]++
		}
	}
	return all
}

func line(mailbox string, sum [32]byte, flags string, date time.Time) string {
	return fmt.Sprintf("%s %x %s %d", mailbox, sum[:8], flags, date.Unix())
}

// flagWords writes flags as a view does.
func flagWords(flags []string) string {
	words := slices.DeleteFunc(strings.Fields(strings.ToLower(strings.Join(flags, " "))), func(f string) bool { return f == `\draft` })
	slices.Sort(words)
	return strings.Join(words, " ")
}

func same(name string) string { return name }

func wantSame(t *testing.T, when string, want, got map[string]int) {
	t.Helper()
	for line, n := range want {
		if got[line] != n {
			t.Errorf("%s: %d times, want %d: %s", when, got[line], n, line)
		}
	}
	for line, n := range got {
		if want[line] == 0 {
			t.Errorf("%s: %d times, and not at the source: %s", when, n, line)
		}
	}
}

// Everything of a Dovecot is on another one afterwards, with flags and dates, once; a second run copies what is new, a
// third nothing.
func TestMigrate(t *testing.T) {
	w := newMigration(t, dovecotEnd(t), dovecotEnd(t))
	fillOld(t, w.old, size(200, 10_000))
	w.want(exitDone, "dry run, nothing was changed", "", "migrate", "-n", "old", "new")
	if got := w.new.content(t, same); len(got) > 0 {
		t.Fatalf("a dry run copied %v", got)
	}
	w.want(exitDone, "complete: new has what old has", "", "migrate", "old", "new")
	t.Log(w.stdout)
	wantSame(t, "first", w.old.content(t, same), w.new.content(t, same))

	inbox, err := w.old.account.Messages("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range imaptest.Sample(3, 77, imaptest.CorpusOptions{MaxSize: 1000}) {
		if _, err := w.old.account.Append("INBOX", m); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		w.old.account.Flag("INBOX", []uint32{inbox[0].UID}, []string{`\Answered`}, nil),
		w.old.account.Move("INBOX", "Work", inbox[1].UID),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.want(exitDone, `"complete":true,"copied":3,`, "", "migrate", "--json", "old", "new")
	wantSame(t, "second", w.old.content(t, same), w.new.content(t, same))
	w.want(exitDone, `"complete":true,"copied":0,`, "", "migrate", "--json", "old", "new")
	wantSame(t, "third", w.old.content(t, same), w.new.content(t, same))

	if err := os.Remove(filepath.Join(w.dir, ".local", "state", "mailtwin", "old-to-new.migration.db")); err != nil {
		t.Fatal(err)
	}
	w.want(exitDone, `"complete":true,"copied":0,`, "", "migrate", "--json", "old", "new")
	wantSame(t, "state lost", w.old.content(t, same), w.new.content(t, same))
}

// From and to Gmail: labels become mailboxes and mailboxes labels, each message is copied once and stored once, and what
// the counts say is what an independent look finds.
func TestMigrateGmail(t *testing.T) {
	t.Run("to Gmail", func(t *testing.T) {
		w := newMigration(t, dovecotEnd(t), gmailEnd(t))
		fillOld(t, w.old, size(100, 10_000))
		status := w.run("migrate", "old", "new")
		t.Log(w.stdout, w.stderr)
		// Gmail takes no message without a header; all else is there.
		if status != exitProblems || !strings.Contains(w.stderr, "Unable to parse message") {
			t.Errorf("exit status %d", status)
		}
		distinct, labelled := map[string]bool{}, 0
		view, err := w.old.account.View()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range view.Copies {
			distinct[string(c.Sum[:])] = true
			labelled++
		}
		stored, labels := 0, 0
		for _, m := range w.new.gmail.Messages() {
			stored++
			for folder := range m.Folders {
				if folder != gmAll && folder != "[Gmail]/Starred" {
					labels++
				}
			}
		}
		const refused = 2 // of awkward
		if stored != len(distinct)-refused || labels != labelled-refused-1 {
			t.Errorf("%d messages and %d labels at Gmail of %d and %d", stored, labels, len(distinct), labelled)
		}
		w.new.gmail.ResetCounters()
		w.run("migrate", "--retry", "old", "new")
		if n := w.new.gmail.Counters().Verbs["APPEND"]; n > refused {
			t.Errorf("a second run stored %d messages", n)
		}
	})
	t.Run("from Gmail", func(t *testing.T) {
		n := size(60, 10_000)
		for _, labels := range []string{labelsFirst, labelsEach} {
			w := newMigration(t, gmailEnd(t), dovecotEnd(t))
			fillGmail(w.old, n)
			w.old.gmail.ResetCounters()
			w.want(exitDone, "complete: new has what old has", "", "migrate", "--labels", labels, "old", "new")
			t.Log(w.stdout)
			for id, n := range w.old.gmail.Counters().Bodies {
				if n > 1 {
					t.Errorf("%s: %d was read %d times", labels, id, n)
				}
			}
			view, err := w.new.account.View()
			if err != nil {
				t.Fatal(err)
			}
			distinct := map[[32]byte]bool{}
			for _, c := range view.Copies {
				distinct[c.Sum] = true
			}
			want := n
			if labels == labelsEach {
				want = 0
				for _, m := range w.old.gmail.Messages() {
					for folder := range m.Folders {
						if folder != "[Gmail]/Important" && folder != "[Gmail]/Starred" {
							want++
						}
					}
				}
			}
			if len(distinct) != n || len(view.Copies) != want {
				t.Errorf("%s: %d messages, %d copies, want %d and %d", labels, len(distinct), len(view.Copies), n, want)
			}
			w.want(exitDone, `"complete":true,"copied":0,`, "", "migrate", "--json", "--labels", labels, "old", "new")
		}
	})
	t.Run("from Gmail to Gmail", func(t *testing.T) {
		w := newMigration(t, gmailEnd(t), gmailEnd(t))
		fillGmail(w.old, size(60, 10_000))
		w.want(exitDone, "complete: new has what old has", "", "migrate", "--labels", labelsEach, "old", "new")
		but := func(all map[string]int) map[string]int {
			maps.DeleteFunc(all, func(line string, _ int) bool { return strings.HasPrefix(line, "[Gmail]/Important ") })
			return all
		}
		wantSame(t, "Gmail to Gmail", but(w.old.content(t, same)), but(w.new.content(t, same)))
	})
}

// What Gmail has already in one mailbox, because a run died before it had put the message down, or because it was copied
// alone, is not stored once more for the others.
func TestMigrateFoundInOne(t *testing.T) {
	for _, labels := range []string{labelsFirst, labelsEach} {
		for _, alone := range []bool{false, true} {
			w := newMigration(t, gmailEnd(t), gmailEnd(t))
			const n = 12
			for i := range n {
				m := gimap.Mail{Raw: []byte(gmMail(i)), Labels: []string{`\Inbox`, "Work", "Home"}, Date: time.Unix(int64(1700000000+i), 0)}
				w.old.gmail.Web().Deliver(m)
				m.Labels = []string{[]string{`\Inbox`, "Work"}[i%2]}
				w.new.gmail.Web().Deliver(m)
			}
			if alone { // they are found, and not read
				w.want(exitDone, "complete", "", "migrate", "--labels", labels, "--mailbox", "INBOX", "--mailbox", "Work", "--mailbox", gmAll, "old", "new")
			}
			w.want(exitDone, "complete", "", "migrate", "--labels", labels, "old", "new")
			messages := w.new.gmail.Messages()
			if appends := w.new.gmail.Counters().Verbs["APPEND"]; len(messages) != n || appends > 0 {
				t.Errorf("%s, %v: %d messages, %d APPENDs", labels, alone, len(messages), appends)
			}
			for _, m := range messages {
				if labels == labelsEach && len(m.Folders) != 4 {
					t.Errorf("%v: it is in %v", alone, m.Folders)
				}
			}
		}
	}
}

// fillOld fills an account with realistic mail and what is awkward in it: no Message-ID, the same one on different
// messages, 8-bit headers, the same message in three mailboxes.
func fillOld(t *testing.T, e *end, n int) {
	t.Helper()
	boxes := []string{"INBOX", "Work", "Work/2024", "Größe & mehr", "Sent"}
	for _, name := range boxes[1:4] {
		if err := e.account.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name string, m imaptest.Message) {
		t.Helper()
		if _, err := e.account.Append(name, m); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range imaptest.Sample(n, 41, imaptest.CorpusOptions{MaxSize: 50_000}) {
		put(boxes[i%len(boxes)], m)
	}
	for _, text := range awkward {
		put("INBOX", imaptest.Message{Body: []byte(text)})
	}
	thrice := imaptest.Message{Body: []byte("Message-ID: <three@example.org>\r\nSubject: three times\r\n\r\nx\r\n"), Flags: []string{`\Seen`}}
	for _, name := range []string{"INBOX", "Work", "Work/2024"} {
		put(name, thrice)
	}
}

var awkward = []string{
	"Subject: no id\r\n\r\none\r\n", "Subject: no id\r\n\r\ntwo\r\n", "Subject: no id\r\n\r\none\r\n",
	"Message-ID: <same@example.org>\r\nSubject: same\r\n\r\nbody 1\r\n", "Message-ID: <same@example.org>\r\nSubject: same\r\n\r\nbody 2\r\n",
	"Message-ID: <same@example.org>\r\nSubject: same\r\n\r\na longer body\r\n",
	"Message-ID: <eight@example.org>\r\nSubject: Gr\xfc\xdfe\r\n\r\n\xe4\r\n", "no header at all\r\n", "\r\nno header, a body\r\n",
}
