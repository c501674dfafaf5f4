package syncer

import (
	"iter"
	"maps"
	"slices"

	"mailtwin/mailbox"
)

// A Kind is a way in which a side differs from what it should have.
type Kind uint8

// The kinds. Each is about the Side of a Difference.
const (
	Absent         Kind = iota // a message that the ledger knows is not there
	Unknown                    // a message is there that the ledger does not know
	WrongFlags                 // a message has other flags than last, and than it has on the other side
	WrongSize                  // a message has another size than it should have
	WrongBytes                 // a message has other bytes of the same size
	Unreadable                 // something is there that cannot be read as a message
	MailboxMissing             // a mailbox that the ledger knows is not there, or not whole
	MailboxUnknown             // a mailbox is there that the ledger does not know
	Renumbered                 // the IDs of a mailbox are of another generation
)

var kindNames = [...]string{
	"missing", "unknown", "flags", "size", "bytes", "unreadable", "mailbox_missing", "mailbox_unknown", "renumbered",
}

func (k Kind) String() string { return kindNames[k] }

// A Difference is one thing in which a side is not as it should be.
type Difference struct {
	Kind    Kind
	Side    Side
	Mailbox mailbox.Name
	// Pair is what last knows of the message. Of an Unknown or Unreadable one it has the ID alone.
	Pair  mailbox.Pair
	Flags [2]mailbox.Flags // by Side, as they are now; of WrongFlags, and of an Absent one on the side that has it
	// Size is how many octets the message has on its side, of WrongSize, and Want how many it should have.
	Size, Want int64
	Messages   int   // that are concerned, of a mailbox
	Err        error // why it is Unreadable, or what is wrong with the mailbox
	// Waits means that the next run is about to settle it: the message came to the far side after last, or the mailbox
	// did, or an upload was refused and stands on record.
	Waits bool
	// Gone means that the far side does not have the message, or the mailbox, any more, or neither side, if it is Absent or
	// missing.
	Gone bool
	// Anew means that the mailbox is Renumbered, so that nobody knows what the far side has of it.
	Anew bool
	// Mended means that a repair mended it. Where it could not, Failed says why.
	Mended bool
	Failed error

	read bool // it was found by reading the message
}

// ID is the message that it is about, on the side that it is about.
func (d Difference) ID() mailbox.ID { return idOn(d.Side, d.Pair) }

// A listed message is what one side tells of it. There may be a million of them, so it is kept small.
type listed struct {
	flags  mailbox.Flags
	size   int64 // octets of the canonical form; 0 if the side did not say
	stored int64 // octets that it takes there; 0 if the side did not say
}

// A listing is what one side has in a mailbox.
type listing struct {
	messages map[mailbox.ID]listed
	holds    func(mailbox.Flag) bool
	window   bool // it may have older ones than it shows
}

func (l *listing) count() int {
	if l == nil {
		return 0
	}
	return len(l.messages)
}

// isAbout tells whether it is about that side of a message, or of a mailbox, in that way.
func (d Difference) isAbout(kind Kind, side Side) bool { return d.Kind == kind && d.Side == side }

// Verified is what was found in one mailbox.
type Verified struct {
	Mailbox     mailbox.Name
	Messages    [2]int // by Side, that are there
	Pairs       int    // that both sides have
	Pending     int    // that wait to be brought to the near side
	Kept        int    // that only the far side has, for they were removed on the near side and it keeps them
	Left        int    // that only the near side has, for it keeps what vanished on the far side
	Rewritten   int    // that the far side stored in a form of its own, as some servers do with uploads
	Read        [2]int // by Side, whose bytes were compared
	Differences []Difference
}

// Add counts the messages of another mailbox, too.
func (v *Verified) Add(o *Verified) {
	for side := range v.Messages {
		v.Messages[side] += o.Messages[side]
		v.Read[side] += o.Read[side]
	}
	v.Pairs += o.Pairs
	v.Pending += o.Pending
	v.Kept += o.Kept
	v.Left += o.Left
	v.Rewritten += o.Rewritten
}

// has tells whether something of a kind differs on a side.
func (v *Verified) has(kind Kind, side Side) bool {
	return slices.ContainsFunc(v.Differences, func(d Difference) bool { return d.isAbout(kind, side) })
}

