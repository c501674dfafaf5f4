package imap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// A memo is what a cursor remembers beside its mark.
type memo struct {
	Validity uint32 `json:"v"`
	Next     uint32 `json:"n"`
	Highest  uint64 `json:"h"`
	Full     int64  `json:"f"` // when everything was listed last, in seconds since 1970
	// Witnesses tell whether the server still counts from where it counted then.
	Witnesses []witness `json:"ws,omitempty"`
}

func readMemo(c mailbox.Cursor) memo {
	var m memo
	if err := json.Unmarshal([]byte(c.Memo), &m); err != nil {
		return memo{} // nothing is known, so everything is asked for
	}
	return m
}

func (m memo) cursor() mailbox.Cursor {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // numbers can always be written
	}
	return mailbox.Cursor{Memo: string(text)}
}

// Scan looks for what changed in a mailbox since the cursor: with CONDSTORE by asking for changes, else by listing all
// flags. Removals are reported only if the numbers of SELECT and of a SEARCH add up, and so is what a listing left out.
//
// Source: RFC 7162, section 3.1.4; RFC 4731.
func (a *Account) Scan(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	return a.ScanWith(ctx, req, nil)
}

// An Aid is what is known beforehand of a mailbox, because the server tells of all messages of the account in one place.
type Aid struct {
	// Find returns what is known of a message by its account-wide ID. Of new messages that it knows nothing else is asked.
	Find func(accountID string) (mailbox.Message, bool)
	// Changed are known messages with the flags that they carry now. The server is not asked for changes.
	Changed []mailbox.Message
	// Mark makes the mark of the cursor.
	Mark func(validity, next, count uint32) string
}

// ScanWith is Scan with what is known already; a nil aid knows nothing.
func (a *Account) ScanWith(ctx context.Context, req mailbox.ScanRequest, aid *Aid) (*mailbox.Scan, error) {
	var scan *mailbox.Scan
	err := a.repeat(ctx, req.Name, func(s *session) error {
		v := &survey{session: s, req: req, old: readMemo(req.Since), aid: aid}
		if err := s.squeeze(ctx, (int64(a.given(req.Name))-int64(v.old.Next))*metaOctets); err != nil {
			return err
		}
		err := v.run(ctx)
		scan = v.scan
		return err
	})
	if err != nil {
		return nil, named(req.Name, "list the messages", err)
	}
	return scan, nil
}

// A survey is one look into a mailbox.
type survey struct {
	session *session
	req     mailbox.ScanRequest
	old     memo
	aid     *Aid
	data    *goimap.SelectData
	seen    sightings
	// vanished is what a server with QRESYNC says to be gone since the cursor.
	vanished []wire.UIDSet
	full     bool // everything was asked for
	// there is what a SEARCH says exists; sure that there was one, that it was needed, and that it adds up.
	there wire.UIDSet
	sure  bool
	scan  *mailbox.Scan
}

func (v *survey) run(ctx context.Context) error {
	quick, err := v.quick(ctx)
	if err != nil {
		return err
	}
	if !quick {
		v.seen.clear()
		v.vanished = nil
		if err := v.listAll(ctx); err != nil {
			return err
		}
	}
	v.fill()
	v.remember()
	v.scan = &mailbox.Scan{
		Full: v.full, Reset: v.isReset(), Settled: true, Window: v.narrowed(), Holds: v.session.holds(v.data), Unread: map[mailbox.ID]error{},
		Generation: strconv.FormatUint(uint64(v.data.UIDValidity), 10), Start: memo{Validity: v.data.UIDValidity}.cursor(),
	}
	if err := v.settle(ctx); err != nil {
		return err
	}
	if err := v.complete(ctx); err != nil {
		return err
	}
	v.conclude()
	return nil
}

// narrowed tells whether the mailbox may have older messages than it shows.
func (v *survey) narrowed() bool {
	return v.session.account.narrows(v.data.NumMessages)
}

func (v *survey) isReset() bool { return v.old.Validity != 0 && v.old.Validity != v.data.UIDValidity }

// known tells whether the ledger has the message under this validity.
func (v *survey) known(uid uint32) bool { return !v.isReset() && v.req.Known.Has(idOf(uid)) }

// knownCount is how many messages the ledger has under this validity.
func (v *survey) knownCount() int {
	if v.isReset() {
		return 0
	}
	return v.req.Known.Len()
}

// isNew tells whether a message that was seen is to be taken for a new one. An answer to n:* may bring a message that
// is older than n, which is none, unless the server confirms that it is there.
func (v *survey) isNew(uid uint32) bool {
	return !v.known(uid) && (v.full || uid >= v.old.Next || (v.sure && v.there.Contains(uid)))
}

// quick asks for changes only, in one flight with the SELECT. ok is false if that was not possible or not trustworthy;
// v.data is set if the mailbox could be selected.
func (v *survey) quick(ctx context.Context) (ok bool, err error) {
	s := v.session
	fresh := period(v.req.Name, time.Unix(v.old.Full, 0)) == period(v.req.Name, time.Now())
	counted := v.aid != nil || s.condstore() && v.old.Highest != 0 && len(v.old.Witnesses) > 0
	if !counted || v.old.Validity == 0 || v.old.Next == 0 || !fresh {
		v.data, err = s.open(ctx, v.req.Name, false)
		return false, err
	}
	wait, err := s.beginOpen(ctx, v.req.Name, false)
	if err != nil {
		return false, err
	}
	status, execErr := s.conn.Exec(ctx, v.hear, v.questions()...)
	if v.data, err = wait(ctx); err != nil || execErr != nil {
		return false, errors.Join(err, execErr)
	}
	if v.isReset() || v.aid == nil && (v.data.HighestModSeq < v.old.Highest || v.data.HighestModSeq == 0 || !v.heard()) {
		return false, nil
	}
	for i, answer := range status {
		empty := v.data.NumMessages == 0 && answer.Kind == "BAD" // some servers find * wrong in an empty mailbox
		if answer.Kind != "OK" && !empty {
			if s.resyncs {
				v.distrustVanished()
			}
			s.account.options.Report(fmt.Sprintf("mailbox %q: question %d was refused: %s", string(v.req.Name), i+1, answer.Text))
			return false, nil
		}
	}
	return true, nil
}

