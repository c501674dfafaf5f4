package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"mailtwin/mailbox"
)

// maxRetries bounds how often a file is looked for again that was renamed between being found and being used.
const maxRetries = 4

// Identify reads messages and tells their content. What cannot be read is left out.
func (t *Tree) Identify(ctx context.Context, name mailbox.Name, ids []mailbox.ID, found func(mailbox.ID, mailbox.Content)) error {
	skip := func(mailbox.ID, error) {}
	return t.read(ctx, name, ids, func(id mailbox.ID, r *crlfReader) error {
		content, err := r.content()
		if err != nil {
			return &unreadable{err}
		}
		found(id, content)
		return nil
	}, skip)
}

// An unreadable is an error of one file.
type unreadable struct{ err error }

func (u *unreadable) Error() string { return u.err.Error() }
func (u *unreadable) Unwrap() error { return u.err }

// Fetch hands over messages in canonical form. What is gone is left out without a word.
func (t *Tree) Fetch(ctx context.Context, name mailbox.Name, ids []mailbox.ID,
	body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error),
) error {
	return t.read(ctx, name, ids, func(id mailbox.ID, r *crlfReader) error { return body(id, r) }, problem)
}

// read opens messages and hands them on. Those that the last scan saw are tried under the name that they had then;
// the mailbox is read only for what is not found so.
func (t *Tree) read(ctx context.Context, name mailbox.Name, ids []mailbox.ID,
	use func(mailbox.ID, *crlfReader) error, problem func(mailbox.ID, error),
) error {
	b, err := t.open(name)
	if err != nil {
		return err
	}
	defer b.close()
	places := t.seenLately(name, ids)
	for range maxRetries {
		if ids, err = b.readAll(ctx, ids, places, use, problem); err != nil || len(ids) == 0 {
			return err
		}
		found, _, err := b.seek(ctx, texts(ids))
		if err != nil {
			return b.wrap("read", err)
		}
		clear(places)
		for base, all := range found {
			places[base] = all[0]
		}
		ids = slices.DeleteFunc(ids, func(id mailbox.ID) bool { return len(found[string(id)]) == 0 })
	}
	for _, id := range ids {
		problem(id, errBusy)
	}
	return nil
}

// readAll reads the messages whose places are known and returns those that were not found there.
func (b *box) readAll(ctx context.Context, ids []mailbox.ID, places map[string]entry,
	use func(mailbox.ID, *crlfReader) error, problem func(mailbox.ID, error),
) (rest []mailbox.ID, err error) {
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, ok := places[string(id)]
		if !ok {
			rest = append(rest, id)
			continue
		}
		err := b.readOne(e, use)
		var bad *unreadable
		switch {
		case errors.As(err, &bad) && errors.Is(err, fs.ErrNotExist):
			rest = append(rest, id)
		case errors.As(err, &bad):
			problem(id, bad.err)
		case err != nil:
			return nil, err
		}
	}
	return rest, nil
}

var errBusy = fmt.Errorf("%w: another program renames it all the time", mailbox.ErrTemporary)

func (t *Tree) seenLately(name mailbox.Name, ids []mailbox.ID) map[string]entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	places := map[string]entry{}
	files := t.lately(name).files
	for _, id := range ids {
		if e, ok := files[string(id)]; ok {
			places[string(id)] = e
		}
	}
	return places
}

func (b *box) readOne(e entry, use func(mailbox.ID, *crlfReader) error) error {
	f, err := b.in(e).open(e.name)
	if err != nil {
		return &unreadable{err}
	}
	defer f.Close() //nolint:errcheck // only read
	c, err := canonical(f, isVerbatim(e.base))
	if err != nil {
		return &unreadable{err}
	}
	defer c.close()
	return use(e.id(), c)
}

func texts(ids []mailbox.ID) []string {
	bases := make([]string, len(ids))
	for i, id := range ids {
		bases[i] = string(id)
	}
	return bases
}

// Missing tells which messages are certainly not there, by two looks between which nothing changed.
func (t *Tree) Missing(ctx context.Context, name mailbox.Name, ids []mailbox.ID) ([]mailbox.ID, error) {
	b, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer b.close()
	found, settled, err := b.seek(ctx, texts(ids))
	if err != nil || !settled {
		return nil, b.wrap("look into", err)
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id mailbox.ID) bool { return len(found[string(id)]) > 0 }), nil
}

// each does something to the files of some messages. do gets all files of one base name; if one of them is renamed
// meanwhile, which is fs.ErrNotExist, they are looked for again. gone are the messages that are certainly not there;
// left are those of which nothing certain is known.
func (b *box) each(ctx context.Context, ids []mailbox.ID, do func(mailbox.ID, []entry) error) (gone, left []mailbox.ID, err error) {
	left = slices.Clone(ids)
	for range maxRetries {
		if len(left) == 0 {
			return gone, nil, nil
		}
		found, settled, err := b.seek(ctx, texts(left))
		if err != nil {
			return nil, nil, err
		}
		var again []mailbox.ID
		for _, id := range left {
			all := found[string(id)]
			if len(all) == 0 && settled {
				gone = append(gone, id)
				continue
			}
			if len(all) > 0 {
				err = do(id, all)
			}
			if len(all) == 0 || errors.Is(err, fs.ErrNotExist) {
				again = append(again, id)
			} else if err != nil {
				return nil, nil, err
			}
		}
		left = again
	}
	return gone, left, nil
}
