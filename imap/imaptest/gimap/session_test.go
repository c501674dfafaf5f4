package gimap

import (
	"bufio"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

func TestE6Capabilities(t *testing.T) {
	for profile, limit := range map[string]string{"2024": "35651584", "2016": "35882577", "appendlimit150": "157286400"} {
		c := dial(t, Start(t, Options{Profile: profile}))
		c.want(`\* CAPABILITY IMAP4rev1 UNSELECT .* SASL-IR AUTH=XOAUTH2 .*\nOK Thats all she wrote! .*`, "CAPABILITY")
		got := c.want(`\* CAPABILITY .* APPENDLIMIT=`+limit+`\nOK me@gmail.com authenticated \(Success\)`, `LOGIN me@gmail.com apppassword`)
		if strings.Contains(got, "QRESYNC") || strings.Contains(got, "LITERAL+") || (profile == "2016") == strings.Contains(got, "SPECIAL-USE") {
			t.Errorf("%s: %s", profile, got)
		}
	}
}

func TestE7Authentication(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := Start(t, Options{Now: func() time.Time { return now }})
	s.SetToken("T0KEN", now.Add(time.Minute))
	s.SetToken("old", now)
	xoauth2 := func(token string) string {
		return base("user=me@gmail.com\x01auth=Bearer " + token + "\x01\x01")
	}
	bearer := base("n,a=me@gmail.com,\x01host=imap.gmail.com\x01port=993\x01auth=Bearer T0KEN\x01\x01")
	const in, failed = `OK me@gmail.com authenticated \(Success\)`, `NO \[AUTHENTICATIONFAILED\] Invalid credentials \(Failure\)`
	for command, want := range map[string]string{
		"AUTHENTICATE XOAUTH2 " + xoauth2("T0KEN"):                                          in,
		"AUTHENTICATE XOAUTH2\r\n" + xoauth2("T0KEN"):                                       in,
		"AUTHENTICATE OAUTHBEARER " + bearer:                                                in,
		"AUTHENTICATE PLAIN " + base("\x00me@gmail.com\x00app password"):                    in,
		"AUTHENTICATE PLAIN\r\n" + base("\x00me@gmail.com\x00app password"):                 in,
		"LOGIN me@gmail.com \"app password\"":                                               in,
		"LOGIN me@gmail.com wrong":                                                          failed,
		"LOGIN you@gmail.com wrong":                                                         "NO Lookup failed .*",
		"AUTHENTICATE XOAUTH2 " + xoauth2("old") + "\r\n":                                   failed,
		"AUTHENTICATE XOAUTH2 " + xoauth2("wrong") + "\r\n":                                 failed,
		"AUTHENTICATE XOAUTH2 " + base(xoauth2("T0KEN")):                                    `BAD Invalid SASL argument\. .*`,
		"AUTHENTICATE OAUTHBEARER " + base("n,a=me,\x01auth=Bearer x\x01\x01") + "\r\nAQ==": failed,
		"AUTHENTICATE CRAM-MD5":                                                             "BAD .*",
	} {
		c := dial(t, s)
		got := c.want(want, command)
		if strings.Contains(want, "AUTHENTICATIONFAILED") && strings.Contains(command, "OAUTH") &&
			!strings.Contains(got, "+ "+base(`{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`)) {
			t.Errorf("%s: no challenge in %s", command, got)
		}
		_ = c.nc.Close()
	}
	s.Revoke()
	dial(t, s).want(failed, "AUTHENTICATE XOAUTH2 "+xoauth2("T0KEN")+"\r\n")
}

func TestE8Extensions(t *testing.T) {
	c := enter(t, Options{})
	c.want(`\* ID \("name" "GImap" .*\nOK Success`, `ID NIL`)
	c.exact("NAMESPACE", `* NAMESPACE (("" "/")) NIL NIL`, "OK Success")
	c.want(`\* QUOTA "" \(STORAGE \d+ \d+\)\nOK Success`, `GETQUOTA ""`)
	c.exact("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT", "OK Success")
	c.web.MakeLabel("Räkningar")
	c.want(`"/" "Räkningar"\nOK Success`, `LIST "" "R*"`)
	c.exact("COMPRESS DEFLATE", "OK Success")
	pack, err := flate.NewWriter(c.nc, 6)
	if err != nil {
		t.Fatal(err)
	}
	c.r = bufio.NewReader(flate.NewReader(c.r))
	if _, err := io.WriteString(pack, "z LOGOUT\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := pack.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := c.line() + "|" + c.line(); got != "* BYE LOGOUT Requested|z OK 73 good day (Success)" {
		t.Errorf("compressed: %q", got)
	}
}

func TestE8Noop(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.deliver(4, `\Inbox`)
	c.web.Flag(c.id(1), []string{`\Seen`}, nil)
	c.exact("NOOP", "* 3 EXISTS", `* 1 FETCH (UID 1 FLAGS (\Seen))`, "* 3 FETCH (UID 3 FLAGS ())", "OK Success")
}

func TestE9Refused(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	for _, command := range []string{
		"NOOP ", "FETCH 1 ALL", "FETCH 1 (BODY[1.TEXT])", "UID  FETCH 1 (UID)", "UID FETCH 1 (UID) ", "FROB", "UID NOOP", "UID SEARCH FOO BAR",
		"UID SEARCH UID " + strings.Repeat("1,", 40_000) + "1", "APPEND INBOX {4097+}\r\n" + strings.Repeat("x", 4097),
	} {
		c.want("BAD .*", command)
	}
	c.exact("NOOP", "OK Success")
	dial(t, c.s).exact("SELECT INBOX", badState)
}

func TestE26AppendRefusals(t *testing.T) {
	c := enter(t, Options{AppendLimit: 1000})
	c.want(`BAD \[TOOBIG\] .*`, "APPEND INBOX {1001}") // before the literal was sent
	c.want(`BAD \[TOOBIG\] .*`, "APPEND INBOX {1001+}\r\n"+strings.Repeat("x", 1001))
	c.want(`BAD Invalid Arguments: Unable to parse message`, "APPEND INBOX {5+}\r\nhello")
	c.want(`NO \[TRYCREATE\] Folder doesn't exist\. \(Failure\)`, "APPEND Nowhere {5+}\r\nhello")
	c.want(`\* BYE Invalid character in literal\.\n.*`, "APPEND INBOX {6+}\r\nA: b\x00c")
}

func TestE30SMTP(t *testing.T) {
	s := Start(t, Options{SMTPDelay: 20 * time.Millisecond})
	addr, err := s.SMTP()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := net.SplitHostPort(addr)
	send := func(password string, raw []byte) error {
		return smtp.SendMail(addr, smtp.PlainAuth("", s.User, password, host), s.User, []string{"you@example.org"}, raw)
	}
	if err := send("wrong", mailOf(1)); err == nil || !strings.Contains(err.Error(), "5.7.8") {
		t.Errorf("a wrong password: %v", err)
	}
	if err := send(s.Password, bytes.Repeat([]byte(strings.Repeat("x", 998)+"\r\n"), smtpSize/1000+1)); err == nil || !strings.Contains(err.Error(), "552") {
		t.Errorf("too large: %v", err)
	}
	if err := send(s.Password, mailOf(1)); err != nil {
		t.Fatal(err)
	}
	if len(s.Sent()) != 1 || len(s.Messages()) != 0 {
		t.Errorf("%d sent, %d filed at once", len(s.Sent()), len(s.Messages()))
	}
	for len(s.Messages()) == 0 {
		time.Sleep(time.Millisecond)
	}
	if m := s.Messages()[0]; !slices.Equal(m.Labels, []string{`\Sent`}) || !bytes.Equal(m.Raw, mailOf(1)) {
		t.Errorf("filed %+v", m)
	}
}

// go-imap, which shares nothing with this package, gets along with it.
func TestGoIMAP(t *testing.T) {
	c := enter(t, Options{})
	client, err := imapclient.DialInsecure(c.s.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Login(c.s.User, c.s.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	boxes, err := client.List("", "*", nil).Collect()
	if err != nil || len(boxes) != 10 {
		t.Errorf("%d mailboxes, %v", len(boxes), err)
	}
	data, err := client.Select("Work", nil).Wait()
	if err != nil || data.NumMessages != 2 || data.UIDNext != 3 {
		t.Errorf("%+v, %v", data, err)
	}
}

// 20,000 messages are listed with their metadata quickly; the figure is for whoever changes this package.
func BenchmarkMetadata(b *testing.B) {
	s, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for i := range 20_000 {
		s.Web().Deliver(Mail{Raw: mailOf(i), Labels: []string{`\Inbox`, "Work"}, Date: time.Unix(1_700_000_000, 0)})
	}
	nc, err := net.Dial("tcp", s.Addr)
	if err != nil {
		b.Fatal(err)
	}
	r := bufio.NewReader(nc)
	until := func(tag string) {
		for {
			if line, err := r.ReadString('\n'); err != nil || strings.HasPrefix(line, tag) {
				return
			}
		}
	}
	_, _ = fmt.Fprintf(nc, "a LOGIN %s %q\r\nb SELECT \"[Gmail]/All Mail\"\r\n", s.User, s.Password)
	until("b ")
	for b.Loop() {
		_, _ = io.WriteString(nc, "c UID FETCH 1:* (UID X-GM-MSGID X-GM-LABELS FLAGS RFC822.SIZE INTERNALDATE)\r\n")
		until("c ")
	}
}
