package gimap

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestF1Throttled(t *testing.T) {
	c := enter(t, Options{})
	c.s.Fault(Fault{Times: 2, Suffix: " [THROTTLED]", Delay: 10 * time.Millisecond})
	began := time.Now()
	c.exact("NOOP", "OK Success [THROTTLED]")
	c.exact("NOOP", "OK Success [THROTTLED]")
	if time.Since(began) < 20*time.Millisecond {
		t.Error("there was no delay")
	}
	c.exact("NOOP", "OK Success")
}

func TestF2Quota(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.s.Set(func(o *Options) { o.QuotaDown, o.QuotaAnswer = 2000, QuotaNo })
	answer := ""
	for range 10 {
		lines := c.do("UID FETCH 1:* (BODY.PEEK[])")
		if answer = lines[len(lines)-1]; answer != "OK Success" && len(lines) > 1 {
			t.Errorf("mail came after the quota was spent: %q", lines)
		}
	}
	if answer != quotaNo || c.s.Counters().Down < 2000 {
		t.Errorf("%q after %d octets", answer, c.s.Counters().Down)
	}
	dial(t, c.s).exact(`LOGIN me@gmail.com "app password"`, quotaLogin)
	c.s.Set(func(o *Options) { o.QuotaAnswer = QuotaBye })
	c.exact("NOOP", "* BYE [OVERQUOTA] Account exceeded command or bandwidth limits.", "<EOF>")
	c.s.NextDay()
	dial(t, c.s).want(`OK .*`, `LOGIN me@gmail.com "app password"`)
}

func TestF2QuotaOfUploads(t *testing.T) {
	c := enter(t, Options{QuotaUp: 3000, QuotaAnswer: QuotaNo})
	raw := append(mailOf(9), strings.Repeat("x", 1500)...)
	append9 := "APPEND INBOX {" + number(len(raw)) + "+}\r\n" + string(raw)
	c.want("OK .*", append9)
	c.exact(append9, quotaNo)
	if n := len(c.s.Messages()); n != 4 {
		t.Errorf("what was refused was stored: %d messages", n)
	}
}

func TestF2QuotaInAFetch(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.s.Fault(Fault{Verb: "FETCH", Cut: BeforeTag, Bye: quotaBye})
	c.exact("UID FETCH 1:* (UID)", "* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", quotaBye, "<EOF>")
}

func TestF3Connections(t *testing.T) {
	c := enter(t, Options{})
	for range 14 {
		dial(t, c.s).want(`OK .*`, `LOGIN me@gmail.com "app password"`)
	}
	sixteenth := dial(t, c.s)
	sixteenth.exact(`LOGIN me@gmail.com "app password"`, "NO [ALERT] Too many simultaneous connections. (Failure)")
	c.do("LOGOUT")
	c.lines("<EOF>")
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); { // until the server has noticed
		if got := sixteenth.do(`LOGIN me@gmail.com "app password"`); len(got) > 1 {
			return
		}
	}
	t.Error("one left, and there is no room for another")
}

func TestF4SessionExpired(t *testing.T) {
	var hands clock
	c := enter(t, Options{Now: hands.now, SessionLife: time.Hour})
	c.exact("NOOP", "OK Success")
	hands.forward(2 * time.Hour)
	c.want(`^\* BYE Session expired, please login again\.\n<EOF>`, "NOOP")
	c = enter(t, Options{})
	c.s.EndSessions()
	if got := c.line(); got != "* BYE Session expired, please login again." {
		t.Error(got)
	}
}

func TestF5SomeCouldNotBeFetched(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.s.Fault(Fault{Verb: "FETCH", Lose: []uint32{1}})
	c.want(`^\* 2 FETCH \(UID 2\)\nNO Some messages could not be FETCHed \(Failure\)`, "UID FETCH 1:2 (UID)")
}

func TestF6SystemErrorOfOneMessage(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.s.Fault(Fault{Verb: "FETCH", UID: 2, Times: -1, Answer: "NO System Error (Failure)"})
	c.exact("UID FETCH 1 (UID)", "* 1 FETCH (UID 1)", "OK Success")
	c.exact("UID FETCH 1:* (UID)", "NO System Error (Failure)")
	c.exact("UID FETCH 2 (UID)", "NO System Error (Failure)")
	c.s.ClearFaults()
	c.want("OK Success", "UID FETCH 2 (UID)")
}

