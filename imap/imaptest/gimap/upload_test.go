package gimap

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// upload appends a message and returns the answer.
func (c *client) upload(box, options string, raw []byte) string {
	c.Helper()
	return c.want("OK .*", "APPEND "+box+" "+options+"{"+number(len(raw))+"+}\r\n"+string(raw))
}

func TestE25Append(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT Work")
	if got := c.upload("Work", `(\Seen) "01-Jan-2020 00:00:00 +0100" `, mailOf(9)); got != "* 3 EXISTS\nOK [APPENDUID 23 3] (Success)" {
		t.Error(got)
	}
	m := c.s.Messages()[3]
	if !m.Date.Equal(time.Date(2019, 12, 31, 23, 0, 0, 0, time.UTC)) || !bytes.Equal(m.Raw, mailOf(9)) || c.labels(4) != "Work" || m.Folders["[Gmail]/All Mail"] == 0 ||
		!slices.Equal(m.Flags, []string{`\Seen`}) {
		t.Errorf("%+v", m)
	}
	c.want(`INTERNALDATE "31-Dec-2019 23:00:00 \+0000"\)\nOK Success`, "UID FETCH 3 (INTERNALDATE)")
	for i, box := range []string{"[Gmail]/All Mail", "[Gmail]/Trash", "[Gmail]/Spam"} {
		c.upload(`"`+box+`"`, "", mailOf(10+i))
		if m := c.s.Messages()[4+i]; len(m.Folders) != 1 || m.Folders[box] == 0 {
			t.Errorf("uploaded to %s: %+v", box, m)
		}
	}
	c.upload(`"[Gmail]/Starred"`, "", mailOf(13))
	if m := c.s.Messages()[7]; !slices.Equal(m.Flags, []string{`\Flagged`}) {
		t.Errorf("uploaded to Starred: %+v", m)
	}
	c.exact("APPEND Work (\\Deleted) {"+number(len(mailOf(7)))+"+}\r\n"+string(mailOf(7)), "OK [APPENDUID 23 4] (Success)")
	if c.labels(9) != "" || c.s.Counters().Deleted != 1 {
		t.Errorf(`what was marked \Deleted has the labels %q`, c.labels(9))
	}
}

