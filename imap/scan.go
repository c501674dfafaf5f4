package imap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	// The witness is the message with the highest MODSEQ that was seen. If its MODSEQ is ever lower, the server lost
	// its index and counts anew, and what it says of changes is worth nothing.
	Witness    uint32 `json:"w,omitempty"`
	WitnessMod uint64 `json:"m,omitempty"`
	Full       int64  `json:"f"` // when everything was listed last, in seconds since 1970
}

// fullEvery is how often everything is listed, whatever the server says has changed.
const fullEvery = 30 * 24 * time.Hour

func readMemo(c mailbox.Cursor) memo {
	var m memo
	if err := json.Unmarshal([]byte(c.Memo), &m); err != nil {
		return memo{} // nothing is known, so everything is asked for
	}
	return m
}

// Scan looks for what changed in a mailbox since the cursor: with CONDSTORE by asking for changes, else by listing all
// flags. Removals are reported only if the numbers of SELECT and of a SEARCH add up.
//
// Source: RFC 7162, section 3.1.4; RFC 4731.
func (a *Account) Scan(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	var scan *mailbox.Scan
	err := a.repeat(ctx, req.Name, func(s *session) error {
		v := &survey{session: s, req: req, old: readMemo(req.Since), seen: map[uint32]*seen{}}
		err := v.run(ctx)
		scan = v.scan
		return err
	})
	if err != nil {
		return nil, err
	}
	return scan, nil
}

// seen is what was said of a message during a survey.
type seen struct {
	flags    mailbox.Flags
	hasFlags bool
	date     time.Time
	size     int64
	mod      uint64
	id       string // Message-ID
	account  string // EMAILID
	meta     bool   // date and size were said
}

// A survey is one look into a mailbox.
type survey struct {
	session *session
	req     mailbox.ScanRequest
	old     memo
	data    *goimap.SelectData
	seen    map[uint32]*seen
	full    bool
	scan    *mailbox.Scan
}

func (v *survey) run(ctx context.Context) error {
	quick, err := v.quick(ctx)
	if err != nil {
		return err
	}
	if !quick {
		clear(v.seen)
		if err := v.listAll(ctx); err != nil {
			return err
		}
	}
	v.remember()
	if err := v.complete(ctx); err != nil {
		return err
	}
	return v.conclude(ctx)
}

// known tells whether the ledger has the message under this validity.
func (v *survey) known(uid uint32) bool { return !v.isReset() && v.req.Known.Has(idOf(uid)) }

func (v *survey) isReset() bool { return v.old.Validity != 0 && v.old.Validity != v.data.UIDValidity }

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

// quick asks for changes only, in one flight with the SELECT. ok is false if that was not possible or not trustworthy;
// v.data is set if the mailbox could be selected.
func (v *survey) quick(ctx context.Context) (ok bool, err error) {
	s := v.session
	fresh := time.Since(time.Unix(v.old.Full, 0)) < fullEvery
	if !s.condstore() || v.old.Validity == 0 || v.old.Next == 0 || v.old.Highest == 0 || !fresh {
		v.data, err = s.open(ctx, v.req.Name, false)
		return false, err
	}
	wait, err := s.beginOpen(v.req.Name, false)
	if err != nil {
		return false, err
	}
	status, execErr := s.conn.Exec(ctx, v.take, v.questions()...)
	if v.data, err = wait(ctx); err != nil || execErr != nil {
		return false, errors.Join(err, execErr)
	}
	if v.isReset() || v.data.HighestModSeq < v.old.Highest || v.data.HighestModSeq == 0 {
		return false, nil
	}
	if witness := v.seen[v.old.Witness]; witness != nil && witness.mod != 0 && witness.mod < v.old.WitnessMod {
		return false, nil
	}
	for i, answer := range status {
		empty := v.data.NumMessages == 0 && answer.Kind == "BAD" // some servers find * wrong in an empty mailbox
		if answer.Kind != "OK" && !empty {
			v.session.account.options.Report(fmt.Sprintf("mailbox %q: question %d was refused: %s", string(v.req.Name), i+1, answer.Text))
			return false, nil
		}
	}
	return true, nil
}

