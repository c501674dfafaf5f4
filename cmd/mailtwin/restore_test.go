package main

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"mailtwin/imap/imaptest"
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
