package gimap

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestE1OneStore(t *testing.T) {
	c := enter(t, Options{})
	m := c.s.Messages()[0]
	if len(c.s.Messages()) != 3 || m.Folders["INBOX"] != 1 || m.Folders["Work"] != 1 || m.Folders["[Gmail]/All Mail"] != 1 {
		t.Errorf("%+v", m)
	}
}

func TestE2AViewHasUIDsOfItsOwn(t *testing.T) {
	c := enter(t, Options{})
	seen := map[uint32]bool{}
	for _, f := range c.s.Folders() {
		if seen[f.Validity] {
			t.Errorf("two mailboxes have UIDVALIDITY %d", f.Validity)
		}
		seen[f.Validity] = true
	}
	c.web.Label(c.id(1), nil, []string{"Work"})
	c.web.Label(c.id(1), []string{"Work"}, nil)
	if uid := c.uid("Work", 1); uid != 3 {
		t.Errorf("labelled again it has UID %d, want 3", uid)
	}
}

func TestE3DeletedIsOfTheMailbox(t *testing.T) {
	for _, sees := range []bool{false, true} {
		c := enter(t, Options{KeepDeleted: true, SeesDeleted: sees})
		c.do("SELECT INBOX")
		c.want(`\* 1 FETCH \(FLAGS \(\\Flagged \\Deleted\) UID 1\)\nOK Success`, `UID STORE 1 +FLAGS (\Deleted \Flagged \Recent)`)
		c.do("SELECT Work")
		want := `FLAGS \(\\Flagged\)`
		if sees {
			want = `FLAGS \(\\Flagged \\Deleted\)`
		}
		c.want(want+`\)\nOK Success`, "UID FETCH 1 (UID FLAGS)")
		c.want(`\* 1 EXISTS.*OK \[READ-WRITE\].*`, `SELECT "[Gmail]/Starred"`)
	}
	for _, box := range []bool{false, true} {
		c := enter(t, Options{BoxKeywords: box})
		c.do("SELECT INBOX")
		c.do("UID STORE 1 +FLAGS ($Forwarded)")
		c.do("SELECT Work")
		if got := c.want("OK Success", "UID FETCH 1 (FLAGS)"); strings.Contains(got, "$Forwarded") == box {
			t.Errorf("keywords of the mailbox: %v, and Work says %s", box, got)
		}
	}
}

func TestE4AllMailIsTheUnion(t *testing.T) {
	c := enter(t, Options{})
	c.web.Trash(c.id(1))
	c.web.Spam(c.id(2))
	for box, want := range map[string]string{"[Gmail]/All Mail": "1", "[Gmail]/Trash": "1", "[Gmail]/Spam": "1", "Work": "0", "INBOX": "1", "[Gmail]/Important": "0"} {
		c.want(`\* STATUS "?[^"]*"? \(MESSAGES `+want+`\)\nOK Success`, `STATUS "`+box+`" (MESSAGES)`)
	}
	c.web.Restore(c.id(1))
	if m := c.s.Messages()[0]; len(m.Labels) > 0 || m.Folders["[Gmail]/All Mail"] == 0 {
		t.Errorf("brought back it is %+v", m)
	}
}

func TestE5OneCounter(t *testing.T) {
	c := enter(t, Options{})
	c.want(`HIGHESTMODSEQ 29260\)\nOK Success`, `STATUS "[Gmail]/Trash" (HIGHESTMODSEQ)`)
	c.web.Flag(c.id(1), []string{`\Seen`}, nil)
	c.do("SELECT Work")
	c.want(`\* 1 FETCH \(UID 1 MODSEQ \(29269\) FLAGS \(\\Seen\)\)\nOK Success`, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 29260)")
	c.web.RenameLabel("Work", "Job")
	c.want(`HIGHESTMODSEQ 29269\)\nOK Success`, "STATUS Job (HIGHESTMODSEQ)")

	silent := enter(t, Options{SilentLabels: true, Step: 1})
	silent.web.Label(silent.id(1), nil, []string{"Work"})
	silent.want(`HIGHESTMODSEQ 29236\)\nOK Success`, "STATUS Work (HIGHESTMODSEQ)")
}

