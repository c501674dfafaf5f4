package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailtwin/mailbox"
)

// literals is a server that reads the literals of commands. ask says what it answers to the announcement of one, with %s
// for the tag; if that is a refusal, no literal is read.
func (f *fake) literals(ask func(command string) string, got chan<- string) {
	f.say("* OK [CAPABILITY IMAP4rev1] hello\r\n")
	for {
		line, err := f.br.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		tag, command, _ := strings.Cut(line, " ")
		size, _, ok := announced(line)
		if !ok {
			got <- command
			f.say(tag + " OK done\r\n")
			continue
		}
		answer := strings.ReplaceAll(ask(command), "%s", tag)
		f.say(answer)
		if !strings.HasPrefix(answer, "+") {
			continue
		}
		body := make([]byte, size+2)
		if _, err := io.ReadFull(f.br, body); err != nil {
			return
		}
		got <- string(body)
		f.say(tag + " OK [APPENDUID 3 9] done\r\n")
	}
}

func dialLiterals(t *testing.T, ask func(string) string) (*Conn, *imapclient.Client, <-chan string) {
	t.Helper()
	c, f := connect(t, Options{})
	got := make(chan string, 100)
	go f.literals(ask, got)
	if _, err := c.Greeting(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.HandOver()
	t.Cleanup(func() { _ = c.Close() }) // some tests have closed it already
	return c, imapclient.New(c, nil), got
}

func put(client *imapclient.Client, body string) (*goimap.AppendData, error) {
	cmd := client.Append("A", int64(len(body)), nil)
	_, writeErr := io.WriteString(cmd, body)
	closeErr := cmd.Close()
	data, err := cmd.Wait()
	if err == nil {
		err = errors.Join(writeErr, closeErr)
	}
	return data, err
}

// A refused APPEND costs neither the connection nor the next message, and nothing of its literal is sent.
func TestRefusedAppendLeavesTheConnection(t *testing.T) {
	refusals := 0
	c, client, got := dialLiterals(t, func(string) string {
		if refusals++; refusals <= 2 {
			return []string{"", "%s NO [OVERQUOTA] full\r\n", "%s BAD [TOOBIG 1000] big\r\n"}[refusals]
		}
		return "+ go\r\n"
	})
	for _, want := range []goimap.ResponseCode{"OVERQUOTA", "TOOBIG"} {
		_, err := put(client, "T1 DELETE INBOX\r\nX1 DELETE INBOX\r\n")
		if refused := new(goimap.Error); !errors.As(err, &refused) || refused.Code != want {
			t.Fatalf("%v, want %s", err, want)
		}
	}
	if data, err := put(client, strings.Repeat("hello", 50_000)); err != nil || data.UID != 9 {
		t.Fatalf("%+v, %v", data, err)
	}
	alive(t, c, client)
	for _, want := range []string{strings.Repeat("hello", 50_000) + "\r\n", "NOOP", "NOOP"} {
		if text := <-got; text != want {
			t.Fatalf("the server got %.60q, want %.60q", text, want)
		}
	}
}

// S3: a command cannot be carried out before all of it was sent.
func TestS3OKBeforeTheLiteral(t *testing.T) {
	c, client, _ := dialLiterals(t, func(string) string { return "%s OK [APPENDUID 3 9] done\r\n" })
	if data, err := put(client, "hello"); err == nil || data.UID != 0 {
		t.Errorf("%+v, %v", data, err)
	}
	if !errors.Is(c.Err(), errTag) {
		t.Errorf("the connection: %v", c.Err())
	}
}

// Who waits to send when the connection dies under an APPEND is told so.
func TestExecBehindAnAppendThatDies(t *testing.T) {
	asked := make(chan bool)
	c, client, _ := dialLiterals(t, func(string) string { close(asked); return "* OK wait\r\n" })
	go func() { _, _ = put(client, "hello") }() // it fails, which is not the question
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

// Exec returns only when its handler does not run any more, also if the context ends in the middle of a body.
func TestExecWaitsForItsHandler(t *testing.T) {
	c, _, _ := dial(t, Options{}, answers{"UID FETCH": "* 1 FETCH (UID 7 BODY[] {500}\r\nhello"})
	ctx, cancel := context.WithCancel(context.Background())
	running := false
	_, err := c.Exec(ctx, func(r *Response) error {
		running = true
		_, err := r.Fetch(func(_ *Fetch, _ string, _ int64, body io.Reader) error {
			cancel()
			_, err := io.Copy(io.Discard, body)
			time.Sleep(20 * time.Millisecond)
			return err
		})
		running = false
		return err
	}, Cmd("UID FETCH").Raw("7 BODY.PEEK[]"))
	if running || !errors.Is(err, context.Canceled) {
		t.Errorf("running %v, %v", running, err)
	}
}

// A slow connection is one whose Write returns only when the answer was read and the reader waits again, at leisure.
type slow struct {
	net.Conn
	mu     sync.Mutex
	last   time.Time
	idle   chan bool
	writes bool
}

func (s *slow) SetReadDeadline(limit time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = limit
	if limit.IsZero() && s.writes {
		s.writes = false
		s.idle <- true
	}
	return s.Conn.SetReadDeadline(limit)
}

func (s *slow) Write(b []byte) (int, error) {
	s.mu.Lock()
	s.writes = true
	s.mu.Unlock()
	n, err := s.Conn.Write(b)
	<-s.idle
	return n, err
}

// An idle connection has no deadline, however the end of a command and the next wait interleave.
func TestIdleIsNoSilence(t *testing.T) {
	near, far := pipe(t)
	conn := &slow{Conn: near, idle: make(chan bool, 1)}
	c := New(conn, Options{Silence: 10 * time.Second})
	go (&fake{t: t, conn: far, br: bufio.NewReader(far)}).serve(nil)
	if _, err := c.Greeting(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.HandOver()
	client := imapclient.New(c, nil)
	if err := client.WaitGreeting(); err != nil {
		t.Fatal(err)
	}
	alive(t, c, client)
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if !conn.last.IsZero() {
		t.Errorf("an idle connection has %v to live", time.Until(conn.last))
	}
}

// An error of a handler is returned once all is answered, and spares the connection.
func TestHandlerError(t *testing.T) {
	c, client, _ := dial(t, Options{}, answers{"UID FETCH": "* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n* 2 FETCH (UID 8)\r\n%s OK\r\n"})
	full, calls := errors.New("disk full"), 0
	status, err := c.Exec(context.Background(), func(r *Response) error {
		calls++
		_, err := r.Fetch(func(*Fetch, string, int64, io.Reader) error { return full })
		return err
	}, Cmd("UID FETCH").Raw("7 BODY.PEEK[]"), Cmd("NOOP"))
	if !errors.Is(err, full) || calls != 1 || len(status) != 2 || status[1].Kind != "OK" {
		t.Errorf("%d calls, %v, %v", calls, status, err)
	}
	alive(t, c, client)
}