func (v *survey) questions() []*wire.Command {
	cmds := []*wire.Command{wire.Cmd("UID FETCH").Raw(fmt.Sprintf("%d:* %s", v.old.Next, v.metaItems()))}
	if v.old.Next > 1 {
		cmds = append(cmds, wire.Cmd("UID FETCH").Raw(fmt.Sprintf("1:%d (UID FLAGS) (CHANGEDSINCE %d)", v.old.Next-1, v.old.Highest)))
	}
	if v.old.Witness != 0 {
		cmds = append(cmds, wire.Cmd("UID FETCH").Raw(fmt.Sprintf("%d (UID FLAGS MODSEQ)", v.old.Witness)))
	}
	return cmds
}

// metaItems is what is asked of a message that is new.
func (v *survey) metaItems() string {
	items := "UID FLAGS INTERNALDATE RFC822.SIZE"
	if v.session.condstore() {
		items += " MODSEQ"
	}
	if v.session.caps["OBJECTID"] {
		items += " EMAILID"
	}
	if v.req.Identify {
		items += " BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
	}
	return "(" + items + ")"
}

// listAll lists every message: all at once if nothing is known, else flags only, and the rest of what is new.
func (v *survey) listAll(ctx context.Context) error {
	v.full = true
	if v.data.NumMessages == 0 {
		return nil
	}
	items := v.metaItems()
	if v.req.Known.Len() > 0 && !v.isReset() {
		items = "(UID FLAGS)"
		if v.session.condstore() {
			items = "(UID FLAGS MODSEQ)"
		}
	}
	status, err := v.session.conn.Exec(ctx, v.take, wire.Cmd("UID FETCH").Raw("1:* "+items))
	if err != nil {
		return err
	}
	if err := status[0].Err(); err != nil {
		return &mailbox.MailboxError{Mailbox: v.req.Name, Err: fmt.Errorf("list the messages: %w", err)}
	}
	return nil
}

// take keeps what a FETCH says.
func (v *survey) take(r *wire.Response) error {
	if r.Kind != "FETCH" {
		return nil
	}
	var header []byte
	m, err := r.Fetch(func(_ *wire.Fetch, _ string, size int64, body io.Reader) (err error) {
		header, err = io.ReadAll(io.LimitReader(body, min(size, maxField)))
		return err
	})
	if err != nil || m.UID == 0 {
		return err
	}
	e := v.seen[m.UID]
	if e == nil {
		e = &seen{}
		v.seen[m.UID] = e
	}
	if m.HasFlags {
		e.hasFlags, e.flags = true, flagsOf(m.Flags)
	}
	if m.Size >= 0 {
		e.size, e.meta = m.Size, true
	}
	if !m.InternalDate.IsZero() {
		e.date, e.meta = m.InternalDate, true
	}
	if m.ModSeq != 0 {
		e.mod = m.ModSeq
	}
	if id := mailbox.MessageID(header); id != "" {
		e.id = id
	}
	e.account = m.EmailID
	return nil
}

// maxField is how much of a Message-ID field is looked at, in octets.
const maxField = 64 << 10

func flagsOf(words []string) mailbox.Flags {
	var f mailbox.Flags
	for _, w := range words {
		f = f.With(mailbox.Flag(w))
	}
	return f
}

// remember keeps the validity under which the UIDs of this mailbox hold, and its flags.
func (v *survey) remember() {
	a := v.session.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.validity[v.req.Name] = v.data.UIDValidity
	a.keeps[v.req.Name] = holds(v.data)
}

// complete asks for what is missing of new messages: servers leave things out.
func (v *survey) complete(ctx context.Context) error {
	var lacking []uint32
	for uid, e := range v.seen {
		if !v.known(uid) && (!e.meta || !e.hasFlags) {
			lacking = append(lacking, uid)
		}
	}
	for _, set := range wire.UIDSetOf(lacking...).Split(maxSet) {
		if _, err := v.session.conn.Exec(ctx, v.take, wire.Cmd("UID FETCH").Set(set).Raw(v.metaItems())); err != nil {
			return err
		}
	}
	return nil
}

// maxSet is how long the UID set of one command may be, in octets.
const maxSet = 7 << 10

