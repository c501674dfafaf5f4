package maildir

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailtwin/mailbox"
)

func digestOf(text string) mailbox.Digest { return sha256.Sum256([]byte(text)) }

// back puts messages back and returns what went wrong, by the ID that each was to have.
func (w *world) back(to mailbox.Name, messages ...mailbox.Return) (map[mailbox.ID]error, error) {
	w.t.Helper()
	wrong := map[mailbox.ID]error{}
	return wrong, w.Return(w.t.Context(), to, messages, func(id mailbox.ID, err error) { wrong[id] = err })
}

func (w *world) mustBack(to mailbox.Name, messages ...mailbox.Return) {
	w.t.Helper()
	if wrong, err := w.back(to, messages...); err != nil || len(wrong) > 0 {
		w.t.Fatalf("%v, %v", wrong, err)
	}
}

// shelved is where the attic has a message of a mailbox.
func (w *world) shelved(name mailbox.Name, id mailbox.ID, text string) mailbox.Source {
	w.t.Helper()
	wanted := []mailbox.Located{{Mailbox: name, Pair: mailbox.Pair{Near: id, Digest: digestOf(text)}}}
	found, err := w.Shelved(w.t.Context(), wanted)
	if err != nil {
		w.t.Fatal(err)
	}
	return found[mailbox.Place{Mailbox: name, ID: id}]
}

func (w *world) shelve(name mailbox.Name, ids ...mailbox.ID) {
	w.t.Helper()
	if gone, _, err := w.Remove(w.t.Context(), name, doomed(ids...)); err != nil || len(gone) != len(ids) {
		w.t.Fatalf("gone %v, %v", gone, err)
	}
}

// What was removed comes back from the attic with its name, flags, keywords and date, and twice is as good as once.
func TestReturnFromTheAttic(t *testing.T) {
	for _, layout := range []Layout{Nested, PlusPlus} {
		w := newLaidOut(t, layout, nil)
		w.attic = filepath.Join(t.TempDir(), "attic")
		w.make("Work/2024")
		text := "Subject: x\r\n\r\nhello\r\n"
		id := w.deliver("Work/2024", `7 \Seen work|`+text)[0].ID
		w.shelve("Work/2024", id)
		source := w.shelved("Work/2024", id, text)
		if source.Day != time.Now().Format(time.DateOnly) || source.ID != id {
			t.Fatalf("%+v", source)
		}
		r := mailbox.Return{From: source, Stay: true, As: id, Flags: mailbox.MakeFlags(mailbox.Flagged, "later", "work"), Digest: digestOf(text)}
		for range 2 {
			w.mustBack("Work/2024", r)
			if got := show(w.scan("Work/2024", nil)); got != string(id)+",F+later+work" {
				t.Errorf("%s: %s", layout, got)
			}
		}
		if got := w.fetch("Work/2024", id); got != text {
			t.Errorf("%s: %q", layout, got)
		}
		if m := w.scan("Work/2024", nil).Present[0]; !m.InternalDate.Equal(time.Unix(1_000_000_000, 0)) {
			t.Errorf("%s: %v", layout, m.InternalDate)
		}
	}
}

// A message is moved back, under the name and with the flags that it had.
func TestReturnFromAMailbox(t *testing.T) {
	w := newWorld(t)
	w.make("Trash")
	w.deliver("Trash", `1 \Seen|a`, "2|b")
	id := w.scan("Trash", nil).Present[0].ID
	if w.fetch("Trash", id) != "a" {
		id = w.scan("Trash", nil).Present[1].ID
	}
	r := mailbox.Return{From: mailbox.Source{Place: mailbox.Place{Mailbox: "Trash", ID: id}}, As: "old.name", Flags: mailbox.MakeFlags("work"), Digest: digestOf("a")}
	for range 2 {
		w.mustBack("INBOX", r)
		if got := show(w.scan("INBOX", nil)); got != "old.name,+work" {
			t.Errorf("INBOX: %s", got)
		}
		if got := w.scan("Trash", nil).Present; len(got) != 1 {
			t.Errorf("Trash: %v", got)
		}
	}
}

// A copy with another date is a file of its own; one with the same date costs no room.
func TestReturnOfACopy(t *testing.T) {
	w := newWorld(t)
	w.make("Work")
	id := w.deliver("INBOX", "1|a")[0].ID
	for name, date := range map[mailbox.ID]int64{"same": 1_000_000_000, "other": 1_000_000_001} {
		from := mailbox.Source{Place: mailbox.Place{Mailbox: "INBOX", ID: id}}
		w.mustBack("Work", mailbox.Return{From: from, Stay: true, As: name, Digest: digestOf("a"), InternalDate: time.Unix(date, 0)})
		one, err := os.Stat(filepath.Join(w.root, "INBOX/new", string(id)))
		if err != nil {
			t.Fatal(err)
		}
		two, err := os.Stat(filepath.Join(w.root, "Work/new", string(name)))
		if err != nil || two.ModTime().Unix() != date || os.SameFile(one, two) != (name == "same") {
			t.Errorf("%s: %v, %v", name, two, err)
		}
	}
}

