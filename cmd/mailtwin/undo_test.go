package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/mailbox"
	"mailtwin/state"
)

// undoWorld is an account in whose second run three messages went to the Trash of the server.
func undoWorld(t *testing.T) *world {
	w, server := memoryWorld(t, 4)
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	if err := account.Create("Trash"); err != nil {
		t.Fatal(err)
	}
	w.want(0, "", "", "sync")
	for _, path := range w.inbox()[:3] {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	w.want(0, "", "", "sync")
	return w
}

func (w *world) inbox() []string {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(w.maildir(), "INBOX", "[cn]*", "*.mailtwin*"))
	if err != nil {
		w.Fatal(err)
	}
	return files
}

// It asks first, and takes nothing but a yes for one.
func TestUndoAsks(t *testing.T) {
	w := undoWorld(t)
	w.want(exitUsage, "", "there is no terminal to ask on", "undo", "2")
	for _, answer := range []string{"no\n", "", "y\n", "YES\n"} {
		w.prepare = func(env *environment) { env.asks, env.stdin = true, strings.NewReader(answer) }
		status := w.run("undo", "2")
		if !strings.Contains(w.stderr, "Undo run 2 of work? (yes/no) ") {
			t.Errorf("%q: %s", answer, w.stderr)
		}
		if answer == "YES\n" {
			if status != 0 || len(w.inbox()) != 4 || !strings.Contains(w.stdout, "run 2 is undone") {
				t.Errorf("%d, %d messages\n%s%s", status, len(w.inbox()), w.stdout, w.stderr)
			}
			break
		}
		if status != 1 || len(w.inbox()) != 1 || !strings.Contains(w.stderr, "not confirmed; nothing was changed") {
			t.Errorf("%q: %d, %d messages\n%s%s", answer, status, len(w.inbox()), w.stdout, w.stderr)
		}
		w.prepare = nil
		w.want(0, "work: nothing to do\n", "", "sync", "-n")
	}
	w.prepare = nil
	w.want(0, "work: nothing to undo: all that can be is as it was before run 2\n", "", "undo", "2", "-y")
}

// An undo that is undone takes nothing away again, and says so.
func TestUndoUndone(t *testing.T) {
	w, server := memoryWorld(t, 4)
	w.want(0, "", "", "sync")
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	if err := errors.Join(account.Expunge("INBOX", 1), account.Flag("INBOX", []uint32{2}, []string{`\Flagged`}, nil)); err != nil {
		t.Fatal(err)
	}
	w.want(0, "", "", "sync")
	w.want(0, "work: run 2 is undone\n", "", "undo", "-y", "2")
	if strings.Contains(w.stdout, "stays") {
		t.Errorf("nothing came with run 2: %s", w.stdout)
	}
	const stays = "work: what came with run 3 stays: 1 uploaded\n"
	w.want(0, stays+"work: dry run, nothing was changed", "", "undo", "-n", "3")
	w.want(0, "work: run 3 is undone; what came with it stays\n", "", "undo", "-y", "3")
	if !strings.Contains(w.stdout, stays) || len(w.inbox()) != 4 {
		t.Errorf("%d messages\n%s", len(w.inbox()), w.stdout)
	}
	w.want(0, stays+"work: nothing to undo: all that can be is as it was before run 3", "", "undo", "-y", "3")
	w.want(0, `"stays":"1 uploaded"`, "", "undo", "-y", "3", "--json")
}

func TestUndoArguments(t *testing.T) {
	w := undoWorld(t)
	w.want(exitUsage, "", "takes the number of a run", "undo")
	w.want(exitUsage, "", "takes the number of a run", "undo", "work")
	w.want(exitUsage, "", "takes one account", "undo", "2", "work", "home")
	w.want(exitUsage, "", `there is no account "home"`, "undo", "-n", "2", "home")
	w.want(1, "", "mailtwin: work: run 9: it is not in the history", "undo", "-n", "9")
	w.want(1, "", "mailtwin: work: run 9: it is not in the history", "history", "9")
	w.want(0, "INBOX: 3 to move back from Trash\nwork: dry run", "", "undo", "-n", "2", "work")
	w.keys = append(w.keys, `mode = "backup"`)
	w.set("timeout", "11s")
	w.want(exitUsage, "", "a backup takes nothing away", "undo", "-y", "2")
}

