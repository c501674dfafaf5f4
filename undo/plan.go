package undo

import (
	"context"
	"slices"

	"mailtwin/mailbox"
)

// A Plan is what there is to do to undo a run.
type Plan struct {
	Run      uint64
	Record   mailbox.Outcome  // of the run; what it added stays
	Create   []mailbox.Name   // to be made on the near side
	Return   []Return         // to be put back on the near side
	Flags    []Flags          // to be set back on the near side
	Recall   []Recall         // to be moved back on the far side
	Follow   []mailbox.Change // to be put back by another plan, when what is recalled is there again
	Download []Wanted         // that the far side kept, to be downloaded again
	Rename   []Rename         // to be renamed back on the near side, the nearest to the root first
	Left     []Left           // what is left alone
	Settled  int              // how many changes need nothing, for all is as it was before on the near side
	Unsynced bool             // of those, some are not known to be so on the far side, for an earlier attempt died

	meant  map[mailbox.Place]bool
	spelt  map[mailbox.Name]mailbox.Name
	synced map[mailbox.Name]bool
}

// A Return puts a message back into a mailbox.
type Return struct {
	To mailbox.Name
	mailbox.Return
	Change mailbox.Change
}

// Flags sets flags of a message back.
type Flags struct {
	Mailbox mailbox.Name
	mailbox.FlagChange
	Change mailbox.Change
}

// A Recall moves a message back from a Trash that is not synced. The ID is empty if only the account-wide ID of the
// message is known.
type Recall struct {
	From   mailbox.Place
	To     mailbox.Name
	Change mailbox.Change
}

// Wanted is a message that the far side kept.
type Wanted struct {
	mailbox.Located
	Unmark bool // it was marked \Deleted there
	Change mailbox.Change
}

// Rename gives a mailbox, with those below it, the name that it had. From is its name when all renames before this one are
// done.
type Rename struct{ From, To mailbox.Name }

// Left is a change that is left alone.
type Left struct {
	mailbox.Change
	Reason string
	Lost   bool // it would have been undone, if it could be
}

// Steps is how many messages and mailboxes there is something to do about.
func (p *Plan) Steps() int {
	return len(p.Create) + len(p.Return) + len(p.Flags) + len(p.Recall) + len(p.Follow) + len(p.Download) + len(p.Rename)
}

// Empty tells whether there is nothing to do, and nothing to be synced for it.
func (p *Plan) Empty() bool { return p.Steps() == 0 && !p.Unsynced }

// Meant tells whether a message of the near side is one that the run was about, so that it is no accident if it leaves its
// mailbox or loses flags there.
func (p *Plan) Meant(name mailbox.Name, id mailbox.ID) bool {
	return p.meant[mailbox.Place{Mailbox: name, ID: id}]
}

// Make makes the plan to undo a run, and changes nothing. absent are messages that were looked for in a Trash of the server
// and not found, see Doing. ErrNoRun means that the history does not have the run.
func Make(ctx context.Context, ledger Ledger, tree Maildir, run uint64, absent map[mailbox.Digest]bool) (*Plan, error) {
	past, err := remember(ctx, ledger, run)
	if err != nil {
		return nil, err
	}
	now, err := look(ctx, ledger, tree, past)
	if err != nil {
		return nil, err
	}
	m := &planner{
		past: past, present: now, plan: &Plan{Run: run, Record: past.run, spelt: now.spelt, synced: now.synced},
		need: past.need(), recalled: map[mailbox.Digest]bool{}, absent: absent,
	}
	for _, c := range past.changes {
		m.undo(c)
	}
	m.finish()
	m.plan.meant = m.meant()
	return m.plan, nil
}

// there is the name that a mailbox has on the near side, once those that are to be renamed are.
func (p *Plan) there(name mailbox.Name) mailbox.Name {
	if spelt, is := p.spelt[name]; is {
		return spelt
	}
	for _, r := range p.Rename {
		if name == r.From || name.Under(r.From) {
			name = r.To + name[len(r.From):]
		}
	}
	return name
}

// meant are the near places of the messages, by the names that their mailboxes may have when they are synced.
func (m *planner) meant() map[mailbox.Place]bool {
	meant := map[mailbox.Place]bool{}
	for _, c := range m.changes {
		for _, place := range []mailbox.Place{c.here, {Mailbox: c.to, ID: c.Near}} {
			meant[place] = place.ID != ""
			place.Mailbox = m.plan.there(place.Mailbox)
			meant[place] = place.ID != ""
		}
	}
	return meant
}

// need counts how many messages of a content a mailbox had before the run. Which one of them is which nobody can tell.
func (p *past) need() map[content]int {
	need, rest := map[content]int{}, map[content]int{}
	for _, c := range p.changes {
		if !c.Lost() {
			continue
		}
		key := content{c.here.Mailbox, c.Pair.Digest}
		if need[key] == 0 || c.Rest < rest[key] {
			rest[key] = c.Rest
		}
		need[key]++
	}
	for key, n := range rest {
		need[key] += n
	}
	return need
}

// finish makes steps of what was thought of. What is doubled comes before what is moved, which takes away what others are
// made from.
func (m *planner) finish() {
	for _, f := range m.changed {
		change := mailbox.FlagChange{ID: f.at.ID, Add: f.flags.Minus(f.have), Take: f.have.Minus(f.flags)}
		switch {
		case f.stay || f.from.Place != f.at:
			m.plan.Return = append(m.plan.Return, Return{f.at.Mailbox, mailbox.Return{
				From: f.from, Stay: f.stay, As: f.at.ID, Flags: f.flags, Digest: f.digest, InternalDate: f.date,
			}, *f.why})
		case !f.flags.Same(f.have):
			m.plan.Flags = append(m.plan.Flags, Flags{f.at.Mailbox, change, *f.why})
		}
	}
	slices.SortStableFunc(m.plan.Return, func(a, b Return) int {
		switch {
		case a.Stay == b.Stay:
			return 0
		case a.Stay:
			return -1
		}
		return 1
	})
	m.order()
}

// order puts renames in the order in which they can be done: those nearest to the root first, with which those below go
// along.
func (m *planner) order() {
	all := m.plan.Rename
	slices.SortStableFunc(all, func(a, b Rename) int { return len(a.From.Levels()) - len(b.From.Levels()) })
	m.plan.Rename = nil
	for _, r := range all {
		if r.From = m.plan.there(r.From); r.From != r.To {
			m.plan.Rename = append(m.plan.Rename, r)
		}
	}
}
