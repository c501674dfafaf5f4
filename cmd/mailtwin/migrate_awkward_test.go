package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
)

// What awkward messages there are: those of awkward, one that is empty, one that is larger than the new server takes, and
// some in three mailboxes.
const (
	awkwardLimit = 64 << 10
	quota64k     = `
protocol imap {
  mail_plugins = quota imap_zlib
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_max_mail_size = 64k
}
`
)

func tooLarge() string {
	return "From: a@example.org\r\nMessage-ID: <large@example.org>\r\nSubject: large\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1200)
}

// oldDovecot has awkward messages among n others.
func oldDovecot(t *testing.T, n int) *end {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{Storage: "maildir"})
	e := &end{addr: server.Addr, user: server.NewUser(), password: server.Password}
	e.account = imaptest.NewAccount(t, e.addr, e.user, e.password)
	fillOld(t, e, n)
	if _, err := e.account.Append("Work", imaptest.Message{Body: []byte(tooLarge())}); err != nil {
		t.Fatal(err)
	}
	// No client can store an empty message; what delivers mail can.
	if err := os.WriteFile(filepath.Join(server.Home, e.user, "Maildir", "Work", "new", "1700000000.empty.x"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	return e
}

func oldGmail(t *testing.T, n int) *end {
	e := gmailEnd(t)
	fillGmail(e, n)
	web := e.gmail.Web()
	for i, text := range append([]string{tooLarge(), ""}, awkward...) {
		web.Deliver(gimap.Mail{Raw: []byte(text), Labels: []string{`\Inbox`, "Work", "Home"}, Date: time.Unix(int64(1600000000+i), 0)})
	}
	return e
}

func newDovecot(t *testing.T) *end {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{Extra: quota64k})
	e := &end{addr: server.Addr, user: server.NewUser(), password: server.Password}
	e.account = imaptest.NewAccount(t, e.addr, e.user, e.password)
	return e
}

func newGmail(t *testing.T) *end { return gmailWith(t, gimap.Options{AppendLimit: awkwardLimit}) }

// Awkward messages among others are all copied but for those that the new server refuses: of these the count says how many
// there are, where, and why, and it says so whenever it is asked.
func TestMigrateAwkward(t *testing.T) {
	const (
		empty = ""
		bare  = "no header at all\r\n"
		none  = "\r\nno header, a body\r\n"
	)
	dovecot := map[string]string{empty: "Can't save a zero byte message", tooLarge(): "Mail size is larger than the maximum"}
	google := map[string]string{empty: "Unable to parse", bare: "Unable to parse", none: "Unable to parse", tooLarge(): "Message too large"}
	for _, tt := range []struct {
		name    string
		old     func(*testing.T, int) *end
		new     func(*testing.T) *end
		refused map[string]string // by message, what the server says
	}{
		{"Dovecot to Dovecot", oldDovecot, newDovecot, dovecot},
		{"Dovecot to Gmail", oldDovecot, newGmail, google},
		{"Gmail to Dovecot", oldGmail, newDovecot, dovecot},
		{"Gmail to Gmail", oldGmail, newGmail, google},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newMigration(t, tt.old(t, size(60, 10_000)), tt.new(t))
			want, left := map[string]int{}, 0
			for line, n := range w.labelled(w.old) {
				if said := refusedBy(tt.refused, line); said != "" {
					left += n
				} else if want[line] = n; w.new.gmail != nil {
					want[line] = 1 // Gmail has a message once in a mailbox
				}
			}
			for _, when := range []string{"first", "second"} {
				if status := w.run("migrate", "--retry", "--labels", labelsEach, "old", "new"); status != exitProblems {
					t.Errorf("%s: exit status %d", when, status)
				}
				if strings.Contains(w.stdout, "complete") || !strings.Contains(w.stderr, fmt.Sprintf("not complete: %d messages left behind", left)) {
					t.Errorf("%s: of %d messages that are left behind it says\n%s\n%s", when, left, w.stdout, w.stderr)
				}
				for _, said := range tt.refused {
					if !strings.Contains(w.stdout, said) {
						t.Errorf("%s: %q is no reason in\n%s", when, said, w.stdout)
					}
				}
				wantSame(t, when, want, w.labelled(w.new))
			}
		})
	}
}

// refusedBy is what a server says that refuses the message of a line of an end's content; empty if it takes it.
func refusedBy(refused map[string]string, line string) string {
	for text, said := range refused {
		if sum := sha256.Sum256([]byte(text)); strings.Contains(line, fmt.Sprintf(" %x ", sum[:8])) {
			return said
		}
	}
	return ""
}

// labelled is what the mailboxes of an account hold by themselves: All Mail counts only where it was copied from. Gmail can
// mark no draft outside its mailbox.
func (w *migrationWorld) labelled(e *end) map[string]int {
	w.Helper()
	all := map[string]int{}
	for line, n := range e.content(w.T, plainName) {
		if strings.HasPrefix(line, "Starred ") || strings.HasPrefix(line, "Important ") || w.old.gmail == nil && strings.HasPrefix(line, "Archive ") {
			continue
		}
		if w.new.gmail != nil {
			line = flagless.ReplaceAllString(strings.Replace(line, ` \draft`, "", 1), "$1  $2")
		}
		all[line] += n
	}
	return all
}

// flagless is a line of which the last flag was taken.
var flagless = regexp.MustCompile(`^(.* [0-9a-f]{16}) (\d+)$`)

// plainName is how an ordinary server calls one of Gmail's mailboxes.
func plainName(name string) string {
	name = strings.TrimPrefix(name, "[Gmail]/")
	switch name {
	case "Sent Mail":
		return "Sent"
	case "All Mail":
		return "Archive"
	}
	return name
}
