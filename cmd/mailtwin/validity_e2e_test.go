package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"mailtwin/imap/imaptest"
)

// A replacement puts another mailbox, with another UIDVALIDITY, in the place of one. It returns how many messages it put
// there that were not there before.
type replacement struct {
	name string
	do   func(v *validity) (fresh int, err error)
}

var replacements = []replacement{
	{"the same messages", func(v *validity) (int, error) { return 0, v.swap(func(to string) error { return v.copyAll(to) }) }},
	{"other messages", func(v *validity) (int, error) {
		return 40, v.swap(func(to string) error { return v.appendNew(to, 40) })
	}},
	{"one message", func(v *validity) (int, error) { return 1, v.swap(func(to string) error { return v.appendNew(to, 1) }) }},
	{"nothing", func(v *validity) (int, error) { return 0, v.swap(func(string) error { return nil }) }},
}

// R13: between two runs a mailbox was replaced. What is in both is recognised; what only one side has is transferred;
// nothing is removed.
func TestR13ReplacedBetweenRuns(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.Bare} {
		for _, r := range replacements {
			t.Run(profile.Name+", "+r.name, func(t *testing.T) {
				v := newValidity(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
				fresh, err := r.do(v)
				v.must(err)
				here, err := v.account.Messages("Work")
				v.must(err)
				v.proxy.Reset()
				o := v.sync("--json")
				sum := totalOf(v, o)
				if sum.Downloaded != fresh {
					t.Errorf("%d downloads, want %d", sum.Downloaded, fresh)
				}
				if want := v.size - (len(here) - fresh); sum.Uploaded != want {
					t.Errorf("%d uploads, want %d", sum.Uploaded, want)
				}
				v.wantAgreement(r.name)
				v.sync()
				v.wantIdle(r.name + ", later")
			})
		}
	}
}

// R13: during a run, before any of its commands, a mailbox is replaced in which there is much to do.
func TestR13ReplacedDuringARun(t *testing.T) {
	memory := imaptest.Memory(t)
	for i, r := range replacements {
		t.Run("memory, "+r.name, func(t *testing.T) {
			v := newValidity(t, server{addr: memory.Addr, user: memory.NewUser(), password: memory.Password, profile: noCondstore})
			v.some()
			v.replaceBefore(0, r) // never
			commands := v.seen
			step := max(1, commands/size(2, commands))
			for at := 1 + i%step; at <= commands; at += step {
				v.some()
				v.replaceBefore(at, r)
			}
		})
	}
}

