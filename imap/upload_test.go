package imap

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// put stores messages in INBOX, and returns the IDs that they got and what went wrong with each.
func put(t *testing.T, a *Account, messages ...mailbox.Message) (ids []mailbox.ID, errs []error) {
	t.Helper()
	return putBodies(t, a, messages, func(int) io.Reader { return strings.NewReader("hello") })
}

func putBodies(t *testing.T, a *Account, messages []mailbox.Message, body func(int) io.Reader) (ids []mailbox.ID, errs []error) {
	t.Helper()
	b, err := a.Append(t.Context(), mailbox.Inbox)
	if err != nil {
		t.Fatal(err)
	}
	errs = make([]error, len(messages))
	at := map[mailbox.ID]int{}
	for i, m := range messages {
		if m.Size == 0 {
			m.Size = 5
		}
		at[m.ID] = i
		if errs[i] = b.Add(t.Context(), m, body(i)); errs[i] != nil && !errors.As(errs[i], new(*mailbox.MessageError)) {
			break
		}
	}
	stored, broken := b.Flush(t.Context())
	for _, s := range stored {
		if s.Refused != nil {
			errs[at[s.Source]] = &mailbox.MessageError{Mailbox: mailbox.Inbox, ID: s.Source, Err: s.Refused}
		} else {
			ids = append(ids, s.ID)
		}
		delete(at, s.Source)
	}
	for _, i := range at {
		if errs[i] == nil {
			errs[i] = broken
		}
	}
	return ids, errs
}

// R17: a UID that cannot be the one of the message just stored is none: that of another generation, one that was given
// before, or one that the server names twice.
func TestR17WrongUID(t *testing.T) {
	for _, tt := range []struct {
		code string
		want []mailbox.ID
	}{
		{"", []mailbox.ID{"", ""}},
		{"[APPENDUID 7 4]", []mailbox.ID{"4", ""}},
		{"[APPENDUID 7 3]", []mailbox.ID{"", ""}},
		{"[APPENDUID 7 0]", []mailbox.ID{"", ""}},
		{"[APPENDUID 8 4]", []mailbox.ID{"", ""}},
		{"[COPYUID 7 1 4]", []mailbox.ID{"", ""}},
	} {
		f, a, _ := first(t)
		f.say("APPEND", "%s OK "+tt.code+" stored\r\n")
		ids, errs := put(t, a, mailbox.Message{ID: "a"}, mailbox.Message{ID: "b"})
		if err := errors.Join(errs...); err != nil || !slices.Equal(ids, tt.want) {
			t.Errorf("%s: %q, %v", tt.code, ids, err)
		}
	}
	f, a, _ := first(t)
	f.say("UID COPY", "%s OK [COPYUID 7 1:2 3:4] copied\r\n")
	f.say("UID FETCH", meta("1")+meta("2")+"%s OK\r\n")
	arrived, err := a.Copy(t.Context(), mailbox.Inbox, []mailbox.Doomed{{ID: "1"}, {ID: "2"}}, mailbox.Inbox)
	if err != nil || len(arrived) != 2 || arrived["1"]+arrived["2"] != "" {
		t.Errorf("copied: %v, %v", arrived, err)
	}
}

// R17: a line that is cut after the literal, before the answer: nothing is known, nothing is said to be stored, and the
// message is not sent a second time by this run.
func TestR17CutAfterTheLiteral(t *testing.T) {
	f, a, _ := first(t)
	f.say("APPEND", "")
	ids, errs := put(t, a, mailbox.Message{ID: "a"})
	if !errors.Is(errs[0], mailbox.ErrTemporary) || len(ids) > 0 || len(f.sent("APPEND")) != 1 || !slices.Equal(f.literals, []string{"hello"}) {
		t.Errorf("%q, %v, sent %q", ids, errs, f.sent("APPEND"))
	}
}

// R18: an APPEND that is refused, before its literal or after it, costs that message and no other.
func TestR18RefusedAppend(t *testing.T) {
	for _, refusal := range []string{"NO [OVERQUOTA] full", "BAD [TOOBIG] too big", "NO [THROTTLED] slowly", "BAD [THROTTLED]", "NO", "BAD 8bit"} {
		for _, before := range []string{"", "{"} {
			f, a, _ := first(t)
			f.say("APPEND", "%s OK [APPENDUID 7 4] stored\r\n")
			f.say(before+`APPEND "INBOX" (\Flagged)`, "%s "+refusal+"\r\n")
			ids, errs := put(t, a, mailbox.Message{ID: "a", Flags: mailbox.MakeFlags(mailbox.Flagged)}, mailbox.Message{ID: "b"})
			var one *mailbox.MessageError
			if !errors.As(errs[0], &one) || one.ID != "a" || !strings.Contains(one.Error(), strings.Fields(refusal)[0]) || errs[1] != nil || !slices.Equal(ids, []mailbox.ID{"4"}) {
				t.Errorf("%s (%q): %q, %v", refusal, before, ids, errs)
			}
			if n := strings.Count(strings.Join(f.sent(""), "\n"), "AUTHENTICATE"); n != 1 {
				t.Errorf("%s (%q): %d logins", refusal, before, n)
			}
		}
	}
}

// R18: a keyword goes along only where PERMANENTFLAGS has it, or takes any. An absent list means unknown, not none.
func TestR18PermanentFlags(t *testing.T) {
	for _, tt := range []struct{ said, appended, stored string }{
		{"", `($Forwarded \Seen work)`, `($Forwarded \Seen work)`},
		{`* OK [PERMANENTFLAGS (\Seen \*)] x` + "\r\n", `($Forwarded \Seen work)`, `($Forwarded \Seen work)`},
		{`* OK [PERMANENTFLAGS (\Seen WORK)] x` + "\r\n", `(\Seen work)`, `(\Seen work)`},
		{`* OK [PERMANENTFLAGS (\Seen)] x` + "\r\n", `(\Seen)`, `(\Seen)`},
	} {
		f, a, _ := first(t)
		f.say("SELECT", tt.said+selected(7, 4, 3, "5"))
		flags := mailbox.MakeFlags(mailbox.Seen, mailbox.Forwarded, "work")
		if s := f.scan(a, mailbox.ScanRequest{}); (s.Holds == nil) != (tt.said == "") {
			t.Errorf("%q: what it holds is known: %v", tt.said, s.Holds != nil)
		}
		if _, errs := put(t, a, mailbox.Message{ID: "a", Flags: flags}); errs[0] != nil {
			t.Error(errs[0])
		}
		err := a.SetFlags(t.Context(), mailbox.Inbox, []mailbox.FlagChange{{ID: "1", Add: flags}}, func(_ mailbox.ID, err error) { t.Error(err) })
		if err != nil {
			t.Error(err)
		}
		if want := fmt.Sprintf("APPEND \"INBOX\" %s {5}", tt.appended); !slices.Equal(f.sent("APPEND"), []string{want}) {
			t.Errorf("%q: %q, want %q", tt.said, f.sent("APPEND"), want)
		}
		if want := "UID STORE 1 +FLAGS.SILENT " + tt.stored; !slices.Equal(f.sent("UID STORE"), []string{want}) {
			t.Errorf("%q: %q, want %q", tt.said, f.sent("UID STORE"), want)
		}
	}
}
