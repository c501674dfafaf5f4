package syncer

import (
	"time"

	"mailtwin/mailbox"
)

// Steps is what a plan does in one mailbox. The order of the fields is the order in which they are done over the
// whole account: what adds a copy comes before what takes one away.
type Steps struct {
	Mailbox  mailbox.Name
	Agree    []Agreement
	Relocate []Relocation // into this mailbox
	Download []Arrival
	Upload   []Arrival
	Link     []Arrival   // downloaded into another mailbox in this very plan, to be copied from there on the near side
	Again    []Arrival   // uploaded into another mailbox in this very plan, to be copied from there on the far side in the next pass
	Remove   [2][]Change // by the Side that loses the message
	Forget   []mailbox.Pair
	Gone     []mailbox.Pair // of those, the messages that did not turn up elsewhere on both sides
	Hidden   []Change       // what the near side lost and the far side has, perhaps, and does not show
	Beyond   [2][]Arrival   // by Side: messages that the other side has, perhaps, and does not show
	Extra    []Arrival      // near messages that the far side has in this mailbox already, and can have only once
	Leave    []mailbox.Pair // what the near side keeps although the far side does not have it, or no longer
	Keep     []mailbox.Pair // what the near side no longer has, or need not have, and the far side keeps
	Waits    [2]bool        // by Side: it lost messages that turned up elsewhere, where they wait
}

// An Agreement makes two messages carry the same flags and records them as one pair.
type Agreement struct {
	Pair  mailbox.Pair          // with the flags agreed on
	Flags [2]mailbox.FlagChange // by Side, what must change there
	Drop  *mailbox.Located      // the pair that Pair takes the place of, if that was under another key
	Keep  bool                  // Drop stays on record as mailbox.Kept
	Back  bool                  // Drop stays where it was on the far side, and comes back on the near side
	New   bool                  // last knew neither message
	Known bool                  // last knew both as one, with the flags Last
	Last  mailbox.Flags
	Moved *mailbox.Change // what the history is told, if this is a move
}

// A Relocation brings a message into a mailbox from another place of the same side, instead of transferring it.
type Relocation struct {
	Side    Side          // the side that copies or moves
	From    mailbox.Place // where the message lies there
	Pair    *mailbox.Pair // the pair that moves; nil for a copy
	Arrival Arrival       // the message on the other side that asks for it
	Have    mailbox.Flags // what the message carries where it lies
	Want    mailbox.Flags // what both sides shall carry
	// AccountID is that of the message where it lies, if that is on the far side.
	AccountID string
	Unsure    bool // Have is what it might carry at most
}

// Policy is what a plan may do.
type Policy struct {
	// NoRemoval, by the Side that would lose messages, holds removals back.
	NoRemoval [2]bool
	// Spared, by the Side that would lose messages, names mailboxes in which removals are held back.
	Spared [2]map[mailbox.Name]bool
	// Once means that the far side can have a message only once in a mailbox.
	Once bool
	// Again means that another pass follows.
	Again bool
	// Trash is the far mailbox that removed messages are moved to.
	Trash mailbox.Name
	// Direction is BothWays but for a backup and a transfer.
	Direction Direction
	// AsFound leaves the flags alone of near messages that a transfer finds.
	AsFound bool
	// OneCopy brings a message that the far side has in several mailboxes into the first of them only.
	OneCopy bool
}

// spares tells whether a mailbox loses nothing on a side.
func (p Policy) spares(loser Side, name mailbox.Name) bool {
	return p.NoRemoval[loser] || p.Spared[loser][name]
}

