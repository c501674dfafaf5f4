package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mailtwin/imap/imaptest"
)

// The other layout works both ways, and is not taken for removed mail when the setting changes (R26).
func TestLayoutPlusPlus(t *testing.T) {
	w, server := memoryWorld(t, 3)
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	for _, m := range imaptest.Sample(2, 8, imaptest.CorpusOptions{MaxSize: 1e3}) {
		if err := account.Create("Work/v1.0"); err != nil {
			t.Log(err) // it is there the second time
		}
		if _, err := account.Append("Work/v1.0", m); err != nil {
			t.Fatal(err)
		}
	}
	w.set("layout", "maildir++")
	w.want(0, "work: Work/v1.0: new mailbox in the Maildir, 2 downloaded", "", "sync", "-v")
	w.want(0, "nothing to do", "", "sync", "-n")
	for dir, n := range map[string]int{"": 3, ".Work.v1%2E0": 2} {
		files, err := filepath.Glob(filepath.Join(w.maildir(), dir, "[cn]*", "*"))
		if err != nil || len(files) != n {
			t.Errorf("%q has %q, %v", dir, files, err)
		}
	}
	for _, part := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(w.maildir(), ".New.Box", part), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(w.maildir(), ".New.Box/cur/1.x:2,S"), []byte("Subject: mine\n\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(0, "work: New/Box: new mailbox on the server, 1 uploaded", "", "sync", "-v")

	w.set("layout", "nested")
	w.want(exitBrake, "", `layout was "maildir++" when the state was made, and is "nested" now`, "sync")
	if err := os.Remove(w.state()); err != nil {
		t.Fatal(err)
	}
	w.want(exitUsage, "", fmt.Sprintf(`%s holds mail in the way of layout = "maildir++"`, w.maildir()), "sync")
	w.set("layout", "maildir++")
	w.want(0, "3 found on both sides", "", "sync", "-v")
	view := serverView(t, server)
	if n := len(view.Copies); n != 6 {
		t.Errorf("%d messages on the server", n)
	}
}
