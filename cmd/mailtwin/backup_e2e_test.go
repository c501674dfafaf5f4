package main

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// changing are the commands that change something on a server; SELECT takes \Recent away.
var changing = []string{
	"SELECT", "STORE", "UID STORE", "APPEND", "COPY", "UID COPY", "MOVE", "UID MOVE", "EXPUNGE", "UID EXPUNGE", "CLOSE",
	"CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE",
}

// backup runs a backup, which has to go well and must not change anything on the server.
func (w *twin) backup(when string) outcome {
	w.Helper()
	w.proxy.Reset()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	_, wait := w.start(ctx, "backup", "--json", "test")
	o := wait()
	if o.code != 0 {
		w.Fatalf("%s: %v", when, o)
	}
	w.wantReadOnly(when, o)
	return o
}

func (w *twin) wantReadOnly(when string, o outcome) {
	w.Helper()
	for _, m := range tracedCommand.FindAllStringSubmatch(o.trace, -1) {
		if slices.Contains(changing, m[1]) {
			w.Fatalf("%s: a backup sent %s: %v", when, m[1], o)
		}
	}
	for verb, n := range w.proxy.Stats().Commands {
		if n > 0 && slices.Contains(changing, verb) {
			w.Fatalf("%s: a backup sent %s: %v", when, verb, o)
		}
	}
}

// wantBackup fails unless the Maildir has all that the server has, where it is there, with its flags, and all that it had
// before, as often.
func (w *twin) wantBackup(when string, before imaptest.View) imaptest.View {
	w.Helper()
	far, near := w.views()
	have := map[string]int{}
	for _, c := range near.Copies {
		have[c.Mailbox+" "+c.Flags+" "+string(c.Sum[:])]++
	}
	for _, c := range far.Copies {
		key := c.Mailbox + " " + c.Flags + " " + string(c.Sum[:])
		if have[key]--; have[key] < 0 {
			w.Fatalf("%s: the backup lacks %x in %q with %q", when, c.Sum[:6], c.Mailbox, c.Flags)
		}
	}
	count := near.Count()
	for sum, n := range before.Count() {
		if count[sum] < n {
			w.Fatalf("%s: %x was there %d times and is now %d times", when, sum[:6], n, count[sum])
		}
	}
	return near
}

// A backup follows whatever happens on the server, keeps what vanishes there, and mends what happens here; the server's
// own counters show that nothing was changed there.
func TestBackup(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range imaptest.Profiles {
		t.Run(profile.Name, func(t *testing.T) {
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
			w.fill(size(80, 5000))
			w.backup("first")
			near := w.wantBackup("first", imaptest.View{})
			if far, _ := w.views(); len(near.Copies) != len(far.Copies) {
				t.Errorf("%d messages on the server, %d here", len(far.Copies), len(near.Copies))
			}

			w.leaveServer(t)
			w.backup("vanished, moved, flagged there")
			near = w.wantBackup("vanished, moved, flagged there", near)
			w.damageHere(t)
			w.backup("removed and flagged here")
			near = w.wantBackup("removed and flagged here", near)

			w.must(os.Remove(filepath.Join(w.dir, "state.db")))
			w.proxy.Reset()
			w.backup("state lost")
			w.wantBackup("state lost", near)
			if _, after := w.views(); len(after.Copies) != len(near.Copies) || w.proxy.BodyFetches() > 0 {
				t.Errorf("state lost: %d messages before, %d after, %d bodies", len(near.Copies), len(after.Copies), w.proxy.BodyFetches())
			}
			if o := w.backup("idle"); !profile.Lacks("CONDSTORE") && strings.Contains(o.trace, "EXAMINE") {
				t.Errorf("an idle backup opens mailboxes: %v", o)
			}
		})
	}
}

