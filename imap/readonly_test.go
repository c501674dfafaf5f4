package imap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// changes are all calls that change something.
func changes(ctx context.Context, a *Account) map[string]error {
	ids, doomed := []mailbox.ID{"1"}, []mailbox.Doomed{{ID: "1"}}
	seen := []mailbox.FlagChange{{ID: "1", Add: mailbox.MakeFlags(mailbox.Seen)}}
	_, _, remove := a.Remove(ctx, mailbox.Inbox, doomed)
	_, moved := a.Move(ctx, mailbox.Inbox, doomed, "Work")
	_, copied := a.Copy(ctx, mailbox.Inbox, doomed, "Work")
	_, appended := a.Append(ctx, mailbox.Inbox)
	return map[string]error{
		"remove": remove, "move": moved, "copy": copied, "append": appended,
		"set flags": a.SetFlags(ctx, mailbox.Inbox, seen, func(mailbox.ID, error) {}),
		"create":    a.Create(ctx, "New"), "rename": a.Rename(ctx, "Work", "Play"), "delete": a.Delete(ctx, "Empty", nil),
		"labels": a.StoreLabels(ctx, mailbox.Inbox, ids, "+", "x"),
	}
}

// look reads all that can be read of a mailbox.
func look(t *testing.T, a *Account, name mailbox.Name) {
	t.Helper()
	ctx := t.Context()
	_, err := a.Mailboxes(ctx)
	first, scanErr := a.Scan(ctx, mailbox.ScanRequest{Name: name, Known: known{}, Identify: true})
	if err := errors.Join(err, scanErr); err != nil {
		t.Fatal(err)
	}
	all, ids := known{}, []mailbox.ID{}
	for _, m := range first.Present {
		all[m.ID] = true
		ids = append(ids, m.ID)
	}
	if len(ids) == 0 || first.Holds == nil || !first.Holds(mailbox.Seen) || !first.Holds("work") || first.Holds("unheard-of") {
		t.Errorf("%d messages", len(ids))
	}
	_, again := a.Scan(ctx, mailbox.ScanRequest{Name: name, Since: first.Cursor, Known: all})
	_, inspected := a.Inspect(ctx, name, func(mailbox.Message) {})
	_, missing := a.Missing(ctx, name, append(ids, "99"))
	_, vanished := a.Vanished(ctx, "Nowhere")
	_, survey := a.Survey(ctx)
	_, _, sample := a.Sample(ctx, name, 2, time.Minute)
	_, found := a.Find(ctx, name, "HEADER MESSAGE-ID", "<none@example.org>")
	fetched := 0
	fetch := a.Fetch(ctx, name, ids, func(_ mailbox.ID, r io.Reader) error {
		fetched++
		_, err := io.Copy(io.Discard, r)
		return err
	}, func(id mailbox.ID, err error) { t.Error(id, err) })
	identify := a.Identify(ctx, name, ids, func(mailbox.ID, mailbox.Content) {})
	if err := errors.Join(again, inspected, missing, vanished, survey, sample, found, fetch, identify); err != nil || fetched != len(ids) {
		t.Fatal(fetched, err)
	}
}

// An account that is only read sends nothing that changes anything, whatever is asked of it.
func TestReadOnly(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	theirs := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	for _, name := range []string{"Work", "Empty"} {
		if err := theirs.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range imaptest.Sample(10, 3, imaptest.CorpusOptions{MaxSize: 2000}) {
		m.Flags = [][]string{nil, {"work"}}[i%2]
		if _, err := theirs.Append([]string{"INBOX", "Work"}[i/5], m); err != nil {
			t.Fatal(err)
		}
	}
	before, err := theirs.View()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(server.Addr)
	number, _ := strconv.Atoi(port)
	var trace bytes.Buffer
	a, err := Open(t.Context(), Options{
		Host: host, Port: number, Security: Plain, User: server.User, Connections: 1, Timeout: 10 * time.Second, ReadOnly: true,
		Password: func(context.Context) (string, error) { return server.Password, nil }, Trace: wire.NewTraceWriter(&trace),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []mailbox.Name{mailbox.Inbox, "Work", mailbox.Inbox} {
		look(t, a, name)
	}
	said := trace.String()
	for verb, err := range changes(t.Context(), a) {
		if !errors.Is(err, ErrReadOnly) || !strings.HasPrefix(err.Error(), strings.Fields(verb)[0]) && verb != "labels" {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if more := strings.TrimPrefix(trace.String(), said); more != "" {
		t.Errorf("what would change something was sent:\n%s", more)
	}
	if changing, commands := imaptest.Changing(said); len(changing) > 0 || commands < 30 {
		t.Errorf("of %d commands, these change something:\n%s", commands, strings.Join(changing, "\n"))
	}
	after, err := theirs.View()
	if err != nil {
		t.Fatal(err)
	}
	if diff := imaptest.Diff(before, after); len(diff) > 0 {
		t.Errorf("the server changed: %v", diff)
	}
}

// A trace of a two-way account has what changes something.
func TestChanging(t *testing.T) {
	trace := "1 C: a LOGIN ***\n1 S: a OK\n1 C: b SELECT INBOX\n1 C: c UID STORE 1 +FLAGS (\\Seen)\n1 C: <3 octets>\n" +
		"1 C: d UID FETCH 1 (BODY[])\n1 C: e UID FETCH 1 (BODY.PEEK[])\n1 C: f EXAMINE INBOX\n1 C: g CLOSE\n1 C: ***\n"
	changing, commands := imaptest.Changing(trace)
	if strings.Join(changing, "|") != "b SELECT INBOX|c UID STORE 1 +FLAGS (\\Seen)|d UID FETCH 1 (BODY[])|g CLOSE" || commands != 7 {
		t.Errorf("%d: %q", commands, changing)
	}
}
