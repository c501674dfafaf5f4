package gimap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"mailtwin/imap/imaptest"
)

// A Server is one account and the port that serves it.
type Server struct {
	Addr           string
	User, Password string

	listener net.Listener
	wait     sync.WaitGroup

	mu       sync.Mutex // of all that follows, the store included
	o        Options
	store    *store
	sessions map[*session]bool
	tokens   map[string]time.Time // until when each is good
	faults   []*planned
	count    Counters
	deleted  int      // see EverDeleted
	used     struct { // of the quotas of a day
		down, up   int64
		recipients int
	}
	sent   []Submission
	closed bool

	alsoClose []net.Listener
}

// New starts a server.
func New(options Options) (*Server, error) {
	options.fill()
	l, err := net.Listen("tcp", options.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{
		Addr: l.Addr().String(), User: options.User, Password: options.Password, listener: l,
		o: options, sessions: map[*session]bool{}, tokens: map[string]time.Time{},
	}
	s.store = newStore(&s.o)
	s.count.clear()
	s.wait.Go(s.accept)
	return s, nil
}

// Start is New for a test, which it fails if need be.
func Start(t imaptest.TB, options Options) *Server {
	t.Helper()
	s, err := New(options)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			return
		}
		if s.o.TLS != nil {
			nc = tls.Server(nc, s.o.TLS)
		}
		c := newSession(s, nc)
		if !s.admit(c) {
			_ = nc.Close()
			return
		}
		s.wait.Go(func() { c.serve() })
	}
}

func (s *Server) admit(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.sessions[c] = true
	return true
}

// Close ends all sessions and the server.
func (s *Server) Close() error {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	for c := range s.sessions {
		_ = c.conn.Close()
	}
	for _, l := range s.alsoClose {
		_ = l.Close()
	}
	s.mu.Unlock()
	err := s.listener.Close()
	s.wait.Wait()
	if already || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Set changes options while the server runs. Those that say what a fresh account has (Locale, Prefix, Chats) count at the
// start only.
func (s *Server) Set(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.o)
}

// SetToken makes an access token good until a time; the zero time makes it good for ever.
func (s *Server) SetToken(token string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = until
}

// Revoke makes all access tokens worthless.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// EndSessions says BYE in all sessions and closes them.
func (s *Server) EndSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.over = sessionOver
		c.interrupt()
	}
}

// NextDay makes the quotas whole again.
func (s *Server) NextDay() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleCounts()
	s.used.down, s.used.up, s.used.recipients = 0, 0, 0
}

// spent tells whether a quota is used up.
func (s *Server) spent() bool {
	return s.o.QuotaDown > 0 && s.used.down >= s.o.QuotaDown || s.o.QuotaUp > 0 && s.used.up >= s.o.QuotaUp
}
