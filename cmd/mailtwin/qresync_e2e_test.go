package main

import (
	"regexp"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// tracedLine finds what was sent, in a trace.
var tracedLine = regexp.MustCompile(`(?m)^\d+ C: (.*)$`)

// After 1,000 of 1,200 messages were expunged, here and there, the server is sent no list of UIDs, and not one octet more than
// if one had been expunged. Without QRESYNC one SEARCH asks what is there.
func TestResyncAfterExpunges(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.NoQResync} {
		w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
		w.sync()
		const n, kept = 1200, 200
		for i := range n {
			_, err := w.tree.Deliver("INBOX", mailOf(i, 500))
			w.must(err)
		}
		w.sync()
		var doomed []uint32
		for uid := uint32(1); uid <= n; uid++ {
			if uid <= 1100 && uid%11 != 5 {
				doomed = append(doomed, uid)
			}
		}
		w.must(w.account.Expunge("INBOX", doomed...))
		w.proxy.Reset()
		o := w.sync("--allow-delete", "test")
		stats := w.proxy.Stats()
		searches, longest := 0, ""
		for _, m := range tracedLine.FindAllStringSubmatch(o.trace, -1) {
			searches += strings.Count(m[1], " SEARCH ")
			if len(m[1]) > len(longest) {
				longest = m[1]
			}
		}
		want := map[bool]int{true: 1}[profile.Lacks("QRESYNC")]
		if searches != want || len(longest) > 200 || stats.ToServer > 1200 {
			t.Errorf("%s: %d SEARCH, want %d; %d octets were sent in %v; the longest line is %q", profile.Name, searches, want, stats.ToServer, stats.Commands, longest)
		}
		if far, near := w.views(); len(far.Copies) != kept || len(imaptest.Diff(far, near)) > 0 {
			t.Errorf("%s: %d messages are left, and %v", profile.Name, len(far.Copies), imaptest.Diff(far, near))
		}
		w.wantIdle(profile.Name)
		t.Logf("%s: %d octets up, %d down, %v", profile.Name, stats.ToServer, stats.ToClient, stats.Commands)
	}
}
