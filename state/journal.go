package state

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

// The first octet of a key of the journal.
const (
	journalTally   = 'd' // the day follows
	journalTrouble = 't' // the mailbox's name, NUL and the ID follow
	journalRun     = 'r' // 8 octets of its number follow
)

// Removed returns how many messages were removed on a day.
func (db *DB) Removed(_ context.Context, day string) (tally mailbox.Tally, err error) {
	tally.Day = day
	err = db.journal(func(journal *bbolt.Bucket) error {
		if value := journal.Get(tallyKey(day)); value != nil {
			tally, err = decodeTally(day, value)
		}
		return err
	})
	return tally, err
}

// Troubles returns what stands on record as left behind, sorted by mailbox.
func (db *DB) Troubles(context.Context) ([]mailbox.Trouble, error) {
	var troubles []mailbox.Trouble
	err := db.journal(func(journal *bbolt.Bucket) error {
		return eachOf(journal, journalTrouble, func(key, value []byte) error {
			trouble, err := decodeTrouble(key, value)
			troubles = append(troubles, trouble)
			return err
		})
	})
	return troubles, err
}

// PutTroubles replaces what stands on record as left behind. It is on disk when it returns.
func (db *DB) PutTroubles(_ context.Context, troubles []mailbox.Trouble) error {
	return db.submit(func(tx *bbolt.Tx) error {
		journal := tx.Bucket(bucketJournal)
		for _, key := range keysFrom(journal, []byte{journalTrouble}) {
			if err := journal.Delete(key); err != nil {
				return err
			}
		}
		for _, t := range troubles {
			if err := journal.Put(troubleKey(t), encodeTrouble(troubleKey(t), t)); err != nil {
				return err
			}
		}
		return nil
	})
}

// journal reads the journal, which a file of schema 1 that is only read does not have.
func (db *DB) journal(read func(*bbolt.Bucket) error) error {
	return db.view(func(tx *bbolt.Tx) error {
		if journal := tx.Bucket(bucketJournal); journal != nil {
			return read(journal)
		}
		return nil
	})
}

// eachOf goes over the entries of one kind.
func eachOf(journal *bbolt.Bucket, kind byte, do func(key, value []byte) error) error {
	c := journal.Cursor()
	for k, v := c.Seek([]byte{kind}); k != nil && k[0] == kind; k, v = c.Next() {
		if err := do(k, v); err != nil {
			return err
		}
	}
	return nil
}

// addTally adds to the removals of a day, and forgets the days before it.
func addTally(tx *bbolt.Tx, add mailbox.Tally) error {
	journal := tx.Bucket(bucketJournal)
	key := tallyKey(add.Day)
	sum := mailbox.Tally{Day: add.Day}
	if value := journal.Get(key); value != nil {
		var err error
		if sum, err = decodeTally(add.Day, value); err != nil {
			return err
		}
	}
	for _, old := range keysFrom(journal, []byte{journalTally}) {
		if string(old) < string(key) {
			if err := journal.Delete(old); err != nil {
				return err
			}
		}
	}
	for side, n := range add.Removed {
		sum.Removed[side] += n
	}
	return journal.Put(key, encodeTally(key, sum))
}

func tallyKey(day string) []byte { return append([]byte{journalTally}, day...) }

func encodeTally(key []byte, t mailbox.Tally) []byte {
	e := newRecord()
	for _, n := range t.Removed {
		e.uint(uint64(n))
	}
	return e.seal(key)
}

func decodeTally(day string, value []byte) (mailbox.Tally, error) {
	d := openRecord(tallyKey(day), value)
	t := mailbox.Tally{Day: day}
	for side := range t.Removed {
		t.Removed[side] = d.count()
	}
	return t, d.close()
}

func troubleKey(t mailbox.Trouble) []byte {
	return append([]byte{journalTrouble}, string(t.Mailbox)+"\x00"+string(t.ID)...)
}

func encodeTrouble(key []byte, t mailbox.Trouble) []byte {
	e := newRecord()
	e.text(t.Reason)
	e.time(t.Since)
	e.time(t.Last)
	e.uint(uint64(t.Tries))
	e.time(t.Next)
	e.flag(t.Temporary)
	return e.seal(key)
}

func decodeTrouble(key, value []byte) (mailbox.Trouble, error) {
	at := bytes.LastIndexByte(key, 0)
	if at < 1 {
		return mailbox.Trouble{}, fmt.Errorf("%w: key %x of a trouble", errRecord, key)
	}
	d := openRecord(key, value)
	t := mailbox.Trouble{
		Mailbox: mailbox.Name(key[1:at]), ID: mailbox.ID(key[at+1:]), Reason: d.text(),
		Since: d.time(), Last: d.time(), Tries: d.count(), Next: d.time(),
	}
	if len(d.rest) > 0 { // earlier records end here
		t.Temporary = d.upTo(1) == 1
	}
	return t, d.close()
}
