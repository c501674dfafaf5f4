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
// "%s" stands for its tag. A command without an answer is answered OK. One that announces a literal, and waits, is first
// given the answer to "{" and itself, which is to go on if there is none; where that is a refusal, no literal follows. Behind a BYE
// the connection is closed.
type fake struct {
	t        *testing.T
	listener net.Listener
	cert     *tls.Certificate
	implicit bool // TLS from the first octet
	greeting string
	deaf     bool   // says nothing to the handshake behind STARTTLS
	late     string // sent behind the OK of STARTTLS, before the handshake
	stalls   bool   // flushes what it compresses in a way that never comes out at the other end

	served   sync.WaitGroup // connections
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
			f.served.Go(func() { f.serve(&holding{Conn: conn}) })
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
		answer, err := f.hear(conn, br, command)
		if err != nil {
			return
		}
		if answer == silence {
			continue
		}
		if tcp, plain := conn.(*net.TCPConn); answer == "" && plain {
			_ = tcp.CloseWrite() // a reset would take back what was answered before
			_, _ = io.Copy(io.Discard, br)
			return
		}
		if _, err := io.WriteString(conn, strings.ReplaceAll(answer, "%s", tag)); err != nil || answer == "" || strings.HasPrefix(answer, "* BYE") {
			return
		}
		if strings.HasPrefix(answer, "+") {
			challenged = tag
		}
		if f.stalls && strings.HasPrefix(command, "COMPRESS") {
			f.stall(conn, br)
			return
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

	// held before an answer keeps it back until something else is said.
	held = "held "

	fine = "%s OK done\r\n"
)

// A holding connection keeps back what is to be said later.
type holding struct {
	net.Conn
	held string
}

func (h *holding) Write(p []byte) (int, error) {
	if text, later := strings.CutPrefix(string(p), held); later {
		h.held += text
		return len(p), nil
	}
	p, h.held = append([]byte(h.held), p...), ""
	return h.Conn.Write(p)
}

// stall answers the first thing that is said in compressed form with a block of static codes, "* OK hi", and an empty one
// behind it, as Z_PARTIAL_FLUSH ends. Then it waits until the client gives up.
func (*fake) stall(conn net.Conn, br *bufio.Reader) {
	if _, err := br.ReadByte(); err != nil {
		return
	}
	if _, err := io.WriteString(conn, "\xd2\x52\xf0\xf7\x56\xc8\xc8\xe4\xe5\x02\x08"); err == nil {
		_, _ = io.Copy(io.Discard, br)
	}
}

// hear notes a command, takes its literals and returns what to say to it.
func (f *fake) hear(conn net.Conn, br *bufio.Reader, command string) (answer string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := len(f.commands)
	f.commands = append(f.commands, command)
	for segment := command; ; {
		size, waits, announced := literalOf(segment)
		if !announced {
			return f.answer(command), nil
		}
		if on := f.answer("{" + command); waits && on != fine {
			return on, nil
		}
		if waits {
			if _, err := io.WriteString(conn, "+ go\r\n"); err != nil {
				return "", err
			}
		}
		f.mu.Unlock()
		var literal string
		literal, segment, err = takeLiteral(br, size)
		f.mu.Lock()
		if err != nil {
			return "", err
		}
		f.literals = append(f.literals, literal)
		command += segment
		f.commands[at] = command
	}
}

// takeLiteral reads a literal and the rest of its line.
func takeLiteral(br *bufio.Reader, size int) (literal, rest string, err error) {
	text := make([]byte, size)
	if _, err = io.ReadFull(br, text); err != nil {
		return "", "", err
	}
	rest, err = br.ReadString('\n')
	return string(text), strings.TrimRight(rest, "\r\n"), err
}

// literalOf returns the size of the literal that a command announces at its end, and whether it waits for leave.
func literalOf(command string) (size int, waits, announced bool) {
	at := strings.LastIndexByte(command, '{')
	if at < 0 {
		return 0, false, false
	}
	text, unasked := strings.CutSuffix(strings.TrimSuffix(command[at+1:], "}"), "+")
	size, err := strconv.Atoi(text)
	return size, !unasked, err == nil && strings.HasSuffix(command, "}")
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
