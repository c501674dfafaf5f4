package state

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

// Commit applies all of these updates, in order, or nothing of them; they are on disk when it returns. Within one
// update things happen in the order Reset, Drop, Put, Begin, End, Rename, Log. Calls that come while another is being
// written share the next transaction, and with it the costly sync.
//
// An update that makes no sense fails alone. If the disk fails, what is on it is uncertain: from then on every Commit
// returns that error, and the ledger has to be opened anew.
func (db *DB) Commit(ctx context.Context, updates ...mailbox.Update) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return db.submit(func(tx *bbolt.Tx) error {
		for _, u := range updates {
			if err := apply(tx, u); err != nil {
				return fmt.Errorf("state of %q: %w", string(u.Mailbox), err)
			}
			if err := db.log(tx, u.Log); err != nil {
				return fmt.Errorf("history of %q: %w", string(u.Mailbox), err)
			}
		}
		return nil
	})
}

// A commit waits to be written.
type commit struct {
	apply func(*bbolt.Tx) error
	done  bool
	err   error
}

// submit writes a commit, together with those that wait.
func (db *DB) submit(apply func(*bbolt.Tx) error) error {
	c := &commit{apply: apply}
	db.queueing.Lock()
	db.queue = append(db.queue, c)
	db.queueing.Unlock()

	db.writing.Lock()
	defer db.writing.Unlock()
	if !c.done { // or whoever held the lock took it along
		db.queueing.Lock()
		waiting := db.queue
		db.queue = nil
		db.queueing.Unlock()
		db.write(waiting)
	}
	return c.err
}

// write puts all that waits in one transaction. If one of them makes no sense each gets a transaction of its own, so
// that nobody suffers for another's fault.
func (db *DB) write(waiting []*commit) {
	refused, err := db.try(waiting)
	for _, c := range waiting {
		if c.done, c.err = true, err; refused && len(waiting) > 1 {
			_, c.err = db.try([]*commit{c})
		}
	}
}

// try runs one transaction. Refused means that it was not even to be written, and the ledger is as good as before;
// after any other error nothing more is written.
func (db *DB) try(commits []*commit) (refused bool, err error) {
	if db.broken != nil {
		return false, db.broken
	}
	err = db.update(func(tx *bbolt.Tx) error {
		for _, c := range commits {
			if err := c.apply(tx); err != nil {
				refused = true
				return err
			}
		}
		return nil
	})
	if err != nil && !refused {
		db.broken = fmt.Errorf("write the state file %s: %w", db.path, err)
		return false, db.broken
	}
	return refused, err
}
