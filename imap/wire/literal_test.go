package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"mailtwin/mailbox"
)

// A reading server takes commands with literals. ask is what it says to the announcement of one that waits, with %s for
// the tag; if that is no continuation request, no literal is read. done is what it says to a whole command; "" says
// nothing. got is what it was sent, the literals of a command in braces.
type readingServer struct {
	*fake
	ask, done func(command string) string
	got       chan string
}

func (s *readingServer) serve() {
	s.say("* OK [CAPABILITY IMAP4rev1 LITERAL+] hello\r\n")
	for {
		line, err := s.br.ReadString('\n')
		if err != nil {
			close(s.got)
			return
		}
		tag, command, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		command, answer, err := s.literals(command)
		s.got <- command
		if err != nil {
			close(s.got)
			return
		}
		if answer == "" {
			answer = s.done(command)
		}
		s.say(strings.ReplaceAll(answer, "%s", tag))
	}
}

// literals reads the rest of a command. answer is set if it was refused before a literal. What came of a literal that was
// cut is part of what is returned.
func (s *readingServer) literals(command string) (whole, answer string, err error) {
	for {
		size, waits, ok := announced(command)
		if !ok {
			return command, "", nil
		}
		if waits {
			if answer = s.ask(command); !strings.HasPrefix(answer, "+") {
				return command, answer, nil
			}
			s.say(answer)
		}
		body := make([]byte, size)
		n, err := io.ReadFull(s.br, body)
		command = command[:strings.LastIndexByte(command, '{')] + "{" + string(body[:n]) + "}"
		if err != nil {
			return command, "", err
		}
		rest, err := s.br.ReadString('\n')
		if err != nil {
			return command + rest, "", err
		}
		if rest = strings.TrimRight(rest, "\r\n"); rest == "" {
			return command, "", nil
		}
		command += rest
	}
}

