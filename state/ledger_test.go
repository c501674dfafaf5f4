package state

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// fresh opens a new ledger that checks itself at the end of the test.
func fresh(t testing.TB) *DB {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "a", "b.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Check(); err != nil {
			t.Errorf("check: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func mustCommit(t testing.TB, db *DB, updates ...mailbox.Update) {
	t.Helper()
	if err := db.Commit(t.Context(), updates...); err != nil {
		t.Fatal(err)
	}
}

func pairs(t testing.TB, db *DB, name mailbox.Name) []mailbox.Pair {
	t.Helper()
	var list []mailbox.Pair
	for p, err := range db.Pairs(t.Context(), name) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func samplePair(n int) mailbox.Pair {
	p := mailbox.Pair{
		Far: mailbox.ID(fmt.Sprint(n)), Flags: mailbox.MakeFlags(mailbox.Seen, "work"), Size: int64(4000 + n), InternalDate: time.Unix(int64(1700000000+n), 0).UTC(),
	}
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	for i := range p.Digest {
		p.Digest[i] = byte(rng.Uint32())
	}
	p.Near = mailbox.ID(fmt.Sprintf("%d.0a1b2c3d_%d_%s.mailtwin", p.InternalDate.Unix(), n, p.Digest.String()[:16]))
	p.Hint = mailbox.MakeHint(p.Digest.String(), 0)
	return p
}

func TestPairsInNumericOrder(t *testing.T) {
	db := fresh(t)
	for _, n := range []int{10, 9, 4294967295, 1, 100000} {
		mustCommit(t, db, mailbox.Update{Mailbox: "A", Put: []mailbox.Pair{samplePair(n)}})
	}
	var got []mailbox.ID
	for _, p := range pairs(t, db, "A") {
		got = append(got, p.Far)
	}
	if want := []mailbox.ID{"1", "9", "10", "100000", "4294967295"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestConsumerMayCommitWhileIterating(t *testing.T) {
	db := fresh(t)
	u := mailbox.Update{Mailbox: "A"}
	for n := 1; n <= 3*page; n++ {
		u.Put = append(u.Put, samplePair(n))
	}
	mustCommit(t, db, u)
	seen := 0
	for p, err := range db.Pairs(t.Context(), "A") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen%300 == 0 {
			mustCommit(t, db, mailbox.Update{Mailbox: "A", Drop: []mailbox.Pair{p}})
		}
	}
	if seen != 3*page {
		t.Errorf("saw %d pairs, want %d", seen, 3*page)
	}
}

func TestTwinSurvives(t *testing.T) {
	db := fresh(t)
	want := mailbox.Twin{
		Name: "Ärger & Co", Far: mailbox.Half{Cursor: mailbox.Cursor{Mark: "1 2 3", Memo: "m"}, Identity: "v1"},
		Near: mailbox.Half{Identity: "5:6"}, Pairs: 2, Open: 1, Synced: time.Unix(1700000000, 0).UTC(),
	}
	pending := samplePair(2)
	pending.Near, pending.Parked = "", mailbox.Pending
	mustCommit(t, db, mailbox.Update{Mailbox: want.Name, Put: []mailbox.Pair{samplePair(1), pending}, Far: &want.Far, Near: &want.Near, Synced: want.Synced})
	got, err := db.Mailboxes(t.Context())
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestIntents(t *testing.T) {
	db := fresh(t)
	i := mailbox.Intent{Near: "key", Digest: mailbox.Digest{1}, MessageID: "<a@b>", Size: 5, Attempts: 2}
	mustCommit(t, db, mailbox.Update{Mailbox: "A", Begin: []mailbox.Intent{i}}, mailbox.Update{Mailbox: "B", Begin: []mailbox.Intent{{Near: "key"}}})
	got, err := db.Intents(t.Context(), "A")
	if err != nil || !slices.Equal(got, []mailbox.Intent{i}) {
		t.Errorf("got %v, %v", got, err)
	}
	mustCommit(t, db, mailbox.Update{Mailbox: "A", End: []mailbox.ID{"key"}})
	if got, err := db.Intents(t.Context(), "A"); err != nil || len(got) != 0 {
		t.Errorf("after the end: %v, %v", got, err)
	}
}