func (v *survey) questions() []*wire.Command {
	cmds := []*wire.Command{wire.Cmd("UID FETCH").Raw(fmt.Sprintf("%d:* %s", v.old.Next, v.firstItems()))}
	if v.aid != nil {
		return cmds
	}
	if v.old.Next > 1 {
		cmds = append(cmds, wire.Cmd("UID FETCH").Raw(fmt.Sprintf("1:%d (UID FLAGS) (CHANGEDSINCE %d%s)", v.old.Next-1, v.old.Highest, v.vanishes())))
	}
	var witnesses []uint32
	for _, w := range v.old.Witnesses {
		witnesses = append(witnesses, w.UID)
	}
	return append(cmds, wire.Cmd("UID FETCH").Set(wire.UIDSetOf(witnesses...)).Raw("(UID FLAGS MODSEQ)"))
}

// firstItems is what is asked of a message that is new and may be known elsewhere.
func (v *survey) firstItems() string {
	if v.aid != nil && v.session.idItem() != "" {
		return "(UID " + v.session.idItem() + ")"
	}
	return v.metaItems()
}

// fill takes over what is known of messages that only told their account-wide ID.
func (v *survey) fill() {
	if v.aid == nil {
		return
	}
	for i := range v.seen.list {
		e := &v.seen.list[i]
		if e.accountID == "" || e.hasMeta && e.hasFlags {
			continue
		}
		if m, ok := v.aid.Find(e.accountID); ok {
			e.hasMeta, e.size, e.messageID = true, m.Size, m.Content.MessageID
			e.hasDate, e.date = !m.InternalDate.IsZero(), m.InternalDate.Unix()
			if !e.hasFlags {
				e.hasFlags, e.flags = true, m.Flags
			}
		}
	}
}

// metaItems is all that is asked of a message that is new.
func (v *survey) metaItems() string {
	items := "UID FLAGS INTERNALDATE RFC822.SIZE"
	if v.session.condstore() {
		items += " MODSEQ"
	}
	if v.req.Identify {
		items += " BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
	}
	if id := v.session.idItem(); id != "" {
		items += " " + id
	}
	return "(" + items + ")"
}

// listAll lists every message: all at once if nothing is known, else flags only, and the rest of what is new.
func (v *survey) listAll(ctx context.Context) error {
	v.full = true
	if v.data.NumMessages == 0 {
		return nil
	}
	items := v.firstItems()
	if v.knownCount() > 0 {
		items = "(UID FLAGS)"
		if v.session.condstore() {
			items = "(UID FLAGS MODSEQ)"
		}
	}
	status, err := v.session.conn.Exec(ctx, v.seen.take, wire.Cmd("UID FETCH").Raw("1:* "+items))
	if err != nil {
		return err
	}
	return status[0].Err()
}

// remember keeps the validity under which the UIDs of this mailbox hold, and its flags.
func (v *survey) remember() {
	a := v.session.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.learn(v.req.Name, v.data.UIDValidity, uint32(v.data.UIDNext))
	a.keeps[v.req.Name] = v.session.holds(v.data)
}

var errNothingSaid = errors.New("the server lists it, but does not say what it is")

// conclude says what was found.
func (v *survey) conclude() {
	for i := range v.seen.list {
		e := &v.seen.list[i]
		isNew := v.isNew(e.uid)
		switch {
		case isNew && !v.isClear(e):
			v.scan.Unread[idOf(e.uid)] = errNothingSaid
		case e.hasFlags && (isNew || v.known(e.uid)):
			v.scan.Present = append(v.scan.Present, e.message(v.scan.Generation))
		}
	}
	if v.aid != nil {
		for _, m := range v.aid.Changed {
			if e := v.seen.of(uidOf(m.ID)); v.known(uidOf(m.ID)) && (e == nil || !e.hasFlags) {
				v.scan.Present = append(v.scan.Present, m)
			}
		}
	}
	v.scan.Cursor = v.cursor()
}

// cursor describes the moment of the SELECT. One that left something open proves nothing later.
func (v *survey) cursor() mailbox.Cursor {
	m := memo{
		Validity: v.data.UIDValidity, Next: uint32(v.data.UIDNext), Highest: v.data.HighestModSeq,
		Witnesses: v.witnesses(), Full: v.old.Full,
	}
	if v.full {
		m.Full = time.Now().Unix()
	}
	c := m.cursor()
	if v.scan.Settled && len(v.scan.Unread) == 0 {
		c.Mark = mark(v.req.Name, m.Validity, m.Next, v.data.NumMessages, m.Highest)
		if v.aid != nil {
			c.Mark = v.aid.Mark(m.Validity, m.Next, v.data.NumMessages)
		}
	}
	return c
}
