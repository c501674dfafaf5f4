package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// R25: a Maildir that is not the one that the state knows is left alone, and so is the server: not even flags change.
func TestR25AnotherTree(t *testing.T) {
	w, server := memoryWorld(t, 3)
	w.want(0, "", "", "sync")
	before := serverView(t, server)
	for _, tt := range []struct {
		name   string
		change func() error
		says   string
	}{
		{"another account's tree", func() error {
			return os.WriteFile(filepath.Join(w.maildir(), ".mailtwin"), []byte("0123456789abcdef0123456789abcdef\n"), 0o600)
		}, "is that of another state"},
		{"an old copy, without its marker", func() error { return os.Remove(filepath.Join(w.maildir(), ".mailtwin")) }, "is missing"},
		{"a marker that is a link", func() error { return os.Symlink("/etc/hostname", filepath.Join(w.maildir(), ".mailtwin")) }, "not a regular file"},
	} {
		if err := tt.change(); err != nil {
			t.Fatal(err)
		}
		for _, dry := range []string{"--dry-run", "--dry-run=false"} {
			if status := w.run("sync", dry); status == 0 || !strings.Contains(w.stderr, tt.says) {
				t.Errorf("%s: exit status %d: %s", tt.name, status, w.stderr)
			}
		}
		if diff := imaptest.Diff(before, serverView(t, server)); len(diff) > 0 {
			t.Errorf("%s: on the server: %v", tt.name, diff)
		}
	}
	if err := os.Remove(filepath.Join(w.maildir(), ".mailtwin")); err != nil {
		t.Fatal(err)
	}
	w.want(exitBrake, "", "move "+w.state()+" away, and the next sync pairs it anew", "sync")
	if err := os.Rename(w.state(), w.state()+".old"); err != nil {
		t.Fatal(err)
	}
	w.want(0, "3 found on both sides", "", "sync", "-v")
	w.want(0, "nothing to do", "", "sync", "-n")
}

func serverView(t *testing.T, server *imaptest.MemoryServer) imaptest.View {
	t.Helper()
	view, err := imaptest.NewAccount(t, server.Addr, server.User, server.Password).View()
	if err != nil {
		t.Fatal(err)
	}
	return view
}

// Before anything was synced, a slip in the settings is mended by mending the settings.
func TestSlipBeforeTheFirstSync(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.set("user", "nobody")
	w.want(exitAuth, "", "hint: check user and password", "sync")
	w.set("user", "user")
	if status := w.run("sync"); status == exitBrake {
		t.Errorf("%s", w.stderr)
	}
}

// What vanished on the server lies in the attic for a while, and mailtwin status tells.
func TestAttic(t *testing.T) {
	w, server := memoryWorld(t, 3)
	w.want(0, "", "", "sync")
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	copies, err := account.Read("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if err := account.Expunge("INBOX", copies[0].UID); err != nil {
		t.Fatal(err)
	}
	attic := strings.TrimSuffix(w.state(), ".db") + ".attic"
	w.want(0, "1 removed in the Maildir", "", "sync", "-v")
	files, err := filepath.Glob(filepath.Join(attic, "*", "INBOX", "cur", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	w.want(0, "work: attic "+attic+": 1 message, ", "", "status")
	var status statusJSON
	if w.run("status", "--json"); json.Unmarshal([]byte(w.stdout), &status) != nil || status.Attic.Messages != 1 || status.Last == nil || status.Last.Removed["maildir"] != 1 {
		t.Errorf("%s", w.stdout)
	}
	day := filepath.Dir(filepath.Dir(filepath.Dir(files[0])))
	if err := os.Rename(day, filepath.Join(filepath.Dir(day), "2020-01-01")); err != nil {
		t.Fatal(err)
	}
	w.want(0, "", "", "sync")
	w.absent(filepath.Join(attic, "2020-01-01"))
	w.set("attic", "a week")
	w.want(exitUsage, "", `attic is a number of days like "30d"`, "sync")
}

// R30: a state that is damaged is set aside, and all mail is paired anew.
func TestR30DamagedState(t *testing.T) {
	w, _ := memoryWorld(t, 5)
	w.want(0, "", "", "sync")
	if err := os.WriteFile(w.state(), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(1, "", "hint: the next sync sets the file aside", "status")
	w.want(1, "", "the state file is damaged", "sync", "-n")
	w.want(0, "work: INBOX: 5 found on both sides\n", "it was set aside as "+w.state()+".damaged-1, and all mail is paired anew", "sync", "-v")
	w.want(0, "nothing to do", "", "sync", "-n")
	if text, err := os.ReadFile(w.state() + ".damaged-1"); err != nil || string(text) != "rubbish" {
		t.Errorf("%q, %v", text, err)
	}

	// A record that cannot be read shows only when it is needed.
	file, err := os.ReadFile(w.state())
	if err != nil {
		t.Fatal(err)
	}
	file = bytes.ReplaceAll(file, []byte("\x02\x05INBOX"), []byte("\x09\x05INBOX"))
	if err := os.WriteFile(w.state(), file, 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(0, "5 found on both sides", "it was set aside as "+w.state()+".damaged-2", "sync", "-v")
}
