package maildir

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// Remove takes messages away. gone are those that are certainly not there any more. A file is the message that is
// meant if it has its base name, whatever became of its flags. What is removed is in the attic first, if there is one.
func (t *Tree) Remove(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed) (gone, kept []mailbox.ID, err error) {
	b, err := t.open(name)
	if err != nil {
		return nil, nil, err
	}
	defer b.close()
	ids := doomedIDs(messages)
	if err = b.shelve(ctx, t.attic, "", ids); err == nil {
		gone, err = b.remove(ctx, ids)
	}
	return gone, nil, b.wrap("remove from", err)
}

func doomedIDs(messages []mailbox.Doomed) []mailbox.ID {
	ids := make([]mailbox.ID, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	return ids
}

func (b *box) remove(ctx context.Context, ids []mailbox.ID) ([]mailbox.ID, error) {
	touched := touchedDirs{}
	var unlinked []mailbox.ID
	gone, _, err := b.each(ctx, ids, func(id mailbox.ID, all []entry) error {
		if one, err := b.oneFile(all); err != nil || !one {
			return err
		}
		for _, e := range all {
			if err := b.in(e).unlink(e.name); err != nil {
				return err
			}
			touched[b.in(e)] = true
		}
		unlinked = append(unlinked, id)
		return nil
	})
	if err := errors.Join(err, touched.sync(b.cur, b.new)); err != nil {
		return nil, err
	}
	return slices.Concat(unlinked, gone), nil
}

// oneFile tells whether all names are those of one regular file. Two files that have one base name are two messages,
// and only the next scan can tell which of them is which.
func (b *box) oneFile(all []entry) (bool, error) {
	var first stamp
	for i, e := range all {
		st, err := b.in(e).lstat(e.name)
		if err != nil {
			return false, err
		}
		s := stampOf(&st)
		if i == 0 {
			first = s
		}
		if st.Mode&unix.S_IFMT != unix.S_IFREG || s.dev != first.dev || s.ino != first.ino {
			return false, nil
		}
	}
	return true, nil
}

// unlinkAll removes files and keeps the errors; what is gone is no error.
func (d *dir) unlinkAll(names []string) error {
	var errs []error
	for _, name := range names {
		if err := d.unlink(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
