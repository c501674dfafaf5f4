package state

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

func mustOpen(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func mustClose(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestModes(t *testing.T) {
	db := fresh(t)
	for path, want := range map[string]fs.FileMode{db.path: 0o600, db.path + ".lock": 0o600, filepath.Dir(db.path): fs.ModeDir | 0o700} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	db := fresh(t)
	if p, err := os.ReadFile(db.path + ".lock"); err != nil || !strings.HasPrefix(string(p), "pid ") {
		t.Errorf("lock file: %q, %v", p, err)
	}
	var locked *LockedError
	_, err := Open(t.Context(), db.path, Options{})
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("got %v, want the PID of this process", err)
	}
	if _, err := OpenReadOnly(db.path); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("read only: got %v", err)
	}
}

// A hold keeps others out and makes no ledger; it is refused while there is one who writes.
func TestHold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "x.db")
	hold, err := TakeHold(path)
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, err := Open(t.Context(), path, Options{}); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("open while it is held: %v", err)
	}
	if _, err := TakeHold(path); !errors.As(err, &locked) {
		t.Errorf("held twice: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a ledger: %v", err)
	}
	if err := hold.Release(); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, path)
	if _, err := TakeHold(path); !errors.As(err, &locked) {
		t.Errorf("held while it is open: %v", err)
	}
	mustClose(t, db)
}

// One that only looks has no lock file, so that its PID cannot be told; it must not be taken for this process.
func TestReaderKeepsWriterOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if _, err := OpenReadOnly(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	mustClose(t, mustOpen(t, path))
	reader, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	_, err = Open(t.Context(), path, Options{Timeout: time.Millisecond})
	if !errors.As(err, &locked) || locked.PID != 0 {
		t.Errorf("got %v, want an unknown process", err)
	}
	mustClose(t, reader)
	mustClose(t, mustOpen(t, path))
	if pid := holder(path); pid != 0 {
		t.Errorf("still held by %d", pid)
	}
}

// R30: what a crash leaves at the creation is no ledger yet, and does not stop the next one.
func TestR30CrashAtCreation(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	mustClose(t, mustOpen(t, whole))
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for size := 0; size <= len(content); size += os.Getpagesize() {
		path := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(path+".new", content[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		db := mustOpen(t, path)
		if err := db.Check(); err != nil {
			t.Errorf("%d octets left: %v", size, err)
		}
		mustClose(t, db)
		if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d octets left: the other name is still there (%v)", size, err)
		}
	}
}

func TestNewerIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := mustOpen(t, path)
	if err := db.update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keySchema, []byte{0, 0, 0, schema + 1}) }); err != nil {
		t.Fatal(err)
	}
	mustClose(t, db)
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v", err)
	}
}

// What the system does not let us have is not damaged.
func TestUnreadableIsNotDamaged(t *testing.T) {
	if os.Getuid() == 0 {
		path := filepath.Join(t.TempDir(), "x.db")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path, Options{}); err == nil || errors.Is(err, ErrDamaged) {
			t.Errorf("a directory: %v", err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "x.db")
	mustClose(t, mustOpen(t, path))
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := mustOpen(t, path)
	want := map[string]string{"host": "h", "root": "/r"}
	if err := db.PutSettings(want); err != nil {
		t.Fatal(err)
	}
	id := db.ID()
	mustClose(t, db)
	db, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := db.Settings(); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if len(id) != 2*idLength || db.ID() != id {
		t.Errorf("id %q, then %q", id, db.ID())
	}
	mustClose(t, db)
}