// How its octets are to be read stays with a message, whatever name it gets; and what can be damaged is not put back.
func TestReturnChecksTheContent(t *testing.T) {
	w := newWorld(t)
	w.make("Trash")
	bare := "Subject: x\n\nonly LF\n"
	verbatim := w.deliver("Trash", "1|"+bare)[0].ID
	if !isVerbatim(string(verbatim)) {
		t.Fatal(verbatim)
	}
	from := func(id mailbox.ID) mailbox.Source {
		return mailbox.Source{Place: mailbox.Place{Mailbox: "Trash", ID: id}}
	}
	for range 2 {
		w.mustBack("INBOX", mailbox.Return{From: from(verbatim), As: "a.b", Digest: digestOf(bare)})
		if got := w.fetch("INBOX", "a.b"+verbatimSuffix); got != bare {
			t.Errorf("%q", got)
		}
	}
	w.put("Trash/cur/c.d:2,S", "x\n")
	w.put("INBOX/cur/taken:2,S", "another\n")
	for as, want := range map[mailbox.ID]error{"e.f": errOtherContent, "taken": errNameTaken} {
		wrong, err := w.back("INBOX", mailbox.Return{From: from("c.d"), As: as, Digest: digestOf("y\r\n")})
		if err != nil || !errors.Is(wrong[as], want) {
			t.Errorf("%s: %v, %v", as, wrong, err)
		}
	}
	if wrong, err := w.back("INBOX", mailbox.Return{From: from("no.where"), As: "g.h"}); err != nil || !errors.Is(wrong["g.h"], errNotThere) {
		t.Errorf("%v, %v", wrong, err)
	}
	if !slices.Contains(w.files("Trash/cur"), "c.d:2,S") || slices.ContainsFunc(w.files("INBOX"), func(f string) bool { return strings.Contains(f, "e.f") }) {
		t.Errorf("%q, %q", w.files("Trash"), w.files("INBOX"))
	}
}

// It dies at each of its effects: what is done again comes to the same, and no message is nowhere meanwhile.
func TestReturnDies(t *testing.T) {
	for step := 1; ; step++ {
		r := &recorder{failAt: step, only: "link move replace fsync date", err: syscall.EIO}
		w := newTapped(t, r.tap)
		w.make("Trash", "Work")
		a, b := w.deliver("Trash", "1|a")[0].ID, w.deliver("Work", "2|b")[0].ID
		all := []mailbox.Return{
			{From: mailbox.Source{Place: mailbox.Place{Mailbox: "Trash", ID: a}}, As: "was.a", Flags: mailbox.MakeFlags("work"), Digest: digestOf("a")},
			{From: mailbox.Source{Place: mailbox.Place{Mailbox: "Work", ID: b}}, Stay: true, As: "was.b", Flags: mailbox.MakeFlags(mailbox.Seen), Digest: digestOf("b"), InternalDate: time.Unix(1, 0)},
		}
		do := func() (err error) {
			for _, m := range all {
				wrong, failed := w.back("INBOX", m)
				err = errors.Join(err, failed, wrong[m.As])
			}
			return err
		}
		r.start(w.root)
		err := do()
		r.on = false
		if err == nil && step > 8 {
			break // no fault was met any more
		}
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("step %d: %v", step, err)
		}
		if n := len(w.scan("Trash", nil).Present) + len(w.scan("INBOX", nil).Present); n == 0 {
			t.Errorf("step %d: it is nowhere", step)
		}
		if err := do(); err != nil {
			t.Errorf("step %d: %v", step, err)
		}
		if got := show(w.scan("INBOX", nil)); got != "was.a,+work was.b,S" || len(w.scan("Trash", nil).Present) > 0 {
			t.Errorf("step %d: %s, Trash %s", step, got, show(w.scan("Trash", nil)))
		}
	}
}

// The attic finds a message that had to give its name there to another, and the last of several days.
func TestShelvedUnderAnotherName(t *testing.T) {
	w, attic, id := atticWorld(t)
	text := "Subject: x\r\n\r\nhello\r\n"
	day := filepath.Join(attic, time.Now().Format(time.DateOnly), "Work/2024/cur")
	old := filepath.Join(attic, "2020-01-01", "Work/2024/cur")
	for _, dir := range []string{day, old} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, string(id)+":2,Sa"), []byte("another"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.shelve("Work/2024", id)
	source := w.shelved("Work/2024", id, text)
	if source.ID == id || source.Day != time.Now().Format(time.DateOnly) {
		t.Fatalf("%+v", source)
	}
	w.mustBack("Work/2024", mailbox.Return{From: source, Stay: true, As: id, Digest: digestOf(text)})
	if got := w.fetch("Work/2024", id); got != text {
		t.Errorf("%q", got)
	}
	if none := w.shelved("Work", id, text); none != (mailbox.Source{}) {
		t.Errorf("%+v", none)
	}
}
