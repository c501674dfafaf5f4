package syncer

import (
	"slices"

	"mailtwin/mailbox"
)

// A Direction says which side follows the other.
type Direction uint8

// The directions. In those that are not BothWays the far side is only read, and the near side loses nothing.
const (
	// BothWays means that each side follows the other.
	BothWays Direction = iota
	// Backup means that the near side follows the far side: what is missing comes again, flags are put back. What
	// vanished on the far side stays, as mailbox.Left.
	Backup
	// Transfer means that the near side is given what it does not have, once. Then it is its owner's: what was removed
	// there is not brought again, and flags that were changed there stay.
	Transfer
)

// agree settles the flags of a pair. In one direction the record is of what the far side has, so that the next run sees
// what changed there.
func (p Policy) agree(pair mailbox.Pair, far, near, last mailbox.Flags) Agreement {
	var want mailbox.Flags
	switch p.Direction {
	case BothWays:
		return agree(pair, far, near, last)
	case Backup:
		want = far
	case Transfer:
		want = mailbox.Merge(last, far, near)
		if p.AsFound {
			want = near
		}
	}
	pair.Flags = far
	return Agreement{Pair: pair, Flags: [2]mailbox.FlagChange{Far: {ID: pair.Far}, Near: flagChange(pair.Near, near, want)}}
}

// withLost makes arrivals of what the near side lost, for a backup fetches it again. What turns up there under another
// name is the same message.
func withLost(deltas []Delta) []Delta {
	deltas = slices.Clone(deltas)
	for i, d := range deltas {
		fars := slices.Clone(d.New[Far])
		for _, c := range d.Pairs {
			if c.lost() {
				fars = append(fars, c.again())
			}
		}
		deltas[i].New[Far] = fars
	}
	return deltas
}

// lost tells whether the near side no longer has what the far side has.
func (c Change) lost() bool {
	return c.Gone[Near] && !c.Gone[Far] && c.Pair.Far != "" && c.Pair.Parked == mailbox.Paired
}

// again is a message that the near side lost, as if it were new on the far side.
func (c Change) again() Arrival {
	a := Arrival{ID: c.Pair.Far, Flags: c.Flags[Far], Size: c.Pair.Size, Hint: c.Pair.Hint, AccountID: c.Pair.AccountID}
	if !c.Pair.InternalDate.IsZero() {
		a.Date = c.Pair.InternalDate.Unix()
	}
	if !c.Pair.Digest.IsZero() {
		a.Evidence = &Evidence{Content: mailbox.Content{Digest: c.Pair.Digest, Size: c.Pair.Size, Stored: c.Pair.Stored}, Held: c.Held}
	}
	return a
}

// follow settles what happened to a known message where only the near side follows.
func (p *planner) follow(s *Steps, c Change) {
	switch {
	case c.Gone[Far]:
		v := p.gone[placed{Far, mailbox.Place{Mailbox: s.Mailbox, ID: c.Pair.Far}}]
		if !v.used && !p.policy.spares(Near, s.Mailbox) {
			s.Leave = append(s.Leave, c.Pair)
		}
	case c.Gone[Near] && p.policy.Direction == Transfer:
		s.Keep = append(s.Keep, keep(c.Pair))
	case c.Gone[Near] || c.Pair.Near == "":
	default:
		if a := p.policy.agree(c.Pair, c.Flags[Far], c.Flags[Near], c.Pair.Flags); !a.Pair.Flags.Same(c.Pair.Flags) || a.effects() {
			s.Agree = append(s.Agree, a)
		}
	}
}

// stays settles a new near message that the far side does not have in this mailbox.
func (p *planner) stays(s *Steps, a Arrival) {
	if p.unparked(s, a) {
		return
	}
	s.Leave = append(s.Leave, mailbox.Pair{
		Near: a.ID, Flags: a.Flags, Size: a.Size, InternalDate: unix(a.Date), Digest: a.digest(), Hint: a.Hint, Stored: a.stored(),
	})
}

// revived finds that the far side has again what only the near side had.
func (p *planner) revived(s *Steps, a Arrival) bool {
	for _, held := range a.held() {
		key := placed{Near, mailbox.Place{Mailbox: held.Mailbox, ID: held.Near}}
		if held.Mailbox != s.Mailbox || held.Parked != mailbox.Left || p.gone[key] != nil {
			continue
		}
		p.gone[key] = &vanished{used: true} // not to be found twice
		pair := newPair(a, Arrival{ID: held.Near, Hint: held.Hint, Evidence: &Evidence{Content: mailbox.Content{Digest: held.Digest, Stored: held.Stored}}})
		g := p.policy.agree(pair, a.Flags, p.nearFlags(held), held.Flags)
		g.Drop, g.New = &held, true
		s.Agree = append(s.Agree, g)
		return true
	}
	return false
}

// nearFlags returns what a message carries that only the near side has.
func (p *planner) nearFlags(held mailbox.Located) mailbox.Flags {
	if flags, changed := p.left[mailbox.Place{Mailbox: held.Mailbox, ID: held.Near}]; changed {
		return flags
	}
	return held.Flags
}

// elsewhere tells whether the near side has a message already, or will have it, in whatever mailbox.
func (p *planner) elsewhere(a Arrival) bool {
	return p.adopted[a.AccountID] != nil || slices.ContainsFunc(a.held(), func(held mailbox.Located) bool { return held.Near != "" })
}
