package imap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/mailbox"
)

const resyncCaps = usualCaps + " ENABLE QRESYNC"

// R3, R4: what a server says to have vanished is gone if that adds up with how many messages there are; else a SEARCH
// tells. One that does not understand the question is asked in the old way, then and afterwards.
func TestR3Vanished(t *testing.T) {
	search := func(uids string, count int) string {
		return fmt.Sprintf("* ESEARCH (TAG \"%%s\") UID COUNT %d ALL %s\r\n%%s OK\r\n", count, uids)
	}
	for _, tt := range []struct {
		name, changes, search, gone string
		exists, searches            int
	}{
		{name: "one", changes: "* VANISHED (EARLIER) 3\r\n%s OK\r\n", exists: 2, gone: "3"},
		{name: "in two answers", changes: "* VANISHED (EARLIER) 1\r\n* VANISHED (EARLIER) 3:900\r\n%s OK\r\n", exists: 1, gone: "1 3"},
		{name: "what is there", changes: "* VANISHED (EARLIER) 1:3\r\n%s OK\r\n", exists: 3},
		{name: "one that is there, one that is not", changes: "* VANISHED (EARLIER) 1:2\r\n%s OK\r\n", exists: 2, gone: "2"},
		{name: "changed and gone", changes: "* 2 FETCH (UID 3 FLAGS ())\r\n* VANISHED (EARLIER) 3\r\n%s OK\r\n", exists: 2, search: search("1,3", 2), gone: "2", searches: 1},
		{name: "less than is gone", changes: "* VANISHED (EARLIER) 3\r\n%s OK\r\n", exists: 1, search: search("2", 1), gone: "1 3", searches: 1},
		{name: "just now", changes: "* VANISHED 3\r\n%s OK\r\n", exists: 3},
		{name: "nothing is said", changes: "%s OK\r\n", exists: 2, search: search("1:2", 2), gone: "3", searches: 1},
		{name: "unreadable", changes: "* VANISHED (EARLIER) x\r\n%s OK\r\n", exists: 2, search: search("1:2", 2), gone: "3", searches: 1},
		{name: "not understood", changes: "%s BAD what\r\n", exists: 2, search: search("1:2", 2), gone: "3", searches: 1},
	} {
		f, a, cursor := first(t)
		_ = a.Close() // what can be done is asked at the next login
		f.say("AUTHENTICATE", "%s OK [CAPABILITY "+resyncCaps+"] in\r\n")
		f.say("SELECT", selected(7, 4, tt.exists, "9"))
		f.say("UID FETCH 1:3 (UID FLAGS) (CHANGEDSINCE 5 VANISHED)", tt.changes)
		there := ""
		for _, uid := range []string{"1", "2", "3"} {
			if !strings.Contains(tt.gone, uid) {
				there += "* 1 FETCH (UID " + uid + " FLAGS () MODSEQ (5))\r\n"
			}
		}
		f.say("UID FETCH 1:3 (UID FLAGS MODSEQ)", there+"%s OK\r\n")
		f.say("UID FETCH 1:* ", there+"%s OK\r\n")
		if tt.search != "" {
			f.say("UID SEARCH", tt.search)
		}
		a = f.account()
		s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
		slices.Sort(s.Gone)
		if got := strings.Trim(fmt.Sprint(s.Gone), "[]"); got != tt.gone || !s.Settled {
			t.Errorf("%s: gone are %q, settled %v", tt.name, got, s.Settled)
		}
		if asked := f.sent("UID SEARCH"); len(asked) != tt.searches {
			t.Errorf("%s: asked %q", tt.name, asked)
		}
		if enabled := f.sent("ENABLE"); len(enabled) != 1 || enabled[0] != "ENABLE QRESYNC" {
			t.Errorf("%s: sent %q", tt.name, enabled)
		}
		f.scan(a, mailbox.ScanRequest{Since: s.Cursor, Known: knows("1", "2")})
		if asked := f.sent("UID FETCH 1:3 (UID FLAGS) (CHANGEDSINCE 9"); len(asked) != 1 || strings.Contains(asked[0], "VANISHED") == (tt.name == "not understood") {
			t.Errorf("%s: asks %q then", tt.name, asked)
		}
	}
}

