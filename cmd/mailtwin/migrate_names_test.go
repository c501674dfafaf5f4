package main

import (
	"testing"

	"mailtwin/imap/imaptest"
)

// dotsEnd is a server that has no dots in names.
func dotsEnd(t *testing.T) *end {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{Extra: "namespace inbox {\n  separator = .\n}\n"})
	e := &end{addr: server.Addr, user: server.NewUser(), password: server.Password}
	e.account = imaptest.NewAccount(t, e.addr, e.user, e.password)
	return e
}

// Of a mailbox that the destination cannot have the plan and the count say so, and what to do, in each run.
func TestMigrateNames(t *testing.T) {
	w := newMigration(t, dovecotEnd(t), dotsEnd(t))
	if err := w.old.account.Create("Dots.in.name"); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"INBOX", "Dots.in.name", "Dots.in.name"} {
		if _, err := w.old.account.Append(name, imaptest.Message{Body: []byte(gmMail(i))}); err != nil {
			t.Fatal(err)
		}
	}
	const why = `the server separates levels with ".", so it cannot have this name; give it another name there, with --map OLD=NEW`
	w.want(exitDone, "INBOX: 1 to copy\n1 message to copy", why, "migrate", "-n", "old", "new")
	for range 3 {
		w.want(exitProblems, "\nDots.in.name: UID 1, 2: "+why, "not complete: 2 messages left behind", "migrate", "old", "new")
	}
	w.want(exitDone, "0 messages to copy", why, "migrate", "-n", "old", "new")
	w.want(exitProblems, "\nDots.in.name: UID 1, 2: create it in new: mailbox \"x.y\": "+why, "not complete", "migrate", "--map", "Dots.in.name=x.y", "old", "new")
	w.want(exitBrake, "", "(only mailboxes of which nothing was copied yet may get another name)", "migrate", "--map", "*=Old/*", "old", "new")
	w.want(exitDone, "Dots.in.name -> Dots: new mailbox, 2 to copy", "", "migrate", "-n", "--map", "Dots.in.name=Dots", "old", "new")
	w.want(exitDone, "complete: new has what old has, as", "", "migrate", "--map", "Dots.in.name=Dots", "old", "new")
	w.want(exitBrake, "", `--map was "Dots.in.name=Dots" when this migration began`, "migrate", "--map", "Dots.in.name=Other", "old", "new")
	w.want(exitDone, "complete: new has what old has, as", "", "migrate", "--map", "Dots.in.name=Dots", "--map", "New=News", "old", "new")
}
