package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// nameFile holds the whole name of a level that was too long for a directory entry.
const nameFile = ".mailtwin-name"

// maxDepth bounds how deep directories are followed.
const maxDepth = 100

// claims tells which directory stands for which level. What our own rules write comes first; other programs' names
// get what is left, as they stand if need be, so that no directory hides another.
func claims(above *dir, entries []fs.DirEntry, top bool) (map[string]string, error) {
	children := map[string]string{}
	var foreign []string
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	type claim struct {
		level, name string
		rank        int
	}
	var ours []claim
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() || name[0] == '.' || slices.Contains(parts, name) {
			continue
		}
		level, err := levelOf(above, name)
		if err != nil {
			return nil, err
		}
		level = upperInbox(level, top)
		possible := candidates(level)
		if rank := slices.Index(possible[:], name); rank >= 0 {
			ours = append(ours, claim{level, name, rank})
		} else {
			foreign = append(foreign, name)
		}
	}
	slices.SortStableFunc(ours, func(a, b claim) int { return a.rank - b.rank })
	for _, c := range ours {
		if _, taken := children[c.level]; taken {
			foreign = append(foreign, c.name)
		} else {
			children[c.level] = c.name
		}
	}
	for _, name := range foreign {
		level := upperInbox(decode(name), top)
		if _, taken := children[level]; taken {
			level = upperInbox(name, top)
		}
		for children[level] != "" {
			level = encode(level, 1)
		}
		children[level] = name
	}
	return children, nil
}

// upperInbox returns the level in upper case if it is INBOX, which ignores case.
func upperInbox(level string, top bool) string {
	if top && strings.EqualFold(level, string(mailbox.Inbox)) {
		return string(mailbox.Inbox)
	}
	return level
}

// levelOf returns the level that a directory name stands for.
func levelOf(above *dir, name string) (string, error) {
	if !looksCut(name) {
		return decode(name), nil
	}
	d, err := above.enter(name)
	if err != nil {
		return "", err
	}
	whole, err := d.small(nameFile)
	err = errors.Join(err, d.Close())
	if errors.Is(err, fs.ErrNotExist) {
		return decode(name), nil
	}
	if err == nil && strings.HasSuffix(name, levelDigest(string(whole))) {
		return string(whole), nil
	}
	return decode(name), err
}

// maxSmall bounds the files beside cur and new that are read whole.
const maxSmall = 64 << 10

// small reads one of the small files of a mailbox.
func (d *dir) small(name string) ([]byte, error) {
	f, err := d.open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(text) > maxSmall {
		err = fmt.Errorf("read %s: more than %d octets", d.path(name), maxSmall)
	}
	return text, errors.Join(err, f.Close())
}

// Mailboxes lists all mailboxes. It reads the directories that hold mailboxes, but neither cur nor new. A mailbox of
// which cur or new is missing is listed, and cannot be scanned.
func (t *Tree) Mailboxes(ctx context.Context) ([]mailbox.Info, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	l := &listing{ctx: ctx, tree: t, clocks: map[uint64]time.Time{}, paths: map[mailbox.Name][]string{}}
	var err error
	if t.layout == PlusPlus {
		err = l.plusList()
	} else {
		_, err = l.descend(t.root, nil, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("list Maildir: %w", err)
	}
	t.mu.Lock()
	t.paths = l.paths
	t.mu.Unlock()
	slices.SortFunc(l.infos, func(a, b mailbox.Info) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return l.infos, nil
}

type listing struct {
	ctx    context.Context
	tree   *Tree
	infos  []mailbox.Info
	clocks map[uint64]time.Time // by device
	paths  map[mailbox.Name][]string
}

// descend lists what lies below a directory and tells whether there is a mailbox.
func (l *listing) descend(d *dir, levels, path []string) (bool, error) {
	if err := l.ctx.Err(); err != nil {
		return false, err
	}
	if len(path) > maxDepth {
		return false, fmt.Errorf("%s: more than %d levels", d.Name(), maxDepth)
	}
	entries, err := d.entries()
	if err != nil {
		return false, err
	}
	children, err := claims(d, entries, len(path) == 0)
	if err != nil {
		return false, err
	}
	found := false
	for level, entry := range children {
		one, err := l.visit(d, append(slices.Clip(levels), level), append(slices.Clip(path), entry))
		if err != nil {
			return false, err
		}
		found = found || one
	}
	return found, nil
}

// visit lists one directory and what lies below it.
func (l *listing) visit(above *dir, levels, path []string) (found bool, err error) {
	d, err := above.enter(path[len(path)-1])
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // removed since its parent was read
	}
	if errors.Is(err, fs.ErrPermission) && len(path) == 1 && path[0] == "lost+found" {
		return false, nil // the file system's own
	}
	if err != nil {
		return false, err
	}
	defer d.Close() //nolint:errcheck // it was only read
	below, err := l.descend(d, levels, path)
	if err != nil {
		return false, err
	}
	info := mailbox.Info{Name: mailbox.MakeName(levels...), Messages: -1}
	var st unix.Stat_t
	if err := unix.Fstat(d.fd(), &st); err != nil {
		return false, &fs.PathError{Op: "look at", Path: d.Name(), Err: err}
	}
	info.Identity = fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	is, err := isMailbox(d)
	if err != nil {
		return false, err
	}
	switch {
	case is:
		info.Mark = l.mark(d)
	case below:
		info.NoSelect = true
	default:
		return false, nil
	}
	l.infos = append(l.infos, info)
	l.paths[info.Name] = path
	return true, nil
}

// isMailbox tells whether a directory is a mailbox, if perhaps a damaged one. What only lacks cur and holds no mail is
// a mailbox that is being made or removed.
func isMailbox(d *dir) (bool, error) {
	if _, err := d.lstat("cur"); !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	fresh, err := d.enter("new")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return true, nil //nolint:nilerr // a mailbox that has something else for new is damaged: Scan says so
	}
	names, err := fresh.names()
	return len(names) > 0, errors.Join(err, fresh.Close())
}

