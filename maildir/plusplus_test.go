package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

func TestPlusPlusNames(t *testing.T) {
	for name, want := range map[mailbox.Name]string{
		"Work": ".Work", "Work/2024": ".Work.2024", "v1.0/x": ".v1%2E0.x", "INBOX/Work": ".INBOX.Work", "inbox/Work": ".INBOX.Work",
		"100%": ".100%25", ".hidden": ".%2Ehidden", "a/": ".a.%", "Größe & mehr": ".Größe & mehr",
	} {
		if got := plusCandidates(name)[0]; got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// Every name comes back from each of its spellings, and no two names share one.
func TestPlusPlusNamesAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.SampledFrom([]string{"a.b", "a", "b", ".", "..", "%2E"}))
		a := mailbox.MakeName(rapid.SliceOfN(level, 1, 4).Draw(t, "a")...)
		b := mailbox.MakeName(rapid.SliceOfN(level, 1, 4).Draw(t, "b")...)
		a, b = mailbox.MakeName(levels(a)...), mailbox.MakeName(levels(b)...)
		for i, entry := range plusCandidates(a) {
			if len(entry) > maxName || entry == "." || entry == ".." || strings.ContainsAny(entry, "/\x00") || entry[0] != '.' {
				t.Fatalf("%q is %q", a, entry)
			}
			if got := plusName(plusText(a, i)); got != a {
				t.Fatalf("%q is %q, which is %q", a, entry, got)
			}
			if a != b && slices.Contains(plusEntries(b), entry) {
				t.Fatalf("%q and %q are both %q", a, b, entry)
			}
		}
	})
}

func plusEntries(name mailbox.Name) []string {
	all := plusCandidates(name)
	return all[:]
}

func TestPlusPlus(t *testing.T) {
	w := newLaidOut(t, PlusPlus, nil)
	w.make("Work/2024", "Work", "Archive")
	w.wantList("Archive INBOX Work Work/2024")
	for _, path := range []string{"cur", "new", "tmp", ".Work/cur", ".Work.2024/cur", ".Archive/" + folderFile} {
		if _, err := os.Stat(filepath.Join(w.root, path)); err != nil {
			t.Error(err)
		}
	}
	inbox := w.deliver("INBOX", "1|here")[0].ID
	id := w.deliver("Work/2024", "2 \\Seen|there")[0].ID
	if w.fetch("INBOX", inbox) != "here" || w.fetch("Work/2024", id) != "there" {
		t.Error("they hold other messages")
	}
	long := mailbox.Name("New/" + strings.Repeat("x", 300))
	for _, tt := range []struct{ from, to, want string }{
		{"Work", "Job", "Archive INBOX Job Job/2024"},
		{"Job", "Archive", "error"},
		{"None", "C", "error"},
		{"Job", string(long), "Archive INBOX " + string(long) + " " + string(long) + "/2024"},
		{string(long), "..", ".. ../2024 Archive INBOX"},
		{"..", "Work", "Archive INBOX Work Work/2024"},
	} {
		err := w.Rename(t.Context(), mailbox.Name(tt.from), mailbox.Name(tt.to))
		if (err != nil) != (tt.want == "error") {
			t.Fatalf("%q becomes %q: %v", tt.from, tt.to, err)
		}
		if err == nil {
			w.wantList(tt.want)
			if got := w.fetch(mailbox.Name(tt.to+"/2024"), id); got != "there" {
				t.Errorf("%q holds %q", tt.to, got)
			}
		}
	}
	if err := w.Delete(t.Context(), "Work/2024"); !errors.Is(err, mailbox.ErrNotEmpty) {
		t.Errorf("a mailbox with mail is removed: %v", err)
	}
	for _, name := range []mailbox.Name{"Archive", "Archive", "Work"} {
		if err := w.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if err := w.Delete(t.Context(), "INBOX"); err == nil {
		t.Error("the root is removed")
	}
	w.wantList("INBOX Work/2024")
	w.wantVanished("Archive", true)
	w.wantVanished("Work/2024", false)
	w.wantVanished("INBOX", false)
	w.remove(".Work.2024/cur")
	if gone, err := w.Vanished(t.Context(), "Work/2024"); gone || !errors.Is(err, mailbox.ErrHalf) {
		t.Errorf("half of it vanished: %v, %v", gone, err)
	}
	w.remove("cur")
	if gone, err := w.Vanished(t.Context(), "INBOX"); gone || !errors.Is(err, mailbox.ErrHalf) {
		t.Errorf("half of INBOX vanished: %v, %v", gone, err)
	}
}

// R24: as in the nested layout, and directories of other programs hide none.
func TestR24PlusPlus(t *testing.T) {
	w := newLaidOut(t, PlusPlus, func(op, path string) error {
		if op == "mkdir" && filepath.Base(path) == ".foo" {
			return syscall.EEXIST
		}
		return nil
	})
	w.make("Foo", "foo")
	w.deliver("Foo", "1|large")
	id := w.deliver("foo", "1|small")[0].ID
	w.wantList("Foo INBOX foo")
	if got := w.fetch("foo", id); got != "small" {
		t.Errorf("foo holds %q", got)
	}
	for _, path := range []string{".Gr&APY-.x", ".INBOX", ".100%", ".100%25", ".."} {
		for _, part := range parts {
			if err := os.MkdirAll(filepath.Join(w.root, path, part), 0o700); err != nil && path != ".." {
				t.Fatal(err)
			}
		}
	}
	w.wantList(".100% .INBOX 100% Foo Gr&APY-/x INBOX foo")
}

func TestOtherLayout(t *testing.T) {
	for _, layout := range []Layout{Nested, PlusPlus} {
		for path, other := range map[string]Layout{
			"cur": PlusPlus, ".Work/cur": PlusPlus, "INBOX/cur": Nested, "Work/cur": Nested, "Work/2024/cur": "", ".git/x": "", "": "",
		} {
			w := newLaidOut(t, layout, nil)
			w.remove("")
			if err := os.MkdirAll(filepath.Join(w.root, path), 0o700); err != nil {
				t.Fatal(err)
			}
			tree, err := Open(Options{Root: w.root, Layout: layout})
			if err != nil {
				t.Fatal(err)
			}
			is, err := tree.OtherLayout()
			if want := other != "" && other != layout; err != nil || is != want {
				t.Errorf("%s with %q: %v, %v, want %v", layout, path, is, err, want)
			}
			if err := tree.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
