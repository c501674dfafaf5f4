package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/state"
)

// A finding is a difference as verify --json tells it.
type finding struct {
	Event, Kind, Side, Mailbox, UID, File, Subject, Text, Hint string

	Counts     bool
	Repair     string
	ExitStatus int `json:"exit_status"`
}

// verify runs verify, which must not send a command that changes anything, and returns what it found.
func (w *twin) verify(status int, args ...string) []finding {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	_, wait := w.start(ctx, "verify", append(args, "--json")...)
	o := wait()
	var found []finding
	lines := bufio.NewScanner(strings.NewReader(o.stdout))
	lines.Buffer(nil, 1<<20)
	var last finding
	for lines.Scan() {
		last = finding{}
		w.must(json.Unmarshal(lines.Bytes(), &last))
		if last.Event == "difference" {
			found = append(found, last)
		}
	}
	if changing, commands := imaptest.Changing(o.trace); len(changing) > 0 || commands == 0 {
		w.Fatalf("verify sent %q, of %d commands", changing, commands)
	}
	if o.code != status || last.Event != "summary" || last.ExitStatus != status || o.stderr != "" {
		w.Fatalf("want status %d; %v", status, o)
	}
	return found
}

// scratch changes a file and leaves its date as it was, as a failing disk does.
func (w *twin) scratch(c imaptest.Copy, change func([]byte) []byte) {
	w.Helper()
	info, err := os.Stat(c.Path)
	w.must(err)
	text, err := os.ReadFile(c.Path)
	w.must(err)
	w.must(os.WriteFile(c.Path, change(slices.Clone(text)), 0o600))
	w.must(os.Chtimes(c.Path, info.ModTime(), info.ModTime()))
}

func flipped(text []byte) []byte {
	text[len(text)-3] ^= 1
	return text
}

// verifyTwin is a twin in agreement, with realistic mail.
func verifyTwin(t *testing.T, n int) *twin {
	t.Helper()
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: imaptest.All})
	w.fill(n)
	w.sync()
	return w
}

// Each thing that can be wrong is found alone among many messages, and named; in a good mirror nothing is. What the server
// has mends it.
func TestVerifyFinds(t *testing.T) {
	w := verifyTwin(t, size(60, 20_000))
	if found := w.verify(0, "--deep", "--remote", "10%"); len(found) > 0 {
		t.Fatalf("in a good mirror there is %+v", found)
	}
	// One or two round trips for each mailbox, and not one body.
	mailboxes, err := w.account.Mailboxes()
	w.must(err)
	w.proxy.Reset()
	w.verify(0)
	stats, most := w.proxy.Stats(), len(mailboxes)
	if n := stats.RoundTrips - 3*stats.Connections; n > 2*most+2 || stats.Commands["EXAMINE"] > most || stats.Commands["UID FETCH"] > most || w.proxy.BodyFetches() > 0 {
		t.Errorf("%d round trips for %d mailboxes: %v", stats.RoundTrips, most, stats.Commands)
	}
	// A message in the middle of INBOX, long enough to be cut.
	copies, err := w.tree.Read("INBOX")
	w.must(err)
	copies = slices.DeleteFunc(copies, func(c imaptest.Copy) bool { return c.Size < 500 || strings.Contains(c.Flags, "flagged") })
	c := copies[len(copies)/2]
	base, _, _ := strings.Cut(filepath.Base(c.Path), ":")
	uid := strings.Split(base, "_")[1]
	extra := filepath.Join(w.tree.Dir("INBOX"), "cur", "1700000000.M1P1.host:2,S")
	for _, tt := range []struct {
		name, kind, side string
		args             []string
		damage           func()
		restore          func() // nil: --repair
	}{
		{name: "one flipped byte", kind: "bytes", side: "maildir", args: []string{"--deep"}, damage: func() { w.scratch(c, flipped) }},
		{name: "one truncated file", kind: "size", side: "maildir", damage: func() { w.scratch(c, func(text []byte) []byte { return text[:len(text)-1] }) }},
		{name: "one empty file", kind: "size", side: "maildir", damage: func() { w.scratch(c, func([]byte) []byte { return nil }) }},
		{name: "one missing file", kind: "missing", side: "maildir", damage: func() { w.must(os.Remove(c.Path)) }},
		{name: "one wrong flag here", kind: "flags", side: "maildir", damage: func() {
			w.must(os.Rename(c.Path, filepath.Join(w.tree.Dir("INBOX"), "cur", base+":2,F")))
		}},
		{name: "one wrong flag there", kind: "flags", side: "server", damage: func() {
			w.must(w.account.Flag("INBOX", []uint32{uidOf(t, uid)}, []string{`\Flagged`}, nil))
		}, restore: func() { w.sync() }},
		{name: "one extra file", kind: "unknown", side: "maildir", damage: func() {
			w.must(os.WriteFile(extra, []byte("Subject: extra\n\nextra\n"), 0o600))
		}, restore: func() { w.must(os.Remove(extra)) }},
		{name: "one message missing on the server", kind: "missing", side: "server", damage: func() {
			w.must(w.account.Expunge("INBOX", uidOf(t, uid)))
			w.expected[c.Sum]--
		}, restore: func() { w.sync() }},
	} {
		tt.damage()
		found := w.verify(1, tt.args...)
		if len(found) != 1 {
			t.Fatalf("%s: found %d: %+v", tt.name, len(found), found)
		}
		f := found[0]
		named := f.UID == uid && f.File == base
		if tt.name == "one extra file" {
			named = f.UID == "" && f.File == "1700000000.M1P1.host" && f.Subject == "extra"
		}
		if f.Kind != tt.kind || f.Side != tt.side || f.Mailbox != "INBOX" || !named || !f.Counts || f.Hint == "" {
			t.Errorf("%s: found %+v", tt.name, f)
		}
		if tt.restore != nil {
			tt.restore()
		} else {
			far, err := w.account.View()
			w.must(err)
			if mended := w.verify(0, append(tt.args, "--repair")...); len(mended) != 1 || mended[0].Repair != "mended" {
				t.Errorf("%s: the repair says %+v", tt.name, mended)
			}
			after, _ := w.wantAgreement("after the repair of " + tt.name)
			if diff := imaptest.Diff(far, after); len(diff) > 0 {
				t.Errorf("%s: the repair changed the server: %v", tt.name, diff)
			}
			if found := w.verify(0, tt.args...); len(found) > 0 {
				t.Errorf("%s: after the repair there is %+v", tt.name, found)
			}
		}
		if again, err := w.tree.Read("INBOX"); err != nil {
			t.Fatal(err)
		} else if at := slices.IndexFunc(again, func(o imaptest.Copy) bool { return o.Sum == c.Sum }); at >= 0 { // under another path, maybe
			c.Path = again[at].Path
			base, _, _ = strings.Cut(filepath.Base(c.Path), ":")
		}
	}
	kept, err := filepath.Glob(filepath.Join(w.dir, "state.attic", "*", ".replaced", "INBOX", "cur", "*"))
	w.must(err)
	if len(kept) < 3 {
		t.Errorf("the attic keeps %q", kept)
	}
	w.wantAgreement("in the end")
	if found := w.verify(0, "--deep", "--strict"); len(found) > 0 {
		t.Errorf("in the end there is %+v", found)
	}
}

