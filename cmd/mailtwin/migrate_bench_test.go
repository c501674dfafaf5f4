package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
)

// BenchmarkMigrate copies 4 KiB messages in 20 mailboxes, and some of 20 MB, from one Dovecot to another, both 40 ms away,
// as whole processes, without compression; mbsync does the same beside it where it is installed.
func BenchmarkMigrate(b *testing.B) {
	old, other := imaptest.Dovecot(b, imaptest.DovecotOptions{}), imaptest.Dovecot(b, imaptest.DovecotOptions{})
	user := old.NewUser()
	fillEvenly(b, old, user, size(500, 10_000), 20)
	account := imaptest.NewAccount(b, old.Addr, user, old.Password)
	for i := range 4 {
		if _, err := account.Append("INBOX", imaptest.Message{Body: bigMail(i)}); err != nil {
			b.Fatal(err)
		}
	}
	far := imaptest.NewProxy(b, old.Addr, imaptest.ProxyOptions{Latency: 40 * time.Millisecond, Profile: imaptest.All})
	near := imaptest.NewProxy(b, other.Addr, imaptest.ProxyOptions{Latency: 40 * time.Millisecond, Profile: imaptest.All})
	program := build(b)
	for b.Loop() {
		dir := b.TempDir()
		config := filepath.Join(dir, "config.toml")
		var text strings.Builder
		for name, e := range map[string][2]string{"old": {far.Addr, user}, "new": {near.Addr, other.NewUser()}} {
			host, port, err := net.SplitHostPort(e[0])
			if err != nil {
				b.Fatal(err)
			}
			fmt.Fprintf(&text, "[accounts.%s]\nhost = %q\nport = %s\ntls = \"none\"\nuser = %q\npassword = %q\ncompress = false\n", name, host, port, e[1], old.Password)
		}
		if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
			b.Fatal(err)
		}
		cmd := exec.CommandContext(b.Context(), program, "migrate", "--config", config, "old", "new")
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME=")
		u := measure(b, cmd)
		u.report(b, "migrate")
		if u.peak > migrateMemory {
			b.Errorf("%.0f MiB at most", u.peak)
		}
		if mbsync, err := exec.LookPath("mbsync"); err == nil {
			rc := mbsyncPair(b, dir, far.Addr, user, near.Addr, other.NewUser(), old.Password)
			m := measure(b, exec.CommandContext(b.Context(), mbsync, "-c", rc, "-a"))
			m.report(b, "mbsync")
			b.ReportMetric(m.wall.Seconds()/u.wall.Seconds(), "mbsync/migrate")
		}
	}
}

// migrateMemory is how many MiB a migration may have resident.
const migrateMemory = 64

// bigMail is a message of 20 MB.
func bigMail(n int) []byte {
	line := strings.Repeat("0123456789abcdef", 4) + "\r\n"
	return fmt.Appendf(nil, "From: a@example.org\r\nMessage-ID: <big%d@example.org>\r\nSubject: big\r\n\r\n%s", n, strings.Repeat(line, 300_000))
}

// Messages of 20 MB among 10,000 others do not need more memory than there should be, in every direction. From Gmail they
// are in 35,000 places, and what is kept of a message is kept for each.
func TestMigrateMemory(t *testing.T) {
	if os.Getenv("MAILTWIN_FULL") == "" {
		t.Skip("the program is built anew for it, and measured with 10,000 messages: set MAILTWIN_FULL")
	}
	program := build(t)
	for _, d := range directions {
		t.Run(d.name, func(t *testing.T) {
			w := newMigration(t, d.old(t), d.new(t))
			if w.old.gmail == nil {
				fillPlain(t, w.old, 10_000)
			} else {
				fillGmail(w.old, 10_000)
			}
			for i := range 6 {
				if g := w.old.gmail; g != nil {
					g.Web().Deliver(gimap.Mail{Raw: bigMail(i), Labels: []string{`\Inbox`, "Work"}, Date: time.Unix(1700000000, 0)})
				} else if _, err := w.old.account.Append("INBOX", imaptest.Message{Body: bigMail(i)}); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), program, "migrate", "--config", w.config, "--labels", labelsEach, "old", "new")
			cmd.Env = append(os.Environ(), "HOME="+w.dir, "XDG_STATE_HOME=")
			u := measure(t, cmd)
			t.Logf("%.1f MiB at most, %v", u.peak, u.wall)
			if u.peak > migrateMemory {
				t.Errorf("%.1f MiB at most", u.peak)
			}
		})
	}
}

// mbsyncPair writes a configuration that copies one account to another.
func mbsyncPair(b *testing.B, dir, far, farUser, near, nearUser, password string) string {
	b.Helper()
	var text strings.Builder
	for _, e := range [][3]string{{"far", far, farUser}, {"near", near, nearUser}} {
		host, port, _ := strings.Cut(e[1], ":")
		fmt.Fprintf(&text, "IMAPAccount %s\nHost %s\nPort %s\nUser %s\nPass %s\nSSLType None\nAuthMechs LOGIN\nTimeout 300\nDisableExtension COMPRESS=DEFLATE\n\nIMAPStore %s\nAccount %s\n\n",
			e[0], host, port, e[2], password, e[0], e[0])
	}
	fmt.Fprintf(&text, "Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSync Pull\nSyncState %s/mbsync-\n", dir)
	rc := filepath.Join(dir, "mbsyncrc")
	if err := os.WriteFile(rc, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return rc
}
