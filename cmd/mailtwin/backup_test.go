package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// A sync does not become a backup by the way, nor a backup a sync.
func TestBackupMode(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(exitUsage, "", "no account has mode", "backup")
	w.want(exitDone, "", "", "sync")
	w.want(exitUsage, "", `set mode = "backup" in the configuration`, "backup", "work")
	w.set("mode", "backup")
	w.want(exitDone, "", "it is a backup from now on", "sync")
	w.want(exitDone, "", "", "backup")
	w.set("mode", "sync")
	w.want(exitDone, "", "it is synced both ways from now on", "sync")

	w, _ = memoryWorld(t, 3)
	w.want(exitDone, "", "", "backup", "work")
	w.want(exitUsage, "", `set mode = "sync" in the configuration`, "sync")
}

// What vanished on the server is kept as long as keep_deleted says, and what the Maildir lost comes again.
func TestBackupKeepDeleted(t *testing.T) {
	w, server := memoryWorld(t, 10)
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	tree := imaptest.Tree{Root: w.maildir()}
	count := func() int {
		t.Helper()
		view, err := tree.View()
		if err != nil {
			t.Fatal(err)
		}
		return len(view.Copies)
	}
	day := time.Now()
	w.prepare = func(env *environment) { env.now = func() time.Time { return day } }
	w.set("mode", "backup")
	w.want(exitDone, "", "", "backup")
	if err := account.Expunge("INBOX", 1, 2, 3); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(w.maildir(), "INBOX", "cur", "mine.1.x:2,S")
	if err := os.WriteFile(mine, []byte("Subject: mine\n\nthe server never had it\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(exitDone, "INBOX: 3 gone on the server, kept here", "", "backup", "-v")
	w.want(exitDone, "nothing to do", "", "backup", "-n")
	if n := count(); n != 11 {
		t.Errorf("%d messages are here", n)
	}
	w.set("keep_deleted", "30d")
	day = day.AddDate(0, 0, 29)
	w.want(exitDone, "", "", "backup")
	day = day.AddDate(0, 0, 2)
	w.want(exitDone, "up to date", "3 messages removed in the Maildir: gone on the server for more than 30 days", "backup", "-v")
	if n := count(); n != 8 {
		t.Errorf("%d messages are here after keep_deleted", n)
	}
	if err := os.Remove(mine); err != nil {
		t.Errorf("what the server never had: %v", err)
	}

	if err := os.RemoveAll(filepath.Join(w.maildir(), "INBOX")); err != nil {
		t.Fatal(err)
	}
	w.want(exitBrake, "", "hint: is the disk mounted, and is maildir the right folder? Nothing was changed. To fetch all mail again: mailtwin backup --refill work", "backup")
	w.want(exitDone, "", "", "backup", "--refill", "work")
	if n := count(); n != 7 {
		t.Errorf("%d messages are here after --refill", n)
	}
}

// Where the Maildir is not there, all verbs say what helps a backup, whose state is not to be thrown away.
func TestBackupNoMaildir(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.set("mode", "backup")
	w.want(exitDone, "", "", "backup")
	if err := os.RemoveAll(w.maildir()); err != nil {
		t.Fatal(err)
	}
	const hint = "hint: is the disk mounted, and is maildir the right folder? Nothing was changed. "
	w.want(exitBrake, "", hint+"To fetch all mail again, make an empty directory there: mailtwin backup --refill work", "backup")
	w.want(exitBrake, "", hint+"To fetch all mail again, make an empty directory there: mailtwin backup --refill work", "verify")
	w.want(exitBrake, "", hint+"If the mail lies elsewhere now: mailtwin restore --from DIRECTORY work", "restore", "work")
	if err := os.Mkdir(w.maildir(), 0o700); err != nil {
		t.Fatal(err)
	}
	w.want(exitBrake, "", hint+"To fetch all mail again: mailtwin backup --refill work", "verify")
	w.want(exitDone, "", "", "backup", "--refill", "work")
	w.want(exitDone, "", "", "verify", "--deep")
}

// If much of an account vanishes on the server, a backup says so whatever it is to say, and the history tells how much it was.
func TestBackupOfEmptied(t *testing.T) {
	w, server := memoryWorld(t, 60)
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	w.set("mode", "backup")
	w.want(exitDone, "", "", "backup")
	uids := make([]uint32, 52)
	for i := range uids {
		uids[i] = uint32(i + 1)
	}
	if err := account.Expunge("INBOX", uids...); err != nil {
		t.Fatal(err)
	}
	const much = "mailtwin: work: 52 of 60 messages vanished on the server since the last backup, and are kept here; mailtwin restore brings them back\n"
	w.want(exitDone, "52 to keep here, gone on the server", much, "backup", "--dry-run")
	w.want(exitDone, "", much, "backup", "--quiet")
	w.want(exitDone, "", "", "backup")
	w.want(exitDone, "backup: 52 gone on the server, kept here\n", "", "history")
	w.want(exitDone, "work: INBOX: 52 gone on the server, kept here\n", "", "history", "2")
	w.want(exitDone, `"left":52`, "", "history", "--json", "2")

	// Nor does it remove so much when keep_deleted has passed, unless its owner says so.
	day := time.Now().AddDate(0, 0, 31)
	w.prepare = func(env *environment) { env.now = func() time.Time { return day } }
	w.set("keep_deleted", "30d")
	files := func() int {
		t.Helper()
		view, err := imaptest.Tree{Root: w.maildir()}.View()
		if err != nil {
			t.Fatal(err)
		}
		return len(view.Copies)
	}
	for range 2 {
		w.want(exitBrake, "", "work: 52 of 60 messages of the account are gone on the server for more than 30 days, and not removed in the Maildir, because they are so many\n"+
			"hint: the backup is done. If they are to go: mailtwin backup --prune work; ", "backup")
		if n := files(); n != 60 {
			t.Fatalf("%d messages are here", n)
		}
	}
	w.want(exitDone, "", "", "backup", "--prune", "work")
	if n := files(); n != 8 {
		t.Errorf("%d messages are here after --prune", n)
	}
}
