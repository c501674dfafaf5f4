package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mailtwin/imap"
	"mailtwin/imap/imaptest"
	"mailtwin/mailbox"
	"mailtwin/state"
	"mailtwin/syncer"
)

func TestExitStatus(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{errProblems, 1},
		{leftBehind(&syncer.Report{Problems: []error{errors.New("x"), mailbox.ErrTemporary}}), 1},
		{leftBehind(&syncer.Report{Problems: []error{&mailbox.MailboxError{Mailbox: "INBOX", Err: mailbox.ErrTemporary}}}), 4},
		{leftBehind(&syncer.Report{Waiting: []mailbox.Trouble{{Temporary: true}}}), 4},
		{leftBehind(&syncer.Report{Waiting: []mailbox.Trouble{{Temporary: true}, {}}}), 1},
		{leftBehind(&syncer.Report{Problems: []error{mailbox.ErrTemporary}, Waiting: []mailbox.Trouble{{}}}), 1},
		{leftBehind(&syncer.Report{Problems: []error{mailbox.ErrHalf}, Waiting: []mailbox.Trouble{{}}}), 5},
		{leftBehind(&syncer.Report{}), 0},
		{fmt.Errorf("%w: no", mailbox.ErrAuth), 3},
		{&reported{fmt.Errorf("x: %w", mailbox.ErrTemporary)}, 4},
		{&syncer.BrakeError{}, 5},
		{&syncer.BrakeError{Err: mailbox.ErrTemporary}, 5},
		{&changedError{}, 5},
		{&reported{&state.LockedError{}}, 6},
		{errors.Join(&usageError{errors.New("x")}), 64},
		{stopped{syscall.SIGINT}, 130},
		{&reported{stopped{syscall.SIGTERM}}, 143},
		{fmt.Errorf("%w: unknown authority", imap.ErrTLS), 1},
	} {
		if got := exitStatus(tt.err); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.want)
		}
	}
}

// A dry run leaves no trace, whatever is there already.
func TestDryRun(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(0, "work: INBOX: new mailbox in the Maildir, 3 to download", "", "sync", "--dry-run")
	w.absent(w.maildir(), w.state(), filepath.Join(w.dir, ".local"))

	w.vars["MAILTWIN_PASSWORD_WORK"] = "wrong"
	w.want(exitAuth, "", "hint: check user and password", "sync")
	if err := os.RemoveAll(w.maildir()); err != nil {
		t.Fatal(err)
	}
	w.vars["MAILTWIN_PASSWORD_WORK"] = "pass"
	w.want(0, "3 to download", "", "sync", "--dry-run") // with a state that knows nothing
	w.absent(w.maildir())

	w.want(0, "", "", "sync")
	w.want(0, "work: nothing to do\n", "", "sync", "--dry-run")
}

// R26: a state is not used for another account, nor for another Maildir.
func TestR26(t *testing.T) {
	w, server := memoryWorld(t, 3)
	other := server.NewUser()
	w.want(0, "", "", "sync")
	for _, tt := range []struct{ key, was, is string }{
		{"user", server.User, other},
		{"host", "127.0.0.1", "localhost"},
		{"maildir", w.maildir(), filepath.Join(w.dir, "Other")},
	} {
		w.set(tt.key, tt.is)
		for _, dry := range []string{"--dry-run", "--dry-run=false"} {
			w.want(exitBrake, "", fmt.Sprintf("mailtwin: work: %s was %q when the state was made, and is %q now\nhint: ",
				tt.key, tt.was, tt.is), "sync", dry)
		}
		w.set(tt.key, tt.was)
		w.want(0, "nothing to do", "", "sync", "--dry-run")
	}
	if err := os.Rename(w.maildir(), filepath.Join(w.dir, "Moved")); err != nil {
		t.Fatal(err)
	}
	w.set("maildir", filepath.Join(w.dir, "Moved")) // with its marker
	w.want(0, "nothing to do", "", "sync", "--dry-run")
	w.want(0, "", "", "sync")
	w.want(0, "nothing to do", "", "sync", "--dry-run")

	w.set("host", "localhost")
	w.want(exitBrake, "", "host was", "sync", "--allow-delete") // which is about removals, not about other mail
	w.set("host", "127.0.0.1")
	w.want(0, "nothing to do", "", "sync", "--dry-run")
}

// The Maildir is made on the first run only.
func TestMaildirGone(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(0, "", "", "sync")
	if err := os.Rename(w.maildir(), w.maildir()+".away"); err != nil {
		t.Fatal(err)
	}
	w.want(exitBrake, "", "hint: is the disk mounted", "sync")
	w.want(exitBrake, "", "hint: is the disk mounted", "sync", "--dry-run")
	w.want(exitBrake, "", "make an empty directory there", "sync", "--allow-delete")
	w.absent(w.maildir())
	if err := os.Rename(w.maildir()+".away", w.maildir()); err != nil {
		t.Fatal(err)
	}
	w.want(0, "nothing to do", "", "sync", "--dry-run")
}

