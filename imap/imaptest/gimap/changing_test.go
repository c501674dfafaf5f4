package gimap

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
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
	for _, plain := range []bool{true, false} {
		c.s.Set(func(o *Options) { o.PlainTrash = plain })
		c.do(`UID STORE 1 +X-GM-LABELS (\Trash)`)
		if c.s.Messages()[0].Trash == plain {
			t.Errorf(`\Trash stored, ignored: %v, and it is there: %v`, plain, c.s.Messages()[0].Trash)
		}
	}
}

func TestE21CopyIsALabel(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.want(`^OK \[COPYUID 24 1:2 1:2\] \(Success\)`, "UID COPY 1:2 Job"+c.made("Job"))
	c.want(`^OK \[COPYUID 24 1 1\] \(Success\)`, "UID COPY 1 Job") // it is there
	c.want(`^OK \[COPYUID 11 1 1\] \(Success\)|.*OK \[COPYUID 11 1 1\] \(Success\)`, `UID MOVE 1 "[Gmail]/All Mail"`)
	if got := c.labels(1); got != "Job Work" {
		t.Errorf("archived it has %q", got)
	}
	other := dial(t, c.s)
	other.do(`LOGIN me@gmail.com "app password"`)
	other.do("SELECT Work")
	c.do("SELECT Work")
	c.want(`\* 2 EXPUNGE\n\* 1 EXISTS\nOK \[COPYUID 2 2 1\] \(Success\)`, `UID COPY 2 "[Gmail]/Trash"`)
	other.want(`\* 2 EXPUNGE\n\* 1 EXISTS\nOK Success`, "NOOP")
	if len(c.s.Messages()) != 3 || c.labels(2) != "" {
		t.Errorf("%+v", c.s.Messages())
	}
	c.want(`NO \[TRYCREATE\] .*`, "UID COPY 1 Nowhere")
	for _, fresh := range []bool{false, true} {
		c := enter(t, Options{FreshUID: fresh})
		c.do(`SELECT "[Gmail]/All Mail"`)
		c.want(map[bool]string{false: `^OK \[COPYUID 23 1 1\].*`, true: `^OK \[COPYUID 23 1 3\].*`}[fresh], "UID MOVE 1 Work")
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
	early := enter(t, Options{EarlyCopyUID: true, KeepDeleted: true})
	early.do("SELECT Work")
	early.do(`UID STORE 1 +FLAGS.SILENT (\Deleted)`)
	early.exact(`UID MOVE 1 INBOX`, "* OK [COPYUID 1 1 1]", "* 1 EXPUNGE", "* 1 EXISTS", "OK (Success)")
	early.do("SELECT INBOX")
	if got := early.want("OK Success", "FETCH 1 (FLAGS)"); strings.Contains(got, "Deleted") {
		t.Error(got)
	}
}

func TestE23AutoExpunge(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.exact(`UID STORE 1:2 +FLAGS.SILENT (\Deleted)`, "* 1 EXPUNGE", "* 1 EXPUNGE", "* 0 EXISTS", "OK Success")
	for _, how := range []string{"EXPUNGE", "UID EXPUNGE 1", "CLOSE"} {
		off := enter(t, Options{KeepDeleted: true})
		off.do("SELECT INBOX")
		off.want(`Deleted\) UID 1\)\nOK Success`, `UID STORE 1 +FLAGS (\Deleted)`)
		if off.labels(1) != `Work \Inbox` {
			t.Error("it is gone before it was expunged")
		}
		off.do(how)
		if off.labels(1) != "Work" {
			t.Errorf("after %s it has %q", how, off.labels(1))
		}
		if n := off.s.Counters().Deleted; n != 1 {
			t.Errorf(`\Deleted was counted %d times`, n)
		}
	}
}

func TestE24Behaviour(t *testing.T) {
	expunge := func(c *client, box string, uid string) {
		c.Helper()
		c.want("OK .*", `SELECT "`+box+`"`)
		c.want("OK .*", `UID STORE `+uid+` +FLAGS.SILENT (\Deleted)`)
	}
	for behaviour, want := range map[Behaviour]string{Archive: "mail", ToTrash: "trash", DeleteForever: "gone"} {
		for _, hidden := range []bool{false, true} {
			c := enter(t, Options{Behaviour: behaviour})
			id := c.id(3)
			if hidden {
				c.web.Hide("[Gmail]/All Mail")
			} else {
				want = "mail"
			}
			expunge(c, "INBOX", "2")
			m, there := c.s.Message(id)
			got := map[bool]string{true: "mail", false: "gone"}[there]
			if m.Trash {
				got = "trash"
			}
			if hidden && got != map[Behaviour]string{Archive: "mail", ToTrash: "trash", DeleteForever: "gone"}[behaviour] || !hidden && got != want {
				t.Errorf("behaviour %d, All Mail hidden: %v: %s", behaviour, hidden, got)
			}
		}
	}
	for _, trash := range []bool{false, true} {
		c := enter(t, Options{AllMailTrash: trash})
		expunge(c, "[Gmail]/All Mail", "3")
		if m := c.s.Messages()[2]; m.Trash != trash {
			t.Errorf("expunged in All Mail: %+v", m)
		}
	}
	c := enter(t, Options{})
	c.web.Trash(c.id(3))
	expunge(c, "[Gmail]/Trash", "1")
	if len(c.s.Messages()) != 2 || c.s.Counters().Deleted != 0 {
		t.Errorf("%d messages", len(c.s.Messages()))
	}
}

func TestE25Append(t *testing.T) {
	upload := func(c *client, box, options string, raw []byte) string {
		return c.want("OK .*", "APPEND "+box+" "+options+"{"+number(len(raw))+"+}\r\n"+string(raw))
	}
	c := enter(t, Options{})
	c.do("SELECT Work")
	if got := upload(c, "Work", `(\Seen) "01-Jan-2020 00:00:00 +0100" `, mailOf(9)); got != "* 3 EXISTS\nOK [APPENDUID 23 3] (Success)" {
		t.Error(got)
	}
	if m := c.s.Messages()[3]; !m.Date.Equal(time.Date(2019, 12, 31, 23, 0, 0, 0, time.UTC)) || !bytes.Equal(m.Raw, mailOf(9)) || c.labels(4) != "Work" {
		t.Errorf("%+v", m)
	}
	upload(c, `"[Gmail]/Spam"`, "", mailOf(8))
	if m := c.s.Messages()[4]; !m.Spam || m.Date.Hour() != 9 {
		t.Errorf("without a date, in Spam: %+v", m)
	}
	upload(c, "Work", `(\Deleted) `, mailOf(7))
	if c.labels(6) != "" {
		t.Error(`what was marked \Deleted kept its label`)
	}
	other := append(mailOf(3), "changed"...)
	for dedupe, want := range map[Dedupe]struct {
		messages int
		uid      string
	}{NoDedupe: {4, "3"}, DedupeExact: {4, "3"}, DedupeHeader: {3, "3"}, DedupeGhost: {3, "3"}} {
		c := enter(t, Options{Dedupe: dedupe})
		got := upload(c, "INBOX", "", other)
		if !strings.Contains(got, "[APPENDUID 1 "+want.uid+"]") || len(c.s.Messages()) != want.messages {
			t.Errorf("dedupe %d: %s, %d messages", dedupe, got, len(c.s.Messages()))
		}
		c.do("SELECT INBOX")
		got = c.want("OK Success", "UID FETCH 3 (UID)")
		if ghost := !strings.Contains(got, "UID 3"); ghost != (dedupe == DedupeGhost) {
			t.Errorf("dedupe %d: UID 3 is %s", dedupe, got)
		}
	}
	exact := enter(t, Options{Dedupe: DedupeExact})
	exact.web.Trash(exact.id(3))
	upload(exact, "Work", "", mailOf(3))
	if m := exact.s.Messages()[2]; m.Trash || exact.labels(3) != "Work" || len(exact.s.Messages()) != 3 {
		t.Errorf("uploaded again it is %+v", m)
	}
}

func TestE27UnchangedSince(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX (CONDSTORE)")
	c.want(`\* 1 FETCH \(FLAGS \(\\Seen\) UID 1 MODSEQ \(29269\)\)\nOK \[MODIFIED 2\] .*`, `UID STORE 1:2 (UNCHANGEDSINCE 29242) +FLAGS (\Seen)`)
}