func dialReading(t *testing.T, o Options, ask, done func(string) string) (*Conn, *imapclient.Client, <-chan string) {
	t.Helper()
	c, f := connect(t, o)
	s := &readingServer{f, ask, done, make(chan string, 1000)}
	go s.serve()
	if _, err := c.Greeting(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.HandOver()
	t.Cleanup(func() { _ = c.Close() }) // some tests have closed it already
	return c, imapclient.New(c, nil), s.got
}

func goOn(string) string { return "+ go\r\n" }

func fine(string) string { return "%s OK [APPENDUID 3 9] done\r\n" }

func bodyOf(text string, waits bool) *Command {
	return Cmd("APPEND").Mailbox("A").Literal(strings.NewReader(text), int64(len(text)), waits)
}

// put sends one body and waits for what comes of it.
func put(c *Conn, text string, waits bool) (Status, error) {
	wait, err := c.StartLiterals(context.Background(), bodyOf(text, waits))
	if err != nil {
		return Status{}, err
	}
	return wait(context.Background())
}

// A refused APPEND costs neither the connection nor the next message, and nothing of its literal is sent.
func TestRefusedAppendLeavesTheConnection(t *testing.T) {
	refusals := 0
	c, client, got := dialReading(t, Options{}, func(string) string {
		if refusals++; refusals <= 2 {
			return []string{"", "%s NO [OVERQUOTA] full\r\n", "%s BAD [TOOBIG 1000] big\r\n"}[refusals]
		}
		return "+ go\r\n"
	}, fine)
	const command = "T1 DELETE INBOX\r\nX1 DELETE INBOX\r\n"
	for _, want := range []string{"OVERQUOTA", "TOOBIG"} {
		if status, err := put(c, command, true); err != nil || status.Code != want {
			t.Fatalf("%v, %v, want %s", status, err, want)
		}
	}
	large := strings.Repeat("hello", 50_000)
	if status, err := put(c, large, true); err != nil || status.Args != "3 9" {
		t.Fatalf("%+v, %v", status, err)
	}
	alive(t, c, client)
	for _, want := range []string{`APPEND "A" {34}`, `APPEND "A" {34}`, `APPEND "A" {` + large + "}", "NOOP", "NOOP"} {
		if text := <-got; text != want {
			t.Fatalf("the server got %.60q, want %.60q", text, want)
		}
	}
}

// With LITERAL+ nothing waits for anything: the server sees all commands before it answers the first. Each of them ends in
// its own way.
func TestLiteralsInOneFlight(t *testing.T) {
	const n = 50
	seen := 0
	c, client, got := dialReading(t, Options{}, goOn, func(command string) string {
		seen++
		if !strings.HasPrefix(command, "APPEND") {
			return "%s OK done\r\n"
		}
		if seen < n {
			return "" // until the last has come
		}
		var all strings.Builder
		for i := range n {
			kind := "OK"
			if i%7 == 3 {
				kind = "NO"
			}
			all.WriteString("* 3 EXISTS\r\n")
			fmt.Fprintf(&all, "PX%d %s number %d\r\n", i+1, kind, i)
		}
		return all.String()
	})
	c.prefix = "P"
	var waits []func(context.Context) (Status, error)
	for i := range n {
		wait, err := c.StartLiterals(t.Context(), bodyOf(fmt.Sprintf("T1 DELETE INBOX\r\nnumber %d", i), false))
		if err != nil {
			t.Fatal(err)
		}
		waits = append(waits, wait)
	}
	for i, wait := range waits {
		status, err := wait(t.Context())
		if err != nil || status.Text != fmt.Sprintf("number %d", i) || (status.Kind == "NO") != (i%7 == 3) {
			t.Errorf("%d: %v, %v", i, status, err)
		}
		if text := <-got; text != fmt.Sprintf("APPEND \"A\" {T1 DELETE INBOX\r\nnumber %d}", i) {
			t.Errorf("%d: the server got %q", i, text)
		}
	}
	alive(t, c, client)
}

// S3: a command cannot be carried out before all of it was sent.
func TestS3OKBeforeTheLiteral(t *testing.T) {
	c, _, _ := dialReading(t, Options{}, fine, fine)
	if status, err := put(c, "hello", true); err == nil {
		t.Errorf("%+v", status)
	}
	if !errors.Is(c.Err(), errTag) {
		t.Errorf("the connection: %v", c.Err())
	}
}

// Who waits to send when the connection dies under an APPEND is told so.
func TestExecBehindAnAppendThatDies(t *testing.T) {
	asked := make(chan bool)
	c, client, _ := dialReading(t, Options{}, func(string) string { close(asked); return "* OK wait\r\n" }, fine)
	go func() { _, _ = put(c, "hello", true) }() // it fails, which is not the question
	<-asked
	time.AfterFunc(20*time.Millisecond, func() { _ = c.Close() })
	_, err := c.Exec(context.Background(), nil, Cmd("NOOP"))
	if !errors.Is(err, net.ErrClosed) || !errors.Is(err, mailbox.ErrTemporary) {
		t.Errorf("%v", err)
	}
	if err := client.Noop().Wait(); err == nil {
		t.Error("a command was carried out on a dead connection")
	}
}

// A body that cannot be read, or is not as long as announced, never comes to its end at the server, so that no server can
// take it for whole. What was sent before is answered; of a small one nothing is sent, and the connection lives.
func TestBrokenBody(t *testing.T) {
	unreadable := errors.New("unreadable")
	for name, body := range map[string]func(string) io.Reader{
		"shorter": func(s string) io.Reader { return strings.NewReader(s[1:]) },
		"longer":  func(s string) io.Reader { return strings.NewReader(s + "x") },
		"unreadable": func(s string) io.Reader {
			return io.MultiReader(strings.NewReader(s[1:]), iotest.ErrReader(unreadable))
		},
		"fails at the end": func(s string) io.Reader {
			return io.MultiReader(strings.NewReader(s), iotest.ErrReader(unreadable))
		},
		"empty": func(string) io.Reader { return strings.NewReader("") },
	} {
		for _, size := range []int{1, 1000, progress, 3 * progress, 3*progress + 1} {
			for _, waits := range []bool{false, true} {
				text := strings.Repeat("a", size)
				c, client, got := dialReading(t, Options{}, goOn, fine)
				before, err := c.StartLiterals(t.Context(), bodyOf("before", false))
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.StartLiterals(t.Context(), Cmd("APPEND").Mailbox("A").Literal(body(text), int64(size), waits))
				var broken *BodyError
				isEnd := errors.Is(err, unreadable) || errors.Is(err, ErrLength)
				begun := waits || size > progress && name != "empty"
				if !errors.As(err, &broken) || !isEnd || size != progress && broken.Begun != begun {
					t.Errorf("%s, %d octets, waits %v: %v, %+v", name, size, waits, err, broken)
					continue
				}
				if status, err := before(t.Context()); err != nil || status.Kind != "OK" {
					t.Errorf("%s, %d octets: the one before: %v, %v", name, size, status, err)
				}
				if !broken.Begun {
					alive(t, c, client)
					if e := c.head(); e != nil {
						t.Errorf("%s, %d octets: %s is still in the queue", name, size, e.tag)
					}
				} else {
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					if _, err := c.Exec(ctx, nil, Cmd("NOOP")); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("a command went behind half a literal: %v", err)
					}
					cancel()
				}
				_ = c.Close()
				for command := range got {
					if n := strings.Count(command, "a"); n >= size {
						t.Errorf("%s, %d octets: the server got %d", name, size, n)
					}
				}
			}
		}
	}
}

