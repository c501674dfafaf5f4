package wire

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailtwin/mailbox"
)

// A scripted connection says what it has to say once it was sent something, and then it is cut.
type scripted struct {
	net.Conn
	said *bytes.Reader

	mu     sync.Mutex
	sent   bytes.Buffer
	spoken chan struct{} // closed once something was sent
	closed chan struct{}
}

func newScripted(said []byte) *scripted {
	return &scripted{said: bytes.NewReader(said), spoken: make(chan struct{}), closed: make(chan struct{})}
}

func (s *scripted) Read(p []byte) (int, error) {
	select {
	case <-s.spoken:
		return s.said.Read(p)
	case <-s.closed:
		return 0, io.EOF
	}
}

func (s *scripted) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent.Len() == 0 {
		close(s.spoken)
	}
	return s.sent.Write(p)
}

func (s *scripted) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

func (*scripted) SetReadDeadline(time.Time) error  { return nil }
func (*scripted) SetWriteDeadline(time.Time) error { return nil }

func (s *scripted) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent.String()
}

// M1 to M8: whatever a server says to go-imap's commands, go-imap ends them, and does not panic. With the verbs of the
// answers to come it is asked in one of several ways.
func FuzzGoIMAP(f *testing.F) {
	for verb, said := range []string{
		"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* FLAGS (\\Seen a)\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\n.T1 OK [READ-WRITE] x\r\n",
		".T1 OK [COPYUID 7 1:2 8:9] x\r\n", "* OK [COPYUID 7 1:2 8:9] x\r\n* 1 EXPUNGE\r\n.T1 OK x\r\n", ".T1 NO [TRYCREATE] x\r\n",
		"+ go\r\n.T1 OK [CAPABILITY IMAP4rev1] x\r\n", ".T1 OK [APPENDUID 7 9] x\r\n", "* 1 FETCH (UID 7 FLAGS ())\r\n.T1 OK\r\n",
		"* VANISHED (EARLIER) 1:4294967295\r\n* BYE x\r\n", "* 1 FETCH (BODYSTRUCTURE ((((\r\n.T1 BAD x\r\n",
	} {
		f.Add(byte(verb), []byte(said))
	}
	f.Fuzz(func(_ *testing.T, verb byte, said []byte) {
		conn := newScripted(bytes.ReplaceAll(said, []byte("."), []byte("P")))
		c := New(conn, Options{})
		c.prefix = "P"
		c.HandOver()
		client := imapclient.New(c, nil)
		defer func() { _ = client.Close() }() // it is closed already if the server said so
		one := goimap.UIDSetNum(1)
		_ = [...]func() error{ // whatever comes of it
			func() error {
				_, err := client.Select("INBOX", &goimap.SelectOptions{CondStore: true}).Wait()
				return err
			},
			func() error { _, err := client.Copy(one, "A").Wait(); return err },
			func() error { return client.Create("A", nil).Wait() },
			func() error {
				return client.Store(one, &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Silent: true}, nil).Close()
			},
			func() error { return client.Login("me", "x").Wait() },
			func() error { _, err := client.Move(one, "A").Wait(); return err },
			func() error { return client.UIDExpunge(one).Close() },
			func() error { return client.Noop().Wait() },
		}[verb%8]()
	})
}

// S28: no name and no flag makes two commands of one, be it sent by go-imap or by us.
func FuzzGoIMAPCommand(f *testing.F) {
	for _, seed := range []string{"INBOX", "a\r\nT2 DELETE INBOX", "Entwürfe & \"more\"\\", "{5}", "{5+}\r\n", "\x00", "\u202e"} {
		f.Add(seed, "work")
		f.Add("A", seed)
	}
	f.Fuzz(func(t *testing.T, name, word string) {
		var flags []goimap.Flag
		var words []string
		for _, flag := range mailbox.MakeFlags(mailbox.Flag(word)).All() {
			flags = append(flags, goimap.Flag(flag))
			words = append(words, string(flag))
		}
		for _, send := range []func(*Conn, *imapclient.Client){ // the server is gone
			func(_ *Conn, client *imapclient.Client) { _ = client.Create(name, nil) },
			func(_ *Conn, client *imapclient.Client) {
				_ = client.Store(goimap.UIDSetNum(1), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: flags}, nil)
			},
			func(c *Conn, _ *imapclient.Client) {
				_, _ = c.StartLiterals(context.Background(), Cmd("APPEND").Mailbox(name).Flags(words...).Literal(strings.NewReader("hello"), 5, false))
			},
			func(c *Conn, _ *imapclient.Client) {
				_, _ = c.StartLiterals(context.Background(), Cmd("APPEND").Mailbox("A").Flags(word).Literal(strings.NewReader("hello"), 5, false))
			},
		} {
			conn := newScripted(nil)
			c := New(conn, Options{})
			c.prefix = "P"
			c.HandOver()
			client := imapclient.New(c, nil)
			send(c, client)
			_ = client.Close()
			lines := strings.SplitAfter(conn.text(), "\n")
			if at := slices.IndexFunc(lines, func(line string) bool { return !literalFollows(line) }); at >= 0 && strings.Join(lines[at+1:], "") != "" {
				t.Errorf("%q, %q: %q was sent", name, word, lines)
			}
		}
	})
}

// literalFollows tells whether a line announces a literal, so that what follows is no command.
func literalFollows(line string) bool {
	_, _, ok := announced(strings.TrimRight(line, "\r\n"))
	return ok
}

// S24: a set that was read is in order, says what was sent, and reads the same when it is written.
func FuzzUIDSet(f *testing.F) {
	for _, seed := range []string{"1", "3:1,2", "1:4294967295", "4294967295", "5,4,3", "*", "1:*", "0", "1,,2", "9:7,8:10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := ParseUIDSet(text)
		if err != nil {
			return
		}
		for i, r := range set {
			if r.First == 0 || r.Last < r.First || i > 0 && uint64(r.First) <= uint64(set[i-1].Last)+1 || !set.Contains(r.First) || !set.Contains(r.Last) {
				t.Errorf("%q reads %v", text, set)
			}
		}
		again, err := ParseUIDSet(set.String())
		if err != nil || !slices.Equal(set, again) || set.Count() != again.Count() {
			t.Errorf("%v reads %v, %v", set, again, err)
		}
		if parts := set.Split(50); !slices.Equal(slices.Concat(parts...), set) {
			t.Errorf("%v is split into %v", set, parts)
		}
	})
}

// S26: what the guard lets through is one line without controls, and says of codes nothing that a parser cannot read
// back.
func FuzzGuardStatus(f *testing.F) {
	for _, seed := range []string{
		"OK [COPYUID 7 1:3,5 9:12] x", "NO [over\x01quota] full", "OK [PERMANENTFLAGS (\\Seen a[b] \\*)] x", "OK [UIDNEXT 0] x", "OK [[ ] x", "BYE [",
	} {
		for _, verb := range []string{"APPEND", "UID COPY", "SELECT"} {
			f.Add(seed, verb)
		}
	}
	f.Fuzz(func(t *testing.T, said, verb string) {
		kind, rest, _ := strings.Cut(said, " ")
		if kind != "OK" && kind != "NO" && kind != "BAD" {
			return
		}
		line := guardStatus(parseStatus(kind, []byte(rest)), verb)
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q becomes %q", said, line)
		}
		_, rest, _ = strings.Cut(line, " ")
		if again := guardStatus(parseStatus(kind, []byte(rest)), verb); again != line {
			t.Errorf("%q becomes %q, and that %q", said, line, again)
		}
	})
}
