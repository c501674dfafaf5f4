package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

// Commit applies all of these updates, in order, or nothing of them; they are on disk when it returns. Calls that
// come while another is being written share the next transaction, and with it the costly sync.
func (db *DB) Commit(ctx context.Context, updates ...mailbox.Update) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &commit{updates: updates}
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

// A commit waits to be written.
type commit struct {
	updates []mailbox.Update
	done    bool
	err     error
}

// write puts all that waits in one transaction. If that fails each gets one of its own, so that nobody suffers for
// another's fault.
func (db *DB) write(waiting []*commit) {
	err := db.update(func(tx *bbolt.Tx) error {
		for _, c := range waiting {
			if err := c.apply(tx); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range waiting {
		if c.done, c.err = true, err; err != nil && len(waiting) > 1 {
			c.err = db.update(c.apply)
		}
	}
}

func (c *commit) apply(tx *bbolt.Tx) error {
	for _, u := range c.updates {
		if err := apply(tx, u); err != nil {
			return err
		}
	}
	return nil
}

// A writer changes one mailbox.
type writer struct {
	tx     *bbolt.Tx
	number []byte
	twin   mailbox.Twin
	pairs  *bbolt.Bucket
}

func apply(tx *bbolt.Tx, u mailbox.Update) error {
	w, err := open(tx, u.Mailbox)
	if err != nil {
		return err
	}
	if u.Reset || u.Forget {
		if err := w.clear(); err != nil {
			return err
		}
	}
	if u.Forget {
		return w.forget()
	}
	if err := w.change(u); err != nil {
		return err
	}
	if u.Rename != "" {
		if err := w.rename(u.Rename); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketTwins).Put(w.number, encodeTwin(w.twin.Name, w.twin))
}

// open finds a mailbox, or makes it.
func open(tx *bbolt.Tx, name mailbox.Name) (*writer, error) {
	names, twins, pairs := tx.Bucket(bucketNames), tx.Bucket(bucketTwins), tx.Bucket(bucketPairs)
	if number := names.Get([]byte(name)); number != nil {
		twin, err := decodeTwin(twins.Get(number))
		w := &writer{tx: tx, number: bytes.Clone(number), twin: twin, pairs: pairs.Bucket(number)}
		if w.pairs == nil {
			err = errRecord
		} else {
			w.pairs.FillPercent = fillPercent
		}
		return w, err
	}
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
	slices.SortFunc(put, func(a, b mailbox.Pair) int { return bytes.Compare(pairKey(a), pairKey(b)) })
	for _, p := range put {
		if err := w.put(p); err != nil {
			return err
		}
	}
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

func (w *writer) intentKey(near mailbox.ID) []byte { return append(bytes.Clone(w.number), near...) }

func (w *writer) hintKey(hint mailbox.Hint, key []byte) []byte {
	k := binary.BigEndian.AppendUint64(make([]byte, 0, 12+len(key)), uint64(hint))
	return append(append(k, w.number...), key...)
}

func (w *writer) put(p mailbox.Pair) error {
	key := pairKey(p)
	if err := w.drop(key); err != nil {
		return err
	}
	w.twin.Pairs++
	if p.Parked == mailbox.Pending {
		w.twin.Open++
	}
	if p.Hint != 0 {
		if err := w.tx.Bucket(bucketHints).Put(w.hintKey(p.Hint, key), nil); err != nil {
			return err
		}
	}
	return w.pairs.Put(key, encodePair(p))
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
	if p.Hint != 0 {
		if err := w.tx.Bucket(bucketHints).Delete(w.hintKey(p.Hint, key)); err != nil {
			return err
		}
	}
	return w.pairs.Delete(key)
}

// clear forgets all that belongs to the mailbox, but not its name.
func (w *writer) clear() error {
	var keys [][]byte
	c := w.pairs.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := w.drop(k); err != nil {
			return err
		}
	}
	intents := w.tx.Bucket(bucketIntents)
	keys = nil
	c = intents.Cursor()
	for k, _ := c.Seek(w.number); bytes.HasPrefix(k, w.number); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := intents.Delete(k); err != nil {
			return err
		}
	}
	w.twin = mailbox.Twin{Name: w.twin.Name}
	return nil
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
