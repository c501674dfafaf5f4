package gmail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// A position is how far the changes of the account are known, by the numbers of All Mail.
type position struct {
	Validity uint32 `json:"v"`
	Next     uint32 `json:"n"`
	Highest  uint64 `json:"h"` // HIGHESTMODSEQ, which may run ahead of what can be seen
	Seen     uint64 `json:"s"` // up to this MODSEQ everything was told; 0 is unknown
	Told     int64  `json:"t"` // when Highest was told first, in seconds since 1970; 0 if all that it tells of was seen, or asked for again
	Full     int64  `json:"f"` // when everything was asked for last, likewise
}

// A saved position is one at the end of a run, with the mailboxes that were left behind.
type saved struct {
	position
	Behind []mailbox.Name `json:"b,omitempty"`
}

// see notes the MODSEQ of what was told. A change that is made later has a higher one, and one that was made meanwhile a
// higher one than HIGHESTMODSEQ was before.
func (p *position) see(told map[string]*saying) {
	var seen uint64
	for _, s := range told {
		seen = max(seen, s.modSeq)
	}
	p.Seen = max(p.Seen, min(seen, p.Highest))
	if p.Seen == p.Highest {
		p.Told = 0
	}
}

// secondLook is how long after HIGHESTMODSEQ moved changes are asked for once more, if they were not all seen: it may have
// told of one that could not be seen yet. What was removed is never seen.
const secondLook = time.Minute

func (p position) isDoubtful() bool {
	return p.Told != 0 && p.Seen < p.Highest && time.Since(time.Unix(p.Told, 0)) >= secondLook
}

// fullEvery is how long changes are taken on trust. Then all flags are compared once.
const fullEvery = 7 * 24 * time.Hour

// readPosition returns what Position wrote; nothing if that is too old or makes no sense: then everything is asked for.
func readPosition(text string) saved {
	var p saved
	if err := json.Unmarshal([]byte(text), &p); err != nil || time.Since(time.Unix(p.Full, 0)) > fullEvery {
		return saved{}
	}
	return p
}

// Position is how far a run that went to its end knows the account, for the Since of the next one. In the mailboxes that it
// left behind, that one looks for all changes.
func (a *Account) Position(behind []mailbox.Name) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == "" || a.limit > 0 || a.asked.Highest == 0 {
		return ""
	}
	if slices.Contains(behind, a.all) && a.since.Highest != 0 {
		return a.options.Since // changes since then are fewer than all messages
	}
	text, err := json.Marshal(saved{a.asked, behind})
	if err != nil {
		panic(err) // numbers can always be written
	}
	return string(text)
}

// A saying is what All Mail says of a message. There may be a million of them, so it is kept small.
type saying struct {
	uid       uint32
	hasMeta   bool
	hasFlags  bool
	flags     mailbox.Flags
	size      int64
	date      int64
	modSeq    uint64
	messageID string
}

var (
	errRenumbered = fmt.Errorf("it was renumbered meanwhile: %w", mailbox.ErrTemporary)
	errUnsaid     = errors.New("the server lists a message, but does not say what it is")
)

// ask asks All Mail for what happened since it was asked last, and notes which mailboxes have the messages. If nothing
// did, it asks nothing.
func (a *Account) ask(ctx context.Context) error {
	a.mu.Lock()
	from, all := a.asked, a.folders[a.all]
	a.mu.Unlock()
	if all.Name == "" || a.Limit() > 0 {
		return nil
	}
	now := position{Validity: all.Validity, Next: all.Next, Highest: all.Highest, Seen: from.Seen, Told: from.Told, Full: from.Full}
	if from == now && from.Highest != 0 && !from.isDoubtful() {
		return nil
	}
	now.Told = 0
	if now.Highest != from.Highest {
		now.Told = time.Now().Unix()
	}
	whole := from.Validity != now.Validity || from.Seen == 0 || now.Highest < from.Highest || now.Next < from.Next
	if whole {
		now.Seen, now.Full = 0, time.Now().Unix()
	}
	staged, err := a.fetch(ctx, all, a.questions(whole, from, now))
	if err != nil {
		return err
	}
	a.mu.Lock()
	if whole {
		a.said, a.due = map[string]*saying{}, map[mailbox.Name]bool{}
		for name := range a.folders {
			a.due[name] = true
		}
	}
	for id, s := range staged {
		if old := a.said[id]; old != nil && !s.hasMeta { // what changed brings no metadata
			s.hasMeta, s.size, s.date, s.messageID = old.hasMeta, old.size, old.date, old.messageID
		}
		a.said[id] = s
	}
	now.see(staged)
	a.asked = now
	a.mu.Unlock()
	return a.locate(ctx, staged)
}

const header = " BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"

func (a *Account) questions(whole bool, from, now position) []string {
	const meta = "UID X-GM-MSGID FLAGS INTERNALDATE RFC822.SIZE"
	if whole {
		items := meta
		if a.options.Identify {
			items += header
		}
		return []string{"1:* (" + items + ")"}
	}
	var q []string
	if now.Next > from.Next {
		q = append(q, fmt.Sprintf("%d:* (%s%s)", from.Next, meta, header))
	}
	if (now.Highest > from.Highest || from.isDoubtful()) && from.Next > 1 {
		q = append(q, fmt.Sprintf("1:%d (UID X-GM-MSGID FLAGS) (CHANGEDSINCE %d)", from.Next-1, from.Seen))
	}
	return q
}

