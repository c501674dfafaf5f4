package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SetAside gives a damaged ledger another name, which it returns, so that Open makes a new one in its place.
func SetAside(path string) (aside string, err error) {
	lock, err := takeLock(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, dropLock(lock)) }()
	for n := 1; ; n++ {
		aside = fmt.Sprintf("%s.damaged-%d", path, n)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("set the damaged state aside: %w", err)
	}
	return aside, syncDir(filepath.Dir(path))
}
