package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// An accident is something that happens to a Maildir, and what mailtwin says of it.
type accident struct {
	name   string
	happen func(root string) error
	status int
	says   string
}

var accidents = []accident{
	{"emptied", func(root string) error { return eachEntry(root, os.RemoveAll) }, exitBrake, "the Maildir is empty although 420 messages are known there"},
	{"its disk is not mounted", func(root string) error {
		if err := os.Rename(root, root+".disk"); err != nil {
			return err
		}
		return os.Mkdir(root, 0o700)
	}, exitBrake, "hint: is the disk mounted"},
	{"gone", func(root string) error { return os.Rename(root, root+".gone") }, exitBrake, "hint: is the disk mounted"},
	{"all messages gone, the directories not", func(root string) error { return eachFile(root, os.Remove) }, exitBrake, "the Maildir is empty"},
	{"another tree in its place", func(root string) error {
		if err := os.Rename(root, root+".away"); err != nil {
			return err
		}
		for _, dir := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(root, "INBOX", dir), 0o700); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(root, "INBOX", "cur", "1.other:2,S"), []byte("Subject: not mine\n\nx\n"), 0o600)
	}, exitBrake, "is not the Maildir that the state was made with"},
	{"cur of one mailbox gone", func(root string) error { return os.RemoveAll(filepath.Join(root, "Work", "cur")) }, exitBrake, `mailbox "Work"`},
	{"new of one mailbox gone", func(root string) error { return os.RemoveAll(filepath.Join(root, "Work", "new")) }, exitBrake, `mailbox "Work"`},
	{"all flags stripped", func(root string) error {
		return eachFile(root, func(path string) error {
			bare, _, found := strings.Cut(path, ":2,")
			if !found {
				return nil
			}
			return os.Rename(path, bare)
		})
	}, exitBrake, "of 420 messages of the account lost flags in the Maildir"},
	{"a large mailbox gone", func(root string) error { return os.RemoveAll(filepath.Join(root, "Work")) }, exitBrake, `messages of mailbox "Work" are gone in the Maildir`},
}

func eachEntry(root string, do func(string) error) error {
	entries, err := os.ReadDir(root)
	for _, e := range entries {
		if err == nil {
			err = do(filepath.Join(root, e.Name()))
		}
	}
	return err
}

func eachFile(root string, do func(string) error) error {
	files, err := filepath.Glob(filepath.Join(root, "*", "[cn][ue][rw]", "*"))
	for _, file := range files {
		if err == nil {
			err = do(file)
		}
	}
	return err
}

// TestAccidents lets each of them happen to a Maildir in agreement with Dovecot: the server stays as it was, the exit
// status is that of a brake, and the message names the cause. With the state moved away, as the hint says, all mail is
// there again.
func TestAccidents(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, a := range accidents {
		w, account, tree := accidentWorld(t, server)
		before, err := account.View()
		if err != nil {
			t.Fatal(err)
		}
		if err := a.happen(w.maildir()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if status := w.run("sync"); status != a.status || !strings.Contains(w.stderr, a.says) {
				t.Errorf("%s: exit status %d: %s", a.name, status, w.stderr)
			}
		}
		after, err := account.View()
		if err != nil {
			t.Fatal(err)
		}
		if diff := imaptest.Diff(before, after); len(diff) > 0 {
			t.Errorf("%s: the server was touched:\n%s", a.name, head(diff))
		}
		if strings.Contains(w.stderr, "move the state file away") {
			if err := os.Rename(w.state(), w.state()+".away"); err != nil {
				t.Fatal(err)
			}
			if status := w.run("sync"); status != exitDone {
				t.Errorf("%s: with a new state: exit status %d: %s", a.name, status, w.stderr)
			}
			w.wantEqual(account, tree, a.name)
		}
	}
}

// TestLegalCleanUp removes 200 of 900 messages and a small mailbox: nothing holds that back, and a run that only narrows
// what it looks at removes nothing (R26).
func TestLegalCleanUp(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	w, account, tree := accidentWorld(t, server)
	for _, m := range imaptest.Sample(900, 21, imaptest.CorpusOptions{MaxSize: 1e3}) {
		if _, err := account.Append("Archive", m); err != nil {
			t.Fatal(err)
		}
	}
	w.want(0, "", "", "sync")
	before, err := account.View()
	if err != nil {
		t.Fatal(err)
	}
	w.keys = append(w.keys, `mailboxes = ["INBOX", "Archive"]`)
	w.set("timeout", "10s")
	w.want(0, "nothing to do", `leaves out what was synced before; it stays as it is on both sides: `, "sync", "-n")
	w.want(0, "", `"Small", `, "sync")
	w.want(0, "", "", "sync")
	if after, err := account.View(); err != nil || len(imaptest.Diff(before, after)) > 0 {
		t.Errorf("narrowing changed the server: %v, %v", imaptest.Diff(before, after), err)
	}
	copies, err := tree.Read("Archive")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range copies[:200] {
		if err := tree.Remove(c); err != nil {
			t.Fatal(err)
		}
	}
	w.want(0, "", "", "sync")
	w.keys = w.keys[:len(w.keys)-2]
	w.set("timeout", "10s")
	if err := os.RemoveAll(filepath.Join(w.maildir(), "Small")); err != nil {
		t.Fatal(err)
	}
	w.want(0, "", "", "sync")
	w.wantEqual(account, tree, "after the clean-up")
	if view, err := account.View(); err != nil || len(view.Mailboxes) != len(before.Mailboxes)-1 {
		t.Errorf("mailboxes %q, %v", view.Mailboxes, err)
	}
}

// accidentWorld is a world of 420 messages, most of them read, in agreement with the server.
func accidentWorld(t *testing.T, server *imaptest.Server) (*world, *imaptest.Account, imaptest.Tree) {
	t.Helper()
	user := server.NewUser()
	account := imaptest.NewAccount(t, server.Addr, user, server.Password)
	for _, name := range []string{"Work", "Archive", "Small"} {
		if err := account.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range imaptest.Sample(420, 17, imaptest.CorpusOptions{MaxSize: 1e3}) {
		name := []string{"INBOX", "Work", "Archive"}[i%3]
		if i < 20 {
			name = "Small"
		}
		uid, err := account.Append(name, m)
		if err != nil {
			t.Fatal(err)
		}
		if err := account.Flag(name, []uint32{uid}, []string{`\Seen`}, nil); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, server.Addr, user, server.Password)
	w.want(0, "", "", "sync")
	return w, account, imaptest.Tree{Root: w.maildir()}
}
