package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

// How much the history holds at most, however long it is to be kept: some 30 MB of changes, and with a run that has
// something to do every five minutes the runs of a month.
const (
	maxRuns    = 10_000
	maxChanges = 250_000
)

// runLength is how many octets a run's number has in keys.
const runLength = 8

func runKey(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{journalRun}, n) }

func runOf(key []byte) uint64 {
	if len(key) != 1+runLength {
		return 0
	}
	return binary.BigEndian.Uint64(key[1:])
}

// BeginRun says what the run is that begins, with its Command and Began. Nothing is written for it until it has something
// to put down, or is over. What is logged outside a run, as by what is no sync of the account, is not put down.
func (db *DB) BeginRun(run mailbox.Outcome) {
	db.writing.Lock()
	defer db.writing.Unlock()
	db.begun, db.run = run, 0
}

// PutRun puts down what became of the run that was begun, and forgets those that ended before a moment, with their
// changes. One that had nothing to do is joined with the one before it, if that had nothing to do either. It is on disk
// when it returns.
func (db *DB) PutRun(run mailbox.Outcome, before time.Time) error {
	defer db.BeginRun(mailbox.Outcome{})
	return db.submit(func(tx *bbolt.Tx) error {
		if err := db.conclude(tx, run); err != nil {
			return err
		}
		return forgetRuns(tx, before)
	})
}

func (db *DB) conclude(tx *bbolt.Tx, run mailbox.Outcome) error {
	journal := tx.Bucket(bucketJournal)
	if db.run == 0 && run.Idle() {
		before, err := lastRun(journal)
		if err != nil {
			return err
		}
		if joined, ok := run.After(before); ok {
			return journal.Put(runKey(joined.Run), encodeOutcome(runKey(joined.Run), joined))
		}
	}
	n, err := db.number(tx)
	if err != nil {
		return err
	}
	if changes := tx.Bucket(bucketChanges).Bucket(runKey(n)[1:]); changes != nil {
		run.Changes = int(changes.Sequence())
	}
	return journal.Put(runKey(n), encodeOutcome(runKey(n), run))
}

// lastRun returns the last run on record; the zero Outcome, which never finished, if there is none.
func lastRun(journal *bbolt.Bucket) (mailbox.Outcome, error) {
	key := runKey(journal.Sequence())
	value := journal.Get(key)
	if value == nil {
		return mailbox.Outcome{}, nil
	}
	return decodeOutcome(key, value)
}

// number returns the number of the run that is at work. When it is taken, the run is put down as one that has begun, so
// that what it did is not taken for another's if it dies. After a transaction that failed it is taken once more.
func (db *DB) number(tx *bbolt.Tx) (uint64, error) {
	journal := tx.Bucket(bucketJournal)
	if db.run == 0 {
		db.run = journal.Sequence() + 1
	}
	if journal.Sequence() >= db.run {
		return db.run, nil
	}
	if err := journal.SetSequence(db.run); err != nil {
		return 0, err
	}
	return db.run, journal.Put(runKey(db.run), encodeOutcome(runKey(db.run), db.begun))
}

// log puts down what the run at work took away or altered.
func (db *DB) log(tx *bbolt.Tx, changes []mailbox.Change) error {
	if len(changes) == 0 || db.begun.Began.IsZero() {
		return nil
	}
	n, err := db.number(tx)
	if err != nil {
		return err
	}
	run := runKey(n)[1:]
	bucket, err := tx.Bucket(bucketChanges).CreateBucketIfNotExists(run)
	if err != nil {
		return err
	}
	bucket.FillPercent = fillPercent
	for _, c := range changes {
		if c.Rest, err = rest(tx, c); err != nil {
			return err
		}
		n, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		key := binary.BigEndian.AppendUint32(nil, uint32(n))
		if err := bucket.Put(key, encodeChange(run, key, c)); err != nil {
			return err
		}
	}
	return nil
}

// maxAlike bounds how many messages are looked at to count those that are the same: without a Message-ID all of one size
// have one hint.
const maxAlike = 100

