package state

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

func sampleChange(n int) mailbox.Change {
	return mailbox.Change{
		Kind: mailbox.MessageRemoved, On: [2]bool{true, false}, Mailbox: "A", To: "Trash", Far: "9", Near: "x.y",
		Pair: samplePair(n), Flags: mailbox.MakeFlags(mailbox.Seen, "work"),
	}
}

func sampleOutcome() mailbox.Outcome {
	return mailbox.Outcome{
		Run: 1, Command: "undo 7", Began: day(1), Ended: day(2), Whole: true, Error: "e", Status: 1, Downloaded: 7, Uploaded: 8,
		Removed: [2]int{1, 2}, Left: 3, First: day(1), Times: 4, Changes: 5,
		Mailboxes: []mailbox.Counts{
			{Mailbox: "A", Downloaded: 7, DownloadedSize: 1 << 40, Flagged: [2]int{0, 3}, Removed: [2]int{1, 2}, Left: 9, NotChosen: 10, Created: [2]bool{true, false}},
			{Mailbox: "B", Renamed: "C", Uploaded: 8, Adopted: 1, Copied: [2]int{1, 2}, Moved: [2]int{3, 4}, Unlabelled: 5, Trashed: 6, Kept: 7, Marked: 8, Deleted: [2]bool{false, true}},
		},
	}
}

func changesOf(t testing.TB, db *DB, run uint64) []mailbox.Change {
	t.Helper()
	var changes []mailbox.Change
	for c, err := range db.Changes(t.Context(), run) {
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, c)
	}
	return changes
}

func runsOf(t testing.TB, db *DB) []mailbox.Outcome {
	t.Helper()
	runs, err := db.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Check(); err != nil {
		t.Error(err)
	}
	return runs
}

func putRun(t testing.TB, db *DB, run mailbox.Outcome) {
	t.Helper()
	if err := db.PutRun(run, time.Time{}); err != nil {
		t.Fatal(err)
	}
}

// log has a run put down so many changes, a thousand at once.
func log(t testing.TB, db *DB, n int) {
	t.Helper()
	if db.begun.Began.IsZero() {
		db.BeginRun(mailbox.Outcome{Began: day(1)})
	}
	for first := 0; first < n; first += 1000 {
		u := mailbox.Update{Mailbox: "A"}
		for i := first; i < min(n, first+1000); i++ {
			u.Log = append(u.Log, sampleChange(i+1))
		}
		mustCommit(t, db, u)
	}
}

func TestRunsAndTheirChangesComeBack(t *testing.T) {
	db := fresh(t)
	want := sampleOutcome()
	log(t, db, 2500) // of more than one page
	putRun(t, db, want)
	want.Changes = 2500 // the ledger knows better
	if runs := runsOf(t, db); len(runs) != 1 || !reflect.DeepEqual(runs[0], want) {
		t.Errorf("%+v\nwant %+v", runs, want)
	}
	got := changesOf(t, db, 1)
	if len(got) != 2500 {
		t.Fatalf("%d changes", len(got))
	}
	for i, c := range got {
		if c != sampleChange(i+1) {
			t.Fatalf("%+v\nwant %+v", c, sampleChange(i+1))
		}
	}
}

