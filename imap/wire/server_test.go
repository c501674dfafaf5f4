package wire

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

// A fake is a server that answers what a test wants.
type fake struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
	got  []string // commands, without their tags
}

// answers maps what a command begins with, behind its tag, to what the server says. %s stands for the tag. Without an
// entry a command is answered OK.
type answers map[string]string

// dial connects a Conn, under go-imap, to a server with these answers.
func dial(t *testing.T, o Options, a answers) (*Conn, *imapclient.Client, *fake) {
	t.Helper()
	conn, f := connect(t, o)
	go f.serve(a)
	if _, err := conn.Greeting(context.Background()); err != nil {
		t.Fatal(err)
	}
	conn.HandOver()
	client := imapclient.New(conn, nil)
	t.Cleanup(func() { _ = conn.Close() }) // some tests have closed it already
	if err := client.WaitGreeting(); err != nil {
		t.Fatal(err)
	}
	return conn, client, f
}

func connect(t *testing.T, o Options) (*Conn, *fake) {
	t.Helper()
	near, far := pipe(t)
	if o.Silence == 0 {
		o.Silence = 10 * time.Second
	}
	return New(near, o), &fake{t: t, conn: far, br: bufio.NewReader(far)}
}

// pipe is a connection over loopback: net.Pipe has no buffer, and would hang where both sides write.
func pipe(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	far = <-accepted
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near, far
}

func (f *fake) say(s string) bool {
	_, err := io.WriteString(f.conn, s)
	return err == nil
}

func (f *fake) serve(a answers) {
	greeting, ok := a["greeting"]
	if !ok {
		greeting = "* OK [CAPABILITY IMAP4rev1 UIDPLUS MOVE ESEARCH AUTH=PLAIN] hello\r\n"
	}
	if !f.say(greeting) {
		return
	}
	for {
		line, err := f.br.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		f.got = append(f.got, command)
		if !f.answer(a, tag, command) {
			return
		}
	}
}

func (f *fake) answer(a answers, tag, command string) bool {
	for prefix, text := range a {
		if prefix != "greeting" && strings.HasPrefix(command, prefix) {
			return f.say(strings.ReplaceAll(text, "%s", tag))
		}
	}
	return f.say(tag + " OK done\r\n")
}

// alive fails unless the connection still works.
func alive(t *testing.T, c *Conn, client *imapclient.Client) {
	t.Helper()
	if err := client.Noop().Wait(); err != nil {
		t.Fatalf("go-imap is dead: %v (%v)", err, c.Err())
	}
	if _, err := c.Exec(context.Background(), nil, Cmd("NOOP")); err != nil {
		t.Fatalf("the connection is dead: %v", err)
	}
}

// fetch runs one UID FETCH and returns what came, as "UID:body" or "UID" words.
func fetch(t *testing.T, c *Conn) string {
	t.Helper()
	var said []string
	status, err := c.Exec(context.Background(), func(r *Response) error {
		if r.Kind != "FETCH" {
			return nil
		}
		var body strings.Builder
		m, err := r.Fetch(func(_ *Fetch, _ string, _ int64, r io.Reader) error {
			_, err := io.Copy(&body, r)
			return err
		})
		if err != nil {
			return err
		}
		said = append(said, strings.TrimSuffix(fmt.Sprintf("%d:%s", m.UID, body.String()), ":"))
		return nil
	}, Cmd("UID FETCH").Raw("1:* (UID BODY.PEEK[])"))
	if err != nil || status[0].Kind != "OK" {
		t.Fatalf("fetch: %v %v", status, err)
	}
	return strings.Join(said, " ")
}
