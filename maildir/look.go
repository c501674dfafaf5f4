package maildir

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxLooks bounds how often a mailbox is read in which something seems to be missing.
const maxLooks = 6

// tick is how long to wait for the clock of a file system to go on, in the beginning.
const tick = 5 * time.Millisecond

// A look is what one reading of cur and new brought.
type look struct {
	entries []entry // by base; of one base, what is in cur first, then by name
	state   state   // before
	now     time.Time
	quiet   bool // nothing changed while it was read
}

// look reads cur and new once. new comes first: a mail program moves files from there to cur, and one that moves
// meanwhile is better seen twice than not at all.
//
// If the clock of the file system has gone on since the last change, any change during the reading shows in the times
// of the directories.
func (b *box) look() (*look, error) {
	l := &look{}
	var err error
	if l.state, err = readState(b.dir); err != nil {
		return nil, err
	}
	if err := b.still(l.state); err != nil {
		return nil, err
	}
	l.now = b.clock(l.state)
	if err := l.read(b.new, true); err != nil {
		return nil, err
	}
	if err := l.read(b.cur, false); err != nil {
		return nil, err
	}
	after, err := readState(b.dir)
	if err != nil {
		return nil, err
	}
	l.quiet = l.state.sameFiles(after) && !l.now.IsZero() && l.now.UnixNano() > l.state.changed()
	slices.SortFunc(l.entries, compareEntries)
	return l, nil
}

// still makes sure that cur and new are those that were opened: a directory that was removed reads as an empty one.
func (b *box) still(s state) error {
	for i, d := range []*dir{b.cur, b.new} {
		var st unix.Stat_t
		if err := unix.Fstat(d.fd(), &st); err != nil {
			return &fs.PathError{Op: "look at", Path: d.Name(), Err: err}
		}
		if uint64(st.Dev) != s[i].dev || st.Ino != s[i].ino { //nolint:unconvert // int32 on some systems
			return &fs.PathError{Op: "look at", Path: d.Name(), Err: errReplaced}
		}
	}
	return nil
}

var errReplaced = errors.New("replaced by another directory meanwhile")

func (l *look) read(d *dir, fresh bool) error {
	names, err := d.names()
	if err != nil {
		return err
	}
	l.entries = slices.Grow(l.entries, len(names))
	for _, name := range names {
		if name[0] != '.' {
			l.entries = append(l.entries, makeEntry(name, fresh))
		}
	}
	return nil
}

func compareEntries(a, b entry) int {
	if c := strings.Compare(a.base, b.base); c != 0 {
		return c
	}
	if a.fresh != b.fresh {
		if b.fresh {
			return -1
		}
		return 1
	}
	return strings.Compare(a.name, b.name)
}

// all returns the files of one base name: none, one, or more.
func (l *look) all(base string) []entry {
	i := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].base >= base })
	n := i
	for n < len(l.entries) && l.entries[n].base == base {
		n++
	}
	return l.entries[i:n]
}

// search looks until enough has seen what it wants, or until two looks between which nothing changed show the same.
// Then, and only then, what is not in the result is not there: settled. In a mailbox that never rests it gives up and
// returns the last look.
func (b *box) search(ctx context.Context, enough func(*look) bool) (l *look, settled bool, err error) {
	var before *look
	for n := range maxLooks {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		if l, err = b.look(); err != nil {
			return nil, false, err
		}
		if enough(l) {
			return l, true, nil
		}
		if before != nil && before.quiet && l.quiet && before.state.sameFiles(l.state) && slices.Equal(before.entries, l.entries) {
			return l, true, nil
		}
		before = l
		if !l.quiet && n+1 < maxLooks {
			if err := wait(ctx, tick<<min(n, 3)); err != nil {
				return nil, false, err
			}
		}
	}
	return l, false, nil
}

// wait lets time pass.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seek looks for the files of some base names, and returns all it found. settled is as for search.
func (b *box) seek(ctx context.Context, bases []string) (found map[string][]entry, settled bool, err error) {
	l, settled, err := b.search(ctx, func(l *look) bool {
		return !slices.ContainsFunc(bases, func(base string) bool { return len(l.all(base)) == 0 })
	})
	if err != nil {
		return nil, false, err
	}
	found = make(map[string][]entry, len(bases))
	for _, base := range bases {
		if all := l.all(base); len(all) > 0 {
			found[base] = all
		}
	}
	return found, settled, nil
}