func TestE12HighestModSeqOfTheMailbox(t *testing.T) {
	c := enter(t, Options{FolderModSeq: true})
	c.want(`HIGHESTMODSEQ 29251\)\nOK Success`, "STATUS Work (HIGHESTMODSEQ)")
	c.want(`HIGHESTMODSEQ 1\)\nOK Success`, `STATUS "[Gmail]/Trash" (HIGHESTMODSEQ)`)
	c.web.Label(c.id(1), nil, []string{"Work"}) // what left counts, too
	c.want(`HIGHESTMODSEQ 29269\)\nOK Success`, "STATUS Work (HIGHESTMODSEQ)")
	c.want(`\* OK \[HIGHESTMODSEQ 29269\]\n.*`, "SELECT Work (CONDSTORE)")
}

func TestE13Limit(t *testing.T) {
	c := enter(t, Options{Limit: 2})
	c.want(`MESSAGES 2 UIDNEXT 4\)\nOK Success`, `STATUS "[Gmail]/All Mail" (UIDNEXT MESSAGES)`)
	c.do(`SELECT "[Gmail]/All Mail"`)
	c.want(`\* SEARCH 2 3\nOK SEARCH completed \(Success\)`, "UID SEARCH ALL")
	c.deliver(4)
	c.want(`\* 1 EXPUNGE\n\* 2 EXISTS\n.*OK Success`, "NOOP")
	if len(c.s.Messages()) != 4 {
		t.Error("what left the window was deleted")
	}
}

func TestE15Chats(t *testing.T) {
	c := enter(t, Options{Chats: 7})
	c.want(`MESSAGES 7\)\nOK Success`, `STATUS "[Gmail]/Chats" (MESSAGES)`)
	c.want(`\* 0 EXISTS.*OK \[READ-WRITE\].*`, `SELECT "[Gmail]/Chats"`)
}

func TestE29TheWebHand(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.s.Fault(Fault{Verb: "FETCH", At: BeforeLiteral, Web: func(w *Web) { w.Trash(c.id(1)) }})
	c.want(`BODY\[\] \{\d+\}From: .*OK Success`, "UID FETCH 1 (BODY.PEEK[])")
	c.want(`\* 1 EXPUNGE\n\* 1 EXISTS\n.*OK Success`, "NOOP")
	c.web.EmptyTrash()
	c.web.MakeLabel("New")
	c.web.DropLabel("Work")
	c.web.Hide("INBOX")
	c.want(`NO \[NONEXISTENT\] Unknown Mailbox: INBOX \(now in authenticated state\) \(Failure\)`, "SELECT INBOX")
	c.web.Show("INBOX")
	c.web.Destroy(c.id(2))
	if ms := c.s.Messages(); len(ms) != 1 || len(ms[0].Labels) != 1 {
		t.Errorf("%+v", ms)
	}
	if _, ok := c.s.Message(1); ok {
		t.Error("a message that nobody delivered is there")
	}
	if c.s.Role(`\Trash`) != "[Gmail]/Trash" || !slices.ContainsFunc(c.s.Folders(), func(f Folder) bool { return f.Name == "New" }) {
		t.Errorf("%+v", c.s.Folders())
	}
}

func TestE28Idle(t *testing.T) {
	c := enter(t, Options{Lag: 20 * time.Millisecond})
	c.do(`SELECT INBOX`)
	if _, err := c.nc.Write([]byte("i IDLE\r\n")); err != nil {
		t.Fatal(err)
	}
	if line := c.line(); line != "+ idling" {
		t.Fatalf("%q", line)
	}
	c.web.Trash(c.id(1))
	c.deliver(4, `\Inbox`)
	got := c.line() + "\n" + c.line()
	if !strings.HasPrefix(got, "* 1 EXPUNGE\n* ") {
		t.Errorf("pushed %q", got)
	}
	if _, err := c.nc.Write([]byte("DONE\r\n")); err != nil {
		t.Fatal(err)
	}
	for line := ""; line != "i OK IDLE terminated (Success)"; {
		if line = c.line(); strings.HasPrefix(line, "<") {
			t.Fatal(line)
		}
	}
}
