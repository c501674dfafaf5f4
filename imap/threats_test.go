package imap

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// witnesses is what a server says of the witnesses in a mailbox in which nothing happened.
const witnesses = "* 1 FETCH (UID 1 FLAGS () MODSEQ (5))\r\n* 2 FETCH (UID 2 FLAGS () MODSEQ (5))\r\n* 3 FETCH (UID 3 FLAGS () MODSEQ (5))\r\n%s OK\r\n"

// first scans a mailbox of three messages for the first time.
func first(t *testing.T) (*fake, *Account, mailbox.Cursor) {
	t.Helper()
	f := newFake(t, map[string]string{
		"SELECT": selected(7, 4, 3, "5"), "UID FETCH": meta("1") + meta("2") + meta("3") + "%s OK\r\n",
		"UID SEARCH": "* ESEARCH (TAG \"%s\") UID COUNT 3 ALL 1:3\r\n%s OK\r\n",
	})
	a := f.start().account()
	s := f.scan(a, mailbox.ScanRequest{})
	if len(s.Present) != 3 || !s.Settled || numbers(s.Cursor.Mark) != "7 4 3 5" || s.Generation != "7" {
		t.Fatalf("%+v", s)
	}
	f.say("UID FETCH", "%s OK\r\n")
	f.say("UID FETCH 1:3 (UID FLAGS MODSEQ)", witnesses)
	return f, a, s.Cursor
}

// numbers are those of a mark that the server told.
func numbers(mark string) string {
	return strings.Join(strings.Fields(mark)[:min(4, len(strings.Fields(mark)))], " ")
}

func present(s *mailbox.Scan) []mailbox.ID {
	var ids []mailbox.ID
	for _, m := range s.Present {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	return ids
}

// R3, R5, R6: whatever the server leaves out or makes up, nothing is taken for gone unless the numbers agree.
func TestR6SearchThatLies(t *testing.T) {
	for _, tt := range []struct {
		name, search string
		exists       int
		gone         int
		settled      bool
	}{
		{"it is true", "* ESEARCH (TAG \"%s\") UID COUNT 2 ALL 1,3\r\n%s OK\r\n", 2, 1, true},
		{"all gone", "* ESEARCH (TAG \"%s\") UID COUNT 0\r\n%s OK\r\n", 0, 3, true},
		{"a bare OK", "%s OK\r\n", 2, 0, false},
		{"another tag", "* ESEARCH (TAG \"Z1\") UID COUNT 2 ALL 1,3\r\n%s OK\r\n", 2, 0, false},
		{"count and set differ", "* ESEARCH (TAG \"%s\") UID COUNT 2 ALL 1\r\n%s OK\r\n", 2, 0, false},
		{"not as many as SELECT said", "* ESEARCH (TAG \"%s\") UID COUNT 1 ALL 1\r\n%s OK\r\n", 2, 0, false},
		{"two answers", "* ESEARCH (TAG \"%s\") UID COUNT 2 ALL 1,3\r\n* ESEARCH (TAG \"%s\") UID COUNT 2 ALL 2,3\r\n%s OK\r\n", 2, 0, false},
		{"no UIDs", "* ESEARCH (TAG \"%s\") COUNT 2 ALL 1,3\r\n%s OK\r\n", 2, 0, false},
		{"plain where extended was asked", "* SEARCH 1 3\r\n%s OK\r\n", 2, 0, false},
		{"refused", "%s NO\r\n", 2, 0, false},
	} {
		f, a, cursor := first(t)
		f.say("SELECT", selected(7, 4, tt.exists, "6"))
		f.say("UID SEARCH", tt.search)
		s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
		if len(s.Gone) != tt.gone || s.Settled != tt.settled {
			t.Errorf("%s: gone %v, settled %v", tt.name, s.Gone, s.Settled)
		}
	}
}

// R14: a message that was seen and never recorded must not hide one that is gone; the ledger knows all that was seen.
func TestR14OneComesOneGoes(t *testing.T) {
	f, a, cursor := first(t)
	f.say("SELECT", selected(7, 5, 3, "6"))
	f.say("UID FETCH 4:*", meta("4")+"%s OK\r\n")
	f.say("UID FETCH 1:3 (UID FLAGS MODSEQ)", "* 1 FETCH (UID 1 FLAGS () MODSEQ (5))\r\n%s OK\r\n")
	f.say("UID SEARCH", "* ESEARCH (TAG \"%s\") UID COUNT 3 ALL 1,3:4\r\n%s OK\r\n")
	s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
	if !slices.Equal(s.Gone, []mailbox.ID{"2"}) || !slices.Equal(present(s), []mailbox.ID{"1", "4"}) {
		t.Errorf("gone %v, present %v", s.Gone, s.Present)
	}
}

// R8: without a usable MODSEQ a mailbox is never unchanged.
func TestR8NoUsableModSeq(t *testing.T) {
	for _, highest := range []string{"", "0", "-1", "x"} {
		status := "* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7"
		if highest != "" {
			status += " HIGHESTMODSEQ " + highest
		}
		f := newFake(t, map[string]string{
			"LIST": "* LIST () \"/\" INBOX\r\n" + status + ")\r\n%s OK\r\n", "SELECT": selected(7, 4, 3, highest),
			"UID FETCH": meta("1") + meta("2") + meta("3") + "%s OK\r\n",
		})
		a := f.start().account()
		infos, err := a.Mailboxes(context.Background())
		if err != nil || len(infos) != 1 || infos[0].Mark != "" {
			t.Errorf("%q: %+v, %v", highest, infos, err)
		}
		if s := f.scan(a, mailbox.ScanRequest{}); s.Cursor.Mark != "" {
			t.Errorf("%q: mark %q", highest, s.Cursor.Mark)
		}
	}
}

// R11: n:* brings the last message, however old it is; it is new only if a SEARCH that adds up says that it is there.
func TestR11OldAnswerToNewQuestion(t *testing.T) {
	for _, tt := range []struct {
		name   string
		exists int
		want   []mailbox.ID
	}{
		{"nothing is missing", 2, []mailbox.ID{"3"}},
		{"one is missing", 3, []mailbox.ID{"2", "3"}},
	} {
		f, a, cursor := first(t)
		f.say("SELECT", selected(7, 4, tt.exists, "6"))
		f.say("UID FETCH 4:*", meta("3")+meta("2")+"%s OK\r\n")
		f.say("UID FETCH 1:3 (UID FLAGS MODSEQ)", "* 2 FETCH (UID 3 FLAGS () MODSEQ (5))\r\n%s OK\r\n")
		s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "3")})
		if got := present(s); !slices.Equal(got, tt.want) || len(s.Gone) > 0 {
			t.Errorf("%s: present %v, gone %v", tt.name, got, s.Gone)
		}
	}
}

