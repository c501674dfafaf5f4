package undo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"mailtwin/mailbox"
)

// A file is a message of the near side: where it lies, and where it is to be. The two differ as the plan grows.
type file struct {
	from   mailbox.Source
	stay   bool // it is to stay where it lies, too
	have   mailbox.Flags
	digest mailbox.Digest
	date   time.Time
	far    mailbox.ID // of its pair; empty if it has none
	synced bool       // the ledger has it as it is

	at    mailbox.Place
	flags mailbox.Flags
	why   *mailbox.Change // nil as long as nothing is to be done about it
}

// A content is a message in a mailbox, by what it says.
type content struct {
	mailbox mailbox.Name
	digest  mailbox.Digest
}

// A present is what there is now of the messages of a run. Mailboxes go by the names that the ledger has.
type present struct {
	exists map[mailbox.Name]bool                    // on the near side
	synced map[mailbox.Name]bool                    // the ledger has it
	spelt  map[mailbox.Name]mailbox.Name            // on the near side, of what was renamed there since the ledger was written
	holds  map[mailbox.Name]func(mailbox.Flag) bool // nil: all
	files  map[mailbox.Place]*file
	held   map[content]int                  // how many messages a mailbox has
	copies map[mailbox.Digest][]*file       // in files, or in another mailbox
	parked map[mailbox.Place]mailbox.Pair   // by far place: what only the far side has
	shelf  map[mailbox.Place]mailbox.Source // what the attic has, by the names of its time
}

// look finds out what there is. It changes nothing.
func look(ctx context.Context, ledger Ledger, tree Maildir, p *past) (*present, error) {
	w := &present{
		exists: map[mailbox.Name]bool{}, synced: map[mailbox.Name]bool{}, spelt: map[mailbox.Name]mailbox.Name{},
		files: map[mailbox.Place]*file{}, held: map[content]int{}, copies: map[mailbox.Digest][]*file{},
		parked: map[mailbox.Place]mailbox.Pair{}, holds: map[mailbox.Name]func(mailbox.Flag) bool{},
	}
	if err := w.list(ctx, ledger, tree, p); err != nil {
		return nil, err
	}
	for _, name := range p.mailboxes() {
		if err := w.read(ctx, ledger, tree, p, name); err != nil {
			return nil, fmt.Errorf("mailbox %q: %w", string(name), err)
		}
	}
	if err := w.findCopies(ctx, ledger, p); err != nil {
		return nil, err
	}
	var err error
	w.shelf, err = tree.Shelved(ctx, slices.Concat(slices.Collect(maps.Values(p.shelves))...))
	return w, err
}

// list lists the mailboxes. One that goes by the name that it had before the run, and that the ledger has by its later
// name, was renamed by an attempt to undo the run.
func (w *present) list(ctx context.Context, ledger Ledger, tree Maildir, p *past) error {
	infos, err := tree.Mailboxes(ctx)
	if err != nil {
		return err
	}
	for _, info := range infos {
		w.exists[info.Name] = !info.NoSelect
	}
	twins, err := ledger.Mailboxes(ctx)
	if err != nil {
		return err
	}
	for _, t := range twins {
		w.synced[t.Name] = true
	}
	for _, c := range p.changes {
		if c.Kind == mailbox.MailboxRenamed {
			w.spell(c.to, c.Mailbox)
		}
	}
	return nil
}

// spell finds out whether a mailbox, or one below it, goes by another name on the near side already.
func (w *present) spell(name, before mailbox.Name) {
	for synced := range w.synced {
		if synced != name && !synced.Under(name) {
			continue
		}
		spelt := before + synced[len(name):]
		if !w.exists[synced] && w.exists[spelt] && !w.synced[spelt] {
			w.spelt[synced], w.exists[synced] = spelt, true
		}
	}
}

// there is the name of a mailbox on the near side.
func (w *present) there(name mailbox.Name) mailbox.Name {
	if spelt, is := w.spelt[name]; is {
		return spelt
	}
	return name
}

