package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// Mailboxes lists all mailboxes with what STATUS says of them, in one round trip where the server has LIST-STATUS and
// in two otherwise. A mailbox whose name cannot be decoded is left out and reported.
//
// Source: RFC 5819; RFC 9051, section 6.3.9.
func (a *Account) Mailboxes(ctx context.Context) ([]mailbox.Info, error) {
	var infos []mailbox.Info
	err := a.repeat(ctx, "", func(s *session) error {
		l := &listing{session: s, byWire: map[string]int{}}
		if err := l.collect(ctx); err != nil {
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
	for part := range slices.Chunk(cmds, 500) {
		if _, err := s.conn.Exec(ctx, l.take, part...); err != nil { // one that is refused says nothing of its mailbox
			return err
		}
	}
	return nil
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

func (s *session) condstore() bool { return s.caps["CONDSTORE"] || s.caps["QRESYNC"] }

func hasAttr(entry wire.List, attr string) bool {
	return slices.ContainsFunc(entry.Attrs, func(have string) bool { return strings.EqualFold(have, attr) })
}

func isNoSelect(entry wire.List) bool {
	return hasAttr(entry, `\Noselect`) || hasAttr(entry, `\NonExistent`)
}

func (l *listing) infos() []mailbox.Info {
	a := l.session.account
	a.mu.Lock()
	defer a.mu.Unlock()
	infos := make([]mailbox.Info, 0, len(l.lists))
	for _, entry := range l.lists {
		name, err := a.nameOf(entry)
		if err != nil {
			a.options.Report(fmt.Sprintf("mailbox %q: its name cannot be read, so it is left out: %v", entry.Name, err))
			continue
		}
		infos = append(infos, l.info(name, entry))
	}
	return infos
}

// nameOf decodes a wire name and remembers it. a.mu is held.
func (a *Account) nameOf(entry wire.List) (mailbox.Name, error) {
	levels := []string{entry.Name}
	if entry.Delim != "" {
		a.delim = entry.Delim
		levels = strings.Split(entry.Name, entry.Delim)
	}
	for i, level := range levels {
		decoded, err := decodeUTF7(level)
		if err != nil {
			return "", err
		}
		levels[i] = decoded
	}
	name := mailbox.MakeName(levels...)
	a.wires[name] = entry.Name
	return name, nil
}

// info is the entry of one mailbox. a.mu is held.
func (l *listing) info(name mailbox.Name, entry wire.List) mailbox.Info {
	info := mailbox.Info{Name: name, Messages: -1, NoSelect: isNoSelect(entry), Role: roleOf(entry)}
	data, ok := l.status[entry.Name]
	if !ok && name == mailbox.Inbox {
		data, ok = l.status[strings.ToUpper(entry.Name)]
	}
	if !ok {
		return info
	}
	if data.Messages != nil {
		info.Messages = int64(*data.Messages)
	}
	if data.UIDValidity != nil && *data.UIDValidity != 0 {
		l.session.account.validity[name] = *data.UIDValidity
		info.Identity = fmt.Sprintf("v%d", *data.UIDValidity)
	}
	if data.MailboxID != "" {
		info.Identity = "id" + data.MailboxID
	}
	if data.Messages != nil && data.UIDNext != nil && data.UIDValidity != nil && data.HighestModSeq != nil {
		info.Mark = mark(*data.UIDValidity, *data.UIDNext, *data.Messages, *data.HighestModSeq)
	}
	return info
}

// mark is what must be equal for a mailbox to be unchanged. Without a usable MODSEQ, nothing says that it is.
//
// Source: RFC 7162, section 3.1.2.
func mark(validity, next, messages uint32, highest uint64) string {
	if validity == 0 || next == 0 || highest == 0 {
		return ""
	}
	return fmt.Sprintf("%d %d %d %d", validity, next, messages, highest)
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

// wireName returns the name under which the server knows a mailbox, or would know it.
func (a *Account) wireName(name mailbox.Name) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.wires[name]; ok {
		return known, nil
	}
	levels := name.Levels()
	for i, level := range levels {
		if strings.Contains(level, a.delim) || level == "" {
			return "", &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf(
				"the server separates levels with %q, so it cannot have this name; rename the mailbox", a.delim)}
		}
		levels[i] = encodeUTF7(level)
	}
	return strings.Join(levels, a.delim), nil
}

// utf8Name is the wire name as go-imap takes it, which encodes names by itself.
func (a *Account) utf8Name(name mailbox.Name) (string, error) {
	known, err := a.wireName(name)
	if err != nil {
		return "", err
	}
	return decodeUTF7(known)
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
	return gone, err
}

// unselect leaves the selected mailbox, without the expunge that CLOSE would bring. STATUS of a selected mailbox is
// stale on many servers.
//
// Source: RFC 3691.
func (s *session) unselect(ctx context.Context) error {
	if s.selected == "" {
		return nil
	}
	s.selected, s.data = "", nil
	if s.caps["UNSELECT"] {
		return s.do(ctx, func() error { return s.client.Unselect().Wait() })
	}
	// A failing EXAMINE deselects.
	_, err := s.conn.Exec(ctx, nil, wire.Cmd("EXAMINE").String("mailtwin has no mailbox of this name"))
	return err
}

// open selects a mailbox anew, or looks at it without the right to change it.
func (s *session) open(ctx context.Context, name mailbox.Name, readOnly bool) (*goimap.SelectData, error) {
	wait, err := s.beginOpen(name, readOnly)
	if err != nil {
		return nil, err
	}
	return wait(ctx)
}

// beginOpen sends a SELECT, so that more can follow in the same flight, and returns how to wait for its answer.
func (s *session) beginOpen(name mailbox.Name, readOnly bool) (func(context.Context) (*goimap.SelectData, error), error) {
	known, err := s.account.utf8Name(name)
	if err != nil {
		return nil, err
	}
	s.selected, s.data = "", nil
	cmd := s.client.Select(known, &goimap.SelectOptions{ReadOnly: readOnly, CondStore: s.condstore()})
	return func(ctx context.Context) (*goimap.SelectData, error) {
		var data *goimap.SelectData
		err := s.do(ctx, func() (err error) {
			data, err = cmd.Wait()
			return err
		})
		var refused *goimap.Error
		if errors.As(err, &refused) {
			return nil, refusedMailbox(name, refused)
		}
		if err != nil {
			return nil, err
		}
		if !readOnly {
			s.selected, s.data = name, data
		}
		return data, nil
	}, nil
}

// refusedMailbox is the error of a mailbox that the server does not let us have.
func refusedMailbox(name mailbox.Name, refused *goimap.Error) error {
	text := plainText(refused.Text)
	switch {
	case refused.Code == goimap.ResponseCodeUnavailable || refused.Code == goimap.ResponseCodeInUse:
		return fmt.Errorf("%w: mailbox %q: %s", mailbox.ErrTemporary, string(name), text)
	case refused.Type == goimap.StatusResponseTypeNo && refused.Code != goimap.ResponseCodeNoPerm:
		return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("%w: %s", mailbox.ErrNoMailbox, text)}
	}
	return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("%s %s", refused.Type, text)}
}

// use selects a mailbox for a command with UIDs, under the validity that the UIDs were learnt under.
func (s *session) use(ctx context.Context, name mailbox.Name) error {
	if s.selected != name {
		if _, err := s.open(ctx, name, false); err != nil {
			return err
		}
	}
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.validity[name]; ok && known != s.data.UIDValidity {
		return &mailbox.MailboxError{Mailbox: name, Err: mailbox.ErrUIDValidity}
	}
	a.keeps[name] = holds(s.data)
	return nil
}

// holds tells which flags a mailbox can store. A list that is absent says nothing.
//
// Source: RFC 9051, section 7.1, PERMANENTFLAGS.
func holds(data *goimap.SelectData) func(mailbox.Flag) bool {
	if len(data.PermanentFlags) == 0 {
		return nil
	}
	system, any := map[string]bool{}, false
	for _, flag := range data.PermanentFlags {
		if flag == goimap.FlagWildcard {
			any = true
		}
		system[strings.ToLower(string(flag))] = true
	}
	return func(flag mailbox.Flag) bool {
		return system[strings.ToLower(string(flag))] || (any && !strings.HasPrefix(string(flag), `\`))
	}
}
