package state

import (
	"fmt"
	"os"
	"path/filepath"
)

// A Hold keeps other processes from a ledger without opening it.
type Hold struct{ lock *os.File }

// TakeHold does for a ledger that need not exist what Open does to keep others out. It makes the lock file, and the
// directories above, but no ledger. *LockedError means that another process has it. Release it.
func TakeHold(path string) (*Hold, error) {
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	return &Hold{lock}, nil
}

// Release lets others have the ledger.
func (h *Hold) Release() error { return dropLock(h.lock) }
