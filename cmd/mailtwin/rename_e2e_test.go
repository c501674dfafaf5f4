package main

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// TestRenameStorm runs again and again while a mail program changes flags, which renames files, 100 times a second. A
// directory that is read meanwhile misses files that are there: no removal may come of that (R21, M14).
func TestRenameStorm(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password})
	const messages = 2000
	for _, m := range imaptest.Sample(messages, 8, imaptest.CorpusOptions{MaxSize: 20_000}) {
		_, err := w.account.Append("INBOX", m)
		w.must(err)
		w.expected[m.Sum()]++
	}
	w.sync()
	_, near := w.wantAgreement("before the storm")

	stop := make(chan struct{})
	var storm sync.WaitGroup
	renames := 0
	storm.Go(func() {
		again := time.NewTicker(10 * time.Millisecond)
		defer again.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-again.C:
			}
			if w.renameOne(near.Copies, i) {
				renames++
			}
		}
	})
	w.proxy.Reset()
	runs := size(8, 500)
	for range runs {
		w.sync()
	}
	close(stop)
	storm.Wait()
	for _, line := range w.proxy.Commands() {
		if strings.HasPrefix(line, "UID EXPUNGE") || strings.HasPrefix(line, "UID MOVE") || strings.HasPrefix(line, "APPEND") ||
			strings.Contains(line, `+FLAGS.SILENT (\Deleted)`) {
			t.Errorf("nobody removed or added a message, and yet: %s", line)
		}
	}
	if n := w.proxy.BodyFetches(); n > 0 {
		t.Errorf("%d bodies were fetched", n)
	}
	w.sync()
	w.wantAgreement("after the storm")
	t.Logf("%d runs, %d renames", runs, renames)
}

// renameOne turns a flag of a message over, as a mail program does that has read the directory before. It may lose
// against the program, which renames too.
func (w *twin) renameOne(copies []imaptest.Copy, i int) bool {
	c := &copies[i*7%len(copies)]
	add, take := []string{`\Flagged`}, []string(nil)
	if strings.Contains(c.Path, "F") && strings.Contains(c.Flags, `\flagged`) {
		add, take = take, add
	}
	path, err := w.tree.Flag(*c, add, take)
	if os.IsNotExist(err) {
		return false
	}
	w.must(err)
	c.Path, c.Flags = path, ""
	if len(add) > 0 {
		c.Flags = `\flagged`
	}
	return true
}

// TestMovedFiles moves 1,000 files between the directories of mailboxes, as mv does, and with new names, as mail
// programs do. The server is told to move; nothing is transferred.
func TestMovedFiles(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, tt := range []struct {
		name    string
		profile imaptest.Profile
		fresh   bool
	}{
		{"same names", imaptest.All, false},
		{"new names", imaptest.All, true},
		{"same names, no MOVE", imaptest.Bare, false},
		{"new names, no MOVE", imaptest.Bare, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: tt.profile})
			w.must(w.account.Create("Archive"))
			for _, m := range imaptest.Sample(size(200, 1000), 9, imaptest.CorpusOptions{MaxSize: 20_000}) {
				_, err := w.account.Append("INBOX", m)
				w.must(err)
				w.expected[m.Sum()]++
			}
			w.sync()
			_, near := w.wantAgreement("before the move")
			for _, c := range near.Copies {
				_, err := w.tree.Move(c, "Archive", tt.fresh)
				w.must(err)
			}
			w.proxy.Reset()
			o := w.sync("--allow-delete") // INBOX is empty now, which is meant
			if n, stats := w.proxy.BodyFetches(), w.proxy.Stats(); n > 0 || stats.Commands["APPEND"] > 0 {
				t.Errorf("%d body fetches, %v", n, stats.Commands)
			}
			w.wantAgreement("after the move")
			t.Logf("%d messages: %v, %v", len(near.Copies), o.took, w.proxy.Stats().Commands)
		})
	}
}
