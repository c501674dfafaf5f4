package imap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// R7: what the server says of changes counts only if its number is not lower than ours, and the witnesses say that it
// counts on from there. Else everything is listed.
func TestR7Witnesses(t *testing.T) {
	lines := func(mods ...int) string {
		text := ""
		for i, mod := range mods {
			if mod > 0 {
				text += fmt.Sprintf("* %d FETCH (UID %d FLAGS () MODSEQ (%d))\r\n", i+1, i+1, mod)
			}
		}
		return text + "%s OK\r\n"
	}
	for _, tt := range []struct {
		name, highest, witnesses string
		full                     bool
	}{
		{"nothing happened to them", "9", lines(5, 5, 5), false},
		{"one is as it was", "9", lines(9, 8, 5), false},
		{"two are gone", "9", lines(0, 0, 5), false},
		{"the number is lower", "4", lines(5, 5, 5), true},
		{"there is no number", "", lines(5, 5, 5), true},
		{"one is lower", "9", lines(5, 5, 4), true},
		{"all have changed", "9", lines(9, 9, 9), true},
		{"all are gone", "9", lines(), true},
		{"it says nothing of them", "9", "* 1 FETCH (UID 1 FLAGS ())\r\n%s OK\r\n", true},
		{"it refuses", "9", lines(5, 5, 5)[:len(lines(5, 5, 5))-4] + "NO\r\n", true},
	} {
		f, a, cursor := first(t)
		f.say("SELECT", selected(7, 4, 3, tt.highest))
		f.say("UID FETCH 1:3 (UID FLAGS MODSEQ)", tt.witnesses)
		f.say("UID FETCH 1:* (UID FLAGS MODSEQ)", "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 2 FETCH (UID 2 FLAGS ())\r\n* 3 FETCH (UID 3 FLAGS ())\r\n%s OK\r\n")
		s := f.scan(a, mailbox.ScanRequest{Since: cursor, Known: knows("1", "2", "3")})
		if s.Full != tt.full || s.Full && (len(s.Present) != 3 || !s.Present[0].Flags.Has(mailbox.Seen)) || len(s.Gone) > 0 {
			t.Errorf("%s: %+v", tt.name, s)
		}
	}
}

// R7: the witnesses are spread over what changed at different times, and none is a message that never changed.
func TestR7ManyWitnesses(t *testing.T) {
	v := &survey{}
	for uid := uint32(1); uid <= 1000; uid++ {
		v.seen.add(uid).mod = uint64(uid)
	}
	got := v.witnesses()
	if len(got) != maxWitnesses || got[0].Mod != 2 || got[maxWitnesses-1].Mod != 1000 || got[4].Mod < 500 || got[4].Mod > 600 {
		t.Errorf("%v", got)
	}
}

// R7: at least every 30 days a mailbox is looked into, and listed in full, whatever its numbers say.
func TestR7FullListing(t *testing.T) {
	now := time.Now()
	for _, name := range []mailbox.Name{"INBOX", "Work", "Archive/2024"} {
		changes := 0
		for day := range 300 {
			today := now.AddDate(0, 0, day)
			if period(name, today) != period(name, today.AddDate(0, 0, 1)) {
				changes++
			}
		}
		if changes != 10 {
			t.Errorf("%s: %d times in 300 days", name, changes)
		}
	}
	f, a, cursor := first(t)
	old := readMemo(cursor)
	old.Full -= int64(fullEvery / time.Second)
	f.say("UID FETCH 1:* (UID FLAGS MODSEQ)", witnesses)
	for _, tt := range []struct {
		since mailbox.Cursor
		full  bool
	}{{cursor, false}, {old.cursor(), true}} {
		s := f.scan(a, mailbox.ScanRequest{Since: tt.since, Known: knows("1", "2", "3")})
		if s.Full != tt.full || readMemo(s.Cursor).Full < now.Add(-time.Minute).Unix() || !strings.HasSuffix(s.Cursor.Mark, fmt.Sprint(period("INBOX", now))) {
			t.Errorf("full %v, want %v; mark %q", s.Full, tt.full, s.Cursor.Mark)
		}
	}
}