// R5, R11: a new message that every listing leaves out is found by the numbers, asked for by name, and named if even
// that brings nothing; the cursor then proves nothing.
func TestR5ListingLeavesOut(t *testing.T) {
	for _, tt := range []struct {
		name, alone string
		present     []mailbox.ID
		unread      int
		mark        string
		known       known
	}{
		{"it comes when asked", meta("2") + "%s OK\r\n", []mailbox.ID{"1", "2", "3"}, 0, "7 4 3 6", knows()},
		{"it never comes", "%s OK\r\n", []mailbox.ID{"1", "3"}, 1, "", knows()},
		{"it is refused", "%s NO [UNAVAILABLE] later\r\n", []mailbox.ID{"1", "3"}, 1, "", knows()},
		{"others are known", meta("2") + "%s OK\r\n", []mailbox.ID{"1", "2", "3"}, 0, "7 4 3 6", knows("1", "3")},
	} {
		f, a, _ := first(t)
		f.say("SELECT", selected(7, 4, 3, "6"))
		f.say("UID FETCH 1:*", meta("1")+meta("3")+"%s OK\r\n")
		f.say("UID FETCH 2 ", tt.alone)
		s := f.scan(a, mailbox.ScanRequest{Known: tt.known})
		if got := present(s); !slices.Equal(got, tt.present) || len(s.Unread) != tt.unread || numbers(s.Cursor.Mark) != tt.mark || len(s.Gone) > 0 {
			t.Errorf("%s: present %v, unread %v, gone %v, mark %q", tt.name, got, s.Unread, s.Gone, s.Cursor.Mark)
		}
	}
}

