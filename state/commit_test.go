package state

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

func TestConcurrentCommits(t *testing.T) {
	db := fresh(t)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for n := range 50 {
				u := mailbox.Update{Mailbox: mailbox.Name(fmt.Sprint("box", n%3)), Put: []mailbox.Pair{samplePair(1000*worker + n + 1)}}
				if err := db.Commit(t.Context(), u); err != nil {
					t.Error(err)
				}
				for _, err := range db.Pairs(t.Context(), "box1") {
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := len(pairs(t, db, "box0")) + len(pairs(t, db, "box1")) + len(pairs(t, db, "box2")); n != 200 {
		t.Errorf("%d pairs, want 200", n)
	}
}

// together commits all updates, each on its own, so that they wait for one transaction, and returns what came of each.
func together(t *testing.T, db *DB, updates ...mailbox.Update) []error {
	errs := make([]error, len(updates))
	var wg sync.WaitGroup
	db.writing.Lock()
	for i, u := range updates {
		wg.Go(func() { errs[i] = db.Commit(t.Context(), u) })
		for queued := 0; queued <= i; runtime.Gosched() {
			db.queueing.Lock()
			queued = len(db.queue)
			db.queueing.Unlock()
		}
	}
	db.writing.Unlock()
	wg.Wait()
	return errs
}

func txID(t *testing.T, db *DB) (id int) {
	t.Helper()
	if err := db.view(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestWaitingCommitsShareATransaction(t *testing.T) {
	db := fresh(t)
	before := txID(t, db)
	for _, err := range together(t, db, mailbox.Update{Mailbox: "A"}, mailbox.Update{Mailbox: "B"}, mailbox.Update{Mailbox: "C"}) {
		if err != nil {
			t.Error(err)
		}
	}
	if n := txID(t, db) - before; n != 1 {
		t.Errorf("%d transactions, want 1", n)
	}
	if twins, err := db.Mailboxes(t.Context()); err != nil || len(twins) != 3 {
		t.Errorf("got %v, %v", twins, err)
	}
}

func TestSenselessUpdateFailsAlone(t *testing.T) {
	for _, bad := range []mailbox.Update{
		{},
		{Mailbox: "A", Put: []mailbox.Pair{samplePair(1), {}}},
		{Mailbox: "A", Rename: "B"},
	} {
		db := fresh(t)
		errs := together(t, db, mailbox.Update{Mailbox: "C"}, bad, mailbox.Update{Mailbox: "D"})
		if errs[0] != nil || errs[1] == nil || errs[2] != nil {
			t.Errorf("%+v: got %v", bad, errs)
		}
		twins, err := db.Mailboxes(t.Context())
		if err != nil || len(twins) != 2 || twins[0].Name != "C" || twins[1].Name != "D" {
			t.Errorf("%+v: left %v, %v", bad, twins, err)
		}
	}
}

func TestNothingIsWrittenAfterTheDiskFailed(t *testing.T) {
	db := fresh(t)
	healthy := db.bolt
	t.Cleanup(func() { db.bolt = healthy })
	dead, err := bbolt.Open(t.TempDir()+"/dead", 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	db.bolt = dead
	first := db.Commit(t.Context(), mailbox.Update{Mailbox: "A"})
	db.bolt = healthy
	if second := db.Commit(t.Context(), mailbox.Update{Mailbox: "A"}); first == nil || second == nil {
		t.Errorf("got %v, then %v", first, second)
	}
}

func TestCommitHeedsTheContext(t *testing.T) {
	db := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Commit(ctx, mailbox.Update{Mailbox: "A"}); err == nil {
		t.Error("committed all the same")
	}
}
