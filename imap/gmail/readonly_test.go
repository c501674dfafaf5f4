package gmail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailtwin/imap"
	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// empty is a ledger that knows nothing, and the set of the messages that it knows.
type empty struct{}

func (empty) Mailboxes(context.Context) ([]mailbox.Twin, error) { return nil, nil }
func (empty) ByHint(context.Context, mailbox.Hint) iter.Seq2[mailbox.Located, error] {
	return func(func(mailbox.Located, error) bool) {}
}
func (empty) Len() int                  { return 0 }
func (empty) Has(mailbox.ID) bool       { return false }
func (empty) All() iter.Seq[mailbox.ID] { return func(func(mailbox.ID) bool) {} }

// onlyRead opens an account on an emulated Gmail that is only read, and what goes over its wire.
func onlyRead(t *testing.T, g *gimap.Server) (*Account, *bytes.Buffer) {
	t.Helper()
	host, port, _ := net.SplitHostPort(g.Addr)
	number, _ := strconv.Atoi(port)
	trace := &bytes.Buffer{}
	a, err := imap.Open(t.Context(), imap.Options{
		Host: host, Port: number, Security: imap.Plain, User: g.User, Connections: 1, Timeout: 10 * time.Second, ReadOnly: true,
		Password: func(context.Context) (string, error) { return g.Password, nil }, Trace: wire.NewTraceWriter(trace),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return New(a, Options{Ledger: empty{}, Report: func(text string) { t.Log(text) }}), trace
}

// look reads all that can be read of a mailbox.
func look(t *testing.T, a *Account, name mailbox.Name) (ids []mailbox.ID) {
	t.Helper()
	ctx := t.Context()
	scan, err := a.Scan(ctx, mailbox.ScanRequest{Name: name, Known: empty{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range scan.Present {
		ids = append(ids, m.ID)
	}
	_, again := a.Scan(ctx, mailbox.ScanRequest{Name: name, Since: scan.Cursor, Known: empty{}})
	_, missing := a.Missing(ctx, name, append(ids, "99"))
	_, elsewhere := a.Elsewhere(ctx, name, ids, nil)
	fetch := a.Fetch(ctx, name, ids, func(_ mailbox.ID, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	}, func(id mailbox.ID, err error) { t.Error(id, err) })
	identify := a.Identify(ctx, name, ids, func(mailbox.ID, mailbox.Content) {})
	if err := errors.Join(again, missing, elsewhere, fetch, identify); err != nil {
		t.Fatal(err)
	}
	return ids
}

// A Gmail account that is only read sends nothing that changes anything, whatever is asked of it.
func TestReadOnly(t *testing.T) {
	g := gimap.Start(t, gimap.Options{})
	for i := range 6 {
		g.Web().Deliver(gimap.Mail{Raw: []byte("Message-ID: <" + strconv.Itoa(i) + "@x>\r\n\r\nbody\r\n"), Labels: []string{`\Inbox`, "Work"}})
	}
	before := g.Messages()
	a, trace := onlyRead(t, g)
	infos, err := a.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, info := range infos {
		if !info.NoSelect {
			read += len(look(t, a, info.Name))
		}
	}
	said := trace.String()
	ctx, doomed := t.Context(), []mailbox.Doomed{{ID: "1"}}
	flag := []mailbox.FlagChange{{ID: "1", Add: mailbox.MakeFlags(mailbox.Seen)}}
	_, _, removed := a.Remove(ctx, mailbox.Inbox, doomed)
	_, moved := a.Move(ctx, mailbox.Inbox, doomed, "Work")
	_, unlabelled := a.Unlabel(ctx, mailbox.Inbox, doomed)
	_, copied := a.Copy(ctx, "Work", doomed, mailbox.Inbox)
	_, fromAll := a.Move(ctx, a.Whole(), doomed, "Work")
	_, discarded := a.Discard(ctx, mailbox.Inbox, doomed, "[Gmail]/Trash")
	_, appended := a.Append(ctx, mailbox.Inbox)
	for i, err := range []error{
		removed, moved, unlabelled, copied, fromAll, discarded, appended,
		a.SetFlags(ctx, mailbox.Inbox, flag, func(mailbox.ID, error) {}), a.Create(ctx, "New"), a.Rename(ctx, "Work", "Play"), a.Delete(ctx, "Work", nil),
	} {
		if !errors.Is(err, imap.ErrReadOnly) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if more := strings.TrimPrefix(trace.String(), said); more != "" {
		t.Errorf("what would change something was sent:\n%s", more)
	}
	if changing, commands := imaptest.Changing(said); len(changing) > 0 || commands < 40 || read != 18 {
		t.Errorf("%d messages, of %d commands these change something:\n%s", read, commands, strings.Join(changing, "\n"))
	}
	for verb := range g.Counters().Verbs {
		if slices.Contains(strings.Fields("SELECT STORE COPY MOVE EXPUNGE APPEND CREATE RENAME DELETE CLOSE SUBSCRIBE"), verb) {
			t.Errorf("the server was sent %s", verb)
		}
	}
	for i, m := range g.Messages() {
		if len(m.Flags) != len(before[i].Flags) || len(m.Folders) != len(before[i].Folders) {
			t.Errorf("message %d was changed", i)
		}
	}
}
