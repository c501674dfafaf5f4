package imaptest

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// A MemoryServer is an IMAP server inside this process, without CONDSTORE. Plain text on a loopback address.
type MemoryServer struct {
	Addr     string // host:port
	User     string // an account with an empty INBOX; NewUser makes more
	Password string // of every account

	server *imapserver.Server
	served chan struct{}
	count  atomic.Int64

	mu    sync.Mutex // guards what follows, and is held during COPY, MOVE and RENAME
	users map[string]*memoryUser
}

// A memoryUser is an account, and the names of its mailboxes, which imapmemserver does not tell.
type memoryUser struct {
	*imapmemserver.User
	names map[string]bool
}

// Memory starts an in-process server with one account, which ends with the test.
func Memory(t TB) *MemoryServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start an IMAP server: %v", err)
	}
	m := &MemoryServer{
		Addr: listener.Addr().String(), Password: "pass",
		served: make(chan struct{}), users: map[string]*memoryUser{},
	}
	m.server = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &memorySession{server: m}, nil, nil
		},
		Caps:         memoryCaps(),
		InsecureAuth: true,
		Logger:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // it tells of every line that a client cuts
	})
	m.User = m.NewUser()
	go func() {
		defer close(m.served)
		_ = m.server.Serve(listener) // ends with an error when closed, and for no other reason here
	}()
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
	m.mu.Lock()
	m.users[name] = &memoryUser{User: imapmemserver.NewUser(name, m.Password), names: map[string]bool{}}
	m.mu.Unlock()
	if err := m.create(name, "INBOX"); err != nil {
		panic(err) // the account is new
	}
	return name
}

// Create makes a mailbox in the account User. The delimiter is "/".
func (m *MemoryServer) Create(mailbox string) error { return m.create(m.User, mailbox) }

func (m *MemoryServer) create(user, mailbox string) error {
	u := m.user(user)
	if err := u.Create(mailbox, nil); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u.names[mailbox] = true
	return nil
}

// Append stores a message in a mailbox of the account User.
func (m *MemoryServer) Append(mailbox string, msg Message) error {
	_, err := m.user(m.User).Append(mailbox, literal{bytes.NewReader(msg.Body)}, msg.options())
	return err
}

func (m *MemoryServer) user(name string) *memoryUser {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.users[name]
}

// A literal is a message that an account takes without a connection.
type literal struct{ *bytes.Reader }
