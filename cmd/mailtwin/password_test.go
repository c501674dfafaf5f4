package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// S18: what a password_command may do, and what not.
func TestS18(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command command
		want    string
		err     string
	}{
		{"a line", command{line: "echo secret"}, "secret", ""},
		{"no newline", command{line: "printf secret"}, "secret", ""},
		{"CRLF", command{line: `printf 'secret\r\n'`}, "secret", ""},
		{"spaces stay", command{line: "echo ' secret '"}, " secret ", ""},
		{"a list needs no shell", command{words: []string{"echo", "$HOME `id`"}}, "$HOME `id`", ""},
		{"the most", command{line: "head -c 4096 /dev/zero | tr '\\0' x"}, strings.Repeat("x", 4096), ""},
		{"fails", command{line: "echo secret; echo no such entry >&2; exit 1"}, "", "exit status 1: no such entry"},
		{"fails silently", command{line: "exit 3"}, "", "password_command: exit status 3"},
		{"is not there", command{words: []string{"/does/not/exist"}}, "", "no such file"},
		{"nothing", command{line: "true"}, "", "the password is empty"},
		{"two lines", command{line: "echo a; echo b"}, "", "more than one line"},
		{"two newlines", command{line: "echo a; echo"}, "", "more than one line"},
		{"NUL", command{line: `printf 'a\0b'`}, "", "or a NUL"},
		{"too much", command{line: "head -c 10000000 /dev/zero"}, "", "printed more than 4096 octets"},
		{"without end", command{words: []string{"yes"}}, "", "printed more than 4096 octets"},
		{"a flood of errors", command{line: "yes no >&2"}, "", "password_command: "},
		{"hangs", command{words: []string{"sleep", "100"}}, "", "did not end within"},
		{"leaves something that hangs", command{line: "sleep 100 & sleep 100"}, "", "did not end within"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env, _, _ := testEnv(nil)
			if strings.Contains(tt.err, "within") {
				env.commandTime = 100 * time.Millisecond
			}
			got, err := env.password(&account{name: "work", PasswordCommand: tt.command})(t.Context())
			if got != tt.want || (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %q, %v; want %q, %q", got, err, tt.want, tt.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows what the command printed: %v", err)
			}
		})
	}
}

// S18: without a password nobody logs in, and the exit status says why.
func TestS18NoLogin(t *testing.T) {
	server := imaptest.Memory(t)
	proxy := imaptest.NewProxy(t, server.Addr, imaptest.ProxyOptions{})
	for _, command := range []string{"exit 1", "true", "echo a; echo b"} {
		w := newWorld(t, proxy.Addr, server.User, "")
		w.set("password_command", command)
		if status := w.run("sync"); status != exitAuth {
			t.Errorf("%q: exit status %d: %s", command, status, w.stderr)
		}
	}
	for verb, n := range proxy.Stats().Commands {
		if verb == "LOGIN" || verb == "AUTHENTICATE" {
			t.Errorf("%d times %s", n, verb)
		}
	}
}

// A stopped program does not wait for the command.
func TestPasswordCommandStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	env, _, _ := testEnv(nil)
	began := time.Now()
	_, err := env.password(&account{PasswordCommand: command{words: []string{"sleep", "100"}}})(ctx)
	if !errors.Is(err, context.Canceled) || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// What a command started ends with it, if it does not end in time.
func TestPasswordCommandChildren(t *testing.T) {
	env, _, _ := testEnv(nil)
	env.commandTime = 2 * time.Second
	file := filepath.Join(t.TempDir(), "pid")
	line := "sleep 100 & echo $! > " + file + "; wait"
	if _, err := env.password(&account{PasswordCommand: command{line: line}})(t.Context()); err == nil {
		t.Fatal("it ended in time")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 { // it is init's to bury
		if syscall.Kill(pid, 0) != nil || isZombie(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d lives on", pid)
}

func isZombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}

func TestPasswordSources(t *testing.T) {
	vars := map[string]string{"MAILTWIN_PASSWORD_WORK": "env", "MAILTWIN_PASSWORD_A_B_2": "odd"}
	for _, tt := range []struct {
		account account
		want    string
		err     string
	}{
		{account{name: "work", Password: "file"}, "file", ""},
		{account{name: "work", PasswordCommand: command{line: "echo command"}}, "command", ""},
		{account{name: "work"}, "env", ""},
		{account{name: "a.b-2"}, "odd", ""},
		{account{name: "home"}, "", "$MAILTWIN_PASSWORD_HOME"},
		{account{name: "work", Password: "a\nb"}, "", "more than one line"},
	} {
		env, _, _ := testEnv(vars)
		got, err := env.password(&tt.account)(t.Context())
		if got != tt.want || (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: got %q, %v", tt.account.name, got, err)
		}
	}
}

// S17: no other program is told the passwords that we were told. Each login of a run uses what the first one found.
func TestS17Environment(t *testing.T) {
	env, _, _ := testEnv(map[string]string{"MAILTWIN_PASSWORD_WORK": "env", "MAILTWIN_PASSWORD_HOME": "env", "KEPT": "kept"})
	file := filepath.Join(t.TempDir(), "count")
	password := env.password(&account{PasswordCommand: command{line: "echo x >>" + file + "; env | tr '\\n' ' '"}})
	for range 3 {
		got, err := password(t.Context())
		if err != nil || strings.Contains(got, "PASSWORD") || !strings.Contains(got, "KEPT=kept") {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if ran, err := os.ReadFile(file); err != nil || string(ran) != "x\n" {
		t.Errorf("ran %q, %v", ran, err)
	}
}

// S17: what libraries start gets no password either.
func TestS17TakePasswords(t *testing.T) {
	t.Setenv("MAILTWIN_PASSWORD_WORK", "marked")
	t.Setenv("MAILTWIN_OTHER", "kept")
	getenv, err := takePasswords()
	if err != nil || getenv("MAILTWIN_PASSWORD_WORK") != "marked" || getenv("MAILTWIN_OTHER") != "kept" {
		t.Errorf("%q, %v", getenv("MAILTWIN_PASSWORD_WORK"), err)
	}
	if strings.Contains(strings.Join(os.Environ(), "\n"), "marked") {
		t.Error("it is in the environment still")
	}
}