// mailboxes are those that the changes are about.
func (p *past) mailboxes() []mailbox.Name {
	names := map[mailbox.Name]bool{}
	for _, c := range p.changes {
		switch c.Kind {
		case mailbox.MessageRemoved, mailbox.MessageGone, mailbox.MessageKept, mailbox.MessageMoved:
			names[c.here.Mailbox] = true
			names[c.to] = c.to != ""
		case mailbox.FlagsChanged:
			names[c.here.Mailbox] = true
		case mailbox.MessageSurplus, mailbox.MailboxRemoved, mailbox.MailboxRenamed:
		}
	}
	maps.DeleteFunc(names, func(_ mailbox.Name, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(names))
}

// A nearSet is the messages of the near side that the ledger knows. It implements mailbox.Known.
type nearSet map[mailbox.ID]bool

func (s nearSet) Len() int               { return len(s) }
func (s nearSet) Has(id mailbox.ID) bool { return s[id] }

// All yields every ID.
func (s nearSet) All() iter.Seq[mailbox.ID] { return maps.Keys(s) }

var errBusy = fmt.Errorf("another program changes it all the time: %w", mailbox.ErrTemporary)

// read takes what a mailbox has of the messages, in the ledger and on the near side.
func (w *present) read(ctx context.Context, ledger Ledger, tree Maildir, p *past, name mailbox.Name) error {
	known, pairs := nearSet{}, map[mailbox.ID]mailbox.Pair{}
	for pair, err := range ledger.Pairs(ctx, name) {
		if err != nil {
			return err
		}
		if pair.Near == "" {
			w.parked[mailbox.Place{Mailbox: name, ID: pair.Far}] = pair
			continue
		}
		known[pair.Near] = true
		if p.about[pair.Digest] {
			pairs[pair.Near] = pair
		}
	}
	if !w.exists[name] {
		return nil
	}
	scan, err := tree.Scan(ctx, mailbox.ScanRequest{Name: w.there(name), Known: known})
	if errors.Is(err, mailbox.ErrNoMailbox) {
		return nil
	}
	if err == nil && !scan.Settled {
		err = errBusy
	}
	if err != nil {
		return err
	}
	w.holds[name] = scan.Holds
	var unknown []mailbox.ID
	flags := map[mailbox.ID]mailbox.Flags{}
	for _, m := range scan.Present {
		if pair, ours := pairs[m.ID]; ours {
			w.add(name, pair, m.Flags, m.Flags.Same(pair.Flags))
		}
		if !known[m.ID] {
			unknown, flags[m.ID] = append(unknown, m.ID), m.Flags
		}
	}
	return tree.Identify(ctx, w.there(name), unknown, func(id mailbox.ID, c mailbox.Content) {
		if p.about[c.Digest] {
			w.add(name, mailbox.Pair{Near: id, Digest: c.Digest}, flags[id], false)
		}
	})
}

func (w *present) add(name mailbox.Name, pair mailbox.Pair, flags mailbox.Flags, synced bool) {
	at := mailbox.Place{Mailbox: name, ID: pair.Near}
	f := &file{
		from: mailbox.Source{Place: at}, have: flags, digest: pair.Digest, date: pair.InternalDate, far: pair.Far, at: at, flags: flags,
		synced: synced,
	}
	w.files[at] = f
	w.held[content{name, pair.Digest}]++
	w.copies[pair.Digest] = append(w.copies[pair.Digest], f)
}

// findCopies finds messages of the same content in other mailboxes, by the ledger.
func (w *present) findCopies(ctx context.Context, ledger Ledger, p *past) error {
	looked := map[mailbox.Name]bool{}
	for _, name := range p.mailboxes() {
		looked[name] = true
	}
	asked := map[mailbox.Digest]bool{}
	for _, c := range p.changes {
		if c.Kind != mailbox.MessageRemoved && c.Kind != mailbox.MessageGone || asked[c.Pair.Digest] {
			continue
		}
		asked[c.Pair.Digest] = true
		for l, err := range ledger.ByHint(ctx, c.Pair.Hint) {
			if err != nil {
				return err
			}
			if l.Digest == c.Pair.Digest && l.Near != "" && !looked[l.Mailbox] {
				from := mailbox.Source{Place: mailbox.Place{Mailbox: l.Mailbox, ID: l.Near}}
				w.copies[l.Digest] = append(w.copies[l.Digest], &file{from: from, at: from.Place, digest: l.Digest, date: l.InternalDate, far: l.Far})
			}
		}
	}
	return nil
}
