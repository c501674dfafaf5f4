package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

// S31: whatever others wrote, a terminal sees no control character and no line that is not ours.
func TestS31Show(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Räkningar 請求", "Räkningar 請求"},
		{"\x1b[2Jgone", `\x1b[2Jgone`},
		{"a\nmailtwin: b", `a\x0amailtwin: b`},
		{"\x7f\u009b", `\x7f\x9b`},
		{"\u202eevil\u2066\u200b\ufeff", `\u202eevil\u2066\u200b\ufeff`},
		{"a\u2028b\u2029", `a\u2028b\u2029`},
		{"\U000e0041", `\ue0041`},
		{"\xff\x9b\uFFFD", `\xff\x9b` + "\uFFFD"},
		{strings.Repeat("x", 200), strings.Repeat("x", 200)},
		{strings.Repeat("x", 201), strings.Repeat("x", 197) + "..."},
		{strings.Repeat("請", 101), strings.Repeat("請", 98) + "..."},
		{strings.Repeat("\x1b", 60), strings.Repeat(`\x1b`, 49) + "..."},
	} {
		if got := show(tt.text); got != tt.want {
			t.Errorf("show(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// foreign draws texts that servers may well send.
var foreign = rapid.OneOf(rapid.String(),
	rapid.Map(rapid.SliceOf(rapid.Byte()), func(p []byte) string { return string(p) }),
	rapid.Map(rapid.SliceOf(rapid.SampledFrom([]rune{'\x1b', '\n', '\r', 0x9b, 0x7f, 0x202e, 0x200d, 0x2028, 'a', 0xe0041, '"', '\\'})),
		func(r []rune) string { return string(r) }))

// harmless fails if a text could drive a terminal. Newlines are the caller's.
func harmless(t interface {
	Helper()
	Errorf(string, ...any)
}, text string,
) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%q is not UTF-8", text)
	}
	for _, r := range text {
		if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			t.Errorf("%q has %U in it", text, r)
		}
	}
}

// S31: on every way to the screen.
func TestS31EveryWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := foreign.Draw(t, "name")
		words := foreign.Draw(t, "words")
		for _, o := range []common{{}, {verbose: true}, {json: true}} {
			env, stdout, stderr := testEnv(nil)
			teller := env.teller(o, name, false, env.progress(o))
			teller.Phase("list")
			teller.note(words)
			teller.Problem(&mailbox.MessageError{Mailbox: mailbox.Name(name), ID: mailbox.ID(words), Err: errors.New(words)})
			teller.finish(nil, fmt.Errorf("append: %s", words))
			err := env.printStatus(o, &account{name: name, Maildir: words, State: words}, known{
				twins:    []mailbox.Twin{{Name: mailbox.Name(name)}},
				troubles: []mailbox.Trouble{{Mailbox: mailbox.Name(name), ID: mailbox.ID(words), Reason: words}},
				runs:     []mailbox.Outcome{{Error: words, Status: 1}}, shelved: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			harmless(t, stdout.String())
			harmless(t, stderr.String())
			for line := range strings.Lines(stdout.String()) {
				if o.json && !json.Valid([]byte(line)) {
					t.Fatalf("not JSON: %q", line)
				}
			}
			for line := range strings.Lines(stderr.String()) {
				if !strings.HasPrefix(line, "mailtwin: ") && !strings.HasPrefix(line, "hint: ") {
					t.Fatalf("a line that is not ours: %q", line)
				}
			}
		}
	})
}

// What JSON says is what was meant, escapes and all.
func TestJSONLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := strings.ToValidUTF8(foreign.Draw(t, "text"), "\uFFFD")
		line, err := jsonLine(map[string]string{"text": want})
		if err != nil {
			t.Fatal(err)
		}
		harmless(t, line)
		var got map[string]string
		if err := json.Unmarshal([]byte(line), &got); err != nil || strings.Contains(line, "\n") {
			t.Fatalf("%q: %v", line, err)
		}
		if got["text"] != want {
			t.Fatalf("got %q, want %q", got["text"], want)
		}
	})
}

// Joined errors get a line each, everything else one line.
func TestComplain(t *testing.T) {
	a, b := errors.New("a"), errors.New("b\nc")
	for _, tt := range []struct {
		account string
		err     error
		want    string
	}{
		{"work", a, "mailtwin: work: a\n"},
		{"", errors.Join(a, b), "mailtwin: a\nmailtwin: b\\x0ac\n"},
		{"", &usageError{errors.Join(a, a)}, "mailtwin: a\nmailtwin: a\n"},
		{"w", fmt.Errorf("%w: %w", b, a), "mailtwin: w: b\\x0ac: a\n"},
		{"w", fmt.Errorf("list: %w", errors.Join(a, a)), "mailtwin: w: list: a\\x0aa\n"},
		{"w", mailbox.ErrTemporary, "mailtwin: w: temporary failure\nhint: what was done so far is kept; run again later\n"},
	} {
		env, _, stderr := testEnv(nil)
		env.complain(tt.account, tt.err)
		if got := stderr.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
