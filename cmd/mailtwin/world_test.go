package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// A world is a configuration with one account, and what the last command printed.
type world struct {
	*testing.T
	dir, config string
	keys        []string // of the account, as they are written down
	vars        map[string]string
	terminal    bool
	late        time.Duration      // how long a process waits after one that was killed
	prepare     func(*environment) // changes what a command has of the outside; may be nil

	stdout, stderr string
}

func newWorld(t *testing.T, addr, user, password string) *world {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "config.toml")
	w.vars = map[string]string{"HOME": w.dir, "MAILTWIN_PASSWORD_WORK": password}
	w.set("host", host)
	w.line("port = " + port)
	w.set("tls", "none")
	w.set("user", user)
	w.set("maildir", w.maildir())
	w.set("timeout", "10s")
	return w
}

func (w *world) maildir() string { return filepath.Join(w.dir, "Mail") }
func (w *world) state() string   { return filepath.Join(w.dir, ".local", "state", "mailtwin", "work.db") }

// set gives a key a text as its value.
func (w *world) set(key, value string) {
	w.Helper()
	w.keys = slices.DeleteFunc(w.keys, func(line string) bool { return strings.HasPrefix(line, key+" = ") })
	w.line(fmt.Sprintf("%s = %q", key, value))
}

// line adds a line to the account.
func (w *world) line(text string) {
	w.Helper()
	w.keys = append(w.keys, text)
	whole := "[accounts.work]\n" + strings.Join(w.keys, "\n") + "\n"
	if err := os.WriteFile(w.config, []byte(whole), 0o600); err != nil {
		w.Fatal(err)
	}
}

// run executes a command line and returns its exit status.
func (w *world) run(args ...string) int {
	w.Helper()
	env, _, _ := testEnv(w.vars)
	var stdout, stderr bytes.Buffer
	env.stdout, env.stderr, env.terminal = &stdout, &stderr, w.terminal
	if w.prepare != nil {
		w.prepare(env)
	}
	status := run(w.Context(), env, append(args, "--config", w.config))
	w.stdout, w.stderr = stdout.String(), stderr.String()
	return status
}

// want runs a command line and wants an exit status, and words on stdout and stderr: "" wants nothing at all there.
func (w *world) want(status int, stdout, stderr string, args ...string) {
	w.Helper()
	got := w.run(args...)
	if got != status || !matches(w.stdout, stdout) || !matches(w.stderr, stderr) {
		w.Fatalf("mailtwin %s\n got %d\n%s%s\nwant %d %q %q", strings.Join(args, " "), got, w.stdout, w.stderr, status, stdout, stderr)
	}
}

func matches(text, want string) bool {
	return (want == "" && text == "") || (want != "" && strings.Contains(text, want))
}

// absent fails if one of these exists.
func (w *world) absent(paths ...string) {
	w.Helper()
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			w.Errorf("%s is there", path)
		}
	}
}

// memoryWorld is a world with an account of n messages on a server in this process.
func memoryWorld(t *testing.T, n int) (*world, *imaptest.MemoryServer) {
	t.Helper()
	server := imaptest.Memory(t)
	for _, m := range imaptest.Sample(n, 3, imaptest.CorpusOptions{MaxSize: 20e3}) {
		if err := server.Append("INBOX", m); err != nil {
			t.Fatal(err)
		}
	}
	return newWorld(t, server.Addr, server.User, server.Password), server
}
