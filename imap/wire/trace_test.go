package wire

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"strings"
	"testing"
)

const secret = "s3cret wörd"

// S19: however a login is cut into writes and whatever form it has, and though the server sends it back, the trace does
// not show it. What else was sent is shown.
func FuzzTrace(f *testing.F) {
	for _, seed := range []string{"\x01", "\xff", "\x05\x01\x07", "\x02\x10\x03\x01\x01\x30"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, cuts []byte) {
		encoded := base64.StdEncoding.EncodeToString([]byte("\x00me\x00" + secret))
		for _, login := range []string{
			"T1 LOGIN \"me\" \"" + secret + "\"\r\n",
			"T1 LOGIN {2}\r\nme {12}\r\n" + secret + "\r\n",
			"T1 login me {12+}\r\n" + secret + "\r\n",
			"T1 AUTHENTICATE PLAIN " + encoded + "\r\n",
			"T1 AUTHENTICATE PLAIN\r\n" + encoded + "\r\n",
		} {
			text := traced(t, login, cuts)
			for _, hidden := range []string{secret, encoded, "s3cret"} {
				if strings.Contains(text, hidden) {
					t.Errorf("%q, cut %v, shows %q:\n%s", login, cuts, hidden, text)
				}
			}
			if !strings.Contains(text, `CREATE "after"`) || strings.Count(text, "\n") < 4 {
				t.Errorf("%q, cut %v: not all was shown:\n%s", login, cuts, text)
			}
		}
	})
}

// traced returns the trace of what go-imap might write, in pieces as long as cuts says, to a server that says all of it
// back.
func traced(t *testing.T, login string, cuts []byte) string {
	t.Helper()
	text := login + "T2 CREATE \"after\"\r\n"
	var out strings.Builder
	trace := NewTraceWriter(&out)
	c := New(discard{}, Options{Trace: trace.Conn()})
	c.Hide(secret)
	line := ""
	for i := 0; len(text) > 0; i++ {
		n := len(text)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		if end := strings.IndexByte(text, '\n') + 1; strings.Contains(login, "AUTHENTICATE") {
			n = min(n, end) // go-imap waits for what is said to a line of it
		}
		if _, err := io.WriteString(c, text[:n]); err != nil {
			t.Fatal(err)
		}
		line, text = line+text[:n], text[n:]
		if strings.HasSuffix(line, "\n") {
			c.traceLine([]byte("+ " + line))
			c.traceLine([]byte("* NO you said " + strings.TrimSpace(line) + " and " + secret))
			line = ""
		}
		if strings.HasPrefix(text, "T2 ") {
			c.take(c.prefix+"T1", "NO")
		}
	}
	if err := trace.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTraceIsOneLineASegment(t *testing.T) {
	var out lockedBuffer
	c, client, _ := dial(t, Options{Trace: NewTraceWriter(&out).Conn()}, answers{
		"greeting":  "* OK h\x1b[31mi\u202e\r\n",
		"UID FETCH": "* 1 FETCH (UID 7 BODY[] {9}\r\nfirst\nbar)\r\n%s OK\r\n",
	})
	if got := fetch(t, c); got != "7:first\nbar" {
		t.Errorf("got %q", got)
	}
	alive(t, c, client)
	text := strings.ReplaceAll(out.String(), c.prefix, "")
	want := "1 S: * OK h\uFFFD[31mi\uFFFD\n1 C: X1 UID FETCH 1:* (UID BODY.PEEK[])\n1 S: * 1 FETCH (UID 7 BODY[] {9}\n1 S: <9 octets>\n" +
		"1 S: )\n1 S: X1 OK\n1 C: T1 NOOP\n1 S: T1 OK done\n1 C: X2 NOOP\n1 S: X2 OK done\n"
	if text != want {
		t.Errorf("the trace says\n%s\nwant\n%s", text, want)
	}
}

// What a server says in the middle of AUTHENTICATE may hold what was sent, in any form.
func TestTraceHidesChallenges(t *testing.T) {
	var out strings.Builder
	c := New(discard{}, Options{Trace: NewTraceWriter(&out).Conn()})
	if _, err := io.WriteString(c, "T1 AUTHENTICATE XOAUTH2\r\n"); err != nil {
		t.Fatal(err)
	}
	c.traceLine([]byte("+ Y2hhbGxlbmdl"))
	c.take(c.prefix+"T1", "NO")
	c.traceLine([]byte("+ go on"))
	if text := out.String(); strings.Contains(text, "Y2hhb") || !strings.Contains(text, "+ ***") || !strings.Contains(text, "+ go on") {
		t.Errorf("the trace says\n%s", text)
	}
}

// S28: no words make a second command of one, or a literal, or nothing.
func FuzzCommand(f *testing.F) {
	f.Add("INBOX", "a b")
	f.Add("a\r\nT1 DELETE INBOX", "{5}")
	f.Add("\x00", "a\\\"b")
	f.Fuzz(func(t *testing.T, atom, text string) {
		line, err := Cmd("X").Atom(atom).String(text).Mailbox(text).line()
		if err != nil {
			return
		}
		if strings.ContainsAny(line, "\r\n\x00") || !strings.HasPrefix(line, "X "+atom+` "`) {
			t.Errorf("%q and %q make %q", atom, text, line)
		}
		p := parser{br: bufio.NewReader(strings.NewReader(line + "\r\n"))}
		if err := p.begin(); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"X", atom, text, text} {
			if got, _, err := p.text(); err != nil || string(got) != want && i != 1 {
				t.Errorf("%q: word %d reads %q, %v", line, i, got, err)
			}
			if i == 1 { // an atom may hold what ends a word elsewhere
				p.seg = []byte(strings.TrimPrefix(line, "X "+atom))
			}
		}
		if len(p.seg) > 0 {
			t.Errorf("%q: %q is left", line, p.seg)
		}
	})
}

func TestUnsendable(t *testing.T) {
	c, client, _ := dial(t, Options{}, nil)
	for _, cmd := range []*Command{Cmd("X").Atom(""), Cmd("X").Atom("a b"), Cmd("X").Set(nil), Cmd("X").String("é"), Cmd("X\r\nY"), Cmd("X").Atom("{5}"), Cmd("X").String("\x1b[31m")} {
		if _, err := c.Exec(context.Background(), nil, Cmd("NOOP"), cmd); err == nil {
			t.Errorf("%q was sent", cmd.text.String())
		}
	}
	alive(t, c, client)
}