// R2: what vanishes in the middle of anything is asked for again by the next look, in the right mailbox, for that asks from
// the SELECT on.
func TestR2VanishedAnywhere(t *testing.T) {
	f, a, cursor := first(t)
	_ = a.Close() // as above
	f.say("AUTHENTICATE", "%s OK [CAPABILITY "+resyncCaps+"] in\r\n")
	f.say("SELECT", "* VANISHED 1:3\r\n"+selected(7, 4, 3, "9"))
	f.say("ENABLE", "* ENABLED QRESYNC\r\n* VANISHED 1\r\n%s OK\r\n")
	f.say("UID FETCH 3 (UID BODY.PEEK[])", "* VANISHED 1\r\n* 3 FETCH (UID 3 BODY[] {3}\r\nabc)\r\n* VANISHED 2\r\n%s OK\r\n")
	a = f.account()
	s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
	if len(s.Gone) > 0 || !s.Settled {
		t.Errorf("gone are %q, settled %v", s.Gone, s.Settled)
	}
	if got, problems := fetchAll(t, a, []mailbox.ID{"3"}); got["3"] != "abc" || len(problems) > 0 {
		t.Errorf("%q, %v", got, problems)
	}
	f.say("SELECT", selected(7, 4, 1, "12"))
	f.say("UID FETCH 1:3 (UID FLAGS) (CHANGEDSINCE 9 VANISHED)", "* VANISHED (EARLIER) 1:2\r\n%s OK\r\n")
	f.say("UID FETCH 1:3 (UID FLAGS MODSEQ)", "* 1 FETCH (UID 3 FLAGS () MODSEQ (5))\r\n%s OK\r\n")
	s = f.scan(a, mailbox.ScanRequest{Since: s.Cursor, Known: knows("1", "2", "3")})
	slices.Sort(s.Gone)
	if fmt.Sprint(s.Gone) != "[1 2]" || !s.Settled {
		t.Errorf("gone are %q, settled %v", s.Gone, s.Settled)
	}
}

