package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// A scan is one Scan under way.
type scan struct {
	tree   *Tree
	box    *box
	req    mailbox.ScanRequest
	look   *look
	result *mailbox.Scan
	tag    string
	kw     keywords
	seen   recent
	lacks  bool // something known is not in the look
	moved  bool // a file got another base name
}

// Scan looks for what changed in a mailbox. It always tells of every message. Messages that the ledger does not know
// come with their dates, and those that mailtwin itself once downloaded under the generation of the request, with
// their origin and content.
func (t *Tree) Scan(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	b, err := t.open(req.Name)
	if err != nil {
		return nil, err
	}
	defer b.close()
	s := &scan{tree: t, box: b, req: req, tag: tag(t.source, req.Name, req.Generation)}
	s.result = &mailbox.Scan{Full: true, Unread: map[mailbox.ID]error{}}
	if err := s.run(ctx); err != nil {
		return nil, b.wrap("scan", err)
	}
	return s.result, nil
}

func (s *scan) run(ctx context.Context) (err error) {
	if s.look, s.result.Settled, err = s.box.search(ctx, s.complete); err != nil {
		return err
	}
	// After the files: what is a letter in their names has a keyword by then.
	if s.kw, err = readKeywords(s.box.dir); err != nil {
		return err
	}
	for _, e := range s.look.entries {
		s.kw.adopt(e.letters())
	}
	s.seen = recent{files: map[string]entry{}, orphans: s.kw.orphans}
	if err := s.takeAll(ctx); err != nil {
		return err
	}
	if s.result.Settled {
		s.gone()
	}
	// What is new goes on record soon. If its name were lost after that, in a power cut, it would look as if it had been
	// removed.
	if len(s.seen.files) > 0 {
		if err := syncDirs(s.box.new, s.box.cur); err != nil {
			return err
		}
	}
	if s.look.quiet && !s.moved {
		s.result.Cursor.Mark = s.look.state.mark(s.look.now)
	}
	kw := s.kw
	s.result.Holds = kw.holds
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	r := s.tree.lately(s.req.Name)
	r.files, r.orphans = s.seen.files, s.seen.orphans
	return nil
}

// complete tells whether a look needs no second: all that is known is there, and nothing twice.
func (s *scan) complete(l *look) bool {
	known, twice := 0, false
	for i, e := range l.entries {
		if i > 0 && l.entries[i-1].base == e.base {
			twice = true
		} else if s.known(e.id()) {
			known++
		}
	}
	s.lacks = s.req.Known != nil && known < s.req.Known.Len()
	return !s.lacks && !twice
}

func (s *scan) known(id mailbox.ID) bool { return s.req.Known != nil && s.req.Known.Has(id) }

func (s *scan) gone() {
	if !s.lacks {
		return
	}
	for id := range s.req.Known.All() {
		if len(s.look.all(string(id))) == 0 {
			s.result.Gone = append(s.result.Gone, id)
		}
	}
}

func (s *scan) takeAll(ctx context.Context) error {
	entries := s.look.entries
	s.result.Present = make([]mailbox.Message, 0, len(entries))
	for len(entries) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := 1
		for n < len(entries) && entries[n].base == entries[0].base {
			n++
		}
		if err := s.takeBase(entries[:n]); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

// takeBase takes the files of one base name. If there are more than one, and nothing moves, all but the first get new
// names, unless they are links to the same file, which some programs leave when they die. While something moves, it
// is most likely one file that was renamed between the two sights of it.
func (s *scan) takeBase(group []entry) error {
	if len(group) == 1 {
		return s.take(group[0])
	}
	first, err := s.box.in(group[0]).lstat(group[0].name)
	if errors.Is(err, fs.ErrNotExist) {
		return s.takeBase(group[1:])
	}
	if err != nil {
		return err
	}
	for _, e := range group[1:] {
		other, err := s.box.in(e).lstat(e.name)
		if errors.Is(err, fs.ErrNotExist) || (err == nil && other.Ino == first.Ino && other.Dev == first.Dev) {
			continue
		}
		if err == nil && s.result.Settled {
			err = s.rename(e)
		}
		if err != nil {
			return err
		}
	}
	return s.take(group[0])
}

// rename gives a file a base name of its own and takes it for a new message.
func (s *scan) rename(e entry) error {
	base := freshBase(isVerbatim(e.base))
	renamed := makeEntry(base+e.name[len(e.base):], e.fresh)
	d := s.box.in(e)
	if err := d.move(e.name, d, renamed.name); err != nil {
		return err
	}
	s.moved = true
	if err := d.sync(); err != nil {
		return err
	}
	return s.take(renamed)
}

func (s *scan) take(e entry) error {
	m := mailbox.Message{ID: e.id(), Flags: s.kw.flags(e.letters())}
	if e.base == "" {
		s.result.Unread[mailbox.ID(e.name)] = errNoBase
		return nil
	}
	if s.known(m.ID) {
		s.result.Present = append(s.result.Present, m)
		return nil
	}
	st, err := s.box.in(e).lstat(e.name)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errIrregular
	}
	if err == nil {
		s.seen.files[e.base] = e
		err = s.prove(e, &m)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // renamed or removed meanwhile: the next look tells
	}
	if err != nil {
		s.result.Unread[m.ID] = err
		return nil //nolint:nilerr // it concerns this file alone
	}
	mtime, _ := modTime(&st)
	m.InternalDate = time.Unix(0, mtime).Truncate(time.Second)
	s.result.Present = append(s.result.Present, m)
	return nil
}

var (
	errNoBase  = errors.New("the file name has nothing before the colon")
	errChanged = errors.New("its name says that it was downloaded, and its content is another: changed or damaged, left alone")
)

// prove reads a file whose name says that it was downloaded from where this mailbox is downloaded from. That happens
// after a crash or when the ledger is lost. One that is not whole is no message at all.
func (s *scan) prove(e entry, m *mailbox.Message) error {
	id, digest, ok := origin(e.base, s.tag)
	if !ok || s.req.Generation == "" {
		return nil
	}
	content, err := s.box.content(e)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(content.Digest.String(), digest) {
		return errChanged
	}
	m.Origin, m.Content, m.Size = id, content, content.Size
	return nil
}

// content reads a message.
func (b *box) content(e entry) (mailbox.Content, error) {
	f, err := b.in(e).open(e.name)
	if err != nil {
		return mailbox.Content{}, err
	}
	c, err := canonical(f, isVerbatim(e.base))
	if err != nil {
		return mailbox.Content{}, errors.Join(err, f.Close())
	}
	content, err := c.content()
	c.close()
	if err := errors.Join(err, f.Close()); err != nil {
		return mailbox.Content{}, fmt.Errorf("read: %w", err)
	}
	return content, nil
}
