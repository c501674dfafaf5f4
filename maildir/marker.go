package maildir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// markerFile lies in the root and names the ledger that the tree belongs to: another tree that is found in its place,
// or none, because the disk is not mounted, has another name or none.
const markerFile = ".mailtwin"

// maxMarker is how much of the file is read, in octets.
const maxMarker = 4096

// A Marker says whose tree it is. In the file, each field has a line of its own.
type Marker struct {
	Ledger  string // the name of the ledger; empty if the tree was never marked
	Source  string // the account, as "user@host"; empty if it is not known
	Edition uint64 // grows with what the ledger knows of the tree: an older copy of the tree has a smaller one
}

// Marker returns what Mark wrote last.
func (t *Tree) Marker() (Marker, error) {
	f, err := t.root.open(markerFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Marker{}, nil
	}
	if err != nil {
		return Marker{}, fmt.Errorf("look whose Maildir it is: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxMarker))
	if err := errors.Join(err, f.Close()); err != nil {
		return Marker{}, fmt.Errorf("look whose Maildir it is: %w", err)
	}
	lines := append(strings.Split(string(text), "\n"), "", "", "")
	m := Marker{Ledger: strings.TrimSpace(lines[0]), Source: strings.TrimSpace(lines[1])}
	if n, err := strconv.ParseUint(strings.TrimSpace(lines[2]), 10, 64); err == nil {
		m.Edition = n // what is no number is as old as can be
	}
	return m, nil
}

// Mark says whose tree it is. That is on disk when it returns.
func (t *Tree) Mark(m Marker) error {
	fresh := markerFile + "_" + random()
	f, err := t.root.create(fresh)
	if err != nil {
		return fmt.Errorf("mark the Maildir: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s\n%s\n%d\n", m.Ledger, strings.Join(strings.Fields(m.Source), " "), m.Edition)
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
