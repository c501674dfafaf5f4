package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// Create makes a mailbox, and the directories above it. What is there already stays.
func (t *Tree) Create(_ context.Context, name mailbox.Name) error {
	t.making.Lock()
	defer t.making.Unlock()
	var path []string
	var err error
	if t.layout == PlusPlus {
		path, err = t.plusMake(name)
	} else {
		path, err = t.makeLevels(levels(name))
	}
	if err == nil {
		err = t.makeParts(path)
	}
	t.forgetPath(name)
	if err != nil {
		return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("create: %w", err)}
	}
	return nil
}

// makeParts makes the directories of a Maildir, cur last: only with it is there a mailbox.
func (t *Tree) makeParts(path []string) error {
	d, err := t.walk(path)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only read
	for _, part := range []string{"tmp", "new", "cur"} {
		if err := d.mkdir(part); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		below, err := d.enter(part) // a link or a file is no such directory
		if err != nil {
			return err
		}
		if err := below.Close(); err != nil {
			return err
		}
	}
	return d.sync()
}

// makeLevels makes the directories of some levels and returns their names.
func (t *Tree) makeLevels(levels []string) ([]string, error) {
	var path []string
	for _, level := range levels {
		entry, err := t.child(path, level)
		if err == nil && entry == "" {
			entry, err = t.makeLevel(path, level)
		}
		if err != nil {
			return nil, err
		}
		path = append(path, entry)
	}
	return path, nil
}

// makeLevel makes the directory of a level, durably. Where the file system takes its name for that of another
// mailbox, because it ignores case, another spelling is used.
func (t *Tree) makeLevel(path []string, level string) (string, error) {
	above, done, err := t.at(path)
	if err != nil {
		return "", err
	}
	defer done()
	for _, name := range candidates(level) {
		err = above.mkdir(name)
		if errors.Is(err, fs.ErrExist) && !above.unfinished(name, level) {
			continue
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = above.keepName(name, level)
		}
		if err == nil {
			err = above.sync()
		}
		return name, err
	}
	return "", err
}

// unfinished tells whether a directory was made for this very level by a run that died before it wrote the whole name
// into it. The digest in its name makes that certain.
func (d *dir) unfinished(name, level string) bool {
	if decode(name) == level {
		return false
	}
	inside, err := d.enter(name)
	if err != nil {
		return false
	}
	_, err = inside.lstat(nameFile)
	return inside.Close() == nil && errors.Is(err, fs.ErrNotExist)
}

// at opens the directory at path, or the root.
func (t *Tree) at(path []string) (d *dir, done func(), err error) {
	if len(path) == 0 {
		return t.root, func() {}, nil
	}
	d, err = t.walk(path)
	if err != nil {
		return nil, nil, err
	}
	return d, func() { d.Close() }, nil //nolint:errcheck,gosec // only read
}

// keepName writes the whole name of a level into its directory, if the directory's own name is cut.
func (d *dir) keepName(name, level string) error {
	if decode(name) == level {
		return nil
	}
	inside, err := d.enter(name)
	if err != nil {
		return err
	}
	defer inside.Close() //nolint:errcheck // only read
	if _, err := inside.lstat(nameFile); err == nil {
		return nil
	}
	return inside.writeName(level)
}

// writeName puts a whole name into the directory whose own name is cut, in place of one that may be there.
func (d *dir) writeName(text string) error {
	if err := d.unlinkAll([]string{nameFile}); err != nil {
		return err
	}
	f, err := d.create(nameFile)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = d.fsync(f)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, d.unlink(nameFile))
	}
	return d.sync()
}

// Rename gives a mailbox, with those below it, another name that nothing has.
func (t *Tree) Rename(_ context.Context, from, to mailbox.Name) error {
	t.making.Lock()
	defer t.making.Unlock()
	var err error
	if t.layout == PlusPlus {
		err = t.plusRename(from, to)
	} else {
		err = t.rename(levels(from), levels(to))
	}
	t.forget(from)
	t.forget(to)
	if err != nil {
		return &mailbox.MailboxError{Mailbox: from, Err: fmt.Errorf("rename to %q: %w", string(to), err)}
	}
	return nil
}

func (t *Tree) rename(from, to []string) error {
	path, err := t.resolve(mailbox.MakeName(from...))
	if err != nil {
		return err
	}
	last := len(to) - 1
	above, err := t.makeLevels(to[:last])
	if err != nil {
		return err
	}
	source, done, err := t.at(path[:len(path)-1])
	if err != nil {
		return err
	}
	defer done()
	target, done, err := t.at(above)
	if err != nil {
		return err
	}
	defer done()
	taken, err := t.child(above, to[last])
	if err != nil {
		return err
	}
	if taken != "" && target.rmdir(taken) != nil { // an empty one is what is left of a mailbox that was removed
		return fs.ErrExist
	}
	return source.renameDir(path[len(path)-1], target, to[last])
}

// renameDir moves a directory. If its new name is cut, the whole name is put in first.
func (d *dir) renameDir(name string, to *dir, level string) error {
	for _, as := range candidates(level) {
		if decode(as) != level {
			if err := d.rewriteName(name, level); err != nil {
				return err
			}
		}
		err := d.moveDir(name, to, as)
		if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
			continue
		}
		if err != nil {
			return err
		}
		return syncDirs(to, d)
	}
	return fs.ErrExist
}

// moveDir gives a directory another name, which must be free.
func (d *dir) moveDir(name string, to *dir, as string) error {
	err := to.effect("move", as, func() error { return renameNoReplace(d.fd(), name, to.fd(), as) })
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	if _, err := to.lstat(as); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	return d.replace(name, to, as) // of directories, only an empty one would be replaced
}

// rewriteName puts the whole name of a level into a directory that may have another there.
func (d *dir) rewriteName(name, level string) error {
	inside, err := d.enter(name)
	if err != nil {
		return err
	}
	err = inside.unlinkAll([]string{nameFile})
	if err = errors.Join(err, inside.Close()); err != nil {
		return err
	}
	return d.keepName(name, level)
}
