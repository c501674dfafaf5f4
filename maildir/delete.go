package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

var errRoot = errors.New("it is the whole Maildir")

var errLeftovers = errors.New("another program stores a message there")

// Delete removes a mailbox that holds no message. A directory that holds other mailboxes stays for them.
func (t *Tree) Delete(_ context.Context, name mailbox.Name) error {
	t.making.Lock()
	defer t.making.Unlock()
	path, err := t.resolve(name)
	if errors.Is(err, mailbox.ErrNoMailbox) {
		return nil
	}
	if err == nil {
		err = t.deleteAt(path)
	}
	t.forget(name)
	if err != nil {
		return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("delete: %w", err)}
	}
	return nil
}

func (t *Tree) deleteAt(path []string) error {
	last := len(path) - 1
	if last < 0 {
		return errRoot
	}
	above, done, err := t.at(path[:last])
	if err != nil {
		return err
	}
	defer done()
	d, err := above.enter(path[last])
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only read
	if err := d.clearTmp(); err != nil {
		return err
	}
	if err := d.removeParts(); err != nil {
		return err
	}
	rest, err := d.names()
	if err != nil {
		return err
	}
	for _, name := range rest {
		if name != keywordsFile && name != nameFile && name != folderFile {
			return d.dropKeywords() // other mailboxes, or files of other programs
		}
	}
	if err := d.unlinkAll(rest); err != nil {
		return err
	}
	if err := above.rmdir(path[last]); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return above.sync()
}

// dropKeywords removes what belongs to the mailbox alone from a directory that stays.
func (d *dir) dropKeywords() error {
	if err := d.unlinkAll([]string{keywordsFile}); err != nil {
		return err
	}
	return d.sync()
}

// removeParts removes cur and new if both are empty: the system itself refuses to remove what holds a file. cur goes
// first, for without it there is no mailbox.
func (d *dir) removeParts() error {
	for _, part := range []string{"cur", "new"} {
		if err := d.hasNone(part); err != nil {
			return err
		}
	}
	if err := d.rmdirIfAny("cur"); err != nil {
		return err
	}
	if err := d.rmdirIfAny("new"); err != nil {
		// Mail came just now, or the disk failed: it is a mailbox again.
		if back := d.mkdir("cur"); back != nil && !errors.Is(back, fs.ErrExist) {
			err = errors.Join(err, back)
		}
		return err
	}
	return d.rmdirIfAny("tmp")
}

// hasNone returns mailbox.ErrNotEmpty if there is any file in a part.
func (d *dir) hasNone(part string) error {
	below, err := d.enter(part)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := below.names()
	if len(names) > 0 {
		err = errors.Join(err, mailbox.ErrNotEmpty)
	}
	return errors.Join(err, below.Close())
}

func (d *dir) rmdirIfAny(part string) error {
	err := d.rmdir(part)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
		return errors.Join(mailbox.ErrNotEmpty, err)
	}
	return err
}

// clearTmp removes what was left in tmp. A young file of another program is a message that is being stored.
func (d *dir) clearTmp() error {
	tmp, err := d.enter("tmp")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer tmp.Close() //nolint:errcheck // only read
	names, err := tmp.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		st, err := tmp.lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, ctime := modTime(&st)
		ours := strings.HasPrefix(name, "mailtwin_") || strings.HasPrefix(name, ".clock_") || strings.HasPrefix(name, ".small_")
		if !ours && time.Since(time.Unix(0, ctime)) < tmpLife {
			return errors.Join(mailbox.ErrNotEmpty, errLeftovers)
		}
		if err := tmp.unlinkAll([]string{name}); err != nil {
			return err
		}
	}
	return nil
}

// tmpLife is how long a file may lie in tmp before it counts as left behind.
//
// Source: <https://cr.yp.to/proto/maildir.html>.
const tmpLife = 36 * time.Hour