// R13: what was pipelined behind a SELECT counts only under the expected UIDVALIDITY, and no UID is used under another.
func TestR13UIDValidity(t *testing.T) {
	f, a, cursor := first(t)
	f.say("SELECT", selected(8, 2, 1, "6"))
	f.say("UID FETCH", meta("1")+"%s OK\r\n")
	s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
	if !s.Reset || len(s.Gone) > 0 || len(s.Present) != 1 || s.Generation != "8" {
		t.Errorf("%+v", s)
	}

	f, a, _ = first(t)
	f.say("SELECT", selected(8, 2, 1, "6"))
	if err := a.once(context.Background(), "", func(s *session) error { return s.unselect(context.Background()) }); err != nil {
		t.Fatal(err)
	}
	doomed := []mailbox.Doomed{{ID: "1"}}
	if _, _, err := a.Remove(context.Background(), "INBOX", doomed); !errors.Is(err, mailbox.ErrUIDValidity) {
		t.Errorf("remove: %v", err)
	}
	if sent := append(f.sent("UID STORE"), f.sent("UID EXPUNGE")...); len(sent) > 0 {
		t.Errorf("%q was sent", sent)
	}
}

// R13b: a UID that names another message by now is left alone.
func TestR13bOtherMessage(t *testing.T) {
	f, a, _ := first(t)
	f.say("UID FETCH", "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 9 INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" "+
		"BODY[HEADER.FIELDS (MESSAGE-ID)] {25}\r\nMessage-ID: <other@x>\r\n\r\n)\r\n%s OK\r\n")
	mine := mailbox.Doomed{ID: "1", Pair: mailbox.Pair{Hint: mailbox.MakeHint("<mine@x>", 9)}}
	gone, kept, err := a.Remove(context.Background(), "INBOX", []mailbox.Doomed{mine})
	if err != nil || len(gone)+len(kept) > 0 || len(f.sent("UID STORE")) > 0 {
		t.Errorf("gone %v, kept %v, %v, sent %q", gone, kept, err, f.sent("UID STORE"))
	}
	mine.Pair.Hint = mailbox.MakeHint("<other@x>", 9)
	gone, _, err = a.Remove(context.Background(), "INBOX", []mailbox.Doomed{mine})
	if err != nil || len(gone) != 1 {
		t.Errorf("the right one: gone %v, %v", gone, err)
	}
}

// R15: one bad name, one missing status, and a LIST that is refused with RETURN.
func TestR15List(t *testing.T) {
	f := newFake(t, map[string]string{"LIST": "* LIST () \"/\" A\r\n* LIST () \"/\" \"&bad\"\r\n* LIST (\\NonExistent) \"/\" N\r\n" +
		"* LIST (\\Trash) NIL T\r\n* STATUS T (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3 HIGHESTMODSEQ 4)\r\n%s OK\r\n"})
	a := f.start().account()
	infos, err := a.Mailboxes(context.Background())
	if err != nil || len(infos) != 3 || infos[0].Mark != "" || !infos[1].NoSelect || numbers(infos[2].Mark) != "3 2 1 4" || infos[2].Role != mailbox.RoleTrash {
		t.Errorf("%+v, %v", infos, err)
	}

	f = newFake(t, map[string]string{
		"LIST": "* LIST () \"/\" A\r\n%s OK\r\n", "LIST \"\" \"*\" RETURN": "%s BAD\r\n",
		"STATUS": "* STATUS A (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3 HIGHESTMODSEQ 4)\r\n%s OK\r\n",
	})
	infos, err = f.start().account().Mailboxes(context.Background())
	if err != nil || len(infos) != 1 || numbers(infos[0].Mark) != "3 2 1 4" {
		t.Errorf("%+v, %v", infos, err)
	}
}

// R15: a mailbox is gone only if LIST and EXAMINE both say so.
func TestR15Vanished(t *testing.T) {
	for _, tt := range []struct {
		list, examine string
		want          bool
	}{
		{"%s OK\r\n", "%s NO [NONEXISTENT] no\r\n", true},
		{"%s OK\r\n", "* 0 EXISTS\r\n%s OK\r\n", false},
		{"* LIST () \"/\" A\r\n%s OK\r\n", "%s NO\r\n", false},
		{"* LIST (\\Noselect) \"/\" A\r\n%s OK\r\n", "%s NO\r\n", true},
		{"* LIST (\r\n%s OK\r\n", "%s NO\r\n", false},
		{"%s NO\r\n", "%s NO\r\n", false},
	} {
		f := newFake(t, map[string]string{"LIST": tt.list, "EXAMINE": tt.examine})
		got, err := f.start().account().Vanished(context.Background(), "A")
		if err != nil || got != tt.want {
			t.Errorf("%q, %q: %v, %v", tt.list, tt.examine, got, err)
		}
	}
}