// Runs with nothing to do are one record, and what they are counted as has the numbers of the others stay what they are.
func TestIdleRunsAreJoined(t *testing.T) {
	db := fresh(t)
	putRun(t, db, mailbox.Outcome{Command: "sync", Began: day(1), Ended: day(1), Downloaded: 7, Mailboxes: []mailbox.Counts{{Mailbox: "A", Downloaded: 7}}})
	for n := range 60 {
		putRun(t, db, mailbox.Outcome{Command: "sync", Whole: true, Began: day(2).Add(time.Duration(n) * time.Minute), Ended: day(2).Add(time.Duration(n) * time.Minute)})
	}
	putRun(t, db, mailbox.Outcome{Command: "sync", Began: day(3), Ended: day(3)}) // not of the whole account
	putRun(t, db, mailbox.Outcome{Command: "sync", Began: day(3), Ended: day(3), Status: 4, Error: "no network"})
	putRun(t, db, mailbox.Outcome{Command: "sync", Began: day(4), Ended: day(4)})
	runs := runsOf(t, db)
	var got []string
	for _, r := range runs {
		got = append(got, fmt.Sprintf("%d: %d", r.Run, r.Times))
	}
	if want := []string{"5: 0", "4: 0", "3: 0", "2: 60", "1: 0"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	if idle := runs[3]; !idle.First.Equal(day(2)) || !idle.Began.Equal(day(2).Add(59*time.Minute)) {
		t.Errorf("%+v", idle)
	}
}

// A run that was killed keeps its number, and what it did is not the next one's.
func TestRunThatDied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := mustOpen(t, path)
	db.BeginRun(mailbox.Outcome{Command: "sync", Began: day(1)})
	log(t, db, 3)
	mustClose(t, db)
	db = mustOpen(t, path)
	defer mustClose(t, db)
	db.BeginRun(mailbox.Outcome{Command: "sync", Began: day(2)})
	log(t, db, 1)
	putRun(t, db, mailbox.Outcome{Command: "sync", Began: day(2), Ended: day(2), Removed: [2]int{1, 0}})
	runs := runsOf(t, db)
	if len(runs) != 2 || runs[0].Run != 2 || !runs[0].Finished() || runs[1].Run != 1 || runs[1].Finished() || !runs[1].Began.Equal(day(1)) {
		t.Errorf("%+v", runs)
	}
	if died, next := changesOf(t, db, 1), changesOf(t, db, 2); len(died) != 3 || len(next) != 1 {
		t.Errorf("%d and %d changes", len(died), len(next))
	}
}

// What is logged outside a run is no run.
func TestOutsideARun(t *testing.T) {
	db := fresh(t)
	mustCommit(t, db, mailbox.Update{Mailbox: "A", Log: []mailbox.Change{sampleChange(1)}})
	if runs := runsOf(t, db); len(runs) > 0 {
		t.Errorf("%+v", runs)
	}
}

// A transaction that is refused takes no number that another run could get.
func TestRefusedUpdateKeepsTheNumber(t *testing.T) {
	db := fresh(t)
	db.BeginRun(mailbox.Outcome{Began: day(1)})
	bad := mailbox.Update{Mailbox: "A", Rename: "B", Log: []mailbox.Change{sampleChange(1)}}
	if err := db.Commit(t.Context(), mailbox.Update{Mailbox: "C", Log: []mailbox.Change{sampleChange(1)}}, bad); err == nil {
		t.Fatal("a mailbox that is not known was renamed")
	}
	log(t, db, 1)
	putRun(t, db, mailbox.Outcome{Ended: day(1)})
	if runs := runsOf(t, db); len(runs) != 1 || runs[0].Run != 1 || runs[0].Changes != 1 {
		t.Errorf("%+v", runs)
	}
}

func TestOldRunsAreForgotten(t *testing.T) {
	db := fresh(t)
	for n := 1; n <= 5; n++ {
		log(t, db, n)
		putRun(t, db, mailbox.Outcome{Began: day(n), Ended: day(n)})
	}
	mustForget := func(before time.Time, want ...uint64) {
		t.Helper()
		if err := db.update(func(tx *bbolt.Tx) error { return forgetRuns(tx, before) }); err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for _, r := range runsOf(t, db) {
			got = append(got, r.Run)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	mustForget(day(3), 5, 4, 3)
	if changes := changesOf(t, db, 2); len(changes) != 0 {
		t.Errorf("%d changes of a run that was forgotten", len(changes))
	}
	mustForget(day(9), 5) // the last one stays
}

// However long the history is to be kept, it has an end.
func TestHistoryIsBounded(t *testing.T) {
	db := fresh(t)
	for n := 1; n <= 3; n++ {
		log(t, db, 1)
		err := db.update(func(tx *bbolt.Tx) error { // as if it had many
			return tx.Bucket(bucketChanges).Bucket(runKey(uint64(n))[1:]).SetSequence(maxChanges/2 + 1)
		})
		if err != nil {
			t.Fatal(err)
		}
		putRun(t, db, mailbox.Outcome{Began: day(1), Ended: day(1)})
	}
	if runs := runsOf(t, db); len(runs) != 1 || runs[0].Run != 3 {
		t.Errorf("%+v", runs)
	}
	if err := db.update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketJournal).SetSequence(maxRuns + 2) }); err != nil {
		t.Fatal(err)
	}
	putRun(t, db, mailbox.Outcome{Began: day(1), Ended: day(1), Status: 1})
	if runs := runsOf(t, db); len(runs) != 1 || runs[0].Run != maxRuns+3 {
		t.Errorf("%+v", runs)
	}
}

