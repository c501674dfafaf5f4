package state

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"go.etcd.io/bbolt"

	"mailtwin/mailbox"
)

// settingPrefix begins the keys of the settings in the meta bucket.
const settingPrefix = "setting:"

// A DB is an open ledger. Its methods may be called from several goroutines. Close it.
type DB struct {
	bolt *bbolt.DB
	lock *os.File // nil if it is only read
	path string
	id   string

	writer int // the process that has the ledger of which this is a snapshot

	writing  sync.Mutex      // held by whoever writes; guards what follows, and the results of commits
	broken   error           // why nothing is written any more
	begun    mailbox.Outcome // the run that is at work, as far as it is known
	run      uint64          // its number; 0 as long as it has put nothing down
	queueing sync.Mutex      // guards queue
	queue    []*commit
}

// Close lets go of the ledger.
func (db *DB) Close() error {
	err := db.bolt.Close()
	if db.lock != nil {
		err = errors.Join(err, dropLock(db.lock))
	}
	return err
}

// Writer returns the number of the process that was writing the ledger when this snapshot was taken; 0 if this is none,
// or if nobody knows.
func (db *DB) Writer() int { return db.writer }

// ID returns the random name that the ledger got when it was made: 32 hexadecimal digits.
func (db *DB) ID() string { return db.id }

// Settings returns the settings that the pair was made with; empty if none were put yet.
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

// PutSettings adds to the settings that the pair was made with. They are on disk when it returns.
func (db *DB) PutSettings(settings map[string]string) error {
	return db.submit(func(tx *bbolt.Tx) error {
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
