package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
	"mailtwin/state"
)

// layOld makes Maildirs below a root: directories by what lies in the cur of each.
func layOld(t *testing.T, root string, boxes map[string][]string) {
	t.Helper()
	for box, ids := range boxes {
		for _, part := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(root, box, part), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range ids {
			text := "Message-ID: <" + id + "@example.org>\nSubject: " + id + "\n\nx\n"
			if err := os.WriteFile(filepath.Join(root, box, "cur", "1."+id+":2,S"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A restore has the account to itself while it uploads, and is refused while a sync or another restore has it. An account
// without a state gets none.
func TestRestoreHolds(t *testing.T) {
	server := imaptest.Memory(t)
	var path string
	var open, refused atomic.Int64
	proxy := imaptest.NewProxy(t, server.Addr, imaptest.ProxyOptions{Before: func(verb string) {
		if verb != "APPEND" {
			return
		}
		hold, err := state.TakeHold(path)
		if errors.As(err, new(*state.LockedError)) {
			refused.Add(1)
			return
		}
		open.Add(1)
		if err == nil {
			_ = hold.Release() // the test fails for it
		}
	}})
	w := newWorld(t, proxy.Addr, server.User, server.Password)
	path = w.state()
	old := filepath.Join(w.dir, "old")
	layOld(t, old, map[string][]string{"INBOX": {"a", "b"}})
	for round := range 2 {
		hold, err := state.TakeHold(path)
		if err != nil {
			t.Fatal(err)
		}
		w.want(exitLocked, "", "is in use by process", "restore", "--from", old, "work")
		w.want(exitDone, "to bring back", "", "restore", "-n", "--from", old, "work")
		if err := hold.Release(); err != nil {
			t.Fatal(err)
		}
		w.want(exitDone, "2 messages brought back", "", "restore", "--to", []string{"One", "Two"}[round], "--from", old, "work")
		if round == 0 {
			w.absent(path)
			w.want(exitDone, "", "", "sync", "--quiet") // which makes one
		}
	}
	if open.Load() != 0 || refused.Load() == 0 {
		t.Errorf("while messages were stored the account was free %d times, and held %d times", open.Load(), refused.Load())
	}
}

// What is not there is said, and is no success.
func TestRestoreNothing(t *testing.T) {
	w, server := memoryWorld(t, 3)
	w.want(exitUsage, "", "no such file or directory", "restore", "work")
	w.want(exitDone, "", "", "sync")
	w.want(exitUsage, "", "no mailbox of the Maildir has such a name", "restore", "--mailbox", "Nope", "work")
	w.want(exitProblems, "", "no message that was chosen from has the Message-ID nope@example.org", "restore", "--message-id", "<nope@example.org>", "work")
	w.want(exitUsage, "", "there is no mail in "+w.vars["HOME"]+"/none", "restore", "--from", mkdir(t, w.dir, "none"), "work")
	w.want(exitUsage, "", "--from: open Maildir", "restore", "--from", filepath.Join(w.dir, "missing"), "work")
	w.want(exitDone, "0 messages brought back, 3 there already", "", "restore", "work")
	if err := os.Rename(w.maildir(), w.maildir()+".away"); err != nil {
		t.Fatal(err)
	}
	w.want(exitBrake, "", "hint: is the disk mounted", "restore", "work")

	m := newMigration(t, &end{addr: server.Addr, user: server.User, password: server.Password}, dovecotEnd(t))
	m.want(exitUsage, "", "no mailbox of the source has such a name", "migrate", "--mailbox", "Nope", "old", "new")
}

// Mail comes back with the dates that it had on the server, though the files were touched: the state has them, and without
// a state the names of the files. Another Maildir has nothing but the dates of its files.
func TestRestoreDates(t *testing.T) {
	w, server := memoryWorld(t, 4)
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	dates := func() map[string]time.Time {
		t.Helper()
		copies, err := account.Read("INBOX")
		if err != nil || len(copies) == 0 {
			t.Fatal(copies, err)
		}
		dates := map[string]time.Time{}
		for _, c := range copies {
			dates[fmt.Sprintf("%x", c.Sum[:6])] = c.Date.UTC()
		}
		return dates
	}
	w.want(0, "", "", "sync")
	was := dates()
	now := time.Now().Truncate(time.Second).UTC()
	files := w.inbox()
	// One has a name that says nothing, and one has no date on record.
	own := filepath.Join(filepath.Dir(files[0]), "1700000000.own.host:2,S")
	if err := os.Rename(files[0], own); err != nil {
		t.Fatal(err)
	}
	w.want(0, "", "", "sync")
	restored := func(args ...string) map[string]time.Time {
		t.Helper()
		for _, path := range append(w.inbox(), own) {
			if err := os.Chtimes(path, now, now); err != nil {
				t.Fatal(err)
			}
		}
		copies, err := account.Messages("INBOX")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range copies {
			if err := account.Expunge("INBOX", c.UID); err != nil {
				t.Fatal(err)
			}
		}
		w.want(0, "4 messages brought back, 0 there already", "", append([]string{"restore", "work"}, args...)...)
		return dates()
	}
	if got := restored(); !maps.Equal(got, was) {
		t.Errorf("with a state: %v, want %v", got, was)
	}
	if err := os.Rename(w.state(), w.state()+".away"); err != nil {
		t.Fatal(err)
	}
	got, same := restored(), 0
	for sum, date := range got {
		if date.Equal(was[sum]) {
			same++
		} else if !date.Equal(now) {
			t.Errorf("without a state one has the date %v", date)
		}
	}
	if same != 3 {
		t.Errorf("without a state %d of 4 dates are the same", same)
	}
	for _, date := range restored("--from", w.maildir()) {
		if !date.Equal(now) {
			t.Errorf("with --from one has the date %v", date)
		}
	}
}

func mkdir(t *testing.T, path ...string) string {
	t.Helper()
	if err := os.Mkdir(filepath.Join(path...), 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(path...)
}

// The account's own Maildir is laid out as the configuration says, whatever else lies there. Another one is brought back in
// whichever layouts it is, and what has none is named.
func TestRestoreLayouts(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(exitDone, "", "", "sync")
	layOld(t, w.maildir(), map[string][]string{".stray": {"s"}})
	w.want(exitDone, "0 messages brought back, 3 there already", "/Mail/.stray", "restore", "work")

	both := filepath.Join(w.dir, "both")
	layOld(t, both, map[string][]string{".": {"i"}, ".Old.2020": {"o"}, "Work": {"w"}, "Work/2024": {"x"}})
	w.want(exitDone, "4 messages brought back", "", "restore", "--from", both, "--to", "Both", "work")
	for _, name := range []string{"Both/INBOX", "Both/Old/2020", "Both/Work", "Both/Work/2024"} {
		if !strings.Contains(w.stdout, name+": 1 brought back") {
			t.Errorf("%s is missing in\n%s", name, w.stdout)
		}
	}
	layOld(t, both, map[string][]string{"Work/.Hidden": {"h"}})
	w.want(exitProblems, "0 messages brought back, 4 there already", "no layout has a mailbox there: "+both+"/Work/.Hidden;", "restore", "--from", both, "--to", "Both", "work")
}

// What lies in the account's own Maildir goes back under the names that it has there, whatever other servers use them for.
func TestRestoreOwnNames(t *testing.T) {
	w := gmWorld(t, gimap.Options{})
	w.web.MakeLabel("Junk")
	w.web.MakeLabel("Archive")
	w.deliver(gmMail(1), `\Inbox`, "Junk")
	w.deliver(gmMail(2), "Archive")
	w.syncs("first")
	w.want(exitDone, "0 messages brought back, 5 there already", "", "restore", "work")
	if n := len(w.g.Messages()); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// A restore of more than a day allows takes some days, with a state and without one, and repeats nothing.
func TestRestoreQuota(t *testing.T) {
	const n, octets, limit = 30, 10_000, 200_000
	for _, synced := range []bool{false, true} {
		e := gmailWith(t, gimap.Options{QuotaUp: limit})
		w := newWorld(t, e.addr, e.user, e.password)
		w.line(`quota_up = "200kB"`)
		now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
		w.prepare = func(env *environment) { env.now = func() time.Time { return now } }
		if synced {
			w.want(exitDone, "", "", "sync", "--quiet")
		}
		old := filepath.Join(w.dir, "old")
		layOld(t, old, map[string][]string{"INBOX": nil})
		for i := range n {
			text := strings.ReplaceAll(gmMailOf(i, octets), "\r\n", "\n")
			if err := os.WriteFile(filepath.Join(old, "INBOX", "cur", fmt.Sprintf("%d.x:2,S", i)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.want(exitTemporary, " brought back, 0 there already", " to be brought back: ", "restore", "--from", old, "work")
		if !strings.Contains(w.stderr, "of 200.0 kB a day were sent to work\nhint: the same command goes on after 2026-11-25") {
			t.Error(w.stderr)
		}
		before := e.gmail.Counters()
		if before.Up > limit*93/100 || before.Up < limit*70/100 {
			t.Errorf("%d octets of %d on one day", before.Up, limit)
		}
		w.want(exitTemporary, "0 messages brought back, ", " to be brought back: ", "restore", "--from", old, "work")
		if again := e.gmail.Counters(); again.Verbs["APPEND"] != before.Verbs["APPEND"] {
			t.Errorf("%d messages were stored on a day that was full", again.Verbs["APPEND"]-before.Verbs["APPEND"])
		}
		now = now.Add(24 * time.Hour)
		e.gmail.NextDay()
		w.want(exitDone, " there already", "", "restore", "--from", old, "work")
		if stored := e.gmail.Counters().Verbs["APPEND"]; stored != n {
			t.Errorf("%d messages were stored, want %d", stored, n)
		}
		if !synced {
			w.absent(w.state())
		}
		w.absent(filepath.Join(filepath.Dir(w.state()), "work.restore", "run"))
	}
}
