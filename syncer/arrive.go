package syncer

import (
	"slices"

	"mailtwin/mailbox"
)

// arrivals settles what is new in one mailbox: what is new on both sides is adopted, what another mailbox lost has
// moved, what is held elsewhere is copied there, and only the rest is transferred.
func (p *planner) arrivals(s *Steps, d Delta) {
	policy := p.policy
	fars, nears := p.adopt(s, d.New)
	fars, nears = p.await(s, Far, p.recognised(fars)), p.await(s, Near, nears)
	known := func(a Arrival) bool { return a.Beyond || a.Evidence != nil || p.adopted[a.AccountID] != nil }
	if len(nears) == 0 && s.Mailbox != policy.Trash && !slices.ContainsFunc(fars, known) {
		p.download(s, fars)
		return
	}
	for _, a := range fars {
		switch {
		case p.revived(s, a):
		case p.moved(s, Far, a):
		case a.Beyond:
			s.Beyond[Far] = append(s.Beyond[Far], a)
		case policy.OneCopy && p.elsewhere(a):
			s.Keep = append(s.Keep, keep(pendingPair(a)))
		case p.copied(s, Far, a):
		default:
			if s.Mailbox == policy.Trash {
				p.leftForTrash(a, s.Mailbox)
			}
			p.download(s, []Arrival{a})
		}
	}
	for _, a := range nears {
		switch {
		case policy.Direction != BothWays:
			p.stays(s, a)
		case a.Evidence != nil && a.Evidence.Undecided:
			s.Upload = append(s.Upload, a) // unless a download turns out to be it: these come first
		case policy.Once && p.paired(s, a):
			s.Extra = append(s.Extra, a)
			p.leftBehind(a, s.Mailbox) // it was moved to where the far side had it
		case p.unparked(s, a):
		case p.moved(s, Near, a):
		case a.Beyond:
			s.Beyond[Near] = append(s.Beyond[Near], a)
		case p.copied(s, Near, a):
		default:
			p.upload(s, a)
		}
	}
}

// download plans to bring messages over: one that the far side has in several mailboxes only once.
func (p *planner) download(s *Steps, fars []Arrival) {
	if s.Download == nil && !slices.ContainsFunc(fars, func(a Arrival) bool { return a.AccountID != "" }) {
		s.Download = fars // a first sync has many, which are not copied once more
		return
	}
	for _, a := range fars {
		switch {
		case a.AccountID != "" && p.coming[a.AccountID] && p.policy.OneCopy:
			s.Keep = append(s.Keep, keep(pendingPair(a)))
		case a.AccountID != "" && p.coming[a.AccountID]:
			s.Link = append(s.Link, a)
		default:
			p.coming[a.AccountID] = true
			s.Download = append(s.Download, a)
		}
	}
}

// upload plans to bring a message over. One that is new in several mailboxes goes into the first of them; from there the
// far side can copy it, as soon as it is there. A second one of the same mailbox is an extra by then, if there can be no two.
func (p *planner) upload(s *Steps, a Arrival) {
	first, sent := p.going[a.digest()]
	if sent && p.policy.Again && (first != s.Mailbox || p.policy.Once) {
		s.Again = append(s.Again, a)
		return
	}
	p.going[a.digest()] = s.Mailbox
	s.Upload = append(s.Upload, a)
}

// await takes out of the arrivals of a side those that wait. What the side lost elsewhere and has there is not removed;
// both are settled together when their time comes.
func (p *planner) await(s *Steps, side Side, arrivals []Arrival) []Arrival {
	if !slices.ContainsFunc(arrivals, func(a Arrival) bool { return a.Waits }) {
		return arrivals
	}
	var kept []Arrival
	for _, a := range arrivals {
		if !a.Waits {
			kept = append(kept, a)
		} else if v := p.reappears(content{side, a.digest()}, s.Mailbox); v != nil {
			v.used, v.steps.Waits[side] = true, true
		}
	}
	return kept
}

// moved finds a message that the side of the arrival lost elsewhere and that is this one: then the other side moves
// its own copy, or, where it reappeared in the same mailbox, only the ID is another.
func (p *planner) moved(s *Steps, side Side, a Arrival) bool {
	v := p.reappears(content{side, a.digest()}, s.Mailbox)
	if v == nil || (side == Near && v.mailbox != s.Mailbox && marked(v.change.Flags[Far], a.Flags)) {
		return false
	}
	v.used = true
	c, other := v.change, side.Other()
	if v.mailbox == s.Mailbox {
		s.Agree = append(s.Agree, p.renamed(s.Mailbox, c, side, a))
		return true
	}
	want := mailbox.Merge(c.Pair.Flags, a.Flags, c.Flags[other])
	if p.policy.Direction != BothWays {
		want = a.Flags
	}
	s.Relocate = append(s.Relocate, Relocation{
		Side: other, From: mailbox.Place{Mailbox: v.mailbox, ID: idOn(other, c.Pair)}, Pair: &c.Pair,
		Arrival: a, Have: c.Flags[other], Want: want, AccountID: c.Pair.AccountID,
	})
	return true
}

