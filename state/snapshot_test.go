package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// A snapshot is whole, however fast the other process commits: each commit puts as much into one mailbox as into the
// other, and takes something out again, so that pages are used anew.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	db := fresh(t)
	for _, name := range []mailbox.Name{"a", "b"} {
		u := mailbox.Update{Mailbox: name}
		for n := range 10_000 {
			u.Put = append(u.Put, samplePair(1_000_000+n))
		}
		mustCommit(t, db, u)
	}
	stop, done := make(chan bool), make(chan error)
	go func() {
		for n := 1; ; n++ {
			update := func(name mailbox.Name) mailbox.Update {
				u := mailbox.Update{Mailbox: name, Put: []mailbox.Pair{samplePair(2 * n), samplePair(2*n + 1)}}
				if n > 1 {
					u.Drop = []mailbox.Pair{samplePair(2*n - 2)}
				}
				return u
			}
			if err := db.Commit(t.Context(), update("a"), update("b")); err != nil {
				done <- err
				return
			}
			rest := time.Duration(0) // after a burst, during which no snapshot can be taken
			if n%60 >= 50 {
				rest = 20 * time.Millisecond
			}
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(rest):
			}
		}
	}()
	seen, busy := 0, 0
	for seen < 10 && busy < 3 {
		s, err := OpenSnapshot(t.Context(), db.path)
		if errors.As(err, new(*LockedError)) {
			busy++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		a, b := pairs(t, s, "a"), pairs(t, s, "b")
		if !slices.Equal(a, b) {
			t.Errorf("snapshot %d: %d pairs in one, %d in the other", seen, len(a), len(b))
		}
		if s.Writer() != os.Getpid() {
			t.Errorf("snapshot of a ledger that %d has", s.Writer())
		}
		mustClose(t, s)
		seen++
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Error("no snapshot could be taken")
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if _, err := OpenSnapshot(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSnapshot(t.Context(), path); !errors.Is(err, ErrDamaged) {
		t.Errorf("zeros: %v", err)
	}
}
