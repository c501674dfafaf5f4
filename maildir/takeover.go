package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// Place is the directory, below the root, that a mailbox gets if nothing else is in its way.
func Place(layout Layout, name mailbox.Name) string {
	if layout == PlusPlus {
		if name == mailbox.Inbox {
			return "."
		}
		return plusCandidates(name)[0]
	}
	path := ""
	for _, level := range levels(name) {
		path = filepath.Join(path, candidates(level)[0])
	}
	return path
}

// Carry moves a mailbox that another program made from one directory to another on the same file system, durably. Nothing
// is overwritten: fs.ErrExist means that there is mail already, and nothing was moved. Mailboxes below it stay, whose
// directories are then all that is left. One that was cut short may be done again.
func Carry(from, to string) error {
	whole, err := alone(from)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(from, to); err == nil && filepath.IsLocal(rel) {
		whole = false // it cannot go into itself
	}
	if _, err := os.Lstat(to); whole && errors.Is(err, fs.ErrNotExist) {
		if err := makeRoot(filepath.Dir(to)); err != nil {
			return err
		}
		return carry(from, to)
	}
	for _, part := range parts {
		if err := free(filepath.Join(from, part), filepath.Join(to, part)); err != nil {
			return err
		}
	}
	if err := makeRoot(to); err != nil {
		return err
	}
	for _, part := range []string{"tmp", "new", "cur"} { // with cur goes the mailbox
		err := carry(filepath.Join(from, part), filepath.Join(to, part))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// alone tells whether a directory holds one mailbox and no other directory.
func alone(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(parts, e.Name()) {
			return false, nil
		}
	}
	return true, nil
}

// free makes sure that a directory can be moved, if it is there, without anything in its way.
func free(from, to string) error {
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, &fs.PathError{Op: "move there", Path: to, Err: fs.ErrExist})
	}
	return nil
}

// carry renames a directory to a name that is free, and makes that durable.
func carry(from, to string) error {
	if err := free(from, to); err != nil {
		return err
	}
	if err := unix.Rename(from, to); err != nil { // replaces an empty directory at most
		return &fs.PathError{Op: fmt.Sprintf("move to %s", to), Path: from, Err: err}
	}
	for _, dir := range []string{filepath.Dir(from), filepath.Dir(to)} {
		f, err := os.Open(dir)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