// Plan finds the steps that make both sides agree, honouring what happened on either since last. It does no I/O and
// reads no clock: equal inputs give equal plans. Deltas come one for each mailbox that changed, over the whole
// account, because a move shows only across mailboxes; the Steps come in the same order.
func Plan(deltas []Delta, policy Policy) []Steps {
	if policy.Direction == Backup {
		deltas = withLost(deltas)
	}
	p := &planner{
		policy: policy,
		steps:  make([]Steps, len(deltas)), flags: map[mailbox.Place]mailbox.Flags{}, gone: map[placed]*vanished{},
		lost: map[content][]*vanished{}, both: map[mailbox.Digest][]mailbox.Located{}, near: map[mailbox.Digest]*source{},
		coming: map[string]bool{}, going: map[mailbox.Digest]mailbox.Name{}, left: map[mailbox.Place]mailbox.Flags{},
		again: map[mailbox.Place]bool{}, same: map[string]Arrival{}, adopted: map[string]*source{},
	}
	for i, d := range deltas {
		p.steps[i].Mailbox = d.Mailbox
		p.index(d, &p.steps[i])
		if policy.Once {
			p.expect(d)
		}
	}
	for i, d := range deltas {
		p.arrivals(&p.steps[i], d)
	}
	for i, d := range deltas {
		p.pairs(&p.steps[i], d)
	}
	return p.steps
}

type placed struct {
	side Side
	mailbox.Place
}

type content struct {
	side   Side
	digest mailbox.Digest
}

// vanished is a message that one side lost while the other still has it.
type vanished struct {
	mailbox mailbox.Name
	steps   *Steps // of that mailbox
	change  Change
	used    bool // it turned up again elsewhere
}

// source is a new near message that others can be copied from, and every flag that it might carry by then.
type source struct {
	mailbox.Place
	flags mailbox.Flags
}

type planner struct {
	policy Policy
	steps  []Steps
	flags  map[mailbox.Place]mailbox.Flags      // by far place: what agreements come to
	gone   map[placed]*vanished                 // every message that a side lost
	lost   map[content][]*vanished              // those that the other side still has, by the side that lost them
	both   map[mailbox.Digest][]mailbox.Located // those that both sides lost
	again  map[mailbox.Place]bool               // of those, by far place, what both sides have anew
	near   map[mailbox.Digest]*source           // what is new on the near side
	left   map[mailbox.Place]mailbox.Flags      // by near place: what those carry now that only the near side has

	same    map[string]Arrival              // by account-wide id: the near message that is adopted
	adopted map[string]*source              // the same of a transfer, also where nobody knows its digest
	coming  map[string]bool                 // by account-wide id: what is downloaded
	going   map[mailbox.Digest]mailbox.Name // where what is uploaded goes, or what is adopted is
}

// flagsOf returns what a held message carries by the time it is copied: agreements come first. One that was kept may
// be marked \Deleted, whether that is on record or not, and taking away a flag that is not there does no harm.
func (p *planner) flagsOf(held mailbox.Located) mailbox.Flags {
	if held.Parked == mailbox.Kept && p.policy.Direction == BothWays {
		return held.Flags.With(mailbox.Deleted)
	}
	if flags, changed := p.flags[mailbox.Place{Mailbox: held.Mailbox, ID: held.Far}]; changed {
		return flags
	}
	return held.Flags
}

// remember keeps what a known message carries, or carried if both sides lost it.
func (p *planner) remember(name mailbox.Name, c Change) {
	far := mailbox.Place{Mailbox: name, ID: c.Pair.Far}
	switch {
	case c.Pair.Far == "":
		p.left[mailbox.Place{Mailbox: name, ID: c.Pair.Near}] = c.Flags[Near]
	case c.Gone[Far] && c.Gone[Near]:
		p.both[c.Pair.Digest] = append(p.both[c.Pair.Digest], mailbox.Located{Mailbox: name, Pair: c.Pair})
	case c.Gone[Far]:
	case c.Gone[Near]:
		p.flags[far] = c.Flags[Far]
	default:
		p.flags[far] = mailbox.Merge(c.Pair.Flags, c.Flags[Far], c.Flags[Near])
	}
}

