package gimap

import (
	"slices"
	"strings"
	"testing"
)

func (c *client) labels(n int) string { return strings.Join(c.s.Messages()[n-1].Labels, " ") }

func TestE20StoreLabels(t *testing.T) {
	for _, own := range []bool{false, true} {
		c := enter(t, Options{OwnLabel: own})
		c.do("SELECT INBOX")
		c.want(`\* 1 FETCH \(X-GM-LABELS \(Job Work\) UID 1\)\nOK Success`, "UID STORE 1 +X-GM-LABELS (Job)")
		c.exact(`UID STORE 1 -X-GM-LABELS.SILENT (\Inbox)`, map[bool][]string{false: {"OK Success"}, true: {"* 1 EXPUNGE", "* 1 EXISTS", "OK Success"}}[own]...)
	}
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.do(`UID STORE 1 X-GM-LABELS ("To do" \Starred \Sent)`)
	if got := c.labels(1); got != `To do \Inbox` || !slices.Contains(c.s.Messages()[0].Flags, `\Flagged`) {
		t.Errorf("set to %q", got)
	}
	c.want("BAD Invalid Arguments: Label name is not allowed: TODO", "UID STORE 1 +X-GM-LABELS (TODO)")
	c.do(`SELECT "[Gmail]/All Mail"`)
	c.do(`UID STORE 1 -X-GM-LABELS (\Inbox "To do")`)
	if m := c.s.Messages()[0]; len(m.Labels) > 0 || m.Folders["[Gmail]/All Mail"] == 0 {
		t.Errorf("without labels it is %+v", m)
	}
	c.do("UID STORE 1 +X-GM-LABELS (x/y)")
	c.exact(`LIST "" "x*"`, `* LIST (\HasChildren \Noselect) "/" "x"`, `* LIST (\HasNoChildren) "/" "x/y"`, "OK Success")
	c.want(`BAD Invalid Arguments: Label name is not allowed: `, `UID STORE 1 +X-GM-LABELS ("")`)
	c.want(`NO \[CANNOT\] Folder contains excess whitespace \(Failure\)`, `UID STORE 1 +X-GM-LABELS ("a  b")`)
}

// Whether the labels of the system can be stored is not known of all.
func TestE20StoreSystemLabels(t *testing.T) {
	for label, place := range map[string]string{`\Trash`: "[Gmail]/Trash", `\Spam`: "[Gmail]/Spam"} {
		for _, plain := range []bool{true, false} {
			c := enter(t, Options{PlainTrash: plain})
			c.do(`SELECT "[Gmail]/All Mail"`)
			c.do("UID STORE 1 +X-GM-LABELS (" + label + ")")
			m := c.s.Messages()[0]
			if in := m.Folders[place] > 0; in == plain || in && (len(m.Labels) > 0 || len(m.Folders) > 1) {
				t.Errorf("%s stored, ignored: %v: %+v", label, plain, m)
			}
		}
	}
	for label, place := range map[string]string{`\Sent`: "[Gmail]/Sent Mail", `\Draft`: "[Gmail]/Drafts", `\Drafts`: "[Gmail]/Drafts"} {
		for _, sets := range []bool{true, false} {
			c := enter(t, Options{SetsSent: sets})
			c.do(`SELECT "[Gmail]/All Mail"`)
			c.do("UID STORE 1 +X-GM-LABELS (" + label + ")")
			if in := c.uid(place, 1) > 0; in != sets {
				t.Errorf("%s stored, taken: %v: %+v", label, sets, c.s.Messages()[0])
			}
			c.web.Label(c.id(1), []string{strings.TrimSuffix(label, "s")}, nil)
			c.do("UID STORE 1 X-GM-LABELS ()")
			if in := c.uid(place, 1) > 0; in == sets {
				t.Errorf("%s taken away, taken: %v: %+v", label, sets, c.s.Messages()[0])
			}
		}
	}
	c := enter(t, Options{})
	c.do(`SELECT "[Gmail]/Important"`)
	c.exact(`UID STORE 1 -X-GM-LABELS (\Important)`, `* 1 FETCH (X-GM-LABELS (Work) UID 1)`, "OK Success") // and it stays
	c.do(`SELECT "[Gmail]/All Mail"`)
	c.do(`UID STORE 2 -X-GM-LABELS (\Important \Starred)`)
	c.do(`UID STORE 3 +X-GM-LABELS (\Important \Starred)`)
	if two, three := c.s.Messages()[1], c.s.Messages()[2]; two.Folders["[Gmail]/Important"] > 0 || three.Folders["[Gmail]/Important"] == 0 || three.Folders["[Gmail]/Starred"] == 0 {
		t.Errorf("%+v %+v", two, three)
	}
}

