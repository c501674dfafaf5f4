package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// numSet is a set as go-imap takes it, as ranges.
func numSet(set wire.UIDSet) goimap.UIDSet {
	out := make(goimap.UIDSet, len(set))
	for i, r := range set {
		out[i] = goimap.UIDRange{Start: goimap.UID(r.First), Stop: goimap.UID(r.Last)}
	}
	return out
}

// SetFlags changes flags with one command for each distinct change. A flag that the mailbox cannot store is left out.
//
// Source: RFC 9051, section 6.4.6.
func (a *Account) SetFlags(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error {
	return a.repeat(ctx, name, func(s *session) error {
		if err := s.use(ctx, name); err != nil {
			return err
		}
		for _, store := range grouped(changes, holds(s.data)) {
			if err := s.store(ctx, store, problem); err != nil {
				return err
			}
		}
		return nil
	})
}

// A store is one STORE command in the making.
type store struct {
	op    goimap.StoreFlagsOp
	flags mailbox.Flags
	ids   []mailbox.ID
}

// grouped puts messages with the same change together, in the order in which the changes come first.
func grouped(changes []mailbox.FlagChange, holds func(mailbox.Flag) bool) []*store {
	var stores []*store
	type key struct {
		op    goimap.StoreFlagsOp
		flags mailbox.Flags
	}
	index := map[key]*store{}
	add := func(op goimap.StoreFlagsOp, flags mailbox.Flags, id mailbox.ID) {
		flags = storable(flags, holds)
		if flags.Empty() {
			return
		}
		k := key{op, flags}
		if index[k] == nil {
			index[k] = &store{op: op, flags: flags}
			stores = append(stores, index[k])
		}
		index[k].ids = append(index[k].ids, id)
	}
	for _, c := range changes {
		add(goimap.StoreFlagsAdd, c.Add, c.ID)
		add(goimap.StoreFlagsDel, c.Take, c.ID)
	}
	return stores
}

func storable(flags mailbox.Flags, holds func(mailbox.Flag) bool) mailbox.Flags {
	if holds == nil {
		return flags
	}
	for _, flag := range flags.All() {
		if !holds(flag) {
			flags = flags.Without(flag)
		}
	}
	return flags
}

func goFlags(flags mailbox.Flags) []goimap.Flag {
	var list []goimap.Flag
	for _, flag := range flags.All() {
		list = append(list, goimap.Flag(flag))
	}
	return list
}

// store sends one STORE. If that is refused, each message is tried alone, so that the bad one is found.
func (s *session) store(ctx context.Context, st *store, problem func(mailbox.ID, error)) error {
	for _, set := range uidSet(st.ids).Split(maxSet) {
		err := s.storeSet(ctx, set, st)
		var refused *goimap.Error
		if !errors.As(err, &refused) {
			if err != nil {
				return err
			}
			continue
		}
		if err := s.storeSingly(ctx, set, st, problem); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) storeSet(ctx context.Context, set wire.UIDSet, st *store) error {
	flags := &goimap.StoreFlags{Op: st.op, Silent: true, Flags: goFlags(st.flags)}
	return s.do(ctx, func() error { return s.client.Store(numSet(set), flags, nil).Close() })
}

func (s *session) storeSingly(ctx context.Context, set wire.UIDSet, st *store, problem func(mailbox.ID, error)) error {
	for _, id := range st.ids {
		if !set.Contains(uidOf(id)) {
			continue
		}
		err := s.storeSet(ctx, wire.UIDSetOf(uidOf(id)), st)
		var refused *goimap.Error
		switch {
		case errors.As(err, &refused):
			problem(id, fmt.Errorf("%s %s", refused.Type, plainText(refused.Text)))
		case err != nil:
			return err
		}
	}
	return nil
}

// verify finds out which of the messages are still there, and are still those that are meant: some servers give a UID
// to another message. What is there under another identity is in neither result.
func (s *session) verify(ctx context.Context, messages []mailbox.Doomed) (same, gone []mailbox.ID, err error) {
	ids := make([]mailbox.ID, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	met := map[mailbox.ID]*seen{}
	v := &survey{session: s, seen: map[uint32]*seen{}}
	for _, set := range uidSet(ids).Split(maxSet) {
		status, err := s.conn.Exec(ctx, v.take,
			wire.Cmd("UID FETCH").Set(set).Raw("(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"))
		if err != nil {
			return nil, nil, err
		}
		if err := status[0].Err(); err != nil {
			return nil, nil, err
		}
	}
	for uid, e := range v.seen {
		met[idOf(uid)] = e
	}
	var absent []mailbox.ID
	for _, m := range messages {
		switch e := met[m.ID]; {
		case e == nil:
			absent = append(absent, m.ID)
		case e.is(m):
			same = append(same, m.ID)
		}
	}
	if len(absent) > 0 {
		gone, err = s.certainlyGone(ctx, absent)
	}
	return same, gone, err
}

// certainlyGone asks a second time, in another way: an answer may leave out what is there.
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

// is tells whether what the server has is the message that is meant: by Message-ID if it has one, else by date. A
// message of which nothing is known is taken for itself.
func (e *seen) is(m mailbox.Doomed) bool {
	if m.Pair.Hint != 0 && e.id != "" {
		return mailbox.MakeHint("", e.id, 0) == m.Pair.Hint
	}
	return m.Pair.InternalDate.IsZero() || e.date.IsZero() || e.date.Equal(m.Pair.InternalDate)
}

// Remove takes messages away for good, and only these: \Deleted, then UID EXPUNGE. A server without UIDPLUS can only
// expunge everything that is marked, by whomever; there the messages are marked, and kept.
//
// Source: RFC 4315, section 2.1.
func (a *Account) Remove(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed) (gone, kept []mailbox.ID, err error) {
	err = a.once(ctx, name, func(s *session) error {
		if err := s.use(ctx, name); err != nil {
			return err
		}
		same, absent, err := s.verify(ctx, messages)
		if err != nil {
			return err
		}
		gone = absent
		if len(same) == 0 {
			return nil
		}
		if err := s.expunge(ctx, same); err != nil {
			return err
		}
		if s.caps["UIDPLUS"] {
			gone = append(gone, same...)
		} else {
			kept = same
		}
		return nil
	})
	return gone, kept, named(name, "remove messages", err)
}

// named gives a server's refusal the name of the mailbox, so that the run goes on with the others.
func named(name mailbox.Name, verb string, err error) error {
	var refused *goimap.Error
	var status *wire.StatusError
	switch {
	case errors.As(err, &refused):
		return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("%s: %s %s", verb, refused.Type, plainText(refused.Text))}
	case errors.As(err, &status):
		return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("%s: %w", verb, err)}
	}
	return err
}

func (s *session) expunge(ctx context.Context, ids []mailbox.ID) error {
	for _, set := range uidSet(ids).Split(maxSet) {
		deleted := &store{op: goimap.StoreFlagsAdd, flags: mailbox.MakeFlags(mailbox.Deleted)}
		if err := s.storeSet(ctx, set, deleted); err != nil {
			return err
		}
		if !s.caps["UIDPLUS"] {
			continue
		}
		if err := s.do(ctx, func() error { return s.client.UIDExpunge(numSet(set)).Close() }); err != nil {
			return err
		}
	}
	return nil
}

// Copy copies messages to another mailbox of the account.
//
// Source: RFC 9051, section 6.4.7; RFC 4315, section 3.
func (a *Account) Copy(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (map[mailbox.ID]mailbox.ID, error) {
	arrived := map[mailbox.ID]mailbox.ID{}
	err := a.once(ctx, from, func(s *session) error {
		same, err := s.ready(ctx, from, messages)
		if err != nil || len(same) == 0 {
			return err
		}
		return s.copy(ctx, same, to, arrived)
	})
	return arrived, named(from, "copy messages", err)
}

// ready selects the mailbox and returns those of the messages that are there and are what they are taken for.
func (s *session) ready(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed) ([]mailbox.ID, error) {
	if err := s.use(ctx, from); err != nil {
		return nil, err
	}
	same, _, err := s.verify(ctx, messages)
	return same, err
}

func (s *session) copy(ctx context.Context, ids []mailbox.ID, to mailbox.Name, arrived map[mailbox.ID]mailbox.ID) error {
	target, err := s.account.utf8Name(to)
	if err != nil {
		return err
	}
	for _, set := range uidSet(ids).Split(maxSet) {
		var data *goimap.CopyData
		err := s.do(ctx, func() (err error) {
			data, err = s.client.Copy(numSet(set), target).Wait()
			return err
		})
		if err != nil {
			return err
		}
		mapCopied(ids, set, data.SourceUIDs, data.DestUIDs, arrived)
	}
	return nil
}

// mapCopied reads a COPYUID. Sets are walked in step and never further than what was sent; if they do not fit each
// other, or name what was not sent, nobody knows the new UIDs.
func mapCopied(ids []mailbox.ID, sent wire.UIDSet, source, dest goimap.UIDSet, arrived map[mailbox.ID]mailbox.ID) {
	pairs, ok := inStep(source, dest, len(ids))
	for _, p := range pairs {
		ok = ok && sent.Contains(p[0])
	}
	if ok && len(pairs) > 0 {
		for _, p := range pairs {
			arrived[idOf(p[0])] = idOf(p[1])
		}
		return
	}
	for _, id := range ids {
		if sent.Contains(uidOf(id)) {
			arrived[id] = ""
		}
	}
}

// inStep pairs two sets of the same size, which must be at most limit.
func inStep(a, b goimap.UIDSet, limit int) (pairs [][2]uint32, ok bool) {
	flat := func(set goimap.UIDSet) []uint32 {
		var uids []uint32
		for _, r := range set {
			for uid := uint64(r.Start); uid <= uint64(r.Stop) && len(uids) <= limit; uid++ {
				uids = append(uids, uint32(uid))
			}
		}
		return uids
	}
	x, y := flat(a), flat(b)
	if len(x) != len(y) || len(x) > limit {
		return nil, false
	}
	for i := range x {
		pairs = append(pairs, [2]uint32{x[i], y[i]})
	}
	return pairs, true
}

// Move moves messages to another mailbox of the account. Without MOVE they are copied and then removed; where that
// cannot be done for just these messages, they are marked and named in kept.
//
// Source: RFC 6851.
func (a *Account) Move(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (arrived map[mailbox.ID]mailbox.ID, kept []mailbox.ID, err error) {
	arrived = map[mailbox.ID]mailbox.ID{}
	err = a.once(ctx, from, func(s *session) error {
		same, err := s.ready(ctx, from, messages)
		if err != nil || len(same) == 0 {
			return err
		}
		if s.caps["MOVE"] {
			return s.move(ctx, same, to, arrived)
		}
		if err := s.copy(ctx, same, to, arrived); err != nil {
			return err
		}
		if !s.caps["UIDPLUS"] {
			kept = same
		}
		return s.expunge(ctx, same)
	})
	return arrived, kept, named(from, "move messages", err)
}

func (s *session) move(ctx context.Context, ids []mailbox.ID, to mailbox.Name, arrived map[mailbox.ID]mailbox.ID) error {
	target, err := s.account.utf8Name(to)
	if err != nil {
		return err
	}
	for _, set := range uidSet(ids).Split(maxSet) {
		var source, dest goimap.UIDSet
		err := s.do(ctx, func() error {
			data, err := s.client.Move(numSet(set), target).Wait()
			if err == nil {
				source, _ = data.SourceUIDs.(goimap.UIDSet)
				dest, _ = data.DestUIDs.(goimap.UIDSet)
			}
			return err
		})
		if err != nil {
			return err
		}
		mapCopied(ids, set, source, dest, arrived)
	}
	return nil
}

// A Batch stores messages in one mailbox, each with an APPEND of its own.
type Batch struct {
	account *Account
	name    mailbox.Name
	target  string
	session *session
	stored  []mailbox.Stored
}

// Append opens a batch. The connection is taken with the first message.
func (a *Account) Append(_ context.Context, name mailbox.Name) (*Batch, error) {
	target, err := a.utf8Name(name)
	if err != nil {
		return nil, err
	}
	return &Batch{account: a, name: name, target: target}, nil
}

var errChanged = errors.New("it changed while it was read")

// Add sends one message. m.Size must be its size in canonical form, to the octet. What the server refuses is a
// *mailbox.MessageError with its words.
//
// Source: RFC 9051, section 6.3.12.
func (b *Batch) Add(ctx context.Context, m mailbox.Message, body io.Reader) error {
	if b.session == nil {
		s, err := b.account.acquire(ctx, b.name)
		if err != nil {
			return err
		}
		b.session = s
	}
	data, err := b.send(ctx, m, body)
	var refused *goimap.Error
	switch {
	case errors.As(err, &refused):
		code := ""
		if refused.Code != "" {
			code = "[" + string(refused.Code) + "] "
		}
		return &mailbox.MessageError{Mailbox: b.name, ID: m.ID, Err: fmt.Errorf("%s %s%s", refused.Type, code, plainText(refused.Text))}
	case errors.Is(err, errChanged):
		return &mailbox.MessageError{Mailbox: b.name, ID: m.ID, Err: err}
	case err != nil:
		return err
	}
	stored := mailbox.Stored{Source: m.ID}
	if data.UID != 0 && b.account.isValid(b.name, data.UIDValidity) {
		stored.ID = idOf(uint32(data.UID))
	}
	b.stored = append(b.stored, stored)
	return nil
}

// isValid tells whether UIDs of this validity are those that are known of the mailbox.
func (a *Account) isValid(name mailbox.Name, validity uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.validity[name]
	if !ok {
		a.validity[name] = validity
	}
	return !ok || known == validity
}

// send writes the message. A body that is shorter or longer than announced cannot be mended on this connection, so it
// is closed before the server could take the message for whole.
func (b *Batch) send(ctx context.Context, m mailbox.Message, body io.Reader) (data *goimap.AppendData, err error) {
	s := b.session
	b.account.mu.Lock()
	keeps := b.account.keeps[b.name]
	b.account.mu.Unlock()
	options := &goimap.AppendOptions{Flags: goFlags(storable(m.Flags, keeps)), Time: m.InternalDate}
	var changed bool
	err = s.do(ctx, func() error {
		cmd := s.client.Append(b.target, m.Size, options)
		n, copyErr := io.Copy(cmd, io.LimitReader(body, m.Size))
		if copyErr == nil {
			changed = n != m.Size || more(body)
		}
		if changed {
			s.conn.Close() //nolint:errcheck // closing it is what stops the server
		}
		closeErr := cmd.Close()
		data, err = cmd.Wait()
		return errors.Join(err, unlessRefused(err, copyErr), unlessRefused(err, closeErr))
	})
	if changed {
		return nil, errors.Join(errChanged, b.drop())
	}
	return data, err
}

// unlessRefused leaves out what is only the consequence of a refusal.
func unlessRefused(answer, err error) error {
	var refused *goimap.Error
	if errors.As(answer, &refused) {
		return nil
	}
	return err
}

func more(r io.Reader) bool {
	var one [1]byte
	n, _ := io.ReadFull(r, one[:]) // whatever the error is, nothing more came
	return n > 0
}

// drop gives a session back whose connection is closed.
func (b *Batch) drop() error {
	b.account.release(b.session)
	b.session = nil
	return nil
}

// Flush tells what was stored: an APPEND that was answered is on the server's disk.
func (b *Batch) Flush(context.Context) ([]mailbox.Stored, error) {
	stored := b.stored
	b.stored = nil
	return stored, nil
}

// Close gives the connection back.
func (b *Batch) Close() error {
	if b.session == nil {
		return nil
	}
	return b.drop()
}

// Create makes a mailbox and subscribes to it.
//
// Source: RFC 9051, section 6.3.4.
func (a *Account) Create(ctx context.Context, name mailbox.Name) error {
	target, err := a.utf8Name(name)
	if err != nil {
		return err
	}
	err = a.repeat(ctx, "", func(s *session) error {
		err := s.do(ctx, func() error { return s.client.Create(target, nil).Wait() })
		var refused *goimap.Error
		if errors.As(err, &refused) && s.exists(ctx, name, refused) {
			err = nil
		}
		if err != nil {
			return err
		}
		a.subscribe(ctx, s, target, true)
		return nil
	})
	return named(name, "create", err)
}

// exists tells whether a CREATE was refused because the mailbox is there.
func (s *session) exists(ctx context.Context, name mailbox.Name, refused *goimap.Error) bool {
	if refused.Code == goimap.ResponseCodeAlreadyExists || strings.Contains(strings.ToLower(refused.Text), "exists") {
		return true
	}
	_, err := s.open(ctx, name, true)
	return err == nil
}

// subscribe makes mail programs show a mailbox, or stop showing it. A server that does not want that is no reason to
// stop.
func (a *Account) subscribe(ctx context.Context, s *session, target string, on bool) {
	err := s.do(ctx, func() error {
		if on {
			return s.client.Subscribe(target).Wait()
		}
		return s.client.Unsubscribe(target).Wait()
	})
	if err != nil {
		a.options.Report(fmt.Sprintf("mailbox %q: subscribe: %v", target, err))
	}
}

// Rename gives a mailbox another name, and with it those below it.
//
// Source: RFC 9051, section 6.3.6.
func (a *Account) Rename(ctx context.Context, from, to mailbox.Name) error {
	source, err := a.utf8Name(from)
	if err != nil {
		return err
	}
	target, err := a.utf8Name(to)
	if err != nil {
		return err
	}
	err = a.once(ctx, "", func(s *session) error {
		if err := s.unselect(ctx); err != nil {
			return err
		}
		if err := s.do(ctx, func() error { return s.client.Rename(source, target, nil).Wait() }); err != nil {
			return err
		}
		a.subscribe(ctx, s, source, false)
		a.subscribe(ctx, s, target, true)
		return nil
	})
	a.forget(from)
	return named(from, fmt.Sprintf("rename to %q", string(to)), err)
}

// Delete removes a mailbox that holds no messages but those of kept, which Remove or Move had to leave there, marked.
//
// Source: RFC 9051, section 6.3.5.
func (a *Account) Delete(ctx context.Context, name mailbox.Name, kept []mailbox.ID) error {
	target, err := a.utf8Name(name)
	if err != nil {
		return err
	}
	err = a.once(ctx, "", func(s *session) error {
		data, err := s.open(ctx, name, true)
		if errors.Is(err, mailbox.ErrNoMailbox) {
			return nil
		}
		if err != nil {
			return err
		}
		s.selected = name // as far as unselect is concerned
		empty := data.NumMessages == 0
		if !empty && int(data.NumMessages) <= len(kept) {
			if empty, err = s.holdsOnly(ctx, kept, data.NumMessages); err != nil {
				return err
			}
		}
		if err := s.unselect(ctx); err != nil {
			return err
		}
		if !empty {
			return mailbox.ErrNotEmpty
		}
		if err := s.do(ctx, func() error { return s.client.Delete(target).Wait() }); err != nil {
			return err
		}
		a.subscribe(ctx, s, target, false)
		return nil
	})
	a.forget(name)
	return named(name, "delete", err)
}

// holdsOnly tells whether the selected mailbox, of so many messages, holds nothing but these messages, all of them marked \Deleted.
func (s *session) holdsOnly(ctx context.Context, kept []mailbox.ID, messages uint32) (bool, error) {
	v := &survey{session: s, seen: map[uint32]*seen{}}
	status, err := s.conn.Exec(ctx, v.take, wire.Cmd("UID FETCH").Raw("1:* (UID FLAGS)"))
	if err != nil || status[0].Kind != "OK" {
		return false, err
	}
	known := uidSet(kept)
	for uid, e := range v.seen {
		if !known.Contains(uid) || !e.flags.Has(mailbox.Deleted) {
			return false, nil
		}
	}
	return len(v.seen) == int(messages), nil
}

// forget drops what is known of a mailbox and those below it, whose names and UIDs may soon mean something else.
// Sessions that have one of them selected select anew.
func (a *Account) forget(name mailbox.Name) {
	a.mu.Lock()
	defer a.mu.Unlock()
	hit := func(other mailbox.Name) bool { return other == name || other.Under(name) }
	for other := range a.wires {
		if hit(other) {
			delete(a.wires, other)
			delete(a.validity, other)
			delete(a.keeps, other)
		}
	}
	a.idle = slices.DeleteFunc(a.idle, func(s *session) bool {
		if !hit(s.selected) {
			return false
		}
		a.live--
		s.conn.Close() //nolint:errcheck // nobody waits for anything on it
		return true
	})
}
