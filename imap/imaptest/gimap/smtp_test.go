package gimap

import (
	"bufio"
	"bytes"
	"net"
	"net/smtp"
	"slices"
	"strings"
	"testing"
	"time"
)

// An outbox is the submission server of an account.
type outbox struct {
	*testing.T
	s    *Server
	addr string
}

func startSMTP(t *testing.T, o Options) *outbox {
	t.Helper()
	s := Start(t, o)
	addr, err := s.SMTP()
	if err != nil {
		t.Fatal(err)
	}
	return &outbox{t, s, addr}
}

func (o *outbox) send(raw []byte) error {
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		o.Fatal(err)
	}
	return smtp.SendMail(o.addr, smtp.PlainAuth("", o.s.User, o.s.Password, host), o.s.User, []string{"you@example.org"}, raw)
}

// talk sends commands and returns the last line of each answer.
func (o *outbox) talk(commands ...string) []string {
	o.Helper()
	nc, err := net.Dial("tcp", o.addr)
	if err != nil {
		o.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(nc)
	var answers []string
	answer := func() {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				answers = append(answers, "<"+err.Error()+">")
				return
			}
			if line = strings.TrimSuffix(line, "\r\n"); len(line) < 4 || line[3] != '-' {
				answers = append(answers, strings.TrimSuffix(line, " "+id+" - gsmtp"))
				return
			}
		}
	}
	answer()
	for _, command := range commands {
		if _, err := nc.Write([]byte(command + "\r\n")); err != nil {
			return append(answers, "<"+err.Error()+">")
		}
		answer()
	}
	return answers[1:]
}

func (o *outbox) want(want []string, commands ...string) {
	o.Helper()
	if got := o.talk(commands...); !slices.Equal(got, want) {
		o.Errorf("%q:\ngot  %q\nwant %q", commands, got, want)
	}
}

func TestE30SentCopy(t *testing.T) {
	const delay = 20 * time.Millisecond
	o := startSMTP(t, Options{SMTPDelay: delay})
	c := dial(t, o.s)
	c.do("LOGIN me@gmail.com apppassword")
	c.idle(`"[Gmail]/Sent Mail"`)
	began := time.Now()
	raw := append(mailOf(1), ".dots\r\n"...)
	if err := o.send(raw); err != nil {
		t.Fatal(err)
	}
	c.lines("* 1 EXISTS")
	if took := time.Since(began); took < delay {
		t.Errorf("the copy is there after %s", took)
	}
	sent := o.s.Sent()
	if len(sent) != 1 || sent[0].From != o.s.User || !slices.Equal(sent[0].To, []string{"you@example.org"}) || !bytes.Equal(sent[0].Raw, raw) {
		t.Errorf("%+v", sent)
	}
	if m := o.s.Messages()[0]; !slices.Equal(m.Labels, []string{`\Sent`}) || !slices.Equal(m.Flags, []string{`\Seen`}) || !bytes.Equal(m.Raw, raw) || m.Date.Hour() != 9 {
		t.Errorf("filed %+v", m)
	}
}

func TestE30Authentication(t *testing.T) {
	o := startSMTP(t, Options{})
	o.s.SetToken("T0KEN", time.Time{})
	o.s.SetToken("old", time.Unix(1, 0))
	const in, badLogin = "235 2.7.0 Accepted", "535 5.7.8  https://support.google.com/mail/?p=BadCredentials"
	plain, wrong := base("\x00me@gmail.com\x00app password"), base("\x00me@gmail.com\x00wrong")
	token := func(t string) string { return base("user=me@gmail.com\x01auth=Bearer " + t + "\x01\x01") }
	bearer := base("n,a=me@gmail.com,\x01auth=Bearer T0KEN\x01\x01")
	o.want([]string{in}, "AUTH PLAIN "+plain)
	o.want([]string{"334 ", in}, "AUTH PLAIN", plain)
	o.want([]string{badLogin}, "AUTH PLAIN "+wrong)
	o.want([]string{"334 " + base("Username:"), "334 " + base("Password:"), in}, "AUTH LOGIN", base("me@gmail.com"), base("app password"))
	o.want([]string{in}, "AUTH XOAUTH2 "+token("T0KEN"))
	o.want([]string{"334 ", in}, "AUTH XOAUTH2", token("T0KEN"))
	o.want([]string{in}, "AUTH OAUTHBEARER "+bearer)
	o.want([]string{"334 " + base(noToken), badLogin}, "AUTH XOAUTH2 "+token("old"), "")
	o.want([]string{"504 5.7.4 Unrecognized Authentication Type"}, "AUTH CRAM-MD5")
	o.want([]string{"530 5.7.0  https://support.google.com/mail/?p=WantAuthError"}, "MAIL FROM:<me@gmail.com>")
}

