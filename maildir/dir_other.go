//go:build unix && !linux && !darwin

package maildir

import (
	"os"

	"golang.org/x/sys/unix"
)

func renameNoReplace(int, string, int, string) error { return unix.ENOSYS }

func renameExchange(int, string, int, string) error { return unix.ENOSYS }

func canSyncfs(*os.File) bool { return false }

func syncfs(*os.File) error { return unix.ENOTSUP }
