package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// How often, and after what pause, a snapshot is tried anew because a transaction ended meanwhile.
const (
	snapshotTries = 50
	snapshotPause = 20 * time.Millisecond
)

// OpenSnapshot opens what another process has committed so far to the ledger at path, which it goes on writing. It is
// the copy of a moment and can only be read. *LockedError means that the other one commits too fast to get one.
func OpenSnapshot(ctx context.Context, path string) (*DB, error) {
	for range snapshotTries {
		db, err := snapshot(path)
		if db != nil || err != nil {
			return db, err
		}
		select {
		case <-time.After(snapshotPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, &LockedError{Path: path, PID: holder(path)}
}

// snapshot copies the file and opens the copy; nil if the copy may be of no single moment. bbolt writes a transaction
// only to pages that the last one does not use, and ends it by writing a meta page. Pages of the transaction before
// are used again by the one after next. So a copy during which no transaction ended has all pages of the newest whole.
func snapshot(path string) (db *DB, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	fresh, err := os.CreateTemp("", "mailtwin-state-")
	if err != nil {
		return nil, err
	}
	// Once it is open, nobody needs its name any more.
	defer func() { err = errors.Join(err, os.Remove(fresh.Name())) }()
	before, err := lastTransaction(file)
	if err == nil {
		_, err = io.Copy(fresh, file)
	}
	if err = errors.Join(err, fresh.Close()); err != nil {
		return nil, fmt.Errorf("copy the state file %s: %w", path, err)
	}
	after, err := lastTransaction(file)
	if err != nil || after != before {
		return nil, err
	}
	db, err = openBolt(fresh.Name(), readerPatience, true)
	if err != nil {
		return nil, err
	}
	db.writer = holder(path)
	return db, nil
}

// lastTransaction returns the number of the transaction that ended last.
func lastTransaction(file *os.File) (uint64, error) {
	head := make([]byte, 2*max(os.Getpagesize(), pageHead+metaSize))
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	meta := newestMeta(head[:n])
	if meta == nil {
		return 0, fmt.Errorf("%w (it does not begin as one)", ErrDamaged)
	}
	return order.Uint64(meta[48:]), nil
}
