package main

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"mailtwin/imap/imaptest"
)

// uploading are servers that take messages in different ways.
var uploading = []imaptest.Profile{
	{Name: "literal+ and multiappend"},
	{Name: "literal+", Removed: []string{"MULTIAPPEND"}},
	{Name: "neither", Removed: []string{"MULTIAPPEND", "LITERAL+"}},
}

// newUploads is a twin that agrees, and n new messages of some 5 kB in its Maildir.
func newUploads(t *testing.T, dovecot *imaptest.Server, profile imaptest.Profile, n int) *twin {
	t.Helper()
	w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
	w.sync()
	for i := range n {
		m := mailOf(i, 5000)
		_, err := w.tree.Deliver("INBOX", m)
		w.must(err)
		w.expected[m.Sum()]++
	}
	w.proxy.Reset()
	return w
}

// What an upload costs beside the messages themselves does not grow with them, and each message goes over the wire once.
func TestUploadCommands(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range uploading {
		n := size(300, 5000)
		w := newUploads(t, dovecot, profile, n)
		w.sync()
		stats := w.proxy.Stats()
		others := -stats.Commands["APPEND"]
		for _, count := range stats.Commands {
			others += count
		}
		const perLoad, most = 8, 30 // 250 messages by 32; logins, two LISTs, and one look at what came
		appends := n
		if !profile.Lacks("MULTIAPPEND") {
			appends = (n/250 + 1) * perLoad
		}
		octets := int64(n)*5000 + int64(n)*100 + 20_000
		if stats.Commands["APPEND"] > appends || others > most || stats.ToServer > octets || len(stats.Refused) > 0 {
			t.Errorf("%s: %d messages took %v, and %d octets; want at most %d APPENDs, %d others and %d octets",
				profile.Name, n, stats.Commands, stats.ToServer, appends, most, octets)
		}
		w.wantAgreement(profile.Name)
		w.wantIdle(profile.Name)
	}
}

// R17: whatever is cut in the middle of a flight, or not answered any more, each message is there once in the end.
func TestUploadCut(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range uploading {
		rng := rand.New(rand.NewPCG(17, 17))
		for round := range size(1, 20) {
			n := size(120, 300)
			w := newUploads(t, dovecot, profile, n)
			cuts := 0
			for tries := 0; cuts < 3 && tries < 10; tries++ {
				var after atomic.Int64
				after.Store(1 + rng.Int64N(6))
				o := imaptest.ProxyOptions{Profile: profile, Lose: func(verb string) bool { return verb == "APPEND" && after.Add(-1) == 0 }}
				if at := 10_000 + rng.Int64N(200_000); rng.IntN(2) == 0 {
					o.Lose, o.Cut = nil, func(int) imaptest.Cut { return imaptest.Cut{ToServer: at} }
				}
				w.proxy.Set(o)
				if o := w.try(); o.code != 0 && o.code != exitTemporary {
					t.Fatalf("%s: %v", profile.Name, o)
				}
				cuts = w.proxy.Stats().Cuts
			}
			w.proxy.Set(imaptest.ProxyOptions{Profile: profile})
			w.proxy.Reset()
			w.sync()
			again := w.proxy.Stats().ToServer
			w.wantAgreement(fmt.Sprintf("%s, round %d", profile.Name, round))
			w.wantIdle(profile.Name)
			t.Logf("%s: %d cuts, then %d octets", profile.Name, cuts, again)
		}
	}
}
