package imaptest

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrNoDovecot means that Dovecot is not installed.
var ErrNoDovecot = errors.New("dovecot is not installed")

// DovecotOptions choose what kind of server Dovecot is. The zero value is Debian's, with all its capabilities.
type DovecotOptions struct {
	Storage    string // "sdbox" (default) or "maildir"
	Capability string // replaces imap_capability: what Dovecot claims; what it does not claim it still does, see Proxy
	Password   string // of every account; "pass" by default
	Virtual    bool   // there is [AllMail], a mailbox that shows the mail of others
	Extra      string // more lines of configuration
}

// A Server is a running Dovecot. Every user name is an account, made empty at its first login, with the mailboxes
// INBOX, Drafts, Junk, Sent and Trash.
type Server struct {
	Addr     string // host:port, plain text and STARTTLS
	TLSAddr  string // host:port, implicit TLS
	CA       *x509.CertPool
	CAFile   string // the same as a PEM file
	User     string // an account; NewUser makes more
	Password string // of every account
	Home     string // directory with one directory for each user
	Log      string // Dovecot's log file

	base  string // sockets: paths of these must be short
	cmd   *exec.Cmd
	ended chan struct{}
	users atomic.Int64
}

// Dovecot starts a Dovecot that ends with the test. A test that needs one is skipped where it is not installed, see
// [Missing].
func Dovecot(t TB, o DovecotOptions) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "dovecot") // not t.TempDir: root's is closed to the user who holds the mail
	if err != nil {
		t.Fatalf("start dovecot: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left is in the system's temporary directory
	s, err := StartDovecot(dir, o)
	if errors.Is(err, ErrNoDovecot) {
		Missing(t, "dovecot (Debian: dovecot-imapd)")
	}
	if err != nil {
		t.Fatalf("start dovecot: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Dovecot's log ends: %s", s.logTail())
		}
		if err := s.Close(); err != nil {
			t.Logf("stop dovecot: %v", err)
		}
	})
	return s
}

// StartDovecot starts a Dovecot that keeps its mail below dir. Started by root, it makes dir passable for the user
// nobody, who holds the mail; what is above dir must be passable already. Close must be called.
func StartDovecot(dir string, o DovecotOptions) (*Server, error) {
	binary, err := dovecotBinary()
	if err != nil {
		return nil, err
	}
	for range 5 { // another process may take a port between our look and Dovecot's
		var s *Server
		if s, err = startOnce(binary, dir, o); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func dovecotBinary() (string, error) {
	for _, name := range []string{"dovecot", "/usr/sbin/dovecot", "/usr/local/sbin/dovecot", "/opt/homebrew/sbin/dovecot"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoDovecot
}

func startOnce(binary, dir string, o DovecotOptions) (*Server, error) {
	s := &Server{User: "user", Password: o.Password, ended: make(chan struct{})}
	if s.Password == "" {
		s.Password = "pass"
	}
	conf, err := s.prepare(dir, o)
	if err != nil {
		return nil, err
	}
	s.cmd = exec.Command(binary, "-F", "-c", conf)
	s.cmd.SysProcAttr = ownGroup()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // its status says nothing: the log does
		close(s.ended)
	}()
	if err := s.waitReady(10 * time.Second); err != nil {
		err = fmt.Errorf("%w; its log ends: %s", err, s.logTail())
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// NewUser names an account that nobody has used yet.
func (s *Server) NewUser() string { return fmt.Sprintf("user%d", s.users.Add(1)) }

// Close stops the server, with all its processes. The mail stays. It kills them, for asked politely Dovecot takes a
// second, and nothing here is worth that.
func (s *Server) Close() error {
	select {
	case <-s.ended:
	default:
		if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop dovecot: %w", err)
		}
		<-s.ended
	}
	return os.RemoveAll(s.base)
}

// waitReady returns when the server greets.
func (s *Server) waitReady(limit time.Duration) error {
	end := time.After(limit)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if s.greets() {
			return nil
		}
		select {
		case <-again.C:
		case <-s.ended:
			return errors.New("dovecot ended")
		case <-end:
			return errors.New("dovecot did not greet")
		}
	}
}

func (s *Server) greets() bool {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // it greeted, or it did not
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "* OK")
}

func (s *Server) logTail() string {
	content, err := os.ReadFile(s.Log)
	if err != nil {
		return err.Error()
	}
	const most = 2000
	return string(content[max(0, len(content)-most):])
}

// freePorts returns n loopback addresses that nobody listens on at this moment.
func freePorts(n int) ([]string, error) {
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // an error would show when Dovecot listens
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}

func (s *Server) prepare(dir string, o DovecotOptions) (conf string, err error) {
	addrs, err := freePorts(2)
	if err != nil {
		return "", err
	}
	s.Addr, s.TLSAddr = addrs[0], addrs[1]
	if s.base, err = os.MkdirTemp("", "dovecot"); err != nil {
		return "", err
	}
	if err := os.Chmod(s.base, 0o755); err != nil { // Dovecot's processes run as several users
		return "", err
	}
	s.Home, s.Log, s.CAFile = filepath.Join(dir, "home"), filepath.Join(dir, "dovecot.log"), filepath.Join(dir, "ca.pem")
	ca, err := NewCA()
	if err != nil {
		return "", err
	}
	if err := ca.writeFiles(dir); err != nil {
		return "", err
	}
	s.CA = ca.Pool
	owner, err := prepareHome(dir, s.Home)
	if err != nil {
		return "", err
	}
	if o.Virtual {
		more, err := prepareVirtual(dir)
		if err != nil {
			return "", err
		}
		o.Extra = more + o.Extra
	}
	conf = filepath.Join(dir, "dovecot.conf")
	return conf, os.WriteFile(conf, []byte(s.config(dir, owner, o)), 0o600)
}