// R16: never a bare EXPUNGE, never a CLOSE; without UIDPLUS messages are only marked.
func TestR16NeverABareExpunge(t *testing.T) {
	for _, caps := range []string{usualCaps, "IMAP4rev1", "IMAP4rev1 UIDPLUS"} {
		f, a, _ := first(t)
		_ = a.Close()
		f.say("AUTHENTICATE", "%s OK [CAPABILITY "+caps+"] in\r\n")
		f.say("UID FETCH", meta("1")+"%s OK\r\n")
		a = f.account()
		gone, kept, err := a.Remove(context.Background(), "INBOX", []mailbox.Doomed{{ID: "1"}})
		if plus := strings.Contains(caps, "UIDPLUS"); err != nil || (len(gone) == 1) != plus || (len(kept) == 1) == plus {
			t.Errorf("%s: gone %v, kept %v, %v", caps, gone, kept, err)
		}
		if _, err := a.Move(context.Background(), "INBOX", []mailbox.Doomed{{ID: "1"}}, "B"); err != nil {
			t.Errorf("%s: move: %v", caps, err)
		}
		if _, err := a.Mailboxes(context.Background()); err != nil && !strings.Contains(err.Error(), "list") {
			t.Errorf("%s: %v", caps, err)
		}
		if sent := append(f.sent("EXPUNGE"), f.sent("CLOSE")...); len(sent) > 0 {
			t.Errorf("%s: %q was sent", caps, sent)
		}
	}
}

// R12: no command names sequence numbers.
func TestR12OnlyUIDs(t *testing.T) {
	f, a, cursor := first(t)
	f.say("SELECT", "* 5 EXPUNGE\r\n"+selected(7, 4, 3, "6"))
	f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
	for _, verb := range []string{"FETCH", "STORE", "COPY", "SEARCH", "MOVE"} {
		if sent := f.sent(verb); len(sent) > 0 {
			t.Errorf("%q was sent", sent)
		}
	}
}

// R5: what an OK leaves out is asked for alone, and named if it never comes.
func TestR5Omissions(t *testing.T) {
	f, a, _ := first(t)
	f.say("UID FETCH 1:3 (UID BODY.PEEK[])", "* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\n* 2 FETCH (UID 2 BODY[] NIL)\r\n%s OK\r\n")
	f.say("UID FETCH 3 (UID BODY.PEEK[])", "* 3 FETCH (BODY[] {1}\r\nc UID 3)\r\n%s OK\r\n")
	f.say("UID FETCH 2 (UID BODY.PEEK[])", "%s NO [UNAVAILABLE] later\r\n")
	got, problems := map[mailbox.ID]string{}, map[mailbox.ID]error{}
	err := a.Fetch(context.Background(), "INBOX", []mailbox.ID{"1", "2", "3"}, func(id mailbox.ID, r io.Reader) error {
		b, err := io.ReadAll(r)
		got[id] += string(b)
		return err
	}, func(id mailbox.ID, err error) { problems[id] = err })
	if err != nil || got["1"] != "a" || got["3"] != "c" || len(problems) != 1 || !strings.Contains(problems["2"].Error(), "later") {
		t.Errorf("%v, %v, %v", got, problems, err)
	}
}

// R5: an empty body is one if the server says so, when asked again; any other is none.
func TestR5EmptyBody(t *testing.T) {
	f, a, _ := first(t)
	empty := func(n, size string) string { return "* " + n + " FETCH (UID " + n + size + " BODY[] \"\")\r\n" }
	f.say("UID FETCH 1:3 (UID BODY.PEEK[])", empty("1", "")+empty("2", "")+empty("3", "")+"%s OK\r\n")
	f.say("UID FETCH 1 (UID RFC822.SIZE BODY.PEEK[])", empty("1", " RFC822.SIZE 0")+"%s OK\r\n")
	f.say("UID FETCH 2 (UID RFC822.SIZE BODY.PEEK[])", empty("2", " RFC822.SIZE 9")+"%s OK\r\n")
	f.say("UID FETCH 3 (UID RFC822.SIZE BODY.PEEK[])", "* 3 FETCH (UID 3 RFC822.SIZE 1 BODY[] {1}\r\nc)\r\n%s OK\r\n")
	got, problems := fetchAll(t, a, []mailbox.ID{"1", "2", "3"})
	if _, ok := got["1"]; !ok || got["3"] != "c" || len(problems) != 1 || problems["2"] == nil {
		t.Errorf("%v, %v", got, problems)
	}
}

