package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// A hook is an on_change that notes what it was told.
func hook(w *world, then string) (told func() string) {
	w.Helper()
	log := filepath.Join(w.dir, "told")
	script := filepath.Join(w.dir, "hook")
	text := fmt.Sprintf("#!/bin/sh\nenv | grep MAILTWIN | sort >>%q\necho end >>%[1]q\necho printed\n%s\n", log, then)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		w.Fatal(err)
	}
	w.set("on_change", script)
	return func() string {
		text, err := os.ReadFile(log)
		if err != nil {
			return ""
		}
		if err := os.Remove(log); err != nil {
			w.Fatal(err)
		}
		return string(text)
	}
}

func TestOnChange(t *testing.T) {
	w, server := memoryWorld(t, 3)
	told := hook(w, "")
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	w.want(0, "3 to download", "", "sync", "-n")
	if text := told(); text != "" {
		t.Errorf("a dry run told: %s", text)
	}
	w.want(0, "", "", "sync")
	want := "MAILTWIN_ACCOUNT=work\nMAILTWIN_COPIED=0\nMAILTWIN_DOWNLOADED=3\nMAILTWIN_FLAGGED=0\nMAILTWIN_MAILBOXES=INBOX\n" +
		"MAILTWIN_MAILDIR=" + w.maildir() + "\nMAILTWIN_MOVED=0\nMAILTWIN_REMOVED=0\nend\n"
	if text := told(); text != want { // no password among them (S17)
		t.Errorf("told %q, want %q", text, want)
	}
	w.want(0, "", "", "sync")
	if text := told(); text != "" {
		t.Errorf("nothing changed, and it told: %s", text)
	}

	// What changes only on the server is nothing to be told; what changes here is.
	files, err := filepath.Glob(filepath.Join(w.maildir(), "INBOX", "cur", "*:2,"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(w.maildir(), "INBOX", "new", "*"))
	if files = append(files, more...); err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	base, _, _ := strings.Cut(filepath.Base(files[0]), ":")
	if err := os.Rename(files[0], filepath.Join(w.maildir(), "INBOX", "cur", base+":2,FS")); err != nil {
		t.Fatal(err)
	}
	w.want(0, "work: INBOX: 1 flagged on the server\n", "", "sync", "-v")
	if text := told(); text != "" {
		t.Errorf("the server changed, and it told: %s", text)
	}
	w.want(0, "", "", "sync")
	if text := told(); text != "" {
		t.Errorf("the server had changed, and it told: %s", text)
	}
	copies, err := account.Messages("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if err := account.Flag("INBOX", []uint32{copies[0].UID}, []string{`\Answered`}, nil); err != nil {
		t.Fatal(err)
	}
	w.want(0, "", "", "sync")
	if text := told(); !strings.Contains(text, "MAILTWIN_FLAGGED=1\n") || !strings.Contains(text, "MAILTWIN_DOWNLOADED=0\n") {
		t.Errorf("told %q", text)
	}
}

// Each account has its own command; they run one after the other. That of the command line runs once, after all of them.
func TestOnChangeOfSeveral(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	log := filepath.Join(w.dir, "log")
	note := fmt.Sprintf(`mkdir %q && echo $MAILTWIN_ACCOUNT: $MAILTWIN_DOWNLOADED in $MAILTWIN_MAILBOXES of $MAILTWIN_MAILDIR >>%q && rmdir %[1]q`, filepath.Join(w.dir, "lock"), log)
	w.set("on_change", note)
	home := second(w, 2, fmt.Sprintf("on_change = %q", note))
	w.vars["MAILTWIN_PASSWORD_HOME"] = home.Password
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	told := func() string {
		text, err := os.ReadFile(log)
		if err != nil {
			return ""
		}
		must(os.Remove(log))
		return string(text)
	}
	w.want(0, "", "", "sync", "-n", "--quiet", "--on-change", note)
	if text := told(); text != "" {
		t.Errorf("a dry run told %q", text)
	}
	w.want(0, "", "", "sync", "--on-change", note)
	lines := strings.Split(told(), "\n")
	if len(lines) != 4 {
		t.Fatalf("told %q", lines)
	}
	slices.Sort(lines[:2]) // either may have been the first
	homeDir := filepath.Join(w.dir, "Home")
	want := []string{"home: 2 in INBOX of " + homeDir, "work: 3 in INBOX of " + w.maildir(), "home work: 5 in INBOX INBOX of " + homeDir + " " + w.maildir(), ""}
	if !slices.Equal(lines, want) {
		t.Errorf("told %q, want %q", lines, want)
	}
	w.want(0, "", "", "sync", "--on-change", note)
	if text := told(); text != "" {
		t.Errorf("nothing changed, and it told %q", text)
	}
	must(home.Append("INBOX", imaptest.Sample(1, 77, imaptest.CorpusOptions{})[0]))
	w.want(1, "", "mailtwin: --on-change: exit status 3: no room\nhint: it is about the command only, which is not run again for these changes\n",
		"sync", "--on-change", note+"; echo no room; exit 3")
	text := told()
	if want := "home: 1 in INBOX of " + homeDir + "\n"; text != want+want {
		t.Errorf("told %q", text)
	}
}

// S30: what a server calls its mailboxes is told, and never run.
func TestS30OnChangeNames(t *testing.T) {
	w, server := memoryWorld(t, 0)
	hook(w, `printf '%s' "$MAILTWIN_MAILBOXES" >"$MAILTWIN_MAILDIR/../names"`)
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	names := []string{"`touch x`;$(touch y)", "a\nb", "'; touch z #"}
	for _, name := range names {
		if err := account.Create(name); err != nil {
			t.Fatal(err)
		}
		if _, err := account.Append(name, imaptest.Message{Body: []byte("Subject: x\r\n\r\n")}); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(w.dir)
	w.want(0, "", "", "sync")
	text, err := os.ReadFile(filepath.Join(w.dir, "names"))
	if want := "INBOX\n'; touch z #\n`touch x`;$(touch y)\na\\x0ab"; err != nil || string(text) != want {
		t.Errorf("told %q, want %q, %v", text, want, err)
	}
	w.absent("x", "y", "z")
}

// A command that fails is told, and run again in the next run, until it does well.
func TestOnChangeFails(t *testing.T) {
	w, server := memoryWorld(t, 2)
	told := hook(w, "printf '\\r\\n what \\033[31mis wrong\\r\\n' >&2; exit 7")
	w.want(1, "", "mailtwin: work: on_change: exit status 7: printed / what \\x1b[31mis wrong\nhint: it is about the command only, which the next sync runs again", "sync")
	w.want(1, "", "on_change: exit status 7", "sync")
	if text := told(); strings.Count(text, "end\n") != 2 || strings.Count(text, "MAILTWIN_DOWNLOADED=2\n") != 1 {
		t.Errorf("told %q", text)
	}
	w.want(0, "exit status 1: on_change: exit status 7", "", "status")
	told = hook(w, "")
	w.want(0, "", "", "sync")
	w.want(0, "", "", "sync")
	if text := told(); strings.Count(text, "end\n") != 1 {
		t.Errorf("told %q", text)
	}

	// One that does not end is ended.
	w.prepare = func(env *environment) { env.hookTime = 100 * time.Millisecond }
	hook(w, "sleep 60")
	if err := server.Append("INBOX", imaptest.Sample(1, 77, imaptest.CorpusOptions{})[0]); err != nil {
		t.Fatal(err)
	}
	w.want(1, "", "on_change: it did not end within 100ms", "sync")

	// One that is not there.
	w.prepare = nil
	w.keys = append(slices.DeleteFunc(w.keys, func(line string) bool { return strings.HasPrefix(line, "on_change") }), `on_change = ["`+w.dir+`/none", "a b"]`)
	w.set("timeout", "10s")
	w.want(1, "", "/none: no such file", "sync")
}

// A run that was killed before it could tell is told by the next one.
func TestOnChangeKilled(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password})
	w.fill(20)
	told := filepath.Join(w.dir, "told")
	content, err := os.ReadFile(w.config)
	w.must(err)
	// The first time, it kills the program that runs it.
	hook := fmt.Sprintf("on_change = \"test -e %[1]s.killed && echo >>%[1]s || { touch %[1]s.killed; kill -9 $PPID; }\"\n", told)
	w.must(os.WriteFile(w.config, append(content, hook...), 0o600))
	if o := w.try(); o.code != -1 {
		t.Fatalf("it was not killed: %v", o)
	}
	w.sync()
	w.sync()
	text, err := os.ReadFile(told)
	if err != nil || string(text) != "\n" {
		t.Errorf("told %q, %v", text, err)
	}
}