func TestF7NoBody(t *testing.T) {
	for body, want := range map[string]string{"nil": `\(UID 1 BODY\[\] NIL\)`, "absent": `\(UID 1\)`, "empty": `\(UID 1 BODY\[\] \{0\}\)`} {
		c := enter(t, Options{})
		c.do("SELECT INBOX")
		c.s.Fault(Fault{Verb: "FETCH", Body: body})
		c.want(want+`\nOK Success`, "UID FETCH 1 (UID BODY.PEEK[])")
		if n := c.s.Counters().Bodies[c.id(1)]; n > 0 {
			t.Errorf("%s: %d bodies were counted", body, n)
		}
	}
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.s.Fault(Fault{Verb: "FETCH", NoItems: []string{"FLAGS"}})
	c.want(`^\* 1 FETCH \(UID 1\)\nOK Success`, "UID FETCH 1 (FLAGS)")
}

func TestF8WrongSize(t *testing.T) {
	c := enter(t, Options{})
	c.web.WrongSize(c.id(1), 5)
	c.do("SELECT INBOX")
	c.want(`RFC822\.SIZE `+number(len(mailOf(1))+5)+`\)\nOK Success`, "UID FETCH 1 (RFC822.SIZE)")
}

func TestF9Cut(t *testing.T) {
	for name, tt := range map[string]struct {
		fault   Fault
		command string
		want    string
		done    bool
	}{
		"before":          {Fault{Cut: AtCommand}, `UID STORE 1 +FLAGS (\Seen)`, `^<EOF>`, false},
		"after":           {Fault{Cut: AfterDoing}, `UID STORE 1 +FLAGS (\Seen)`, `^<EOF>`, true},
		"before the tag":  {Fault{Cut: BeforeTag}, `UID STORE 1 +FLAGS (\Seen)`, `^\* 1 FETCH .*\n<EOF>`, true},
		"before literal":  {Fault{Cut: BeforeLiteral}, "UID FETCH 1 (BODY.PEEK[])", `BODY\[\] \{\d+\}<EOF>`, false},
		"in the literal":  {Fault{Cut: InLiteral, Octet: 6}, "UID FETCH 1 (BODY.PEEK[])", `\{\d+\}From: <unexpected EOF>`, false},
		"behind the last": {Fault{Cut: BeforeTag}, "UID FETCH 1 (BODY.PEEK[])", `text 1\r\n\)\n<EOF>`, false},
		"at an octet":     {Fault{Cut: AtOctet, Octet: 5}, "UID FETCH 1 (FLAGS)", `^\* 1 F<EOF>`, false},
	} {
		c := enter(t, Options{})
		c.do("SELECT INBOX")
		c.s.Fault(tt.fault)
		c.want(tt.want, tt.command)
		if (len(c.s.Messages()[0].Flags) > 0) != tt.done {
			t.Errorf("%s: done is %v", name, !tt.done)
		}
		if n := c.s.Counters().Bodies[c.id(1)]; (n > 0) != (name == "behind the last") {
			t.Errorf("%s: %d bodies were counted", name, n)
		}
	}
}

// What changes mail is done, and the answer is lost.
func TestF9DoneAndLost(t *testing.T) {
	for command, done := range map[string]func(c *client) bool{
		`UID STORE 1 +FLAGS (\Seen)`:     func(c *client) bool { return len(c.s.Messages()[0].Flags) == 1 },
		`UID STORE 1 +X-GM-LABELS (Job)`: func(c *client) bool { return c.uid("Job", 1) > 0 },
		`UID STORE 1 +FLAGS (\Deleted)`:  func(c *client) bool { return c.uid("INBOX", 1) == 0 },
		`UID COPY 2 Work`:                func(c *client) bool { return c.uid("Work", 3) > 0 && c.uid("INBOX", 3) > 0 },
		`UID MOVE 2 Work`:                func(c *client) bool { return c.uid("Work", 3) > 0 && c.uid("INBOX", 3) == 0 },
		`UID MOVE 1 "[Gmail]/Trash"`:     func(c *client) bool { return c.uid("[Gmail]/Trash", 1) > 0 },
		"APPEND Work {6+}\r\nA: b\r\n":   func(c *client) bool { return c.uid("Work", 4) > 0 },
		"APPEND Work {6}\r\nA: b\r\n":    func(c *client) bool { return c.uid("Work", 4) > 0 },
		"CREATE Job":                     func(c *client) bool { return c.folder("Job").Name != "" },
		"RENAME Work Job":                func(c *client) bool { return c.uid("Job", 1) > 0 },
		"DELETE Work":                    func(c *client) bool { return len(c.s.Messages()[0].Labels) == 1 },
	} {
		verb := strings.Fields(strings.TrimPrefix(command, "UID "))[0]
		c := enter(t, Options{})
		c.do("SELECT INBOX")
		c.s.Fault(Fault{Verb: verb, Cut: AfterDoing})
		c.want(`^(\+ go ahead\n)?<EOF>`, command)
		c = c.again()
		if len(c.s.Messages()) < 3 || len(c.s.Messages()) == 4 && verb != "APPEND" || !done(c) {
			t.Errorf("%q was not done, or not once: %+v", command, c.s.Messages())
		}
	}
}

