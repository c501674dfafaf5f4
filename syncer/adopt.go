package syncer

import "mailtwin/mailbox"

// adopt pairs what is new on both sides of one mailbox, first by what was told outright, then by content, and returns
// what is left of both.
func (p *planner) adopt(s *Steps, arrived [2][]Arrival) (fars, nears []Arrival) {
	if len(arrived[Far]) == 0 || len(arrived[Near]) == 0 {
		return arrived[Far], arrived[Near]
	}
	partner := partners(arrived)
	taken := map[mailbox.ID]bool{}
	for _, near := range arrived[Near] {
		if far, ok := partner[near.ID]; ok {
			taken[far.ID] = true
			a := p.policy.agree(newPair(far, near), far.Flags, near.Flags, p.lastFlags(near.digest()))
			a.New = true
			s.Agree = append(s.Agree, a)
			p.leftBehind(near, s.Mailbox)
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

// lastFlags returns what was last agreed on for a message that both sides moved to the same mailbox; nothing for one
// that is new.
func (p *planner) lastFlags(digest mailbox.Digest) mailbox.Flags {
	gone := p.both[digest]
	if digest.IsZero() || len(gone) == 0 {
		return mailbox.Flags{}
	}
	p.both[digest] = gone[1:]
	return gone[0]
}

// leftBehind finds the source of a move, or of a removal to the Trash, that arrived but was not taken away on the far
// side.
func (p *planner) leftBehind(a Arrival, here mailbox.Name) {
	if v := p.reappears(content{Near, a.digest()}, here); v != nil && v.mailbox != here {
		v.used, v.change.Moved = true, true
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
