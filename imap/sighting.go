package imap

import (
	"io"
	"strconv"
	"time"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// A sighting is what was said of one message during a look into a mailbox. There may be a million of them, so it is
// kept small.
type sighting struct {
	uid       uint32
	hasFlags  bool
	hasMeta   bool // date or size were said
	hasDate   bool
	flags     mailbox.Flags
	date      int64 // seconds since 1970
	size      int64
	mod       uint64
	messageID string
	accountID string // see mailbox.Content
}

// sightings are those of one look, in the order in which they came.
type sightings struct {
	list     []sighting
	index    map[uint32]int32
	nameless bool // an answer told what is only told when asked, but not of which message
}

func (all *sightings) clear() { *all = sightings{} }

// of returns what was said of a message; nil if nothing was. It is valid until the next take.
func (all *sightings) of(uid uint32) *sighting {
	if i, ok := all.index[uid]; ok {
		return &all.list[i]
	}
	return nil
}

// add returns the sighting of a message, which may be a new one.
func (all *sightings) add(uid uint32) *sighting {
	if e := all.of(uid); e != nil {
		return e
	}
	if all.index == nil {
		all.index = map[uint32]int32{}
	}
	all.index[uid] = int32(len(all.list))
	all.list = append(all.list, sighting{uid: uid})
	return &all.list[len(all.list)-1]
}

// take keeps what a FETCH says. It may come in several answers.
func (all *sightings) take(r *wire.Response) error {
	if r.Kind != "FETCH" {
		return nil
	}
	var header []byte
	m, err := r.Fetch(func(_ *wire.Fetch, _ string, size int64, body io.Reader) (err error) {
		header, err = io.ReadAll(io.LimitReader(body, min(size, maxHeader)))
		return err
	})
	if err != nil {
		return err
	}
	if m.UID == 0 {
		all.nameless = all.nameless || answers(m)
		return nil
	}
	e := all.add(m.UID)
	if m.HasFlags {
		e.hasFlags, e.flags = true, flagsOf(m.Flags)
	}
	if m.Size >= 0 {
		e.size, e.hasMeta = m.Size, true
	}
	if !m.InternalDate.IsZero() {
		e.date, e.hasDate, e.hasMeta = m.InternalDate.Unix(), true, true
	}
	if m.ModSeq != 0 {
		e.mod = m.ModSeq
	}
	if m.GmailID+m.EmailID != "" {
		e.accountID = m.GmailID + m.EmailID // no server has both
	}
	if id := mailbox.MessageID(header); id != "" {
		e.messageID = id
	}
	return nil
}

// answers tells whether a FETCH has what no server tells unasked, as it may tell flags.
func answers(m *wire.Fetch) bool {
	return m.Size >= 0 || !m.InternalDate.IsZero() || m.GmailID+m.EmailID != ""
}

func flagsOf(words []string) mailbox.Flags {
	var f mailbox.Flags
	for _, w := range words {
		f = f.With(mailbox.Flag(w))
	}
	return f
}

func (e *sighting) message(generation string) mailbox.Message {
	m := mailbox.Message{ID: idOf(e.uid), Flags: e.flags, Size: e.size, Generation: generation}
	if e.hasDate {
		m.InternalDate = time.Unix(e.date, 0)
	}
	m.Content = mailbox.Content{Size: e.size, MessageID: e.messageID, AccountID: e.accountID}
	return m
}

func idOf(uid uint32) mailbox.ID { return mailbox.ID(strconv.FormatUint(uint64(uid), 10)) }

func uidOf(id mailbox.ID) uint32 {
	n, err := strconv.ParseUint(string(id), 10, 32)
	if err != nil {
		return 0 // names no message: the server never gave such an ID
	}
	return uint32(n)
}

func uidSet(ids []mailbox.ID) wire.UIDSet {
	uids := make([]uint32, len(ids))
	for i, id := range ids {
		uids[i] = uidOf(id)
	}
	return wire.UIDSetOf(uids...)
}