func TestE21CopyIsALabel(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.want(`^OK \[COPYUID 24 1:2 1:2\] \(Success\)`, "UID COPY 1:2 Job"+c.made("Job"))
	c.want(`^OK \[COPYUID 24 1 1\] \(Success\)`, "UID COPY 1 Job") // it is there
	c.exact(`UID COPY 1 "[Gmail]/All Mail"`, "OK [COPYUID 11 1 1] (Success)")
	if got := c.labels(1); got != `Job Work \Inbox` {
		t.Errorf("copied to All Mail it has %q", got)
	}
	c.exact(`UID MOVE 1 "[Gmail]/All Mail"`, "* 1 EXPUNGE", "* 1 EXISTS", "OK [COPYUID 11 1 1] (Success)")
	if got := c.labels(1); got != "Job Work" {
		t.Errorf("archived it has %q", got)
	}
	c.want(`NO \[TRYCREATE\] .*`, "UID COPY 1 Nowhere")
	if n := len(c.s.Messages()); n != 3 {
		t.Errorf("there are %d messages", n)
	}
	for _, fresh := range []bool{false, true} {
		c := enter(t, Options{FreshUID: fresh})
		c.do(`SELECT "[Gmail]/All Mail"`)
		c.want(map[bool]string{false: `^OK \[COPYUID 23 1 1\].*`, true: `^OK \[COPYUID 23 1 3\].*`}[fresh], "UID MOVE 1 Work")
	}
}

// What goes to Trash or Spam leaves all other mailboxes, and every session that shows one of them is told.
func TestE21TrashTakesItAway(t *testing.T) {
	for _, place := range []string{"[Gmail]/Trash", "[Gmail]/Spam"} {
		for _, verb := range []string{"COPY", "MOVE"} {
			c := enter(t, Options{})
			other := dial(t, c.s)
			other.do(`LOGIN me@gmail.com "app password"`)
			other.do(`SELECT "[Gmail]/All Mail"`)
			c.do("SELECT Work")
			c.want(`^\* 2 EXPUNGE\n\* 1 EXISTS\nOK \[COPYUID (2|3) 2 1\] \(Success\)`, `UID `+verb+` 2 "`+place+`"`)
			other.exact("NOOP", "* 2 EXPUNGE", "* 2 EXISTS", "OK Success")
			if m := c.s.Messages()[1]; len(m.Labels) > 0 || len(m.Folders) != 1 || m.Folders[place] == 0 {
				t.Errorf("%s to %s: %+v", verb, place, m)
			}
			c.do(`SELECT "` + place + `"`)
			c.exact("UID "+verb+" 1 Work", "* 1 EXPUNGE", "* 0 EXISTS", "OK [COPYUID 23 1 3] (Success)")
			if m := c.s.Messages()[1]; c.labels(2) != "Work" || m.Folders["[Gmail]/All Mail"] == 0 || m.Folders[place] > 0 {
				t.Errorf("back from %s: %+v", place, m)
			}
		}
	}
}

// made makes a label and returns nothing, for use within a command.
func (c *client) made(label string) string {
	c.web.MakeLabel(label)
	return ""
}