// again connects anew.
func (c *client) again() *client {
	c.Helper()
	other := dial(c.T, c.s)
	other.want("OK .*", "LOGIN me@gmail.com apppassword")
	return other
}

func TestF10Stall(t *testing.T) {
	whole := "* 1 FETCH (UID 1 BODY[] {" + number(len(mailOf(1))) + "}\r\n" + string(mailOf(1)) + ")\r\n"
	for name, tt := range map[string]struct {
		fault Fault
		comes string
	}{
		"before":         {Fault{Stall: AtCommand}, ""},
		"after":          {Fault{Stall: AfterDoing}, ""},
		"before literal": {Fault{Stall: BeforeLiteral}, whole[:strings.Index(whole, "\r\n")+2]},
		"in the literal": {Fault{Stall: InLiteral, Octet: 4}, whole[:strings.Index(whole, "\r\n")+6]},
		"at an octet":    {Fault{Stall: AtOctet, Octet: 9}, whole[:9]},
		"before the tag": {Fault{Stall: BeforeTag}, whole},
	} {
		c := enter(t, Options{})
		c.do("SELECT INBOX")
		c.s.Fault(tt.fault)
		c.write("z UID FETCH 1 (BODY.PEEK[])\r\n")
		got := make([]byte, len(tt.comes))
		if _, err := io.ReadFull(c.r, got); err != nil || string(got) != tt.comes {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tt.comes)
		}
		_ = c.nc.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if more, err := c.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: then comes %q, %v", name, more, err)
		}
	}
}

func TestF11Noise(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.s.Fault(Fault{Verb: "FETCH", Noise: true})
	c.exact("UID FETCH 1 (UID)", "* 1 FETCH (FLAGS ())", "* 1 FETCH (UID 1)", "OK Success")
}

func TestF12HighestModSeq(t *testing.T) {
	c := enter(t, Options{Lag: time.Hour})
	c.do("SELECT INBOX (CONDSTORE)")
	c.web.Flag(c.id(1), []string{`\Seen`}, nil)
	c.want(`HIGHESTMODSEQ 29269\)\nOK Success`, "STATUS INBOX (HIGHESTMODSEQ)")
	if got := c.do("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 29260)")[0]; strings.Contains(got, "Seen") {
		t.Errorf("a session that was open sees it at once: %s", got)
	}
	c.do("SELECT INBOX (CONDSTORE)")
	c.want(`\* 1 FETCH \(UID 1 MODSEQ \(29269\) FLAGS \(\\Seen\)\)\nOK Success`, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 29260)")
	c.s.Set(func(o *Options) { o.ModSeqAhead = 100 })
	c.want(`HIGHESTMODSEQ 29369\)\nOK Success`, "STATUS INBOX (HIGHESTMODSEQ)")
	c.s.Set(func(o *Options) { o.ModSeqAhead, o.ModSeqBehind = 0, 1000 })
	c.want(`HIGHESTMODSEQ 28269\)\nOK Success`, "STATUS INBOX (HIGHESTMODSEQ)")
	c.s.Set(func(o *Options) { o.ZeroModSeq = true })
	c.exact("FETCH 1 (MODSEQ)", "* 1 FETCH (MODSEQ (0))", "OK Success")
}

func TestF13Renumbered(t *testing.T) {
	c := enter(t, Options{})
	c.web.Trash(c.id(1))
	before := c.folder("INBOX")
	c.web.Renumber("INBOX")
	if after := c.folder("INBOX"); after.Validity == before.Validity || c.uid("INBOX", 3) != 1 {
		t.Errorf("%+v, was %+v", after, before)
	}
	validities := map[uint32]bool{before.Validity: true}
	for _, f := range c.s.Folders() {
		validities[f.Validity] = true
	}
	n := len(validities)
	for _, f := range c.s.Folders() {
		c.web.Renumber(f.Name)
		validities[c.folder(f.Name).Validity] = true
	}
	if len(validities) != n+len(c.s.Folders()) {
		t.Errorf("all renumbered: %+v", c.s.Folders())
	}
}

