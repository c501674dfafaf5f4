package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"mailtwin/mailbox"
)

// A box is an open mailbox.
type box struct {
	*dir
	name          mailbox.Name
	cur, new, tmp *dir
}

// open opens a mailbox. One without cur or new is an error, never an empty mailbox.
func (t *Tree) open(name mailbox.Name) (*box, error) {
	d, err := t.find(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", mailbox.ErrNoMailbox, err)
	}
	if err != nil {
		return nil, &mailbox.MailboxError{Mailbox: name, Err: err}
	}
	b := &box{dir: d, name: name}
	if err := b.enterParts(); err != nil {
		b.close()
		if errors.Is(err, fs.ErrNotExist) {
			err = d.half(err)
		}
		return nil, &mailbox.MailboxError{Mailbox: name, Err: err}
	}
	return b, nil
}

var errHalf = errors.New("cur or new is not there")

// half is the error of a directory that has only some of the parts of a Maildir.
func (d *dir) half(err error) error {
	return fmt.Errorf("%s is not a whole Maildir: %w: %w", d.Name(), mailbox.ErrHalf, err)
}

func (b *box) enterParts() (err error) {
	if b.cur, err = b.enter("cur"); err != nil {
		return err
	}
	if b.new, err = b.enter("new"); err != nil {
		return err
	}
	if b.tmp, err = b.enter("tmp"); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Nothing is lost with tmp, and some tools leave it out when they copy.
	if err := b.mkdir("tmp"); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	b.tmp, err = b.enter("tmp")
	return err
}

// close lets go of the directories, none of which was written through its descriptor.
func (b *box) close() {
	for _, d := range []*dir{b.cur, b.new, b.tmp, b.dir} {
		if d != nil {
			d.Close() //nolint:errcheck,gosec // only read
		}
	}
}

// in returns the directory that a file is in.
func (b *box) in(e entry) *dir { return b.sub(e.fresh) }

func (b *box) sub(fresh bool) *dir {
	if fresh {
		return b.new
	}
	return b.cur
}

// clock is the present as the file system knows it; zero if it does not tell.
func (b *box) clock(s state) time.Time { return clock(b.dir, s) }

// wrap says which mailbox an error concerns.
func (b *box) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s mailbox %q: %w", doing, string(b.name), err)
}
