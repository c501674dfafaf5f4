package imap

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"iter"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// A fake is a server that says what a test wants. Answers are found by what a command begins with, the longest first;
// "%s" stands for its tag. A command without an answer is answered OK. One that announces a literal is first given the
// answer to "{" and itself, which is to go on if there is none; where that is a refusal, no literal follows. Behind a BYE
// the connection is closed.
type fake struct {
	t        *testing.T
	listener net.Listener
	cert     *tls.Certificate
	implicit bool // TLS from the first octet
	greeting string
	deaf     bool   // says nothing to the handshake behind STARTTLS
	late     string // sent behind the OK of STARTTLS, before the handshake

	mu       sync.Mutex
	answers  map[string]string
	commands []string
	literals []string
}

const usualGreeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n"

const usualCaps = "IMAP4rev1 UIDPLUS MOVE ESEARCH CONDSTORE UNSELECT LIST-STATUS SPECIAL-USE"

func newFake(t *testing.T, answers map[string]string) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, listener: l, greeting: usualGreeting, answers: map[string]string{
		"AUTHENTICATE": "%s OK [CAPABILITY " + usualCaps + "] in\r\n", "LOGIN": "%s OK [CAPABILITY " + usualCaps + "] in\r\n",
	}}
	maps.Copy(f.answers, answers)
	t.Cleanup(func() { _ = l.Close() })
	return f
}

func (f *fake) start() *fake {
	go func() {
		for {
			conn, err := f.listener.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
	return f
}

// say changes an answer.
func (f *fake) say(command, answer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[command] = answer
}

// sent returns the commands that begin with a word.
func (f *fake) sent(prefix string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.commands), func(c string) bool { return !strings.HasPrefix(c, prefix) })
}

func (f *fake) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if f.implicit {
		conn = f.protect(conn)
	}
	if _, err := io.WriteString(conn, f.greeting); err != nil {
		return
	}
	br := bufio.NewReader(conn)
	challenged := "" // the tag of a command that goes on with the next line
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if challenged != "" {
			tag, command, challenged = challenged, strings.TrimRight(line, "\r\n"), ""
		}
		f.mu.Lock()
		f.commands = append(f.commands, command)
		answer := f.answer(command)
		f.mu.Unlock()
		if size, announced := literalOf(command); announced {
			on := f.announced(command)
			if on == silence {
				continue
			}
			if on != goOn {
				answer = on
			} else if err := f.takeLiteral(conn, br, size); err != nil {
				return
			}
		}
		if answer == silence {
			continue
		}
		if _, err := io.WriteString(conn, strings.ReplaceAll(answer, "%s", tag)); err != nil || answer == "" || strings.HasPrefix(answer, "* BYE") {
			return
		}
		if strings.HasPrefix(answer, "+") {
			challenged = tag
		}
		if f.deaf && command == "STARTTLS" {
			_, _ = io.Copy(io.Discard, br) // until the client gives up
			return
		}
		if command == "STARTTLS" && strings.Contains(answer, " OK") {
			if _, err := io.WriteString(conn, f.late); err != nil {
				return
			}
			conn = f.protect(conn)
			br = bufio.NewReader(conn)
		}
	}
}

const (
	// silence is the answer of a server that says nothing and keeps the line open; an empty answer is one that hangs up.
	silence = "silence"

	fine = "%s OK done\r\n"
	goOn = "+ go\r\n"
)

// announced is what is said to the announcement of a literal.
func (f *fake) announced(command string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if answer := f.answer("{" + command); answer != fine {
		return answer
	}
	return goOn
}

// takeLiteral reads a literal and the end of its line.
func (f *fake) takeLiteral(conn net.Conn, br *bufio.Reader, size int) error {
	if _, err := io.WriteString(conn, goOn); err != nil {
		return err
	}
	literal := make([]byte, size+2)
	if _, err := io.ReadFull(br, literal); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.literals = append(f.literals, string(literal[:size]))
	return nil
}

// literalOf returns the size of the literal that a command announces.
func literalOf(command string) (size int, announced bool) {
	_, text, found := strings.Cut(command, "{")
	size, err := strconv.Atoi(strings.TrimSuffix(text, "}"))
	return size, found && err == nil
}

// protect begins TLS with the certificate of the moment.
func (f *fake) protect(conn net.Conn) net.Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*f.cert}})
}

// answer finds what to say. f.mu is held.
func (f *fake) answer(command string) string {
	best, found := "", false
	for prefix := range f.answers {
		if strings.HasPrefix(command, prefix) && len(prefix) >= len(best) {
			best, found = prefix, true
		}
	}
	if !found {
		return fine
	}
	return f.answers[best]
}

const secret = "s3cret-word"

func (f *fake) options() Options {
	host, port, err := net.SplitHostPort(f.listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		f.t.Fatal(err)
	}
	return Options{
		Host: host, Port: number, Security: Plain, User: "me", Connections: 1, Tries: 2, Pause: time.Millisecond, Timeout: 5 * time.Second,
		Password: func(context.Context) (string, error) { return secret, nil },
	}
}

func (f *fake) account() *Account {
	f.t.Helper()
	a, err := Open(context.Background(), f.options())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = a.Close() })
	return a
}

// known is the ledger's set of UIDs.
type known map[mailbox.ID]bool

func (k known) Len() int                  { return len(k) }
func (k known) Has(id mailbox.ID) bool    { return k[id] }
func (k known) All() iter.Seq[mailbox.ID] { return maps.Keys(k) }

func knows(ids ...mailbox.ID) known {
	k := known{}
	for _, id := range ids {
		k[id] = true
	}
	return k
}

// selected is what SELECT says of a mailbox.
func selected(validity, next, exists int, highest string) string {
	s := "* " + strconv.Itoa(exists) + " EXISTS\r\n* OK [UIDVALIDITY " + strconv.Itoa(validity) + "] x\r\n"
	if next != 0 {
		s += "* OK [UIDNEXT " + strconv.Itoa(next) + "] x\r\n"
	}
	if highest != "" {
		s += "* OK [HIGHESTMODSEQ " + highest + "] x\r\n"
	}
	return s + "%s OK [READ-WRITE] x\r\n"
}

// meta is what FETCH says of a message that is new.
func meta(uid string) string {
	return "* 1 FETCH (UID " + uid + " FLAGS () INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" RFC822.SIZE 10 MODSEQ (5))\r\n"
}

func (f *fake) scan(a *Account, req mailbox.ScanRequest) *mailbox.Scan {
	f.t.Helper()
	req.Name = "INBOX"
	if req.Known == nil {
		req.Known = known{}
	}
	s, err := a.Scan(context.Background(), req)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}
