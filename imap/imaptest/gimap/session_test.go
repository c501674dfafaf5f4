package gimap

import (
	"bufio"
	"compress/flate"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

func TestE6Greeting(t *testing.T) {
	s := Start(t, Options{})
	nc, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	line, err := bufio.NewReader(nc).ReadString('\n')
	if err != nil || line != "* OK Gimap ready for requests from 127.0.0.1 "+id+"\r\n" {
		t.Errorf("%q, %v", line, err)
	}
}

// Without a profile it is as in 2024; the list that follows a login comes untagged, whatever the login.
func TestE6Capabilities(t *testing.T) {
	const (
		before = "* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 AUTH=PLAIN AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER"
		after  = "* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL-"
	)
	for profile, more := range map[string][2]string{
		"":               {"", " SPECIAL-USE APPENDLIMIT=35651584"},
		"2024":           {"", " SPECIAL-USE APPENDLIMIT=35651584"},
		"2016":           {" AUTH=XOAUTH", " APPENDLIMIT=35882577"},
		"appendlimit150": {"", " SPECIAL-USE APPENDLIMIT=157286400"},
	} {
		s := Start(t, Options{Profile: profile})
		for _, login := range []string{"LOGIN me@gmail.com apppassword", "AUTHENTICATE PLAIN " + base("\x00me@gmail.com\x00app password")} {
			c := dial(t, s)
			c.exact("CAPABILITY", before+more[0], "OK Thats all she wrote! "+id)
			c.exact(login, after+more[1], "OK me@gmail.com authenticated (Success)")
			c.exact("CAPABILITY", after+more[1], "OK Thats all she wrote! "+id)
		}
	}
}

func TestE7Authentication(t *testing.T) {
	s := Start(t, Options{})
	s.SetToken("T0KEN", time.Now().Add(time.Hour))
	xoauth2 := func(token string) string {
		return base("user=me@gmail.com\x01auth=Bearer " + token + "\x01\x01")
	}
	bearer := base("n,a=me@gmail.com,\x01host=imap.gmail.com\x01port=993\x01auth=Bearer T0KEN\x01\x01")
	plain := base("\x00me@gmail.com\x00app password")
	const in, failed = `OK me@gmail.com authenticated \(Success\)`, `NO \[AUTHENTICATIONFAILED\] Invalid credentials \(Failure\)`
	for command, want := range map[string]string{
		"AUTHENTICATE XOAUTH2 " + xoauth2("T0KEN"):       in,
		"AUTHENTICATE XOAUTH2\r\n" + xoauth2("T0KEN"):    in,
		"AUTHENTICATE OAUTHBEARER " + bearer:             in,
		"AUTHENTICATE OAUTHBEARER\r\n" + bearer:          in,
		"AUTHENTICATE PLAIN " + plain:                    in,
		"AUTHENTICATE PLAIN\r\n" + plain:                 in,
		"LOGIN me@gmail.com \"app password\"":            in,
		"LOGIN me@gmail.com wrong":                       failed,
		"LOGIN you@gmail.com wrong":                      "NO Lookup failed .*",
		"AUTHENTICATE XOAUTH2 " + base(xoauth2("T0KEN")): `BAD Invalid SASL argument\. .*`,
		"AUTHENTICATE CRAM-MD5":                          "BAD .*",
	} {
		c := dial(t, s)
		got := c.want(want, command)
		if asked := strings.HasPrefix(got, "+ \n"); asked != strings.Contains(command, "\r\n") {
			t.Errorf("%q: asked for the response: %v", command, asked)
		}
		_ = c.nc.Close()
	}
}

// A token that is no good is a challenge first, the same whatever is wrong, and NO when that was answered.
func TestE7NoToken(t *testing.T) {
	var hands clock
	s := Start(t, Options{Now: hands.now})
	s.SetToken("T0KEN", hands.now().Add(time.Minute))
	xoauth2 := "AUTHENTICATE XOAUTH2 " + base("user=me@gmail.com\x01auth=Bearer T0KEN\x01\x01")
	bearer := "AUTHENTICATE OAUTHBEARER " + base("n,a=me@gmail.com,\x01auth=Bearer T0KEN\x01\x01")
	other := "AUTHENTICATE XOAUTH2 " + base("user=you@gmail.com\x01auth=Bearer T0KEN\x01\x01")
	const failed = "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"
	challenge := "+ " + base(`{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`)
	refused := func() {
		t.Helper()
		dial(t, s).exact(xoauth2+"\r\n", challenge, failed)
		dial(t, s).exact(bearer+"\r\nAQ==", challenge, failed)
	}
	dial(t, s).exact(other+"\r\n", challenge, failed)
	dial(t, s).exact(other+"\r\nAQ==", challenge, badCommand) // the answer of the other mechanism
	dial(t, s).want("OK .*", xoauth2)
	hands.forward(time.Minute)
	refused()
	s.SetToken("T0KEN", time.Time{})
	dial(t, s).want("OK .*", xoauth2)
	s.Revoke()
	refused()
	s.Set(func(o *Options) { o.BearerError = `{"status":"invalid_token"}` })
	dial(t, s).exact(bearer+"\r\nAQ==", "+ "+base(`{"status":"invalid_token"}`), failed)
}

func TestE8Extensions(t *testing.T) {
	c := enter(t, Options{})
	c.want(`\* ID \("name" "GImap" .*\nOK Success`, `ID NIL`)
	c.exact("NAMESPACE", `* NAMESPACE (("" "/")) NIL NIL`, "OK Success")
	c.want(`\* QUOTA "" \(STORAGE \d+ \d+\)\nOK Success`, `GETQUOTA ""`)
	c.want(`\* QUOTAROOT "INBOX" ""\n\* QUOTA "" \(STORAGE \d+ \d+\)\nOK Success`, `GETQUOTAROOT INBOX`)
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
	enter(t, Options{}).exact("LOGOUT", "* BYE LOGOUT Requested", "OK 73 good day (Success)")
}

func TestE8NoCompress(t *testing.T) {
	c := dial(t, Start(t, Options{NoCompress: true}))
	if got := c.want("OK .*", "LOGIN me@gmail.com apppassword"); strings.Contains(got, "COMPRESS") {
		t.Error(got)
	}
	c.exact("COMPRESS DEFLATE", badCommand)
	c.exact("NOOP", "OK Success") // in plain text
}

func TestE8UTF8(t *testing.T) {
	c := enter(t, Options{})
	c.web.Label(c.id(1), []string{"Räkningar"}, nil)
	c.do("SELECT INBOX")
	c.exact("FETCH 1 (X-GM-LABELS)", "* 1 FETCH (X-GM-LABELS (R&AOQ-kningar Work))", "OK Success")
	c.want(`"/" "R&AOQ-kningar"\nOK Success`, `LIST "" "R*"`)
	c.exact("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT", "OK Success")
	c.exact("FETCH 1 (X-GM-LABELS)", `* 1 FETCH (X-GM-LABELS ("Räkningar" Work))`, "OK Success")
	c.want(`"/" "Räkningar"\nOK Success`, `LIST "" "R*"`)
	c.exact(`STORE 2 +X-GM-LABELS ("Räkningar")`, `* 2 FETCH (X-GM-LABELS ("Räkningar") UID 2)`, "OK Success")
	c.want(`\* 2 EXISTS.*OK .*`, `SELECT "Räkningar"`)
	c.exact(`CREATE "R&D"`, "OK Success")
	c.want(`"/" "R&D"\nOK Success`, `LIST "" "R&*"`)
}

func TestE8Noop(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	c.deliver(4, `\Inbox`)
	c.web.Flag(c.id(1), []string{`\Seen`}, nil)
	c.exact("NOOP", "* 3 EXISTS", `* 1 FETCH (UID 1 FLAGS (\Seen))`, "OK Success")
	c.web.Trash(c.id(1))
	c.exact("NOOP", "* 1 EXPUNGE", "* 2 EXISTS", "OK Success")
}

func TestE9Refused(t *testing.T) {
	c := enter(t, Options{})
	c.do("SELECT INBOX")
	for _, command := range []string{
		"NOOP ", "UID FETCH 1 (UID) ", "FETCH 1 ALL", "FETCH 1 FAST", "FETCH 1 FULL", "FETCH 1 (BODY[1.TEXT])", "UID SEARCH FOO BAR",
		"UID SEARCH UID " + strings.Repeat("1,", 40_000) + "1", "APPEND INBOX {4097+}\r\n" + strings.Repeat("x", 4097),
	} {
		c.exact(command, badCommand)
	}
	for _, command := range []string{"FROB", "UID NOOP", "UID  FETCH 1 (UID)"} {
		c.exact(command, "BAD Unknown command "+id)
	}
	c.want("OK Success", "UID FETCH "+strings.Repeat("1,", 8000)+"1 (UID)") // 16 kB are fine
	c.do("UNSELECT")
	c.exact("UID FETCH 1 (UID)", badState)
	c.exact("NOOP", "OK Success")
	dial(t, c.s).exact("SELECT INBOX", badState)
	c.s.Set(func(o *Options) { o.LongLiterals = true })
	c.want("OK .*", "APPEND INBOX {4103+}\r\nA: b\r\n"+strings.Repeat("x", 4097))
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
