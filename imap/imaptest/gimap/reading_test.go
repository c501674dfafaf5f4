package gimap

import (
	"slices"
	"strings"
	"testing"
)

func TestE16OrderOfItems(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT Work (CONDSTORE)")
	c.want(`\* 1 FETCH \(X-GM-THRID \d+ X-GM-MSGID \d+ X-GM-LABELS \("\\\\Inbox"\) UID 1 RFC822\.SIZE \d+ MODSEQ \(29242\) INTERNALDATE "14-Nov-2023 22:13:21 \+0000" FLAGS \(\) BODY\[HEADER\.FIELDS \(MESSAGE-ID\)\] \{\d+\}Message-ID: <m1@example\.org>\r\n\r\n\)\nOK Success`,
		"UID FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE X-GM-LABELS X-GM-MSGID X-GM-THRID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
	plain := dial(t, c.s)
	plain.do("LOGIN me@gmail.com apppassword")
	plain.do("SELECT Work")
	plain.exact("UID FETCH 1 (FLAGS)", "* 1 FETCH (UID 1 FLAGS ())", "OK Success") // without CONDSTORE no MODSEQ
	plain.exact("UID FETCH 1 (MODSEQ)", "* 1 FETCH (UID 1 MODSEQ (29242))", "OK Success")
	plain.exact("UID FETCH 1 (FLAGS)", "* 1 FETCH (UID 1 MODSEQ (29242) FLAGS ())", "OK Success")
	c.want(`ENVELOPE \("Wed, 15 .*" "number 1" \(\(NIL NIL "a" "example\.org"\)\).* "<m1@example\.org>"\)\)\nOK Success`, "FETCH 1 (ENVELOPE)")
	c.want(`BODYSTRUCTURE \("TEXT" "PLAIN" .*\)\)\nOK Success`, "FETCH 1 (BODYSTRUCTURE)")
}

func TestE17Labels(t *testing.T) {
	c := enter(t, Options{})
	c.web.Label(c.id(1), []string{"NIL", "007", "+x", "To do", "Räk", `q"uote`}, nil)
	c.web.Flag(c.id(1), []string{`\Flagged`}, nil)
	c.do("SELECT INBOX")
	c.want(`X-GM-LABELS \(\+x 007 NIL R&AOQ-k "To do" Work "q\\"uote" "\\\\Starred"\)\)\nOK Success`, "FETCH 1 (X-GM-LABELS)")
	c.do(`SELECT "[Gmail]/Starred"`)
	if got := c.want("OK Success", "FETCH 1 (X-GM-LABELS)"); strings.Contains(got, "Starred") || !strings.Contains(got, `"\\Inbox"`) {
		t.Errorf("in Starred: %s", got)
	}
	c.do("SELECT Work")
	c.exact("FETCH 2 (X-GM-LABELS)", `* 2 FETCH (X-GM-LABELS ("\\Important"))`, "OK Success")
	c.do(`SELECT "[Gmail]/Important"`)
	c.exact("FETCH 1 (X-GM-LABELS)", `* 1 FETCH (X-GM-LABELS (Work))`, "OK Success")
}

func TestE18ChangedSinceAndSearch(t *testing.T) {
	c := enter(t, Options{})
	c.web.Flag(c.id(1), []string{`\Seen`}, nil)
	c.web.Trash(c.id(3))
	c.do(`SELECT "[Gmail]/All Mail" (CONDSTORE)`)
	c.want(`^\* 1 FETCH \(UID 1 MODSEQ \(29269\) FLAGS \(\\Seen\)\)\nOK Success`, "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 29260)")
	c.web.Flag(c.id(2), []string{`\Flagged`, "$Forwarded"}, nil)
	id, thread := number(c.id(2)), number(c.s.Messages()[1].ID)
	for query, want := range map[string]string{
		"ALL": "1 2", "UID 2:*": "2", "SEEN": "1", "UNSEEN": "2", "NOT SEEN": "2", "OR SEEN UID 2": "1 2", "SINCE 14-Nov-2023": "1 2", "BEFORE 14-Nov-2023": "",
		"HEADER MESSAGE-ID <m2@example.org>": "2", "HEADER MESSAGE-ID m2": "2", "HEADER MESSAGE-ID ample": "", // words, not parts
		"X-GM-MSGID " + id: "2", "X-GM-THRID " + thread: "2", "X-GM-LABELS Work": "1 2",
		`X-GM-RAW "rfc822msgid:<m2@example.org> in:anywhere"`: "2", "X-GM-RAW label:Work": "1 2", "X-GM-RAW in:inbox": "1", "(UID 1:2 SEEN)": "1", "SUBJECT number": "1 2",
		"2": "2", "1:*": "1 2", "FLAGGED": "2", "UNFLAGGED": "1", "KEYWORD $Forwarded": "2", "UNKEYWORD $Forwarded": "1", "ON 14-Nov-2023": "1 2",
		`X-GM-LABELS \Starred`: "2", `X-GM-LABELS \inbox`: "1", "X-GM-RAW in:starred": "2", "X-GM-RAW in:trash": "", "X-GM-RAW in:": "",
		"CHARSET UTF-8 X-GM-RAW {10+}\r\nlabel:Work": "1 2", `HEADER MESSAGE-ID ""`: "1 2", "HEADER X-NONE x": "", "LARGER 5": "1 2", "SMALLER 5": "",
	} {
		got := strings.TrimSpace(strings.TrimPrefix(c.do("UID SEARCH " + query)[0], "* SEARCH"))
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	c.want(`\* ESEARCH \(TAG "a\d+"\) UID COUNT 2 ALL 1:2 MIN 1 MAX 2\nOK SEARCH completed \(Success\)`, "UID SEARCH RETURN (COUNT ALL MIN MAX) ALL")
	c.want(`\* ESEARCH \(TAG "a\d+"\) UID ALL 1:2\n.*`, "UID SEARCH RETURN () ALL")
	c.want(`\* ESEARCH \(TAG "a\d+"\) ALL 2\n.*`, "SEARCH RETURN (ALL) FLAGGED")
	c.exact("UID SEARCH X-GM-RAW words", badCommand) // no query that this server knows
	c.want(`\* ESEARCH \(TAG "a\d+"\) UID COUNT 0\nOK SEARCH completed \(Success\)`, "UID SEARCH RETURN (ALL COUNT) KEYWORD none")
}

func TestE19Seen(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.want(`BODY\[\]<2> \{4\}om: \)\nOK Success`, "UID FETCH 1 (BODY.PEEK[]<2.4>)")
	c.want(`BODY\[\]<9999> \{0\}\)\nOK Success`, "UID FETCH 1 (BODY.PEEK[]<9999.9223372036854775807>)")
	c.exact("UID FETCH 1 (BODY.PEEK[]<-1.5>)", badCommand)
	c.do("EXAMINE INBOX")
	c.do("UID FETCH 1 (BODY[])")
	if len(c.s.Messages()[0].Flags) > 0 {
		t.Error("BODY.PEEK, or BODY in a mailbox that is examined, set a flag")
	}
	for _, item := range []string{"BODY[]", "BODY[TEXT]", "RFC822", "BODY[]<0.1>"} {
		c := enter(t, Options{})
		c.do("SELECT INBOX")
		c.want(`\* 1 FETCH \(UID 1 FLAGS \(\\Seen\)\)\nOK Success`, "UID FETCH 1 ("+item+")")
		if got := c.s.Messages()[0].Flags; !slices.Equal(got, []string{`\Seen`}) {
			t.Errorf("after %s it has %q", item, got)
		}
	}
}
