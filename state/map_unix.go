//go:build unix

package state

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// checkFile looks at the pages of a file. It maps the file instead of reading it: a million messages then take
// milliseconds.
func checkFile(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return fmt.Errorf("%w (it is empty)", ErrDamaged)
	}
	content, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Munmap(content)) }()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil { // cut just now, or the disk does not give it
			err = fmt.Errorf("%w (%v)", ErrDamaged, v)
		}
	}()
	return checkPages(content)
}
