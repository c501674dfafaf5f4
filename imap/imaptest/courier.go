package imaptest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// ErrNoCourier means that Courier's imapd is not here.
var ErrNoCourier = errors.New("courier-imap is not here")

// A CourierServer serves Courier's imapd on a loopback address, in plain text, as the user who runs the test. It plays
// the login itself, as Courier's imaplogin would, and hands the connection over. Every user name is an account, made at
// its first login. Its mailboxes lie below "INBOX.", with "." between the levels.
type CourierServer struct {
	Addr     string // host:port
	Password string // of every account
	Home     string // directory with a Maildir for each user

	binary   string
	env      []string
	listener net.Listener
	watcher  *exec.Cmd
	users    atomic.Int64
	done     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]bool
	ended bool
}

// Courier starts a CourierServer that ends with the test. A test that needs one is skipped where there is none, see
// [Missing].
func Courier(t TB) *CourierServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "courier")
	if err != nil {
		t.Fatalf("start courier: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left is in the system's temporary directory
	s, err := StartCourier(dir)
	if errors.Is(err, ErrNoCourier) {
		Missing(t, "courier (Debian: courier-imap, unpacked beside Dovecot)")
	}
	if err != nil {
		t.Fatalf("start courier: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() }) // the test is over: nothing depends on it
	return s
}

// StartCourier starts a server that keeps its mail below dir. Close must be called.
func StartCourier(dir string) (*CourierServer, error) {
	root, libraries, err := courierRoot()
	if err != nil {
		return nil, err
	}
	id := filepath.Base(dir)
	s := &CourierServer{Password: "pass", Home: dir, binary: filepath.Join(root, "usr/bin/imapd"), conns: map[net.Conn]bool{}}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + libraries, "GAM_CLIENT_ID=" + id,
		"TCPREMOTEIP=127.0.0.1", "TCPREMOTEPORT=1", "IMAP_KEYWORDS=1", "IMAP_USELOCKS=1", "IMAP_ENHANCEDIDLE=0",
		"IMAP_CAPABILITY=" + courierCapability,
	}
	if err := s.startWatcher(root, id); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Addr = s.listener.Addr().String()
	s.done.Go(s.accept)
	return s, nil
}

// courierCapability is what Debian's configuration claims, without IDLE.
const courierCapability = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA"

// courierRoot finds below what directory imapd is, and where its libraries lie. It is seldom installed, for it cannot be
// installed beside Dovecot's: scripts/test unpacks it.
func courierRoot() (root, libraries string, err error) {
	for _, root := range []string{os.Getenv("MAILTWIN_COURIER"), filepath.Join(testCache(), "courier"), "/"} {
		if _, err := os.Stat(filepath.Join(root, "usr/lib/courier")); root == "" || err != nil {
			continue
		}
		found, err := filepath.Glob(filepath.Join(root, "usr/lib", "*-linux-*"))
		if err != nil {
			return "", "", err
		}
		return root, strings.Join(append(found, filepath.Join(root, "usr/lib")), ":"), nil
	}
	return "", "", ErrNoCourier
}

// NewUser names an account that nobody has used yet.
func (s *CourierServer) NewUser() string { return fmt.Sprintf("user%d", s.users.Add(1)) }

// Close cuts all connections, with which their processes end, and stops.
func (s *CourierServer) Close() error {
	var err error
	if s.listener != nil {
		err = s.listener.Close()
	}
	s.mu.Lock()
	s.ended = true
	for conn := range s.conns {
		err = errors.Join(err, conn.Close())
	}
	s.mu.Unlock()
	s.done.Wait()
	err = errors.Join(err, s.watcher.Process.Kill())
	_ = s.watcher.Wait() // it was killed, and says so
	return err
}

func (s *CourierServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		s.conns[conn] = true
		if s.ended {
			_ = conn.Close() // nobody is there any more
		}
		s.mu.Unlock()
		s.done.Go(func() {
			s.serve(conn)
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.ended {
				_ = conn.Close() // it was served
				delete(s.conns, conn)
			}
		})
	}
}

// startWatcher starts the program that watches files for Courier. Without it imapd waits two seconds for it at the start
// of each session, and two minutes for a mailbox that another session has locked.
func (s *CourierServer) startWatcher(root, id string) error {
	s.watcher = exec.Command(filepath.Join(root, "usr/libexec/gam_server"), "--notimeout", id)
	s.watcher.Env, s.watcher.SysProcAttr = s.env, ownGroup()
	return s.watcher.Start()
}

// serve plays the login, and lets imapd have the rest.
func (s *CourierServer) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	name, tag, err := s.login(r, conn)
	if err != nil {
		return // the client went away, or does not know what it wants
	}
	maildir := filepath.Join(s.Home, name)
	for _, part := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(maildir, part), 0o700); err != nil {
			fmt.Fprintf(conn, "%s NO %v\r\n", tag, err)
			return
		}
	}
	cmd := exec.Command(s.binary, maildir)
	cmd.Dir, cmd.Stdout, cmd.SysProcAttr = maildir, conn, ownGroup()
	cmd.Env = slices.Concat(s.env, []string{"MAILDIR=" + maildir, "AUTHENTICATED=" + name, "IMAPLOGINTAG=" + tag})
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintf(conn, "%s NO %v\r\n", tag, err)
		return
	}
	s.done.Go(func() {
		_, _ = io.Copy(in, r) // ends when either side does
		_ = in.Close()
	})
	_ = cmd.Wait() // a session that was cut ends with an error
}
