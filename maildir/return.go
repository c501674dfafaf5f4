package maildir

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"mailtwin/mailbox"
)

var (
	errOtherContent = errors.New("its content is not what it was")
	errNotThere     = errors.New("it is no longer there")
)

// Return puts messages back into a mailbox, from another one or from the attic, under the names and with the flags that
// they are to have. One that is there under its name already is done. What could not be done for one message is told to
// problem, with the ID that it was to have. All that was done is on disk when it returns.
//
// All messages lie in the same place: the mailbox and the day of the first one.
func (t *Tree) Return(ctx context.Context, to mailbox.Name, messages []mailbox.Return, problem func(mailbox.ID, error)) error {
	if len(messages) == 0 {
		return nil
	}
	p := &passage{touched: touchedDirs{}}
	var err error
	if p.from, err = t.openSource(messages[0].From.Mailbox, messages[0].From.Day); err != nil {
		return err
	}
	defer p.from.close()
	if p.to, err = t.open(to); err != nil {
		return err
	}
	defer p.to.close()
	if err := p.expect(t, messages); err != nil {
		return p.to.wrap("prepare", err)
	}
	return p.to.wrap("put back into", p.giveBackAll(ctx, messages, problem))
}

// expect reads what the mailbox has, and gives letters there to the keywords of the messages.
func (p *passage) expect(t *Tree, messages []mailbox.Return) (err error) {
	if p.there, err = p.to.look(); err != nil {
		return err
	}
	t.noteOrphans(p.to, p.there)
	var wanted mailbox.Flags
	for _, r := range messages {
		wanted = wanted.Union(r.Flags)
	}
	p.toKW, err = t.keywords(p.to, wanted)
	return err
}

func (p *passage) giveBackAll(ctx context.Context, messages []mailbox.Return, problem func(mailbox.ID, error)) error {
	byID := map[mailbox.ID][]mailbox.Return{}
	var ids []mailbox.ID
	for _, r := range messages {
		if byID[r.From.ID] == nil {
			ids = append(ids, r.From.ID)
		}
		byID[r.From.ID] = append(byID[r.From.ID], r)
	}
	gone, left, err := p.from.each(ctx, ids, func(id mailbox.ID, all []entry) error {
		for _, r := range byID[id] {
			err := p.giveBack(all, r)
			if errors.Is(err, fs.ErrNotExist) {
				return err // renamed meanwhile: it is looked for again
			}
			if err != nil {
				problem(r.As, err)
			}
		}
		return nil
	})
	for _, id := range slices.Concat(gone, left) {
		for _, r := range byID[id] {
			if p.here(r.As) == nil {
				problem(r.As, errNotThere)
			}
		}
	}
	// What arrived comes first: a cut between the two leaves a message twice, not nowhere.
	return errors.Join(err, p.touched.sync(p.to.cur, p.to.new, p.to.tmp, p.from.cur, p.from.new))
}

// here returns the file that has the name, as it may end: see base.
func (p *passage) here(as mailbox.ID) []entry {
	plain := strings.TrimSuffix(string(as), verbatimSuffix)
	return slices.Concat(p.there.all(string(as)), p.there.all(plain), p.there.all(plain+verbatimSuffix))
}

// base is the name of a message that is put back. How its octets are to be read stays what it is.
func base(as mailbox.ID, verbatim bool) string {
	if isVerbatim(string(as)) == verbatim {
		return string(as)
	}
	if verbatim {
		return string(as) + verbatimSuffix
	}
	return strings.TrimSuffix(string(as), verbatimSuffix)
}

// giveBack puts one message back, of which these are the files.
func (p *passage) giveBack(all []entry, r mailbox.Return) error {
	if there := p.here(r.As); len(there) > 0 {
		if len(p.to.ofContent(there, r.Digest)) == 0 {
			return errNameTaken
		}
		return nil
	}
	same := p.from.ofContent(all, r.Digest)
	if len(same) == 0 {
		if _, err := p.from.in(all[0]).lstat(all[0].name); err != nil {
			return err
		}
		return errOtherContent
	}
	e := same[0]
	letters := p.toKW.letters(r.Flags, "")
	fresh := letters == ""
	target := makeEntry(withLetters(base(r.As, isVerbatim(e.base)), letters, fresh), fresh)
	if r.Stay || r.From.Day != "" {
		return p.double(e, target, r)
	}
	return p.transfer(e, target)
}

// double gives a message a second name. Where that one is to have another date, it is a second file.
func (p *passage) double(e, target entry, r mailbox.Return) error {
	from, to := p.from.in(e), p.to.in(target)
	st, err := from.lstat(e.name)
	if err != nil {
		return err
	}
	p.touched[to] = true
	mtime, _ := modTime(&st)
	if r.InternalDate.IsZero() || mtime/1e9 == r.InternalDate.Unix() {
		if err = from.link(e.name, to, target.name); !cannotLink(err) {
			return err
		}
	}
	if err := p.copyOctets(e, target); err != nil || r.InternalDate.IsZero() {
		return err
	}
	return to.date(target.name, r.InternalDate)
}
