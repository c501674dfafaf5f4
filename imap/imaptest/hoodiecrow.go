package imaptest

import (
	"bufio"
	_ "embed" // for the program that serves
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoHoodiecrow means that hoodiecrow-imap, or the node that runs it, is not here.
var ErrNoHoodiecrow = errors.New("hoodiecrow-imap is not here")

// HoodiecrowOptions choose what kind of server hoodiecrow-imap is.
type HoodiecrowOptions struct {
	Gmail bool // it claims X-GM-EXT-1; X-GM-MSGID and X-GM-LABELS it has anyway
}

// A HoodiecrowServer is a running hoodiecrow-imap, with one account and the mailboxes INBOX, Drafts, Sent and Trash.
type HoodiecrowServer struct {
	Addr           string // host:port, plain text
	User, Password string
	Token          string // for XOAUTH2

	cmd *exec.Cmd
	in  io.Closer
}

// Hoodiecrow starts a HoodiecrowServer that ends with the test. A test that needs one is skipped where there is none, see
// [Missing].
func Hoodiecrow(t TB, o HoodiecrowOptions) *HoodiecrowServer {
	t.Helper()
	s, err := StartHoodiecrow(o)
	if errors.Is(err, ErrNoHoodiecrow) {
		Missing(t, "hoodiecrow-imap (from npm, with node)")
	}
	if err != nil {
		t.Fatalf("start hoodiecrow: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() }) // the test is over: nothing depends on it
	return s
}

//go:embed hoodiecrow.js
var hoodiecrowProgram string

// StartHoodiecrow starts a server that keeps its mail in memory. Close must be called.
func StartHoodiecrow(o HoodiecrowOptions) (*HoodiecrowServer, error) {
	modules, err := hoodiecrowModules()
	if err != nil {
		return nil, err
	}
	s := &HoodiecrowServer{User: "user", Password: "pass", Token: "ya29.token"}
	options, err := json.Marshal(s.options(o))
	if err != nil {
		return nil, err
	}
	s.cmd = exec.Command("node", "--no-deprecation", "-e", hoodiecrowProgram, "--", string(options))
	s.cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	s.cmd.Stderr, s.cmd.SysProcAttr = os.Stderr, ownGroup()
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.in = in
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("it did not say on which port it listens: %w", err), s.Close())
	}
	s.Addr = "127.0.0.1:" + strings.TrimSpace(port)
	return s, nil
}

// hoodiecrowModules finds the modules of node where scripts/test installs them.
func hoodiecrowModules() (string, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return "", ErrNoHoodiecrow
	}
	modules := filepath.Join(testCache(), "hoodiecrow", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "hoodiecrow-imap")); err != nil {
		return "", ErrNoHoodiecrow
	}
	return modules, nil
}

func (s *HoodiecrowServer) options(o HoodiecrowOptions) map[string]any {
	claims := []string{}
	if o.Gmail {
		claims = append(claims, "X-GM-EXT-1")
	}
	special := func(use string) map[string]any { return map[string]any{"special-use": use} }
	return map[string]any{
		"claims": claims,
		"plugins": []string{
			"ID", "SASL-IR", "AUTH-PLAIN", "NAMESPACE", "IDLE", "ENABLE", "CONDSTORE", "LITERALPLUS", "UNSELECT", "SPECIAL-USE",
			"UIDPLUS", "MOVE", "X-GM-EXT-1", "XOAUTH2",
		},
		"users": map[string]any{s.User: map[string]any{
			"password": s.Password, "xoauth2": map[string]any{"accessToken": s.Token, "sessionTimeout": 3600_000},
		}},
		"storage": map[string]any{"INBOX": map[string]any{}, "": map[string]any{"separator": "/", "folders": map[string]any{
			"Drafts": special(`\Drafts`), "Sent": special(`\Sent`), "Trash": special(`\Trash`),
		}}},
	}
}

// Close stops the server, with which its mail is gone.
func (s *HoodiecrowServer) Close() error {
	err := errors.Join(s.in.Close(), s.cmd.Process.Kill())
	_ = s.cmd.Wait() // it was killed, and says so
	return err
}