// Both tell while a run has the ledger, and an undo waits for nobody.
func TestHistoryBesideARun(t *testing.T) {
	w := undoWorld(t)
	ledger, err := state.Open(t.Context(), w.state(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.want(0, "3 moved to the Trash on the server", "", "history")
	w.want(0, "INBOX: moved to the Trash on the server: \"", "", "history", "2")
	w.want(0, "INBOX: 3 to move back from Trash", "", "undo", "-n", "2")
	w.want(exitLocked, "INBOX: 3 to move back from Trash", "is in use by process", "undo", "-y", "2")
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
	w.want(0, "run 2 is undone", "", "undo", "-y", "2")
}

func TestHistoryJSON(t *testing.T) {
	w := undoWorld(t)
	events := func(args ...string) (all []map[string]any) {
		t.Helper()
		if status := w.run(args...); status != 0 {
			t.Fatalf("%d: %s%s", status, w.stdout, w.stderr)
		}
		for line := range strings.Lines(w.stdout) {
			var event map[string]any
			if err := json.Unmarshal([]byte(line), &event); err != nil || event["account"] != "work" {
				t.Fatalf("%q: %v", line, err)
			}
			all = append(all, event)
		}
		return all
	}
	runs := events("history", "--json")
	if len(runs) != 2 || runs[0]["run"] != 2.0 || runs[0]["command"] != "sync" || runs[0]["changes"] != 3.0 || runs[1]["downloaded"] != 4.0 {
		t.Errorf("%v", runs)
	}
	changes := events("history", "--json", "2")
	if len(changes) != 4 || changes[0]["event"] != "run" {
		t.Fatalf("%v", changes)
	}
	c := changes[1]
	on, _ := c["on"].(map[string]any)
	if c["event"] != "change" || c["kind"] != "message_removed" || on["server"] != true || on["maildir"] != false || c["to"] != "Trash" ||
		c["mailbox"] != "INBOX" || c["subject"] == nil || c["sha256"] == nil {
		t.Errorf("%v", c)
	}
	undone := events("undo", "--json", "-y", "2")
	if undone[0]["event"] != "plan" || undone[len(undone)-1]["event"] != "undone" || undone[len(undone)-1]["undone"] != true {
		t.Errorf("%v", undone)
	}
}

// S31: subjects and senders are foreign.
func TestS31History(t *testing.T) {
	server := imaptest.Memory(t)
	evil := "Subject: =?utf-8?q?a=1B[31m=E2=80=AEb?=\r\nFrom: \x1b]0;x\x07 <a@b>\r\n\r\n"
	if err := server.Append("INBOX", imaptest.Message{Body: []byte(evil)}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, server.Addr, server.User, server.Password)
	w.want(0, "", "", "sync")
	if err := os.Rename(w.inbox()[0], filepath.Join(w.maildir(), "INBOX", "cur", filepath.Base(w.inbox()[0])+":2,F")); err != nil {
		t.Fatal(err)
	}
	w.want(0, "", "", "sync")
	w.want(0, `+\Flagged on the server: "a\x1b[31m\u202eb" from \x1b]0;x\x07 <a@b>`, "", "history", "2")
	w.run("history", "--json", "2")
	if strings.ContainsAny(w.stdout, "\x1b\x07\u202e") {
		t.Errorf("%q", w.stdout)
	}
}

// A run that was killed is told of as one that did not come to its end, and the last one that did is the last one.
func TestHistoryOfARunThatDied(t *testing.T) {
	w := undoWorld(t)
	ledger, err := state.Open(t.Context(), w.state(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ledger.BeginRun(mailbox.Outcome{Command: "sync", Began: time.Now()})
	renamed := mailbox.Change{Kind: mailbox.MailboxRenamed, Mailbox: "A", To: "B"}
	if err := ledger.Commit(t.Context(), mailbox.Update{Mailbox: "B", Log: []mailbox.Change{renamed}}); err != nil {
		t.Fatal(err)
	}
	w.want(0, "at work", "", "history")
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
	w.want(0, "did not come to its end", "", "history")
	w.want(0, "A: mailbox renamed to B on both sides", "", "history", "3")
	w.want(0, "exit status 0: 3 downloaded", "", "status")
	w.want(0, "", "", "sync")
	w.want(0, "3    ", "", "history")
	w.want(0, "INBOX: 3 to move back from Trash", "", "undo", "-n", "2")
}
