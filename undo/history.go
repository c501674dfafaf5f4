package undo

import (
	"context"
	"fmt"
	"slices"

	"mailtwin/mailbox"
)

// The sides, as mailbox.Change.On has them.
const (
	far  = 0
	near = 1
)

// A change is one of the run that is to be undone.
type change struct {
	mailbox.Change
	here mailbox.Place // where it was on the near side, by the names of today
	to   mailbox.Name  // To, by the names of today
}

// A sequel is what a later run did with the same message.
type sequel struct {
	run uint64
	to  mailbox.Name // where it was moved to; empty if it was removed
}

// A past is what the history tells of a run, of what became of its messages since, and of what the attic may have of
// them.
type past struct {
	run     mailbox.Outcome                           // that is to be undone
	changes []change                                  // the last one first
	about   map[mailbox.Digest]bool                   // its messages
	gone    map[mailbox.Place]sequel                  // by near place, and by far place
	flagged map[mailbox.Place]map[mailbox.Flag]uint64 // by near place, and which run changed the flag
	shelves map[mailbox.Digest][]mailbox.Located      // what any run put into the attic, by the names of its time

	names map[mailbox.Name]mailbox.Name // what mailboxes are called today that were renamed
}

// remember reads the history from now back to a run.
func remember(ctx context.Context, ledger Ledger, run uint64) (*past, error) {
	runs, err := ledger.Runs(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(runs, func(r mailbox.Outcome) bool { return r.Run == run })
	if at < 0 {
		return nil, fmt.Errorf("run %d: %w", run, ErrNoRun)
	}
	p := &past{
		run:   runs[at],
		about: map[mailbox.Digest]bool{}, gone: map[mailbox.Place]sequel{}, flagged: map[mailbox.Place]map[mailbox.Flag]uint64{},
		shelves: map[mailbox.Digest][]mailbox.Located{}, names: map[mailbox.Name]mailbox.Name{},
	}
	for c, err := range ledger.Changes(ctx, run) {
		if err != nil {
			return nil, err
		}
		p.about[c.Pair.Digest] = !c.Pair.Digest.IsZero()
	}
	for _, r := range runs {
		var changes []mailbox.Change
		for c, err := range ledger.Changes(ctx, r.Run) {
			if err != nil {
				return nil, err
			}
			if p.about[c.Pair.Digest] || c.Kind == mailbox.MailboxRenamed || c.Kind == mailbox.MailboxRemoved {
				changes = append(changes, c)
			}
		}
		slices.Reverse(changes)
		p.take(r.Run, run, changes)
	}
	return p, nil
}

// take goes back over the changes of a run: of one after that which is to be undone, of that one, or of one before it.
func (p *past) take(run, undone uint64, changes []mailbox.Change) {
	for _, c := range changes {
		if c.Kind == mailbox.MessageRemoved && c.On[near] || c.Kind == mailbox.MessageGone {
			p.shelves[c.Pair.Digest] = append(p.shelves[c.Pair.Digest], mailbox.Located{Mailbox: c.Mailbox, Pair: c.Pair})
		}
		here := mailbox.Place{Mailbox: p.today(c.Mailbox), ID: c.Pair.Near}
		switch {
		case run > undone:
			p.since(run, c, here)
		case run == undone:
			p.changes = append(p.changes, change{c, here, p.today(c.To)})
		}
		if c.Kind == mailbox.MailboxRenamed {
			p.names[c.Mailbox] = p.today(c.To)
		}
	}
}

// today is what a mailbox is called now.
func (p *past) today(name mailbox.Name) mailbox.Name {
	if now, renamed := p.names[name]; renamed {
		return now
	}
	return name
}

// since notes what a later run did.
func (p *past) since(run uint64, c mailbox.Change, here mailbox.Place) {
	switch c.Kind {
	case mailbox.FlagsChanged:
		if p.flagged[here] == nil {
			p.flagged[here] = map[mailbox.Flag]uint64{}
		}
		for _, flag := range differ(c).All() {
			p.flagged[here][flag] = run
		}
	case mailbox.MessageMoved:
		s := sequel{run, p.today(c.To)}
		p.gone[here], p.gone[mailbox.Place{Mailbox: here.Mailbox, ID: c.Pair.Far}] = s, s
	case mailbox.MessageRemoved, mailbox.MessageGone, mailbox.MessageKept:
		p.gone[here], p.gone[mailbox.Place{Mailbox: here.Mailbox, ID: c.Pair.Far}] = sequel{run: run}, sequel{run: run}
	case mailbox.MailboxRemoved:
		p.gone[mailbox.Place{Mailbox: here.Mailbox}] = sequel{run: run}
	case mailbox.MailboxRenamed, mailbox.MessageSurplus:
	}
}

// differ returns the flags that a change gave or took.
func differ(c mailbox.Change) mailbox.Flags {
	return c.Flags.Minus(c.Pair.Flags).Union(c.Pair.Flags.Minus(c.Flags))
}
