package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"mailtwin/mailbox"
)

// shelfPath is where the attic keeps what was removed from a mailbox on one day.
func shelfPath(attic, day string, name mailbox.Name) string {
	path := filepath.Join(attic, day)
	for _, level := range levels(name) {
		path = filepath.Join(path, candidates(level)[0])
	}
	return path
}

// openShelf opens a Maildir of the attic. fs.ErrNotExist means that there is none.
func openShelf(attic, day string, name mailbox.Name) (*box, error) {
	f, err := os.Open(shelfPath(attic, day, name))
	if err != nil {
		return nil, err
	}
	b := &box{dir: &dir{File: f}, name: name}
	if err := b.enterParts(); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// openSource opens the mailbox, or the Maildir of the attic, that a message lies in.
func (t *Tree) openSource(name mailbox.Name, day string) (*box, error) {
	if day == "" {
		return t.open(name)
	}
	b, err := openShelf(t.attic, day, name)
	if err != nil {
		return nil, fmt.Errorf("open the attic: %w", err)
	}
	return b, nil
}

// Shelved finds messages in the attic: by their mailbox and Near ID, and where another file took that name, by content.
// The result is by mailbox and Near ID, too.
func (t *Tree) Shelved(ctx context.Context, wanted []mailbox.Located) (map[mailbox.Place]mailbox.Source, error) {
	found := map[mailbox.Place]mailbox.Source{}
	days, err := atticDays(t.attic)
	if err != nil || len(wanted) == 0 {
		return found, err
	}
	byMailbox := map[mailbox.Name][]mailbox.Pair{}
	for _, w := range wanted {
		byMailbox[w.Mailbox] = append(byMailbox[w.Mailbox], w.Pair)
	}
	for _, day := range days {
		for name, pairs := range byMailbox {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if err := searchShelf(t.attic, day, name, pairs, found); err != nil {
				return nil, fmt.Errorf("search the attic: %w", err)
			}
		}
	}
	return found, nil
}

// atticDays lists the days of an attic, the last one first.
func atticDays(attic string) ([]string, error) {
	if attic == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(attic)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var days []string
	for _, e := range entries {
		if _, err := time.Parse(time.DateOnly, e.Name()); err == nil {
			days = append(days, e.Name())
		}
	}
	slices.Reverse(days)
	return days, err
}

// renamedBase is what freshBase makes.
var renamedBase = regexp.MustCompile(`^[0-9]+\.R`)

// searchShelf finds what is not found yet. Only where files had to be given other names are any of them read.
func searchShelf(attic, day string, name mailbox.Name, pairs []mailbox.Pair, found map[mailbox.Place]mailbox.Source) error {
	b, err := openShelf(attic, day, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer b.close()
	l, err := b.look()
	if err != nil {
		return err
	}
	renamed := slices.DeleteFunc(slices.Clone(l.entries), func(e entry) bool { return !renamedBase.MatchString(e.base) })
	for _, p := range pairs {
		place := mailbox.Place{Mailbox: name, ID: p.Near}
		if _, known := found[place]; known {
			continue
		}
		candidates := l.all(string(p.Near))
		if len(renamed) > 0 {
			candidates = b.ofContent(slices.Concat(candidates, renamed), p.Digest)
		}
		if len(candidates) > 0 {
			found[place] = mailbox.Source{Place: mailbox.Place{Mailbox: name, ID: candidates[0].id()}, Day: day}
		}
	}
	return nil
}

// ofContent keeps the files that have a content; one that cannot be read has another.
func (b *box) ofContent(entries []entry, digest mailbox.Digest) []entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e entry) bool {
		c, err := b.content(e)
		return err != nil || c.Digest != digest
	})
}

// Peek hands over messages in canonical form, wherever they lie. Those that are not there, or cannot be read, are left out.
func (t *Tree) Peek(ctx context.Context, sources []mailbox.Source, body func(mailbox.Source, io.Reader) error) error {
	type where struct {
		name mailbox.Name
		day  string
	}
	groups := map[where][]mailbox.ID{}
	for _, s := range sources {
		at := where{s.Mailbox, s.Day}
		groups[at] = append(groups[at], s.ID)
	}
	for at, ids := range groups {
		b, err := t.openSource(at.name, at.day)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, mailbox.ErrNoMailbox) {
			continue
		}
		if err != nil {
			return err
		}
		_, _, err = b.each(ctx, ids, func(id mailbox.ID, all []entry) error {
			err := b.readOne(all[0], func(_ mailbox.ID, r *crlfReader) error {
				return body(mailbox.Source{Place: mailbox.Place{Mailbox: at.name, ID: id}, Day: at.day}, r)
			})
			if errors.As(err, new(*unreadable)) && !errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		b.close()
		if err != nil {
			return fmt.Errorf("read mailbox %q: %w", string(at.name), err)
		}
	}
	return nil
}
