package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"mailtwin/mailbox"
)

// Options say where a Maildir tree lies and whose twin it is.
type Options struct {
	// Root is the directory that holds the mailboxes. It may be a symbolic link; nothing below it may.
	Root string
	// Source names the account that mail is downloaded from, as "user@host". The base names of the files are derived
	// from it: with the same Source, a download that was cut short is recognised instead of done twice.
	Source string
	// Layout is Nested if it is empty.
	Layout Layout
	// Attic is a directory that keeps what Remove takes away; empty if it shall be gone at once.
	Attic string
	// Create makes the root if it does not exist. Without it that is an error, for a root that has been there before
	// and is gone is more likely a disk that is not mounted.
	Create bool
}

// A Tree is a tree of Maildirs. Its methods may be called from several goroutines.
type Tree struct {
	root   *dir
	path   string
	source string
	attic  string
	layout Layout
	syncfs bool // one call makes everything on the file system durable

	making   sync.Mutex // held while mailboxes are made, renamed and removed
	lettered sync.Mutex // held while a keyword gets its letter

	mu     sync.Mutex
	paths  map[mailbox.Name][]string // directory names of mailboxes that were found
	recent map[mailbox.Name]*recent
}

// recent is what the last scan of a mailbox saw and later calls can use.
type recent struct {
	files   map[string]entry // what the ledger does not know, by base name; it may have been renamed since
	orphans uint32           // keyword letters in use that no keyword is known for
	cleaned bool             // tmp was cleared of what dead programs left
}

// Open opens the tree. An error that is fs.ErrNotExist means that there is no root.
func Open(o Options) (*Tree, error) { return open(o, nil) }

func open(o Options, t tap) (*Tree, error) {
	path, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, fmt.Errorf("open Maildir: %w", err)
	}
	if o.Create {
		if err := makeRoot(path); err != nil {
			return nil, fmt.Errorf("create Maildir: %w", err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open Maildir: %w", err)
	}
	tree := &Tree{
		root: &dir{f, t}, path: path, source: o.Source, attic: o.Attic, layout: o.Layout, syncfs: canSyncfs(f),
		paths: map[mailbox.Name][]string{}, recent: map[mailbox.Name]*recent{},
	}
	if tree.layout == "" {
		tree.layout = Nested
	}
	if err := tree.check(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return tree, nil
}

// makeRoot makes the root and what is missing above it, durably.
func makeRoot(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeRoot(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close lets go of the root.
func (t *Tree) Close() error { return t.root.Close() }

// check makes sure that the root is still where it was opened: not unmounted, not another disk.
func (t *Tree) check() error {
	held, err := t.root.Stat()
	if err != nil {
		return fmt.Errorf("look at Maildir: %w", err)
	}
	there, err := os.Stat(t.path)
	switch {
	case err != nil:
		return fmt.Errorf("look at Maildir: %w", err)
	case !there.IsDir():
		return fmt.Errorf("look at Maildir: %s is not a directory", t.path)
	case !os.SameFile(held, there):
		return fmt.Errorf("look at Maildir: %s is no longer the directory that it was", t.path)
	}
	return nil
}

// lately returns what the last scan of a mailbox left for later calls. It is to be used under t.mu.
func (t *Tree) lately(name mailbox.Name) *recent {
	r := t.recent[name]
	if r == nil {
		r = &recent{}
		t.recent[name] = r
	}
	return r
}

// forget drops what is known of a mailbox and of those below it.
func (t *Tree) forget(name mailbox.Name) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for known := range t.paths {
		if known == name || known.Under(name) {
			delete(t.paths, known)
		}
	}
	for known := range t.recent {
		if known == name || known.Under(name) {
			delete(t.recent, known)
		}
	}
}

// levels returns the levels of a name, INBOX in upper case.
func levels(name mailbox.Name) []string {
	l := name.Levels()
	l[0] = upperInbox(l[0], true)
	return l
}

// find opens the directory of a mailbox.
func (t *Tree) find(name mailbox.Name) (*dir, error) {
	t.mu.Lock()
	path := t.paths[name]
	t.mu.Unlock()
	if path != nil {
		if d, err := t.walk(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return d, err
		}
	}
	path, err := t.resolve(name)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.paths[name] = path
	t.mu.Unlock()
	return t.walk(path)
}

// Pretend has a mailbox that was listed answer to another name, until the next listing. Nothing is renamed.
func (t *Tree) Pretend(from, to mailbox.Name) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paths[to] = t.paths[from]
	delete(t.paths, from)
}

// walk opens directory below directory; no path is the root.
func (t *Tree) walk(path []string) (*dir, error) {
	if len(path) == 0 {
		f, err := t.root.again()
		if err != nil {
			return nil, err
		}
		return &dir{f, t.root.tap}, nil
	}
	d, err := t.root.enter(path[0])
	for _, name := range path[1:] {
		if err != nil {
			return nil, err
		}
		above := d
		d, err = above.enter(name)
		err = errors.Join(err, above.Close())
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// resolve finds out which directories the levels of a name are. It reads each directory on the way, for on a file
// system that ignores case, opening a name proves nothing.
func (t *Tree) resolve(name mailbox.Name) ([]string, error) {
	if t.layout == PlusPlus {
		return t.plusResolve(name)
	}
	var path []string
	for i, level := range levels(name) {
		entry, err := t.child(path, level)
		if err != nil {
			return nil, err
		}
		if entry == "" {
			return nil, fmt.Errorf("%w: level %d of its name", mailbox.ErrNoMailbox, i+1)
		}
		path = append(path, entry)
	}
	return path, nil
}

// child returns the directory name of a level below path; empty if there is none.
func (t *Tree) child(path []string, level string) (entry string, err error) {
	above := t.root
	if len(path) > 0 {
		if above, err = t.walk(path); err != nil {
			return "", err
		}
		defer above.Close() //nolint:errcheck // it was only read
	}
	entries, err := above.entries()
	if err != nil {
		return "", err
	}
	children, err := claims(above, entries, len(path) == 0)
	return children[level], err
}