// mark returns the mark of a mailbox. Whatever is wrong with it, only a look inside can tell.
func (l *listing) mark(d *dir) string {
	s, err := readState(d)
	if err != nil {
		return ""
	}
	if !s.near(time.Now(), distant) {
		return s.mark(time.Now())
	}
	now, known := l.clocks[s[0].dev]
	if !known {
		now = clock(d, s)
		l.clocks[s[0].dev] = now
	}
	return s.mark(now)
}

// Vanished tells whether a mailbox is certainly gone: the directory above it can be read, and its own is not there, or
// is there only for the mailboxes below it. One whose directory just lacks cur or new is not gone, but mailbox.ErrHalf.
func (t *Tree) Vanished(ctx context.Context, name mailbox.Name) (bool, error) {
	if err := t.check(); err != nil {
		return false, err
	}
	t.forgetPath(name)
	if t.layout == PlusPlus {
		return t.plusVanished(name)
	}
	path := []string{}
	for _, level := range levels(name) {
		entry, err := t.child(path, level)
		if err != nil {
			return false, fmt.Errorf("look for mailbox %q: %w", string(name), err)
		}
		if entry == "" {
			return t.absent(path, level)
		}
		path = append(path, entry)
	}
	return t.onlyAbove(ctx, path)
}

// onlyAbove tells whether a directory holds mailboxes and is none itself, not even a damaged one.
func (t *Tree) onlyAbove(ctx context.Context, path []string) (bool, error) {
	d, err := t.walk(path)
	if err != nil {
		return false, err
	}
	defer d.Close() //nolint:errcheck // it was only read
	whole, some, err := d.hasParts()
	if err != nil || whole {
		return false, err
	}
	if some {
		return false, d.half(errHalf)
	}
	l := &listing{ctx: ctx, tree: t, clocks: map[uint64]time.Time{}, paths: map[mailbox.Name][]string{}}
	only, err := l.descend(d, path, path)
	if err == nil && !only {
		err = d.half(errHalf)
	}
	return only, err
}

// hasParts tells whether a directory has cur and new, and whether it has any part of a Maildir.
func (d *dir) hasParts() (whole, some bool, err error) {
	there := map[string]bool{}
	for _, name := range parts {
		_, err := d.lstat(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, false, err
		}
		there[name] = err == nil
	}
	return there["cur"] && there["new"], there["cur"] || there["new"] || there["tmp"], nil
}

// absent makes sure, by asking for each name that a level may have, that there is nothing: no link and no file either.
func (t *Tree) absent(path []string, level string) (bool, error) {
	above := t.root
	if len(path) > 0 {
		var err error
		if above, err = t.walk(path); err != nil {
			return false, err
		}
		defer above.Close() //nolint:errcheck // it was only read
	}
	for _, name := range candidates(level) {
		if _, err := above.lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return true, nil
}

func (t *Tree) forgetPath(name mailbox.Name) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.paths, name)
}