func TestF14Hidden(t *testing.T) {
	c := enter(t, Options{})
	c.web.Hide("[Gmail]/All Mail")
	if got := c.want("OK Success", `LIST "" "*" RETURN (SPECIAL-USE)`); strings.Contains(got, `\All`) {
		t.Error(got)
	}
}

func TestF15IllegalFlags(t *testing.T) {
	c := enter(t, Options{ExtraFlags: []string{"OIB-Seen-[Gmail]/Tous les messages"}})
	c.want(`\* FLAGS \(.*\$Phishing OIB-Seen-\[Gmail\]/Tous les messages\)\n\* OK \[PERMANENTFLAGS \(.*Tous les messages \\\*\)\].*`, "SELECT INBOX")
	c.web.Flag(c.id(1), []string{"OIB-Seen-[Gmail]/Tous les messages"}, nil)
	c.exact("FETCH 1 (FLAGS)", "* 1 FETCH (FLAGS (OIB-Seen-[Gmail]/Tous les messages))", "OK Success")
}

func TestF16LoginErrors(t *testing.T) {
	const login = `LOGIN me@gmail.com "app password"`
	for _, command := range []string{login, "AUTHENTICATE PLAIN " + base("\x00me@gmail.com\x00app password")} {
		s := Start(t, Options{})
		c := dial(t, s)
		for _, answer := range []string{
			"NO Lookup failed abc",
			"NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)",
			"NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)",
			"NO [ALERT] IMAP access is disabled for your domain. Please contact your domain administrator for questions about this feature. (Failure)",
			"NO [UNAVAILABLE] Temporary System Problem (Failure)",
		} {
			s.Fault(Fault{Verb: "LOGIN", Answer: answer})
			c.exact(command, answer)
		}
		const alert = "* NO [WEBALERT https://accounts.google.com/signin/continue?x=1] Web login required."
		const web = "NO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)"
		s.Fault(Fault{Verb: "LOGIN", Before: alert, Answer: web})
		c.exact(command, alert, web)
		c.want("OK .*", command)
	}
}

func TestF17NoAppendUID(t *testing.T) {
	c := enter(t, Options{})
	c.s.Fault(Fault{Verb: "APPEND", Bare: true})
	c.exact("APPEND INBOX {"+number(len(mailOf(9)))+"+}\r\n"+string(mailOf(9)), "OK (Success)")
}

func TestF18KeywordDropped(t *testing.T) {
	c := enter(t, Options{DropKeywords: []string{"Odd"}})
	c.do("SELECT INBOX")
	c.exact("UID STORE 1 +FLAGS (Odd Even)", `* 1 FETCH (FLAGS (Even) UID 1)`, "OK Success")
	c.upload("INBOX", "(Odd Even) ", mailOf(4))
	if got := c.s.Messages()[3].Flags; !slices.Equal(got, []string{"Even"}) {
		t.Errorf("uploaded with %q", got)
	}
}

// How long keywords may be and how many there may be on a message is not known.
func TestF18TooManyKeywords(t *testing.T) {
	c := enter(t, Options{KeywordSize: 4, Keywords: 2})
	c.do("SELECT INBOX")
	c.exact(`UID STORE 1 +FLAGS (Five5 one two \Seen three)`, `* 1 FETCH (FLAGS (\Seen one two) UID 1)`, "OK Success")
	c.exact("UID STORE 1 +FLAGS (four)", `* 1 FETCH (FLAGS (\Seen one two) UID 1)`, "OK Success")
	c.exact("UID STORE 1 -FLAGS (one)", `* 1 FETCH (FLAGS (\Seen two) UID 1)`, "OK Success")
	c.exact("UID STORE 1 +FLAGS (four two)", `* 1 FETCH (FLAGS (\Seen four two) UID 1)`, "OK Success")
}

func TestF19NoStatus(t *testing.T) {
	c := enter(t, Options{NoStatus: []string{"Work"}})
	got := c.want("OK Success", `LIST "" "*" RETURN (STATUS (MESSAGES))`)
	if strings.Contains(got, `STATUS "Work"`) || !strings.Contains(got, `LIST (\HasNoChildren) "/" "Work"`) {
		t.Error(got)
	}
}

