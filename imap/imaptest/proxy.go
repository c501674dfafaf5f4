package imaptest

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// ProxyOptions say what a proxy does to what passes through it. The zero value passes everything.
type ProxyOptions struct {
	// Profile is what the server can do.
	Profile Profile
	// Latency is added to each round trip, half of it on each way.
	Latency time.Duration
	// Cut, if not nil, tells where the n-th connection is cut; n begins with 1.
	Cut func(n int) Cut
	// Lose, if not nil, is asked for each command, as Stats.Commands counts it: true lets the server do it, and cuts
	// the line in place of the answer. It may be called from several goroutines.
	Lose func(verb string) bool
	// Refuse, if not nil, is asked for each command, with its first line. What it returns, unless that is empty, is
	// answered in the place of the server: "NO [OVERQUOTA] full". It may be called from several goroutines.
	Refuse func(verb, line string) string
	// Before, if not nil, is called for each command before the server gets it and after the server has answered all
	// that came before on the same connection. It may be called from several goroutines.
	Before func(verb string)
}

// Cut says after how many octets a line is cut in each direction; 0 is never.
type Cut struct {
	ToServer, ToClient int64
}

// Stats count what passed through a proxy.
type Stats struct {
	Connections int
	RoundTrips  int            // how often a client sent something after something that it had been waiting for
	Commands    map[string]int // by verb in upper case: "SELECT", "UID FETCH"; without those that were refused
	Refused     map[string]int // what was refused in the place of the server, by verb
	Cuts        int            // of lines, by Cut or Lose
	ToServer    int64          // octets
	ToClient    int64          // octets
}

// A Proxy stands between clients and a server, in plain text. Its methods may be called from several goroutines.
type Proxy struct {
	Addr string // host:port for the clients

	target   string
	listener net.Listener
	done     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	opts  ProxyOptions
	stats Stats
	log   []string
	conns map[*link]bool
	last  int // number of the last connection
	ended bool
}

// NewProxy starts a proxy to a server at target, until the test ends.
func NewProxy(t TB, target string, o ProxyOptions) *Proxy {
	t.Helper()
	p, err := StartProxy(target, o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = p.Close() }) // the test is over: nothing depends on it
	return p
}

// StartProxy starts a proxy to a server at target. Close must be called.
func StartProxy(target string, o ProxyOptions) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	p := &Proxy{Addr: listener.Addr().String(), target: target, listener: listener, opts: o, conns: map[*link]bool{}}
	p.resetLocked()
	p.done.Go(p.accept)
	return p, nil
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close() // as a server does that cannot serve
			continue
		}
		if l := p.add(client, server); l != nil {
			p.done.Go(l.fromClient)
			p.done.Go(l.fromServer)
		}
	}
}

// add makes a link of two connections, or closes them if the proxy has ended.
func (p *Proxy) add(client, server net.Conn) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Connections++
	p.last++
	var cut Cut
	if p.opts.Cut != nil {
		cut = p.opts.Cut(p.last)
	}
	l := newLink(p, client, server, p.opts, cut)
	if p.ended {
		l.close()
		return nil
	}
	p.conns[l] = true
	return l
}

// Close cuts all lines and stops.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.CutAll()
	p.done.Wait()
	return err
}

// CutAll cuts all lines that are open now.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.conns {
		l.close()
	}
}

// Set changes the options for connections to come.
func (p *Proxy) Set(o ProxyOptions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opts = o
}

// Reset sets the counters to zero and forgets the commands.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resetLocked()
}

func (p *Proxy) resetLocked() {
	p.stats = Stats{Commands: map[string]int{}, Refused: map[string]int{}}
	p.log = nil
}

// Stats returns the counters.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Commands, s.Refused = maps.Clone(s.Commands), maps.Clone(s.Refused)
	return s
}

// Commands returns the first line of each command that came, without its tag; of a login only the verb.
func (p *Proxy) Commands() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

// BodyFetches counts the commands that ask for whole messages.
func (p *Proxy) BodyFetches() int {
	n := 0
	for _, line := range p.Commands() {
		if line = strings.ToUpper(line); strings.Contains(line, "FETCH ") &&
			(strings.Contains(line, "BODY[]") || strings.Contains(line, "BODY.PEEK[]") || strings.Contains(line, "RFC822)")) {
			n++
		}
	}
	return n
}

// note counts a command.
func (p *Proxy) note(verb string, line []byte, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if refused {
		p.stats.Refused[verb]++
	} else {
		p.stats.Commands[verb]++
	}
	if verb == "LOGIN" || verb == "AUTHENTICATE" {
		p.log = append(p.log, verb)
		return
	}
	_, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	p.log = append(p.log, rest)
}

func (p *Proxy) count(change func(*Stats), cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.stats)
	if cut {
		p.stats.Cuts++
	}
}