// relate notes of each difference what others say of its message or mailbox.
func (v *Verified) relate() {
	var gone [2]map[mailbox.ID]bool
	for side := range gone {
		gone[side] = map[mailbox.ID]bool{}
		for _, d := range v.Differences {
			if d.isAbout(Absent, Side(side)) {
				gone[side][d.ID()] = true
			}
		}
	}
	anew, both := v.has(Renumbered, Far), v.has(MailboxMissing, Far) && v.has(MailboxMissing, Near)
	for i := range v.Differences {
		d := &v.Differences[i]
		d.Anew = anew && d.Side == Near && d.Kind != Unknown
		switch d.Kind {
		case MailboxMissing:
			d.Gone = both
		case Absent, WrongSize, WrongBytes:
			other := d.Side.Other()
			d.Gone = gone[other][idOn(other, d.Pair)]
		case Unknown, WrongFlags, Unreadable, MailboxUnknown, Renumbered:
		}
	}
}

// compare finds out in what two listings of a mailbox differ from what last has. It takes the messages of last out of the
// listings. A side without a listing is not compared. doubtful are pairs whose near copy may not have the right size: only
// its bytes can tell. It does no I/O.
func compare(name mailbox.Name, last iter.Seq2[mailbox.Pair, error], sides [2]*listing) (v Verified, doubtful []mailbox.Pair, err error) {
	v.Mailbox = name
	v.Messages = [2]int{sides[Far].count(), sides[Near].count()}
	c := comparison{Verified: &v, sides: sides}
	for pair, err := range last {
		if err != nil {
			return v, nil, err
		}
		c.pair(pair)
	}
	for side, l := range sides {
		if l == nil {
			continue
		}
		for _, id := range slices.SortedFunc(maps.Keys(l.messages), compareIDs) {
			v.Differences = append(v.Differences, Difference{Kind: Unknown, Side: Side(side), Mailbox: name, Pair: pairOf(Side(side), id)})
		}
	}
	return v, c.doubtful, nil
}

// pairOf is all that is known of a message that last does not have.
func pairOf(side Side, id mailbox.ID) mailbox.Pair {
	if side == Far {
		return mailbox.Pair{Far: id}
	}
	return mailbox.Pair{Near: id}
}

type comparison struct {
	*Verified
	sides    [2]*listing
	doubtful []mailbox.Pair
}

func (c *comparison) pair(p mailbox.Pair) {
	switch p.Parked {
	case mailbox.Pending:
		c.Pending++
	case mailbox.Kept:
		c.Kept++
	case mailbox.Left:
		c.Left++
	case mailbox.Paired:
	}
	var there, absent [2]bool
	var now [2]listed
	for side, l := range c.sides {
		if l == nil {
			continue
		}
		id := idOn(Side(side), p)
		now[side], there[side] = l.messages[id]
		absent[side] = !there[side] && has(Side(side), p)
		delete(l.messages, id)
	}
	if p.Parked != mailbox.Paired && p.Parked != mailbox.Left {
		return
	}
	if there == [2]bool{true, true} {
		c.Pairs++
	}
	d := Difference{Mailbox: c.Mailbox, Pair: p}
	for side := range c.sides {
		d.Flags[side] = p.Flags
		if there[side] {
			d.Flags[side] = heldFlags(now[side].flags, p.Flags, c.sides[side].holds)
		}
	}
	for side := range c.sides {
		if absent[side] {
			d.Kind, d.Side = Absent, Side(side)
			c.Differences = append(c.Differences, d)
		}
	}
	if absent != [2]bool{} {
		return
	}
	c.flags(d)
	for side := range c.sides {
		if there[side] {
			c.size(Side(side), p, now[side])
		}
	}
}

// has tells whether a side should have the message of a pair.
func has(side Side, p mailbox.Pair) bool {
	return idOn(side, p) != "" && (side == Near || p.Parked != mailbox.Left)
}

// flags compares what both sides have. If they agree with each other, it does not matter that last does not know yet.
func (c *comparison) flags(d Difference) {
	if d.Flags[Far].Same(d.Flags[Near]) {
		return
	}
	d.Kind, d.Side = WrongFlags, Near
	if d.Flags[Near].Same(d.Pair.Flags) {
		d.Side = Far
	}
	c.Differences = append(c.Differences, d)
}

func (c *comparison) size(side Side, p mailbox.Pair, m listed) {
	switch {
	case m.size != 0 && p.Size != 0 && m.size != p.Size:
		c.Differences = append(c.Differences, Difference{Kind: WrongSize, Side: side, Mailbox: c.Mailbox, Pair: p, Size: m.size, Want: p.Size})
	case side == Near && m.stored != p.Stored:
		c.doubtful = append(c.doubtful, p)
	}
}
