package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

// A writer changes one mailbox.
type writer struct {
	tx     *bbolt.Tx
	number []byte
	twin   mailbox.Twin
	pairs  *bbolt.Bucket
}

var (
	errNameless  = errors.New("mailbox without a name")
	errNoIDs     = errors.New("pair without an ID")
	errNoMailbox = errors.New("cannot be renamed, it is not known")
)

func apply(tx *bbolt.Tx, u mailbox.Update) error {
	if u.Mailbox == "" {
		return errNameless
	}
	if u.Rename != "" && tx.Bucket(bucketNames).Get([]byte(u.Mailbox)) == nil {
		return errNoMailbox
	}
	w, err := open(tx, u.Mailbox)
	if err != nil {
		return err
	}
	if u.Reset || u.Forget {
		if err := w.clear(); err != nil {
			return err
		}
	}
	if u.Tally != nil {
		if err := addTally(tx, *u.Tally); err != nil {
			return err
		}
	}
	if u.Forget {
		return w.forget()
	}
	if err := w.change(u); err != nil {
		return err
	}
	if u.Rename != "" && u.Rename != u.Mailbox {
		if err := w.rename(u.Rename); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketTwins).Put(w.number, encodeTwin(w.twin.Name, w.twin))
}

// open finds a mailbox, or makes it.
func open(tx *bbolt.Tx, name mailbox.Name) (*writer, error) {
	if number := tx.Bucket(bucketNames).Get([]byte(name)); number != nil {
		return findNamed(tx, name, bytes.Clone(number))
	}
	return add(tx, name)
}

// findNamed finds a mailbox by its number and makes sure that it is the one of that name.
func findNamed(tx *bbolt.Tx, name mailbox.Name, number []byte) (*writer, error) {
	w, err := find(tx, number)
	if err == nil && w.twin.Name != name {
		return nil, fmt.Errorf("%w: mailbox %q is recorded as %q", errRecord, string(name), string(w.twin.Name))
	}
	return w, err
}

func find(tx *bbolt.Tx, number []byte) (*writer, error) {
	twin, err := decodeTwin(tx.Bucket(bucketTwins).Get(number))
	if err != nil {
		return nil, err
	}
	pairs := tx.Bucket(bucketPairs).Bucket(number)
	if pairs == nil {
		return nil, fmt.Errorf("%w: mailbox %q has no pairs", errRecord, string(twin.Name))
	}
	pairs.FillPercent = fillPercent
	return &writer{tx: tx, number: number, twin: twin, pairs: pairs}, nil
}

func add(tx *bbolt.Tx, name mailbox.Name) (*writer, error) {
	names, twins, pairs := tx.Bucket(bucketNames), tx.Bucket(bucketTwins), tx.Bucket(bucketPairs)
	n, err := twins.NextSequence()
	if err != nil {
		return nil, err
	}
	number := binary.BigEndian.AppendUint32(nil, uint32(n))
	bucket, err := pairs.CreateBucket(number)
	if err != nil {
		return nil, err
	}
	bucket.FillPercent = fillPercent
	return &writer{tx: tx, number: number, twin: mailbox.Twin{Name: name}, pairs: bucket}, names.Put([]byte(name), number)
}

// fillPercent leaves little room in pages, for pairs come mostly in the order of their UIDs.
const fillPercent = 0.9

func (w *writer) change(u mailbox.Update) error {
	for _, p := range u.Drop {
		if err := w.drop(pairKey(p)); err != nil {
			return err
		}
	}
	put := slices.Clone(u.Put)
	slices.SortStableFunc(put, func(a, b mailbox.Pair) int { return bytes.Compare(pairKey(a), pairKey(b)) })
	for _, p := range put {
		if err := w.put(p); err != nil {
			return err
		}
	}
	if err := w.intend(u); err != nil {
		return err
	}
	if u.Far != nil {
		w.twin.Far = *u.Far
	}
	if u.Near != nil {
		w.twin.Near = *u.Near
	}
	if !u.Synced.IsZero() {
		w.twin.Synced = u.Synced
	}
	return nil
}

func (w *writer) intend(u mailbox.Update) error {
	intents := w.tx.Bucket(bucketIntents)
	for _, i := range u.Begin {
		if err := intents.Put(w.intentKey(i.Near), encodeIntent(i)); err != nil {
			return err
		}
	}
	for _, near := range u.End {
		if err := intents.Delete(w.intentKey(near)); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) intentKey(near mailbox.ID) []byte { return append(bytes.Clone(w.number), near...) }

func (w *writer) hintKey(hint mailbox.Hint, key []byte) []byte {
	k := binary.BigEndian.AppendUint64(make([]byte, 0, hintPrefix+len(key)), uint64(hint))
	return append(append(k, w.number...), key...)
}

func (w *writer) put(p mailbox.Pair) error {
	if p.Far == "" && p.Near == "" {
		return errNoIDs
	}
	key := pairKey(p)
	if err := w.drop(key); err != nil {
		return err
	}
	w.twin.Pairs++
	if p.Parked == mailbox.Pending {
		w.twin.Open++
	}
	for _, hint := range p.Hints() {
		if err := w.tx.Bucket(bucketHints).Put(w.hintKey(hint, key), nil); err != nil {
			return err
		}
	}
	return w.pairs.Put(key, encodePair(key, p))
}

func (w *writer) drop(key []byte) error {
	value := w.pairs.Get(key)
	if value == nil {
		return nil
	}
	p, err := decodePair(key, value)
	if err != nil {
		return err
	}
	w.twin.Pairs--
	if p.Parked == mailbox.Pending {
		w.twin.Open--
	}
	for _, hint := range p.Hints() {
		if err := w.tx.Bucket(bucketHints).Delete(w.hintKey(hint, key)); err != nil {
			return err
		}
	}
	return w.pairs.Delete(key)
}

// clear forgets all that belongs to the mailbox, but not its name.
func (w *writer) clear() error {
	for _, key := range keysFrom(w.pairs, nil) {
		if err := w.drop(key); err != nil {
			return err
		}
	}
	intents := w.tx.Bucket(bucketIntents)
	for _, key := range keysFrom(intents, w.number) {
		if err := intents.Delete(key); err != nil {
			return err
		}
	}
	w.twin = mailbox.Twin{Name: w.twin.Name}
	return nil
}

// keysFrom copies the keys that begin with prefix, for a bucket must not be changed under a cursor.
func keysFrom(bucket *bbolt.Bucket, prefix []byte) [][]byte {
	var keys [][]byte
	c := bucket.Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}

func (w *writer) forget() error {
	if err := w.tx.Bucket(bucketNames).Delete([]byte(w.twin.Name)); err != nil {
		return err
	}
	if err := w.tx.Bucket(bucketTwins).Delete(w.number); err != nil {
		return err
	}
	return w.tx.Bucket(bucketPairs).DeleteBucket(w.number)
}

// rename gives the mailbox another name; one that had it is forgotten.
func (w *writer) rename(to mailbox.Name) error {
	names := w.tx.Bucket(bucketNames)
	if names.Get([]byte(to)) != nil {
		if err := apply(w.tx, mailbox.Update{Mailbox: to, Forget: true}); err != nil {
			return err
		}
	}
	if err := names.Delete([]byte(w.twin.Name)); err != nil {
		return err
	}
	w.twin.Name = to
	return names.Put([]byte(to), w.number)
}
