package rcfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// written writes sections down in one line.
func written(sections []*Section) string {
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "[%s %s:%d]", s.Kind, s.Name, s.Line)
		for _, o := range s.Options {
			fmt.Fprintf(&b, " %s:%d=%q", o.Key, o.Line, o.Values)
		}
	}
	return b.String()
}

func TestParseMbsync(t *testing.T) {
	for _, tt := range []struct{ name, text, want, wrong string }{
		{name: "nothing", want: "[ :1]"},
		{
			name: "sections", text: "Expunge None\nCREATE Both\n\nIMAPStore far\nHost h\n# a comment ends nothing\n  PassCmd \"pass show a\\\"b\\\\\"\n\nChannel c\nFar :far:\n",
			want: `[ :1] expunge:1=["None"] create:2=["Both"][imapstore far:4] host:5=["h"] passcmd:7=["pass show a\"b\\"][channel c:9] far:10=[":far:"]`,
		},
		{name: "quotes within a word", text: `Pass a"b c"d\ e # no`, want: `[ :1] pass:1=["ab cd e"]`},
		{name: "a hash within a word", text: "Pass a#b", want: `[ :1] pass:1=["a#b"]`},
		{name: "DOS line ends", text: "Create Both\r\n\r\nGroup g\r\n", want: `[ :1] create:1=["Both"][group g:3]`},
		{
			name: "a group", text: "Group g a b:x,y\nChannel c\nChannels d e",
			want: `[ :1][group g:1] channels:1=["a" "b:x,y"] channels:2=["c"] channels:3=["d" "e"]`,
		},
		{name: "an empty value", text: `Path ""`, want: `[ :1] path:1=[""]`},
		{name: "no value", text: "Sync\n", wrong: "line 1: Sync has no value"},
		{name: "a comment in place of a value", text: "\nSync # all", wrong: "line 2: Sync has no value"},
		{name: "an open quote", text: `Pass "a`, wrong: "line 1: a quote is not closed"},
		{name: "a backslash at the end", text: `Pass a\`, wrong: "line 1: it ends in a backslash"},
		{name: "no empty line", text: "IMAPStore a\nHost h\nMaildirStore b", wrong: "line 3: MaildirStore begins within the section of line 1"},
		{name: "an empty line too many", text: "IMAPStore a\n\nHost h", wrong: "line 3: Host stands outside of all sections"},
		{name: "too many names", text: "IMAPStore a b", want: `[ :1][imapstore a:1] :1=["b"]`},
	} {
		got, err := ParseMbsync(tt.text)
		if tt.wrong != "" {
			if err == nil || !strings.HasPrefix(err.Error(), tt.wrong) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.wrong)
			}
			continue
		}
		if err != nil || written(got) != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, written(got), err, tt.want)
		}
	}
}

// Nothing makes it fail but with the number of a line, and what it returns is no more than what it was given.
func FuzzParseMbsync(f *testing.F) {
	for _, seed := range []string{"Expunge None\n\nIMAPStore far\nHost \"a b\"\n", "Group g a\nChannel b", `Pass a\`, "Pass \"a\n", "\x00\xff #"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sections, err := ParseMbsync(text)
		lines := strings.Count(text, "\n") + 1
		if err != nil {
			wantLine(t, err, lines)
			return
		}
		octets := 0
		for _, s := range sections {
			for _, o := range s.Options {
				if o.Line < 1 || o.Line > lines || len(o.Values) == 0 {
					t.Errorf("%q in line %d of %d: %q", o.Key, o.Line, lines, o.Values)
				}
				for _, v := range o.Values {
					octets += len(v)
				}
			}
		}
		if octets > len(text) {
			t.Errorf("%d octets became %d", len(text), octets)
		}
	})
}

func wantLine(t *testing.T, err error, lines int) {
	t.Helper()
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Line < 1 || syntax.Line > lines {
		t.Errorf("%v names no line of %d", err, lines)
	}
}
