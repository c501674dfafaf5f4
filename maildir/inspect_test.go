package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// inspect writes what Inspect tells in short: "a,S#3" is a message with \Seen in 3 octets, "!b" is none.
func (w *world) inspect(name mailbox.Name) (string, func(mailbox.Flag) bool) {
	w.t.Helper()
	var words []string
	scan, err := w.Inspect(w.t.Context(), name, func(m mailbox.Message) {
		word := string(m.ID)
		if !m.Flags.Empty() {
			word += "," + m.Flags.Letters()
		}
		for _, k := range m.Flags.Keywords() {
			word += "+" + string(k)
		}
		words = append(words, fmt.Sprintf("%s#%d", word, m.Content.Stored))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for id := range scan.Unread {
		words = append(words, "!"+string(id))
	}
	slices.Sort(words)
	return strings.Join(words, " "), scan.Holds
}

// Inspect tells of every message and of what is none, and changes nothing.
func TestInspect(t *testing.T) {
	w := newWorld(t)
	for path, text := range map[string]string{
		"cur/a:2,Sa": "a", "cur/b:2,": "bb", "new/c": "", "cur/.hidden": "x", "cur/:2,S": "nameless",
		"cur/twice:2,": "1", "cur/twice:2,S": "22", keywordsFile: "0 later\n",
	} {
		w.put("INBOX/"+path, text)
	}
	for _, link := range []string{"b:2,F", "b:2,R"} {
		if err := os.Link(filepath.Join(w.root, "INBOX/cur/b:2,"), filepath.Join(w.root, "INBOX/cur", link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("b:2,", filepath.Join(w.root, "INBOX/cur/link:2,")); err != nil {
		t.Fatal(err)
	}
	before := w.files("INBOX")
	got, holds := w.inspect("INBOX")
	if want := "!:2,S !link !twice:2,S a,S+later#1 b#2 c#0 twice#1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !holds("later") || !holds("another") || !holds(mailbox.Seen) {
		t.Error("it says that it cannot hold what it can")
	}
	if after := w.files("INBOX"); !slices.Equal(before, after) {
		t.Errorf("there is %q, was %q", after, before)
	}
}

// A message is mended under the name that it has, with the date that it had; what was there is in the attic.
func TestMend(t *testing.T) {
	w, attic, id := atticWorld(t)
	at := time.Unix(1_000_000_000, 0)
	content, err := w.Mend(t.Context(), "Work/2024", id, mailbox.Message{InternalDate: at}, strings.NewReader("Subject: x\r\n\r\nbye\r\n"))
	if err != nil || content.Size != 19 || content.Stored != 16 {
		t.Fatalf("%+v, %v", content, err)
	}
	path := filepath.Join(w.root, "Work/2024/cur/1.a:2,Sa")
	info, err := os.Stat(path)
	if err != nil || !info.ModTime().Equal(at) || info.Mode() != fileMode {
		t.Errorf("%v, %v", info, err)
	}
	if text, _ := os.ReadFile(path); string(text) != "Subject: x\n\nbye\n" {
		t.Errorf("it has %q", text)
	}
	shelved, _ := filepath.Glob(filepath.Join(attic, "*/.replaced/Work/2024/cur/1.a:2,Sa"))
	if len(shelved) != 1 {
		t.Fatalf("the attic has %q", shelved)
	}
	if text, _ := os.ReadFile(shelved[0]); string(text) != "Subject: x\n\nhello\n" {
		t.Errorf("the attic has %q", text)
	}
	if left := w.files("Work/2024/tmp"); len(left) > 0 {
		t.Errorf("tmp holds %q", left)
	}
}

// What cannot be mended is left as it is, with nothing beside it.
func TestMendNot(t *testing.T) {
	for name, tt := range map[string]struct {
		id   mailbox.ID
		body string
	}{
		"it is not there":            {"2.b", "x\r\n"},
		"it would be read otherwise": {"1.a", "only\nLF\n"},
		"two have its name":          {"twice", "x\r\n"},
	} {
		w, _, _ := atticWorld(t)
		w.put("Work/2024/cur/twice:2,", "1")
		w.put("Work/2024/cur/twice:2,S", "2")
		before := w.files("Work/2024")
		if _, err := w.Mend(t.Context(), "Work/2024", tt.id, mailbox.Message{}, strings.NewReader(tt.body)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if after := w.files("Work/2024"); !slices.Equal(before, after) {
			t.Errorf("%s: there is %q, was %q", name, after, before)
		}
		if text, _ := os.ReadFile(filepath.Join(w.root, "Work/2024/cur/1.a:2,Sa")); string(text) != "Subject: x\n\nhello\n" {
			t.Errorf("%s: it has %q", name, text)
		}
	}
}

// R27: whatever goes wrong at whatever step, the file has all of what it had or all of what it is to have, and it is one.
func TestR27Mend(t *testing.T) {
	for step := 1; ; step++ {
		r := &recorder{failAt: step, err: os.ErrPermission}
		w := newTapped(t, r.tap)
		w.attic = filepath.Join(t.TempDir(), "attic")
		w.put("INBOX/cur/a:2,S", "old\n")
		r.start(w.root)
		_, err := w.Mend(t.Context(), "INBOX", "a", mailbox.Message{InternalDate: time.Unix(1_000_000_000, 0)}, strings.NewReader("new\r\n"))
		text, _ := os.ReadFile(filepath.Join(w.root, "INBOX/cur/a:2,S"))
		files, _ := filepath.Glob(filepath.Join(w.root, "INBOX/[cn]*/*"))
		if s := string(text); s != "old\n" && s != "new\n" || err == nil && s != "new\n" || len(files) != 1 {
			t.Errorf("step %d: %q in %q, %v", step, text, files, err)
		}
		if kept, _ := filepath.Glob(filepath.Join(w.attic, "*/.replaced/INBOX/cur/a:2,S")); string(text) == "new\n" && len(kept) != 1 {
			t.Errorf("step %d: it is not in the attic", step)
		}
		if r.failAt > 0 { // there are no more steps
			if err != nil || step < 9 {
				t.Errorf("%d steps: %q, %v", step, r.steps, err)
			}
			return
		}
	}
}