// Without a date it is that of the header; a zone that nobody knows, or none, is taken for UTC.
func TestE25AppendDate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Time{
		"Date: Wed, 15 Nov 2023 10:00:09 +0100":    time.Date(2023, 11, 15, 9, 0, 9, 0, time.UTC),
		"Date: Sat, 13 Jun 1992 11:23:08 JST":      time.Date(1992, 6, 13, 11, 23, 8, 0, time.UTC),
		"Date: Thu, 19 Sep 91 12:41:43 EDT":        time.Date(1991, 9, 19, 16, 41, 43, 0, time.UTC),
		"Date: Thu,  6 Feb 1992 11:51 -0500 (EST)": time.Date(1992, 2, 6, 16, 51, 0, 0, time.UTC),
		"Date: 26 Dec 1991 20:45 (Thursday)":       time.Date(1991, 12, 26, 20, 45, 0, 0, time.UTC),
		"Date: ":                                   now,
		"Date: yesterday":                          now,
		"Subject: none":                            now,
	} {
		c := enter(t, Options{Now: func() time.Time { return now }})
		c.upload("INBOX", "", []byte(header+"\r\n\r\nx\r\n"))
		if got := c.s.Messages()[3].Date; !got.Equal(want) {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
}

func TestE25Dedupe(t *testing.T) {
	other := append(mailOf(3), "changed"...)
	for dedupe, want := range map[Dedupe]struct {
		messages int
		answer   string
	}{
		NoDedupe:     {4, "* 3 EXISTS\nOK [APPENDUID 1 3] (Success)"},
		DedupeExact:  {4, "* 3 EXISTS\nOK [APPENDUID 1 3] (Success)"},
		DedupeHeader: {3, "* 2 EXPUNGE\n* 2 EXISTS\nOK [APPENDUID 1 3] (Success)"},
		DedupeGhost:  {3, "OK [APPENDUID 1 3] (Success)"},
	} {
		c := enter(t, Options{Dedupe: dedupe})
		c.do("SELECT INBOX")
		if got := c.upload("INBOX", "", other); got != want.answer || len(c.s.Messages()) != want.messages {
			t.Errorf("dedupe %d: %s, %d messages", dedupe, got, len(c.s.Messages()))
		}
		if got := c.want("OK Success", "UID FETCH 3 (UID)"); strings.Contains(got, "UID 3") == (dedupe == DedupeGhost) {
			t.Errorf("dedupe %d: UID 3 is %s", dedupe, got)
		}
	}
}

// A message that an upload was made one with keeps its text and date, and comes out of the Trash.
func TestE25DedupeKeepsTheOld(t *testing.T) {
	for dedupe, raw := range map[Dedupe][]byte{DedupeExact: mailOf(3), DedupeHeader: append(mailOf(3), "changed"...)} {
		c := enter(t, Options{Dedupe: dedupe})
		before := c.s.Messages()[2]
		c.web.Trash(before.ID)
		if got := c.upload("Work", `"01-Jan-2020 00:00:00 +0000" `, raw); got != "OK [APPENDUID 23 3] (Success)" {
			t.Error(got)
		}
		if m := c.s.Messages()[2]; len(c.s.Messages()) != 3 || m.Trash || c.labels(3) != "Work" || !bytes.Equal(m.Raw, before.Raw) || !m.Date.Equal(before.Date) {
			t.Errorf("dedupe %d: %+v", dedupe, m)
		}
	}
	exact := enter(t, Options{Dedupe: DedupeExact})
	if got := exact.upload("INBOX", "", mailOf(3)); got != "OK [APPENDUID 1 2] (Success)" || len(exact.s.Messages()) != 3 {
		t.Errorf("where it is already: %s", got)
	}
}

// Without a Message-ID, and with another date, nothing is merged; nor does an upload to the Trash throw mail away.
func TestE25NoDedupe(t *testing.T) {
	none, dated := []byte("Date: Wed, 15 Nov 2023 10:00:03 +0100\r\n\r\nx\r\n"), bytes.Replace(mailOf(3), []byte("10:00:03"), []byte("10:00:04"), 1)
	c := enter(t, Options{Dedupe: DedupeHeader})
	for i, upload := range []struct {
		box string
		raw []byte
	}{{"Work", none}, {"Work", none}, {"Work", dated}, {`"[Gmail]/Trash"`, mailOf(3)}} {
		if c.upload(upload.box, "", upload.raw); len(c.s.Messages()) != 4+i {
			t.Errorf("upload %d was merged", i)
		}
	}
}

// What becomes of odd line ends is not known.
func TestE25LineEnds(t *testing.T) {
	for mends, want := range map[bool]string{false: "A: b\r\n\r\nc\nd\re", true: "A: b\r\n\r\nc\r\nd\r\ne\r\n"} {
		c := enter(t, Options{MendsLines: mends})
		c.upload("INBOX", "", []byte("A: b\r\n\r\nc\nd\re"))
		if got := c.s.Messages()[3].Raw; string(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestE26AppendRefusals(t *testing.T) {
	c := enter(t, Options{AppendLimit: 1000})
	const tooBig = "BAD [TOOBIG] Message too large. https://support.google.com/mail/answer/6584#limit"
	c.exact("APPEND INBOX {1001}", tooBig) // before the literal was sent
	c.exact("APPEND INBOX {1001+}\r\n"+strings.Repeat("x", 1001), tooBig)
	for _, headless := range []string{"hello", "\r\nA: b\r\n"} {
		c.exact("APPEND INBOX {"+number(len(headless))+"+}\r\n"+headless, "BAD Invalid Arguments: Unable to parse message")
	}
	c.exact("APPEND Nowhere {4+}\r\nA: b", "NO [TRYCREATE] Folder doesn't exist. (Failure)")
	c.exact("APPEND INBOX \"yesterday\" {4+}\r\nA: b", badCommand)
	c.exact("APPEND INBOX {1000}\r\nA: "+strings.Repeat("x", 997), "+ go ahead", "OK [APPENDUID 1 3] (Success)")
	c.exact("APPEND INBOX {6+}\r\nA: b\x00c", "* BYE Invalid character in literal.", "<EOF>")
	if n := len(c.s.Messages()); n != 4 {
		t.Errorf("%d messages", n)
	}
}
