package imap

import (
	"errors"
	"io"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// doings are all calls that name messages by UID.
var doings = map[string]func(t *testing.T, a *Account, doomed []mailbox.Doomed, ids []mailbox.ID) error{
	"fetch": func(t *testing.T, a *Account, _ []mailbox.Doomed, ids []mailbox.ID) error {
		return a.Fetch(t.Context(), mailbox.Inbox, ids, func(_ mailbox.ID, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }, func(mailbox.ID, error) {})
	},
	"set flags": func(t *testing.T, a *Account, _ []mailbox.Doomed, ids []mailbox.ID) error {
		return a.SetFlags(t.Context(), mailbox.Inbox, []mailbox.FlagChange{{ID: ids[0], Add: mailbox.MakeFlags(mailbox.Seen)}}, func(mailbox.ID, error) {})
	},
	"remove": func(t *testing.T, a *Account, doomed []mailbox.Doomed, _ []mailbox.ID) error {
		_, _, err := a.Remove(t.Context(), mailbox.Inbox, doomed)
		return err
	},
	"copy": func(t *testing.T, a *Account, doomed []mailbox.Doomed, _ []mailbox.ID) error {
		_, err := a.Copy(t.Context(), mailbox.Inbox, doomed, "Work")
		return err
	},
	"move": func(t *testing.T, a *Account, doomed []mailbox.Doomed, _ []mailbox.ID) error {
		_, err := a.Move(t.Context(), mailbox.Inbox, doomed, "Work")
		return err
	},
	"identify": func(t *testing.T, a *Account, _ []mailbox.Doomed, ids []mailbox.ID) error {
		return a.Identify(t.Context(), mailbox.Inbox, ids, func(mailbox.ID, mailbox.Content) {})
	},
	"missing": func(t *testing.T, a *Account, _ []mailbox.Doomed, ids []mailbox.ID) error {
		_, err := a.Missing(t.Context(), mailbox.Inbox, ids)
		return err
	},
}

// R12: with EXPUNGE lines between all answers everything goes on, and nothing is asked or said by sequence number.
func TestR12Expunges(t *testing.T) {
	for name, do := range doings {
		f, a, cursor := first(t)
		const gone = "* 1 EXPUNGE\r\n"
		between := func(text string) string { return gone + strings.ReplaceAll(text, "\r\n*", "\r\n"+gone+"*") }
		f.say("SELECT", between(selected(7, 4, 3, "6")))
		f.say("UID FETCH", between(meta("1")+meta("2")+"%s OK\r\n"))
		for _, command := range []string{"UID STORE", "UID COPY", "UID MOVE", "UID EXPUNGE", "NOOP"} {
			f.say(command, gone+"* 7 EXPUNGE\r\n%s OK\r\n")
		}
		f.say("UID SEARCH", between("* ESEARCH (TAG \"%s\") UID COUNT 3 ALL 1:3\r\n%s OK\r\n"))
		if s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")}); len(s.Gone) > 0 {
			t.Errorf("gone %v", s.Gone)
		}
		if err := do(t, a, []mailbox.Doomed{{ID: "1"}, {ID: "2"}}, []mailbox.ID{"1", "2"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, command := range f.sent("") {
			switch verb, _, _ := strings.Cut(command, " "); verb {
			case "FETCH", "STORE", "COPY", "MOVE", "SEARCH", "EXPUNGE", "CLOSE":
				t.Errorf("%s: %q was sent", name, command)
			}
		}
	}
}

// R13: a mailbox that got another UIDVALIDITY since its UIDs were learnt, between a listing and the SELECT or at another
// connection, has nothing done to it under the old ones.
func TestR13BumpedBeforeUse(t *testing.T) {
	for name, do := range doings {
		for _, where := range []string{"learnt from STATUS", "learnt from SELECT, connected again"} {
			f, a, _ := first(t)
			if where == "learnt from STATUS" {
				_ = a.Close() // another account that has not looked inside yet
				a = f.account()
				f.say("LIST", "* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 HIGHESTMODSEQ 5)\r\n%s OK\r\n")
				if _, err := a.Mailboxes(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				f.say("NOOP", "")
				_ = a.once(t.Context(), "", func(s *session) error { return s.do(t.Context(), s.client.Noop().Wait) }) // it hangs up
			}
			before := len(f.sent("UID"))
			f.say("SELECT", selected(8, 4, 3, "5"))
			err := do(t, a, []mailbox.Doomed{{ID: "1"}}, []mailbox.ID{"1"})
			if !errors.Is(err, mailbox.ErrUIDValidity) || len(f.sent("UID")) != before {
				t.Errorf("%s, %s: %v, sent %q", name, where, err, f.sent("UID")[before:])
			}
		}
	}
}

// R13: a mailbox that was made anew starts anew, be it empty or not; a UIDVALIDITY that makes no sense proves nothing.
func TestR13MadeAnew(t *testing.T) {
	for _, tt := range []struct {
		validity      string
		exists        int
		reset, marked bool
	}{
		{"8", 0, true, true}, {"8", 1, true, true}, {"7", 1, false, true}, {"0", 1, true, false}, {"4294967296", 1, true, false}, {"x", 1, true, false},
	} {
		f, a, cursor := first(t)
		next := tt.exists + 1
		if tt.validity == "7" {
			next = 4
		}
		f.say("SELECT", strings.Replace(selected(7, next, tt.exists, "6"), "UIDVALIDITY 7", "UIDVALIDITY "+tt.validity, 1))
		f.say("UID FETCH", meta("1")[:tt.exists*len(meta("1"))]+"%s OK\r\n")
		f.say("UID SEARCH", "* ESEARCH (TAG \"%s\") UID COUNT 1 ALL 1\r\n%s OK\r\n")
		s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
		if s.Reset != tt.reset || (s.Cursor.Mark != "") != tt.marked || tt.reset && (len(s.Gone) > 0 || len(s.Present) != tt.exists) {
			t.Errorf("%s with %d messages: %+v", tt.validity, tt.exists, s)
		}
	}
}

// R13b: a message that got the UID of another is neither copied nor moved nor removed in its place.
func TestR13bEveryDoing(t *testing.T) {
	for _, name := range []string{"remove", "copy", "move"} {
		f, a, _ := first(t)
		f.say("UID FETCH", "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 9 INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" "+
			"BODY[HEADER.FIELDS (MESSAGE-ID)] {25}\r\nMessage-ID: <other@x>\r\n\r\n)\r\n%s OK\r\n")
		for _, id := range []string{"<mine@x>", "<other@x>"} {
			doomed := []mailbox.Doomed{{ID: "1", Pair: mailbox.Pair{Hint: mailbox.MakeHint(id, 9)}}}
			err := doings[name](t, a, doomed, []mailbox.ID{"1"})
			done := len(f.sent("UID STORE")) + len(f.sent("UID COPY")) + len(f.sent("UID MOVE"))
			if err != nil || (done > 0) != (id == "<other@x>") {
				t.Errorf("%s %s: %v, %d commands", name, id, err, done)
			}
		}
	}
}
