package maildir

import (
	"context"
	"errors"
	"io/fs"

	"mailtwin/mailbox"
)

var errNameTaken = errors.New("another file has the name that it would get")

// SetFlags changes flags by renaming the files. Keywords for which no letter is left are left out. A message in new
// stays there as long as it has no flag.
func (t *Tree) SetFlags(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error {
	b, err := t.open(name)
	if err != nil {
		return err
	}
	defer b.close()
	var added mailbox.Flags
	var ids []mailbox.ID
	byID := map[mailbox.ID]mailbox.FlagChange{}
	for _, c := range changes {
		added = added.Union(c.Add)
		if before, twice := byID[c.ID]; twice {
			c.Add, c.Take = before.Add.Minus(c.Take).Union(c.Add), before.Take.Minus(c.Add).Union(c.Take)
		} else {
			ids = append(ids, c.ID)
		}
		byID[c.ID] = c
	}
	kw, err := t.keywords(b, added)
	if err != nil {
		return b.wrap("write the keywords of", err)
	}
	touched := touchedDirs{}
	_, left, err := b.each(ctx, ids, func(id mailbox.ID, all []entry) error {
		err := b.reflag(all[0], byID[id], kw, touched)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problem(id, err)
			return nil
		}
		return err
	})
	for _, id := range left {
		problem(id, errBusy)
	}
	return b.wrap("set flags in", errors.Join(err, touched.sync(b.cur, b.new)))
}

// reflag gives one file the name that its flags ask for.
func (b *box) reflag(e entry, change mailbox.FlagChange, kw *keywords, touched touchedDirs) error {
	letters := e.letters()
	flags := kw.flags(letters).Union(change.Add).Minus(change.Take)
	now := kw.letters(flags, letters)
	fresh := e.fresh && now == ""
	if now == letters && fresh == e.fresh {
		return nil
	}
	from, to, as := b.in(e), b.sub(fresh), withLetters(e.base, now, fresh)
	err := from.move(e.name, to, as)
	if errors.Is(err, fs.ErrExist) {
		err = sameFile(from, e.name, to, as)
		if err == nil {
			err = from.unlink(e.name)
		}
	}
	if err == nil {
		touched[from], touched[to] = true, true
	}
	return err
}

// sameFile returns no error if both names are links to one file, as a program that died between link and unlink
// leaves them.
func sameFile(d *dir, name string, other *dir, otherName string) error {
	one, err := d.lstat(name)
	if err != nil {
		return err
	}
	two, err := other.lstat(otherName)
	if err != nil {
		return err
	}
	if one.Dev != two.Dev || one.Ino != two.Ino {
		return errNameTaken
	}
	return nil
}

// touchedDirs are directories in which names changed.
type touchedDirs map[*dir]bool

// sync makes those of the directories durable in which something changed, in the order given.
func (t touchedDirs) sync(order ...*dir) error {
	for _, d := range order {
		if t[d] {
			if err := d.sync(); err != nil {
				return err
			}
		}
	}
	return nil
}
