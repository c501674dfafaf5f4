package imaptest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// A link is one connection through a proxy.
type link struct {
	proxy          *Proxy
	opts           ProxyOptions
	manner         Manner
	client, server net.Conn
	toServer       *pipe
	toClient       *pipe
	once           sync.Once

	mu       sync.Mutex // guards what follows
	refused  map[string]string
	lost     map[string]bool
	answered bool // the server said something that the client may have waited for
	open     int  // commands that have no answer yet
	idle     sync.Cond
	gone     bool
	asks     string // the tag of a command whose client waits for leave to send a literal
	granted  bool   // it got it
}

func newLink(p *Proxy, client, server net.Conn, o ProxyOptions, cut Cut) *link {
	l := &link{
		proxy: p, opts: o, client: client, server: server, answered: true,
		refused: map[string]string{}, lost: map[string]bool{},
	}
	l.idle.L = &l.mu
	if o.Profile.Manner != nil {
		l.manner = o.Profile.Manner()
	}
	l.toServer = newPipe(server, cut.ToServer, o.Latency/2, func(n int64, cut bool) {
		p.count(func(s *Stats) { s.ToServer += n }, cut)
	})
	l.toClient = newPipe(client, cut.ToClient, o.Latency/2, func(n int64, cut bool) {
		p.count(func(s *Stats) { s.ToClient += n }, cut)
	})
	return l
}

func (l *link) close() {
	l.once.Do(func() {
		_ = l.client.Close() // cutting the line is the purpose
		_ = l.server.Close()
	})
}

// leave ends one direction, and with it the other.
func (l *link) leave(p *pipe) {
	p.end()
	l.close()
	l.mark(func() { l.gone = true; l.idle.Broadcast() })
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	delete(l.proxy.conns, l)
}

func (l *link) fromClient() {
	defer l.leave(l.toServer)
	r := bufio.NewReaderSize(l.client, 64<<10)
	for {
		line, err := l.next(r, l.toServer)
		if err != nil {
			return
		}
		l.flight()
		if err := l.forward(r, line); err != nil {
			return
		}
	}
}

// next reads a line. What was written before goes out when there is nothing more to be read at once.
func (l *link) next(r *bufio.Reader, w *pipe) ([]byte, error) {
	if r.Buffered() == 0 {
		if err := w.Flush(); err != nil {
			return nil, err
		}
	}
	return r.ReadBytes('\n')
}

// flight counts a round trip if the client was given something since it last spoke.
func (l *link) flight() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answered {
		l.answered = false
		l.proxy.count(func(s *Stats) { s.RoundTrips++ }, false)
	}
}

// forward passes one command, with its literals, or refuses it.
func (l *link) forward(r *bufio.Reader, line []byte) error {
	tag, verb, args := command(line)
	if tag == "" {
		_, err := l.toServer.Write(line) // DONE, or what belongs to AUTHENTICATE
		return err
	}
	if err := l.begin(verb); err != nil {
		return err
	}
	if answer := l.objection(tag, verb, args, line); answer != "" {
		l.proxy.note(verb, line, true)
		return l.refuse(r, line, tag, answer)
	}
	l.proxy.note(verb, line, false)
	if verb == "ENABLE" {
		line = l.opts.Profile.enable(line)
	}
	return l.pass(r, line, tag, l.opts.Lose != nil && l.opts.Lose(verb))
}

// pass passes a command with its literals. If its answer is to be lost, that begins with its end.
func (l *link) pass(r *bufio.Reader, line []byte, tag string, lose bool) error {
	for {
		size, waits, more := literalAt(line)
		if lose && !more {
			l.mark(func() { l.lost[tag] = true })
		}
		if waits {
			l.mark(func() { l.asks, l.granted = tag, false })
		}
		if _, err := l.toServer.Write(line); err != nil || !more {
			return err
		}
		if waits && !l.allowed(tag) {
			return nil
		}
		if err := l.passLiteral(r, l.toServer, size); err != nil {
			return err
		}
		var err error
		if line, err = l.next(r, l.toServer); err != nil {
			return err
		}
	}
}

// objection is what is answered in the place of the server; empty if the server is to answer.
func (l *link) objection(tag, verb, args string, line []byte) (answer string) {
	if missing := l.opts.Profile.refuses(verb, args); missing != "" {
		return "BAD " + verb + ": no " + missing + " here"
	}
	if size, waits, more := literalAt(line); more && !waits && l.opts.Profile.refusesLiteral(size) {
		return "BAD " + verb + ": no LITERAL+ here"
	}
	text := string(bytes.TrimRight(line, "\r\n"))
	if l.opts.Refuse != nil {
		answer = l.opts.Refuse(verb, text)
	}
	if answer == "" && l.manner.Hear != nil {
		_, rest, _ := strings.Cut(text, " ")
		l.mark(func() { answer = l.manner.Hear(tag, verb, rest) })
	}
	return answer
}