// Several literals in one command, as MULTIAPPEND has them.
func TestSeveralLiterals(t *testing.T) {
	for _, waits := range []bool{false, true} {
		var trace lockedBuffer
		c, client, got := dialReading(t, Options{Trace: NewTraceWriter(&trace).Conn()}, goOn, fine)
		cmd := Cmd("APPEND").Mailbox("A").Flags(`\Seen`, "work").Literal(strings.NewReader("one"), 3, waits)
		cmd.String(" 1-Jan-2026 00:00:00 +0000").Literal(strings.NewReader(""), 0, waits).Literal(strings.NewReader("a\r\nb {5}\r\n"), 10, waits)
		wait, err := c.StartLiterals(t.Context(), cmd)
		if err != nil {
			t.Fatal(err)
		}
		if status, err := wait(t.Context()); err != nil || status.Kind != "OK" {
			t.Errorf("%v, %v", status, err)
		}
		alive(t, c, client)
		if text := <-got; text != "APPEND \"A\" (\\Seen work) {one} \" 1-Jan-2026 00:00:00 +0000\" {} {a\r\nb {5}\r\n}" {
			t.Errorf("the server got %q", text)
		}
		mark := map[bool]string{false: "+"}[waits]
		for _, line := range []string{"C: X1 APPEND \"A\" (\\Seen work) {3" + mark + "}\n", "C: <3 octets>\n", " {0" + mark + "}\n", "C: <10 octets>\n"} {
			if !strings.Contains(strings.ReplaceAll(trace.String(), c.prefix, ""), line) {
				t.Errorf("the trace has no %q:\n%s", line, trace.String())
			}
		}
		if strings.Contains(trace.String(), "C: \n") {
			t.Errorf("the trace has an empty line:\n%s", trace.String())
		}
	}
}

// A server that refuses a literal it was not asked about gets it nevertheless, for it has to read it.
func TestRefusedInTheMiddle(t *testing.T) {
	c, f := connect(t, Options{})
	go func() {
		f.say("* OK [CAPABILITY IMAP4rev1 LITERAL+] hello\r\n")
		line, err := f.br.ReadString('\n')
		if err != nil {
			return
		}
		tag, _, _ := strings.Cut(line, " ")
		f.say(tag + " NO [TOOBIG] too big\r\n")
		if _, err := io.CopyN(io.Discard, f.br, 1<<20+2); err != nil {
			t.Error(err)
		}
		f.serve(answers{"greeting": "* OK more\r\n"})
	}()
	if _, err := c.Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.HandOver()
	client := imapclient.New(c, nil)
	t.Cleanup(func() { _ = c.Close() }) // it may be closed
	if status, err := put(c, strings.Repeat("a", 1<<20), false); err != nil || status.Code != "TOOBIG" {
		t.Errorf("%v, %v", status, err)
	}
	alive(t, c, client)
}

// If the context ends while a literal is sent, or waited for, that is what is said, and the connection is closed.
func TestContextEndsStartLiterals(t *testing.T) {
	for _, waits := range []bool{false, true} {
		asked := make(chan bool, 1)
		c, _, _ := dialReading(t, Options{}, func(string) string { asked <- true; return "* OK wait\r\n" }, func(string) string { asked <- true; return "" })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		wait, err := c.StartLiterals(ctx, bodyOf("hello", waits))
		if err == nil {
			_, err = wait(ctx)
		}
		if !errors.Is(err, context.Canceled) || c.Err() == nil {
			t.Errorf("waits %v: %v, %v", waits, err, c.Err())
		}
	}
}

// R17: where a message was put is believed only if it can be read.
func TestR17AppendUID(t *testing.T) {
	for said, want := range map[string]string{
		"OK [APPENDUID 7 9] x": "7 9", "OK [appenduid 7 9:11,15] x": "7 9:11,15", "OK [APPENDUID 4294967295 1] x": "4294967295 1",
		"OK [APPENDUID 7 0] x": "", "OK [APPENDUID 4294967296 1] x": "", "OK [APPENDUID 7] x": "", "OK [APPENDUID 7 1e5] x": "", "OK [APPENDUID 0 1] x": "",
		"OK [APPENDUID 7 11:9] x": "", "OK [APPENDUID 7 10,9] x": "", "OK [APPENDUID 7 9,9] x": "", "OK [COPYUID 7 1 9] x": "", "OK x": "",
	} {
		kind, rest, _ := strings.Cut(said, " ")
		validity, uids := parseStatus(kind, []byte(rest)).AppendUID()
		if got := fmt.Sprint(validity, uids); want == "" && len(uids) > 0 || want != "" && got != want {
			t.Errorf("%q reads %d %v", said, validity, uids)
		}
	}
}
