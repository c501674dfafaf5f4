package imap

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// R5: whatever subset of the bodies an answer leaves out, with lines in between that only tell flags, and in whatever
// order the items come, each of them is asked for alone; what still does not come is named with what the server said.
func TestR5AnySubset(t *testing.T) {
	bodies := map[mailbox.ID]string{
		"1": "* 1 FETCH (UID 1 BODY[] {3}\r\none)\r\n", "2": "* 2 FETCH (BODY[] {3}\r\ntwo UID 2)\r\n", "3": "* 3 FETCH (UID 3 FLAGS () BODY[] \"three\")\r\n",
		"4": "* 4 FETCH (BODY[] {4}\r\nfour FLAGS (\\Seen) UID 4)\r\n",
	}
	ids := []mailbox.ID{"1", "2", "3", "4"}
	for subset := range 1 << len(ids) {
		for _, lost := range []bool{false, true} {
			f, a, _ := first(t)
			all := "* 9 FETCH (UID 9 FLAGS (\\Seen))\r\n"
			for i, id := range ids {
				all += "* " + string(id) + " FETCH (UID " + string(id) + " FLAGS (\\Seen))\r\n"
				alone := bodies[id] + "%s OK\r\n"
				if subset>>i&1 == 0 {
					all += bodies[id] + bodies[id] // twice is once
				} else if lost {
					alone = []string{"%s OK\r\n", "%s NO [UNAVAILABLE] later\r\n", "* 3 FETCH (UID 3 BODY[] NIL)\r\n%s OK\r\n", "%s BAD\r\n"}[i]
				}
				f.say("UID FETCH "+string(id)+" (UID BODY.PEEK[])", alone)
			}
			f.say("UID FETCH 1:4 (UID BODY.PEEK[])", all+"%s OK\r\n")
			got, problems := fetchAll(t, a, ids)
			for i, id := range ids {
				left := subset>>i&1 == 1 && lost
				if (got[id] == "") != left || (problems[id] != nil) != left || !left && !strings.Contains(bodies[id], got[id]) {
					t.Errorf("without %04b, lost %v: message %s is %q, %v", subset, lost, id, got[id], problems[id])
				}
			}
			alone := slices.DeleteFunc(f.sent("UID FETCH"), func(c string) bool { return len(c) != len("UID FETCH 1 (UID BODY.PEEK[])") })
			want := subset&1 + subset>>1&1 + subset>>2&1 + subset>>3&1
			if len(alone) != want {
				t.Errorf("without %04b: asked alone %q", subset, alone)
			}
		}
	}
}

// fetchAll reads bodies, and why others did not come. One that comes twice is an error.
func fetchAll(t *testing.T, a *Account, ids []mailbox.ID) (map[mailbox.ID]string, map[mailbox.ID]error) {
	t.Helper()
	got, problems := map[mailbox.ID]string{}, map[mailbox.ID]error{}
	err := a.Fetch(t.Context(), mailbox.Inbox, ids, func(id mailbox.ID, r io.Reader) error {
		b, err := io.ReadAll(r)
		if got[id] != "" || !slices.Contains(ids, id) {
			t.Errorf("message %s came again, or unasked", id)
		}
		got[id] = string(b)
		return err
	}, func(id mailbox.ID, err error) { problems[id] = err })
	if err != nil {
		t.Error(err)
	}
	return got, problems
}

// R15: statuses that come behind all names, before theirs, twice, or not at all are each mailbox's own, and none means
// that it has to be looked into. A listing of nothing is no error here: what it leaves out is asked for by Vanished.
func TestR15Statuses(t *testing.T) {
	status := func(name, messages string) string {
		return "* STATUS " + name + " (MESSAGES " + messages + " UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 5)\r\n"
	}
	const a, b, c = "* LIST () \"/\" A\r\n", "* LIST () \"/\" B\r\n", "* LIST () NIL C\r\n"
	for _, tt := range []struct {
		answer string
		want   []string
	}{
		{a + b + c + status("A", "1") + status("B", "2") + status("C", "3"), []string{"A 1", "B 2", "C 3"}},
		{status("B", "2") + status("A", "1") + a + b, []string{"A 1", "B 2"}},
		{a + status("A", "9") + status("A", "1") + b, []string{"A 1", "B "}},
		{a + a + status("A", "x") + b + status("\"B\"", "2"), []string{"A ", "B 2"}},
		{"* LIST () \"/\" inbox\r\n" + status("INBOX", "4"), []string{"INBOX 4"}},
		{"* LIST (\\NonExistent) \"/\" A\r\n* LIST () \"/\" A/B\r\n" + status("A/B", "2"), []string{"A!", "A/B 2"}},
		{"", nil},
	} {
		f := newFake(t, map[string]string{"LIST": tt.answer + "%s OK\r\n"})
		infos, err := f.start().account().Mailboxes(t.Context())
		var got []string
		for _, info := range infos {
			text := string(info.Name) + " "
			if words := strings.Fields(info.Mark); len(words) > 2 {
				text += words[2]
			}
			if info.NoSelect {
				text = string(info.Name) + "!"
			}
			got = append(got, text)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, %v, want %q", tt.answer, got, err, tt.want)
		}
	}
}

// R15: a name that cannot be read costs that mailbox alone, and is told of.
func TestR15UnreadableName(t *testing.T) {
	f := newFake(t, map[string]string{"LIST": "* LIST () \"/\" A\r\n* LIST () \"/\" \"&bad\"\r\n* LIST () \"/\" \"\xff\xfe\"\r\n* LIST (\r\n* LIST () \"/\" B\r\n%s OK\r\n"})
	o := f.start().options()
	var told []string
	o.Report = func(text string) { told = append(told, text) }
	a, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }() // it is over
	infos, err := a.Mailboxes(t.Context())
	if err != nil || len(infos) != 2 || len(told) != 3 {
		t.Errorf("%+v, %v, told %q", infos, err, told)
	}
}

// R15: a mailbox that cannot be opened is an error of that mailbox, which says whether it is worth another try; and only
// a NO without another reason says that there is none.
func TestR15RefusedSelect(t *testing.T) {
	for _, tt := range []struct {
		answer          string
		none, temporary bool
	}{
		{"NO [NONEXISTENT] none", true, false},
		{"NO none", true, false},
		{"NO [UNAVAILABLE] later", false, true},
		{"NO [INUSE] locked", false, true},
		{"NO [NOPERM] not yours", false, false},
		{"BAD what", false, false},
		{"NO [SERVERBUG] oops", false, true},
		{"NO System Error (Failure)", false, true},
	} {
		f, a, cursor := first(t)
		f.say("SELECT \"Work\"", "%s "+tt.answer+"\r\n")
		f.say("SELECT Work", "%s "+tt.answer+"\r\n")
		_, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: "Work", Known: knows("1")})
		var one *mailbox.MailboxError
		if !errors.As(err, &one) || one.Mailbox != "Work" || errors.Is(err, mailbox.ErrNoMailbox) != tt.none || errors.Is(err, mailbox.ErrTemporary) != tt.temporary {
			t.Errorf("%s: %v", tt.answer, err)
		}
		if s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")}); !s.Settled || len(s.Gone) > 0 {
			t.Errorf("%s: then %+v", tt.answer, s)
		}
	}
}