// conclude makes the scan of what was seen.
func (v *survey) conclude(ctx context.Context) error {
	reset := v.isReset()
	v.scan = &mailbox.Scan{
		Full: v.full, Reset: reset, Settled: true, Holds: holds(v.data), Unread: map[mailbox.ID]error{},
		Generation: strconv.FormatUint(uint64(v.data.UIDValidity), 10), Cursor: v.cursor(),
	}
	fresh := 0
	for uid, e := range v.seen {
		if !v.known(uid) {
			if !v.full && uid < v.old.Next {
				continue // an answer to n:* that is older than n, or one that was expunged meanwhile
			}
			fresh++
		}
		switch {
		case !v.known(uid) && !e.meta:
			v.scan.Unread[idOf(uid)] = errNothingSaid
		case e.hasFlags:
			v.scan.Present = append(v.scan.Present, e.message(uid, v.scan.Generation))
		}
	}
	known := v.req.Known.Len()
	if reset {
		known = 0
	}
	if known == 0 || (!v.full && known+fresh == int(v.data.NumMessages)) {
		return nil
	}
	return v.findGone(ctx)
}

var errNothingSaid = errors.New("the server lists it, but does not say what it is")

func (e *seen) message(uid uint32, generation string) mailbox.Message {
	m := mailbox.Message{ID: idOf(uid), Flags: e.flags, Size: e.size, InternalDate: e.date, Generation: generation}
	m.Content = mailbox.Content{Size: e.size, MessageID: e.id, AccountID: e.account}
	return m
}

func (v *survey) cursor() mailbox.Cursor {
	m := memo{
		Validity: v.data.UIDValidity, Next: uint32(v.data.UIDNext), Highest: v.data.HighestModSeq,
		Witness: v.old.Witness, WitnessMod: v.old.WitnessMod, Full: v.old.Full,
	}
	if v.full {
		m.Full, m.Witness, m.WitnessMod = time.Now().Unix(), 0, 0
	}
	for uid, e := range v.seen {
		if e.mod > m.WitnessMod || (uid == m.Witness && e.mod != 0) {
			m.Witness, m.WitnessMod = uid, e.mod
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // numbers can always be written
	}
	return mailbox.Cursor{Mark: mark(m.Validity, m.Next, v.data.NumMessages, m.Highest), Memo: string(text)}
}

// findGone finds the known messages that are no longer there. Only a SEARCH that answers, and whose numbers agree with
// those of the SELECT and of the listing, is believed.
func (v *survey) findGone(ctx context.Context) error {
	missing := v.missing()
	if v.full && len(missing) == 0 {
		return nil
	}
	last := uint32(v.data.UIDNext)
	if last == 0 {
		last = 1<<32 - 1
	}
	there, ok, err := v.session.search(ctx, wire.UIDSet{{First: 1, Last: max(1, last-1)}})
	if err != nil {
		return err
	}
	if !ok || there.Count() != uint64(v.data.NumMessages) {
		v.scan.Settled = false
		return nil
	}
	for id := range v.req.Known.All() {
		uid := uidOf(id)
		if v.full && v.seen[uid] != nil {
			continue
		}
		if !there.Contains(uid) {
			v.scan.Gone = append(v.scan.Gone, id)
		}
	}
	return nil
}

// missing returns the known messages that a full listing left out.
func (v *survey) missing() []mailbox.ID {
	var missing []mailbox.ID
	for id := range v.req.Known.All() {
		if v.seen[uidOf(id)] == nil {
			missing = append(missing, id)
		}
	}
	return missing
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
	answers := 0
	var got wire.Search
	status, err := s.conn.Exec(ctx, func(r *wire.Response) error {
		if r.Kind != "SEARCH" && r.Kind != "ESEARCH" {
			return nil
		}
		answer, err := r.Search()
		answers++
		got = answer
		return err
	}, cmd)
	if err != nil {
		return nil, false, err
	}
	if status[0].Kind != "OK" || answers != 1 || got.Extended != extended {
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
	err := a.repeat(ctx, name, func(s *session) error {
		missing = nil
		if err := s.use(ctx, name); err != nil {
			return err
		}
		there, sure := wire.UIDSet{}, true
		for _, set := range uidSet(ids).Split(maxSet) {
			some, ok, err := s.search(ctx, set)
			if err != nil {
				return err
			}
			sure = sure && ok
			there = append(there, some...)
		}
		for _, id := range ids {
			if sure && !there.Contains(uidOf(id)) {
				missing = append(missing, id)
			}
		}
		return nil
	})
	return missing, err
}
