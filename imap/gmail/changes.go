package gmail

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// A position is how far the changes of the account are known, by the numbers of All Mail.
type position struct {
	Validity uint32 `json:"v"`
	Next     uint32 `json:"n"`
	Highest  uint64 `json:"h"`
	Full     int64  `json:"f"` // when everything was asked for last, in seconds since 1970
}

// fullEvery is how long changes are taken on trust. Then all flags are compared once.
const fullEvery = 7 * 24 * time.Hour

// readPosition returns what Position wrote; nothing if that is too old or makes no sense: then everything is asked for.
func readPosition(text string) position {
	var p position
	if err := json.Unmarshal([]byte(text), &p); err != nil || time.Since(time.Unix(p.Full, 0)) > fullEvery {
		return position{}
	}
	return p
}

// Position is how far a run that went to its end knows the account, for the Since of the next one.
func (a *Account) Position() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == "" || a.asked.Highest == 0 {
		return ""
	}
	text, err := json.Marshal(a.asked)
	if err != nil {
		panic(err) // numbers can always be written
	}
	return string(text)
}

// A saying is what All Mail says of a message. There may be a million of them, so it is kept small.
type saying struct {
	uid       uint32
	hasMeta   bool
	flags     mailbox.Flags
	size      int64
	date      int64
	modSeq    uint64
	messageID string
}

var errRenumbered = fmt.Errorf("it was renumbered meanwhile: %w", mailbox.ErrTemporary)

// ask asks All Mail for what happened since it was asked last, and notes which mailboxes have the messages. If nothing
// did, it asks nothing.
func (a *Account) ask(ctx context.Context) error {
	a.mu.Lock()
	from, all := a.asked, a.folders[a.all]
	a.mu.Unlock()
	if all.Name == "" {
		return nil
	}
	now := position{Validity: all.Validity, Next: all.Next, Highest: all.Highest, Full: from.Full}
	if from == now && from.Highest != 0 {
		return nil
	}
	whole := from.Validity != now.Validity || from.Highest == 0 || now.Highest < from.Highest || now.Next < from.Next
	if whole {
		now.Full = time.Now().Unix()
	}
	staged, err := a.fetch(ctx, all, a.questions(whole, from, now), now.Validity)
	if err != nil {
		return err
	}
	a.mu.Lock()
	if whole {
		a.whole, a.said = true, map[string]*saying{}
	}
	for id, s := range staged {
		if old := a.said[id]; old != nil && !s.hasMeta { // what changed brings no metadata
			s.hasMeta, s.size, s.date, s.messageID = old.hasMeta, old.size, old.date, old.messageID
		}
		a.said[id] = s
	}
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
	if now.Highest > from.Highest && from.Next > 1 {
		q = append(q, fmt.Sprintf("1:%d (UID X-GM-MSGID FLAGS) (CHANGEDSINCE %d)", from.Next-1, from.Highest))
	}
	return q
}

// fetch asks All Mail, and returns what it says by account-wide ID.
func (a *Account) fetch(ctx context.Context, all imap.Listed, questions []string, validity uint32) (map[string]*saying, error) {
	byUID, ids := map[uint32]*saying{}, map[uint32]string{}
	if all.Count == 0 || len(questions) == 0 {
		return nil, nil
	}
	data, err := a.Ask(ctx, all.Name, imap.Question{
		Fetch: questions,
		Begin: func() { clear(byUID); clear(ids) },
		Take: func(m *wire.Fetch, header []byte) {
			if byUID[m.UID] == nil {
				byUID[m.UID] = &saying{uid: m.UID}
			}
			byUID[m.UID].take(m, header)
			if m.GmailID != "" {
				ids[m.UID] = m.GmailID
			}
		},
	})
	if err != nil {
		return nil, err
	}
	if data.Validity != validity {
		return nil, &mailbox.MailboxError{Mailbox: all.Name, Err: errRenumbered}
	}
	staged := make(map[string]*saying, len(ids))
	for uid, id := range ids {
		staged[id] = byUID[uid]
	}
	return staged, nil
}

// take keeps what a FETCH says. It may come in several answers.
func (s *saying) take(m *wire.Fetch, header []byte) {
	if m.HasFlags {
		s.flags = mailbox.Flags{}
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

// locate notes in which mailboxes the ledger has the messages, and what they carry there now.
func (a *Account) locate(ctx context.Context, staged map[string]*saying) error {
	twins, err := a.options.Ledger.Mailboxes(ctx)
	if err != nil || len(twins) == 0 {
		return err
	}
	for id, s := range staged {
		for l, err := range a.options.Ledger.ByHint(ctx, mailbox.AccountHint(id)) {
			if err != nil {
				return err
			}
			if l.AccountID == id && l.Far != "" && a.isView(l.Mailbox) {
				a.note(l, s)
			}
		}
	}
	return nil
}

func (a *Account) note(l mailbox.Located, s *saying) {
	flags := a.flagsIn(l.Mailbox, s.flags)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changed[l.Mailbox] == nil {
		a.changed[l.Mailbox] = map[mailbox.ID]mailbox.Flags{}
	}
	a.changed[l.Mailbox][l.Far] = flags
	a.marks[l.Mailbox] = max(a.marks[l.Mailbox], s.modSeq)
}