// Most of a mailbox that is gone from the Maildir stays on the server, and the rest of the run is done.
func TestMostOfAMailboxGone(t *testing.T) {
	w, _ := memoryWorld(t, 60)
	w.want(0, "", "", "sync")
	files, err := filepath.Glob(filepath.Join(w.maildir(), "INBOX", "[cn]*", "*.mailtwin*"))
	if err != nil || len(files) < 55 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	away := t.TempDir()
	for _, file := range files[:55] {
		if err := os.Rename(file, filepath.Join(away, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(w.maildir(), "New", dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.want(exitBrake, "work: New: new mailbox on the server", `mailtwin: work: 55 of 60 messages of mailbox "INBOX" are gone in the Maildir`, "sync", "--dry-run")
	w.want(exitBrake, "work: New: new mailbox on the server", "hint: nothing is removed for it on the server; all else goes on", "sync", "-v")
	w.want(exitBrake, "", "mailtwin sync --allow-delete work (max_delete is the limit)", "sync")
	w.want(0, "work: INBOX: 55 moved to the Trash on the server", "", "sync", "-v", "--allow-delete")
}

func TestMailboxes(t *testing.T) {
	w, server := memoryWorld(t, 3)
	for _, name := range []string{"Work/2024", "Spam"} {
		account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
		if err := account.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	w.want(exitUsage, "", `mailtwin: work: no mailbox has such a name`, "sync", "--mailbox", "Nowhere")
	w.want(exitUsage, "", `mailtwin: --mailbox: an empty pattern`, "sync", "--mailbox", "!")
	w.want(0, "work: Work/2024: new mailbox in the Maildir\nwork: up to date", "", "sync", "-v", "-m", "W*")
	w.absent(filepath.Join(w.maildir(), "INBOX"), filepath.Join(w.maildir(), "Spam"))
	w.keys = append(w.keys, `mailboxes = ["*", "!Spam"]`)
	w.set("timeout", "10s")
	w.want(0, "work: INBOX: new mailbox in the Maildir, 3 downloaded", "", "sync", "-v")
	w.absent(filepath.Join(w.maildir(), "Spam"))
	w.want(exitUsage, "", `no mailbox has such a name`, "sync", "-m", "Spam")
}

func TestJSON(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(0, `{"`, "", "sync", "--json")
	events := map[string]map[string]any{}
	var last string
	for line := range strings.Lines(w.stdout) {
		var event map[string]any
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if event["account"] != "work" {
			t.Errorf("no account: %s", line)
		}
		last, _ = event["event"].(string)
		events[last] = event
	}
	if last != "summary" || events["phase"] == nil || events["planned"] == nil || events["mailbox"]["mailbox"] != "INBOX" {
		t.Errorf("events:\n%s", w.stdout)
	}
	if s := events["summary"]; s["downloaded"] != 3.0 || s["exit_status"] != 0.0 || s["problems"] != 0.0 {
		t.Errorf("summary: %v", s)
	}

	w.vars["MAILTWIN_PASSWORD_WORK"] = "wrong"
	w.want(exitAuth, `"exit_status":3`, "", "sync", "--json")
}

// From cron: silence. On a terminal: a bar with what the user wants to know, and what came of it.
func TestTerminal(t *testing.T) {
	w, _ := memoryWorld(t, 30)
	w.terminal = true
	w.want(0, "work: up to date, in", "0 of 30 messages", "sync")
	if !strings.Contains(w.stderr, " [0s:") || !strings.HasSuffix(w.stderr, " \r") {
		t.Errorf("no bar, or one that stays: %q", w.stderr)
	}
	if strings.Contains(w.stdout, "\x1b") {
		t.Errorf("the bar is on stdout: %q", w.stdout)
	}
	w.want(0, "", "", "sync", "--quiet")
	w.terminal = false
	w.want(0, "", "", "sync")
}

// One account that fails does not keep the others from being synced.
func TestSeveralAccounts(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.keys = append(w.keys, "[accounts.bad]", "host = \"127.0.0.1\"", "user = \"x\"", "tls = \"none\"", "password = \"x\"",
		"maildir = \"/does/not/matter\"", "state = \"/proc/none/state.db\"")
	w.set("timeout", "5s") // writes the file; the key goes to the other account
	w.want(1, "work: up to date", "mailtwin: bad: ", "sync", "--verbose")
	w.want(0, "work: nothing to do", "", "sync", "--dry-run", "work")
}

// Several accounts are synced side by side, with one bar on a terminal.
func TestSideBySide(t *testing.T) {
	w, server := memoryWorld(t, 3)
	w.keys = append(w.keys, "[accounts.other]", "host = \"127.0.0.1\"", "user = \""+server.NewUser()+"\"", "tls = \"none\"",
		"password = \""+server.Password+"\"", "maildir = \""+filepath.Join(w.dir, "Other")+"\"")
	for _, key := range w.keys {
		if strings.HasPrefix(key, "port = ") {
			w.keys = append(w.keys, key)
			break
		}
	}
	w.set("timeout", "5s") // of the last account
	w.terminal = true
	if status := w.run("sync"); status != 0 || !strings.Contains(w.stdout, "work: up to date") || !strings.Contains(w.stdout, "other: up to date") {
		t.Errorf("exit status %d\n%s%s", status, w.stdout, w.stderr)
	}
	w.want(0, "other: nothing to do", "", "sync", "-n")
}

// What a signal ends is done cleanly, and says which one it was.
func TestStopped(t *testing.T) {
	server := imaptest.Memory(t)
	proxy := imaptest.NewProxy(t, server.Addr, imaptest.ProxyOptions{})
	w := newWorld(t, proxy.Addr, server.User, server.Password)
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stopped{signal})
		env, stdout, stderr := testEnv(w.vars)
		if got := run(ctx, env, []string{"sync", "--config", w.config}); got != want {
			t.Errorf("%v: exit status %d: %s%s", signal, got, stdout, stderr)
		}
		if got := stderr.String(); strings.Count(got, "stopped by ") != 1 || strings.Contains(got, "context canceled") {
			t.Errorf("%v: %s", signal, got)
		}
	}
}

// The context ends at the first signal; the second one would end the process, so it is not tried here.
func TestUntilSignal(t *testing.T) {
	ctx, stop := untilSignal(t.Context())
	defer stop()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	var cause stopped
	if !errors.As(context.Cause(ctx), &cause) || cause.signal != syscall.SIGTERM {
		t.Errorf("cause: %v", context.Cause(ctx))
	}
}

// Every verb's help has an example and the exit statuses; mistakes on the command line are mistakes of usage.
func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args   string
		status int
		stdout string
		stderr string
	}{
		{"", 0, "Usage:", ""},
		{"--help", 0, "status", ""},
		{"sync --help", 0, "Examples:", ""},
		{"status --help", 0, "Examples:", ""},
		{"history --help", 0, "Examples:", ""},
		{"undo --help", 0, "Examples:", ""},
		{"demo --help", 0, "Examples:", ""},
		{"completion --help", 0, "Examples:", ""},
		{"completion bash", 0, "__start_mailtwin", ""},
		{"completion zsh", 0, "#compdef mailtwin", ""},
		{"completion fish", 0, "complete -c mailtwin", ""},
		{"completion csh", 64, "", "csh"},
		{"man --help", 0, "Examples:", ""},
		{"man", 64, "", "takes one directory"},
		{"man /proc/none", 1, "", "write manual pages"},
		{"sinc", 64, "", `there is no command "sinc"`},
		{"sync --no-such-flag", 64, "", "unknown flag"},
		{"sync --config", 64, "", "needs an argument"},
		{"demo now", 64, "", "takes no arguments"},
		{"sync --config /does/not/exist", 64, "", "there is no configuration at /does/not/exist"},
		{"status --config /", 64, "", "/"},
	} {
		env, stdout, stderr := testEnv(nil)
		status := run(t.Context(), env, strings.Fields(tt.args))
		if status != tt.status || !matches(stdout.String(), tt.stdout) || !matches(stderr.String(), tt.stderr) {
			t.Errorf("mailtwin %s: %d\n%s%s", tt.args, status, stdout, stderr)
		}
		if strings.HasSuffix(tt.args, " --help") && !strings.Contains(stdout.String(), "\n  64   the command line ") {
			t.Errorf("mailtwin %s: no exit statuses:\n%s", tt.args, stdout)
		}
	}
}

// The shell is offered the accounts that are not on the command line yet.
func TestCompleteAccounts(t *testing.T) {
	w, _ := memoryWorld(t, 0)
	w.keys = append(w.keys, "[accounts.home]", `host = "127.0.0.1"`, `user = "x"`, `maildir = "/x"`)
	w.set("timeout", "5s")
	env, stdout, _ := testEnv(w.vars)
	if status := run(t.Context(), env, []string{"__complete", "sync", "--config", w.config, "home", ""}); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if got := stdout.String(); !strings.HasPrefix(got, "work\n:4\n") {
		t.Errorf("offered: %q", got)
	}
}

func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	env, stdout, stderr := testEnv(nil)
	if status := run(t.Context(), env, []string{"man", dir}); status != 0 {
		t.Fatalf("%d: %s%s", status, stdout, stderr)
	}
	for _, page := range []string{"mailtwin.1", "mailtwin-sync.1", "mailtwin-status.1"} {
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil || !strings.HasPrefix(string(text), ".nh\n.TH \"MAILTWIN\" \"1\"") {
			t.Errorf("%s: %.60q, %v", page, text, err)
		}
	}
}
