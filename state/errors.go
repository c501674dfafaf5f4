package state

import (
	"errors"
	"fmt"
)

// ErrDamaged means that the file is not a ledger that can be read. Nothing was changed.
var ErrDamaged = errors.New("the state file is damaged")

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
