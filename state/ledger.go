package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

// Mailboxes returns all mailboxes that the ledger knows, sorted by name.
func (db *DB) Mailboxes(context.Context) ([]mailbox.Twin, error) {
	var twins []mailbox.Twin
	err := db.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketNames).ForEach(func(name, number []byte) error {
			box, err := findNamed(tx, mailbox.Name(name), number)
			if err == nil {
				twins = append(twins, box.twin)
			}
			return err
		})
	})
	return twins, err
}

// page is how many records are copied out of one transaction: while one is open, a writer cannot grow the file, so
// none stays open while a consumer works.
const page = 1000

// Pairs yields the pairs of one mailbox: first those whose far IDs are numbers, in numeric order, then those with other
// far IDs, then those with none. The consumer may change the ledger meanwhile, but not take the mailbox away; it may
// or may not see what changed.
func (db *DB) Pairs(ctx context.Context, name mailbox.Name) iter.Seq2[mailbox.Pair, error] {
	return func(yield func(mailbox.Pair, error) bool) {
		var last []byte
		for {
			pairs, next, err := db.pairsAfter(name, last)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(mailbox.Pair{}, err)
				return
			}
			for _, p := range pairs {
				if !yield(p, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			last = next
		}
	}
}

// pairsAfter returns the next page of pairs and the key of the last of them; nil if there are no more.
func (db *DB) pairsAfter(name mailbox.Name, last []byte) (pairs []mailbox.Pair, next []byte, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		number := tx.Bucket(bucketNames).Get([]byte(name))
		if number == nil && last != nil {
			return fmt.Errorf("mailbox %q went away while its pairs were read", string(name))
		}
		if number == nil {
			return nil
		}
		box, err := findNamed(tx, name, number)
		if err != nil {
			return err
		}
		pairs, next, err = pageAfter(box.pairs, last)
		return err
	})
	return pairs, next, err
}

// pageAfter reads a page of pairs from those behind last.
func pageAfter(bucket *bbolt.Bucket, last []byte) (pairs []mailbox.Pair, next []byte, err error) {
	c, before := bucket.Cursor(), last
	k, v := c.First()
	if last != nil {
		if k, v = c.Seek(last); bytes.Equal(k, last) {
			k, v = c.Next()
		}
	}
	for ; k != nil; k, v = c.Next() {
		if len(pairs) == page {
			return pairs, before, nil
		}
		p, err := decodePair(k, v)
		if err == nil && bytes.Compare(k, before) <= 0 {
			err = fmt.Errorf("%w: key %x out of order", errRecord, k)
		}
		if err != nil {
			return nil, nil, err
		}
		pairs, before = append(pairs, p), bytes.Clone(k)
	}
	return pairs, nil, nil
}

// ByHint yields every pair, of whatever mailbox, that has the hint: one of a content, or of an account-wide id.
func (db *DB) ByHint(_ context.Context, hint mailbox.Hint) iter.Seq2[mailbox.Located, error] {
	return func(yield func(mailbox.Located, error) bool) {
		var found []mailbox.Located
		err := db.view(func(tx *bbolt.Tx) (err error) {
			found, err = byHint(tx, hint)
			return err
		})
		if err != nil {
			yield(mailbox.Located{}, err)
			return
		}
		for _, l := range found {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// hintPrefix is how much of a key of hints stands before the key of the pair: the hint and the number of the mailbox.
const hintPrefix = 8 + 4

func byHint(tx *bbolt.Tx, hint mailbox.Hint) ([]mailbox.Located, error) {
	var found []mailbox.Located
	prefix := binary.BigEndian.AppendUint64(nil, uint64(hint))
	c := tx.Bucket(bucketHints).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		if len(k) < hintPrefix {
			return nil, fmt.Errorf("%w: key %x of a hint", errRecord, k)
		}
		number, key := k[8:hintPrefix], k[hintPrefix:]
		box, err := find(tx, number)
		if err != nil {
			return nil, err
		}
		pair, err := decodePair(key, box.pairs.Get(key))
		if err != nil {
			return nil, err
		}
		found = append(found, mailbox.Located{Mailbox: box.twin.Name, Pair: pair})
	}
	return found, nil
}

// Intents returns what was under way in a mailbox when a run ended.
func (db *DB) Intents(_ context.Context, name mailbox.Name) ([]mailbox.Intent, error) {
	var intents []mailbox.Intent
	err := db.view(func(tx *bbolt.Tx) error {
		number := tx.Bucket(bucketNames).Get([]byte(name))
		if number == nil {
			return nil
		}
		c := tx.Bucket(bucketIntents).Cursor()
		for k, v := c.Seek(number); bytes.HasPrefix(k, number); k, v = c.Next() {
			intent, err := decodeIntent(mailbox.ID(k[4:]), v)
			if err != nil {
				return err
			}
			intents = append(intents, intent)
		}
		return nil
	})
	return intents, err
}
