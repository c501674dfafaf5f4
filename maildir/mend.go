package maildir

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"mailtwin/mailbox"
)

var (
	errOtherForm = errors.New("what came cannot be stored under the name of the file; move the file away")
	errNoFile    = errors.New("it is no longer there, or is no plain file")
)

// Mend puts a message as it comes from body, in canonical form, in the place of what the file of a message has. The file
// keeps its name; what it had is in the attic first, if there is one. m tells the InternalDate. It is durable on return.
// At whatever moment the run dies, the file has all of the one or all of the other. A *mailbox.MessageError concerns this
// message alone.
func (t *Tree) Mend(ctx context.Context, name mailbox.Name, id mailbox.ID, m mailbox.Message, body io.Reader) (content mailbox.Content, err error) {
	b, err := t.open(name)
	if err != nil {
		return content, err
	}
	defer b.close()
	l, err := newLineWriter(b.tmp)
	if err != nil {
		return content, b.wrap("mend a message in", err)
	}
	sum := mailbox.NewSummer()
	_, err = io.Copy(io.MultiWriter(l, sum), body)
	err = errors.Join(err, l.finish())
	if err == nil && l.ambiguous() != isVerbatim(string(id)) {
		err = &mailbox.MessageError{Mailbox: name, ID: id, Err: errOtherForm}
	}
	if err == nil && !m.InternalDate.IsZero() {
		err = b.tmp.date(l.name, m.InternalDate)
	}
	if err == nil {
		err = b.tmp.fsync(l.f)
	}
	if err = errors.Join(err, l.f.Close()); err == nil {
		err = b.shelve(ctx, t.attic, replaced, []mailbox.ID{id})
	}
	if err == nil {
		err = b.supplant(ctx, id, l.name)
	}
	content = sum.Content()
	content.Stored = l.stored
	return content, b.wrap("mend a message in", errors.Join(err, b.tmp.unlinkAll([]string{l.name}), b.tmp.sync()))
}

// supplant gives a file of tmp the name that a message's file has, whatever became of its flags.
func (b *box) supplant(ctx context.Context, id mailbox.ID, tmp string) error {
	touched, placed := touchedDirs{}, false
	_, _, err := b.each(ctx, []mailbox.ID{id}, func(_ mailbox.ID, all []entry) error {
		if placed {
			return nil
		}
		if one, err := b.oneFile(all); err != nil || !one {
			return err
		}
		if err := b.tmp.exchange(tmp, b.in(all[0]), all[0].name); err != nil {
			return err
		}
		placed = true
		touched[b.in(all[0])] = true
		for _, link := range all[1:] { // further names of what was there
			if err := b.in(link).unlink(link.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			touched[b.in(link)] = true
		}
		return nil
	})
	if err == nil && !placed {
		err = &mailbox.MessageError{Mailbox: b.name, ID: id, Err: errNoFile}
	}
	return errors.Join(err, touched.sync(b.cur, b.new))
}
