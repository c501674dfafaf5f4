package main

import (
	"context"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// What a server still does after a restore was killed is not uploaded by the next one, which waits for it.
func TestRestoreKilledLate(t *testing.T) {
	e := dovecotEnd(t)
	proxy := imaptest.NewProxy(t, e.addr, imaptest.ProxyOptions{})
	w := backedUp(t, e, proxy.Addr, 60)
	before := e.content(t, same)
	empty(t, e)
	w.killedLate(proxy, "restore", "work")
	again, said := w.process(t.Context(), "restore", "-v", "work")
	if err := again.Run(); err != nil || !strings.Contains(said.String(), "may still be at work") {
		t.Fatalf("%v\n%s", err, said)
	}
	wantSame(t, "restored", before, e.content(t, same))
	third, said := w.process(t.Context(), "restore", "-v", "work")
	if err := third.Run(); err != nil || strings.Contains(said.String(), "may still be at work") {
		t.Errorf("a restore that follows one that ended: %v\n%s", err, said)
	}
}

// TestRestoreKilled kills restores at random moments, to an ordinary server and to Gmail. What the last one leaves is what a
// single one would have: everything once.
func TestRestoreKilled(t *testing.T) {
	n := size(100, 3000)
	t.Run("Dovecot", func(t *testing.T) {
		e := dovecotEnd(t)
		w := backedUp(t, e, e.addr, n)
		before := e.content(t, same)
		empty(t, e)
		w.restoresKilled()
		wantSame(t, "after all kills", before, e.content(t, same))
	})
	t.Run("Gmail", func(t *testing.T) {
		old, fresh := filledGmail(t, n), gmailEnd(t)
		old.want(exitDone, "", "", "backup", "work")
		w := newWorld(t, fresh.addr, fresh.user, fresh.password)
		w.set("maildir", old.maildir())
		w.restoresKilled()
		but := func(all map[string]int) map[string]int {
			maps.DeleteFunc(all, func(line string, _ int) bool { return strings.HasPrefix(line, "[Gmail]/Important ") })
			return all
		}
		wantSame(t, "after all kills", but((&end{gmail: old.g}).content(t, same)), but(fresh.content(t, same)))
	})
}

// restoresKilled kills restores at random moments, and lets the last one come to its end.
func (w *world) restoresKilled() {
	w.Helper()
	rng := rand.New(rand.NewPCG(5, uint64(len(w.Name()))))
	began := time.Now()
	if cmd, out := w.process(w.Context(), "restore", "-n", "work"); cmd.Run() != nil {
		w.Fatalf("%s", out)
	}
	limit := 4 * time.Since(began) // in which it may or may not come to its end
	w.late = time.Duration(size(100, 2000)) * time.Millisecond
	killed, after := 0, time.Duration(0)
	for range size(10, 50) {
		ctx, cancel := context.WithTimeout(w.Context(), after+time.Duration(rng.Int64N(int64(limit))))
		cmd, out := w.process(ctx, "restore", "work")
		err := cmd.Run()
		dead := ctx.Err() != nil
		cancel()
		if after = 0; dead {
			killed++
			after = w.late
		} else if err != nil {
			w.Fatalf("%v\n%s", err, out)
		}
	}
	cmd, out := w.process(w.Context(), "restore", "work")
	if err := cmd.Run(); err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	w.Logf("killed %d times\n%s", killed, out)
}

// backedUp fills an account with n messages and a few that are awkward, and makes a backup of it.
func backedUp(t *testing.T, e *end, addr string, n int) *world {
	t.Helper()
	fillOld(t, e, n)
	w := newWorld(t, addr, e.user, e.password)
	w.want(exitDone, "", "", "backup", "work")
	return w
}

// empty removes all messages of an account.
func empty(t *testing.T, e *end) {
	t.Helper()
	boxes, err := e.account.Mailboxes()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range boxes {
		copies, err := e.account.Messages(name)
		if err != nil {
			t.Fatal(err)
		}
		uids := make([]uint32, len(copies))
		for i, c := range copies {
			uids[i] = c.UID
		}
		if len(uids) == 0 {
			continue
		}
		if err := e.account.Expunge(name, uids...); err != nil {
			t.Fatal(err)
		}
	}
}
