package imap

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"mailtwin/mailbox"
)

// A witness is a message and the MODSEQ that it had. A server that lost its index counts changes anew, and what it says
// of changes since then is worth nothing, although its number may be higher than ours by now: each message has a lower
// MODSEQ than before, until it is changed. As long as one witness was left alone and has the MODSEQ that it had, and
// none has a lower one, the server can be believed.
//
// Seen on Dovecot 2.3.19 when dovecot.index* is removed, on 2026-11-23.
type witness struct {
	UID uint32 `json:"u"`
	Mod uint64 `json:"m"`
}

// maxWitnesses is how many are kept. They are spread over the range of MODSEQs: those that changed last are likely to
// change soon again.
const maxWitnesses = 8

// unused is the MODSEQ that messages have on a server that has only begun to count. Such a message tells nothing.
const unused = 1

// heard tells whether the witnesses say that the server counts on from where it was.
func (v *survey) heard() bool {
	same := false
	for _, w := range v.old.Witnesses {
		e := v.seen.of(w.UID)
		switch {
		case e == nil || e.mod == 0: // gone, or the server does not say
		case e.mod < w.Mod:
			return false
		default:
			same = same || e.mod == w.Mod
		}
	}
	return same
}

// witnesses picks those of the next look, from what was seen in this one.
func (v *survey) witnesses() []witness {
	var all []witness
	for _, e := range v.seen.list {
		if e.mod > unused {
			all = append(all, witness{e.uid, e.mod})
		}
	}
	slices.SortFunc(all, func(a, b witness) int { return cmp.Or(cmp.Compare(a.Mod, b.Mod), cmp.Compare(a.UID, b.UID)) })
	if len(all) <= maxWitnesses {
		return all
	}
	picked := make([]witness, maxWitnesses)
	for i := range picked {
		picked[i] = all[i*(len(all)-1)/(maxWitnesses-1)]
	}
	return picked
}

// fullEvery is how long a mailbox may go without all of it being listed, whatever the server says has changed.
const fullEvery = 30 * 24 * time.Hour

// period numbers the times between two full listings. The end of one is part of the mark, so that it makes even a mailbox
// be looked into that says nothing happened. Each mailbox has its own, lest all of them be listed on one day.
func period(name mailbox.Name, at time.Time) int64 {
	sum := fnv.New32a()
	sum.Write([]byte(name))
	every := int64(fullEvery / time.Second)
	return (at.Unix() + int64(sum.Sum32())%every) / every
}
