package syncer

import (
	"slices"

	"mailtwin/mailbox"
)

// adopt pairs what is new on both sides of one mailbox, first by what was told outright, then by content, and returns
// what is left of both.
func (p *planner) adopt(s *Steps, arrived [2][]Arrival) (fars, nears []Arrival) {
	if len(arrived[Far]) == 0 || len(arrived[Near]) == 0 {
		return arrived[Far], arrived[Near]
	}
	partner := partners(arrived)
	taken := make(map[mailbox.ID]bool, len(partner))
	s.Agree = slices.Grow(s.Agree, len(partner))
	for _, near := range arrived[Near] {
		if far, ok := partner[near.ID]; ok {
			taken[far.ID] = true
			last := p.lastOf(near.digest())
			a := p.policy.agree(newPair(far, near), far.Flags, near.Flags, last.Flags)
			a.New = true
			if last.Mailbox == s.Mailbox {
				a.Known, a.Last = true, last.Flags
			} else if last.Mailbox != "" {
				a.Moved = movedTo(last, s.Mailbox, a.Pair)
			}
			a.leftBy(p.leftBehind(near, s.Mailbox), s.Mailbox)
			s.Agree = append(s.Agree, a)
			continue
		}
		nears = append(nears, near)
	}
	for _, far := range arrived[Far] {
		if !taken[far.ID] {
			fars = append(fars, far)
		}
	}
	return fars, nears
}

// expect notes what is adopted, before anything is transferred: what is new in another mailbox, too, need not be.
func (p *planner) expect(d Delta) {
	if len(d.New[Far]) == 0 || len(d.New[Near]) == 0 {
		return
	}
	partner := partners(d.New)
	for _, near := range d.New[Near] {
		far, ok := partner[near.ID]
		if ok && p.policy.Direction == Transfer && far.AccountID != "" {
			p.adopted[far.AccountID] = &source{Place: mailbox.Place{Mailbox: d.Mailbox, ID: near.ID}, flags: near.Flags.Union(far.Flags)}
		}
		if !ok || near.digest().IsZero() {
			continue
		}
		p.going[near.digest()] = d.Mailbox
		if far.AccountID != "" {
			p.same[far.AccountID] = near
		}
	}
}

// recognised tells of far arrivals what is known of them from another mailbox, where they are adopted.
func (p *planner) recognised(fars []Arrival) []Arrival {
	if len(p.same) == 0 {
		return fars
	}
	fars = slices.Clone(fars)
	for i, a := range fars {
		near, ok := p.same[a.AccountID]
		if ok && a.digest().IsZero() {
			fars[i].Hint, fars[i].Evidence = near.Hint, &Evidence{Content: near.Evidence.Content}
		}
	}
	return fars
}

// lastOf returns what last knows of a message that both sides moved to the same mailbox; nothing for one that is new.
func (p *planner) lastOf(digest mailbox.Digest) mailbox.Located {
	gone := p.both[digest]
	if digest.IsZero() || len(gone) == 0 {
		return mailbox.Located{}
	}
	p.both[digest] = gone[1:]
	p.again[mailbox.Place{Mailbox: gone[0].Mailbox, ID: gone[0].Far}] = true
	return gone[0]
}

// leftBehind finds the source of a move, or of a removal to the Trash, that arrived but was not taken away on the far
// side; nil if there is none.
func (p *planner) leftBehind(a Arrival, here mailbox.Name) *vanished {
	v := p.reappears(content{Near, a.digest()}, here)
	if v == nil || v.mailbox == here {
		return nil
	}
	v.used, v.change.Moved = true, true
	return v
}

// leftForTrash finds the source of a removal that came to the Trash and no further.
func (p *planner) leftForTrash(a Arrival, trash mailbox.Name) {
	if v := p.leftBehind(a, trash); v != nil {
		v.change.To = trash
	}
}

// partners finds the far arrival that each near arrival is, by the near ID.
func partners(arrived [2][]Arrival) map[mailbox.ID]Arrival {
	byID := map[mailbox.ID]Arrival{}
	for _, far := range arrived[Far] {
		byID[far.ID] = far
	}
	partner := map[mailbox.ID]Arrival{}
	for _, near := range arrived[Near] {
		if near.Evidence == nil {
			continue
		}
		if far, ok := byID[near.Evidence.Same]; ok {
			partner[near.ID] = far
			delete(byID, far.ID)
		}
	}
	byDigest := map[mailbox.Digest][]Arrival{}
	for _, far := range arrived[Far] {
		if _, free := byID[far.ID]; free && !far.digest().IsZero() {
			byDigest[far.digest()] = append(byDigest[far.digest()], far)
		}
	}
	for _, near := range arrived[Near] {
		same := byDigest[near.digest()]
		if _, done := partner[near.ID]; !done && len(same) > 0 {
			partner[near.ID], byDigest[near.digest()] = same[0], same[1:]
		}
	}
	return partner
}