// A fault waits for the command that it is meant for.
func TestFaultsAreAddressed(t *testing.T) {
	const meets = "NO met"
	for name, tt := range map[string]struct {
		fault Fault
		met   []string
	}{
		"any":              {Fault{}, []string{"NOOP"}},
		"the third":        {Fault{Nth: 2}, []string{"UID FETCH 1 (UID)"}},
		"a verb":           {Fault{Verb: "fetch"}, []string{"UID FETCH 1 (UID)"}},
		"the second of it": {Fault{Verb: "FETCH", Nth: 1}, []string{"UID FETCH 2 (UID)"}},
		"twice":            {Fault{Verb: "FETCH", Times: 2}, []string{"UID FETCH 1 (UID)", "UID FETCH 2 (UID)"}},
		"always":           {Fault{Verb: "FETCH", Times: -1}, []string{"UID FETCH 1 (UID)", "UID FETCH 2 (UID)", "FETCH 1 (UID)"}},
		"a UID":            {Fault{UID: 2, Times: -1}, []string{"UID FETCH 2 (UID)"}},
		"a mailbox":        {Fault{Folder: "Work", Times: -1}, []string{"STATUS Work (MESSAGES)", "SELECT Work"}},
		"the open mailbox": {Fault{Folder: "INBOX", Verb: "FETCH", Times: -1}, []string{"UID FETCH 1 (UID)", "UID FETCH 2 (UID)", "FETCH 1 (UID)"}},
	} {
		c := enter(t, Options{})
		c.do("SELECT INBOX")
		tt.fault.Answer = meets
		c.s.Fault(tt.fault)
		var met []string
		for _, command := range []string{"NOOP", "STATUS Work (MESSAGES)", "UID FETCH 1 (UID)", "UID FETCH 2 (UID)", "FETCH 1 (UID)", "SELECT Work"} {
			if got := c.do(command); got[0] == meets {
				met = append(met, command)
			}
		}
		if !slices.Equal(met, tt.met) {
			t.Errorf("%s: it met %q, want %q", name, met, tt.met)
		}
	}
}

func TestCounters(t *testing.T) {
	c := enter(t, Options{})
	c.s.ResetCounters()
	c.write("x SELECT INBOX\r\ny UID FETCH 1 (BODY.PEEK[])\r\n")
	for line := ""; line != "y OK Success"; {
		if line = c.line(); strings.HasPrefix(line, "<") {
			t.Fatal(line)
		}
	}
	c.do("UID STORE 1 +FLAGS (Job)")
	got := c.s.Counters()
	if got.Flights != 2 || got.Verbs["SELECT"] != 1 || got.Bodies[c.id(1)] != 1 || got.Down < 500 || got.Up < 50 ||
		!slices.Equal(got.Lines, []string{"SELECT INBOX", "UID FETCH 1 (BODY.PEEK[])", "UID STORE 1 +FLAGS (Job)"}) {
		t.Errorf("%+v", got)
	}
	c.do("UID FETCH 1:2 (BODY[])")
	c.do("UID FETCH 1:2 (BODY.PEEK[HEADER] BODY.PEEK[]<0.9>)") // which are not the whole
	if got := c.s.Counters(); got.Verbs["STORE"] != 1 || got.Verbs["FETCH"] != 3 || got.Bodies[c.id(1)] != 2 || got.Bodies[c.id(3)] != 1 {
		t.Errorf("%+v", got)
	}
}

// \Deleted is counted for each message, but not in Trash and Spam, where it does no harm. No secret is kept.
func TestCountersOfDeletedAndSecrets(t *testing.T) {
	c := enter(t, Options{KeepDeleted: true})
	c.web.Trash(c.id(3))
	c.do("SELECT Work")
	c.do(`UID STORE 1:2 +FLAGS (\Deleted)`)
	c.do(`UID STORE 1:2 -FLAGS (\Deleted)`)
	c.do(`SELECT "[Gmail]/Trash"`)
	c.do(`UID STORE 1 +FLAGS (\Deleted)`)
	c.upload("Work", `(\Deleted) `, mailOf(4))
	got := c.s.Counters()
	if got.Deleted != 3 || strings.Contains(strings.Join(got.Lines, "\n"), "password") || got.Verbs["LOGIN"] != 1 || got.Lines[0] != "LOGIN" {
		t.Errorf("%+v", got)
	}
	c.s.ResetCounters()
	if c.s.Counters().Deleted != 0 || c.s.EverDeleted() != 3 {
		t.Errorf(`\Deleted was counted %d times, ever %d`, c.s.Counters().Deleted, c.s.EverDeleted())
	}
}
