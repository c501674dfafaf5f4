package gimap

import (
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
	c.want(`NO \[OVERQUOTA\] Account exceeded command or bandwidth limits\. \(Failure\)|OK Success`, "UID FETCH 1:* (BODY.PEEK[])")
	for range 10 {
		c.do("UID FETCH 1:* (BODY.PEEK[])")
	}
	c.want(`NO \[OVERQUOTA\] .*`, "UID FETCH 1:* (BODY.PEEK[])")
	dial(t, c.s).want(`NO \[ALERT\] Account exceeded command or bandwidth limits\. \(Failure\)`, `LOGIN me@gmail.com "app password"`)
	c.s.Set(func(o *Options) { o.QuotaAnswer = QuotaBye })
	c.want(`\* BYE \[OVERQUOTA\] .*`, "NOOP")
	c.s.NextDay()
	dial(t, c.s).want(`OK .*`, `LOGIN me@gmail.com "app password"`)
}

func TestF3Connections(t *testing.T) {
	c := enter(t, Options{Connections: 2})
	dial(t, c.s).want(`OK .*`, `LOGIN me@gmail.com "app password"`)
	dial(t, c.s).want(`NO \[ALERT\] Too many simultaneous connections\. \(Failure\)`, `LOGIN me@gmail.com "app password"`)
}

func TestF4SessionExpired(t *testing.T) {
	now := time.Unix(1, 0)
	c := enter(t, Options{Now: func() time.Time { return now }, SessionLife: time.Hour})
	c.exact("NOOP", "OK Success")
	now = now.Add(2 * time.Hour)
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

func TestF10Stall(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.s.Fault(Fault{Verb: "FETCH", Stall: InLiteral, Octet: 4})
	_ = c.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	c.want(`\{\d+\}From<.*timeout>`, "UID FETCH 1 (BODY.PEEK[])")
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
}

func TestF13Renumbered(t *testing.T) {
	c := enter(t, Options{})
	c.web.Trash(c.id(1))
	before := c.folder("INBOX")
	c.web.Renumber("INBOX")
	if after := c.folder("INBOX"); after.Validity == before.Validity || c.uid("INBOX", 3) != 1 {
		t.Errorf("%+v, was %+v", after, before)
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
	c.want(`\* FLAGS \(.*\$Phishing OIB-Seen-\[Gmail\]/Tous les messages\).*`, "SELECT INBOX")
}

func TestF16LoginErrors(t *testing.T) {
	s := Start(t, Options{})
	s.Fault(Fault{Verb: "LOGIN", Answer: "NO Lookup failed abc"})
	s.Fault(Fault{
		Verb: "LOGIN", Before: "* NO [WEBALERT https://accounts.google.com/signin/continue?x=1] Web login required.",
		Answer: "NO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)",
	})
	c := dial(t, s)
	c.exact(`LOGIN me@gmail.com "app password"`, "NO Lookup failed abc")
	c.want(`\* NO \[WEBALERT .*\nNO \[ALERT\] Please log in via your web browser: .*`, "AUTHENTICATE PLAIN "+base("\x00me@gmail.com\x00app password"))
	c.want("OK .*", `LOGIN me@gmail.com "app password"`)
}

func TestF17NoAppendUID(t *testing.T) {
	c := enter(t, Options{})
	c.s.Fault(Fault{Verb: "APPEND", Bare: true})
	c.exact("APPEND INBOX {"+number(len(mailOf(9)))+"+}\r\n"+string(mailOf(9)), "OK (Success)")
}

func TestF18KeywordDropped(t *testing.T) {
	c := enter(t, Options{DropKeywords: []string{"Odd"}})
	c.do("SELECT INBOX")
	c.want(`FLAGS \(Even\) UID 1\)\nOK Success`, "UID STORE 1 +FLAGS (Odd Even)")
}

func TestF19NoStatus(t *testing.T) {
	c := enter(t, Options{NoStatus: []string{"Work"}})
	got := c.want("OK Success", `LIST "" "*" RETURN (STATUS (MESSAGES))`)
	if strings.Contains(got, `STATUS "Work"`) || !strings.Contains(got, `LIST (\HasNoChildren) "/" "Work"`) {
		t.Error(got)
	}
}

func TestCounters(t *testing.T) {
	c := enter(t, Options{})
	c.s.ResetCounters()
	if _, err := c.nc.Write([]byte("x SELECT INBOX\r\ny UID FETCH 1 (BODY.PEEK[])\r\n")); err != nil {
		t.Fatal(err)
	}
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
	c.do(`UID STORE 1 +FLAGS (\Deleted)`)
	counted := c.s.Counters().Deleted
	c.s.ResetCounters()
	if c.s.Counters().Deleted != 0 || counted != 1 || c.s.EverDeleted() != 1 {
		t.Errorf(`\Deleted was counted %d times, ever %d`, counted, c.s.EverDeleted())
	}
}
