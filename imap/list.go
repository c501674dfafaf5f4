package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// Mailboxes lists all mailboxes with what STATUS says of them, in one round trip where the server has LIST-STATUS and
// in two otherwise. A mailbox whose name cannot be decoded is left out and reported.
//
// Source: RFC 5819; RFC 9051, section 6.3.9.
func (a *Account) Mailboxes(ctx context.Context) ([]mailbox.Info, error) {
	listed, err := a.List(ctx)
	infos := make([]mailbox.Info, len(listed))
	for i, l := range listed {
		infos[i] = l.Info
	}
	return infos, err
}

// A Listed is a mailbox and the numbers that STATUS gave; 0 if it did not.
type Listed struct {
	mailbox.Info
	Validity, Next uint32
	Count          uint32 // messages in it
	Highest        uint64 // HIGHESTMODSEQ
}

// List is Mailboxes with numbers.
func (a *Account) List(ctx context.Context) ([]Listed, error) {
	var infos []Listed
	err := a.repeat(ctx, "", func(s *session) error {
		l := &listing{session: s, byWire: map[string]int{}}
		if err := l.collect(ctx); err != nil {
			return err
		}
		if err := s.learnPrefix(ctx, l.lists); err != nil {
			return err
		}
		infos = l.infos()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the mailboxes: %w", err)
	}
	return infos, nil
}

// A listing gathers what LIST and STATUS bring, in whatever order.
type listing struct {
	session *session
	lists   []wire.List
	status  map[string]wire.StatusData // by wire name
	byWire  map[string]int
}

func (l *listing) take(r *wire.Response) error {
	switch r.Kind {
	case "LIST":
		entry, err := r.List()
		if err != nil {
			return err
		}
		if i, again := l.byWire[entry.Name]; again {
			l.lists[i] = entry
			return nil
		}
		l.byWire[entry.Name] = len(l.lists)
		l.lists = append(l.lists, entry)
	case "STATUS":
		data, err := r.StatusData()
		if err != nil {
			return err
		}
		l.status[data.Name] = data
	}
	return nil
}

func (l *listing) collect(ctx context.Context) error {
	s := l.session
	if err := s.unselect(ctx); err != nil {
		return err
	}
	if s.caps["LIST-STATUS"] {
		options := "SUBSCRIBED STATUS " + s.statusItems()
		if s.caps["SPECIAL-USE"] {
			options = "SPECIAL-USE " + options
		}
		l.lists, l.status = nil, map[string]wire.StatusData{}
		status, err := s.conn.Exec(ctx, l.take, wire.Cmd("LIST").String("").String("*").Raw("RETURN ("+options+")"))
		if err != nil {
			return err
		}
		if status[0].Kind == "OK" {
			return nil
		}
		if err := s.account.pace.quota(); err != nil {
			return err
		}
		s.caps["LIST-STATUS"] = false // announced, and yet refused
	}
	return l.collectSlowly(ctx)
}

// collectSlowly asks for the status of each mailbox, all in one flight.
func (l *listing) collectSlowly(ctx context.Context) error {
	s := l.session
	l.lists, l.status, l.byWire = nil, map[string]wire.StatusData{}, map[string]int{}
	list := wire.Cmd("LIST").String("").String("*")
	if s.caps["SPECIAL-USE"] && s.caps["LIST-EXTENDED"] {
		list.Raw("RETURN (SPECIAL-USE)")
	}
	status, err := s.conn.Exec(ctx, l.take, list)
	if err != nil {
		return err
	}
	if err := status[0].Err(); err != nil {
		return err
	}
	var cmds []*wire.Command
	for _, entry := range l.lists {
		if !isNoSelect(entry) {
			cmds = append(cmds, wire.Cmd("STATUS").Mailbox(entry.Name).Raw(s.statusItems()))
		}
	}
	_, err = s.exec(ctx, l.take, cmds) // one that is refused says nothing of its mailbox
	return err
}

func (s *session) statusItems() string {
	items := "MESSAGES UIDNEXT UIDVALIDITY"
	if s.condstore() {
		items += " HIGHESTMODSEQ"
	}
	if s.caps["OBJECTID"] {
		items += " MAILBOXID"
	}
	return "(" + items + ")"
}

func hasAttr(entry wire.List, attr string) bool {
	return slices.ContainsFunc(entry.Attrs, func(have string) bool { return strings.EqualFold(have, attr) })
}

func isNoSelect(entry wire.List) bool {
	return hasAttr(entry, `\Noselect`) || hasAttr(entry, `\NonExistent`)
}

func (l *listing) infos() []Listed {
	a := l.session.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.learnDelimiter(l.lists)
	infos := make([]Listed, 0, len(l.lists))
	met := map[mailbox.Name]bool{}
	for _, entry := range l.lists {
		name, err := a.nameOf(entry)
		switch {
		case err != nil:
			a.options.Report(fmt.Sprintf("mailbox %q: its name cannot be read, so it is left out: %v", entry.Name, err))
		case met[name]:
			a.options.Report(fmt.Sprintf("mailbox %q: listed twice, so it is left out once", entry.Name))
		default:
			met[name] = true
			infos = append(infos, l.info(name, entry))
		}
	}
	return infos
}

// info is the entry of one mailbox. a.mu is held.
func (l *listing) info(name mailbox.Name, entry wire.List) Listed {
	info := Listed{Info: mailbox.Info{Name: name, Messages: -1, NoSelect: isNoSelect(entry), Role: roleOf(entry)}}
	if raw := rawName(entry); raw != string(name) && name != mailbox.Inbox {
		info.Raw = raw
	}
	data, ok := l.status[entry.Name]
	if !ok && name == mailbox.Inbox { // which ignores case
		for other := range l.status {
			if strings.EqualFold(other, entry.Name) {
				data = l.status[other]
			}
		}
	}
	info.number(data)
	a := l.session.account
	if info.Validity != 0 && a.validity[name] == 0 { // what a scan learnt its UIDs under stays
		a.learn(name, info.Validity, 0)
	}
	if info.Validity != 0 && info.Next > 0 && a.validity[name] == info.Validity {
		a.give(name, info.Next-1)
	}
	return info
}

// number takes over what STATUS says.
func (l *Listed) number(data wire.StatusData) {
	if data.Messages != nil {
		l.Messages, l.Count = int64(*data.Messages), *data.Messages
	}
	if data.UIDNext != nil {
		l.Next = *data.UIDNext
	}
	if data.HighestModSeq != nil {
		l.Highest = *data.HighestModSeq
	}
	if data.UIDValidity != nil && *data.UIDValidity != 0 {
		l.Validity = *data.UIDValidity
		l.Identity = fmt.Sprintf("v%d", l.Validity)
	}
	if data.MailboxID != "" {
		l.Identity = "id" + data.MailboxID
	}
	if data.Messages != nil {
		l.Mark = mark(l.Name, l.Validity, l.Next, l.Count, l.Highest)
	}
}

// mark is what must be equal for a mailbox to be unchanged. Without a usable MODSEQ, nothing says that it is.
//
// Source: RFC 7162, section 3.1.2.
func mark(name mailbox.Name, validity, next, messages uint32, highest uint64) string {
	if validity == 0 || next == 0 || highest == 0 {
		return ""
	}
	return fmt.Sprintf("%d %d %d %d %d", validity, next, messages, highest, period(name, time.Now()))
}

// roleOf returns the special use of a mailbox.
func roleOf(entry wire.List) mailbox.Role {
	for _, role := range []string{"All", "Archive", "Drafts", "Flagged", "Junk", "Sent", "Trash", "Important"} {
		if hasAttr(entry, `\`+role) {
			return mailbox.Role(role)
		}
	}
	return ""
}

// Vanished looks whether a mailbox is really gone: a second LIST and an EXAMINE must both say so.
func (a *Account) Vanished(ctx context.Context, name mailbox.Name) (bool, error) {
	known, err := a.wireName(name)
	if err != nil {
		return false, err
	}
	gone := false
	err = a.repeat(ctx, "", func(s *session) error {
		if err := s.unselect(ctx); err != nil {
			return err
		}
		listed, answered := false, false
		status, err := s.conn.Exec(ctx, func(r *wire.Response) error {
			if r.Kind != "LIST" {
				return nil
			}
			entry, err := r.List()
			answered = answered || err != nil
			listed = listed || (entry.Name == known && !isNoSelect(entry))
			return nil // what cannot be read is doubt, which answered says
		}, wire.Cmd("LIST").String("").String(known))
		if err != nil || status[0].Kind != "OK" || listed || answered {
			return err
		}
		_, err = s.open(ctx, name, true)
		gone = errors.Is(err, mailbox.ErrNoMailbox)
		if gone {
			return nil
		}
		return err
	})
	return gone && err == nil, err
}