func TestE22Move(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT Work")
	c.exact(`UID MOVE 1:2 INBOX`, "* 1 EXPUNGE", "* 1 EXPUNGE", "* 0 EXISTS", "OK [COPYUID 1 1:2 1,3] (Success)")
	early := enter(t, Options{EarlyCopyUID: true})
	early.do("SELECT Work")
	early.exact(`UID MOVE 1 INBOX`, "* OK [COPYUID 1 1 1]", "* 1 EXPUNGE", "* 1 EXISTS", "OK (Success)")
}

func TestE22MoveClearsDeleted(t *testing.T) {
	c := enter(t, Options{KeepDeleted: true})
	for _, step := range [][3]string{{"Work", "1", "INBOX"}, {"INBOX", "1", "Work"}, {`"[Gmail]/All Mail"`, "1", "Work"}} {
		c.do("SELECT " + step[0])
		c.want(`OK .*`, `UID STORE `+step[1]+` +FLAGS.SILENT (\Deleted)`)
		c.want(`OK \[COPYUID .*`, `UID MOVE `+step[1]+` `+step[2])
		for _, box := range []string{"INBOX", "Work", `"[Gmail]/All Mail"`} {
			c.do("EXAMINE " + box)
			if got := c.want("OK Success", "FETCH 1:* (FLAGS)"); strings.Contains(got, "Deleted") {
				t.Errorf("moved from %s to %s, in %s: %s", step[0], step[2], box, got)
			}
		}
	}
}

// What All Mail shows of a message that is moved out of it, where it stays, is not known.
func TestE22MoveOutOfAllMail(t *testing.T) {
	for how, want := range map[AllMailMove]struct {
		lines []string
		uid   uint32
	}{
		MoveStays: {nil, 2}, MoveRenumbers: {[]string{"* 2 EXPUNGE", "* 3 EXISTS"}, 4}, MoveHides: {[]string{"* 2 EXPUNGE"}, 2},
	} {
		c := enter(t, Options{AllMailMove: how})
		c.do(`SELECT "[Gmail]/All Mail"`)
		c.exact("UID MOVE 2 INBOX", append(want.lines, "OK [COPYUID 1 2 3] (Success)")...)
		c.exact("NOOP", "OK Success")
		if m := c.s.Messages()[1]; m.Folders["[Gmail]/All Mail"] != want.uid || m.Folders["INBOX"] != 3 {
			t.Errorf("%d: %+v", how, m)
		}
		c.want(`\* 3 EXISTS.*`, `SELECT "[Gmail]/All Mail"`)
	}
}

func TestE23AutoExpunge(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.exact(`UID STORE 1:2 +FLAGS.SILENT (\Deleted)`, "* 1 EXPUNGE", "* 1 EXPUNGE", "* 0 EXISTS", "OK Success")
	c.do(`SELECT "[Gmail]/Trash"`)
	c.do(`SELECT Work`)
	c.exact(`UID STORE 2 +FLAGS (\Deleted)`, `* 2 FETCH (FLAGS (\Deleted) UID 2)`, "* 2 EXPUNGE", "* 1 EXISTS", "OK Success")
	for how, answer := range map[string][]string{
		"EXPUNGE": {"* 1 EXPUNGE", "* 1 EXPUNGE", "* 0 EXISTS", "OK Success"}, "UID EXPUNGE 1": {"* 1 EXPUNGE", "* 1 EXISTS", "OK Success"},
		"CLOSE": {"OK Returned to authenticated state. (Success)"}, "UNSELECT": {"OK Returned to authenticated state. (Success)"},
	} {
		off := enter(t, Options{KeepDeleted: true})
		off.do("SELECT INBOX")
		off.exact(`UID STORE 1:2 +FLAGS (\Deleted)`, `* 1 FETCH (FLAGS (\Deleted) UID 1)`, `* 2 FETCH (FLAGS (\Deleted) UID 2)`, "OK Success")
		if off.labels(1) != `Work \Inbox` {
			t.Error("it is gone before it was expunged")
		}
		off.exact(how, answer...)
		first := map[bool]string{true: `Work \Inbox`, false: "Work"}[how == "UNSELECT"]
		other := map[bool]string{true: "", false: `\Inbox`}[how == "EXPUNGE" || how == "CLOSE"]
		if off.labels(1) != first || off.labels(3) != other {
			t.Errorf("after %s they have %q and %q", how, off.labels(1), off.labels(3))
		}
		if n := off.s.Counters().Deleted; n != 2 {
			t.Errorf(`\Deleted was counted %d times`, n)
		}
	}
	c.do("EXAMINE Work")
	c.want(`NO \[READ-ONLY\] .*`, `UID STORE 1 +FLAGS (\Deleted)`)
}

