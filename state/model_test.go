package state

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

// A model is the ledger as maps would keep it.
type model map[mailbox.Name]*modelBox

type modelBox struct {
	pairs   map[mailbox.ID]mailbox.Pair // by far ID; without one by "near " and the near ID
	intents map[mailbox.ID]mailbox.Intent
	far     mailbox.Half
}

func modelKey(p mailbox.Pair) mailbox.ID {
	if p.Far == "" {
		return "near " + p.Near
	}
	return p.Far
}

func (m model) apply(u mailbox.Update) {
	if u.Reset || u.Forget {
		delete(m, u.Mailbox)
	}
	if u.Forget {
		return
	}
	box := m[u.Mailbox]
	if box == nil {
		box = &modelBox{pairs: map[mailbox.ID]mailbox.Pair{}, intents: map[mailbox.ID]mailbox.Intent{}}
	}
	for _, p := range u.Drop {
		delete(box.pairs, modelKey(p))
	}
	for _, p := range u.Put {
		box.pairs[modelKey(p)] = p
	}
	for _, i := range u.Begin {
		box.intents[i.Near] = i
	}
	for _, near := range u.End {
		delete(box.intents, near)
	}
	if u.Far != nil {
		box.far = *u.Far
	}
	delete(m, u.Mailbox)
	if u.Rename != "" {
		m[u.Rename] = box
	} else {
		m[u.Mailbox] = box
	}
}

// Whatever updates come, the ledger holds what maps would hold.
func TestLikeAMap(t *testing.T) {
	dir, tries := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		tries++
		path := filepath.Join(dir, fmt.Sprint(tries))
		db := reopen(t, nil, path)
		defer func() { _ = db.Close() }()
		m := model{}
		for range rapid.IntRange(1, 15).Draw(t, "updates") {
			u := drawUpdate(t)
			err := db.Commit(t.Context(), u)
			if known := m[u.Mailbox] != nil; u.Rename != "" && !known {
				if err == nil {
					t.Fatalf("renamed %s, which is not known", u.Mailbox)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			m.apply(u)
			if rapid.IntRange(0, 9).Draw(t, "reopen") == 0 {
				db = reopen(t, db, path)
			}
		}
		if err := db.Check(); err != nil {
			t.Fatal(err)
		}
		compare(t, db, m)
	})
}

func reopen(t *rapid.T, db *DB, path string) *DB {
	if db != nil {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func drawPair(t *rapid.T) mailbox.Pair {
	p := samplePair(rapid.IntRange(1, 12).Draw(t, "pair"))
	p.Hint = mailbox.Hint(rapid.IntRange(0, 3).Draw(t, "hint"))
	p.AccountID = rapid.SampledFrom([]string{"", "7", "18446744073709551615", "007", "M1"}).Draw(t, "account id")
	if p.Parked = mailbox.Parked(rapid.IntRange(0, 3).Draw(t, "parked")); p.Parked == mailbox.Left {
		p.Since = time.Unix(1700000000, 0).UTC()
	}
	switch rapid.IntRange(0, 3).Draw(t, "far") {
	case 0:
		p.Far = "x" + p.Far
	case 1:
		p.Far = ""
	case 2:
		p.FarDigest = p.Digest
	}
	return p
}

func drawUpdate(t *rapid.T) mailbox.Update {
	box := rapid.SampledFrom([]mailbox.Name{"INBOX", "Work", "Work/a"})
	u := mailbox.Update{Mailbox: box.Draw(t, "mailbox")}
	for range rapid.IntRange(0, 4).Draw(t, "puts") {
		u.Put = append(u.Put, drawPair(t))
	}
	for range rapid.IntRange(0, 2).Draw(t, "drops") {
		u.Drop = append(u.Drop, drawPair(t))
	}
	near := rapid.SampledFrom([]mailbox.ID{"a", "b", "c"})
	if rapid.Bool().Draw(t, "begin") {
		u.Begin = append(u.Begin, mailbox.Intent{Near: near.Draw(t, "near"), Size: 7})
	}
	if rapid.Bool().Draw(t, "end") {
		u.End = append(u.End, near.Draw(t, "near"))
	}
	if rapid.Bool().Draw(t, "cursor") {
		u.Far = &mailbox.Half{Identity: string(near.Draw(t, "identity"))}
	}
	switch rapid.IntRange(0, 12).Draw(t, "kind") {
	case 0:
		u.Reset = true
	case 1:
		u = mailbox.Update{Mailbox: u.Mailbox, Forget: true}
	case 2:
		u.Rename = box.Draw(t, "to")
	}
	return u
}

func compare(t *rapid.T, db *DB, m model) {
	ctx := t.Context()
	twins, err := db.Mailboxes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var names []mailbox.Name
	for _, twin := range twins {
		names = append(names, twin.Name)
	}
	if want := slices.Sorted(maps.Keys(m)); !slices.Equal(names, want) {
		t.Fatalf("mailboxes %v, want %v", names, want)
	}
	byHint := map[mailbox.Hint]int{}
	for _, twin := range twins {
		compareMailbox(t, db, twin, m[twin.Name])
		for _, p := range m[twin.Name].pairs {
			for _, hint := range p.Hints() {
				byHint[hint]++
			}
		}
	}
	hints := []mailbox.Hint{1, 2, 3, mailbox.AccountHint("7"), mailbox.AccountHint("007"), mailbox.AccountHint("M1")}
	for _, hint := range hints {
		n := 0
		for l, err := range db.ByHint(ctx, hint) {
			if err != nil {
				t.Fatal(err)
			}
			if m[l.Mailbox].pairs[modelKey(l.Pair)] != l.Pair {
				t.Fatalf("hint %d: %v in %s", hint, l.Pair, l.Mailbox)
			}
			n++
		}
		if n != byHint[hint] {
			t.Fatalf("hint %d: %d pairs, want %d", hint, n, byHint[hint])
		}
	}
}

func compareMailbox(t *rapid.T, db *DB, twin mailbox.Twin, want *modelBox) {
	got := map[mailbox.ID]mailbox.Pair{}
	open := 0
	for p, err := range db.Pairs(t.Context(), twin.Name) {
		if err != nil {
			t.Fatal(err)
		}
		got[modelKey(p)] = p
		if p.Parked == mailbox.Pending {
			open++
		}
	}
	if !maps.Equal(got, want.pairs) {
		t.Fatalf("%s: got %v, want %v", twin.Name, got, want.pairs)
	}
	if twin.Pairs != len(got) || twin.Open != open || twin.Far != want.far {
		t.Fatalf("%s: %+v, want %d pairs, %d open, far %v", twin.Name, twin, len(got), open, want.far)
	}
	list, err := db.Intents(t.Context(), twin.Name)
	if err != nil {
		t.Fatal(err)
	}
	intents := map[mailbox.ID]mailbox.Intent{}
	for _, i := range list {
		intents[i.Near] = i
	}
	if !maps.Equal(intents, want.intents) {
		t.Fatalf("%s: intents %v, want %v", twin.Name, intents, want.intents)
	}
}
