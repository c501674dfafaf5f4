package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// A Layout says how the names of mailboxes become directories.
type Layout string

// The layouts.
const (
	Nested   Layout = "nested"    // a directory for each level: Work/2024/cur
	PlusPlus Layout = "maildir++" // one directory for each mailbox, beside cur of INBOX: .Work.2024/cur
)

// folderFile marks a directory as a mailbox of a Maildir++, for the delivery agents that look for it.
//
// Source: <https://www.courier-mta.org/imap/README.maildirquota.html>.
const folderFile = "maildirfolder"

// plusText writes a name as one directory name of any length, without the dot in front. At least the first octets of
// its last level are escaped, or all octets of all levels.
func plusText(name mailbox.Name, escape int) string {
	l := levels(name)
	for i, level := range l {
		first := 0
		switch {
		case escape == 2:
			first = len(level)
		case escape == 1 && i == len(l)-1:
			first = 1
		}
		l[i] = strings.ReplaceAll(encode(level, first), ".", "%2E")
	}
	return strings.Join(l, ".")
}

// plusCandidates returns the directory names that may stand for a mailbox, the preferred one first, see candidates.
func plusCandidates(name mailbox.Name) [3]string {
	var all [3]string
	for i := range all {
		text := plusText(name, i)
		all[i] = shorten("."+text, text)
	}
	return all
}

// plusName is the mailbox that a directory name, whole and without its dot, stands for.
func plusName(text string) mailbox.Name {
	l := strings.Split(text, ".")
	for i, level := range l {
		l[i] = decode(level)
	}
	l[0] = upperInbox(l[0], true)
	return mailbox.MakeName(l...)
}

// plusNames tells which directory in the root stands for which mailbox. As in claims, what our own rules write comes
// first, and no directory hides another.
func (t *Tree) plusNames() (map[mailbox.Name]string, error) {
	entries, err := t.root.entries()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	type claim struct {
		name  mailbox.Name
		entry string
		rank  int
	}
	var claims []claim
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), ".") {
			continue
		}
		text, err := plusWhole(t.root, e.Name())
		if err != nil {
			return nil, err
		}
		name := plusName(text)
		possible := plusCandidates(name)
		rank := slices.Index(possible[:], e.Name())
		if rank < 0 || name == mailbox.Inbox {
			name, rank = plusName(e.Name()[1:]), len(possible) // another program's
		}
		claims = append(claims, claim{name, e.Name(), rank})
	}
	slices.SortStableFunc(claims, func(a, b claim) int { return a.rank - b.rank })
	names := map[mailbox.Name]string{mailbox.Inbox: "."} // which is the root, and nobody else's
	for _, c := range claims {
		for level := c.entry; names[c.name] != ""; level = encode(level, 1) {
			c.name = mailbox.MakeName(level)
		}
		names[c.name] = c.entry
	}
	delete(names, mailbox.Inbox)
	return names, nil
}

// plusWhole returns what a directory name stands for, whole if it is cut, without its dot.
func plusWhole(root *dir, entry string) (string, error) {
	if !looksCut(entry) {
		return entry[1:], nil
	}
	d, err := root.enter(entry)
	if err != nil {
		return "", err
	}
	whole, err := d.small(nameFile)
	err = errors.Join(err, d.Close())
	if errors.Is(err, fs.ErrNotExist) {
		return entry[1:], nil
	}
	if err == nil && strings.HasSuffix(entry, levelDigest(string(whole))) {
		return string(whole), nil
	}
	return entry[1:], err
}

// plusResolve finds the directory of a mailbox; INBOX is the root itself.
func (t *Tree) plusResolve(name mailbox.Name) ([]string, error) {
	if name == mailbox.Inbox {
		return []string{}, nil
	}
	names, err := t.plusNames()
	if err != nil {
		return nil, err
	}
	if names[name] == "" {
		return nil, fmt.Errorf("%w: it has no directory", mailbox.ErrNoMailbox)
	}
	return []string{names[name]}, nil
}

