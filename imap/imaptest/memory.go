package imaptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// A MemoryServer is an IMAP server inside this process, without CONDSTORE. Plain text on a loopback address. Close
// must be called.
type MemoryServer struct {
	Addr     string // host:port
	User     string // an account with an empty INBOX; NewUser makes more
	Password string // of every account

	server *imapserver.Server
	served chan struct{}
	count  atomic.Int64

	mu    sync.Mutex // guards what follows, and is held during COPY and MOVE
	users map[string]*imapmemserver.User
}

// NewMemory starts an in-process server with one account.
func NewMemory() (*MemoryServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start an IMAP server: %w", err)
	}
	m := &MemoryServer{
		Addr: listener.Addr().String(), Password: "pass",
		served: make(chan struct{}), users: map[string]*imapmemserver.User{},
	}
	m.server = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &memorySession{server: m}, nil, nil
		},
		Caps:         memoryCaps(),
		InsecureAuth: true,
		Logger:       log.New(io.Discard, "", 0), // it tells of every line that a client cuts
	})
	m.User = m.NewUser()
	go func() {
		defer close(m.served)
		_ = m.server.Serve(listener) // ends with an error when closed, and for no other reason here
	}()
	return m, nil
}

// Memory starts an in-process server that ends with the test.
func Memory(t TB) *MemoryServer {
	t.Helper()
	m, err := NewMemory()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = m.Close() }) // the test is over: nothing depends on it
	return m
}

func memoryCaps() goimap.CapSet {
	set := goimap.CapSet{}
	for _, c := range []goimap.Cap{
		goimap.CapIMAP4rev1, goimap.CapNamespace, goimap.CapUIDPlus, goimap.CapESearch, goimap.CapSearchRes,
		goimap.CapListExtended, goimap.CapListStatus, goimap.CapMove, goimap.CapStatusSize,
	} {
		set[c] = struct{}{}
	}
	return set
}

// Close stops the server; what it held is gone.
func (m *MemoryServer) Close() error {
	err := m.server.Close()
	<-m.served
	return err
}

// NewUser makes an account with an empty INBOX, and returns its name.
func (m *MemoryServer) NewUser() string {
	name := fmt.Sprintf("user%d", m.count.Add(1))
	user := imapmemserver.NewUser(name, m.Password)
	if err := user.Create("INBOX", nil); err != nil {
		panic(err) // the account is new
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users[name] = user
	return name
}

// Create makes a mailbox in the account User. The delimiter is "/".
func (m *MemoryServer) Create(mailbox string) error { return m.user(m.User).Create(mailbox, nil) }

// Append stores a message in a mailbox of the account User.
func (m *MemoryServer) Append(mailbox string, msg Message) error {
	_, err := m.user(m.User).Append(mailbox, literal{bytes.NewReader(msg.Body)}, msg.options())
	return err
}

func (m *MemoryServer) user(name string) *imapmemserver.User {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.users[name]
}

// A literal is a message that an account takes without a connection.
type literal struct{ *bytes.Reader }

// A memorySession mends two faults of imapmemserver: a COPY or MOVE from A to B beside one from B to A locks up, and
// a mailbox that is selected over another is never let go.
type memorySession struct {
	*imapmemserver.UserSession
	server   *MemoryServer
	selected bool
}

var errLogin = errors.New("not logged in")

// Login gives the session an account.
func (s *memorySession) Login(name, password string) error {
	user := s.server.user(name)
	if user == nil {
		return imapserver.ErrAuthFailed
	}
	if err := user.Login(name, password); err != nil {
		return err
	}
	s.UserSession = imapmemserver.NewUserSession(user)
	return nil
}

// Select opens a mailbox.
func (s *memorySession) Select(name string, o *goimap.SelectOptions) (*goimap.SelectData, error) {
	if s.selected {
		if err := s.Unselect(); err != nil {
			return nil, err
		}
	}
	data, err := s.UserSession.Select(name, o)
	s.selected = err == nil
	return data, err
}

// Unselect leaves the mailbox.
func (s *memorySession) Unselect() error {
	s.selected = false
	return s.UserSession.Unselect()
}

// Copy copies messages, one command at a time in the whole server.
func (s *memorySession) Copy(set goimap.NumSet, to string) (*goimap.CopyData, error) {
	if s.UserSession == nil {
		return nil, errLogin
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return s.UserSession.Copy(set, to)
}

// Move moves messages, one command at a time in the whole server.
func (s *memorySession) Move(w *imapserver.MoveWriter, set goimap.NumSet, to string) error {
	if s.UserSession == nil {
		return errLogin
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return s.UserSession.Move(w, set, to)
}
