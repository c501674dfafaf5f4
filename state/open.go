package state

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// schema is the version of the file's layout.
const schema = 1

var (
	bucketMeta    = []byte("meta")
	bucketNames   = []byte("names")
	bucketTwins   = []byte("mailboxes")
	bucketPairs   = []byte("pairs")
	bucketHints   = []byte("hints")
	bucketIntents = []byte("intents")

	keySchema = []byte("schema")
	keyID     = []byte("id")
)

const settingPrefix = "setting:"

// ErrDamaged means that the file is not a ledger that can be read. Nothing was changed.
var ErrDamaged = errors.New("the state file is damaged; move it away, and the next sync pairs the mail anew by content")

// ErrNewer means that a later release of mailtwin made the file.
var ErrNewer = errors.New("the state file was made by a newer mailtwin; update mailtwin")

// A LockedError says that another process has the ledger.
type LockedError struct {
	Path string
	PID  int // 0 if it cannot be told
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another process", e.Path)
	}
	return fmt.Sprintf("%s is in use by process %d", e.Path, e.PID)
}

// A DB is an open ledger. Its methods may be called from several goroutines. Close it.
type DB struct {
	bolt *bbolt.DB
	lock *os.File
	path string
	id   string

	writing  sync.Mutex // held by whoever writes
	queueing sync.Mutex // guards queue
	queue    []*commit
}

// openTimeout is how long to wait for a process that is about to let go of the file.
const openTimeout = time.Second

// Open opens the ledger at path and makes it, and the directories above, if there is none. *LockedError means that
// another process has it, ErrDamaged that it cannot be read, ErrNewer that it is too new.
func Open(path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	db, err := openLocked(path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	db.lock = lock
	return db, nil
}

func openLocked(path string) (*DB, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(path); err != nil {
			return nil, fmt.Errorf("create the state file %s: %w", path, err)
		}
	case err != nil:
		return nil, fmt.Errorf("state: %w", err)
	case info.Size() == 0: // bbolt would take it for a fresh one
		return nil, fmt.Errorf("%s is empty: %w", path, ErrDamaged)
	}
	return openBolt(path, false)
}

// OpenReadOnly opens an existing ledger to look at it. fs.ErrNotExist means that there is none.
func OpenReadOnly(path string) (*DB, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if info.Size() == 0 {
		return nil, fmt.Errorf("%s is empty: %w", path, ErrDamaged)
	}
	return openBolt(path, true)
}

func openBolt(path string, readOnly bool) (db *DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			db, err = nil, fmt.Errorf("%s: %w (%v)", path, ErrDamaged, v)
		}
	}()
	bolt, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: openTimeout, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, &LockedError{Path: path, PID: holder(path)}
	}
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			return nil, fmt.Errorf("state: %w", err)
		}
		return nil, fmt.Errorf("%s: %w (%w)", path, ErrDamaged, err)
	}
	db = &DB{bolt: bolt, path: path}
	if err := db.view(db.readMeta); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), bolt.Close())
	}
	return db, nil
}

func (db *DB) readMeta(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketNames, bucketTwins, bucketPairs, bucketHints, bucketIntents} {
		if tx.Bucket(name) == nil {
			return ErrDamaged
		}
	}
	meta := tx.Bucket(bucketMeta)
	version := meta.Get(keySchema)
	if len(version) != 4 {
		return ErrDamaged
	}
	if binary.BigEndian.Uint32(version) > schema {
		return ErrNewer
	}
	db.id = hex.EncodeToString(meta.Get(keyID))
	return nil
}

// create makes a fresh ledger under another name and gives it its own only when it is whole and on disk: a power cut
// at bbolt's very first write would leave a file that nobody can open.
func create(path string) (err error) {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	bolt, err := bbolt.Open(fresh, 0o600, &bbolt.Options{Timeout: openTimeout})
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
	for _, name := range [][]byte{bucketMeta, bucketNames, bucketTwins, bucketPairs, bucketHints, bucketIntents} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	meta := tx.Bucket(bucketMeta)
	if err := meta.Put(keyID, id); err != nil {
		return err
	}
	return meta.Put(keySchema, binary.BigEndian.AppendUint32(nil, schema))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Close lets go of the ledger.
func (db *DB) Close() error {
	err := db.bolt.Close()
	if db.lock != nil {
		err = errors.Join(err, db.lock.Close())
	}
	return err
}

// ID returns the random name that the ledger got when it was made, in hexadecimal.
func (db *DB) ID() string { return db.id }

// Settings returns the settings that the pair was made with.
func (db *DB) Settings() (map[string]string, error) {
	settings := map[string]string{}
	err := db.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketMeta).Cursor()
		for k, v := c.Seek([]byte(settingPrefix)); strings.HasPrefix(string(k), settingPrefix); k, v = c.Next() {
			settings[string(k[len(settingPrefix):])] = string(v)
		}
		return nil
	})
	return settings, err
}

// PutSettings adds to the settings that the pair was made with.
func (db *DB) PutSettings(settings map[string]string) error {
	return db.update(func(tx *bbolt.Tx) error {
		for name, value := range settings {
			if err := tx.Bucket(bucketMeta).Put([]byte(settingPrefix+name), []byte(value)); err != nil {
				return err
			}
		}
		return nil
	})
}

// view and update run a transaction. bbolt panics on a page that makes no sense, and the kernel faults on one that the
// file no longer has; here both are errors.
func (db *DB) view(do func(*bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer db.damaged(&err)
	return db.bolt.View(do)
}

func (db *DB) update(do func(*bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer db.damaged(&err)
	return db.bolt.Update(do)
}

func (db *DB) damaged(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%s: %w (%v)", db.path, ErrDamaged, v)
	} else if errors.Is(*err, errRecord) {
		*err = fmt.Errorf("%s: %w (%w)", db.path, ErrDamaged, *err)
	}
}
