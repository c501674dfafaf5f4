package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The demo shows a whole sync, both ways, in less than ten seconds, and leaves what it talks about.
func TestDemo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	env, stdout, stderr := testEnv(nil)
	if status := run(ctx, env, []string{"demo"}); status != 0 || stderr.Len() > 0 {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	for _, want := range []string{
		"380 messages in 7 mailboxes.", "120 downloaded", "1 flagged on the server, 1 flagged in the Maildir",
		"Both sides agree: 380 messages in 7 mailboxes",
	} {
		if !strings.Contains(stdout.String(), want) {
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
