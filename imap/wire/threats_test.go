package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"mailtwin/mailbox"
)

// The names of these tests are numbers of known ways in which mail tools lose mail or get broken into. M are habits of
// go-imap, S of hostile servers, R of servers in general.

func TestM1AndS23NestingEndsTheConnectionNotTheProcess(t *testing.T) {
	deep := "* 1 FETCH (BODYSTRUCTURE " + strings.Repeat("(", 200_000) + "\r\n"
	for name, a := range map[string]answers{
		"asked for": {"UID FETCH": deep + "%s OK\r\n"},
		"unasked":   {"SELECT": deep + "* 3 EXISTS\r\n%s OK\r\n", "UID FETCH": deep + "%s OK\r\n"},
	} {
		c, client, _ := dial(t, Options{}, a)
		began := time.Now()
		if name == "unasked" {
			if _, err := client.Select("INBOX", nil).Wait(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err := c.Exec(context.Background(), func(r *Response) error {
			_, err := r.Fetch(nil)
			return err
		}, Cmd("UID FETCH").Raw("1 (BODYSTRUCTURE)"))
		if bound := new(BoundError); !errors.As(err, &bound) {
			t.Errorf("%s: %v, want a broken bound", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestM2EndlessSets(t *testing.T) {
	c, client, _ := dial(t, Options{}, answers{
		"UID COPY":   "%s OK [COPYUID 1 1:4294967295 1:4294967295] done\r\n",
		"UID SEARCH": "* ESEARCH (TAG \"%s\") UID COUNT 4294967295 ALL 1:4294967295\r\n%s OK\r\n",
	})
	data, err := client.Copy(goimap.UIDSetNum(1), "Trash").Wait()
	if err != nil || len(data.SourceUIDs) > 1 {
		t.Errorf("%v, %v", data, err)
	}
	var got Search
	_, err = c.Exec(context.Background(), func(r *Response) (err error) {
		got, err = r.Search()
		return err
	}, Cmd("UID SEARCH").Raw("ALL"))
	if err != nil || got.All.Count() != 1<<32-1 || len(got.All) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	alive(t, c, client)
}

func TestM3HugeLiteralIsRefused(t *testing.T) {
	for _, size := range []string{"268435456", "4294967295", "9223372036854775807", "-1", "", "99999999999999999999"} {
		c, _, _ := dial(t, Options{}, answers{"LIST": "* LIST () \"/\" {" + size + "}\r\n" + strings.Repeat("x", 1<<20)})
		before := memory()
		_, err := c.Exec(context.Background(), func(r *Response) error {
			_, err := r.List()
			return err
		}, Cmd("LIST").String("").String("*"))
		if bound := new(BoundError); !errors.As(err, &bound) {
			t.Errorf("{%s}: %v, want a broken bound", size, err)
		}
		if grown := memory() - before; grown > 16<<20 {
			t.Errorf("{%s}: %d octets more in use", size, grown)
		}
	}
}

func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestM4UnaskedFetchHidesNoBody(t *testing.T) {
	c, client, _ := dial(t, Options{}, answers{"UID FETCH": "* 1 FETCH (UID 7 FLAGS (\\Seen))\r\n" +
		"* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n%s OK\r\n"})
	if got := fetch(t, c); got != "7 7:hello" {
		t.Errorf("got %q", got)
	}
	alive(t, c, client)
}

func TestM5BodyBeforeUID(t *testing.T) {
	c, _, _ := dial(t, Options{}, answers{"UID FETCH": "* 1 FETCH (BODY[] {5}\r\nhello UID 7)\r\n%s OK\r\n"})
	if got := fetch(t, c); got != "7:hello" {
		t.Errorf("got %q", got)
	}
}

// M6: each of these must be told from a search that found nothing.
func TestM6SearchAnswers(t *testing.T) {
	for _, tt := range []struct{ answer, want string }{
		{"%s OK\r\n", "none"},
		{"* SEARCH\r\n%s OK\r\n", "all="},
		{"* SEARCH 3 1 2 9\r\n%s OK\r\n", "all=1:3,9"},
		{"* ESEARCH (TAG \"%s\") UID COUNT 0\r\n%s OK\r\n", "tag all="},
		{"* ESEARCH (TAG \"Z9\") UID COUNT 1 ALL 1\r\n%s OK\r\n", "all=1"},
		{"* ESEARCH (TAG \"%s\") UID ALL 1\r\n* ESEARCH (TAG \"%s\") UID ALL 2\r\n%s OK\r\n", "tag all=1; tag all=2"},
	} {
		c, _, _ := dial(t, Options{}, answers{"UID SEARCH": tt.answer})
		cmd := Cmd("UID SEARCH").Raw("RETURN (ALL COUNT) ALL")
		var said []string
		_, err := c.Exec(context.Background(), func(r *Response) error {
			s, err := r.Search()
			word := "all=" + s.All.String()
			if s.Tag == cmd.Tag() {
				word = "tag " + word
			}
			said = append(said, word)
			return err
		}, cmd)
		if len(said) == 0 {
			said = []string{"none"}
		}
		if got := strings.Join(said, "; "); err != nil || got != tt.want {
			t.Errorf("%q: got %q, %v, want %q", tt.answer, got, err, tt.want)
		}
	}
}

func TestM7StatusesAnywhereAndBadNames(t *testing.T) {
	var reports []string
	c, client, _ := dial(t, Options{Report: func(s string) { reports = append(reports, s) }}, answers{"LIST": "* LIST () \"/\" A\r\n" +
		"* LIST () \"/\" \"&bad\"\r\n* LIST () \"/\" \"\xff\xfe\"\r\n* LIST (\r\n* LIST () \"/\" B\r\n" +
		"* STATUS A (MESSAGES 1)\r\n* STATUS B (MESSAGES 2 HIGHESTMODSEQ -1 UIDNEXT 99999999999)\r\n%s OK\r\n"})
	var names []string
	counts := map[string]uint32{}
	_, err := c.Exec(context.Background(), func(r *Response) error {
		switch r.Kind {
		case "LIST":
			l, err := r.List()
			if err == nil {
				names = append(names, l.Name)
			}
			return err
		case "STATUS":
			s, err := r.StatusData()
			if err == nil && s.Messages != nil {
				counts[s.Name] = *s.Messages
			}
			if s.HighestModSeq != nil || s.UIDNext != nil {
				t.Errorf("%s: senseless numbers were taken: %+v", s.Name, s)
			}
			return err
		}
		return nil
	}, Cmd("LIST").String("").String("*"))
	if want := []string{"A", "&bad", "\xff\xfe", "B"}; err != nil || !slices.Equal(names, want) || counts["A"] != 1 || counts["B"] != 2 {
		t.Errorf("names %q, counts %v, %v", names, counts, err)
	}
	if len(reports) != 1 {
		t.Errorf("reports %q, want one of the line that cannot be read", reports)
	}
	alive(t, c, client)
}

// M8: go-imap alone closes the connection at each of these.
func TestM8OddLinesEndNothing(t *testing.T) {
	for _, line := range []string{
		"* 1 FETCH (UID 1 MODSEQ (-1))", "* OK [HIGHESTMODSEQ -1] x", `* 1 FETCH (INTERNALDATE "00-Jan-0000 00:00:00 +0000")`,
		"* 99999999999 EXISTS", "+ stray", "* VANISHED (EARLIER) 1:5", "* WHATEVER 1 2 3", "* 1 FETCH (X-UNKNOWN (a b) UID 3)",
		"* 0 FETCH (UID 1)", "* OK [UIDNEXT 0] x", "* 1 FETCH (UID 1 BODY[] NIL)", "* FLAGS (\\Seen OIB-Seen-[Gmail]/Tous les)",
		"* OK [PERMANENTFLAGS (\\Seen a[b] \\*)] x", "* OK [COPYUID 1 * 2] x", "* CAPABILITY IMAP4rev1 X\"Y {3}", "* OK", "* ESEARCH (", "*",
		"* SEARCH 4294967296", "* OK [UNKNOWN-CODE (nested ] )] x", "* LIST", "* STATUS", "* QUOTA \"\" (STORAGE 1 2)", "* BAD {5}",
	} {
		c, client, _ := dial(t, Options{}, answers{
			"SELECT": line + "\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n%s OK [READ-WRITE] x\r\n",
			"NOOP":   line + "\r\n%s OK\r\n",
		})
		data, err := client.Select("INBOX", nil).Wait()
		if err != nil || data.NumMessages != 3 || data.UIDValidity != 7 {
			t.Errorf("%s: select: %+v, %v", line, data, err)
			continue
		}
		alive(t, c, client)
	}
}

func TestM9NamesAreHandedOverAsBytes(t *testing.T) {
	c, _, _ := dial(t, Options{}, answers{"LIST": "* LIST () \"/\" \"&ABs-[31m\"\r\n* LIST () NIL \"../../etc\"\r\n* LIST () \"/\" {4}\r\na\x00\r\n\r\n%s OK\r\n"})
	var names []string
	_, err := c.Exec(context.Background(), func(r *Response) error {
		l, err := r.List()
		names = append(names, l.Name)
		return err
	}, Cmd("LIST").String("").String("*"))
	if want := []string{"&ABs-[31m", "../../etc", "a\x00\r\n"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v", names, err)
	}
}

func TestM10AndS19TraceShowsNoSecret(t *testing.T) {
	const secret = "s3cret-word"
	for _, login := range []string{"LOGIN", "AUTHENTICATE"} {
		var out lockedBuffer
		c, client, _ := dial(t, Options{Trace: NewTraceWriter(&out).Conn()}, answers{
			"LOGIN": "%s NO " + secret + " is wrong\r\n", "AUTHENTICATE": "+ \r\n%s NO no\r\n",
		})
		c.Hide(secret)
		if login == "LOGIN" {
			_ = client.Login("me", secret).Wait() // it is refused
		} else {
			_, _ = io.WriteString(c, "T9 AUTHENTICATE PLAIN\r\n")
			_, _ = io.WriteString(c, "AG1lAHMz\r\n") // before or after the server said no
			_, _ = io.WriteString(c, "AG1lAHMz\r\n") // and once more
		}
		text := out.String()
		if strings.Contains(text, secret) || strings.Contains(text, "AG1lAHMz") || !strings.Contains(text, login+" ***") {
			t.Errorf("%s: the trace says\n%s", login, text)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// M11: go-imap may send CAPABILITY by itself after a login, while other commands are sent.
func TestM11CapabilityOfItsOwn(t *testing.T) {
	for range 20 {
		c, client, _ := dial(t, Options{}, answers{"CAPABILITY": "* CAPABILITY IMAP4rev1 MOVE\r\n%s OK\r\n"})
		if err := client.Login("me", "x").Wait(); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, err := c.Exec(context.Background(), nil, Cmd("NOOP"), Cmd("NOOP")); err != nil {
				t.Fatal(err)
			}
		}
		alive(t, c, client)
	}
}

// A SELECT of go-imap and a FETCH of ours share a flight, and each gets what is its own.
func TestFlightWithSelect(t *testing.T) {
	c, client, _ := dial(t, Options{}, answers{
		"SELECT":    "* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n* OK [HIGHESTMODSEQ 12] x\r\n%s OK\r\n",
		"UID FETCH": "* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n* 3 EXISTS\r\n%s OK\r\n",
	})
	cmd := client.Select("INBOX", nil)
	if got := fetch(t, c); got != "7:hello" {
		t.Errorf("got %q", got)
	}
	data, err := cmd.Wait()
	if err != nil || data.UIDValidity != 9 || data.NumMessages != 2 || data.HighestModSeq != 12 {
		t.Errorf("%+v, %v", data, err)
	}
}

func TestS3AnswersInAdvance(t *testing.T) {
	c, f := connect(t, Options{})
	go func() {
		f.say("* OK hi\r\n")
		for i := range 100 {
			f.say(fmt.Sprintf("X%d OK\r\nT%d OK\r\n", i, i))
		}
	}()
	if _, err := c.Greeting(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(context.Background(), nil); err == nil {
		t.Fatal("STARTTLS went on")
	}
	if c.Err() == nil {
		t.Error("the connection lives on")
	}
}

func TestS20BodyOverTheLimit(t *testing.T) {
	c, _, _ := dial(t, Options{MaxMessage: 1000}, answers{"UID FETCH": "* 1 FETCH (UID 7 BODY[] {1001}\r\nT1 OK\r\n* 1 EXPUNGE\r\n"})
	_, err := c.Exec(context.Background(), func(r *Response) error {
		_, err := r.Fetch(nil)
		return err
	}, Cmd("UID FETCH").Raw("7 BODY.PEEK[]"))
	if bound := new(BoundError); !errors.As(err, &bound) {
		t.Errorf("%v, want a broken bound", err)
	}
}

func TestS21EndlessLines(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		fits       bool
	}{
		{"a megabyte", "* OK " + strings.Repeat("x", 1<<20-7), true},
		{"a megabyte and one", "* OK " + strings.Repeat("x", 1<<20-6), false},
		{"a long search", "* SEARCH" + strings.Repeat(" 1", 4<<20), true},
		{"too long a search", "* SEARCH" + strings.Repeat(" 1", 9<<20), false},
	} {
		c, _, _ := dial(t, Options{}, answers{"NOOP": tt.line + "\r\n%s OK\r\n"})
		_, err := c.Exec(context.Background(), nil, Cmd("NOOP"))
		if (err == nil) != tt.fits {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// S22: what follows a literal that was refused is never read as protocol.
func TestS22RefusedLiteralIsTheEnd(t *testing.T) {
	c, _, _ := dial(t, Options{}, answers{"LIST": "* LIST () \"/\" {70000}\r\n%s OK\r\n* 1 EXPUNGE\r\n"})
	status, err := c.Exec(context.Background(), func(r *Response) error { _, err := r.List(); return err }, Cmd("LIST").String("").String("*"))
	if err == nil || len(status) > 0 && status[0].Kind == "OK" {
		t.Errorf("%v, %v", status, err)
	}
}

func TestS24SetsAreNotExpanded(t *testing.T) {
	began := time.Now()
	numbers := make([]string, 0, 500_000)
	for i := 1_000_000; i > 500_000; i-- {
		numbers = append(numbers, fmt.Sprint(i))
	}
	set, err := ParseUIDSet(strings.Join(numbers, ","))
	if err != nil || len(set) != 1 || set.Count() != 500_000 {
		t.Errorf("%d ranges, %v", len(set), err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	for _, bad := range []string{"", "*", "0", "1:*", "4294967296", "1:", "a", "1,,2", "-1", "1e5"} {
		if set, err := ParseUIDSet(bad); err == nil {
			t.Errorf("%q is %v", bad, set)
		}
	}
}

// S25: ten times as much takes about ten times as long.
func BenchmarkS25Flags(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text bytes.Buffer
			for i := range n {
				fmt.Fprintf(&text, "* %d FETCH (UID %d FLAGS (\\Seen $label) MODSEQ (%d))\r\n", i+1, i+1, i+1)
			}
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				readAll(b, text.Bytes())
			}
		})
	}
}

func readAll(b *testing.B, text []byte) {
	b.Helper()
	c := &Conn{p: &parser{largest: defaultLargest, br: newReader(text)}}
	for {
		err := c.p.begin()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		c.p.seg = c.p.seg[2:]
		if _, err := c.response().Fetch(nil); err != nil {
			b.Fatal(err)
		}
		if err := c.p.finish(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestS26CodesOnTheWrongCommand(t *testing.T) {
	_, client, _ := dial(t, Options{}, answers{"UID COPY": "%s OK [APPENDUID 1 5] x\r\n"})
	data, err := client.Copy(goimap.UIDSetNum(1), "A").Wait()
	if err != nil || len(data.DestUIDs) != 0 {
		t.Errorf("%+v, %v", data, err)
	}
}

func TestS28NothingMakesASecondCommand(t *testing.T) {
	c, client, f := dial(t, Options{}, nil)
	for _, bad := range []string{"a\r\nT1 DELETE INBOX", "a\nb", "a\x00b", "ä"} {
		for _, cmd := range []*Command{Cmd("X").Atom(bad), Cmd("X").String(bad), Cmd("X").Mailbox(bad), Cmd("X").Raw(bad + "\r\n")} {
			if _, err := c.Exec(context.Background(), nil, cmd); err == nil {
				t.Errorf("%q was sent", bad)
			}
		}
	}
	alive(t, c, client)
	for _, got := range f.got {
		if got != "NOOP" {
			t.Errorf("the server got %q", got)
		}
	}
}

func TestSilenceEndsTheConnection(t *testing.T) {
	c, _, _ := dial(t, Options{Silence: 50 * time.Millisecond}, answers{"NOOP": "* OK wait\r\n"})
	_, err := c.Exec(context.Background(), nil, Cmd("NOOP"))
	if !errors.Is(err, mailbox.ErrTemporary) || !strings.Contains(err.Error(), "said nothing") {
		t.Errorf("%v", err)
	}
}

func TestContextEndsExec(t *testing.T) {
	c, _, _ := dial(t, Options{}, answers{"NOOP": ""})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Exec(ctx, nil, Cmd("NOOP")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestByeIsToldInTheError(t *testing.T) {
	c, _, f := dial(t, Options{}, answers{"NOOP": "* BYE shutting down\r\n"})
	go func() {
		time.Sleep(20 * time.Millisecond)
		_ = f.conn.Close()
	}()
	if _, err := c.Exec(context.Background(), nil, Cmd("NOOP")); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("%v", err)
	}
}