// R2: whatever command a VANISHED comes with, it is believed of no message there and then, least of all of one in another
// mailbox, and the next look at the right mailbox hears it again.
func TestR2VanishedWithEachCommand(t *testing.T) {
	const vanished = "* VANISHED 1\r\n* VANISHED 2\r\n"
	for _, tt := range []struct {
		verb, answer string
		do           func(*testing.T, *Account) error
	}{
		{"UID FETCH 3 (UID BODY.PEEK[])", "* 3 FETCH (UID 3 BODY[] {3}\r\nabc)\r\n", func(t *testing.T, a *Account) error {
			if got, problems := fetchAll(t, a, []mailbox.ID{"3"}); got["3"] != "abc" || len(problems) > 0 {
				t.Errorf("%q, %v", got, problems)
			}
			return nil
		}},
		{"UID STORE", "", func(t *testing.T, a *Account) error {
			change := mailbox.FlagChange{ID: "3", Add: mailbox.MakeFlags(mailbox.Seen)}
			return a.SetFlags(t.Context(), mailbox.Inbox, []mailbox.FlagChange{change}, func(id mailbox.ID, err error) { t.Errorf("%s: %v", id, err) })
		}},
		{"UID EXPUNGE", "", func(t *testing.T, a *Account) error {
			gone, _, err := a.Remove(t.Context(), mailbox.Inbox, []mailbox.Doomed{{ID: "3"}})
			if fmt.Sprint(gone) != "[3]" {
				t.Errorf("gone are %q", gone)
			}
			return err
		}},
		{"UID MOVE", "", func(t *testing.T, a *Account) error {
			moved, err := a.Move(t.Context(), mailbox.Inbox, []mailbox.Doomed{{ID: "3"}}, "Other")
			if len(moved.To) != 1 || len(moved.Gone) > 0 {
				t.Errorf("%+v", moved)
			}
			return err
		}},
		{"APPEND", "", func(t *testing.T, a *Account) error { _, errs := put(t, a, mailbox.Message{ID: "a"}); return errs[0] }},
		{"LIST", "* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 HIGHESTMODSEQ 9)\r\n", func(t *testing.T, a *Account) error {
			infos, err := a.Mailboxes(t.Context())
			if len(infos) != 1 {
				t.Errorf("%+v", infos)
			}
			return err
		}},
		{`SELECT "Other"`, strings.TrimSuffix(selected(7, 4, 3, "9"), "%s OK [READ-WRITE] x\r\n"), func(t *testing.T, a *Account) error {
			since := memo{Validity: 7, Next: 4, Highest: 5, Full: time.Now().Unix(), Witnesses: []witness{{UID: 3, Mod: 5}}}.cursor()
			s, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: "Other", Since: since, Known: knows("1", "2", "3")})
			if err != nil || len(s.Gone) > 0 || !s.Settled {
				t.Errorf("gone from the other mailbox are %q: %v", s.Gone, err)
			}
			return err
		}},
	} {
		f, a, cursor := first(t)
		_ = a.Close() // what can be done is asked at the next login
		f.say("AUTHENTICATE", "%s OK [CAPABILITY "+resyncCaps+"] in\r\n")
		f.say("SELECT", selected(7, 4, 3, "9"))
		a = f.account()
		s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
		if len(s.Gone) > 0 || !s.Settled {
			t.Fatalf("%s: gone are %q, settled %v", tt.verb, s.Gone, s.Settled)
		}
		if tt.verb != "LIST" { // which would be behind UNSELECT
			f.say("UID FETCH 3 (UID FLAGS INTERNALDATE", meta("3")+"%s OK\r\n")
		}
		f.say(tt.verb, vanished+tt.answer+"%s OK\r\n")
		if err := tt.do(t, a); err != nil {
			t.Errorf("%s: %v", tt.verb, err)
		}
		f.say("SELECT", selected(7, 4, 1, "12"))
		f.say("UID FETCH 1:3 (UID FLAGS) (CHANGEDSINCE 9 VANISHED)", "* VANISHED (EARLIER) 1\r\n* VANISHED (EARLIER) 2\r\n%s OK\r\n")
		f.say("UID FETCH 1:3 (UID FLAGS MODSEQ)", "* 1 FETCH (UID 3 FLAGS () MODSEQ (5))\r\n%s OK\r\n")
		s = f.scan(a, mailbox.ScanRequest{Since: s.Cursor, Known: knows("1", "2", "3")})
		slices.Sort(s.Gone)
		if fmt.Sprint(s.Gone) != "[1 2]" || !s.Settled {
			t.Errorf("%s: gone are %q, settled %v", tt.verb, s.Gone, s.Settled)
		}
	}
}

// R4: where much was expunged, the last message too, nothing is listed.
func TestR4ManyExpunged(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	theirs := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	proxy := imaptest.NewProxy(t, server.Addr, imaptest.ProxyOptions{})
	a := ours(t, proxy.Addr, server)
	sample := imaptest.Sample(2, 1, imaptest.CorpusOptions{MaxSize: 500})
	for range 1200 {
		if _, err := theirs.Append("INBOX", sample[0]); err != nil {
			t.Fatal(err)
		}
	}
	before, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: "INBOX", Known: known{}})
	if err != nil {
		t.Fatal(err)
	}
	all := known{}
	for _, m := range before.Present {
		all[m.ID] = true
	}
	var doomed []uint32
	for uid := uint32(1200); uid > 200; uid-- {
		doomed = append(doomed, uid)
	}
	if err := theirs.Expunge("INBOX", doomed...); err != nil {
		t.Fatal(err)
	}
	proxy.Reset()
	after, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: "INBOX", Since: before.Cursor, Known: all})
	if err != nil {
		t.Fatal(err)
	}
	stats := proxy.Stats()
	if len(after.Gone) != 1000 || !after.Settled || slices.Contains(after.Gone, "200") || stats.Commands["UID SEARCH"] > 0 || stats.ToClient > 4000 {
		t.Errorf("%d are gone, settled %v: %v, %d octets came", len(after.Gone), after.Settled, stats.Commands, stats.ToClient)
	}
}
