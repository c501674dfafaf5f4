package maildir

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// ids implements mailbox.Known.
type ids map[mailbox.ID]bool

func (k ids) Len() int                  { return len(k) }
func (k ids) Has(id mailbox.ID) bool    { return k[id] }
func (k ids) All() iter.Seq[mailbox.ID] { return maps.Keys(k) }
func known(list ...mailbox.ID) (k ids) {
	k = ids{}
	for _, id := range list {
		k[id] = true
	}
	return k
}

// world is a Maildir tree with INBOX in a directory of its own.
type world struct {
	*Tree
	t    *testing.T
	root string
}

func newWorld(t *testing.T) *world { return newTapped(t, nil) }

func newTapped(t *testing.T, tap tap) *world { return newLaidOut(t, Nested, tap) }

func newLaidOut(t *testing.T, layout Layout, tap tap) *world {
	t.Helper()
	root := filepath.Join(t.TempDir(), "Mail")
	tree, err := open(Options{Root: root, Source: "me@example.org", Create: true, Layout: layout}, tap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{tree, t, root}
	w.make("INBOX")
	return w
}

func (w *world) make(names ...mailbox.Name) {
	w.t.Helper()
	for _, name := range names {
		if err := w.Create(w.t.Context(), name); err != nil {
			w.t.Fatal(err)
		}
	}
}

// put writes a file as a mail program does.
func (w *world) put(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.root, path), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rename(from, to string) {
	w.t.Helper()
	if err := os.Rename(filepath.Join(w.root, from), filepath.Join(w.root, to)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(path string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.root, path)); err != nil {
		w.t.Fatal(err)
	}
}

// date sets the time of modification of a file or directory.
func (w *world) date(path string, at time.Time) {
	w.t.Helper()
	if err := os.Chtimes(filepath.Join(w.root, path), at, at); err != nil {
		w.t.Fatal(err)
	}
}

// files lists the tree below a directory, in order.
func (w *world) files(below string) []string {
	w.t.Helper()
	var found []string
	root := filepath.Join(w.root, below)
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			path, err = filepath.Rel(root, path)
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func (w *world) scan(name mailbox.Name, k mailbox.Known) *mailbox.Scan {
	w.t.Helper()
	s, err := w.Scan(w.t.Context(), mailbox.ScanRequest{Name: name, Known: k, Generation: "7"})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// deliver stores messages as a download does. Each is written as an ID, flags and text: "5 \Seen|text".
func (w *world) deliver(name mailbox.Name, messages ...string) []mailbox.Stored {
	w.t.Helper()
	stored, err := w.tryDeliver(name, messages...)
	if err != nil {
		w.t.Fatal(err)
	}
	return stored
}

func (w *world) tryDeliver(name mailbox.Name, messages ...string) ([]mailbox.Stored, error) {
	b, err := w.Append(w.t.Context(), name)
	if err != nil {
		return nil, err
	}
	for _, text := range messages {
		head, body, _ := strings.Cut(text, "|")
		words := strings.Fields(head)
		m := mailbox.Message{ID: mailbox.ID(words[0]), Generation: "7", InternalDate: time.Unix(1_000_000_000, 0)}
		for _, word := range words[1:] {
			m.Flags = m.Flags.With(mailbox.Flag(word))
		}
		if err := b.Add(w.t.Context(), m, strings.NewReader(body)); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	stored, err := b.Flush(w.t.Context())
	return stored, errors.Join(err, b.Close())
}

func (w *world) fetch(name mailbox.Name, id mailbox.ID) string {
	w.t.Helper()
	var text string
	err := w.Fetch(w.t.Context(), name, []mailbox.ID{id}, func(_ mailbox.ID, r io.Reader) error {
		all, err := io.ReadAll(r)
		text = string(all)
		return err
	}, func(id mailbox.ID, err error) { w.t.Errorf("message %s: %v", id, err) })
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// show writes a scan in short: "a,S b -c": a with \Seen, b without flags, c gone.
func show(s *mailbox.Scan) string {
	var words []string
	for _, m := range s.Present {
		word := string(m.ID)
		if !m.Flags.Empty() {
			word += "," + m.Flags.Letters()
		}
		for _, k := range m.Flags.Keywords() {
			word += "+" + string(k)
		}
		words = append(words, word)
	}
	slices.Sort(s.Gone)
	for _, id := range s.Gone {
		words = append(words, "-"+string(id))
	}
	for _, id := range slices.Sorted(maps.Keys(s.Unread)) {
		words = append(words, fmt.Sprintf("!%s", id))
	}
	return strings.Join(words, " ")
}

func wantScan(t *testing.T, s *mailbox.Scan, want string) {
	t.Helper()
	if got := show(s); got != want {
		t.Errorf("the scan shows %q, want %q", got, want)
	}
}

func TestDownloadAndBack(t *testing.T) {
	w := newWorld(t)
	stored := w.deliver("INBOX", "5|A: b\r\n\r\nnew\r\n", `6 \Seen $Forwarded|A: b`+"\r\n\r\nread\r\n", `7 \Flagged|A`, "8 \\Seen work|B")
	for i, path := range []string{
		"new/1000000000." + tag("me@example.org", "INBOX", "7") + "_5_" + stored[0].Content.Digest.String()[:16] + ".mailtwin",
		"cur/" + string(stored[1].ID) + ":2,PS", "cur/" + string(stored[2].ID) + ":2,F", "cur/" + string(stored[3].ID) + ":2,Sa",
	} {
		info, err := os.Stat(filepath.Join(w.root, "INBOX", path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 || info.ModTime().Unix() != 1_000_000_000 {
			t.Errorf("message %d has mode %v and date %v", i, info.Mode(), info.ModTime())
		}
	}
	if got, _ := os.ReadFile(filepath.Join(w.root, "INBOX/new", string(stored[0].ID))); string(got) != "A: b\n\nnew\n" {
		t.Errorf("stored as %q", got)
	}
	if got := w.fetch("INBOX", stored[0].ID); got != "A: b\r\n\r\nnew\r\n" {
		t.Errorf("goes out as %q", got)
	}
	if got := w.files("INBOX/tmp"); len(got) != 0 {
		t.Errorf("tmp holds %q", got)
	}
	s := w.scan("INBOX", known())
	if len(s.Present) != 4 || !s.Full || !s.Settled {
		t.Fatalf("the scan shows %s", show(s))
	}
	for i, m := range s.Present {
		if m.Origin != stored[i].Source || m.Content != stored[i].Content || !m.InternalDate.Equal(time.Unix(1_000_000_000, 0)) {
			t.Errorf("message %d comes back as %+v", i, m)
		}
	}
}

func TestScan(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX/cur/a:2,S", "a")
	w.put("INBOX/cur/b:2,", "b")
	w.put("INBOX/new/c", "c")
	w.put("INBOX/new/d:2,F", "d")
	w.put("INBOX/cur/.hidden", "x")
	w.put("INBOX/cur/e:1,x", "e")
	w.put("INBOX/cur/:2,S", "nameless")
	wantScan(t, w.scan("INBOX", known()), "a,S b c d,F e !:2,S")
	w.rename("INBOX/cur/a:2,S", "INBOX/cur/a:2,RS")
	w.rename("INBOX/new/c", "INBOX/cur/c:2,")
	w.remove("INBOX/cur/b:2,")
	s := w.scan("INBOX", known("a", "b", "c", "d", "e"))
	wantScan(t, s, "a,RS c d,F e -b !:2,S")
	if !s.Settled || s.Generation != "" {
		t.Errorf("settled %v, generation %q", s.Settled, s.Generation)
	}
}
