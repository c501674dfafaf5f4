package wire

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// parse reads one untagged response.
func parse(t *testing.T, line string) *Response {
	t.Helper()
	c := &Conn{p: &parser{br: newReader([]byte(line + "\r\n")), largest: defaultLargest}}
	if err := c.p.begin(); err != nil {
		t.Fatal(err)
	}
	c.p.seg = c.p.seg[len("* "):]
	return c.response()
}

func TestFetch(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"* 3 FETCH (UID 7)", "3 uid=7"},
		{"* 3 fetch (uid 7 flags ())", "3 uid=7 flags=[]"},
		{`* 3 FETCH (FLAGS (\Seen $x OIB-Seen-[Gmail]/Tous "q r" ) UID 7)`, `3 uid=7 flags=[\Seen $x OIB-Seen-[Gmail]/Tous q r]`},
		{"* 3 FETCH (UID 7 FLAGS ({3}\r\na b))", "3 uid=7 flags=[a b]"},
		{`* 3 FETCH (INTERNALDATE " 1-Feb-2024 03:04:05 +0100" RFC822.SIZE 44)`, "3 date=2024-02-01T02:04:05Z size=44"},
		{`* 3 FETCH (INTERNALDATE "00-Jan-0000 00:00:00 +0000" UID 7)`, "3 uid=7"},
		{"* 3 FETCH (UID 7 MODSEQ (12) EMAILID (abc))", "3 uid=7 modseq=12 email=abc"},
		{
			`* 3 FETCH (X-GM-THRID 7 X-GM-MSGID 1592225494819146101 X-GM-LABELS ("\\Inbox" Work "To do" NIL nil +x 007 "a\"b" [x] \Sent) UID 7)`,
			`3 uid=7 gmail=1592225494819146101 labels=\Inbox|Work|To do|NIL|nil|+x|007|a"b|[x]|\Sent`,
		},
		{"* 3 FETCH (X-GM-LABELS ({3}\r\na b) X-GM-MSGID 18446744073709551615 UID 7)", "3 uid=7 gmail=18446744073709551615 labels=a b"},
		{`* 3 FETCH (X-GM-LABELS ("\\Draft" \Drafts "\\Drafts" "Gr&APYA3w-e" Größe "日本 語" [Imap]/x "NIL" "") UID 7)`, `3 uid=7 labels=\Draft|\Drafts|\Drafts|Gr&APYA3w-e|Größe|日本 語|[Imap]/x|NIL|`},
		{"* 3 FETCH (X-GM-THRID 18446744073709551615 X-GM-THRID NIL X-GM-RAW (a) UID 7)", "3 uid=7"}, // which nothing needs
		{"* 3 FETCH (X-GM-LABELS () X-GM-MSGID 0 UID 7)", "3 uid=7 labels="},
		{"* 3 FETCH (X-GM-LABELS NIL X-GM-MSGID 18446744073709551616 UID 7)", "3 uid=7"},
		{"* 3 FETCH (UID 7 X-GM-MSGID -1 X-GM-LABELS (a b", "3 uid=7 labels=a|b error"},
		{"* 3 FETCH (UID 7 MODSEQ (-1) EMAILID NIL)", "3 uid=7"},
		{"* 3 FETCH (UID 7 BODY[] NIL)", "3 uid=7 nil"},
		{`* 3 FETCH (UID 7 BODY[] "a\"b")`, `3 []@7=a"b uid=7`},
		{"* 3 FETCH (UID 7 BODY[] \"\")", "3 []@7= uid=7"},
		{"* 3 FETCH (BODY[] {3}\r\na\n) UID 7)", "3 []@0=a\n) uid=7"},
		{"* 3 FETCH (BODY[HEADER.FIELDS (A \"B\")]<0> ~{2+}\r\nxy BODY[] {0}\r\n UID 7)", "3 [HEADER.FIELDS (A \"B\")]@0=xy []@0= uid=7"},
		{"* 3 FETCH (BODY (\"a\" (NIL {1}\r\nx)) BODYSTRUCTURE ((1)(2)) X-NEW (a (b)) X-OTHER 5 UID 7)", "3 uid=7"},
		{"* 3 FETCH (UID 7", "3 uid=7"},
		{"* 3 FETCH   (  UID   7  )", "3 uid=7"},
		{"* 3 FETCH (UID 0)", "3 error"},
		{"* 3 FETCH (UID 4294967296)", "3 error"},
		{"* 3 FETCH UID 7", "3 error"},
		{"* 3 FETCH (UID 7 FLAGS (a (b)))", "3 uid=7 error"},
		{"* 3 FETCH (UID 7 BODY[ NIL)", "3 uid=7 error"},
	} {
		var said strings.Builder
		m, err := parse(t, tt.line).Fetch(func(m *Fetch, section string, size int64, r io.Reader) error {
			text, err := io.ReadAll(r)
			if int64(len(text)) != size {
				t.Errorf("%q: %d octets of %d", tt.line, len(text), size)
			}
			fmt.Fprintf(&said, " %s@%d=%s", section, m.UID, text)
			return err
		})
		if err != nil {
			err = fmt.Errorf(" error")
		}
		if got := fmt.Sprint(m.Seq, said.String(), describe(m)); got+errText(err) != tt.want {
			t.Errorf("%q reads %q, want %q", tt.line, got+errText(err), tt.want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func describe(m *Fetch) string {
	var b strings.Builder
	say := func(there bool, format string, args ...any) {
		if there {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	say(m.UID != 0, "uid=%d", m.UID)
	say(m.HasFlags, "flags=%v", m.Flags)
	say(!m.InternalDate.IsZero(), "date=%s", m.InternalDate.UTC().Format("2006-01-02T15:04:05Z"))
	say(m.Size >= 0, "size=%d", m.Size)
	say(m.ModSeq != 0, "modseq=%d", m.ModSeq)
	say(m.EmailID != "", "email=%s", m.EmailID)
	say(m.GmailID != "", "gmail=%s", m.GmailID)
	say(m.HasLabels, "labels=%s", strings.Join(m.Labels, "|"))
	say(m.NilBody, "nil")
	return b.String()
}

func TestListAndStatus(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{`* LIST (\HasNoChildren \Sent) "/" "a b"`, `[\HasNoChildren \Sent] / "a b"`},
		{`* LIST () NIL ~user`, `[]  "~user"`},
		{`* LIST () "\\" a\b`, `[] \ "a\\b"`},
		{"* LIST () \".\" {5}\r\na\r\nb\" (CHILDINFO (\"SUBSCRIBED\"))", `[] . "a\r\nb\""`},
		{`* LIST (\A \B) "/" "open`, "error"},
		{`* LIST \A "/" a`, "error"},
		{`* LIST () "/"`, "error"},
	} {
		l, err := parse(t, tt.line).List()
		got := fmt.Sprintf("%v %s %q", l.Attrs, l.Delim, l.Name)
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("%q reads %s, want %s", tt.line, got, tt.want)
		}
	}
	for _, tt := range []struct{ line, want string }{
		{`* STATUS "a b" (messages 3 UIDNEXT 9 UIDVALIDITY 2 HIGHESTMODSEQ 12 MAILBOXID (F1) SIZE 77)`, "a b messages=3 next=9 validity=2 modseq=12 id=F1"},
		{`* STATUS a ( MESSAGES 0 X-NEW (a (b)) UIDNEXT NIL )`, "a messages=0"},
		{`* STATUS a (MESSAGES -1 UIDNEXT 4294967296 HIGHESTMODSEQ 9223372036854775808)`, "a"},
		{"* STATUS {1}\r\na ()", "a"},
		{`* STATUS a (MESSAGES 3`, "error"},
		{`* STATUS a MESSAGES 3`, "error"},
	} {
		s, err := parse(t, tt.line).StatusData()
		got := s.Name + number(" messages=", s.Messages) + number(" next=", s.UIDNext) + number(" validity=", s.UIDValidity) +
			number(" modseq=", s.HighestModSeq)
		if s.MailboxID != "" {
			got += " id=" + s.MailboxID
		}
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("%q reads %q, want %q", tt.line, got, tt.want)
		}
	}
}

func number[T uint32 | uint64](word string, n *T) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(word, *n)
}

func TestNamespace(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{`* NAMESPACE (("INBOX." ".")) NIL (("shared." "."))`, "INBOX."},
		{`* NAMESPACE (("" "/" "X-PARAM" ("a"))("#mh/" "/")) NIL NIL`, ""},
		{`* NAMESPACE NIL NIL NIL`, "error"},
		{`* NAMESPACE ((NIL NIL)) NIL NIL`, "error"},
		{`* NAMESPACE ((`, "error"},
	} {
		got, err := parse(t, tt.line).Namespace()
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("%q reads %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, tt := range []struct {
		labels []string
		want   string
	}{
		{[]string{"Work", "To do", `\Inbox`, `a"b\c`, "NIL"}, `X ("Work" "To do" \Inbox "a\"b\\c" "NIL")`},
		{nil, "X ()"},
		{[]string{"a\r\nb"}, "refused"},
		{[]string{`\In box`}, "refused"},
		{[]string{"a", `\`}, "refused"},
		{[]string{"ü"}, "refused"},
	} {
		got, err := Cmd("X").Labels(tt.labels...).line()
		if err != nil {
			got = "refused"
		}
		if got != tt.want {
			t.Errorf("%q is %s, %v, want %s", tt.labels, got, err, tt.want)
		}
	}
}
