package gimap

import (
	"net"
	"testing"
)

// Whatever a client says, the server answers it and lives, for other mail programs are pointed at it.
func FuzzCommand(f *testing.F) {
	for _, line := range []string{
		"NOOP", `LIST (SPECIAL-USE) "" ("*" "%") RETURN (SUBSCRIBED STATUS (MESSAGES))`, "STATUS INBOX (UNSEEN)", "SELECT INBOX (CONDSTORE)",
		"UID FETCH 1:*,2 (UID FLAGS BODY.PEEK[HEADER.FIELDS (A B)]<1.2> X-GM-LABELS) (CHANGEDSINCE 5)", "UID SEARCH RETURN (MIN) OR NOT SEEN (X-GM-RAW in:inbox 1:*)",
		`UID STORE 1 (UNCHANGEDSINCE 5) -X-GM-LABELS.SILENT (\Inbox "a b")`, "STORE 1 FLAGS a b", "UID MOVE 1 Work", "UID EXPUNGE *", `CREATE "&ZeVnLIqe-"`,
		"RENAME Work Work/a", "DELETE Work", `APPEND INBOX (\Seen) " 1-Jan-2020 00:00:00 +0000" {4+}` + "\r\nA: b", "IDLE", "AUTHENTICATE XOAUTH2 eA==", "COMPRESS DEFLATE",
		"ENABLE UTF8=ACCEPT", "GETQUOTAROOT INBOX", "LOGIN a {1+}\r\nb", "UID FETCH 1 (BODY[]<-1.9>)", "UID SEARCH X-GM-RAW in:", `XLIST "" *`,
	} {
		f.Add([]byte(line), true, true)
		f.Add([]byte(line), true, false)
		f.Add([]byte(line), false, false)
	}
	f.Fuzz(func(t *testing.T, line []byte, user, open bool) {
		s := Start(t, Options{})
		s.Web().Deliver(Mail{Raw: mailOf(1), Labels: []string{`\Inbox`, "Work"}})
		near, far := net.Pipe()
		_ = near.Close() // what is written is lost, and nothing more comes
		c := newSession(s, far)
		c.user = user
		if open {
			c.selected = s.store.use(`\Inbox`)
			c.view = c.selected.members
		}
		cmd := readCommand(line)
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.do(cmd) == "" && cmd.verb != "IDLE" {
			t.Errorf("%q is not answered", line)
		}
	})
}
