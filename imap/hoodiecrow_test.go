package imap

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// withToken logs in with an access token.
func withToken(t *testing.T, server *imaptest.HoodiecrowServer, token string) (*Account, error) {
	t.Helper()
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return Open(t.Context(), Options{
		Host: host, Port: number, Security: Plain, User: server.User, Connections: 1, Timeout: 10 * time.Second,
		Token: func(context.Context, string) (string, error) { return token, nil },
	})
}

// XOAUTH2, X-GM-MSGID and X-GM-LABELS as a server understands and says them that nobody here wrote.
func TestHoodiecrowSpeaksGmail(t *testing.T) {
	server := imaptest.Hoodiecrow(t, imaptest.HoodiecrowOptions{Gmail: true})
	if _, err := withToken(t, server, "another"); !errors.Is(err, mailbox.ErrAuth) {
		t.Errorf("with another token: %v", err)
	}
	theirs := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	for _, m := range imaptest.Sample(2, 3, imaptest.CorpusOptions{MaxSize: 2000}) {
		if _, err := theirs.Append("INBOX", m); err != nil {
			t.Fatal(err)
		}
	}
	a, err := withToken(t, server, server.Token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	listed, err := a.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listed {
		if want := mailbox.Role(l.Name); l.Name != mailbox.Inbox && l.Role != want {
			t.Errorf("%s has the special use %q", l.Name, l.Role)
		}
	}
	s, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: mailbox.Inbox, Known: known{}})
	if err != nil || len(s.Present) != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	for i, id := range []string{"1278455344230334866", "1278455344230334867"} { // beyond the 53 bits of a float
		if got := s.Present[i].Content.AccountID; got != id {
			t.Errorf("X-GM-MSGID is %s, want %s", got, id)
		}
		if found, err := a.Find(t.Context(), mailbox.Inbox, "X-GM-MSGID", id); err != nil || !slices.Equal(found, []mailbox.ID{s.Present[i].ID}) {
			t.Errorf("a search for %s finds %v, %v", id, found, err)
		}
	}
}

// Labels of every kind come back as they were stored.
func TestHoodiecrowLabels(t *testing.T) {
	server := imaptest.Hoodiecrow(t, imaptest.HoodiecrowOptions{Gmail: true})
	theirs := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	if _, err := theirs.Append("INBOX", imaptest.Sample(1, 3, imaptest.CorpusOptions{MaxSize: 2000})[0]); err != nil {
		t.Fatal(err)
	}
	a, err := withToken(t, server, server.Token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	want := []string{ // without a quote, which this server's parser loses
		`\Inbox`, `\Starred`, "Work", "To do", "a/b", "+x", "NIL", "007", "[x]", `back\slash`, "Entw&APw-rfe", "{5}", "%", "*", "(p)",
	}
	// As StoreLabels does it, but for .SILENT, which this server does not know.
	store := func(how string, labels ...string) {
		t.Helper()
		err := a.repeat(t.Context(), mailbox.Inbox, func(s *session) error {
			if err := s.use(t.Context(), mailbox.Inbox); err != nil {
				return err
			}
			status, err := s.exec(t.Context(), nil, []*wire.Command{
				wire.Cmd("UID STORE").Set(wire.UIDSetOf(1)).Raw(how + "X-GM-LABELS").Labels(labels...),
			})
			if err != nil {
				return err
			}
			return status[0].Err()
		})
		if err != nil {
			t.Error(err)
		}
	}
	labels := func() (got []string) {
		t.Helper()
		_, err := a.Ask(t.Context(), mailbox.Inbox, Question{
			Fetch: []string{"1 (UID X-GM-LABELS)"}, Begin: func() { got = nil },
			Take: func(m *wire.Fetch, _ []byte) { got = append(got, m.Labels...) },
		})
		if err != nil {
			t.Error(err)
		}
		return got
	}
	store("+", want...)
	if got := labels(); !slices.Equal(got, want) {
		t.Errorf("labels are %q, want %q", got, want)
	}
	store("-", want[1:]...)
	if got := labels(); !slices.Equal(got, want[:1]) {
		t.Errorf("labels are %q, want %q", got, want[:1])
	}
}
