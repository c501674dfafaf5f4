package main

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// TestPasswordStaysSecret looks for a marked password in all that the program writes and in the list of processes,
// however it came to know the password, and whether the server takes it or not.
func TestPasswordStaysSecret(t *testing.T) {
	const secret = "sEcReT-7f3a91"
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{Password: secret})
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, from, to string // what takes the place of the password in the configuration
		env            string
		refused        bool
	}{
		{name: "in the file"},
		{name: "by a command", from: `password = "` + secret + `"`, to: `password_command = "cat ` + file + `"`},
		{name: "in the environment", from: `password = "` + secret + `"`, env: secret},
		{name: "refused", from: secret, to: "wrong-" + secret, refused: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: secret})
			_, err := w.account.Append("INBOX", imaptest.Sample(1, 1, imaptest.CorpusOptions{})[0])
			w.must(err)
			w.proxy.Set(imaptest.ProxyOptions{Latency: 60 * time.Millisecond})
			content, err := os.ReadFile(w.config)
			w.must(err)
			if tt.from != "" {
				content = []byte(strings.Replace(string(content), tt.from, tt.to, 1))
				w.must(os.WriteFile(w.config, content, 0o600))
			}
			t.Setenv("MAILTWIN_PASSWORD_TEST", tt.env)
			w.proxy.Reset()
			_, wait := w.start(context.Background(), "sync", "--verbose")
			ended := make(chan outcome, 1)
			go func() { ended <- wait() }()
			var o outcome
			looks := 0
			for running := true; running; looks++ {
				w.lookInProcesses(secret)
				select {
				case o = <-ended:
					running = false
				case <-time.After(5 * time.Millisecond):
				}
			}
			if want := map[bool]int{false: 0, true: 3}[tt.refused]; o.code != want {
				t.Errorf("exit status %d, want %d: %v", o.code, want, o)
			}
			for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte("\x00" + w.server.user + "\x00" + secret))} {
				if strings.Contains(o.stdout+o.stderr+o.trace, form) {
					t.Errorf("the password is in: %v", o)
				}
			}
			if o.trace == "" || looks < 10 {
				t.Errorf("looked %d times at processes and at a trace of %d octets", looks, len(o.trace))
			}
			w.lookInFiles(secret)
		})
	}
}

// lookInProcesses fails if a secret is in a command line. Where there is no /proc it does nothing.
func (w *twin) lookInProcesses(secret string) {
	w.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	w.must(err)
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil && strings.Contains(string(content), secret) { // it may have ended
			w.Fatalf("the password is in %s: %q", file, content)
		}
	}
}

// lookInFiles fails if a secret is in a file of the twin that is not its configuration.
func (w *twin) lookInFiles(secret string) {
	w.Helper()
	w.must(filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == w.config {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), secret) {
			w.Errorf("the password is in %s", path)
		}
		return err
	}))
}
