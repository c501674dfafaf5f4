package state

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

// Check reads the whole ledger and returns what does not fit together. It takes time in proportion to its size. What is
// written meanwhile waits for it.
func (db *DB) Check() error {
	db.writing.Lock()
	defer db.writing.Unlock()
	if err := checkFile(db.path); err != nil {
		return fmt.Errorf("%s: %w", db.path, err)
	}
	return db.view(func(tx *bbolt.Tx) error {
		// Our own look comes first: that of bbolt runs in a goroutine where a fault could not be caught, and goes only
		// where this one went unharmed.
		if err := checkAll(tx); err != nil {
			return err
		}
		var errs []error
		for err := range tx.Check() { // to its end, or it never ends
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

func checkAll(tx *bbolt.Tx) error {
	numbers, hints := map[string]bool{}, 0
	err := tx.Bucket(bucketNames).ForEach(func(name, number []byte) error {
		numbers[string(number)] = true
		n, err := checkMailbox(tx, mailbox.Name(name), number)
		hints += n
		if err != nil {
			return fmt.Errorf("mailbox %q (%x): %w", name, number, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, bucket := range []struct {
		name []byte
		want int
	}{{bucketTwins, len(numbers)}, {bucketPairs, len(numbers)}, {bucketHints, hints}} {
		if n := count(tx.Bucket(bucket.name)); n != bucket.want {
			return fmt.Errorf("%d entries in %s, want %d", n, bucket.name, bucket.want)
		}
	}
	count(tx.Bucket(bucketMeta))
	if err := errors.Join(checkJournal(tx.Bucket(bucketJournal)), checkChanges(tx)); err != nil {
		return err
	}
	return checkIntents(tx, numbers)
}

func checkJournal(journal *bbolt.Bucket) error {
	if journal == nil { // schema 1, only read
		return nil
	}
	return journal.ForEach(func(key, value []byte) (err error) {
		switch key[0] {
		case journalTally:
			_, err = decodeTally(string(key[1:]), value)
		case journalTrouble:
			_, err = decodeTrouble(key, value)
		case journalRun:
			_, err = decodeOutcome(key, value)
		}
		if err != nil {
			return fmt.Errorf("entry %x of the journal: %w", key, err)
		}
		return nil
	})
}

// checkChanges reads all changes, and sees that each belongs to a run that is on record.
func checkChanges(tx *bbolt.Tx) error {
	changes := tx.Bucket(bucketChanges)
	if changes == nil { // an earlier schema, only read
		return nil
	}
	return changes.ForEachBucket(func(run []byte) error {
		if len(run) != runLength || tx.Bucket(bucketJournal).Get(append([]byte{journalRun}, run...)) == nil {
			return fmt.Errorf("changes %x of no run", run)
		}
		return changes.Bucket(run).ForEach(func(key, value []byte) error {
			if _, err := decodeChange(run, key, value); err != nil {
				return fmt.Errorf("change %x of run %x: %w", key, run, err)
			}
			return nil
		})
	})
}

// checkMailbox returns how many pairs of the mailbox are in the index of hints.
func checkMailbox(tx *bbolt.Tx, name mailbox.Name, number []byte) (hints int, err error) {
	box, err := find(tx, number)
	if err != nil {
		return 0, err
	}
	pairs, pending := 0, 0
	err = box.pairs.ForEach(func(key, value []byte) error {
		p, err := decodePair(key, value)
		if err != nil {
			return err
		}
		pairs++
		if p.Parked == mailbox.Pending {
			pending++
		}
		for _, hint := range p.Hints() {
			hints++
			want := box.hintKey(hint, key)
			if k, _ := tx.Bucket(bucketHints).Cursor().Seek(want); !bytes.Equal(k, want) {
				return fmt.Errorf("message %s=%s is not in the index of hints", p.Far, p.Near)
			}
		}
		return nil
	})
	if err == nil && (box.twin.Name != name || box.twin.Pairs != pairs || box.twin.Open != pending) {
		err = fmt.Errorf("recorded as %q with %d pairs, %d open; found %d, %d",
			string(box.twin.Name), box.twin.Pairs, box.twin.Open, pairs, pending)
	}
	return hints, err
}

func checkIntents(tx *bbolt.Tx, numbers map[string]bool) error {
	return tx.Bucket(bucketIntents).ForEach(func(key, value []byte) error {
		if len(key) < 4 || !numbers[string(key[:4])] {
			return fmt.Errorf("intent %x of no mailbox", key)
		}
		_, err := decodeIntent(mailbox.ID(key[4:]), value)
		return err
	})
}

// count returns how many keys a bucket has, and touches all of them.
func count(bucket *bbolt.Bucket) int {
	n, last := 0, []byte(nil)
	c := bucket.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if n == 0 || bytes.Compare(last, k) < 0 {
			n++
		}
		last = k
	}
	return n
}