// fetch asks All Mail, and returns what it says by account-wide ID. What an answer leaves out is asked for once more.
func (a *Account) fetch(ctx context.Context, all imap.Listed, questions []string) (map[string]*saying, error) {
	if all.Count == 0 || len(questions) == 0 {
		return nil, nil
	}
	h := &hearing{all: all}
	h.begin()
	if err := a.hear(ctx, h, questions, h.begin); err != nil {
		return nil, err
	}
	if unclear := h.unclear(); len(unclear) > 0 {
		questions = nil
		for _, set := range imap.Sets(unclear) {
			questions = append(questions, set+" (UID X-GM-MSGID FLAGS)")
		}
		if err := a.hear(ctx, h, questions, func() {}); err != nil {
			return nil, err
		}
	}
	if unclear := h.unclear(); len(unclear) > 0 {
		gone, err := a.Missing(ctx, all.Name, unclear)
		if err == nil && len(gone) < len(unclear) {
			err = &mailbox.MailboxError{Mailbox: all.Name, Err: errUnsaid}
		}
		if err != nil {
			return nil, err
		}
	}
	return h.byID(), nil
}

// A hearing is what All Mail is just saying.
type hearing struct {
	all   imap.Listed
	byUID map[uint32]*saying
	ids   map[uint32]string
}

func (h *hearing) begin() { h.byUID, h.ids = map[uint32]*saying{}, map[uint32]string{} }

func (h *hearing) take(m *wire.Fetch, header []byte) {
	if h.byUID[m.UID] == nil {
		h.byUID[m.UID] = &saying{uid: m.UID}
	}
	h.byUID[m.UID].take(m, header)
	if m.GmailID != "" {
		h.ids[m.UID] = m.GmailID
	}
}

// unclear are the messages of which not all was said.
func (h *hearing) unclear() (unclear []mailbox.ID) {
	for uid, s := range h.byUID {
		if h.ids[uid] == "" || !s.hasFlags {
			unclear = append(unclear, imap.IDOf(uid))
		}
	}
	return unclear
}

func (h *hearing) byID() map[string]*saying {
	staged := make(map[string]*saying, len(h.ids))
	for uid, id := range h.ids {
		if h.byUID[uid].hasFlags {
			staged[id] = h.byUID[uid]
		}
	}
	return staged
}

func (a *Account) hear(ctx context.Context, h *hearing, questions []string, begin func()) error {
	data, err := a.Ask(ctx, h.all.Name, imap.Question{Fetch: questions, Begin: begin, Take: h.take})
	if err == nil && data.Validity != h.all.Validity {
		err = &mailbox.MailboxError{Mailbox: h.all.Name, Err: errRenumbered}
	}
	return err
}

// take keeps what a FETCH says. It may come in several answers.
func (s *saying) take(m *wire.Fetch, header []byte) {
	if m.HasFlags {
		s.hasFlags, s.flags = true, mailbox.Flags{}
		for _, word := range m.Flags {
			s.flags = s.flags.With(mailbox.Flag(word))
		}
	}
	if m.Size >= 0 {
		s.size, s.hasMeta = m.Size, true
	}
	if !m.InternalDate.IsZero() {
		s.date = m.InternalDate.Unix()
	}
	if m.ModSeq != 0 {
		s.modSeq = m.ModSeq
	}
	if id := mailbox.MessageID(header); id != "" {
		s.messageID = id
	}
}

// changes are the flags that known messages of a mailbox carry now, under a UIDVALIDITY.
type changes struct {
	validity uint32
	flags    map[mailbox.ID]mailbox.Flags
	told     bool // all of them, to a scan
}

// locate notes in which mailboxes the ledger has the messages, and what they carry there now. One that is not listed may
// have another name by now.
func (a *Account) locate(ctx context.Context, staged map[string]*saying) error {
	twins, err := a.options.Ledger.Mailboxes(ctx)
	if err != nil || len(twins) == 0 {
		return err
	}
	validity := map[mailbox.Name]uint32{}
	for _, t := range twins {
		validity[t.Name] = imap.ValidityOf(t.Far.Cursor)
	}
	for id, s := range staged {
		for l, err := range a.options.Ledger.ByHint(ctx, mailbox.AccountHint(id)) {
			if err != nil {
				return err
			}
			if l.AccountID == id && l.Far != "" {
				a.note(l, s, validity[l.Mailbox])
			}
		}
	}
	return nil
}

// note notes what a message carries in a mailbox, where the ledger knows it under a UIDVALIDITY.
func (a *Account) note(l mailbox.Located, s *saying, validity uint32) {
	flags := a.flagsIn(l.Mailbox, s.flags)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.isBin(l.Mailbox) { // what All Mail tells of has left it
		return
	}
	if a.changed[l.Mailbox] == nil || a.changed[l.Mailbox].validity != validity {
		a.changed[l.Mailbox] = &changes{validity: validity, flags: map[mailbox.ID]mailbox.Flags{}}
	}
	a.changed[l.Mailbox].flags[l.Far], a.changed[l.Mailbox].told = flags, false
	highest := s.modSeq
	if highest == 0 { // as it is now and then
		highest = a.asked.Highest
	}
	a.marks[l.Mailbox] = max(a.marks[l.Mailbox], highest)
}
