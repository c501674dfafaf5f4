package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// TestKilled kills the program at random moments, while it downloads, uploads, stores flags, moves and removes. What
// comes after must be as if it had been left alone.
func TestKilled(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	kills := size(10, 200)
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.Bare} {
		t.Run(profile.Name, func(t *testing.T) {
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
			m := newMortal(w, 5)
			calm := m.calm() // a whole run, to know how long one takes and of how many commands it is
			killed, runs := 0, 0
			for killed < kills/2 {
				m.some()
				for range 3 {
					runs++
					if m.kill(calm) {
						killed++
					}
				}
				m.mustRecover()
			}
			t.Logf("%d runs, %d of them killed; a calm one took %v and %d commands", runs, killed, calm.took, calm.commands())
		})
	}
}

// TestCut cuts the connections after random numbers of octets in both directions.
func TestCut(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	cuts := size(8, 200)
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.Bare} {
		t.Run(profile.Name, func(t *testing.T) {
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
			m := newMortal(w, 6)
			calm := m.calm()
			done, runs := 0, 0
			for done < cuts/2 {
				m.some()
				for range 3 {
					runs++
					done += m.cut(calm)
				}
				m.mustRecover()
			}
			t.Logf("%d connections cut in %d runs; a calm one sent %d octets and got %d", done, runs, calm.stats.ToServer, calm.stats.ToClient)
		})
	}
}

// TestLostAnswers lets the server do what it was told, and cuts the line in place of its answer.
func TestLostAnswers(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.Bare} {
		t.Run(profile.Name, func(t *testing.T) {
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
			m := newMortal(w, 7)
			m.calm()
			for _, verb := range []string{"APPEND", "UID STORE", "UID EXPUNGE", "UID COPY", "UID MOVE", "CREATE", "SELECT", "UID FETCH", "LIST"} {
				m.some()
				m.lose(verb)
				m.mustRecover()
			}
		})
	}
}

// A mortal is a twin to whose runs bad things happen.
type mortal struct {
	*changes
	round int
}

func newMortal(w *twin, seed uint64) *mortal {
	m := &mortal{changes: newChanges(w, seed)}
	for _, name := range []string{"Work", "Work/2024", "R&D"} {
		w.must(w.account.Create(name))
	}
	for range 60 {
		m.add(w.far(), []string{"INBOX", "Work", "Work/2024", "R&D"}[m.rng.IntN(4)])
	}
	return m
}

// some makes enough changes on both sides for a run to have something of everything to do.
func (m *mortal) some() {
	m.Helper()
	m.both(30)
	for range 5 {
		m.add(m.far(), "INBOX")
		m.add(m.near(), "Work")
	}
	m.round++
	m.must(m.tree.Create(fmt.Sprintf("Made here/%d", m.round)))
	_, near := m.views()
	for _, c := range near.Copies {
		// What was changed above is left alone: its other side may have something else in mind.
		if c.Mailbox == "R&D" && c.Flags == "" && c.Sum[0]%2 == 1 {
			m.must(m.tree.Remove(c))
			m.expected[c.Sum]--
			break
		}
	}
}

// A calmRun tells what a run is like when nothing happens to it.
type calmRun struct {
	took  time.Duration
	stats imaptest.Stats
}

func (r calmRun) commands() int {
	n := 0
	for _, count := range r.stats.Commands {
		n += count
	}
	return n
}

func (m *mortal) calm() calmRun {
	m.Helper()
	m.sync()
	m.wantAgreement("after the first run")
	m.some()
	m.proxy.Reset()
	o := m.sync()
	m.wantAgreement("after a calm run")
	return calmRun{took: o.took, stats: m.proxy.Stats()}
}

// kill starts a run and kills it, at a random command or a random moment. It returns false if the run ended first.
func (m *mortal) kill(calm calmRun) bool {
	m.Helper()
	at := int64(-1)
	if m.rng.IntN(2) == 0 {
		at = 1 + m.rng.Int64N(int64(calm.commands()))
	}
	reached := make(chan struct{}, 1)
	var commands atomic.Int64
	m.proxy.Set(imaptest.ProxyOptions{Profile: m.profile, Lose: func(string) bool {
		if commands.Add(1) == at {
			reached <- struct{}{}
		}
		return false
	}})
	defer m.proxy.Set(imaptest.ProxyOptions{Profile: m.profile})
	cmd, wait := m.start(context.Background(), "sync")
	ended := make(chan outcome, 1)
	go func() { ended <- wait() }()
	var late <-chan time.Time
	if at < 0 {
		late = time.After(rand.N(calm.took))
	}
	select {
	case <-reached:
	case <-late:
	case o := <-ended:
		if o.code != 0 {
			m.Fatalf("a run that was to be killed: %v", o)
		}
		return false
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.Fatalf("%v", err)
	}
	o := <-ended
	return o.code < 0
}

// cut runs with connections that are cut after random numbers of octets, and returns how many were.
func (m *mortal) cut(calm calmRun) int {
	m.Helper()
	before := m.proxy.Stats().Cuts
	toServer, toClient := calm.stats.ToServer, calm.stats.ToClient
	seed := m.rng.Uint64()
	m.proxy.Set(imaptest.ProxyOptions{Profile: m.profile, Cut: func(n int) imaptest.Cut {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		switch rng.IntN(3) {
		case 0:
			return imaptest.Cut{ToServer: 1 + rng.Int64N(toServer)}
		case 1:
			return imaptest.Cut{ToClient: 1 + rng.Int64N(toClient)}
		}
		// Early, where the commands are short and many.
		return imaptest.Cut{ToServer: 1 + rng.Int64N(1000), ToClient: 1 + rng.Int64N(20_000)}
	}})
	defer m.proxy.Set(imaptest.ProxyOptions{Profile: m.profile})
	o := m.try()
	if o.code != 0 && o.code != 4 {
		m.Fatalf("cut connections: %v", o)
	}
	return m.proxy.Stats().Cuts - before
}

// lose runs with the first answer to a verb lost.
func (m *mortal) lose(verb string) {
	m.Helper()
	var once atomic.Bool
	m.proxy.Set(imaptest.ProxyOptions{Profile: m.profile, Lose: func(v string) bool { return v == verb && once.CompareAndSwap(false, true) }})
	defer m.proxy.Set(imaptest.ProxyOptions{Profile: m.profile})
	if o := m.try(); o.code != 0 && o.code != 4 {
		m.Fatalf("an answer to %s was lost: %v", verb, o)
	}
	m.Logf("%s: %s", verb, map[bool]string{true: "lost once", false: "not used"}[once.Load()])
}

// mustRecover runs undisturbed, and checks that nothing was lost or doubled.
func (m *mortal) mustRecover() {
	m.Helper()
	m.sync()
	m.wantAgreement("after an undisturbed run")
	m.wantIdle("a second undisturbed run")
}
