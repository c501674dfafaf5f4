package imap

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// fetchChunk is how many bodies one command asks for. Several commands are in flight at once.
const fetchChunk = 50

var (
	errNotHandedOver = errors.New("the server did not hand it over")
	errNilBody       = errors.New("the server says that it has no body")
)

// Fetch hands over bodies as they come. After a cut it goes on, on another connection, with what has not come yet; body
// is then called again for a message whose stream broke. What an OK leaves out is asked for once more, alone.
//
// Source: RFC 9051, section 6.4.5.
func (a *Account) Fetch(ctx context.Context, name mailbox.Name, ids []mailbox.ID,
	body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error),
) error {
	f := &fetching{name: name, body: body, done: map[mailbox.ID]bool{}, why: map[mailbox.ID]error{}}
	for _, id := range ids {
		f.done[id] = false
	}
	err := a.repeat(ctx, name, func(s *session) error {
		if err := s.use(ctx, name); err != nil {
			return err
		}
		if err := f.ask(ctx, s, f.left(), fetchChunk); err != nil {
			return err
		}
		return f.ask(ctx, s, f.left(), 1)
	})
	if err != nil {
		return err
	}
	for _, id := range f.left() {
		problem(id, f.reason(id))
	}
	return nil
}

// fetching is one call of Fetch, over all its connections.
type fetching struct {
	name mailbox.Name
	body func(mailbox.ID, io.Reader) error
	done map[mailbox.ID]bool
	why  map[mailbox.ID]error
}

func (f *fetching) left() []mailbox.ID {
	var left []mailbox.ID
	for id, done := range f.done {
		if !done {
			left = append(left, id)
		}
	}
	slices.SortFunc(left, func(a, b mailbox.ID) int { return int(int64(uidOf(b)) - int64(uidOf(a))) }) // the newest first
	return left
}

func (f *fetching) reason(id mailbox.ID) error {
	if err := f.why[id]; err != nil {
		return err
	}
	return errNotHandedOver
}

// ask sends all commands in one flight. A command that is refused leaves its messages to be asked for alone.
func (f *fetching) ask(ctx context.Context, s *session, ids []mailbox.ID, chunk int) error {
	var cmds []*wire.Command
	var asked [][]mailbox.ID
	for part := range slices.Chunk(ids, chunk) {
		cmds = append(cmds, wire.Cmd("UID FETCH").Set(uidSet(part)).Raw("(UID BODY.PEEK[])"))
		asked = append(asked, part)
	}
	status, err := s.conn.Exec(ctx, f.take, cmds...)
	if err != nil {
		return err
	}
	for i, answer := range status {
		if err := answer.Err(); err != nil && chunk == 1 {
			f.why[asked[i][0]] = err
		}
	}
	return nil
}

// take hands one body over. One that comes before its UID waits in a file until the UID is known.
func (f *fetching) take(r *wire.Response) error {
	if r.Kind != "FETCH" {
		return nil
	}
	var early *spool
	m, err := r.Fetch(func(m *wire.Fetch, section string, _ int64, body io.Reader) (err error) {
		switch {
		case section != "[]":
			return nil
		case m.UID == 0:
			early, err = newSpool(body)
			return err
		}
		return f.deliver(idOf(m.UID), body)
	})
	if early != nil {
		defer early.close()
		if err == nil && m.UID != 0 {
			err = f.deliver(idOf(m.UID), early.file)
		}
	}
	if err == nil && m.NilBody && m.UID != 0 {
		f.why[idOf(m.UID)] = errNilBody
	}
	return err
}

func (f *fetching) deliver(id mailbox.ID, body io.Reader) error {
	if done, asked := f.done[id]; !asked || done {
		return nil
	}
	if err := f.body(id, body); err != nil {
		return err
	}
	f.done[id] = true
	return nil
}

// A spool keeps a body in a file without a name.
type spool struct{ file *os.File }

func newSpool(body io.Reader) (*spool, error) {
	file, err := os.CreateTemp("", "mailtwin-*")
	if err != nil {
		return nil, err
	}
	s := &spool{file}
	err = os.Remove(file.Name())
	if err == nil {
		_, err = io.Copy(file, body)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *spool) close() { s.file.Close() } //nolint:errcheck // it has no name and is gone anyway

// Identify tells size, Message-ID and the digest of the header of messages, without their bodies.
func (a *Account) Identify(ctx context.Context, name mailbox.Name, ids []mailbox.ID, found func(mailbox.ID, mailbox.Content)) error {
	contents := map[mailbox.ID]mailbox.Content{}
	err := a.repeat(ctx, name, func(s *session) error {
		if err := s.use(ctx, name); err != nil {
			return err
		}
		return s.headers(ctx, ids, contents)
	})
	if err != nil {
		return fmt.Errorf("read headers: %w", err)
	}
	for _, id := range ids {
		if c, ok := contents[id]; ok {
			found(id, c)
			delete(contents, id)
		}
	}
	return nil
}

func (s *session) headers(ctx context.Context, ids []mailbox.ID, contents map[mailbox.ID]mailbox.Content) error {
	var cmds []*wire.Command
	for part := range slices.Chunk(ids, fetchChunk) {
		cmds = append(cmds, wire.Cmd("UID FETCH").Set(uidSet(part)).Raw("(UID RFC822.SIZE BODY.PEEK[HEADER])"))
	}
	_, err := s.conn.Exec(ctx, func(r *wire.Response) error {
		if r.Kind != "FETCH" {
			return nil
		}
		c := mailbox.Content{}
		m, err := r.Fetch(func(_ *wire.Fetch, _ string, size int64, body io.Reader) error {
			header, err := io.ReadAll(io.LimitReader(body, min(size, maxHeader)))
			c.Header, c.MessageID = sha256.Sum256(header), mailbox.MessageID(header)
			return err
		})
		if err == nil && m.UID != 0 && m.Size >= 0 && !c.Header.IsZero() {
			c.Size = m.Size
			contents[idOf(m.UID)] = c
		}
		return err
	}, cmds...)
	return err
}

// maxHeader is how much of a header counts, in octets; as much as mailbox.Summer looks at.
const maxHeader = 64 << 10
