package gmail

import (
	"context"
	"strconv"
	"time"

	"mailtwin/imap"
	"mailtwin/mailbox"
)

// Scan looks for what changed in a mailbox. Flags are known from All Mail; only if messages came or went is the mailbox
// opened, and asked for the UIDs and the account-wide IDs of those that are new.
func (a *Account) Scan(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	if !a.shows(req.Name) {
		return a.Account.Scan(ctx, req)
	}
	scan, err := a.look(ctx, req)
	if err != nil {
		return nil, err
	}
	scan.Holds = holds
	for i := range scan.Present {
		scan.Present[i].Flags = a.flagsIn(req.Name, scan.Present[i].Flags)
	}
	return scan, nil
}

// look finds out what changed; without All Mail as on any server.
func (a *Account) look(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	if !a.isView(req.Name) {
		return a.Account.Scan(ctx, req)
	}
	if req.Since.Mark != "" { // else it is not known, and may be looked at for another reason
		defer a.compared(req.Name)
	}
	if a.isBehind(req.Name) {
		return a.catchUp(ctx, req)
	}
	if scan := a.unopened(req); scan != nil {
		return scan, nil
	}
	if req.Name == a.Whole() {
		if scan := a.fromAll(req); scan != nil {
			return scan, nil
		}
	}
	var count uint32
	scan, err := a.ScanWith(ctx, req, &imap.Aid{
		Find:    func(id string) (mailbox.Message, bool) { return a.find(req.Name, id) },
		Changed: a.changedIn(req),
		Mark: func(validity, next, messages uint32) string {
			count = messages
			return a.markAfter(req, validity, next, messages)
		},
	})
	if err == nil && len(scan.Gone) > 0 && imap.IsWindow(count) {
		err = a.doubt(ctx, scan)
	}
	return scan, err
}

// catchUp asks a mailbox for everything. Its mark is of the listing before, so that what came since is not overlooked.
func (a *Account) catchUp(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	scan, err := a.Account.Scan(ctx, req)
	if err == nil && scan.Cursor.Mark != "" {
		a.mu.Lock()
		l := a.folders[req.Name]
		a.mu.Unlock()
		scan.Cursor.Mark = a.markAfter(req, l.Validity, l.Next, l.Count)
	}
	return scan, err
}

// doubt takes back what a scan found to be gone, if by now Gmail shows the newest messages only. The next run knows that.
func (a *Account) doubt(ctx context.Context, scan *mailbox.Scan) error {
	listed, err := a.List(ctx)
	if err == nil && limitOf(foldersOf(listed)) > 0 {
		scan.Gone, scan.Settled = nil, false
	}
	return err
}

// compared notes that a mailbox was compared with what All Mail said. Whether that is put on record, its cursor tells.
func (a *Account) compared(name mailbox.Name) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.due, name)
}

// Inspect lists a mailbox as Scan does without a cursor.
func (a *Account) Inspect(ctx context.Context, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error) {
	if !a.isView(name) {
		return a.Account.Inspect(ctx, name, found)
	}
	scan, err := a.Scan(ctx, mailbox.ScanRequest{Name: name, Known: mailbox.Nothing{}})
	if err != nil {
		return nil, err
	}
	for _, m := range scan.Present {
		found(m)
	}
	scan.Present = nil
	return scan, nil
}

func (a *Account) markAfter(req mailbox.ScanRequest, validity, next, count uint32) string {
	old, _ := readMark(req.Since.Mark) // without one nothing was known before
	return a.mark(req.Name, validity, next, count, old.highest)
}

// holds tells which flags a mailbox can have. \Deleted takes a message out of its mailbox as soon as it is set, and
// \Draft is what lies in Drafts.
func holds(flag mailbox.Flag) bool { return flag != mailbox.Deleted && flag != mailbox.Draft }

// flagsIn is what a message carries in a mailbox: the same everywhere, but for those that the mailbox stands for.
func (a *Account) flagsIn(name mailbox.Name, flags mailbox.Flags) mailbox.Flags {
	flags = flags.Without(mailbox.Deleted).Without(mailbox.Draft)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.folders[name].Role == roleDrafts {
		flags = flags.With(mailbox.Draft)
	}
	return flags
}

// unopened is the scan of a mailbox to which no message came and from which none went; nil if it is not so.
func (a *Account) unopened(req mailbox.ScanRequest) *mailbox.Scan {
	a.mu.Lock()
	l := a.folders[req.Name]
	a.mu.Unlock()
	old, ok := readMark(req.Since.Mark)
	if !ok || old.validity != l.Validity || old.next != l.Next || old.count != l.Count {
		return nil
	}
	return a.scan(req, l, a.changedIn(req))
}

// changedIn are the known messages of a mailbox whose flags may be others now.
func (a *Account) changedIn(req mailbox.ScanRequest) []mailbox.Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.changed[req.Name]
	if c == nil {
		return nil
	}
	c.told = true
	if c.validity != imap.ValidityOf(req.Since) {
		return nil
	}
	var changed []mailbox.Message
	for id, flags := range c.flags {
		if req.Known.Has(id) {
			changed = append(changed, mailbox.Message{ID: id, Flags: flags})
		}
	}
	return changed
}

// scan says what was found without opening the mailbox.
func (a *Account) scan(req mailbox.ScanRequest, l imap.Listed, present []mailbox.Message) *mailbox.Scan {
	return &mailbox.Scan{
		Settled: true, Present: present, Generation: strconv.FormatUint(uint64(l.Validity), 10),
		Start:  imap.CursorAt("", l.Validity, 0),
		Cursor: imap.CursorAt(a.markAfter(req, l.Validity, l.Next, l.Count), l.Validity, l.Next),
	}
}

// fromAll is the scan of All Mail from what it said already; nil if that does not add up.
func (a *Account) fromAll(req mailbox.ScanRequest) *mailbox.Scan {
	a.mu.Lock()
	l, whole := a.folders[req.Name], a.due[req.Name]
	a.mu.Unlock()
	old, known := readMark(req.Since.Mark)
	if known && old.validity != l.Validity || !known && (!whole || req.Known.Len() > 0) {
		return nil
	}
	present, fresh := a.everything(req.Known)
	if uint64(req.Known.Len()+fresh) != uint64(l.Count) {
		return nil // some are gone, or came after the listing: the mailbox tells which
	}
	return a.scan(req, l, present)
}

// everything returns the messages of All Mail that were told of, and how many of them are new.
func (a *Account) everything(known mailbox.Known) (present []mailbox.Message, fresh int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, s := range a.said {
		m := s.message(id)
		if !known.Has(m.ID) {
			if !s.hasMeta {
				return nil, -1 << 40 // which adds up to nothing
			}
			fresh++
		}
		present = append(present, m)
	}
	return present, fresh
}

func (s *saying) message(id string) mailbox.Message {
	m := mailbox.Message{
		ID: mailbox.ID(strconv.FormatUint(uint64(s.uid), 10)), Flags: s.flags, Size: s.size,
		Content: mailbox.Content{AccountID: id, MessageID: s.messageID, Size: s.size},
	}
	if s.date != 0 {
		m.InternalDate = time.Unix(s.date, 0)
	}
	return m
}

// find returns what All Mail says of a message.
func (a *Account) find(name mailbox.Name, id string) (mailbox.Message, bool) {
	a.mu.Lock()
	s := a.said[id]
	a.mu.Unlock()
	if s == nil || !s.hasMeta {
		return mailbox.Message{}, false
	}
	m := s.message(id)
	m.Flags = a.flagsIn(name, m.Flags)
	return m, true
}
