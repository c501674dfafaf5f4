package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// namesLine is how every error of a configuration begins, but that of an empty one.
var namesLine = regexp.MustCompile(`^FILE:[1-9][0-9]*: |^FILE: no account`)

// Whatever a configuration says, reading it ends without a panic, and what is wrong is named with its line.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		work, work + "tls = \"ssl\"", "accounts = 3", "[accounts", "accounts.a.host = \"h\"", "[[accounts]]", "[accounts.\"\"]", "[accounts.a]\nhost = 1e9",
		work + "password_command = [\"a\", 1]", work + "mailboxes = [\"!\"]", work + "timeout = \"-1s\"", "accounts.work = {host = \"h\", user = \"u\", maildir = \"/m\"}",
		"[accounts.a]\nhost = \"\"\"\n\"\"\"", "\xff", "a = 2024-01-01T00:00:00Z", "[accounts.a.b.c]", "accounts = {}", work + "port = 99999999999999999999",
	} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "config.toml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		env, _, _ := testEnv(map[string]string{"HOME": "/home/me"})
		_, err := env.loadConfig(path)
		if err == nil {
			return
		}
		if !errors.As(err, new(*usageError)) {
			t.Errorf("%q: %v is no usage error", text, err)
		}
		if said := strings.ReplaceAll(err.Error(), path, "FILE"); !namesLine.MatchString(said) {
			t.Errorf("%q: %s names no line", text, said)
		}
	})
}
