package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// atticWorld is a tree with an attic and one message in Work/2024 that is read and has a keyword.
func atticWorld(t *testing.T) (w *world, attic string, id mailbox.ID) {
	t.Helper()
	w = newWorld(t)
	w.attic = filepath.Join(t.TempDir(), "work.attic")
	w.make("Work/2024")
	id = "1.a"
	for name, text := range map[string]string{"cur/1.a:2,Sa": "Subject: x\n\nhello\n", keywordsFile: "0 later\n"} {
		if err := os.WriteFile(filepath.Join(w.root, "Work/2024", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w, w.attic, id
}

func TestRemovedGoesToTheAttic(t *testing.T) {
	for name, occupied := range map[string]bool{"its name is free": false, "another has its name": true} {
		w, attic, id := atticWorld(t)
		if occupied {
			day := filepath.Join(attic, time.Now().Format(time.DateOnly), "Work/2024/cur")
			if err := os.MkdirAll(day, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(day, "1.a:2,Sa"), []byte("another"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		gone, _, err := w.Remove(t.Context(), "Work/2024", []mailbox.Doomed{{ID: id}})
		if err != nil || len(gone) != 1 {
			t.Fatalf("%s: gone %v, %v", name, gone, err)
		}
		files, err := filepath.Glob(filepath.Join(attic, "*", "Work", "2024", "cur", "*:2,Sa"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", name, files, err)
		}
		found := 0
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && string(text) == "Subject: x\n\nhello\n" {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s: %d times among %q", name, found, files)
		}
		if _, err := os.Stat(filepath.Join(attic, time.Now().Format(time.DateOnly), "Work/2024", keywordsFile)); err != nil {
			t.Error(err)
		}
		if n, octets, err := Attic(attic); err != nil || n != len(files) || octets < 18 {
			t.Errorf("%s: %d messages, %d octets, %v", name, n, octets, err)
		}
	}
}

// R31: where nothing can be linked, the message is copied.
func TestR31AtticCopies(t *testing.T) {
	for _, errno := range []error{unix.EXDEV, unix.EPERM, unix.EMLINK, unix.EOPNOTSUPP} {
		w, attic, _ := atticWorld(t)
		box, err := w.open("Work/2024")
		if err != nil {
			t.Fatal(err)
		}
		s, err := makeShelf(filepath.Join(attic, "2026-11-23", "Work"))
		if err != nil {
			t.Fatal(err)
		}
		s.cur.tap = func(op, _ string) error {
			if op == "link" {
				return errno
			}
			return nil
		}
		if err := s.keep(box.cur, makeEntry("1.a:2,Sa", false)); err != nil {
			t.Fatalf("%v: %v", errno, err)
		}
		if text, err := os.ReadFile(filepath.Join(s.path, "cur", "1.a:2,Sa")); err != nil || string(text) != "Subject: x\n\nhello\n" {
			t.Errorf("%v: %q, %v", errno, text, err)
		}
		box.close()
		if err := s.cur.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What cannot be put into the attic is not removed.
func TestAtticFirst(t *testing.T) {
	w, attic, id := atticWorld(t)
	if err := os.WriteFile(attic, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	if gone, _, err := w.Remove(t.Context(), "Work/2024", []mailbox.Doomed{{ID: id}}); err == nil || len(gone) > 0 {
		t.Errorf("gone %v, %v", gone, err)
	}
	if _, err := os.Stat(filepath.Join(w.root, "Work/2024/cur/1.a:2,Sa")); err != nil {
		t.Error(err)
	}
}

func TestAtticIsCleared(t *testing.T) {
	attic := t.TempDir()
	for _, name := range []string{"2026-10-01/INBOX/cur", "2026-11-01/INBOX/cur", "notes"} {
		if err := os.MkdirAll(filepath.Join(attic, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := ClearAttic(attic, time.Date(2026, 11, 1, 0, 0, 0, 0, time.Local)); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(attic)
	if err != nil || len(left) != 2 || left[0].Name() != "2026-11-01" || left[1].Name() != "notes" {
		t.Errorf("%v, %v", left, err)
	}
	if err := ClearAttic(filepath.Join(attic, "none"), time.Now()); err != nil {
		t.Error(err)
	}
}

func TestR25Marker(t *testing.T) {
	w := newWorld(t)
	for _, m := range []Marker{
		{}, {Ledger: "4f1a", Source: "me@example.org", Edition: 1}, {Ledger: "77aa", Edition: 1 << 63}, {Ledger: "4f1a", Source: "a b"},
	} {
		if m.Ledger != "" {
			if err := w.Mark(m); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := w.Marker(); err != nil || got != m {
			t.Errorf("%+v, %v, want %+v", got, err, m)
		}
	}
	entries, err := os.ReadDir(w.root)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	for text, want := range map[string]Marker{
		"": {}, "\n": {}, "4f1a": {Ledger: "4f1a"}, "4f1a\r\nme@x": {Ledger: "4f1a", Source: "me@x"},
		"4f1a\n\nmany\nmore": {Ledger: "4f1a"}, strings.Repeat("x", 9000): {Ledger: strings.Repeat("x", maxMarker)},
	} {
		if err := os.WriteFile(filepath.Join(w.root, markerFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := w.Marker(); err != nil || got != want {
			t.Errorf("%.20q: %+v, %v", text, got, err)
		}
	}
}
