package maildir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// list writes what is listed in short: "A B/" with a slash for what holds only others, "!" for what cannot be scanned.
func (w *world) list() string {
	w.t.Helper()
	infos, err := w.Mailboxes(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var words []string
	for _, info := range infos {
		word := string(info.Name)
		if info.NoSelect {
			word += "/"
		} else if _, err := w.Scan(w.t.Context(), mailbox.ScanRequest{Name: info.Name}); err != nil {
			word += "!"
		}
		if info.Messages != -1 || info.Identity == "" {
			w.t.Errorf("%q has the info %+v", info.Name, info)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (w *world) wantList(want string) {
	w.t.Helper()
	if got := w.list(); got != want {
		w.t.Errorf("listed are %q, want %q", got, want)
	}
}

func (w *world) wantVanished(name mailbox.Name, want bool) {
	w.t.Helper()
	if got, err := w.Vanished(w.t.Context(), name); got != want || err != nil {
		w.t.Errorf("%q vanished: %v, %v", name, got, err)
	}
}

func TestMailboxes(t *testing.T) {
	w := newWorld(t)
	w.make("Work/2024", "Work/2025", "Archive", "Archive")
	w.wantList("Archive INBOX Work/ Work/2024 Work/2025")
	w.make("Work", "inbox/below")
	w.wantList("Archive INBOX INBOX/below Work Work/2024 Work/2025")
	w.wantVanished("Work", false)
	w.wantVanished("Gone", true)
	w.wantVanished("Gone/below", true)
	w.wantVanished("Work/2026", true)
}

// What is left of a mailbox never looks like an empty mailbox, and never as if it had been removed.
func TestDamagedMailboxes(t *testing.T) {
	for _, tt := range []struct{ name, damage, want string }{
		{"new is gone", "new", "Box! INBOX"},
		{"cur is gone", "cur", "Box! INBOX"},
		{"both are gone", "cur new", "INBOX"},
		{"all are gone", "cur new tmp", "INBOX"},
		{"tmp is gone", "tmp", "Box INBOX"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.make("Box")
			w.deliver("Box", "1|a", "2 \\Seen|b")
			for part := range strings.FieldsSeq(tt.damage) {
				w.remove("Box/" + part)
			}
			w.wantList(tt.want)
			if tt.damage == "tmp" {
				w.wantVanished("Box", false)
				return
			}
			if gone, err := w.Vanished(t.Context(), "Box"); gone || !errors.Is(err, mailbox.ErrHalf) {
				t.Errorf("vanished: %v, %v", gone, err)
			}
			if _, err := w.Scan(t.Context(), mailbox.ScanRequest{Name: "Box", Known: known("a")}); err == nil {
				t.Error("it can be scanned")
			}
			if missing, err := w.Missing(t.Context(), "Box", []mailbox.ID{"a"}); err == nil || missing != nil {
				t.Errorf("missing is %v", missing)
			}
		})
	}
	w := newWorld(t)
	w.make("Box")
	w.remove("Box/cur")
	w.put("Box/cur", "a file")
	w.wantList("Box! INBOX")
	w.remove("Box")
	w.put("Box", "a file")
	w.wantList("INBOX")
	w.wantVanished("Box", false)
}

// A directory that is replaced while it is read is no empty directory.
func TestReplacedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX/cur/a:2,", "a")
	b, err := w.open("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	w.remove("INBOX/cur")
	if err := os.Mkdir(filepath.Join(w.root, "INBOX/cur"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.seek(t.Context(), []string{"a"}); !errors.Is(err, errReplaced) {
		t.Errorf("it reads with %v", err)
	}
}

func TestRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), "above", "Mail")
	if _, err := Open(Options{Root: root}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing root: %v", err)
	}
	tree, err := Open(Options{Root: root, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close() //nolint:errcheck // only read
	if infos, err := tree.Mailboxes(t.Context()); err != nil || len(infos) != 0 {
		t.Errorf("an empty root lists %v, %v", infos, err)
	}
	if err := os.Rename(root, root+"2"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // gone, then another in its place
		if infos, err := tree.Mailboxes(t.Context()); err == nil {
			t.Errorf("a root that is gone lists %v", infos)
		}
		if gone, err := tree.Vanished(t.Context(), "INBOX"); err == nil || gone {
			t.Errorf("below a root that is gone, INBOX vanished: %v, %v", gone, err)
		}
		if err := os.MkdirAll(root, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRename(t *testing.T) {
	w := newWorld(t)
	w.make("A/below", "A", "Full")
	if err := os.Mkdir(filepath.Join(w.root, "B"), 0o700); err != nil { // what is left of a mailbox that was removed
		t.Fatal(err)
	}
	id := w.deliver("A", "1|a")[0].ID
	long := mailbox.Name("New/" + strings.Repeat("x", 300))
	for _, tt := range []struct{ from, to, want string }{
		{"A", "A/below", "error"},
		{"A", "B", "B B/below Full INBOX"},
		{"B", "Full", "error"},
		{"B", "B/below/in", "error"},
		{"None", "C", "error"},
		{"B", "New/Deep/C", "Full INBOX New/ New/Deep/ New/Deep/C New/Deep/C/below"},
		{"New/Deep/C", string(long), "Full INBOX New/ " + string(long) + " " + string(long) + "/below"},
		{string(long), "D", "D D/below Full INBOX"},
		{"D", "..", ".. ../below Full INBOX"},
	} {
		before := w.list()
		err := w.Rename(t.Context(), mailbox.Name(tt.from), mailbox.Name(tt.to))
		if tt.want == "error" {
			if err == nil {
				t.Errorf("%q becomes %q", tt.from, tt.to)
			}
			w.wantList(before)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		w.wantList(tt.want)
		if got := w.fetch(mailbox.Name(tt.to), id); got != "a" {
			t.Errorf("%q holds %q", tt.to, got)
		}
	}
}

func TestDelete(t *testing.T) {
	w := newWorld(t)
	long := mailbox.Name(strings.Repeat("x", 300))
	w.make("A/below", "A", "B", long)
	empty := func(name mailbox.Name) {
		t.Helper()
		s := w.scan(name, known())
		for _, m := range s.Present {
			if gone, _, err := w.Remove(t.Context(), name, doomed(m.ID)); err != nil || len(gone) != 1 {
				t.Fatal(gone, err)
			}
		}
	}
	for _, name := range []mailbox.Name{"A", "B", long} {
		for _, message := range []string{"1|new", "2 \\Seen work|cur"} {
			w.deliver(name, message)
			if err := w.Delete(t.Context(), name); !errors.Is(err, mailbox.ErrNotEmpty) {
				t.Errorf("%.10q with a message: %v", name, err)
			}
			empty(name)
		}
		w.put(w.dirOf(name)+"/tmp/other", "another program's")
		if err := w.Delete(t.Context(), name); !errors.Is(err, mailbox.ErrNotEmpty) {
			t.Errorf("%.10q with a message on its way: %v", name, err)
		}
		w.remove(w.dirOf(name) + "/tmp/other")
		w.put(w.dirOf(name)+"/tmp/mailtwin_0", "left behind")
		if err := w.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	w.wantList("A/ A/below INBOX")
	w.wantVanished("B", true)
	w.wantVanished("A", true) // only the mailbox below keeps its directory
	if got := w.files(""); len(got) != 0 {
		t.Errorf("left are %q", got)
	}
	if err := w.Delete(t.Context(), "None"); err != nil {
		t.Error(err)
	}
	w.make("A")
	w.wantList("A A/below INBOX")
}

func (w *world) dirOf(name mailbox.Name) string {
	w.t.Helper()
	path, err := w.resolve(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return filepath.Join(path...)
}

// A run that dies while it makes or removes a mailbox leaves no damaged one, and another run finishes the work.
func TestDeathInMailboxes(t *testing.T) {
	died := errors.New("died")
	long := mailbox.Name("Work/" + strings.Repeat("x", 300))
	for _, tt := range []struct {
		name        string
		prepare, do func(*world) error
		want        string
	}{
		{"create", func(*world) error { return nil }, func(w *world) error { return w.Create(w.t.Context(), long) }, "INBOX Work/ " + string(long)},
		{"delete", func(w *world) error { return w.Create(w.t.Context(), long) }, func(w *world) error { return w.Delete(w.t.Context(), long) }, "INBOX"},
	} {
		for step := 1; ; step++ {
			r := &recorder{failAt: step, err: died}
			w := newTapped(t, func(op, path string) error {
				err := r.tap(op, path)
				if err != nil {
					r.failAt = 1 // the dead do nothing
				}
				return err
			})
			if err := tt.prepare(w); err != nil {
				t.Fatal(err)
			}
			r.start(w.root)
			err := tt.do(w)
			r.on = false
			if err == nil {
				break
			}
			if strings.Contains(w.list(), "!") {
				t.Errorf("%s: dying at step %d leaves %s", tt.name, step, w.list())
			}
			if err := tt.do(w); err != nil {
				t.Errorf("%s: after dying at step %d: %v", tt.name, step, err)
			}
			if tt.name == "create" {
				w.wantList(tt.want)
			} else if w.list() != "INBOX" {
				t.Errorf("dying at step %d, then delete: %s", step, w.list())
			}
		}
	}
}

// R24: where a directory of another mailbox answers to the name, another spelling is used.
func TestR24(t *testing.T) {
	folds := func(op, path string) error {
		if op == "mkdir" && filepath.Base(path) == "foo" {
			return syscall.EEXIST
		}
		return nil
	}
	w := newTapped(t, folds)
	w.make("Foo", "foo")
	w.deliver("Foo", "1|large")
	id := w.deliver("foo", "1|small")[0].ID
	w.wantList("Foo INBOX foo")
	if got := w.fetch("foo", id); got != "small" || w.dirOf("foo") != "%66oo" {
		t.Errorf("in %s there is %q", w.dirOf("foo"), got)
	}
}

func TestCopyAndMove(t *testing.T) {
	w := newWorld(t)
	w.make("A", "B")
	a := w.deliver("A", `1 \Seen work|a`, "2|b", `3 \Flagged|c`)
	w.deliver("B", "9 \\Seen other|x") // there, the first letter means something else
	copies, err := w.Copy(t.Context(), "A", append(doomed(a[0].ID, a[1].ID), mailbox.Doomed{ID: "none"}), "B")
	if err != nil || len(copies) != 2 {
		t.Fatal(copies, err)
	}
	want := func(name mailbox.Name, id mailbox.ID, text, flags string) {
		t.Helper()
		for _, m := range w.scan(name, known()).Present {
			if m.ID == id {
				if got := w.fetch(name, id); got != text || m.Flags.String() != flags || m.Origin != "" && name == "B" {
					t.Errorf("%s in %q holds %q with %q", id, name, got, m.Flags)
				}
				return
			}
		}
		t.Errorf("%s is not in %q", id, name)
	}
	want("B", copies[a[0].ID], "a", `\Seen work`)
	want("B", copies[a[1].ID], "b", "")
	want("A", a[0].ID, "a", `\Seen work`)
	links := func(name string) uint64 {
		matches, err := filepath.Glob(filepath.Join(w.root, name))
		if err != nil || len(matches) != 1 {
			t.Fatal(matches, err)
		}
		var st syscall.Stat_t
		if err := syscall.Stat(matches[0], &st); err != nil {
			t.Fatal(err)
		}
		return uint64(st.Nlink) //nolint:unconvert // narrower on some systems
	}
	if links("A/cur/"+string(a[0].ID)+"*") != 2 {
		t.Error("the copy is no link")
	}
	w.put("B/cur/"+string(a[2].ID)+":2,", "in the way")
	done, err := w.Move(t.Context(), "A", doomed(a[0].ID, a[2].ID, "none"), "B")
	moved := done.To
	if err != nil || len(moved) != 2 {
		t.Fatal(moved, err)
	}
	if moved[a[0].ID] != a[0].ID || moved[a[2].ID] == a[2].ID {
		t.Errorf("moved to %v", moved)
	}
	want("B", moved[a[0].ID], "a", `\Seen work`)
	want("B", moved[a[2].ID], "c", `\Flagged`)
	want("B", a[2].ID, "in the way", "")
	if got := w.scan("A", known()).Present; len(got) != 1 {
		t.Errorf("left is %v", got)
	}
	if _, err := w.Copy(t.Context(), "A", doomed(a[1].ID), "None"); !errors.Is(err, mailbox.ErrNoMailbox) {
		t.Errorf("to a mailbox that is not there: %v", err)
	}
}

// A move that died between link and unlink is finished, not done twice.
func TestHalfMove(t *testing.T) {
	w := newWorld(t)
	w.make("A", "B")
	id := w.deliver("A", "1 \\Seen|a")[0].ID
	file := "cur/" + string(id) + ":2,S"
	if err := os.Link(filepath.Join(w.root, "A", file), filepath.Join(w.root, "B", file)); err != nil {
		t.Fatal(err)
	}
	moved, err := w.Move(t.Context(), "A", doomed(id), "B")
	if err != nil || moved.To[id] != id || len(w.files("A/cur"))+len(w.files("B/cur")) != 1 {
		t.Errorf("moved to %v, %v: %q, %q", moved, err, w.files("A"), w.files("B"))
	}
}

func TestSetFlags(t *testing.T) {
	for _, tt := range []struct{ file, add, take, want string }{
		{"cur/a:2,", `\Seen`, "", "cur/a:2,S"},
		{"cur/a:2,FS", `\Answered`, `\Flagged`, "cur/a:2,RS"},
		{"cur/a:2,S", "", `\Seen`, "cur/a:2,"},
		{"cur/a", `\Draft`, "", "cur/a:2,D"},
		{"cur/a:2,QS", `\Deleted`, "", "cur/a:2,QST"},
		{"cur/a:1,x", `\Seen`, "", "cur/a:2,S"},
		{"new/a", `\Seen`, "", "cur/a:2,S"},
		{"new/a", `\Flagged`, "", "cur/a:2,F"},
		{"new/a", "", `\Seen`, "new/a"},
		{"new/a:2,S", `\Flagged`, "", "cur/a:2,FS"},
	} {
		w := newWorld(t)
		w.put("INBOX/"+tt.file, "a")
		w.flag("a", tt.add, tt.take)
		w.flag("none", tt.add, tt.take)
		if got := strings.Join(w.files("INBOX"), " "); got != tt.want {
			t.Errorf("%s +%s -%s becomes %s, want %s", tt.file, tt.add, tt.take, got, tt.want)
		}
	}
}

func TestRemove(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX/cur/a:2,S", "a")
	w.put("INBOX/new/b", "b")
	w.put("INBOX/cur/c:2,", "c")
	gone, kept, err := w.Remove(t.Context(), "INBOX", doomed("a", "b", "none"))
	if err != nil || len(gone) != 3 || len(kept) != 0 {
		t.Errorf("gone are %v, kept %v, %v", gone, kept, err)
	}
	wantScan(t, w.scan("INBOX", known("c")), "c")
}

// Two files of one base name become two messages, of which one is new.
func TestSameBase(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX/cur/a:2,S", "one")
	w.put("INBOX/new/a", "other")
	w.put("INBOX/cur/b:2,", "b")
	if err := os.Link(filepath.Join(w.root, "INBOX/cur/b:2,"), filepath.Join(w.root, "INBOX/cur/b:2,S")); err != nil {
		t.Fatal(err)
	}
	s := w.scan("INBOX", known("a", "b"))
	if len(s.Present) != 3 || s.Cursor.Mark != "" || len(s.Gone) > 0 {
		t.Fatalf("the scan shows %s", show(s))
	}
	for _, m := range s.Present {
		if m.ID != "a" && m.ID != "b" && w.fetch("INBOX", m.ID) != "other" {
			t.Errorf("%s holds %q", m.ID, w.fetch("INBOX", m.ID))
		}
	}
	if got := w.fetch("INBOX", "a"); got != "one" {
		t.Errorf("a holds %q", got)
	}
	again := w.scan("INBOX", known("a", "b"))
	if show(again) != show(s) {
		t.Errorf("then it shows %s, before %s", show(again), show(s))
	}
	if gone, _, err := w.Remove(t.Context(), "INBOX", doomed("b")); err != nil || len(gone) != 1 {
		t.Errorf("removed %v, %v", gone, err)
	}
}

// What programs that died left in tmp is cleared away, and what is young stays.
func TestClean(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX/tmp/old", "x")
	w.put("INBOX/tmp/young", "x")
	w.date("INBOX/tmp/old", time.Now().Add(-40*time.Hour))
	w.deliver("INBOX", "1|a")
	if got := w.files("INBOX/tmp"); len(got) != 1 || got[0] != "young" {
		t.Errorf("tmp holds %q", got)
	}
}

// A batch that is closed without Flush, or whose source fails, leaves nothing.
func TestBatchDropped(t *testing.T) {
	w := newWorld(t)
	b, err := w.Append(t.Context(), "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add(t.Context(), mailbox.Message{ID: "1"}, strings.NewReader("a")); err != nil {
		t.Fatal(err)
	}
	cut := errors.New("cut")
	if err := b.Add(t.Context(), mailbox.Message{ID: "2"}, &failing{strings.NewReader("b"), cut}); !errors.Is(err, cut) {
		t.Errorf("a source that fails: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if got := w.files("INBOX"); len(got) > 0 {
		t.Errorf("left are %q", got)
	}
	if _, err := w.Append(t.Context(), "None"); !errors.Is(err, mailbox.ErrNoMailbox) {
		t.Errorf("a mailbox that is not there: %v", err)
	}
}

type failing struct {
	*strings.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.Len() == 0 {
		return 0, f.err
	}
	return f.Reader.Read(p)
}
