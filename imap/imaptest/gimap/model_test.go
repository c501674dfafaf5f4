package gimap

import (
	"slices"
	"strings"
	"testing"
)

func TestE1OneStore(t *testing.T) {
	c := enter(t, Options{})
	m := c.s.Messages()[0]
	if len(c.s.Messages()) != 3 || m.Folders["INBOX"] != 1 || m.Folders["Work"] != 1 || m.Folders["[Gmail]/All Mail"] != 1 {
		t.Errorf("%+v", m)
	}
	if n := len(c.s.Folders()); n != 8+1 { // INBOX, seven of the system, and one for the label
		t.Errorf("%d mailboxes", n)
	}
	for _, box := range []string{"INBOX", "Work", `"[Gmail]/All Mail"`} {
		c.do("EXAMINE " + box)
		c.exact("UID FETCH 1 (X-GM-MSGID)", "* 1 FETCH (X-GM-MSGID "+number(m.ID)+" UID 1)", "OK Success")
	}
}

func TestE1Threads(t *testing.T) {
	c := enter(t, Options{})
	thread := func(header string) string {
		id := c.web.Deliver(Mail{Raw: []byte(header + "Subject: x\r\n\r\nx\r\n"), Labels: []string{"Thread"}})
		c.do("SELECT Thread")
		return c.want("OK Success", "FETCH * (X-GM-THRID)") + number(id)
	}
	first := number(c.id(1))
	for header, with := range map[string]bool{
		"In-Reply-To: <m1@example.org>\r\n":                                true,
		"References: <unknown@example.org>\r\n <m1@example.org>\r\n":       true,
		"References: <m1@example.org>\r\nMessage-ID: <a1@example.org>\r\n": true,
		"In-Reply-To: <unknown@example.org>\r\n":                           false,
	} {
		if got := thread(header); strings.Contains(got, "(X-GM-THRID "+first+")") != with {
			t.Errorf("%q: %s, and the first message is %s", header, got, first)
		}
	}
	if got := thread("In-Reply-To: <a1@example.org>\r\n"); !strings.Contains(got, "(X-GM-THRID "+first+")") {
		t.Errorf("an answer to an answer: %s", got)
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
	c.want(`\(MESSAGES 2 UIDNEXT 4\)\nOK Success`, "STATUS Work (MESSAGES UIDNEXT)")
	c.web.Destroy(c.id(1))
	c.want(`\(MESSAGES 1 UIDNEXT 4\)\nOK Success`, "STATUS Work (MESSAGES UIDNEXT)")
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

func TestE3StarredIsTheFlag(t *testing.T) {
	c := enter(t, Options{})
	starred := func(want string) {
		t.Helper()
		c.want(`\(MESSAGES `+want+`\)\nOK Success`, `STATUS "[Gmail]/Starred" (MESSAGES)`)
	}
	c.do("SELECT INBOX")
	c.do(`UID COPY 1 "[Gmail]/Starred"`)
	c.want(`FLAGS \(\\Flagged\)\)\nOK Success`, "UID FETCH 1 (FLAGS)")
	starred("1")
	c.do(`UID STORE 1 -FLAGS (\Flagged)`)
	starred("0")
	c.do(`UID STORE 1:2 +FLAGS (\Flagged)`)
	starred("2")
	c.do(`SELECT "[Gmail]/Starred"`)
	c.do(`UID MOVE 2 Work`) // the first that was there had UID 1
	starred("1")
	c.do(`UID STORE 3 +FLAGS (\Deleted)`) // Auto-Expunge
	starred("0")
	if m := c.s.Messages()[0]; len(m.Flags) > 0 || len(m.Labels) != 2 {
		t.Errorf("%+v", m)
	}
}

func TestE3DraftIsShownInDrafts(t *testing.T) {
	c := enter(t, Options{})
	c.deliver(4, `\Draft`, "Work")
	c.do(`SELECT "[Gmail]/Drafts"`)
	c.want(`FLAGS \(\\Draft\)\)\nOK Success`, "FETCH 1 (FLAGS)")
	c.do("SELECT Work")
	c.do(`STORE 1:3 +FLAGS (\Draft)`)
	if got := c.want("OK Success", "FETCH 1:3 (FLAGS)"); strings.Contains(got, "Draft") {
		t.Error(got)
	}
	c.want(`\(MESSAGES 1\)\nOK Success`, `STATUS "[Gmail]/Drafts" (MESSAGES)`)
}

func TestE3NothingIsRecent(t *testing.T) {
	c := enter(t, Options{})
	c.want(`\(MESSAGES 2 RECENT 0\)\nOK Success`, "STATUS INBOX (MESSAGES RECENT)")
	c.want(`\* 0 RECENT\n.*`, "SELECT INBOX")
	c.want(`FLAGS \(\) UID 1\)\nOK Success`, `UID STORE 1 FLAGS (\Recent)`)
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

func TestE4TrashAndSpamExcludeEachOtherAndLabels(t *testing.T) {
	c := enter(t, Options{})
	const trash, spam = "[Gmail]/Trash", "[Gmail]/Spam"
	for _, step := range [][2]string{{"INBOX", trash}, {trash, spam}, {spam, trash}} {
		c.do(`SELECT "` + step[0] + `"`)
		c.want(`OK \[COPYUID .*`, `UID COPY 1 "`+step[1]+`"`)
		if m := c.s.Messages()[0]; len(m.Folders) != 1 || m.Folders[step[1]] == 0 || len(m.Labels) > 0 {
			t.Errorf("copied to %s it is %+v", step[1], m)
		}
	}
}

func TestE4SystemLabels(t *testing.T) {
	c := enter(t, Options{})
	c.web.Flag(c.deliver(4, `\Important`, `\Inbox`, `\Sent`, `\Draft`), []string{`\Flagged`}, nil)
	c.do(`SELECT "[Gmail]/All Mail"`)
	c.want(`X-GM-LABELS \("\\\\Draft" "\\\\Important" "\\\\Inbox" "\\\\Sent" "\\\\Starred"\)\)\nOK Success`, "FETCH 4 (X-GM-LABELS)")
	for _, box := range []string{"INBOX", "[Gmail]/Drafts", "[Gmail]/Important", "[Gmail]/Sent Mail", "[Gmail]/Starred"} {
		if c.uid(box, 4) == 0 {
			t.Errorf("it is not in %s", box)
		}
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

	second, third := c.id(2), c.id(3)
	for what, do := range map[string]func(){
		"a label":    func() { c.web.Label(c.id(1), []string{"Other"}, nil) },
		"a flag":     func() { c.web.Flag(c.id(1), nil, []string{`\Seen`}) },
		"a delivery": func() { c.deliver(4) },
		"an expunge": func() { c.web.Destroy(second) },
		"the Trash":  func() { c.web.Trash(third) },
		`\Deleted`:   func() { c.do(`SELECT Job`); c.do(`UID STORE 1 -FLAGS (\Deleted)`) },
	} {
		before := c.s.store.mod
		if do(); c.s.store.mod != before+9 {
			t.Errorf("%s moved the MODSEQ by %d", what, c.s.store.mod-before)
		}
	}
	c.web.Flag(c.id(1), []string{`\Seen`}, nil)
	mod := number(c.s.store.mod)
	for _, box := range []string{"INBOX", "Job", `"[Gmail]/All Mail"`} {
		c.do("EXAMINE " + box)
		c.want(`MODSEQ \(`+mod+`\)\)\nOK Success`, "UID FETCH 1 (MODSEQ)")
	}

	silent := enter(t, Options{SilentLabels: true, Step: 1})
	silent.web.Label(silent.id(1), nil, []string{"Work"})
	silent.want(`HIGHESTMODSEQ 29236\)\nOK Success`, "STATUS Work (HIGHESTMODSEQ)")
	silent.s.Set(func(o *Options) { o.BoxKeywords = true })
	silent.do("SELECT INBOX")
	silent.do("UID STORE 1 +FLAGS (Job)")
	silent.want(`HIGHESTMODSEQ 29237\)\nOK Success`, "STATUS INBOX (HIGHESTMODSEQ)")
}

func TestE12HighestModSeqOfTheAccount(t *testing.T) {
	c := enter(t, Options{})
	for _, box := range []string{"INBOX", "Work", `"[Gmail]/Trash"`} {
		c.want(`HIGHESTMODSEQ 29260\)\nOK Success`, "STATUS "+box+" (HIGHESTMODSEQ)")
		c.want(`\* OK \[HIGHESTMODSEQ 29260\]\n.*`, "SELECT "+box)
	}
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
	c.want(`\* 2 EXISTS\n.*`, `SELECT "[Gmail]/All Mail"`)
	c.exact("UID FETCH 1:* (UID)", "* 1 FETCH (UID 2)", "* 2 FETCH (UID 3)", "OK Success")
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
	c.want(`\* LIST \(\\HasNoChildren\) "/" "\[Gmail\]/Chats"\nOK Success`, `LIST "" "*Chats"`)
	if got := enter(t, Options{}).want("OK Success", `LIST "" "*"`); strings.Contains(got, "Chats") {
		t.Error(got)
	}
}

// Gmail has further mailboxes that may or may not be shown, and that have no special use.
func TestE15More(t *testing.T) {
	c := enter(t, Options{More: []string{"Snoozed"}})
	c.web.Label(c.id(1), []string{`\Snoozed`}, []string{`\Inbox`})
	c.want(`\* LIST \(\\HasNoChildren\) "/" "\[Gmail\]/Snoozed"\nOK Success`, `LIST "" "*Snoozed"`)
	c.do(`SELECT "[Gmail]/Snoozed"`)
	c.exact("UID FETCH 1 (X-GM-LABELS)", "* 1 FETCH (X-GM-LABELS (Work) UID 1)", "OK Success")
	c.do(`SELECT "[Gmail]/All Mail"`)
	c.exact("UID FETCH 1 (X-GM-LABELS)", `* 1 FETCH (X-GM-LABELS (Work "\\Snoozed") UID 1)`, "OK Success")
	c.want("NO .*", `DELETE "[Gmail]/Snoozed"`)
}

func TestE29TheWebHand(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.s.Fault(Fault{Verb: "FETCH", At: BeforeLiteral, Web: func(w *Web) { w.Trash(c.id(1)) }})
	c.want(`BODY\[\] \{\d+\}From: .*OK Success`, "UID FETCH 1 (BODY.PEEK[])")
	c.want(`\* 1 EXPUNGE\n\* 1 EXISTS\n.*OK Success`, "NOOP")
	c.web.Flag(c.id(3), []string{`\Flagged`, `\Seen`}, nil)
	c.web.Label(c.id(3), []string{"Job"}, nil)
	c.web.RenameLabel("Job", "Task")
	if m := c.s.Messages()[2]; m.Folders["[Gmail]/Starred"] == 0 || m.Folders["Task"] == 0 || len(m.Flags) != 2 {
		t.Errorf("%+v", m)
	}
	c.web.Flag(c.id(3), nil, []string{`\Flagged`, `\Seen`})
	c.web.Label(c.id(3), nil, []string{"Task"})
	other := c.deliver(4, "Work")
	c.web.Spam(other)
	if m := c.s.Messages()[3]; !m.Spam || len(m.Folders) != 1 {
		t.Errorf("%+v", m)
	}
	c.web.Restore(other)
	if m := c.s.Messages()[3]; m.Spam || m.Folders["[Gmail]/All Mail"] == 0 {
		t.Errorf("%+v", m)
	}
	c.web.Destroy(other)
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
