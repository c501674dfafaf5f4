package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"mailtwin/imap/imaptest"
)

// met is what the trace shows of a server's oddity, so that it is known that mailtwin met it.
var met = map[string]string{
	"cyrus":       `S: \* VANISHED \(EARLIER\) 1:3\r?\n`,
	"courier":     `S: \* 0 FETCH`,
	"stalwart":    `S: \* STATUS .*HIGHESTMODSEQ 10\d\d`,
	"exchange":    `S: \+ ?\r?\n`,
	"gmail":       `S: \* .* MODSEQ \(0\)`,
	"yahoo":       `S: .* NO \[UNAVAILABLE\] UID FETCH`,
	"icloud":      `S: \* ENABLED\r?\n(.*\n)*.*S: \* VANISHED \(EARLIER\) 1:\r?\n`,
	"zoho":        `S: .*HIGHESTMODSEQ -1`,
	"proton":      `C: .* STATUS`,
	"qq":          `C: .* UID FETCH \d+:\d+`,
	"smartermail": `S: .*UIDVALIDITY 0`,
	"domino":      `S: .*INTERNALDATE "00-Jan-0000`,
	"o2":          `S: \* 2 FETCH .*\n.*S: \* 1 FETCH`,
}

// TestServers is the suite on servers that are odd in the ways that people told of.
func TestServers(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range imaptest.Servers {
		t.Run(profile.Name, func(t *testing.T) {
			t.Parallel()
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
			c := newChanges(w, 93)
			c.small(5000)
			if profile.NoKeywords {
				c.plain()
			}
			w.must(w.account.Create("Work"))
			for i := range size(30, 1000) {
				c.add(c.far(), []string{"INBOX", "Work"}[i%2])
			}
			first := w.sync()
			w.wantAgreement("after the first sync")
			w.wantIdle("second sync")
			c.both(size(24, 300))
			second := w.sync("--allow-delete")
			w.wantAgreement("after changes")
			w.wantIdle("and then")
			w.must(os.Remove(filepath.Join(w.dir, "state.db")))
			w.sync()
			far, near := w.views()
			near = unmarked(near, near.Mailboxes) // what could only be marked on the server comes back
			if diff := imaptest.Diff(far, near); len(diff) > 0 {
				t.Errorf("after the state was lost: the sides differ:\n%s", head(diff))
			}
			w.wantExpected("after the state was lost", far)
			odd, known := met[profile.Name]
			if !known || !regexp.MustCompile(odd).MatchString(first.trace+second.trace) {
				t.Errorf("nothing odd was met: no %q in the trace", odd)
			}
		})
	}
}