// The ledger counts what is left of the same content in a mailbox, and in that mailbox only.
func TestRestIsCounted(t *testing.T) {
	db := fresh(t)
	pair := samplePair(1)
	twin, other := pair, samplePair(2)
	twin.Far, twin.Near = "77", "twin"
	other.Hint = pair.Hint
	db.BeginRun(mailbox.Outcome{Began: day(1)})
	for _, name := range []mailbox.Name{"A", "B"} {
		mustCommit(t, db, mailbox.Update{Mailbox: name, Put: []mailbox.Pair{pair, twin, other}})
	}
	mustCommit(t, db, mailbox.Update{Mailbox: "A", Drop: []mailbox.Pair{pair}, Log: []mailbox.Change{{Kind: mailbox.MessageRemoved, Mailbox: "A", Pair: pair}}})
	mustCommit(t, db, mailbox.Update{Mailbox: "A", Drop: []mailbox.Pair{twin}, Log: []mailbox.Change{{Kind: mailbox.MessageGone, Mailbox: "A", Pair: twin}}})
	if got := changesOf(t, db, 1); len(got) != 2 || got[0].Rest != 1 || got[1].Rest != 0 {
		t.Errorf("%+v", got)
	}
}

// Records of runs that a version before this one wrote are read.
func TestRunsOfEarlierVersions(t *testing.T) {
	db := fresh(t)
	run := mailbox.Outcome{Run: 1, Began: day(1), Ended: day(2), Error: "e", Status: 1, Downloaded: 7, Removed: [2]int{1, 2}, Left: 3}
	err := db.update(func(tx *bbolt.Tx) error {
		e := newRecord()
		e.time(run.Began)
		e.time(run.Ended)
		e.flag(run.Whole)
		e.text(run.Error)
		for _, n := range []int{run.Status, run.Downloaded, run.Uploaded, run.Removed[0], run.Removed[1], run.Left} {
			e.uint(uint64(n))
		}
		journal := tx.Bucket(bucketJournal)
		if _, err := journal.NextSequence(); err != nil {
			return err
		}
		return journal.Put(runKey(1), e.seal(runKey(1)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if runs := runsOf(t, db); len(runs) != 1 || !reflect.DeepEqual(runs[0], run) {
		t.Errorf("%+v\nwant %+v", runs, run)
	}
	log(t, db, 1)
	putRun(t, db, mailbox.Outcome{Ended: day(3)})
	if runs := runsOf(t, db); len(runs) != 2 || runs[0].Run != 2 {
		t.Errorf("%+v", runs)
	}
}

// A record of a version that knew fewer numbers is read, and one that has none of the later ones looks like it.
func TestEarlierCounts(t *testing.T) {
	want := mailbox.Outcome{Run: 7, Command: "sync", Began: day(1), Ended: day(2), Mailboxes: []mailbox.Counts{{Mailbox: "A", Downloaded: 3, Removed: [2]int{1, 2}}}}
	const before = "020180a7b9ae0d0180edc3ae0d00000000000000000473796e630000000101410000000000000001030e010f0200cc2b6b57"
	if got := fmt.Sprintf("%x", encodeOutcome(runKey(7), want)); got != before {
		t.Errorf("%s", got)
	}
	value, err := hex.DecodeString(before)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeOutcome(runKey(7), value); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}