// state tells where a message is.
func (c *client) state(id uint64) string {
	m, there := c.s.Message(id)
	switch {
	case !there:
		return "gone"
	case m.Trash:
		return "trash"
	case m.Spam:
		return "spam"
	}
	return "mail"
}

// expunge marks a message as deleted, which expunges it.
func (c *client) expunge(box, uid string) {
	c.Helper()
	c.want("OK .*", `SELECT "`+box+`"`)
	c.want("OK .*", `UID STORE `+uid+` +FLAGS.SILENT (\Deleted)`)
}

func TestE24Behaviour(t *testing.T) {
	for behaviour, hidden := range map[Behaviour]string{Archive: "mail", ToTrash: "trash", DeleteForever: "gone"} {
		c := enter(t, Options{Behaviour: behaviour})
		one, three := c.id(1), c.id(3)
		c.expunge("INBOX", "1")
		if got := c.state(one); got != "mail" {
			t.Errorf("behaviour %d, All Mail is visible: %s", behaviour, got)
		}
		c.web.Label(one, []string{`\Inbox`}, nil)
		c.web.Hide("[Gmail]/All Mail")
		c.expunge("INBOX", "3")
		if got := c.state(one); got != "mail" || c.labels(1) != "Work" {
			t.Errorf("behaviour %d, it is still in Work: %s, labels %q", behaviour, got, c.labels(1))
		}
		c.expunge("INBOX", "2")
		if got := c.state(three); got != hidden {
			t.Errorf("behaviour %d, All Mail is hidden: %s", behaviour, got)
		}
	}
}

func TestE24AllMail(t *testing.T) {
	for trash, want := range map[bool]string{false: "mail", true: "trash"} {
		c := enter(t, Options{AllMailTrash: trash})
		c.expunge("[Gmail]/All Mail", "3")
		if got := c.state(c.id(3)); got != want || !trash && c.labels(3) != `\Inbox` {
			t.Errorf("expunged in All Mail: %s, labels %q", got, c.labels(3))
		}
	}
}

func TestE24TrashAndSpam(t *testing.T) {
	c := enter(t, Options{})
	one, three := c.id(1), c.id(3)
	c.web.Trash(one)
	c.web.Spam(three)
	c.expunge("[Gmail]/Trash", "1")
	c.expunge("[Gmail]/Spam", "1")
	if c.state(one) != "gone" || c.state(three) != "gone" || len(c.s.Messages()) != 1 || c.s.Counters().Deleted != 0 {
		t.Errorf("%+v", c.s.Messages())
	}
}

func TestE27UnchangedSince(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX (CONDSTORE)")
	c.want(`^\* 1 FETCH \(FLAGS \(\\Seen\) UID 1 MODSEQ \(29269\)\)\nOK \[MODIFIED 2\] .*`, `UID STORE 1:2 (UNCHANGEDSINCE 29242) +FLAGS (\Seen)`)
	if m := c.s.Messages()[2]; len(m.Flags) > 0 {
		t.Errorf("what had changed since is %+v", m)
	}
	c.exact(`UID STORE 1:2 (UNCHANGEDSINCE 29269) +FLAGS.SILENT (\Answered)`, "OK Success")
}
