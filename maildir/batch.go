package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	gomaildir "github.com/emersion/go-maildir"

	"mailtwin/mailbox"
)

// keepOpen is the largest batch whose files are made durable one by one where one call could do it for the whole file
// system: it would wait for what other programs have written, too.
const keepOpen = 4

// A Batch takes messages for one mailbox. Until Flush they lie in tmp.
type Batch struct {
	tree  *Tree
	box   *box
	items []item
	done  bool // nothing is left in tmp
}

// An item is one message that was added.
type item struct {
	mailbox.Message
	tmp      string // its name there; empty if it lies there no longer
	f        *os.File
	verbatim bool
}

// Append opens a batch for a mailbox that exists.
func (t *Tree) Append(_ context.Context, name mailbox.Name) (*Batch, error) {
	b, err := t.open(name)
	if err != nil {
		return nil, err
	}
	t.clean(b)
	return &Batch{tree: t, box: b}, nil
}

// clean removes what programs that died left in tmp long ago, once for each mailbox. What it cannot remove costs
// nothing but room, and the next run tries again.
func (t *Tree) clean(b *box) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.lately(b.name); !r.cleaned {
		r.cleaned = true
		_ = gomaildir.Dir(b.Name()).Clean()
	}
}

// Add takes one message as it comes from body, in canonical form. m tells the ID, the Generation, the Flags and the
// InternalDate.
func (b *Batch) Add(ctx context.Context, m mailbox.Message, body io.Reader) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l, err := newLineWriter(b.box.tmp)
	if err != nil {
		return b.box.wrap("store in", err)
	}
	sum := mailbox.NewSummer()
	block := blocks.Get().(*[blockSize]byte)
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(l, sum)}, struct{ io.Reader }{body}, block[:])
	blocks.Put(block)
	err = errors.Join(err, l.finish())
	if err != nil {
		return b.box.wrap("store in", errors.Join(err, l.discard()))
	}
	m.Content = sum.Content()
	m.Content.Stored = l.stored
	b.items = append(b.items, item{Message: m, tmp: l.name, f: l.f, verbatim: l.ambiguous()})
	return b.box.wrap("store in", b.relieve())
}

// relieve closes files, so that a large batch does not keep them all open. What is closed was made durable, unless
// that is to be done for all at once.
func (b *Batch) relieve() error {
	if len(b.items) <= keepOpen {
		return nil
	}
	for i := range b.items {
		if err := b.items[i].close(b.box.tmp, !b.tree.syncfs); err != nil {
			return err
		}
	}
	return nil
}

// close closes the file of an item, and makes it durable before if sync is set.
func (i *item) close(tmp *dir, sync bool) error {
	if i.f == nil {
		return nil
	}
	f := i.f
	i.f = nil
	var err error
	if sync {
		err = tmp.fsync(f)
	}
	return errors.Join(err, tmp.tap.tell("close", f.Name()), f.Close())
}

// Flush makes the messages durable, then visible, then their names durable. After an error none of them is in the
// mailbox.
func (b *Batch) Flush(ctx context.Context) ([]mailbox.Stored, error) {
	stored, moved, err := b.flush(ctx)
	if err != nil {
		return nil, b.box.wrap("store in", errors.Join(err, b.withdraw(moved), b.Close()))
	}
	return stored, b.Close()
}

func (b *Batch) flush(ctx context.Context) (stored []mailbox.Stored, moved []entry, err error) {
	if len(b.items) == 0 {
		return nil, nil, nil
	}
	if err := b.settle(); err != nil {
		return nil, nil, err
	}
	var wanted mailbox.Flags
	for _, i := range b.items {
		wanted = wanted.Union(i.Flags)
	}
	kw, err := b.tree.keywords(b.box, wanted)
	if err != nil {
		return nil, nil, err
	}
	touched := touchedDirs{b.box.tmp: true}
	for n := range b.items {
		if err := ctx.Err(); err != nil {
			return nil, moved, err
		}
		e, isNew, err := b.place(&b.items[n], kw)
		if err != nil {
			return nil, moved, err
		}
		if isNew {
			moved = append(moved, e)
		}
		touched[b.box.in(e)] = true
		stored = append(stored, mailbox.Stored{Source: b.items[n].ID, ID: e.id(), Content: b.items[n].Content})
	}
	return stored, moved, touched.sync(b.box.new, b.box.cur, b.box.tmp)
}

// settle gives the files their dates and makes them durable.
func (b *Batch) settle() error {
	together := b.tree.syncfs && len(b.items) > keepOpen
	for n := range b.items {
		i := &b.items[n]
		if !i.InternalDate.IsZero() {
			if err := b.box.tmp.date(i.tmp, i.InternalDate); err != nil {
				return err
			}
		}
		if err := i.close(b.box.tmp, !together); err != nil {
			return err
		}
	}
	if !together {
		return nil
	}
	return b.box.tmp.syncfs()
}

// maxNumber bounds how many base names are tried for one message.
const maxNumber = 1000

// place moves a message into new, if it has no flag, or into cur. If the very message is there, that is it.
func (b *Batch) place(i *item, kw *keywords) (e entry, isNew bool, err error) {
	tag := tag(b.tree.source, b.box.name, i.Generation)
	letters := kw.letters(i.Flags, "")
	for n := 1; n <= maxNumber; n++ {
		base := originBase(i.Message, tag, i.Content.Digest, i.verbatim, n)
		fresh := letters == ""
		e = makeEntry(withLetters(base, letters, fresh), fresh)
		if b.tree.taken(b.box.name, base) {
			continue
		}
		err := b.box.tmp.move(i.tmp, b.box.in(e), e.name)
		if err == nil {
			i.tmp = ""
			return e, true, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return e, false, err
		}
		content, err := b.box.content(e)
		if err == nil && content.Digest == i.Content.Digest {
			i.Content.Stored = content.Stored
			return e, false, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errIrregular) {
			return e, false, err
		}
	}
	return e, false, fmt.Errorf("no name left for message %s", i.ID)
}

// taken tells whether the last scan saw a file of that base name that is not what the name says.
func (t *Tree) taken(name mailbox.Name, base string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.lately(name).files[base]
	return ok
}

// withdraw takes messages out of the mailbox that were put there and may not be durable.
func (b *Batch) withdraw(moved []entry) error {
	var errs []error
	for _, e := range moved {
		errs = append(errs, b.box.in(e).unlinkAll([]string{e.name}))
	}
	return errors.Join(errs...)
}

// Close drops what was not flushed.
func (b *Batch) Close() error {
	if b.done {
		return nil
	}
	b.done = true
	var errs []error
	for n := range b.items {
		i := &b.items[n]
		errs = append(errs, i.close(b.box.tmp, false))
		if i.tmp != "" {
			errs = append(errs, b.box.tmp.unlinkAll([]string{i.tmp}))
		}
	}
	b.box.close()
	return errors.Join(errs...)
}
