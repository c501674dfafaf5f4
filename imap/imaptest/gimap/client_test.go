package gimap

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A client says what a test tells it to, line by line.
type client struct {
	*testing.T
	s   *Server
	web *Web
	nc  net.Conn
	r   *bufio.Reader
	n   int
}

// dial connects and reads the greeting.
func dial(t *testing.T, s *Server) *client {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	c := &client{T: t, s: s, web: s.Web(), nc: nc, r: bufio.NewReader(nc)}
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if line := c.line(); !strings.HasPrefix(line, "* OK Gimap ready for requests from ") {
		t.Fatalf("greeting %q", line)
	}
	return c
}

// enter starts a server, delivers three messages, numbered 1 to 3, and logs in.
func enter(t *testing.T, o Options) *client {
	t.Helper()
	s := Start(t, o)
	c := dial(t, s)
	for i, labels := range [][]string{{`\Inbox`, "Work"}, {"Work", `\Important`}, {`\Inbox`}} {
		c.deliver(i+1, labels...)
	}
	c.want(`OK me@gmail.com authenticated \(Success\)`, "LOGIN me@gmail.com {12+}\r\napp password")
	return c
}

func mailOf(n int) []byte {
	return fmt.Appendf(nil, "From: a@example.org\r\nMessage-ID: <m%d@example.org>\r\nDate: Wed, 15 Nov 2023 10:00:0%d +0100\r\nSubject: number %d\r\n\r\ntext %d\r\n", n, n%10, n, n)
}

func (c *client) deliver(n int, labels ...string) uint64 {
	return c.web.Deliver(Mail{Raw: mailOf(n), Labels: labels, Date: time.Unix(1700000000+int64(n), 0)})
}

// id is the X-GM-MSGID of the n-th message of the account.
func (c *client) id(n int) uint64 { return c.s.Messages()[n-1].ID }

var literal = regexp.MustCompile(`\{(\d+)\}$`)

// line reads one line, with its literals.
func (c *client) line() string {
	c.Helper()
	text := ""
	for {
		part, err := c.r.ReadString('\n')
		if err != nil {
			return text + part + "<" + err.Error() + ">"
		}
		text += strings.TrimSuffix(part, "\r\n")
		m := literal.FindStringSubmatch(text)
		if m == nil {
			return text
		}
		n, _ := strconv.Atoi(m[1])
		b := make([]byte, n)
		if read, err := io.ReadFull(c.r, b); err != nil {
			return text + string(b[:read]) + "<" + err.Error() + ">"
		}
		text += string(b)
	}
}

// do sends a command and returns all lines up to its tagged answer, without the tag.
func (c *client) do(command string) []string {
	c.Helper()
	c.n++
	tag := "a" + strconv.Itoa(c.n)
	if _, err := io.WriteString(c.nc, tag+" "+command+"\r\n"); err != nil {
		return []string{"<" + err.Error() + ">"}
	}
	var lines []string
	for {
		line := c.line()
		rest, tagged := strings.CutPrefix(line, tag+" ")
		lines = append(lines, rest)
		if tagged || strings.HasSuffix(line, "EOF>") || strings.HasSuffix(line, "timeout>") {
			return lines
		}
	}
}

// want sends a command, and wants its answer, in one line with \n between, to fit a pattern.
func (c *client) want(pattern, command string) string {
	c.Helper()
	got := strings.Join(c.do(command), "\n")
	if !regexp.MustCompile(`(?s)^(?:`+pattern+`)$`).MatchString(got) && !regexp.MustCompile(`(?s)(?:`+pattern+`)$`).MatchString(got) {
		c.Errorf("%s:\ngot  %s\nwant %s", command, got, pattern)
	}
	return got
}

// exact wants these lines and no others.
func (c *client) exact(command string, lines ...string) {
	c.Helper()
	if got, want := strings.Join(c.do(command), "\n"), strings.Join(lines, "\n"); got != want {
		c.Errorf("%s:\ngot\n%s\nwant\n%s", command, got, want)
	}
}

func base(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// uids are those of a mailbox, by the number of the message in the account.
func (c *client) uid(box string, n int) uint32 { return c.s.Messages()[n-1].Folders[box] }

// A clock is moved by hand.
type clock struct{ seconds atomic.Int64 }

func (c *clock) now() time.Time           { return time.Unix(1_700_000_000+c.seconds.Load(), 0).UTC() }
func (c *clock) forward(by time.Duration) { c.seconds.Add(int64(by / time.Second)) }
