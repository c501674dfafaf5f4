package imaptest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestDovecotServesPlainAndTLS(t *testing.T) {
	for _, storage := range []string{"sdbox", "maildir"} {
		s := Dovecot(t, DovecotOptions{Storage: storage})
		plain, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		login(t, storage+", plain", plain, s.User, s.Password)

		secret, err := tls.Dial("tcp", s.TLSAddr, &tls.Config{RootCAs: s.CA})
		if err != nil {
			t.Fatal(err)
		}
		login(t, storage+", TLS", secret, s.NewUser(), s.Password)
		if _, err := tls.Dial("tcp", s.TLSAddr, &tls.Config{}); err == nil {
			t.Errorf("%s: a certificate that nobody vouches for was accepted", storage)
		}
	}
}

func login(t *testing.T, name string, conn net.Conn, user, password string) {
	t.Helper()
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "a LOGIN "+user+" "+password+"\r\nb LIST \"\" *\r\nc LOGOUT\r\n"); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a OK", "INBOX", `\Trash`, `\Sent`, `\Drafts`, `\Junk`, "b OK"} {
		if !strings.Contains(string(all), want) {
			t.Errorf("%s: no %q in %s", name, want, all)
		}
	}
}

func TestDovecotLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := StartDovecot(dir, DovecotOptions{})
	if errors.Is(err, ErrNoDovecot) {
		Missing(t, "dovecot")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", s.base, err)
	}
	if err := syscall.Kill(s.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("it still runs: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

func TestDovecotShowsAllMail(t *testing.T) {
	s := Dovecot(t, DovecotOptions{Capability: GmailCapability, Virtual: true})
	a := NewAccount(t, s.Addr, s.User, s.Password)
	sample := Sample(3, 4, CorpusOptions{MaxSize: 2000})
	for i, name := range []string{"INBOX", "Sent", "Trash"} {
		sample[i].Flags = []string{`\Flagged`}
		_, err := a.Append(name, sample[i])
		must(t, err)
	}
	copies, err := a.Read(AllMail)
	must(t, err)
	for i, c := range copies {
		if c.Sum != sample[0].Sum() && c.Sum != sample[1].Sum() || c.Flags != `\flagged` || c.UID != uint32(i+1) {
			t.Errorf("it shows %+v", c)
		}
	}
	if len(copies) != 2 {
		t.Errorf("it shows %d messages", len(copies))
	}
	must(t, a.Flag(AllMail, []uint32{1, 2}, nil, []string{`\Flagged`}))
	must(t, a.Expunge(AllMail, 1, 2))
	if v, err := a.View(); err != nil || len(v.Copies) != 1 || v.Copies[0].Mailbox != "Trash" || v.Copies[0].Flags != `\flagged` {
		t.Errorf("left are %+v, %v", v.Copies, err)
	}
	k := talk(t, s.Addr)
	k.send("a LOGIN " + s.User + " pass\r\nb CAPABILITY\r\nc APPEND \"" + AllMail + "\" {5}\r\n")
	got := k.until("c NO")
	if !strings.Contains(got, "* CAPABILITY "+GmailCapability+"\r\n") || strings.Contains(got, "QRESYNC") {
		t.Errorf("it claims %s", got)
	}
}
