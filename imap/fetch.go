package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// fetchChunk is how many bodies one command asks for. Each command costs Dovecot time of its own: with 50 to a command,
// 50,000 bodies of 4 KiB take a tenth longer (BenchmarkBodies). Several commands are in flight at once.
const fetchChunk = 500

var (
	errNotHandedOver = errors.New("the server did not hand it over")
	errNilBody       = errors.New("the server says that it has no body")
	errEmptyBody     = errors.New("the server hands over nothing, and does not say that there is nothing")
)

// Fetch hands over bodies as they come, the newest first. After a cut it goes on, on another connection, with what has
// not come yet; body is then called again for a message whose stream broke, whatever body made of that, but never for
// one that came whole. What an OK leaves out, or is empty, is asked for once more, alone; what is empty then is handed over if
// the server says that its size is 0.
//
// Source: RFC 9051, section 6.4.5.
func (a *Account) Fetch(ctx context.Context, name mailbox.Name, ids []mailbox.ID,
	body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error),
) error {
	f := &fetching{body: body, order: slices.Clone(ids), done: make(map[mailbox.ID]bool, len(ids)), why: map[mailbox.ID]error{}}
	slices.SortFunc(f.order, newestFirst)
	f.order = slices.Compact(f.order)
	for _, id := range ids {
		f.done[id] = false
	}
	for {
		before := len(f.left())
		err := a.repeat(ctx, name, func(s *session) error { return f.from(ctx, s, name) })
		if f.failed != nil {
			return f.failed
		}
		if again(err) && len(f.left()) < before && ctx.Err() == nil {
			continue // a line that breaks again and again still brings something
		}
		if err != nil {
			return named(name, "fetch messages", err)
		}
		for _, id := range f.left() {
			problem(id, f.reason(id))
		}
		return nil
	}
}

// fetching is one call of Fetch, over all its connections.
type fetching struct {
	body   func(mailbox.ID, io.Reader) error
	order  []mailbox.ID // the newest first
	done   map[mailbox.ID]bool
	why    map[mailbox.ID]error
	failed error  // of body; the end of it all
	stop   func() // ends the connection, for what is still to come is of no use
}

// from fetches what is left, over one connection.
func (f *fetching) from(ctx context.Context, s *session, name mailbox.Name) error {
	if err := s.squeeze(ctx, int64(len(f.order))*bodyOctets); err != nil {
		return err
	}
	if err := s.use(ctx, name); err != nil {
		return err
	}
	fetching, cancel := context.WithCancel(ctx)
	defer cancel()
	f.stop = cancel
	err := f.ask(fetching, s, fetchChunk)
	if err == nil {
		err = s.account.pace.quota() // then each of them would be refused
	}
	if err == nil {
		err = f.ask(fetching, s, 1)
	}
	if f.failed != nil {
		return nil // which no second try may mend
	}
	return err
}

// newestFirst orders UIDs by number, the highest first.
func newestFirst(a, b mailbox.ID) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	return strings.Compare(string(b), string(a))
}

// left are the messages that have not come, in the order in which they are asked for.
func (f *fetching) left() []mailbox.ID {
	var left []mailbox.ID
	for _, id := range f.order {
		if !f.done[id] {
			left = append(left, id)
		}
	}
	return left
}

func (f *fetching) reason(id mailbox.ID) error {
	if err := f.why[id]; err != nil {
		return err
	}
	return errNotHandedOver
}

// ask asks for what is left. A command that is refused leaves its messages to be asked for alone.
func (f *fetching) ask(ctx context.Context, s *session, chunk int) error {
	var cmds []*wire.Command
	var asked [][]mailbox.ID
	for part := range slices.Chunk(f.left(), chunk) {
		set := uidSet(part)
		if len(set) == 0 {
			continue // no ID that the server could have given
		}
		items := "(UID BODY.PEEK[])"
		if chunk == 1 && errors.Is(f.why[part[0]], errEmptyBody) {
			items = "(UID RFC822.SIZE BODY.PEEK[])"
		}
		cmds = append(cmds, wire.Cmd("UID FETCH").Set(set).Raw(items))
		asked = append(asked, part)
	}
	status, err := s.exec(ctx, f.take, cmds)
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
	empty := false
	m, err := r.Fetch(func(m *wire.Fetch, section string, size int64, body io.Reader) (err error) {
		switch {
		case section != "[]":
		case size == 0:
			empty = true
		case m.UID == 0:
			early, err = newSpool(body)
		default:
			err = f.deliver(idOf(m.UID), body)
		}
		return err
	})
	if early != nil {
		defer early.close()
		if err == nil && m.UID != 0 {
			err = f.deliver(idOf(m.UID), early.file)
		}
	}
	if err != nil || m.UID == 0 {
		return err
	}
	id := idOf(m.UID)
	switch {
	case empty && m.Size == 0:
		return f.deliver(id, strings.NewReader(""))
	case empty:
		f.why[id] = errEmptyBody
	case m.NilBody:
		f.why[id] = errNilBody
	}
	return nil
}

// deliver hands a body over, once. Whether its stream broke is seen here, for body may take that for a trouble of its
// own.
func (f *fetching) deliver(id mailbox.ID, body io.Reader) error {
	if !f.wants(id) {
		return nil
	}
	w := &watched{r: body}
	err := f.body(id, w)
	switch {
	case w.err != nil:
		return w.err
	case err != nil:
		f.failed = err
		f.stop()
		return err
	}
	f.done[id] = true
	return nil
}

// wants tells whether a body was asked for and has not come yet; after a failure, none is wanted.
func (f *fetching) wants(id mailbox.ID) bool {
	done, asked := f.done[id]
	return asked && !done && f.failed == nil
}

// A watched reader remembers how reading failed.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// A spool keeps a body in a file without a name.
type spool struct{ file *os.File }

func newSpool(body io.Reader) (*spool, error) {
	file, err := os.CreateTemp("", "mailtwin-*")
	if err != nil {
		return nil, fmt.Errorf("keep a message for a moment: %w", err)
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
		return nil, fmt.Errorf("keep a message for a moment: %w", err)
	}
	return s, nil
}

func (s *spool) close() { s.file.Close() } //nolint:errcheck // it has no name and is gone anyway