// leaveServer removes, moves and flags on the server, deletes a mailbox and makes another one anew.
func (w *twin) leaveServer(t *testing.T) {
	t.Helper()
	inbox, err := w.account.Messages("INBOX")
	w.must(err)
	uid := func(i int) uint32 { return inbox[i].UID }
	w.must(w.account.Expunge("INBOX", uid(0), uid(1)))
	w.must(w.account.Create("Filed"))
	w.must(w.account.Move("INBOX", "Filed", uid(2), uid(3)))
	w.must(w.account.Flag("INBOX", []uint32{uid(4)}, []string{`\Flagged`}, []string{`\Seen`}))
	w.must(w.account.Delete(hostile[len(hostile)-1])) // with all that is in it
	again := hostile[len(hostile)-2]                  // the same mail, with another UIDVALIDITY
	copies, err := w.account.Messages(again)
	w.must(err)
	var uids []uint32
	for _, c := range copies {
		uids = append(uids, c.UID)
	}
	w.must(w.account.Create("Made again"))
	w.must(w.account.Copy(again, "Made again", uids...))
	w.must(w.account.Delete(again))
	w.must(w.account.Rename("Made again", again))
}

// damageHere removes and flags files, and makes one of its owner's.
func (w *twin) damageHere(t *testing.T) {
	t.Helper()
	files, err := w.tree.Messages("INBOX")
	w.must(err)
	w.must(w.tree.Remove(files[0]))
	_, err = w.tree.Flag(files[1], []string{`\Flagged`}, nil)
	w.must(err)
	w.must(w.tree.Delete("Filed"))
	body := []byte("Message-ID: <own@example.org>\r\nSubject: mine\r\n\r\nnot on the server\r\n")
	_, err = w.tree.Deliver("INBOX", imaptest.Message{Body: body})
	w.must(err)
	w.expected[sha256.Sum256(body)]++
}

// A backup of Gmail changes nothing there, has each message once, and keeps what was trashed there.
func TestBackupGmail(t *testing.T) {
	w := filledGmail(t, 60)
	w.keys = append(w.keys, `mode = "backup"`)
	w.set("timeout", "11s")
	w.want(0, "", "", "sync")
	w.agree("first")
	before := nearFiles(t, w.maildir())
	w.web.Trash(w.ids[7])
	w.web.Label(w.ids[9], []string{"Home"}, []string{"Work"})
	w.web.Flag(w.ids[11], []string{`\Flagged`}, nil)
	w.deliver(gmMail(1000), `\Inbox`, "Work")
	w.remove(3, "INBOX")
	w.want(0, "gone on the server, kept here", "", "backup", "-v", "work")
	after := nearFiles(t, w.maildir())
	for line := range w.wanted() {
		if after[line] == 0 {
			t.Errorf("the backup lacks %q", line)
		}
	}
	for line, n := range before {
		if strings.Contains(line, " 7 ") && after[line] < n {
			t.Errorf("gone from the backup: %q", line)
		}
	}
	w.once("backup")
	for verb, n := range w.g.Counters().Verbs {
		if n > 0 && slices.Contains(changing, verb) {
			t.Errorf("a backup sent %d %s", n, verb)
		}
	}
	w.want(0, "nothing to do", "", "backup", "-n", "work")
}

// Backups that are killed or cut off, with mail coming, going and moving on the server meanwhile: all mail is there
// afterwards, and in no run was anything changed on the server.
func TestBackupFaults(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.Bare} {
		t.Run(profile.Name, func(t *testing.T) {
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile, mode: modeBackup})
			m := newMortal(w, 9)
			w.sync()
			near := w.wantBackup("first", imaptest.View{})
			change := func() {
				far, _ := w.views()
				m.changes.some(m.far(), far, 20)
			}
			change()
			w.proxy.Reset()
			calm := calmRun{took: w.sync().took, stats: w.proxy.Stats()}
			killed, cut := 0, 0
			for range size(2, 40) {
				change()
				for range 3 {
					if m.kill(calm) {
						killed++
					}
				}
				change()
				cut += m.cut(calm)
				near = w.wantBackupAfter(near)
			}
			t.Logf("%d killed, %d connections cut", killed, cut)
			if killed+cut == 0 {
				t.Error("nothing went wrong in any of them")
			}
			w.wantReadOnly("all", outcome{})
		})
	}
}

func (w *twin) wantBackupAfter(near imaptest.View) imaptest.View {
	w.Helper()
	o := w.sync()
	w.wantReadOnly("after faults", o)
	return w.wantBackup("after faults", near)
}