func uidOf(t *testing.T, text string) (uid uint32) {
	t.Helper()
	if _, err := fmt.Sscan(text, &uid); err != nil {
		t.Fatal(err)
	}
	return uid
}

// However a message came to be on both sides, it is on record how many octets its file has, so that nothing need be read.
func TestVerifyKnowsAllSizes(t *testing.T) {
	w := verifyTwin(t, 100)
	c := newChanges(w, 7)
	c.prepareMailboxes(1)
	w.sync()
	c.mailboxes(1)
	c.both(100)
	w.sync()
	w.wantAgreement("after the changes")
	ledger, err := state.OpenReadOnly(filepath.Join(w.dir, "state.db"))
	w.must(err)
	defer func() { w.must(ledger.Close()) }()
	twins, err := ledger.Mailboxes(t.Context())
	w.must(err)
	sizes := map[string]int64{}
	w.must(filepath.WalkDir(w.tree.Root, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		base, _, _ := strings.Cut(e.Name(), ":")
		sizes[base] = info.Size()
		return err
	}))
	pairs := 0
	for _, twin := range twins {
		for pair, err := range ledger.Pairs(t.Context(), twin.Name) {
			w.must(err)
			if pairs++; pair.Stored != sizes[string(pair.Near)] {
				t.Errorf("%s, message %s: on record are %d octets, its file %s has %d", twin.Name, pair.Far, pair.Stored, pair.Near, sizes[string(pair.Near)])
			}
		}
	}
	if pairs < 60 {
		t.Errorf("%d pairs", pairs)
	}
}

// Beside syncs that bring mail all the time, and a mail program that renames files, verify finds nothing that is not so.
func TestVerifyBesideSync(t *testing.T) {
	w := verifyTwin(t, 50)
	stop, done := make(chan bool), make(chan error)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			_, err := w.account.Append("INBOX", smallMail(n))
			if err == nil && n%2 == 0 {
				if o := w.try(); o.code != 0 {
					err = fmt.Errorf("sync: %v", o)
				}
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for range size(3, 60) {
		for _, f := range w.verifyAny() {
			if f.Counts {
				t.Errorf("found %+v", f)
			}
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// verifyAny is verify that may also say that it should be run again later.
func (w *twin) verifyAny() []finding {
	w.Helper()
	_, wait := w.start(context.Background(), "verify", "--json")
	o := wait()
	if o.code != 0 && o.code != exitTemporary && o.code != exitProblems {
		w.Fatalf("%v", o)
	}
	var found []finding
	for line := range strings.Lines(o.stdout) {
		var f finding
		w.must(json.Unmarshal([]byte(line), &f))
		if f.Event == "difference" {
			found = append(found, f)
		}
	}
	return found
}