// reappears returns what was lost with this content, from the same mailbox if possible.
func (p *planner) reappears(key content, here mailbox.Name) *vanished {
	if key.digest.IsZero() {
		return nil
	}
	var found *vanished
	for _, v := range p.lost[key] {
		if v.used {
			continue
		}
		if v.mailbox == here {
			return v
		}
		if found == nil {
			found = v
		}
	}
	return found
}

// renamed is the agreement on a message whose ID on one side is now another.
func (p *planner) renamed(here mailbox.Name, c Change, side Side, a Arrival) Agreement {
	pair := c.Pair
	flags := c.Flags
	flags[side] = a.Flags
	if side == Far {
		pair.Far, pair.Size, pair.InternalDate = a.ID, a.Size, unix(a.Date)
	} else {
		pair.Near, pair.Stored = a.ID, a.stored()
	}
	agreement := p.policy.agree(pair, flags[Far], flags[Near], c.Pair.Flags)
	agreement.Known, agreement.Last = true, c.Pair.Flags
	if side == Far {
		agreement.Drop = &mailbox.Located{Mailbox: here, Pair: c.Pair}
	}
	return agreement
}

// unparked finds that the near side has again what it once removed and the far side kept. If the near side moved it there,
// it was a copy that it moved, which is not needed any more.
func (p *planner) unparked(s *Steps, a Arrival) bool {
	for _, held := range a.held() {
		key := placed{Far, mailbox.Place{Mailbox: held.Mailbox, ID: held.Far}}
		if held.Mailbox != s.Mailbox || held.Parked != mailbox.Kept || p.gone[key] != nil {
			continue
		}
		p.gone[key] = &vanished{used: true} // not to be found twice
		pair, have := held.Pair, p.flagsOf(held)
		pair.Near, pair.Parked, pair.Stored = a.ID, mailbox.Paired, a.stored()
		g := p.policy.agree(pair, have, a.Flags, have)
		g.leftBy(p.leftBehind(a, s.Mailbox), s.Mailbox)
		s.Agree = append(s.Agree, g)
		return true
	}
	return false
}

// paired tells whether both sides have the message in this very mailbox.
func (p *planner) paired(s *Steps, a Arrival) bool {
	return slices.ContainsFunc(a.held(), func(held mailbox.Located) bool {
		return held.Mailbox == s.Mailbox && held.Far != "" && held.Near != "" &&
			p.gone[placed{Far, mailbox.Place{Mailbox: held.Mailbox, ID: held.Far}}] == nil &&
			p.gone[placed{Near, mailbox.Place{Mailbox: held.Mailbox, ID: held.Near}}] == nil
	})
}

// copied finds the content in another place of the other side, which then copies it.
func (p *planner) copied(s *Steps, side Side, a Arrival) bool {
	other := side.Other()
	for _, held := range a.held() {
		place := mailbox.Place{Mailbox: held.Mailbox, ID: idOn(other, held.Pair)}
		have := p.flagsOf(held)
		if place.ID == "" || p.gone[placed{other, place}] != nil || (side == Near && marked(have, a.Flags)) {
			continue
		}
		s.Relocate = append(s.Relocate, Relocation{
			Side: other, From: place, Arrival: a, Have: have, Want: a.Flags, AccountID: held.AccountID,
		})
		return true
	}
	if side == Far && !a.digest().IsZero() && p.near[a.digest()] != nil {
		source := p.near[a.digest()]
		s.Relocate = append(s.Relocate, Relocation{Side: Near, From: source.Place, Arrival: a, Have: source.flags, Want: a.Flags, Unsure: true})
		return true
	}
	if source := p.adopted[a.AccountID]; side == Far && source != nil {
		s.Relocate = append(s.Relocate, Relocation{Side: Near, From: source.Place, Arrival: a, Have: source.flags, Want: a.Flags, Unsure: true})
		return true
	}
	return false
}

// marked tells whether a message of the far side is marked \Deleted where a wanted copy of it is not. The copy would
// carry the mark too, and if the run died before it took that off, the mark would be taken for somebody's wish. The mark
// itself may be no wish but what a removal or a move left behind that died half-way.
func marked(have, want mailbox.Flags) bool {
	return have.Has(mailbox.Deleted) && !want.Has(mailbox.Deleted)
}
