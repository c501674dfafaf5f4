package maildir

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

var errTwice = errors.New("another file has the same name up to the colon")

// Inspect lists a mailbox, and neither reads a file nor changes one. found is told of each message: its flags, and in
// Content.Stored how many octets its file has. What is no message is Unread, under its base name or, where that would not
// tell it from another, the name of the file. What Inspect leaves out may have been renamed meanwhile; Missing is proof.
func (t *Tree) Inspect(ctx context.Context, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error) {
	b, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer b.close()
	l, err := b.glance()
	if err != nil {
		return nil, b.wrap("look into", err)
	}
	kw, err := readKeywords(b.dir) // after the files, as in a scan
	if err != nil {
		return nil, b.wrap("read the keywords of", err)
	}
	scan := &mailbox.Scan{Full: true, Settled: true, Unread: map[mailbox.ID]error{}}
	var first unix.Stat_t // the file that has the base name
	for i, e := range l.entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		kw.adopt(e.letters())
		if i == 0 || e.base != l.entries[i-1].base {
			first = unix.Stat_t{}
		}
		st, err := b.in(e).lstat(e.name)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && st.Ino == first.Ino && st.Dev == first.Dev: // renamed, a link
		case err != nil:
			return nil, b.wrap("look into", err)
		case e.base == "":
			scan.Unread[mailbox.ID(e.name)] = errNoBase
		case first.Ino != 0:
			scan.Unread[mailbox.ID(e.name)] = errTwice
		case st.Mode&unix.S_IFMT != unix.S_IFREG:
			first = st
			scan.Unread[e.id()] = errIrregular
		default:
			first = st
			found(mailbox.Message{ID: e.id(), Flags: kw.flags(e.letters()), Content: mailbox.Content{Stored: st.Size}})
		}
	}
	scan.Holds = kw.holds
	return scan, nil
}

// glance reads cur and new once, without asking the file system for its clock.
func (b *box) glance() (*look, error) {
	l := &look{}
	var err error
	if l.state, err = readState(b.dir); err != nil {
		return nil, err
	}
	if err := b.still(l.state); err != nil {
		return nil, err
	}
	if err := errors.Join(l.read(b.new, true), l.read(b.cur, false)); err != nil {
		return nil, err
	}
	slices.SortFunc(l.entries, compareEntries)
	return l, nil
}