func (p *planner) index(d Delta, s *Steps) {
	for _, c := range d.Pairs {
		p.remember(d.Mailbox, c)
		v := &vanished{mailbox: d.Mailbox, steps: s, change: c}
		for _, side := range []Side{Far, Near} {
			if !c.Gone[side] {
				continue
			}
			p.gone[placed{side, mailbox.Place{Mailbox: d.Mailbox, ID: idOn(side, c.Pair)}}] = v
			there := !c.Gone[side.Other()] && idOn(side.Other(), c.Pair) != ""
			if there && !c.Pair.Digest.IsZero() && (side == Far || p.policy.Direction == BothWays) {
				key := content{side, c.Pair.Digest}
				p.lost[key] = append(p.lost[key], v)
			}
		}
	}
	for _, a := range d.New[Near] {
		if digest := a.digest(); !digest.IsZero() && p.near[digest] == nil {
			p.near[digest] = &source{Place: mailbox.Place{Mailbox: d.Mailbox, ID: a.ID}, flags: a.Flags}
		}
	}
	for _, a := range d.New[Far] {
		if s := p.near[a.digest()]; s != nil {
			s.flags = s.flags.Union(a.Flags)
		}
	}
}

// pairs settles what happened to known messages.
func (p *planner) pairs(s *Steps, d Delta) {
	for _, c := range d.Pairs {
		switch {
		case c.Gone[Far] && (c.Gone[Near] || c.Pair.Near == ""), c.Gone[Near] && c.Pair.Far == "":
			s.Forget = append(s.Forget, c.Pair)
			if c.Gone[Far] && c.Gone[Near] && c.Pair.Near != "" && !p.again[mailbox.Place{Mailbox: d.Mailbox, ID: c.Pair.Far}] {
				s.Gone = append(s.Gone, c.Pair)
			}
		case c.Pair.Far == "":
			if !c.Flags[Near].Same(c.Pair.Flags) {
				c.Pair.Flags = c.Flags[Near]
				s.Leave = append(s.Leave, c.Pair)
			}
		case p.policy.Direction != BothWays:
			p.follow(s, c)
		case c.Gone[Far]:
			p.remove(s, Near, c)
		case c.Gone[Near]:
			p.remove(s, Far, c)
		default:
			if a := agree(c.Pair, c.Flags[Far], c.Flags[Near], c.Pair.Flags); !a.Pair.Flags.Same(c.Pair.Flags) || a.effects() {
				a.Known, a.Last = true, c.Pair.Flags
				s.Agree = append(s.Agree, a)
			}
		}
	}
}

// remove takes a message away from one side because the other no longer has it, unless it turned up elsewhere.
func (p *planner) remove(s *Steps, loser Side, c Change) {
	gone := p.gone[placed{loser.Other(), mailbox.Place{Mailbox: s.Mailbox, ID: idOn(loser.Other(), c.Pair)}}]
	switch {
	case gone.used && !gone.change.Moved || p.policy.spares(loser, s.Mailbox):
	case loser == Far && c.Hidden:
		s.Hidden = append(s.Hidden, c)
	default:
		s.Remove[loser] = append(s.Remove[loser], gone.change)
	}
}

// effects tells whether anything must change on a side, apart from the record.
func (a Agreement) effects() bool { return a.changes(Far) || a.changes(Near) }

func (a Agreement) changes(side Side) bool {
	return !a.Flags[side].Add.Empty() || !a.Flags[side].Take.Empty()
}

// agree merges the flags of a pair.
func agree(pair mailbox.Pair, far, near, last mailbox.Flags) Agreement {
	pair.Flags = mailbox.Merge(last, far, near)
	return Agreement{Pair: pair, Flags: [2]mailbox.FlagChange{
		flagChange(pair.Far, far, pair.Flags), flagChange(pair.Near, near, pair.Flags),
	}}
}

func flagChange(id mailbox.ID, have, want mailbox.Flags) mailbox.FlagChange {
	return mailbox.FlagChange{ID: id, Add: want.Minus(have), Take: have.Minus(want)}
}

// unix is an INTERNALDATE from its seconds; 0 is none.
func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// newPair ties two arrivals that are the same message.
func newPair(far, near Arrival) mailbox.Pair {
	pair := mailbox.Pair{
		Far: far.ID, Near: near.ID, Size: far.Size, InternalDate: unix(far.Date), Hint: near.Hint, Digest: near.digest(),
		AccountID: far.AccountID, Stored: near.stored(),
	}
	return pair
}
