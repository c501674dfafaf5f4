package maildir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// markerFile lies in the root and names the ledger that the tree belongs to: another tree that is found in its place,
// or none, because the disk is not mounted, has another name or none.
const markerFile = ".mailtwin"

// maxMarker is how much of the file is read, in octets.
const maxMarker = 256

// Marker returns what Mark wrote last; empty if the root was never marked.
func (t *Tree) Marker() (string, error) {
	f, err := t.root.open(markerFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look whose Maildir it is: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxMarker))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("look whose Maildir it is: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Mark says that the tree belongs to the ledger of this name. That is on disk when it returns.
func (t *Tree) Mark(id string) error {
	fresh := markerFile + "_" + random()
	f, err := t.root.create(fresh)
	if err != nil {
		return fmt.Errorf("mark the Maildir: %w", err)
	}
	_, err = f.WriteString(id + "\n")
	if err == nil {
		err = t.root.fsync(f)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = t.root.replace(fresh, t.root, markerFile)
	}
	if err != nil {
		if gone := t.root.unlink(fresh); !errors.Is(gone, unix.ENOENT) {
			err = errors.Join(err, gone)
		}
		return fmt.Errorf("mark the Maildir: %w", err)
	}
	return t.root.sync()
}