func TestE30Limits(t *testing.T) {
	o := startSMTP(t, Options{SMTPSize: 1000, Recipients: 102})
	plain := "AUTH PLAIN " + base("\x00me@gmail.com\x00app password")
	if err := o.send(bytes.Repeat([]byte("x"), 1001)); err == nil || !strings.Contains(err.Error(), "5.2.3 Your") {
		t.Errorf("too large: %v", err)
	}
	commands := append([]string{plain, "MAIL FROM:<me@gmail.com>"}, slices.Repeat([]string{"RCPT TO:<you@example.org>"}, 101)...)
	got := o.talk(commands...)
	if got[101] != "250 2.1.5 OK" || got[102] != smtpTooMany {
		t.Errorf("the 100th and the 101st recipient of a message: %q", got[101:])
	}
	daily := []string{plain, "MAIL FROM:<me@gmail.com>", "RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>"}
	const spent = "550 5.4.5 sending limits go to https://support.google.com/a/answer/166852"
	o.want([]string{"235 2.7.0 Accepted", "250 2.1.0 OK", "250 2.1.5 OK", spent}, daily...)
	o.s.NextDay()
	o.want([]string{"235 2.7.0 Accepted", "250 2.1.0 OK", "250 2.1.5 OK", "250 2.1.5 OK"}, daily...)
	o.want([]string{"250 SMTPUTF8", "250 2.1.5 Flushed", "235 2.7.0 Accepted", "502 5.5.1 Unrecognized command.", "221 2.0.0 closing connection"},
		"EHLO x", "NOOP", plain, "FROB", "QUIT")
}

// What is refused is not filed; what was accepted is, though nobody heard of it.
func TestE30Refused(t *testing.T) {
	for verb, answer := range map[string]string{
		"AUTH": "454 4.7.0 Too many login attempts, please try again later.",
		"MAIL": "421 4.7.0 Try again later, closing connection.", "RCPT": "550 5.4.5 Daily user sending limit exceeded.",
		"DATA": "550 5.7.1 Our system has detected that this message is likely unsolicited mail.", ".": "552 5.7.0 This message was blocked because its content presents a potential security issue.",
	} {
		o := startSMTP(t, Options{})
		o.s.Fault(Fault{Verb: "SMTP " + verb, Answer: answer})
		if err := o.send(mailOf(1)); err == nil || !strings.Contains(err.Error(), answer[4:]) {
			t.Errorf("%s: %v", verb, err)
		}
		if len(o.s.Messages()) != 0 || len(o.s.Sent()) != 0 {
			t.Errorf("%s was refused, and a message was sent", verb)
		}
		if err := o.send(mailOf(1)); err != nil {
			t.Errorf("after it: %v", err)
		}
	}
	for point, sent := range map[Point]int{AtCommand: 0, AfterDoing: 1} {
		o := startSMTP(t, Options{})
		o.s.Fault(Fault{Verb: "SMTP .", Cut: point})
		if err := o.send(mailOf(1)); err == nil || len(o.s.Messages()) != sent {
			t.Errorf("cut at %d: %v, %d messages", point, err, len(o.s.Messages()))
		}
	}
}
