package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// A Maildir brings an emptied account back to what it was: mailboxes, content, flags, keywords and dates; a second restore
// stores nothing.
func TestRestore(t *testing.T) {
	e := dovecotEnd(t)
	fillOld(t, e, size(200, 5000))
	inbox, err := e.account.Messages("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.account.Flag("INBOX", []uint32{inbox[0].UID, inbox[3].UID}, []string{"urgent", `\Flagged`}, nil); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, e.addr, e.user, e.password)
	w.want(exitDone, "", "", "backup", "work")
	before := e.content(t, same)
	empty(t, e)
	w.want(exitDone, "to bring back", "", "restore", "-n", "work")
	if got := e.content(t, same); len(got) > 0 {
		t.Fatalf("a dry run brought back %v", got)
	}
	w.want(exitDone, " brought back, 0 there already", "", "restore", "work")
	wantSame(t, "restored", before, e.content(t, same))
	w.want(exitDone, "0 messages brought back, ", "", "restore", "work")
	wantSame(t, "restored twice", before, e.content(t, same))
	w.want(exitDone, "", "", "backup", "work") // which recognises what it kept
	wantSame(t, "backed up again", before, e.content(t, same))
	view, err := imaptest.Tree{Root: w.maildir()}.View()
	if n := len(view.Copies); err != nil || n != total(before) {
		t.Errorf("%d messages here, %d there: %v", n, total(before), err)
	}
}

func total(count map[string]int) (n int) {
	for _, m := range count {
		n += m
	}
	return n
}

// A restore brings back what it is asked for: by mailbox, date, Message-ID, and when it vanished; from a Maildir of any
// layout, to the mailbox that is named.
func TestRestoreSome(t *testing.T) {
	e := dovecotEnd(t)
	fillOld(t, e, 40)
	w := newWorld(t, e.addr, e.user, e.password)
	w.want(exitDone, "", "", "backup", "work")
	work, err := e.account.Messages("Work")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.account.Expunge("Work", work[0].UID, work[1].UID); err != nil {
		t.Fatal(err)
	}
	w.want(exitDone, "", "", "backup", "work")
	today := time.Now().Format(time.DateOnly)
	tomorrow := time.Now().AddDate(0, 0, 1).Format(time.DateOnly)
	w.want(exitDone, "0 messages brought back", "", "restore", "--vanished-since", tomorrow, "work")
	w.want(exitDone, "Work: 2 brought back", "", "restore", "--vanished-since", today, "work")

	w.want(exitDone, "Copies/Work: ", "", "restore", "--to", "Copies", "--mailbox", "Work", "work")
	copies, err := e.account.Messages("Copies/Work")
	if err != nil || len(copies) != len(work) {
		t.Errorf("%d messages in Copies/Work, want %d: %v", len(copies), len(work), err)
	}
	w.want(exitDone, "3 messages brought back", "", "restore", "--to", "One", "--message-id", "same@example.org", "work")
	w.want(exitDone, "0 messages brought back", "", "restore", "--to", "Late", "--since", tomorrow, "work")
	w.want(exitUsage, "", "a day is written as 2006-01-02", "restore", "--since", "yesterday", "work")

	plus := filepath.Join(w.dir, "plus")
	for _, dir := range []string{"cur", "new", "tmp", ".Old.2020/cur", ".Old.2020/new", ".Old.2020/tmp"} {
		if err := os.MkdirAll(filepath.Join(plus, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	text := "Message-ID: <plus@example.org>\nSubject: old\n\nx\n"
	if err := os.WriteFile(filepath.Join(plus, ".Old.2020", "cur", "1.x:2,FS"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(exitDone, "Old/2020: 1 brought back", "", "restore", "--from", plus, "work")
	old, err := e.account.Messages("Old/2020")
	if err != nil || len(old) != 1 || old[0].Flags != `\flagged \seen` {
		t.Errorf("%+v: %v", old, err)
	}
}

// Gmail gets its labels, stars and read state back, and each message once.
func TestRestoreGmail(t *testing.T) {
	w := filledGmail(t, 60)
	for i, id := range w.ids {
		if i%3 == 0 {
			w.web.Flag(id, []string{`\Seen`, `\Flagged`}, nil)
		}
	}
	w.want(exitDone, "", "", "backup", "work")
	fresh := gmailEnd(t)
	v := newWorld(t, fresh.addr, fresh.user, fresh.password)
	v.set("maildir", w.maildir())
	v.want(exitDone, "60 messages", "", "restore", "-n", "work")
	v.want(exitDone, " brought back, 0 there already", "", "restore", "work")
	old := &end{gmail: w.g}
	but := func(all map[string]int) map[string]int {
		maps.DeleteFunc(all, func(line string, _ int) bool { return strings.HasPrefix(line, "[Gmail]/Important ") })
		return all
	}
	wantSame(t, "restored", but(old.content(t, same)), but(fresh.content(t, same)))
	if n := fresh.gmail.Counters().Verbs["APPEND"]; n != 60 {
		t.Errorf("%d messages were stored", n)
	}
	v.want(exitDone, "0 messages brought back", "", "restore", "work")
	wantSame(t, "restored twice", but(old.content(t, same)), but(fresh.content(t, same)))
}
