package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

func day(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }

func TestTroublesAreReplaced(t *testing.T) {
	db := fresh(t)
	want := []mailbox.Trouble{
		{Mailbox: "A", Reason: "SELECT refused", Since: day(1), Last: day(2), Tries: 2},
		{Mailbox: "A", ID: "7", Reason: "over quota", Since: day(1), Last: day(2), Tries: 3, Next: day(3)},
		{Mailbox: "odd\x00name", ID: "a.b", Reason: "\x1b[31m", Tries: 1, Temporary: true},
	}
	for _, list := range [][]mailbox.Trouble{{{Mailbox: "gone", ID: "1"}}, want} {
		if err := db.PutTroubles(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Troubles(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	if err := db.Check(); err != nil {
		t.Error(err)
	}
}

func TestTalliesAddUpForADay(t *testing.T) {
	db := fresh(t)
	for _, tally := range []mailbox.Tally{
		{Day: "2026-11-22", Removed: [2]int{100, 100}}, {Day: "2026-11-23", Removed: [2]int{2, 1}}, {Day: "2026-11-23", Removed: [2]int{3, 0}},
	} {
		if err := db.Commit(t.Context(), mailbox.Update{Mailbox: "A", Tally: &tally}); err != nil {
			t.Fatal(err)
		}
	}
	for day, want := range map[string][2]int{"2026-11-22": {}, "2026-11-23": {5, 1}, "2026-11-24": {}} {
		if got, err := db.Removed(t.Context(), day); err != nil || got.Removed != want {
			t.Errorf("%s: %v, %v, want %v", day, got.Removed, err, want)
		}
	}
	if err := db.Check(); err != nil {
		t.Error(err)
	}
}

// TestSchema1IsBroughtUpToDate opens a file as the first version made it: to look, and to write.
func TestSchema1IsBroughtUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := db.ID()
	pair := samplePair(7)
	if err := db.Commit(t.Context(), mailbox.Update{Mailbox: "A", Put: []mailbox.Pair{pair}}); err != nil {
		t.Fatal(err)
	}
	err = db.bolt.Update(func(tx *bbolt.Tx) error {
		if err := errors.Join(tx.DeleteBucket(bucketJournal), tx.DeleteBucket(bucketChanges)); err != nil {
			return err
		}
		number := tx.Bucket(bucketNames).Get([]byte("A"))
		for _, bucket := range []*bbolt.Bucket{tx.Bucket(bucketTwins), tx.Bucket(bucketPairs).Bucket(number)} {
			key, value := bucket.Cursor().First()
			old := append([]byte{1}, value[1:len(value)-sumLength]...)
			if err := bucket.Put(bytes.Clone(key), old); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keySchema, binary.BigEndian.AppendUint32(nil, 1))
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	reader, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	if runs, err := reader.Runs(t.Context()); err != nil || len(runs) != 0 {
		t.Errorf("%v, %v", runs, err)
	}
	if changes := changesOf(t, reader, 1); len(changes) != 0 {
		t.Errorf("%v", changes)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(t.Context(), path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test
	if got := pairs(t, db, "A"); len(got) != 1 || got[0] != pair {
		t.Errorf("%+v, want %+v", got, pair)
	}
	db.BeginRun(mailbox.Outcome{Began: day(1)})
	removed := mailbox.Update{Mailbox: "A", Log: []mailbox.Change{{Kind: mailbox.MessageRemoved, Mailbox: "A", Pair: pair}}}
	if err := errors.Join(db.Commit(t.Context(), removed), db.PutRun(mailbox.Outcome{}, time.Time{})); err != nil || db.ID() != id {
		t.Errorf("id %s, was %s; %v", db.ID(), id, err)
	}
	if changes := changesOf(t, db, 1); len(changes) != 1 || changes[0].Pair != pair {
		t.Errorf("%+v", changes)
	}
	if err := db.Check(); err != nil {
		t.Error(err)
	}
}
