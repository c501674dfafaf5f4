package state

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// schema is the version of the file's layout. Schema 2 brought the journal, schema 3 pairs that are Left, and the changes
// of runs.
const schema = 3

var (
	bucketMeta    = []byte("meta")
	bucketNames   = []byte("names")
	bucketTwins   = []byte("mailboxes")
	bucketPairs   = []byte("pairs")
	bucketHints   = []byte("hints")
	bucketIntents = []byte("intents")
	bucketJournal = []byte("journal")
	bucketChanges = []byte("changes")

	buckets = [][]byte{
		bucketMeta, bucketNames, bucketTwins, bucketPairs, bucketHints, bucketIntents, bucketJournal, bucketChanges,
	}
	laterBuckets = [][]byte{bucketJournal, bucketChanges} // which the first schema does not have

	keySchema = []byte("schema")
	keyID     = []byte("id")
)

// idLength is how many random octets the id of a ledger has.
const idLength = 16

// readerPatience is how long one that only looks waits for one that writes, who may be just about to end.
const readerPatience = 100 * time.Millisecond

// Options say how to open a ledger.
type Options struct {
	// Timeout is how long to wait for a process that only looks at the ledger; zero means one second. One that writes
	// is not waited for.
	Timeout time.Duration
}

func (o Options) timeout() time.Duration {
	if o.Timeout == 0 {
		return time.Second
	}
	return o.Timeout
}

// Open opens the ledger at path and makes it, and the directories above, if there is none. *LockedError means that
// another process has it, ErrDamaged that it cannot be read, ErrNewer that it is too new.
func Open(ctx context.Context, path string, opts Options) (*DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	db, err := openLocked(path, opts)
	if err != nil {
		return nil, errors.Join(err, dropLock(lock))
	}
	db.lock = lock
	return db, nil
}

func openLocked(path string, opts Options) (*DB, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("create the state file %s: %w", path, err)
		}
	}
	db, err := openBolt(path, opts.timeout(), false)
	var locked *LockedError
	if errors.As(err, &locked) { // the lock file names this very process
		locked.PID = 0
	}
	return db, err
}

// OpenReadOnly opens an existing ledger to look at it. fs.ErrNotExist means that there is none, *LockedError that a
// process writes to it; then OpenSnapshot may be the thing. Whoever writes is kept out until Close.
func OpenReadOnly(path string) (*DB, error) { return openBolt(path, readerPatience, true) }

// openBolt opens a file that exists. A writer looks at the pages first, for bbolt already trusts some of them when it
// opens the file; a reader has to wait until no writer is at them.
func openBolt(path string, timeout time.Duration, readOnly bool) (*DB, error) {
	if !readOnly {
		if err := checkFile(path); err != nil {
			return nil, openError(path, err)
		}
	}
	bolt, err := openFile(path, bbolt.Options{Timeout: timeout, ReadOnly: readOnly})
	if err != nil {
		return nil, openError(path, err)
	}
	db := &DB{bolt: bolt, path: path}
	if readOnly {
		err = checkFile(path)
	}
	if err == nil && !readOnly {
		err = db.update(migrate)
	}
	if err == nil {
		err = db.view(db.readMeta)
	}
	if err != nil {
		return nil, errors.Join(openError(path, err), bolt.Close())
	}
	return db, nil
}

// openFile is bbolt.Open without its panics. A panic leaves the file open, and with it locked, so that it is closed
// here. An empty or missing file is left as it is: bbolt would make a fresh one of it.
func openFile(path string, options bbolt.Options) (bolt *bbolt.DB, err error) {
	var file *os.File
	options.FreelistType = bbolt.FreelistMapType
	options.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		file, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
		return file, err
	}
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.Size() == 0 {
		return nil, ErrDamaged
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			bolt, err = nil, errors.Join(fmt.Errorf("%w (%v)", ErrDamaged, v), file.Close())
		}
	}()
	return bbolt.Open(path, 0o600, &options)
}

// openError tells a file that is damaged from one that the system does not let us have.
func openError(path string, err error) error {
	var system syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return &LockedError{Path: path, PID: holder(path)}
	case errors.As(err, &system), errors.Is(err, ErrDamaged), errors.Is(err, ErrNewer):
		return fmt.Errorf("open the state file %s: %w", path, err)
	}
	return fmt.Errorf("open the state file %s: %w (%w)", path, ErrDamaged, err)
}

// readMeta looks at what shows that the file is a ledger. One that is only read may be of an earlier schema, which has
// neither journal nor changes.
func (db *DB) readMeta(tx *bbolt.Tx) error {
	version, err := schemaOf(tx)
	if err != nil {
		return err
	}
	for _, name := range buckets {
		later := slices.ContainsFunc(laterBuckets, func(later []byte) bool { return bytes.Equal(name, later) })
		if tx.Bucket(name) == nil && (version == schema || !later) {
			return fmt.Errorf("%w (it has no %s)", ErrDamaged, name)
		}
	}
	id := tx.Bucket(bucketMeta).Get(keyID)
	if len(id) != idLength {
		return fmt.Errorf("%w (it does not say what it is)", ErrDamaged)
	}
	db.id = hex.EncodeToString(id)
	return nil
}

// schemaOf returns the version of a file's layout, if this program knows it.
func schemaOf(tx *bbolt.Tx) (int, error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil || len(meta.Get(keySchema)) != 4 {
		return 0, fmt.Errorf("%w (it does not say what it is)", ErrDamaged)
	}
	n := binary.BigEndian.Uint32(meta.Get(keySchema))
	if n > schema {
		return 0, fmt.Errorf("%w (schema %d, known up to %d)", ErrNewer, n, schema)
	}
	return int(n), nil
}

// migrate brings a file of an older schema up to date, in the transaction that says so.
func migrate(tx *bbolt.Tx) error {
	version, err := schemaOf(tx)
	if err != nil || version == schema {
		return err
	}
	for _, name := range laterBuckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keySchema, binary.BigEndian.AppendUint32(nil, schema))
}

// create makes a fresh ledger under another name and gives it its own only when it is whole and on disk: a power cut
// at bbolt's very first write would leave a file that nobody can open.
func create(path string) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	bolt, err := bbolt.Open(fresh, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	err = bolt.Update(layOut)
	if err = errors.Join(err, bolt.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func layOut(tx *bbolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	id := make([]byte, idLength)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	meta := tx.Bucket(bucketMeta)
	if err := meta.Put(keyID, id); err != nil {
		return err
	}
	return meta.Put(keySchema, binary.BigEndian.AppendUint32(nil, schema))
}

// makeDir makes a directory, and those above it, for the user alone. Each that is new is on disk before the next.
func makeDir(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
