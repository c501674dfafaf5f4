package main

import (
	"encoding/json"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// R30: whatever becomes of the state file, the next run transfers what is new and nothing else, loses and doubles
// nothing, and says so where it had to do without what it knew.
func TestR30StateDeletedOldOrDamaged(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.Bare} {
		t.Run(profile.Name, func(t *testing.T) {
			d := newDamage(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
			d.run("deleted", false, func([]byte) []byte { return nil })
			d.run("empty", true, func([]byte) []byte { return []byte{} })
			d.run("another file", true, func([]byte) []byte { return []byte(strings.Repeat("not a state\n", 9999)) })
			old := d.state()
			newChanges(d.twin, 13).both(size(50, 1000))
			d.sync()
			d.wantAgreement("after changes")
			d.run("from before changes", false, func([]byte) []byte { return old })
		})
	}
}

// R30: a state file that was cut short, at each of its pages.
func TestR30StateTruncated(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	d := newDamage(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password})
	pages := len(d.state()) / os.Getpagesize()
	step := max(1, pages/size(5, pages))
	for page := 1; page < pages; page += step {
		d.run("cut", false, func(whole []byte) []byte { return whole[:min(len(whole)-1, page*os.Getpagesize())] })
	}
	if d.told < pages/step/2 {
		t.Errorf("of %d cuts, the user was told of %d", pages/step, d.told)
	}
}

// R30: a state file in which octets are others than were written, at each of its pages.
func TestR30StateFlipped(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	d := newDamage(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password})
	rng := rand.New(rand.NewPCG(30, 1))
	pages := len(d.state()) / os.Getpagesize()
	step := max(1, pages/size(5, pages))
	for page := 0; page < pages; page += step {
		d.run("flipped", false, func(whole []byte) []byte {
			for range 1 + rng.IntN(8) {
				whole[min(len(whole)-1, page*os.Getpagesize()+rng.IntN(os.Getpagesize()))] ^= byte(1 + rng.IntN(255))
			}
			return whole
		})
	}
	t.Logf("%d of %d pages: the user was told %d times", pages/step, pages, d.told)
	// Pages that are free may be damaged unseen. All of them at once may not.
	d.run("flipped in every page", true, func(whole []byte) []byte {
		for at := 0; at < len(whole); at += os.Getpagesize() {
			whole[at] ^= 1
		}
		return whole
	})
}

// A damage is a twin whose state file is damaged again and again.
type damage struct {
	*changes
	told int // how often the user was told
}

func newDamage(t *testing.T, s server) *damage {
	t.Helper()
	d := &damage{changes: newChanges(newTwin(t, s), 12)}
	d.small(8000)
	for _, name := range []string{"Work", "Work/2024", "R&D"} {
		d.must(d.account.Create(name))
	}
	for i := range size(150, 2000) {
		d.add(d.far(), []string{"INBOX", "Work", "Work/2024", "R&D"}[i%4])
	}
	d.sync()
	d.wantAgreement("after the first sync")
	return d
}

// small bounds the size of messages to come, so that they are quickly read.
func (c *changes) small(octets int) {
	next, stop := iter.Pull(imaptest.Corpus(12, imaptest.CorpusOptions{MaxSize: octets}))
	c.Cleanup(stop)
	c.fresh = func() imaptest.Message {
		m, _ := next()
		return m
	}
}

func (d *damage) path() string { return filepath.Join(d.dir, "state.db") }

func (d *damage) state() []byte {
	d.Helper()
	content, err := os.ReadFile(d.path())
	d.must(err)
	return content
}

// run damages the state, puts something new on both sides, and syncs. change returns what becomes of the file, nil if
// it is gone. mustTell says that the damage is such that nobody could overlook it.
func (d *damage) run(what string, mustTell bool, change func(whole []byte) []byte) {
	d.Helper()
	if content := change(d.state()); content != nil {
		d.must(os.WriteFile(d.path(), content, 0o600))
	} else {
		d.must(os.Remove(d.path()))
	}
	far, near := d.views()
	far, near = split(far, 0), split(near, 1)
	for _, side := range []struct {
		editor
		view imaptest.View
	}{{d.far(), far}, {d.near(), near}} {
		d.add(side.editor, "R&D")
		d.must(side.flag(side.view.Copies[d.rng.IntN(len(side.view.Copies))], []string{`\Flagged`}, nil))
	}
	d.proxy.Reset()
	o := d.sync("--json")
	summary := totalOf(d, o)
	if stats := d.proxy.Stats(); summary.Downloaded != 1 || summary.Uploaded != 1 || stats.Commands["APPEND"] != 1 {
		d.Fatalf("%s: %d downloaded, %d uploaded: %v; %v", what, summary.Downloaded, summary.Uploaded, stats.Commands, o)
	}
	if strings.Contains(o.stdout, `"event":"warning"`) && strings.Contains(o.stdout, "the state file is damaged") {
		d.told++
		d.wantAside()
	} else if mustTell {
		d.Errorf("%s: the user was not told: %v", what, o)
	}
	d.wantAgreement(what)
	d.wantIdle(what + ", next run")
}

// totals are what a run with --json says of all that it did.
type totals struct{ Downloaded, Uploaded int }

func totalOf(t tester, o outcome) (sum totals) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &sum); err != nil {
		t.Fatalf("%v: %v", err, o)
	}
	return sum
}

// wantAside fails unless the damaged state was kept, and takes it away.
func (d *damage) wantAside() {
	d.Helper()
	aside, err := filepath.Glob(d.path() + ".damaged-*")
	d.must(err)
	if len(aside) == 0 {
		d.Errorf("the damaged state was not kept")
	}
	for _, path := range aside {
		d.must(os.Remove(path))
	}
}