// R5: an answer that does not say which message it is about makes a scan ask what is there, and a question fail.
func TestR5NoUID(t *testing.T) {
	f, a, cursor := first(t)
	f.say("SELECT", selected(7, 5, 3, "6"))
	f.say("UID FETCH 4:*", "* 3 FETCH (FLAGS () INTERNALDATE \"01-Jan-2024 00:00:00 +0000\" RFC822.SIZE 5 MODSEQ (6))\r\n%s OK\r\n")
	f.say("UID SEARCH", "* ESEARCH (TAG \"%s\") UID COUNT 3 ALL 1:2,4\r\n%s OK\r\n")
	f.say("UID FETCH 4 ", meta("4")+"%s OK\r\n")
	s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
	if !slices.Contains(present(s), "4") || !slices.Equal(s.Gone, []mailbox.ID{"3"}) || !s.Settled {
		t.Errorf("%+v", s)
	}
	f.say("UID FETCH 1:3 (UID X-GM-MSGID)", "* 1 FETCH (X-GM-MSGID 5)\r\n%s OK\r\n")
	_, err := a.Ask(t.Context(), "INBOX", Question{Fetch: []string{"1:3 (UID X-GM-MSGID)"}, Begin: func() {}, Take: func(*wire.Fetch, []byte) {}})
	if !errors.Is(err, mailbox.ErrTemporary) {
		t.Error(err)
	}
}

// R18: one flag that is refused does not keep the others from being set.
func TestR18RefusedFlag(t *testing.T) {
	f, a, _ := first(t)
	f.say("UID STORE", "%s OK\r\n")
	f.say("UID STORE 1:2 +FLAGS.SILENT (work)", "%s NO keyword\r\n")
	f.say("UID STORE 2 +FLAGS.SILENT (work)", "%s BAD keyword\r\n")
	work := mailbox.MakeFlags("work")
	var refused []mailbox.ID
	err := a.SetFlags(context.Background(), "INBOX", []mailbox.FlagChange{{ID: "1", Add: work}, {ID: "2", Add: work}, {ID: "3", Add: mailbox.MakeFlags(mailbox.Seen)}},
		func(id mailbox.ID, _ error) { refused = append(refused, id) })
	if err != nil || !slices.Equal(refused, []mailbox.ID{"2"}) || len(f.sent("UID STORE 3 +FLAGS.SILENT (\\Seen)")) != 1 {
		t.Errorf("%v, %v, %q", refused, err, f.sent("UID STORE"))
	}
}

// S26: a COPYUID that does not fit what was sent tells nothing.
func TestS26CopyUID(t *testing.T) {
	set := func(s string) goimap.UIDSet {
		parsed, err := wire.ParseUIDSet(s)
		if err != nil {
			t.Fatal(err)
		}
		return numSet(parsed)
	}
	ids := []mailbox.ID{"1", "2"}
	for _, tt := range []struct{ source, dest, want string }{
		{"1:2", "8:9", "8 9"}, {"1:2", "8", " "}, {"1:3", "8:10", " "}, {"5:6", "8:9", " "}, {"1:4294967295", "1:4294967295", " "}, {"2", "9", " 9"},
	} {
		arrived := map[mailbox.ID]mailbox.ID{}
		mapCopied(ids, wire.UIDSetOf(1, 2), set(tt.source), set(tt.dest), arrived)
		if got := string(arrived["1"] + " " + arrived["2"]); got != tt.want {
			t.Errorf("%s to %s: %q, want %q", tt.source, tt.dest, got, tt.want)
		}
	}
}

// M12: a deflated stream may stall, or blow up a thousandfold. Compression is not used, however often it is offered.
func TestM12CompressIsNotUsed(t *testing.T) {
	offer := "COMPRESS=DEFLATE " + usualCaps
	f := newFake(t, map[string]string{
		"AUTHENTICATE": "%s OK [CAPABILITY " + offer + "] in\r\n", "CAPABILITY": "* CAPABILITY " + offer + "\r\n%s OK\r\n",
		"LIST":   "* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 7 HIGHESTMODSEQ 5)\r\n%s OK\r\n",
		"SELECT": selected(7, 2, 1, "5"), "UID FETCH": meta("1") + "%s OK\r\n",
	})
	f.greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR COMPRESS=DEFLATE] hello\r\n"
	a := f.start().account()
	if _, err := a.Mailboxes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := f.scan(a, mailbox.ScanRequest{}); len(s.Present) != 1 {
		t.Errorf("%+v", s)
	}
	if asked := f.sent("COMPRESS"); len(asked) > 0 {
		t.Errorf("the server got %q", asked)
	}
}
