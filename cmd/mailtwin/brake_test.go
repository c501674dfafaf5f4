package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
	"mailtwin/state"
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
		{"a copy without its marker", func() error { return os.Remove(filepath.Join(w.maildir(), ".mailtwin")) }, "is missing"},
		{"a marker that is a link", func() error { return os.Symlink("/etc/hostname", filepath.Join(w.maildir(), ".mailtwin")) }, "not a regular file"},
	} {
		if err := tt.change(); err != nil {
			t.Fatal(err)
		}
		for _, dry := range []string{"--dry-run", "--dry-run=false", "--allow-delete"} {
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

// R25: an older copy of the Maildir, marker and all, lacks what came later. That is not taken for removed, wherever the
// copy lies, and nothing that was removed since comes back unasked.
func TestR25OlderCopy(t *testing.T) {
	for _, place := range []string{"here", "elsewhere"} {
		w, server := memoryWorld(t, 20)
		w.want(0, "", "", "sync")
		copied := w.maildir() + ".copy"
		copyTree(t, w.maildir(), copied)
		for _, m := range imaptest.Sample(5, 77, imaptest.CorpusOptions{MaxSize: 2e3}) {
			if err := server.Append("INBOX", m); err != nil {
				t.Fatal(err)
			}
		}
		w.want(0, "", "", "sync")
		w.want(0, "", "", "sync")
		before := serverView(t, server)
		if place == "elsewhere" {
			w.set("maildir", copied)
		} else if err := errors.Join(os.Rename(w.maildir(), w.maildir()+".newer"), os.Rename(copied, w.maildir())); err != nil {
			t.Fatal(err)
		}
		for _, flag := range []string{"--dry-run", "--verbose", "--allow-delete"} {
			w.want(exitBrake, "", "is an older copy of the Maildir", "sync", flag)
		}
		if diff := imaptest.Diff(before, serverView(t, server)); len(diff) > 0 {
			t.Errorf("%s: on the server: %v", place, diff)
		}
		if err := os.Rename(w.state(), w.state()+".old"); err != nil {
			t.Fatal(err)
		}
		w.want(0, "work: INBOX: 5 downloaded, 20 found on both sides\n", "", "sync", "-v")
		if diff := imaptest.Diff(before, serverView(t, server)); len(diff) > 0 {
			t.Errorf("%s: on the server, afterwards: %v", place, diff)
		}
	}
}

// A copy that was made since the last change is as good as the Maildir itself.
func TestR25NewestCopy(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(0, "", "", "sync")
	w.want(0, "", "", "sync")
	copied := w.maildir() + ".copy"
	copyTree(t, w.maildir(), copied)
	w.set("maildir", copied)
	w.want(0, "work: nothing to do\n", "", "sync", "-n")
	w.want(0, "", "", "sync")
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// R25: a run that died after it marked the Maildir, and before the state knew of it, leaves the marker at work.
func TestR25DeathAroundTheMarker(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(0, "", "", "sync")
	db, err := state.Open(t.Context(), w.state(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.PutSettings(map[string]string{settingMarked: ""}), db.Close()); err != nil {
		t.Fatal(err)
	}
	w.want(0, "nothing to do", "", "sync", "-n")
	w.want(0, "", "", "sync")
	if err := os.Remove(filepath.Join(w.maildir(), ".mailtwin")); err != nil {
		t.Fatal(err)
	}
	w.want(exitBrake, "", "its file .mailtwin is missing", "sync")
}

// R25: a new state does not take over the Maildir of another account; one of the same account it does.
func TestR25StateOfAnotherAccount(t *testing.T) {
	w, owner := memoryWorld(t, 3)
	w.want(0, "", "", "sync")
	other, server := memoryWorld(t, 2)
	other.set("user", server.NewUser())
	other.set("maildir", w.maildir())
	for _, flag := range []string{"--dry-run", "--verbose", "--allow-delete"} {
		other.want(exitBrake, "", "is the Maildir of another account, "+owner.User+"@127.0.0.1, as its file .mailtwin says\nhint: nothing was changed. Name another maildir.",
			"sync", flag)
	}
	if err := os.Remove(filepath.Join(w.maildir(), ".mailtwin")); err != nil {
		t.Fatal(err)
	}
	other.want(0, "work: INBOX: 3 uploaded", "", "sync", "-v")
}

// --allow-delete is about one account.
func TestAllowDeleteNeedsAName(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	second := strings.NewReplacer("accounts.work", "accounts.home", "/Mail", "/Home").Replace(string(text))
	if err := os.WriteFile(w.config, append(text, second...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(exitUsage, "", "--allow-delete needs the name of the account", "sync", "--allow-delete")
	w.want(0, "", "", "sync", "--allow-delete", "work")
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

// With delete_remote = "never" nothing is removed on the server, so nothing is said to be, and nothing is held back.
func TestKeptIsNotRemoved(t *testing.T) {
	w, server := memoryWorld(t, 60)
	w.set("delete_remote", "never")
	w.want(0, "", "", "sync")
	before := serverView(t, server)
	files, err := filepath.Glob(filepath.Join(w.maildir(), "INBOX", "[cn]*", "*.mailtwin*"))
	if err != nil || len(files) != 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files[:55] {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	w.want(0, "work: INBOX: 55 to keep on the server, removed in the Maildir\n", "", "sync", "--dry-run")
	w.want(0, `"kept":55,`, "", "sync", "--json")
	if !strings.Contains(w.stdout, `"removed":{"maildir":0,"server":0}`) || strings.Contains(w.stdout, `"server":55`) {
		t.Errorf("%s", w.stdout)
	}
	if diff := imaptest.Diff(before, serverView(t, server)); len(diff) > 0 {
		t.Errorf("on the server: %v", diff)
	}
	w.want(0, "nothing to do", "", "sync", "-n")
}

// That a part of a mailbox is missing is told in each run, however long it lasts.
func TestHalfIsToldEachTime(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(0, "", "", "sync")
	if err := os.RemoveAll(filepath.Join(w.maildir(), "INBOX", "cur")); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		w.want(exitBrake, "", "is not a whole Maildir", "sync")
	}
}

// A state or an attic within a Maildir would be taken for mail, and two accounts must not share an attic.
func TestStateInTheMaildir(t *testing.T) {
	w, _ := memoryWorld(t, 1)
	for state, says := range map[string]string{
		filepath.Join(w.maildir(), "state", "work.db"):  "lies within a maildir",
		w.maildir() + ".db":                             "",
		filepath.Join(w.dir, "a", "..", "Mail", "x.db"): "lies within a maildir",
	} {
		w.set("state", state)
		if status := w.run("sync", "-n"); (status == exitUsage) != (says != "") || !strings.Contains(w.stderr, says) {
			t.Errorf("%s: %d, %s", state, status, w.stderr)
		}
	}
	w.set("state", filepath.Join(w.dir, "x.db"))
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	for state, says := range map[string]string{"x": "has the same attic as account", "x.db": "belongs to account", "y": ""} {
		second := strings.NewReplacer("accounts.work", "accounts.home", "/Mail", "/Home", "x.db", state).Replace(string(text))
		if err := os.WriteFile(w.config, append([]byte(nil), string(text)+second...), 0o600); err != nil {
			t.Fatal(err)
		}
		if status := w.run("sync", "-n", "work"); (status == exitUsage) != (says != "") || !strings.Contains(w.stderr, says) {
			t.Errorf("%s: %d, %s", state, status, w.stderr)
		}
	}
}
