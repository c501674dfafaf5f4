package main

import (
	"fmt"
	"testing"

	"mailtwin/imap/imaptest"
)

// R20: changes of flags are pushed with a command for each distinct change, as far as a line is long enough for the UIDs.
// The run after that has nothing to do.
func TestFlagCommands(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password})
	w.sync()
	n := size(1000, 10_000)
	for i := range n {
		_, err := w.tree.Deliver("INBOX", mailOf(i, 300))
		w.must(err)
	}
	w.sync()
	near, err := w.tree.Read("INBOX")
	w.must(err)
	changes := [][]string{{`\Seen`}, {`\Flagged`}, {`\Seen`, `\Answered`}, {"work"}}
	for i, c := range near {
		_, err := w.tree.Flag(c, changes[i*7%11%4], nil)
		w.must(err)
	}
	w.proxy.Reset()
	w.sync()
	stats := w.proxy.Stats()
	total := 0
	for _, count := range stats.Commands {
		total += count
	}
	if stores := stats.Commands["UID STORE"]; stores > 20 || n <= 1000 && stores > 4 || total-stores > 20 {
		t.Errorf("%d changes took %v", n, stats.Commands)
	}
	w.wantIdle(fmt.Sprintf("after %d changes", n))
	far, near2 := w.views()
	if diff := imaptest.Diff(far, near2); len(diff) > 0 || len(far.Copies) != n {
		t.Errorf("%d messages, %d differences:\n%s", len(far.Copies), len(diff), head(diff))
	}
	t.Logf("%d changes took %v", n, stats.Commands)
}
