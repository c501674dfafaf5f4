package state

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mailtwin/mailbox"
)

// damagedFile returns the path and content of a ledger of some pages.
func damagedFile(t *testing.T) (dir string, content []byte) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, "x.db")
	db := mustOpen(t, path)
	u := mailbox.Update{Mailbox: "A", Begin: []mailbox.Intent{{Near: "a"}}}
	for n := range 300 {
		u.Put = append(u.Put, samplePair(n+1))
	}
	mustCommit(t, db, u)
	mustClose(t, db)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return dir, content
}

// M15: bbolt takes an empty file for fresh, and panics or faults on one that was cut.
func TestM15CutFileIsRefused(t *testing.T) {
	dir, whole := damagedFile(t)
	opened := 0
	for size := 0; size < len(whole); size += os.Getpagesize() {
		path := filepath.Join(dir, fmt.Sprint("cut", size))
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first one let go of the file
			db, err := Open(t.Context(), path, Options{})
			if err == nil { // only pages that nobody used are missing
				if n := len(pairs(t, db, "A")); n != 300 {
					t.Errorf("cut at %d: opened, with %d pairs", size, n)
				}
				mustClose(t, db)
				opened++
			} else if !errors.Is(err, ErrDamaged) {
				t.Errorf("cut at %d: %v", size, err)
			}
		}
		if db, err := OpenReadOnly(path); err == nil {
			mustClose(t, db)
		} else if !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at %d, to read: %v", size, err)
		}
	}
	if cuts := len(whole) / os.Getpagesize(); opened > cuts {
		t.Errorf("opened %d of 2 x %d", opened, cuts)
	}
}

// M15: bbolt panics on what makes no sense.
func TestM15FlippedOctetIsNoPanic(t *testing.T) {
	dir, whole := damagedFile(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		p := slices.Clone(whole)
		at := rng.IntN(len(p))
		if i%2 == 0 { // the heads of pages are where it hurts
			at = at / os.Getpagesize() * os.Getpagesize()
			at += rng.IntN(64)
		}
		p[at] ^= byte(1 + rng.IntN(255))
		path := filepath.Join(dir, fmt.Sprint("flip", i))
		if err := os.WriteFile(path, p, 0o600); err != nil {
			t.Fatal(err)
		}
		useAll(t, path, at)
	}
}

// useAll does with a damaged file whatever can be done. Errors are fine, if they are the right ones.
func useAll(t *testing.T, path string, at int) {
	t.Helper()
	ctx := t.Context()
	db, err := Open(ctx, path, Options{})
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			t.Errorf("flipped at %d: %v", at, err)
		}
		return
	}
	_, errTwins := db.Mailboxes(ctx)
	var errPairs error
	for _, err := range db.Pairs(ctx, "A") {
		errPairs = err
	}
	_, errIntents := db.Intents(ctx, "A")
	for _, err := range []error{errTwins, errPairs, errIntents} {
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("flipped at %d: %v", at, err)
		}
	}
	_ = db.Check()
	_ = db.Commit(ctx, mailbox.Update{Mailbox: "A", Reset: true}, mailbox.Update{Mailbox: "B", Put: []mailbox.Pair{samplePair(1)}})
	_ = db.Close()
}