// begin counts a command as open, after it has waited for those before it if somebody wants to step in between.
func (l *link) begin(verb string) error {
	if l.opts.Before != nil {
		if err := l.toServer.Flush(); err != nil {
			return err
		}
		l.mark(func() {
			for l.open > 0 && !l.gone {
				l.idle.Wait()
			}
		})
		l.opts.Before(verb)
	}
	l.mark(func() { l.open++ })
	return nil
}

// allowed waits until the server lets a client send a literal, or answers the command in its place.
func (l *link) allowed(tag string) bool {
	if l.toServer.Flush() != nil {
		return false // which the next write finds out
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.asks == tag && !l.granted && !l.gone {
		l.idle.Wait()
	}
	l.asks = ""
	return l.granted
}

func (l *link) passLiteral(r *bufio.Reader, w *pipe, size int64) error {
	if r.Buffered() == 0 {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	_, err := io.CopyN(w, r, size)
	l.flight()
	return err
}

// refuse answers for the server, in its turn among the answers: the server gets a NOOP in the place of the command.
func (l *link) refuse(r *bufio.Reader, line []byte, tag, reason string) error {
	for {
		size, waits, more := literalAt(line)
		if !more || waits {
			break // a client that waits for leave to send a literal gets the answer instead
		}
		if _, err := r.Discard(int(size)); err != nil {
			return err
		}
		var err error
		if line, err = l.next(r, l.toServer); err != nil {
			return err
		}
	}
	l.mark(func() { l.refused[tag] = reason })
	_, err := io.WriteString(l.toServer, tag+" NOOP\r\n")
	return err
}

func (l *link) mark(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

func (l *link) fromServer() {
	defer l.leave(l.toClient)
	r := bufio.NewReaderSize(l.server, 64<<10)
	for {
		line, err := l.next(r, l.toClient)
		if err != nil {
			return
		}
		shown, err := l.judge(line)
		if err != nil {
			return
		}
		if err := l.respond(r, line, shown); err != nil {
			return
		}
	}
}

// judge changes the first line of a response into the one that the client is to see; nil if none.
func (l *link) judge(line []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, _, _ := bytes.Cut(line, []byte(" "))
	tag := string(first)
	if tag != "*" {
		l.answered = true
	}
	switch tag {
	case "*":
	case "+":
		l.granted = true
	case l.asks:
		l.asks = ""
		l.open--
	default:
		l.open--
	}
	l.idle.Broadcast()
	if l.lost[tag] {
		l.proxy.count(func(*Stats) {}, true)
		return nil, errCut
	}
	if reason, found := l.refused[tag]; found {
		delete(l.refused, tag)
		return []byte(tag + " " + reason + "\r\n"), nil
	}
	if len(l.lost) > 0 {
		return nil, nil
	}
	if bytes.HasPrefix(line, []byte("* OK")) || bytes.HasPrefix(line, []byte("* PREAUTH")) {
		l.answered = true // the greeting; later ones come with a tagged line
	}
	return l.say(l.opts.Profile.answer(line)), nil
}

// say puts a line in the server's own words; nil stays nil.
func (l *link) say(line []byte) []byte {
	if line == nil || l.manner.Say == nil {
		return line
	}
	said := l.manner.Say(string(bytes.TrimRight(line, "\r\n")))
	if said == nil {
		return nil
	}
	return []byte(strings.Join(said, "\r\n") + "\r\n")
}

// respond passes one response, with shown in the place of its first line. With nothing to show it is left out.
func (l *link) respond(r *bufio.Reader, line, shown []byte) error {
	var w io.Writer = l.toClient
	if shown == nil {
		w = io.Discard
	}
	for {
		if _, err := w.Write(shown); err != nil {
			return err
		}
		size, _, more := literalAt(line)
		if !more {
			return nil
		}
		if _, err := io.CopyN(w, r, size); err != nil {
			return err
		}
		var err error
		if line, err = l.next(r, l.toClient); err != nil {
			return err
		}
		shown = line
	}
}

// literalAt tells whether a line ends by announcing a literal, of what size, and whether the sender waits for leave.
func literalAt(line []byte) (size int64, waits, found bool) {
	line = bytes.TrimRight(line, "\r\n")
	start := bytes.LastIndexByte(line, '{')
	if start < 0 || !bytes.HasSuffix(line, []byte("}")) {
		return 0, false, false
	}
	number, now := bytes.CutSuffix(line[start+1:len(line)-1], []byte("+"))
	size, err := strconv.ParseInt(string(number), 10, 64)
	return size, !now, err == nil && size >= 0
}
