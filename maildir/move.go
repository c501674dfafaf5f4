package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// A passage carries messages from one mailbox to another of the same tree.
type passage struct {
	from, to *box
	fromKW   keywords
	toKW     *keywords
	there    *look // in to, before
	touched  touchedDirs
	arrived  map[mailbox.ID]mailbox.ID
}

// Copy gives messages a second name in another mailbox, which costs no room. Where the file system cannot do that,
// the octets are copied.
func (t *Tree) Copy(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (map[mailbox.ID]mailbox.ID, error) {
	return t.carry(ctx, from, messages, to, (*passage).copy)
}

// Move moves messages to another mailbox. They keep their base names if nothing there has them.
func (t *Tree) Move(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (mailbox.Moved, error) {
	arrived, err := t.carry(ctx, from, messages, to, (*passage).move)
	return mailbox.Moved{To: arrived}, err
}

func (t *Tree) carry(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name,
	one func(*passage, entry) (string, error),
) (map[mailbox.ID]mailbox.ID, error) {
	p := &passage{touched: touchedDirs{}, arrived: map[mailbox.ID]mailbox.ID{}}
	var err error
	if p.from, err = t.open(from); err != nil {
		return nil, err
	}
	defer p.from.close()
	if p.to, err = t.open(to); err != nil {
		return nil, err
	}
	defer p.to.close()
	ids := doomedIDs(messages)
	if err := p.prepare(ctx, t, ids); err != nil {
		return nil, p.to.wrap("prepare", err)
	}
	_, _, err = p.from.each(ctx, ids, func(id mailbox.ID, all []entry) error {
		if single, err := p.from.oneFile(all); err != nil || !single {
			return err
		}
		base, err := one(p, all[0])
		if err == nil {
			p.arrived[id] = mailbox.ID(base)
		}
		return err
	})
	// What arrived comes first: a cut between the two leaves a message twice, not nowhere.
	err = errors.Join(err, p.touched.sync(p.to.cur, p.to.new, p.to.tmp, p.from.cur, p.from.new))
	if err != nil {
		return nil, fmt.Errorf("from mailbox %q: %w", string(from), p.to.wrap("carry to", err))
	}
	return p.arrived, nil
}

// prepare reads what the other mailbox has, and gives letters there to the keywords of the messages.
func (p *passage) prepare(ctx context.Context, t *Tree, ids []mailbox.ID) (err error) {
	if p.there, err = p.to.look(); err != nil {
		return err
	}
	t.noteOrphans(p.to, p.there)
	if p.fromKW, err = readKeywords(p.from.dir); err != nil {
		return err
	}
	found, _, err := p.from.seek(ctx, texts(ids))
	if err != nil {
		return err
	}
	var wanted mailbox.Flags
	for _, all := range found {
		wanted = wanted.Union(p.fromKW.flags(all[0].letters()))
	}
	p.toKW, err = t.keywords(p.to, wanted)
	return err
}

// named returns the file that e becomes in the other mailbox: the same flags, in the letters that they have there.
func (p *passage) named(base string, e entry) entry {
	letters := p.toKW.letters(p.fromKW.flags(e.letters()), "")
	fresh := e.fresh && letters == ""
	return makeEntry(withLetters(base, letters, fresh), fresh)
}

func (p *passage) copy(e entry) (string, error) {
	target := p.named(freshBase(isVerbatim(e.base)), e)
	err := p.from.in(e).link(e.name, p.to.in(target), target.name)
	if cannotLink(err) {
		err = p.copyOctets(e, target)
	}
	p.touched[p.to.in(target)] = true
	return target.base, err
}

// cannotLink tells whether a file can have no second name there: the file system has no links, this file has as many
// as it may, or the other directory is on another file system.
func cannotLink(err error) bool {
	for _, errno := range []error{unix.EPERM, unix.EMLINK, unix.EXDEV, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func (p *passage) move(e entry) (string, error) {
	target := p.named(e.base, e)
	from := p.from.in(e)
	if there := p.there.all(e.base); len(there) > 0 {
		err := sameFile(from, e.name, p.to.in(there[0]), there[0].name)
		if err == nil { // a run that died had linked it, and had not yet unlinked it
			p.touched[from] = true
			return e.base, from.unlink(e.name)
		}
		if !errors.Is(err, errNameTaken) && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		target = p.named(freshBase(isVerbatim(e.base)), e)
	}
	err := p.transfer(e, target)
	if errors.Is(err, fs.ErrExist) {
		target = p.named(freshBase(isVerbatim(e.base)), e)
		err = p.transfer(e, target)
	}
	return target.base, err
}

// transfer gives a message its name in the other mailbox, which must be free, and takes the one away that it had.
func (p *passage) transfer(e, target entry) error {
	from, to := p.from.in(e), p.to.in(target)
	p.touched[from], p.touched[to] = true, true
	err := from.move(e.name, to, target.name)
	if cannotLink(err) {
		if err = p.copyOctets(e, target); err == nil {
			err = p.leave(e, target)
		}
	}
	return err
}

// leave removes the source of a move that was copied. If another program renamed it meanwhile, the copy is withdrawn
// and the move begins again.
func (p *passage) leave(e, target entry) error {
	if err := p.to.in(target).sync(); err != nil {
		return err
	}
	err := p.from.in(e).unlink(e.name)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, p.to.in(target).unlink(target.name))
	}
	return err
}

// copyOctets copies a file by way of tmp, with its date.
func (p *passage) copyOctets(e, target entry) error {
	f, err := p.from.in(e).open(e.name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	mtime, _ := modTime(&st)
	tmp := "mailtwin_" + random()
	w, err := p.to.tmp.create(tmp)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	if err == nil {
		err = p.to.tmp.date(tmp, time.Unix(0, mtime))
	}
	if err == nil {
		err = p.to.tmp.fsync(w)
	}
	if err = errors.Join(err, w.Close()); err == nil {
		p.touched[p.to.tmp] = true
		err = p.to.tmp.move(tmp, p.to.in(target), target.name)
	}
	if err != nil {
		return errors.Join(err, p.to.tmp.unlinkAll([]string{tmp}))
	}
	return nil
}