// R13: during a run a mailbox is replaced before it is opened. (Dovecot 2.3.19 damages its own indexes when that happens
// to a mailbox that a session has open, and then doubles messages and loses flags by itself.)
func TestR13ReplacedBetweenListAndSelect(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for i, r := range replacements {
		profile := imaptest.Profiles[i%len(imaptest.Profiles)]
		t.Run(profile.Name+", "+r.name, func(t *testing.T) {
			v := newValidity(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
			for at, verb := 2, ""; verb != "SELECT"; at++ { // the first command is the login
				v.some()
				verb = v.replaceBefore(at, r)
			}
		})
	}
}

// A validity is a twin with a mailbox, Work, that is replaced again and again.
type validity struct {
	*changes
	size    int
	seen    int                 // commands of the last run
	flags   map[[32]byte]string // that a message of Work must have, where it was flagged
	removed map[[32]byte]bool   // on one side since the last agreement: may come back
}

func newValidity(t *testing.T, s server) *validity {
	t.Helper()
	v := &validity{changes: newChanges(newTwin(t, s), 13), size: 60, flags: map[[32]byte]string{}, removed: map[[32]byte]bool{}}
	v.small(8000)
	content, err := os.ReadFile(v.config)
	v.must(err)
	// One connection, so that a step in between is between all commands.
	v.must(os.WriteFile(v.config, append(content, "connections = 1\n"...), 0o600))
	v.must(v.account.Create("Work"))
	v.must(v.appendNew("Work", v.size))
	v.add(v.far(), "INBOX")
	v.sync()
	v.wantAgreement("after the first sync")
	return v
}

// swap replaces Work by what fill makes of an empty mailbox. What is lost on the server only is still expected, for the
// Maildir has it.
func (v *validity) swap(fill func(to string) error) error {
	for _, do := range []func() error{
		func() error { return v.account.Create("fresh") },
		func() error { return fill("fresh") },
		func() error { return v.account.Delete("Work") },
		func() error { return v.account.Rename("fresh", "Work") },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func (v *validity) copyAll(to string) error {
	copies, err := v.account.Messages("Work")
	var uids []uint32
	for _, c := range copies {
		if !strings.Contains(c.Flags, `\deleted`) { // what a server without UIDPLUS keeps would be new mail
			uids = append(uids, c.UID)
		}
	}
	if err != nil || len(uids) == 0 {
		return err
	}
	return v.account.Copy("Work", to, uids...)
}

// appendNew stores messages without flags.
func (v *validity) appendNew(to string, n int) error {
	for range n {
		m := v.fresh()
		m.Flags = nil
		if _, err := v.account.Append(to, m); err != nil {
			return err
		}
		v.expected[m.Sum()]++
		v.flags[m.Sum()] = ""
	}
	return nil
}

// some gives a run something of everything to do in Work.
func (v *validity) some() {
	v.Helper()
	arrived := map[[32]byte]bool{}
	for sum := range v.flags {
		arrived[sum] = true
	}
	v.must(v.appendNew("Work", 2))
	for sum := range v.flags {
		v.removed[sum] = v.removed[sum] || !arrived[sum] // if they are replaced before they were seen
	}
	v.add(v.near(), "Work")
	copies, err := v.tree.Read("Work")
	v.must(err)
	v.rng.Shuffle(len(copies), func(i, j int) { copies[i], copies[j] = copies[j], copies[i] })
	for i, c := range copies[:6] {
		switch {
		case i < 3 && c.Flags == "" && v.expected[c.Sum] == 1:
			_, err := v.tree.Flag(c, []string{`\Flagged`}, nil)
			v.must(err)
			v.flags[c.Sum] = `\flagged`
		case i >= 3:
			v.must(v.tree.Remove(c))
			v.removed[c.Sum] = true
		}
	}
}

// replaceBefore runs, lets the mailbox be replaced before the n-th command, whose verb it returns, and looks what came of
// it.
func (v *validity) replaceBefore(n int, r replacement) (verbAt string) {
	v.Helper()
	var mu sync.Mutex
	var stepped error
	v.seen = 0
	v.proxy.Set(imaptest.ProxyOptions{Profile: v.profile, Before: func(verb string) {
		mu.Lock()
		defer mu.Unlock()
		if v.seen++; v.seen == n {
			verbAt = verb
			_, stepped = r.do(v)
		}
	}})
	o := v.try("--json")
	v.proxy.Set(imaptest.ProxyOptions{Profile: v.profile})
	when := fmt.Sprintf("%s, before command %d, %s", r.name, n, verbAt)
	v.must(stepped)
	if o.code != 0 && o.code != 1 && o.code != 4 && o.code != 5 {
		v.Fatalf("%s: %v", when, o)
	}
	later := v.sync("--json")
	// What may travel: an arrival on this side, two on the other, and three removals that come back.
	one, two := totalOf(v, o), totalOf(v, later)
	if up, down := one.Uploaded+two.Uploaded, one.Downloaded+two.Downloaded; r.name == "the same messages" && (up > 1 || down > 5) {
		v.Errorf("%s: %d uploaded, %d downloaded", when, up, down)
	}
	v.settle(when)
	v.wantAgreement(when)
	v.wantIdle(when + ", later")
	return verbAt
}

// settle takes what was removed on one side for what came of it, for a mailbox that is replaced may bring it back. It
// fails if a message has flags that nobody gave it.
func (v *validity) settle(when string) {
	v.Helper()
	far, _ := v.views()
	count := far.Count()
	for sum := range v.removed {
		if n := count[sum]; n == 0 || n == v.expected[sum] {
			v.expected[sum] = n
		}
	}
	clear(v.removed)
	for _, c := range far.In("Work") {
		if want, known := v.flags[c.Sum]; known && want != c.Flags {
			v.Errorf("%s: message %d %x has the flags %q, want %q", when, c.UID, c.Sum[:4], c.Flags, want)
		}
	}
}
