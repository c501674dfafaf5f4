package mailbox

import (
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		patterns string
		in, out  string
	}{
		{"", "INBOX Work Work/2024", ""},
		{"*", "INBOX Work/2024 Räkningar", ""},
		{"!Spam", "INBOX Spam/x Spa", "Spam"},
		{"* !Spam*", "INBOX Work", "Spam Spam/old Spammers"},
		{"INBOX", "INBOX", "Work INBOX/sub inbox"},
		{"Work/*", "Work/2024 Work/2024/May", "Work INBOX"},
		{"* !Archive/* Archive/2026", "INBOX Archive/2026 Archive", "Archive/2025"},
		{"R?kningar", "Räkningar Rakningar", "Rkningar Räkninga"},
		{"a*b*c", "abc aXbYc abbc", "ab acb abcd"},
		{"[a]", "[a]", "a"},
		{"*a*a*a*a*a*a*a*a*b", "aaaaaaaab", strings.Repeat("a", 3000)},
	} {
		p := Patterns(strings.Fields(tt.patterns))
		for _, name := range strings.Fields(tt.in) {
			if !p.Match(Name(name)) {
				t.Errorf("%q leaves out %q", tt.patterns, name)
			}
		}
		for _, name := range strings.Fields(tt.out) {
			if p.Match(Name(name)) {
				t.Errorf("%q takes in %.20q", tt.patterns, name)
			}
		}
	}
}

func TestPatternsCheck(t *testing.T) {
	for _, p := range []Patterns{{""}, {"*", "!"}} {
		if p.Check() == nil {
			t.Errorf("%q passes", p)
		}
	}
	if err := (Patterns{"*", "!Spam"}).Check(); err != nil {
		t.Error(err)
	}
}
