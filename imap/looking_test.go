package imap

import (
	"slices"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// R1: a cursor is what the SELECT said, whatever higher numbers come behind it; so the next look asks from there.
func TestR1CursorIsOfTheSelect(t *testing.T) {
	f, a, cursor := first(t)
	f.say("SELECT", selected(7, 4, 3, "6"))
	f.say("UID FETCH 4:*", "* 4 EXISTS\r\n* OK [HIGHESTMODSEQ 90] x\r\n* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (80))\r\n"+
		strings.ReplaceAll(meta("4"), "MODSEQ (5)", "MODSEQ (90)")+"%s OK [HIGHESTMODSEQ 90] x\r\n")
	s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
	if m := readMemo(s.Cursor); m.Highest != 6 || m.Next != 4 || numbers(s.Cursor.Mark) != "7 4 3 6" || !slices.Contains(present(s), "4") {
		t.Errorf("%+v, %q", m, s.Cursor.Mark)
	}
	f.scan(a, mailbox.ScanRequest{Since: s.Cursor, Known: knows("1", "2", "3", "4")})
	if n := len(f.sent("UID FETCH 1:3 (UID FLAGS) (CHANGEDSINCE 6)")); n != 1 {
		t.Errorf("the next look asks %q", f.sent("UID FETCH"))
	}
}

// R6: where there is no ESEARCH, a plain SEARCH is asked, and believed only if it is as long as the SELECT said.
func TestR6PlainSearch(t *testing.T) {
	for _, tt := range []struct {
		search  string
		gone    int
		settled bool
	}{
		{"* SEARCH 1 3\r\n%s OK\r\n", 1, true},
		{"* SEARCH 3 1\r\n%s OK\r\n", 1, true},
		{"* SEARCH\r\n%s OK\r\n", 0, false},
		{"%s OK\r\n", 0, false},
		{"* SEARCH 1\r\n%s OK\r\n", 0, false},
		{"* SEARCH 1\r\n* SEARCH 3\r\n%s OK\r\n", 0, false},
		{"* SEARCH 1 0 3\r\n%s OK\r\n", 0, false},
		{"* ESEARCH (TAG \"%s\") UID COUNT 2 ALL 1,3\r\n%s OK\r\n", 0, false},
		{"%s BAD\r\n", 0, false},
	} {
		f, a, cursor := first(t)
		_ = a.Close() // what can be done is asked at the next login
		f.say("AUTHENTICATE", "%s OK [CAPABILITY IMAP4rev1 CONDSTORE] in\r\n")
		f.say("SELECT", selected(7, 4, 2, "6"))
		f.say("UID FETCH 1:3 (UID FLAGS MODSEQ)", "* 1 FETCH (UID 1 FLAGS () MODSEQ (5))\r\n%s OK\r\n")
		f.say("UID SEARCH", tt.search)
		s := f.scan(f.account(), mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
		if len(s.Gone) != tt.gone || s.Settled != tt.settled || s.Settled != (s.Cursor.Mark != "") {
			t.Errorf("%q: gone %v, settled %v, mark %q", tt.search, s.Gone, s.Settled, s.Cursor.Mark)
		}
		if asked := f.sent("UID SEARCH RETURN"); len(asked) > 0 {
			t.Errorf("asked %q", asked)
		}
	}
}

// R8: whatever stands where a MODSEQ belongs, a change of flags is seen, and nobody asks for changes since nothing.
func TestR8ChangeIsSeen(t *testing.T) {
	seen := "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
	for _, before := range []string{"", "0", "-1", "x", "9223372036854775808", "5"} {
		for _, after := range []string{"", "0", "-1", "1e5", "99999999999999999999", "6"} {
			f := newFake(t, map[string]string{
				"SELECT": selected(7, 4, 3, before), "UID FETCH": strings.ReplaceAll(meta("1")+meta("2")+meta("3"), " MODSEQ (5)", "") + "%s OK\r\n",
			})
			a := f.start().account()
			s := f.scan(a, mailbox.ScanRequest{})
			f.say("SELECT", selected(7, 4, 3, after))
			f.say("UID FETCH", "%s OK\r\n")
			f.say("UID FETCH 1:3 (UID FLAGS) (CHANGEDSINCE", seen+"%s OK\r\n")
			f.say("UID FETCH 1:* (UID FLAGS MODSEQ)", "* 1 FETCH (UID 1 FLAGS ())\r\n"+seen+"* 3 FETCH (UID 3 FLAGS ())\r\n%s OK\r\n")
			s = f.scan(a, mailbox.ScanRequest{Since: s.Cursor, Known: knows("1", "2", "3")})
			at := slices.IndexFunc(s.Present, func(m mailbox.Message) bool { return m.ID == "2" })
			if at < 0 || !s.Present[at].Flags.Has(mailbox.Seen) || (s.Cursor.Mark != "") != (after == "6") {
				t.Errorf("%q, then %q: %+v", before, after, s)
			}
			if odd := f.sent("UID FETCH 1:3 (UID FLAGS) (CHANGEDSINCE 0"); len(odd) > 0 {
				t.Errorf("%q, then %q: %q was sent", before, after, odd)
			}
		}
	}
}

// R8: NOMODSEQ, and a server that has only a number of its own making, count as none.
func TestR8NoModSeq(t *testing.T) {
	for _, code := range []string{"* OK [NOMODSEQ] x\r\n", "* OK [XYMHIGHESTMODSEQ 5] x\r\n"} {
		f := newFake(t, map[string]string{"SELECT": code + selected(7, 4, 3, ""), "UID FETCH": meta("1") + meta("2") + meta("3") + "%s OK\r\n"})
		a := f.start().account()
		s := f.scan(a, mailbox.ScanRequest{})
		s = f.scan(a, mailbox.ScanRequest{Since: s.Cursor, Known: knows("1", "2", "3")})
		if !s.Full || s.Cursor.Mark != "" {
			t.Errorf("%q: %+v", code, s)
		}
	}
}

// R11: UIDs that come in any order, that lie below UIDNEXT and exist no more, a UIDNEXT that is 0, absent or too low.
func TestR11UIDNext(t *testing.T) {
	for _, tt := range []struct {
		name            string
		next            string
		listed          []string
		present         []mailbox.ID
		mark            string
		searches, after int // how many SEARCHes the look needs, and the next one
	}{
		{"in no order", "4", []string{"3", "1", "2"}, []mailbox.ID{"1", "2", "3"}, "7 4 3 5", 0, 0},
		{"gaps", "40", []string{"9", "17", "31"}, []mailbox.ID{"17", "31", "9"}, "7 40 3 5", 0, 0},
		{"twice", "4", []string{"1", "2", "2", "3"}, []mailbox.ID{"1", "2", "3"}, "7 4 3 5", 0, 0},
		{"absent", "", []string{"1", "2", "3"}, []mailbox.ID{"1", "2", "3"}, "", 0, 0},
		{"zero", "0", []string{"1", "2", "3"}, []mailbox.ID{"1", "2", "3"}, "", 0, 0},
		{"over 32 bits", "4294967297", []string{"1", "2", "3"}, []mailbox.ID{"1", "2", "3"}, "", 0, 0},
	} {
		said := strings.Replace(selected(7, 0, 3, "5"), "* OK [HIGH", "* OK [UIDNEXT "+tt.next+"] x\r\n* OK [HIGH", 1)
		list := ""
		for _, uid := range tt.listed {
			list += meta(uid)
		}
		f := newFake(t, map[string]string{"SELECT": said, "UID FETCH": list + "%s OK\r\n"})
		a := f.start().account()
		s := f.scan(a, mailbox.ScanRequest{})
		if got := present(s); !slices.Equal(got, tt.present) || numbers(s.Cursor.Mark) != tt.mark || !s.Settled || len(f.sent("UID SEARCH")) != tt.searches {
			t.Errorf("%s: %v, mark %q, settled %v, %q", tt.name, got, s.Cursor.Mark, s.Settled, f.sent("UID SEARCH"))
		}
		s = f.scan(a, mailbox.ScanRequest{Since: s.Cursor, Known: knows(tt.present...)})
		if len(s.Gone) > 0 || !s.Settled || len(f.sent("UID SEARCH")) != tt.searches+tt.after {
			t.Errorf("%s, again: gone %v, settled %v, %q", tt.name, s.Gone, s.Settled, f.sent("UID SEARCH"))
		}
	}
}

// R11: a gap between what the listing of new messages brings and what the SELECT counts is settled by one SEARCH.
func TestR11OldInPlaceOfNew(t *testing.T) {
	f, a, cursor := first(t)
	f.say("SELECT", selected(7, 5, 4, "6"))
	f.say("UID FETCH 4:*", meta("3")+"%s OK\r\n")
	f.say("UID FETCH 4 (", meta("4")+"%s OK\r\n")
	f.say("UID SEARCH", "* ESEARCH (TAG \"%s\") UID COUNT 4 ALL 1:4\r\n%s OK\r\n")
	before := len(f.sent("UID SEARCH"))
	s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
	if !slices.Contains(present(s), "4") || len(s.Gone) > 0 || numbers(s.Cursor.Mark) != "7 5 4 6" || len(f.sent("UID SEARCH")) != before+1 {
		t.Errorf("present %v, gone %v, mark %q", present(s), s.Gone, s.Cursor.Mark)
	}
	f.say("UID FETCH 1:4 (UID FLAGS MODSEQ)", witnesses)
	f.scan(a, mailbox.ScanRequest{Since: s.Cursor, Known: knows("1", "2", "3", "4")})
	if n := len(f.sent("UID SEARCH")); n != before+1 {
		t.Errorf("%d SEARCHes", n-before)
	}
}
