package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

func TestKeywords(t *testing.T) {
	const file = "0 work\n1 $Forwarded\n3 \\Seen\n4 a b\nnonsense\n25 late\n26 beyond\n"
	k := parseKeywords(file)
	for _, tt := range []struct{ letters, flags, back string }{
		{"", "", ""},
		{"S", `\Seen`, "S"},
		{"Sa", `\Seen work`, "Sa"},
		{"b", `$Forwarded`, "Pb"},
		{"P", `$Forwarded`, "Pb"},
		{"dz", "late", "dz"},
		{"QX", "", "QX"},
		{"ba", "$Forwarded work", "Pab"},
	} {
		flags := k.flags(tt.letters)
		if got := flags.String(); got != tt.flags {
			t.Errorf("%q means %q, want %q", tt.letters, got, tt.flags)
		}
		if got := k.letters(flags, tt.letters); got != tt.back {
			t.Errorf("%q is written as %q, want %q", tt.letters, got, tt.back)
		}
	}
	if got, want := k.letters(mailbox.Flags{}, "FPSbz"), ""; got != want {
		t.Errorf("no flags are %q, want %q", got, want)
	}
	if k.assign(mailbox.MakeFlags("WORK", mailbox.Seen)) {
		t.Error("a keyword got a second letter")
	}
	if !k.assign(mailbox.MakeFlags("fresh")) || k.names[2] != "fresh" {
		t.Errorf("the letters are %q", k.names)
	}
	if got, want := k.String(), "0 work\n1 $Forwarded\n2 fresh\n25 late\n3 \\Seen\n4 a b\nnonsense\n26 beyond\n"; got != want {
		t.Errorf("written as %q, want %q", got, want)
	}
}

func TestKeywordsBothWays(t *testing.T) {
	w := newWorld(t)
	id := w.deliver("INBOX", `1 \Seen work|a`)[0].ID
	other := w.deliver("INBOX", `2 play|b`)[0].ID
	wantFlags := func(want ...string) {
		t.Helper()
		s := w.scan("INBOX", known(id, other))
		for i, m := range s.Present {
			if got := m.Flags.String(); got != want[i] {
				t.Errorf("message %d has %q, want %q", i, got, want[i])
			}
		}
	}
	wantFlags(`\Seen work`, "play")
	w.flag(id, "play $label1", "work")
	wantFlags(`\Seen $label1 play`, "play")
	w.flag(other, "", "play")
	wantFlags(`\Seen $label1 play`, "")
	text, err := os.ReadFile(filepath.Join(w.root, "INBOX/dovecot-keywords"))
	if err != nil || string(text) != "0 work\n1 play\n2 $label1\n" {
		t.Errorf("the file is %q, %v", text, err)
	}
}

// flag changes flags of one message of INBOX, which are written as words.
func (w *world) flag(id mailbox.ID, add, take string) {
	w.t.Helper()
	change := mailbox.FlagChange{ID: id, Add: words(add), Take: words(take)}
	err := w.SetFlags(w.t.Context(), "INBOX", []mailbox.FlagChange{change}, func(id mailbox.ID, err error) { w.t.Errorf("%s: %v", id, err) })
	if err != nil {
		w.t.Fatal(err)
	}
}

func words(text string) (f mailbox.Flags) {
	for word := range strings.FieldsSeq(text) {
		f = f.With(mailbox.Flag(word))
	}
	return f
}

func TestNoLetterLeft(t *testing.T) {
	w := newWorld(t)
	var all []string
	for i := range 27 {
		all = append(all, fmt.Sprintf("k%02d", i))
	}
	id := w.deliver("INBOX", "1 "+strings.Join(all, " ")+"|a")[0].ID
	s := w.scan("INBOX", known(id))
	if got := len(s.Present[0].Flags.Keywords()); got != 26 {
		t.Errorf("%d keywords are shown, want 26", got)
	}
	for flag, want := range map[mailbox.Flag]bool{"k00": true, "K25": true, "k26": false, mailbox.Seen: true, mailbox.Forwarded: true} {
		if s.Holds(flag) != want {
			t.Errorf("holds %s: %v", flag, !want)
		}
	}
}

// A lost file of keywords takes no keyword from any message, and gives no message another one.
func TestLostKeywords(t *testing.T) {
	w := newWorld(t)
	id := w.deliver("INBOX", `1 \Seen work|a`)[0].ID
	if s := w.scan("INBOX", known(id)); !s.Holds("work") || !s.Holds("other") {
		t.Error("keywords are not held")
	}
	w.remove("INBOX/dovecot-keywords")
	s := w.scan("INBOX", known(id))
	if s.Holds("work") || s.Present[0].Flags.String() != `\Seen` {
		t.Errorf("the letter that nobody knows makes %q", s.Present[0].Flags)
	}
	w.deliver("INBOX", "2 other|b")
	s = w.scan("INBOX", known(id))
	if got := s.Present[0].Flags.String(); got != `\Seen` {
		t.Errorf("it became %q", got)
	}
	w.flag(id, `\Answered`, "")
	if got := w.files("INBOX/cur"); !strings.Contains(strings.Join(got, " "), string(id)+":2,RSa") {
		t.Errorf("cur holds %q", got)
	}
}
