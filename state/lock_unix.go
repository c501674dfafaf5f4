//go:build unix

package state

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// takeLock makes this process the only one that has the ledger, and writes down which one it is.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(&LockedError{Path: path, PID: holder(path)}, f.Close())
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintf(f, "pid %d\n", os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// dropLock lets others have the ledger. The lock file stays: removing it would let two processes lock two files of
// one name.
func dropLock(f *os.File) error { return errors.Join(f.Truncate(0), f.Close()) }

// holder reads who has the ledger; 0 if that cannot be told.
func holder(path string) int {
	p, err := os.ReadFile(path + ".lock")
	if err != nil {
		return 0
	}
	var pid int
	if _, err := fmt.Sscanf(string(p), "pid %d\n", &pid); err != nil {
		return 0
	}
	return pid
}
