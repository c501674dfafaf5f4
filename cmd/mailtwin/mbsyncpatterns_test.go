package main

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

func TestOurPatterns(t *testing.T) {
	for _, tt := range []struct {
		choices []mbsyncChoice
		want    string // "no" if it cannot be written down
	}{
		{[]mbsyncChoice{{one: "INBOX"}}, "INBOX"},
		{[]mbsyncChoice{{patterns: []string{"*"}}}, "*"},
		{[]mbsyncChoice{{patterns: []string{"*", "!Spam", "!Archive/*", "Archive/2026"}}}, "* !Spam !Archive/* Archive/2026"},
		{[]mbsyncChoice{{patterns: []string{"%", "!Trash"}}}, "* !*/* !Trash"},
		{[]mbsyncChoice{{patterns: []string{"INBOX", "Lists/%", "%"}}}, "* !*/* Lists/* !Lists/*/* INBOX"},
		{[]mbsyncChoice{{patterns: []string{"!Trash", "*"}}}, "*"},
		{[]mbsyncChoice{{patterns: []string{"[Gmail]/*"}}, {one: "INBOX"}}, "[Gmail]/* INBOX"},
		{[]mbsyncChoice{{one: "[Gmail]/Entw&APw-rfe"}}, "[Gmail]/Entwürfe"},
		{[]mbsyncChoice{{one: "Trash"}, {patterns: []string{"*", "!Trash"}}}, "* !Trash Trash"},
		{[]mbsyncChoice{{patterns: []string{"*", "!Spam%"}}}, "no"},
		{[]mbsyncChoice{{patterns: []string{"*", "!a"}}, {patterns: []string{"b/*", "!b/c"}}}, "no"},
		{[]mbsyncChoice{{patterns: []string{"*", "!a/*", "a/%"}}}, "no"},
		{[]mbsyncChoice{{patterns: []string{"a?"}}}, "no"},
	} {
		got := "no"
		if patterns, exact := ourPatterns(tt.choices); exact {
			got = strings.Join(patterns, " ")
		}
		if got != tt.want {
			t.Errorf("%v: %q, want %q", tt.choices, got, tt.want)
		}
	}
}

// What is written down in our patterns chooses what mbsync's patterns choose.
func TestOurPatternsChooseTheSame(t *testing.T) {
	pattern := rapid.StringMatching(`!?[ab]?[/%*]?[ab%*]?(/[ab%*])?`).Filter(func(s string) bool { return strings.TrimPrefix(s, "!") != "" })
	name := rapid.StringMatching(`[ab]{1,2}(/[ab]{1,2}){0,3}`)
	exacts := 0
	rapid.Check(t, func(t *rapid.T) {
		var choices []mbsyncChoice
		for i := range rapid.IntRange(1, 3).Draw(t, "channels") {
			c := mbsyncChoice{patterns: rapid.SliceOfN(pattern, 1, 4).Draw(t, fmt.Sprint("patterns", i))}
			if rapid.IntRange(0, 4).Draw(t, "one") == 0 {
				c = mbsyncChoice{one: name.Draw(t, "name")}
			}
			choices = append(choices, c)
		}
		patterns, exact := ourPatterns(choices)
		if !exact {
			return
		}
		exacts++
		for range 20 {
			n := name.Draw(t, "name")
			want := false
			for _, c := range choices {
				want = want || c.matches(n)
			}
			if len(patterns) == 0 { // nothing is chosen, which no patterns say
				if want {
					t.Fatalf("%v choose %q, and there are no patterns", choices, n)
				}
				continue
			}
			if got := patterns.Match(mailbox.Name(n)); got != want {
				t.Fatalf("%v as %q: %q is %v, not %v", choices, patterns, n, got, want)
			}
		}
	})
	if exacts < 20 {
		t.Errorf("only %d could be written down", exacts)
	}
}
