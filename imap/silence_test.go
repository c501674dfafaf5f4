package imap

import (
	"errors"
	"io"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// silentFor is how long the tests of this file let a server be silent; patience is when they think that nobody looks at
// the clock.
const (
	silentFor = 50 * time.Millisecond
	patience  = 5 * time.Second
)

// wantTemporary fails unless something ends soon, and says that another try may go well.
func wantTemporary(t *testing.T, do func() error) {
	t.Helper()
	began := time.Now()
	err := do()
	if took := time.Since(began); !errors.Is(err, mailbox.ErrTemporary) || took > patience || took < silentFor/2 {
		t.Errorf("%v after %v", err, took)
	}
}

// S7: silence at any step of a login ends it with a temporary failure.
func TestS7SilentLogin(t *testing.T) {
	bare := "* OK [CAPABILITY IMAP4rev1 "
	for _, tt := range []struct {
		name     string
		security Security
		greeting string
		step     string // the command to which nothing is said
		answer   string // to AUTHENTICATE
		deaf     bool
	}{
		{name: "TLS handshake", security: Implicit},
		{name: "greeting", security: Plain},
		{name: "STARTTLS", security: StartTLS, greeting: usualGreeting, step: "STARTTLS"},
		{name: "handshake behind STARTTLS", security: StartTLS, greeting: usualGreeting, deaf: true},
		{name: "greeting with half a line", security: Plain, greeting: "* OK [CAPA"},
		{name: "CAPABILITY", security: Plain, greeting: "* OK hello\r\n", step: "CAPABILITY"},
		{name: "AUTHENTICATE", security: Plain, greeting: usualGreeting, step: "AUTHENTICATE"},
		{name: "challenge", security: Plain, greeting: bare + "AUTH=PLAIN] hi\r\n", step: "AUTHENTICATE"},
		{name: "behind the challenge", security: Plain, greeting: bare + "AUTH=PLAIN] hi\r\n", answer: "+ \r\n", step: "AG1lA"},
		{name: "LOGIN", security: Plain, greeting: bare + "] hi\r\n", step: "LOGIN"},
		{name: "CAPABILITY behind the login", security: Plain, greeting: usualGreeting, answer: "%s OK in\r\n", step: "CAPABILITY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil)
			f.greeting, f.deaf = tt.greeting, tt.deaf
			if tt.answer != "" {
				f.say("AUTHENTICATE", tt.answer)
			}
			if tt.step != "" {
				f.say(tt.step, silence)
			}
			o := f.start().options()
			o.Security, o.Timeout, o.Tries = tt.security, silentFor, 1
			wantTemporary(t, func() error { _, err := Open(t.Context(), o); return err })
			if tt.step != "" && tt.step != "AG1lA" && len(f.sent(tt.step)) != 1 {
				t.Errorf("the server got %q", f.sent(""))
			}
		})
	}
}

// S7: silence at any later step ends the call with a temporary failure, also in the middle of an answer.
func TestS7SilentServer(t *testing.T) {
	doomed := []mailbox.Doomed{{ID: "1"}}
	scan := func(t *testing.T, a *Account) error {
		_, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: mailbox.Inbox, Known: knows("1")})
		return err
	}
	list := func(t *testing.T, a *Account) error { _, err := a.Mailboxes(t.Context()); return err }
	fetch := func(t *testing.T, a *Account) error {
		return a.Fetch(t.Context(), mailbox.Inbox, []mailbox.ID{"1"},
			func(_ mailbox.ID, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }, func(mailbox.ID, error) {})
	}
	add := func(t *testing.T, a *Account) error {
		_, errs := put(t, a, mailbox.Message{ID: "a"})
		return errs[0]
	}
	remove := func(t *testing.T, a *Account) error {
		_, _, err := a.Remove(t.Context(), mailbox.Inbox, doomed)
		return err
	}
	for _, tt := range []struct {
		step, answer string
		do           func(*testing.T, *Account) error
	}{
		{"LIST", silence, list},
		{"LIST", "* LIST () \"/\" {5}\r\nIN", list},
		{"LIST", "* LIST () \"/\" INBOX\r\n", list},
		{"SELECT", silence, scan},
		{"SELECT", "* 3 EXISTS\r\n* OK [UIDVALI", scan},
		{"UID FETCH 1:*", silence, scan},
		{"UID FETCH 1:*", "* 1 FETCH (UID 1 FLA", scan},
		{"UID SEARCH", silence, scan},
		{"UID FETCH 1 (UID BODY.PEEK[])", silence, fetch},
		{"UID FETCH 1 (UID BODY.PEEK[])", "* 1 FETCH (UID 1 BODY[] {10}\r\nhello", fetch},
		{"{APPEND", silence, add},
		{"APPEND", silence, add},
		{"UID FETCH 1 (UID FLAGS INTER", silence, remove},
		{"UID STORE", silence, remove},
		{"UID EXPUNGE", silence, remove},
		{"UID STORE", silence, func(t *testing.T, a *Account) error {
			return a.SetFlags(t.Context(), mailbox.Inbox, []mailbox.FlagChange{{ID: "1", Add: mailbox.MakeFlags(mailbox.Seen)}}, func(mailbox.ID, error) {})
		}},
		{"UID COPY", silence, func(t *testing.T, a *Account) error {
			_, err := a.Copy(t.Context(), mailbox.Inbox, doomed, "Work")
			return err
		}},
		{"UID MOVE", silence, func(t *testing.T, a *Account) error {
			_, err := a.Move(t.Context(), mailbox.Inbox, doomed, "Work")
			return err
		}},
		{"UID FETCH 1 (UID RFC822.SIZE BODY.PEEK[HEADER])", silence, func(t *testing.T, a *Account) error {
			return a.Identify(t.Context(), mailbox.Inbox, []mailbox.ID{"1"}, func(mailbox.ID, mailbox.Content) {})
		}},
		{"CREATE", silence, func(t *testing.T, a *Account) error { return a.Create(t.Context(), "New") }},
		{"RENAME", silence, func(t *testing.T, a *Account) error { return a.Rename(t.Context(), "Old", "New") }},
		{"EXAMINE", silence, func(t *testing.T, a *Account) error { return a.Delete(t.Context(), "Old", nil) }},
		{"DELETE", silence, func(t *testing.T, a *Account) error { return a.Delete(t.Context(), "Old", nil) }},
		{"EXAMINE", silence, func(t *testing.T, a *Account) error { _, err := a.Vanished(t.Context(), "Old"); return err }},
		{"UNSELECT", silence, func(t *testing.T, a *Account) error { return errors.Join(scan(t, a), list(t, a)) }},
	} {
		t.Run(tt.step, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, map[string]string{
				"SELECT": selected(7, 4, 3, "5"), "UID FETCH": meta("1") + meta("2") + meta("3") + "%s OK\r\n",
				"UID SEARCH": "* ESEARCH (TAG \"%s\") UID COUNT 3 ALL 1:3\r\n%s OK\r\n", "EXAMINE": "* 0 EXISTS\r\n%s OK\r\n",
			})
			if tt.step == "UID SEARCH" {
				f.say("UID FETCH", meta("1")+"%s OK\r\n")
			}
			o := f.start().options()
			o.Timeout, o.Tries = silentFor, 1
			a, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = a.Close() }() // it is over
			f.say(tt.step, tt.answer)
			wantTemporary(t, func() error { return tt.do(t, a) })
		})
	}
}
