package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// The demo shows labels, one download and one file for each message, and changes in both directions, and leaves what it
// talks about.
func TestDemo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	env, stdout, stderr := testEnv(nil)
	if status := run(ctx, env, []string{"demo"}); status != 0 || stderr.Len() > 0 {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	for _, want := range []string{
		`the 300 messages show 701 times\.`, `INBOX +new mailbox in the Maildir, 94 downloaded\n`, `2\.\d MB came for 2\.4 MB of mail\.`,
		`300 files, 701 names\. This one has 5:`, `INBOX +1 flagged on the server, 1 taken out here on the server\n`,
		`Family +1 copied on the server, 1 copied in the Maildir\n`, `Räkningar +1 moved here on the server, 1 flagged in the Maildir\n`, `All Mail +2 flagged in the Maildir\n`,
		`kB came, 0 messages downloaded, 0 messages uploaded`, `Both sides agree: 300 messages, shown 702 times in 8 mailboxes`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	inbox := regexp.MustCompile(`mutt -f (\S+)`).FindStringSubmatch(stdout.String())
	if inbox == nil {
		t.Fatalf("nothing to do next:\n%s", stdout)
	}
	entries, err := os.ReadDir(filepath.Join(inbox[1], "cur"))
	if err != nil || len(entries) == 0 {
		t.Errorf("%s: %d files, %v", inbox[1], len(entries), err)
	}
	for line := range strings.Lines(stdout.String()) {
		if len([]rune(line)) > 120 {
			t.Errorf("too long to be read: %q", line)
		}
	}
}

// What is served can be synced by this program and read by another, and Ctrl-C ends it cleanly.
func TestDemoServes(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	env, _, stderr := testEnv(nil)
	r, w := io.Pipe()
	env.stdout = w
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, env, []string{"demo", "--serve", "0"})
		_ = w.Close()
	}()
	said, lines := map[string]string{}, bufio.NewScanner(r)
	for lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C") {
		if words := strings.Fields(strings.ReplaceAll(lines.Text(), ",", "")); strings.HasPrefix(lines.Text(), "  ") {
			said[words[0]] = words[1]
		}
	}
	addr := net.JoinHostPort(said["host"], said["port"])
	v, err := imaptest.NewAccount(t, addr, said["user"], said["password"]).View()
	if err != nil || len(v.Count()) != 300 || len(v.Mailboxes) != 12 {
		t.Errorf("%s: %d messages in %d mailboxes, %v", addr, len(v.Count()), len(v.Mailboxes), err)
	}
	world := newWorld(t, addr, said["user"], said["password"])
	world.want(0, "94 downloaded", "", "sync", "-v")
	cancel(stopped{syscall.SIGINT})
	rest, err := io.ReadAll(r)
	if status := <-ended; status != 130 || err != nil || stderr.Len() > 0 || !strings.Contains(string(rest), "Stopped. It sent") {
		t.Errorf("exit status %d, %v\n%s%s", status, err, rest, stderr)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("it is served still")
	}
}

// Without a host it is this machine alone.
func TestDemoAddress(t *testing.T) {
	for given, want := range map[string]string{
		"1143": "127.0.0.1:1143", ":1143": "127.0.0.1:1143", "[::1]:0": "[::1]:0", "0.0.0.0:1143": "0.0.0.0:1143",
		"x": "", "127.0.0.1": "", "127.0.0.1:imap": "", "127.0.0.1:70000": "", "": "",
	} {
		if got, err := serveAddress(given); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", given, got, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for address, want := range map[string]int{l.Addr().String(): 1, "nowhere": 64} {
		env, _, stderr := testEnv(nil)
		if status := run(t.Context(), env, []string{"demo", "--serve", address}); status != want || stderr.Len() == 0 {
			t.Errorf("%s: exit status %d\n%s", address, status, stderr)
		}
	}
}