// rest counts the messages of the same content that are left in the mailbox that one was removed from.
func rest(tx *bbolt.Tx, c mailbox.Change) (n int, err error) {
	number := tx.Bucket(bucketNames).Get([]byte(c.Mailbox))
	if !c.Lost() || number == nil {
		return 0, nil
	}
	prefix := append(binary.BigEndian.AppendUint64(nil, uint64(c.Pair.Hint)), number...)
	pairs := tx.Bucket(bucketPairs).Bucket(number)
	cursor := tx.Bucket(bucketHints).Cursor()
	k, _ := cursor.Seek(prefix)
	for looked := 0; looked < maxAlike && bytes.HasPrefix(k, prefix); looked++ {
		key := k[hintPrefix:]
		p, err := decodePair(key, pairs.Get(key))
		if err != nil {
			return 0, err
		}
		if p.Near != "" && p.Digest == c.Pair.Digest {
			n++
		}
		k, _ = cursor.Next()
	}
	return n, nil
}

// forgetRuns drops the oldest runs, with their changes, as long as they ended before a moment or are too many. The last
// one stays.
func forgetRuns(tx *bbolt.Tx, before time.Time) error {
	journal, changes := tx.Bucket(bucketJournal), tx.Bucket(bucketChanges)
	last := journal.Sequence()
	total, err := countChanges(changes)
	for err == nil {
		key, value := journal.Cursor().Seek([]byte{journalRun})
		n := runOf(key)
		if n == 0 || key[0] != journalRun || n >= last {
			return nil
		}
		run, bad := decodeOutcome(key, value)
		if bad != nil {
			return bad
		}
		if !run.Finished() {
			run.Ended = run.Began
		}
		if !run.Ended.Before(before) && total <= maxChanges && last-n < maxRuns {
			return nil
		}
		if bucket := changes.Bucket(key[1:]); bucket != nil {
			total -= int(bucket.Sequence())
			err = changes.DeleteBucket(bytes.Clone(key[1:]))
		}
		err = errors.Join(err, journal.Delete(bytes.Clone(key)))
	}
	return err
}

// countChanges returns how many changes all runs have.
func countChanges(changes *bbolt.Bucket) (n int, err error) {
	err = changes.ForEachBucket(func(run []byte) error {
		n += int(changes.Bucket(run).Sequence())
		return nil
	})
	return n, err
}

// Runs returns what became of the last runs, the last one first. Those that have not come to their end are among them,
// if they took away or altered something.
func (db *DB) Runs(context.Context) ([]mailbox.Outcome, error) {
	var runs []mailbox.Outcome
	err := db.journal(func(journal *bbolt.Bucket) error {
		return eachOf(journal, journalRun, func(key, value []byte) error {
			run, err := decodeOutcome(key, value)
			runs = append(runs, run)
			return err
		})
	})
	slices.Reverse(runs)
	return runs, err
}

// Changes yields what a run took away or altered, in the order in which it did.
func (db *DB) Changes(ctx context.Context, run uint64) iter.Seq2[mailbox.Change, error] {
	return func(yield func(mailbox.Change, error) bool) {
		for first := uint32(1); ; first += page {
			changes, err := db.changesFrom(run, first)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(mailbox.Change{}, err)
				return
			}
			for _, c := range changes {
				if !yield(c, nil) {
					return
				}
			}
			if len(changes) < page {
				return
			}
		}
	}
}

// changesFrom reads a page of changes. Their numbers have no gaps.
func (db *DB) changesFrom(run uint64, first uint32) (changes []mailbox.Change, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		key := runKey(run)[1:]
		all := tx.Bucket(bucketChanges)
		if all == nil || all.Bucket(key) == nil {
			return nil
		}
		c := all.Bucket(key).Cursor()
		for k, v := c.Seek(binary.BigEndian.AppendUint32(nil, first)); k != nil && len(changes) < page; k, v = c.Next() {
			change, err := decodeChange(key, k, v)
			if err != nil {
				return err
			}
			changes = append(changes, change)
		}
		return nil
	})
	return changes, err
}
