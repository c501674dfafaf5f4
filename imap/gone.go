package imap

import (
	"context"
	"fmt"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// maxSet is how long the UID set of one command may be, in octets.
const maxSet = 7 << 10

// maxAsked is how many messages that a listing left out are asked for one by one.
const maxAsked = 1000

// settle compares what was seen, and said to be gone, with how many messages the SELECT said there are. Unless that adds
// up, a SEARCH tells what is there, and is believed if its own numbers agree with those of the SELECT. Then what the ledger knows and the
// SEARCH does not is gone, and what the SEARCH knows and nobody saw was left out.
func (v *survey) settle(ctx context.Context) error {
	gone := v.saidGone()
	if v.addsUp(len(gone)) {
		for uid := range gone {
			v.scan.Gone = append(v.scan.Gone, idOf(uid))
		}
		return nil
	}
	there, ok, err := v.session.search(ctx, wire.UIDSet{{First: 1, Last: max(1, v.last())}})
	if err != nil {
		return err
	}
	if !ok || there.Count() != uint64(v.data.NumMessages) {
		v.scan.Settled = false
		return nil
	}
	v.there, v.sure = there, true
	if v.knownCount() == 0 {
		return nil
	}
	for id := range v.req.Known.All() {
		uid := uidOf(id)
		if !there.Contains(uid) && (!v.full || v.seen.of(uid) == nil) {
			v.scan.Gone = append(v.scan.Gone, id)
		}
	}
	return nil
}

// last is the highest UID that the numbers of the SELECT are about.
func (v *survey) last() uint32 {
	if v.data.UIDNext == 0 {
		return 1<<32 - 2
	}
	return uint32(v.data.UIDNext) - 1
}

// addsUp tells whether the messages that are known or new, less those that are said to be gone, are as many as the SELECT
// said, with none missing, and none of which nobody knows which it is.
func (v *survey) addsUp(gone int) bool {
	if v.narrowed() && v.knownCount() > 0 {
		return false // one that goes may make room for an older one
	}
	count := -gone
	for i := range v.seen.list {
		uid := v.seen.list[i].uid
		if uid <= v.last() && (v.full || v.isNew(uid)) {
			count++
		}
	}
	if !v.full {
		count += v.knownCount()
	}
	return !v.seen.nameless && count == int(v.data.NumMessages) && (!v.full || !v.misses())
}

// misses tells whether a full listing leaves out a message that is known.
func (v *survey) misses() bool {
	if v.knownCount() == 0 {
		return false
	}
	for id := range v.req.Known.All() {
		if v.seen.of(uidOf(id)) == nil {
			return true
		}
	}
	return false
}

// complete asks for what is missing of new messages, and for those that a listing left out: servers do that.
func (v *survey) complete(ctx context.Context) error {
	lacking := v.lacking()
	if lacking.Count() == 0 {
		return nil
	}
	if err := v.ask(ctx, lacking.Split(maxSet)); err != nil {
		return err
	}
	lacking = v.lacking()
	if lacking.Count() > maxAsked {
		v.scan.Settled = false
		v.session.account.options.Report(fmt.Sprintf("mailbox %q: the server leaves out %d messages", string(v.req.Name), lacking.Count()))
		return nil
	}
	var alone []wire.UIDSet
	each(lacking, func(uid uint32) { alone = append(alone, wire.UIDSetOf(uid)) })
	if err := v.ask(ctx, alone); err != nil {
		return err
	}
	each(lacking, func(uid uint32) { v.seen.add(uid) }) // conclude names those of which nothing was said
	return nil
}

func (v *survey) ask(ctx context.Context, sets []wire.UIDSet) error {
	cmds := make([]*wire.Command, len(sets))
	for i, set := range sets {
		cmds[i] = wire.Cmd("UID FETCH").Set(set).Raw(v.metaItems())
	}
	_, err := v.session.exec(ctx, v.seen.take, cmds) // what is refused stays lacking
	return err
}

// isClear tells whether of a message everything was said that must be known. On Gmail that is what it is called, too:
// without it, nobody could tell where else the message is.
func (v *survey) isClear(e *sighting) bool {
	return e.hasMeta && e.hasFlags && (e.accountID != "" || !v.session.caps["X-GM-EXT-1"])
}

// lacking are the new messages of which not all was said.
func (v *survey) lacking() wire.UIDSet {
	var unsaid, have []uint32
	for i := range v.seen.list {
		e := &v.seen.list[i]
		if v.isNew(e.uid) && !v.isClear(e) {
			unsaid = append(unsaid, e.uid)
		} else {
			have = append(have, e.uid)
		}
	}
	if !v.sure {
		return wire.UIDSetOf(unsaid...)
	}
	if v.knownCount() > 0 {
		for id := range v.req.Known.All() {
			have = append(have, uidOf(id))
		}
	}
	for _, r := range minus(v.there, wire.UIDSetOf(have...)) {
		if r.Last-r.First >= 1<<20 { // that many cannot be asked for, and no listing leaves out so many by mistake
			v.scan.Settled = false
			continue
		}
		each(wire.UIDSet{r}, func(uid uint32) { unsaid = append(unsaid, uid) })
	}
	return wire.UIDSetOf(unsaid...)
}

// minus returns what is in a and not in b.
func minus(a, b wire.UIDSet) wire.UIDSet {
	var left wire.UIDSet
	i := 0
	for _, r := range a {
		first := uint64(r.First)
		for i < len(b) && b[i].Last < r.First {
			i++
		}
		for j := i; j < len(b) && b[j].First <= r.Last; j++ {
			if uint64(b[j].First) > first {
				left = append(left, wire.UIDRange{First: uint32(first), Last: b[j].First - 1})
			}
			first = uint64(b[j].Last) + 1
		}
		if first <= uint64(r.Last) {
			left = append(left, wire.UIDRange{First: uint32(first), Last: r.Last})
		}
	}
	return left
}

// each calls do with every UID of a set that is known to be small.
func each(set wire.UIDSet, do func(uint32)) {
	for _, r := range set {
		for uid := uint64(r.First); uid <= uint64(r.Last); uid++ {
			do(uint32(uid))
		}
	}
}

// search returns which of these UIDs exist. ok is false if the server did not really say.
//
// Source: RFC 9051, section 6.4.4; RFC 4731.
func (s *session) search(ctx context.Context, set wire.UIDSet) (there wire.UIDSet, ok bool, err error) {
	cmd := wire.Cmd("UID SEARCH")
	extended := s.caps["ESEARCH"]
	if extended {
		cmd.Raw("RETURN (ALL COUNT)")
	}
	cmd.Raw("UID").Set(set)
	answers, unreadable := 0, false
	var got wire.Search
	status, err := s.conn.Exec(ctx, func(r *wire.Response) error {
		if r.Kind != "SEARCH" && r.Kind != "ESEARCH" {
			return nil
		}
		answer, err := r.Search()
		answers++
		got, unreadable = answer, unreadable || err != nil
		return err
	}, cmd)
	if err != nil {
		return nil, false, err
	}
	if status[0].Kind != "OK" || answers != 1 || unreadable || got.Extended != extended {
		return nil, false, nil
	}
	if extended && (got.Tag != cmd.Tag() || !got.UID || got.Count == nil || uint64(*got.Count) != got.All.Count()) {
		return nil, false, nil
	}
	return got.All, true, nil
}

// Missing tells which of these messages are certainly no longer there.
func (a *Account) Missing(ctx context.Context, name mailbox.Name, ids []mailbox.ID) ([]mailbox.ID, error) {
	var missing []mailbox.ID
	err := a.repeat(ctx, name, func(s *session) (err error) {
		if err = s.use(ctx, name); err == nil {
			missing, err = s.certainlyGone(ctx, ids)
		}
		return err
	})
	return missing, err
}

// certainlyGone tells which of these messages a SEARCH does not find.
func (s *session) certainlyGone(ctx context.Context, ids []mailbox.ID) (gone []mailbox.ID, err error) {
	for _, set := range uidSet(ids).Split(maxSet) {
		there, ok, err := s.search(ctx, set)
		if err != nil || !ok {
			return nil, err
		}
		for _, id := range ids {
			if set.Contains(uidOf(id)) && !there.Contains(uidOf(id)) {
				gone = append(gone, id)
			}
		}
	}
	return gone, nil
}
