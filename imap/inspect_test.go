package imap

import (
	"fmt"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// A look at all messages costs one flight; what does not add up is scanned, which asks further.
func TestInspect(t *testing.T) {
	one := func(uid int, more string) string { return fmt.Sprintf("* %d FETCH (UID %d%s)\r\n", uid, uid, more) }
	whole := func(uid int) string { return one(uid, ` FLAGS (\Seen) RFC822.SIZE 10`) }
	for _, tt := range []struct {
		name, answer string
		exists       int
		want         string
		scans        bool
	}{
		{name: "all", answer: whole(1) + whole(2) + "%s OK\r\n", exists: 2, want: "1,S#10 2,S#10"},
		{name: "in any order", answer: whole(2) + whole(1) + "%s OK\r\n", exists: 2, want: "1,S#10 2,S#10"},
		{name: "flags once more", answer: whole(1) + whole(2) + one(1, ` FLAGS (\Flagged)`) + "%s OK\r\n", exists: 2, want: "1,F#10 2,S#10"},
		{name: "in two answers", answer: one(1, " RFC822.SIZE 3") + one(1, ` FLAGS (\Seen)`) + "%s OK\r\n", exists: 1, want: "1,S#3"},
		{name: "empty", answer: "%s OK\r\n"},
		{name: "empty, and * is wrong then", answer: "%s BAD what\r\n"},
		{name: "one is left out", answer: whole(1) + "%s OK\r\n", exists: 2, want: "1#10 2#10", scans: true},
		{name: "one too many", answer: whole(1) + whole(2) + whole(9) + "%s OK\r\n", exists: 2, want: "1#10 2#10", scans: true},
		{name: "a size is missing", answer: whole(1) + one(2, ` FLAGS ()`) + "%s OK\r\n", exists: 2, want: "1#10 2#10", scans: true},
		{name: "flags are missing", answer: whole(1) + one(2, ` RFC822.SIZE 10`) + "%s OK\r\n", exists: 2, want: "1#10 2#10", scans: true},
	} {
		f := newFake(t, map[string]string{
			"EXAMINE": selected(7, 4, tt.exists, "5"), "SELECT": selected(7, 4, tt.exists, "5"),
			"UID FETCH 1:* (UID FLAGS RFC822.SIZE)": tt.answer, "UID FETCH 1:* (UID FLAGS INTERNALDATE": meta("1") + meta("2") + "%s OK\r\n",
			"UID SEARCH": "* ESEARCH (TAG \"%s\") UID COUNT 2 ALL 1:2\r\n%s OK\r\n",
		})
		a := f.start().account()
		var words []string
		scan, err := a.Inspect(t.Context(), mailbox.Inbox, func(m mailbox.Message) {
			word := string(m.ID)
			if !m.Flags.Empty() {
				word += "," + m.Flags.Letters()
			}
			words = append(words, fmt.Sprintf("%s#%d", word, m.Size))
		})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := strings.Join(words, " "); got != tt.want || !scan.Settled || scan.Generation != "7" || len(scan.Present) > 0 {
			t.Errorf("%s: got %q, %+v", tt.name, got, scan)
		}
		if scans := len(f.sent("SELECT")) > 0; scans != tt.scans || len(f.sent("EXAMINE")) != 1 {
			t.Errorf("%s: sent %q", tt.name, f.sent(""))
		}
	}
}

// A mailbox that is not there, and one whose messages are not told, are errors, and nothing is taken for empty.
func TestInspectErrors(t *testing.T) {
	for name, answers := range map[string]map[string]string{
		"no mailbox":   {"EXAMINE": "%s NO none\r\n", "UID FETCH": "%s BAD nothing selected\r\n"},
		"nothing told": {"EXAMINE": selected(7, 4, 2, "5"), "UID FETCH": "%s NO not now\r\n"},
		"hangs up":     {"EXAMINE": selected(7, 4, 2, "5"), "UID FETCH": ""},
	} {
		a := newFake(t, answers).start().account()
		if _, err := a.Inspect(t.Context(), mailbox.Inbox, func(mailbox.Message) { t.Errorf("%s: a message was told of", name) }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
