package state

import (
	"fmt"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

// Check reads the whole ledger and returns the first thing that does not fit together.
func (db *DB) Check() error {
	return db.view(func(tx *bbolt.Tx) error {
		hints := 0
		err := tx.Bucket(bucketNames).ForEach(func(name, number []byte) error {
			n, err := checkMailbox(tx, mailbox.Name(name), number)
			hints += n
			return err
		})
		if err != nil {
			return err
		}
		if n := tx.Bucket(bucketHints).Stats().KeyN; n != hints {
			return fmt.Errorf("%d entries in the index of hints, want %d", n, hints)
		}
		for err := range tx.Check() {
			return err
		}
		return nil
	})
}

// checkMailbox returns how many pairs of the mailbox are in the index of hints.
func checkMailbox(tx *bbolt.Tx, name mailbox.Name, number []byte) (hints int, err error) {
	w, err := open(tx, name)
	if err != nil {
		return 0, fmt.Errorf("mailbox %q: %w", string(name), err)
	}
	pairs, pending := 0, 0
	err = w.pairs.ForEach(func(k, v []byte) error {
		p, err := decodePair(k, v)
		if err != nil {
			return err
		}
		pairs++
		if p.Parked == mailbox.Pending {
			pending++
		}
		if p.Hint == 0 {
			return nil
		}
		hints++
		if key, _ := tx.Bucket(bucketHints).Cursor().Seek(w.hintKey(p.Hint, k)); string(key) != string(w.hintKey(p.Hint, k)) {
			return fmt.Errorf("message %s is not in the index of hints", p.Far)
		}
		return nil
	})
	if err == nil && (w.twin.Name != name || w.twin.Pairs != pairs || w.twin.Open != pending) {
		err = fmt.Errorf("recorded as %q with %d pairs, %d open; found %d, %d", string(w.twin.Name), w.twin.Pairs, w.twin.Open, pairs, pending)
	}
	if err != nil {
		return 0, fmt.Errorf("mailbox %q (%x): %w", string(name), number, err)
	}
	return hints, nil
}