// plusList lists all mailboxes.
func (l *listing) plusList() error {
	names, err := l.tree.plusNames()
	if err != nil {
		return err
	}
	if is, err := isMailbox(l.tree.root); err != nil {
		return err
	} else if is {
		if err := l.add(l.tree.root, mailbox.Inbox, []string{}); err != nil {
			return err
		}
	}
	for name, entry := range names {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if err := l.plusVisit(name, entry); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) plusVisit(name mailbox.Name, entry string) error {
	d, err := l.tree.root.enter(entry)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed since the root was read
	}
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // it was only read
	is, err := isMailbox(d)
	if err != nil || !is {
		return err
	}
	return l.add(d, name, []string{entry})
}

// add lists one mailbox.
func (l *listing) add(d *dir, name mailbox.Name, path []string) error {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd(), &st); err != nil {
		return &fs.PathError{Op: "look at", Path: d.Name(), Err: err}
	}
	l.infos = append(l.infos, mailbox.Info{
		Name: name, Messages: -1, Identity: fmt.Sprintf("%d:%d", st.Dev, st.Ino), Mark: l.mark(d),
	})
	l.paths[name] = path
	return nil
}

// plusVanished tells whether a mailbox is certainly gone.
func (t *Tree) plusVanished(name mailbox.Name) (bool, error) {
	path, err := t.plusResolve(name)
	if errors.Is(err, mailbox.ErrNoMailbox) {
		for _, entry := range plusCandidates(name) {
			if _, err := t.root.lstat(entry); !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for mailbox %q: %w", string(name), err)
	}
	d, err := t.walk(path)
	if err != nil {
		return false, err
	}
	defer d.Close() //nolint:errcheck // it was only read
	whole, some, err := d.hasParts()
	if err == nil && !whole && (some || name != mailbox.Inbox) {
		err = d.half(errHalf)
	}
	return err == nil && !whole && !some, err
}

// plusMake makes the directory of a mailbox, durably.
func (t *Tree) plusMake(name mailbox.Name) ([]string, error) {
	path, err := t.plusResolve(name)
	if !errors.Is(err, mailbox.ErrNoMailbox) {
		return path, err
	}
	for i, entry := range plusCandidates(name) {
		err = t.root.mkdir(entry)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = t.root.plusMark(entry, plusText(name, i))
		}
		if err == nil {
			err = t.root.sync()
		}
		return []string{entry}, err
	}
	return nil, err
}

// plusMark puts into a new directory what tells that it is a mailbox, and which if its name is cut.
func (d *dir) plusMark(entry, text string) error {
	inside, err := d.enter(entry)
	if err != nil {
		return err
	}
	defer inside.Close() //nolint:errcheck // only read
	f, err := inside.create(folderFile)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if entry == "."+text {
		return inside.sync()
	}
	return inside.writeName(text)
}

// plusRename gives a mailbox, and each of those below it, another name. If one of them is taken, none is moved.
func (t *Tree) plusRename(from, to mailbox.Name) error {
	names, err := t.plusNames()
	if err != nil {
		return err
	}
	if names[from] == "" {
		return fmt.Errorf("%w: it has no directory", mailbox.ErrNoMailbox)
	}
	var moving []mailbox.Name
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name != from && !name.Under(from) {
			continue
		}
		if target := to + name[len(from):]; names[target] != "" {
			return fmt.Errorf("%q is there already: %w", string(target), fs.ErrExist)
		}
		moving = append(moving, name)
	}
	for _, name := range moving {
		if err := t.plusMove(names[name], to+name[len(from):]); err != nil {
			return err
		}
	}
	return t.root.sync()
}

func (t *Tree) plusMove(entry string, to mailbox.Name) error {
	for i, as := range plusCandidates(to) {
		text := plusText(to, i)
		if as != "."+text {
			if err := t.root.plusMark(entry, text); err != nil {
				return err
			}
		}
		err := t.root.moveDir(entry, t.root, as)
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, unix.ENOTEMPTY) {
			return err
		}
	}
	return fs.ErrExist
}

// OtherLayout tells whether the root looks as if its mail were laid out in the other way.
func (t *Tree) OtherLayout() (bool, error) {
	root, err := isMailbox(t.root)
	if err != nil || t.layout == Nested && root {
		return root, err
	}
	entries, err := t.root.entries()
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") != (t.layout == Nested) || slices.Contains(parts, e.Name()) {
			continue
		}
		d, err := t.root.enter(e.Name())
		if err != nil {
			return false, err
		}
		is, err := isMailbox(d)
		if err = errors.Join(err, d.Close()); err != nil || is {
			return is, err
		}
	}
	return false, nil
}
