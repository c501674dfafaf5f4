package main

import (
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
)

// What a migration leaves out it names, whoever left it out: the command line, the configuration, or mailtwin, as it does with
// Gmail's Spam and Trash. Mailboxes without mail, and those that only show the mail of others, are not among that.
func TestMigrateLeavesOut(t *testing.T) {
	w := newMigration(t, dovecotEnd(t), dovecotEnd(t))
	if err := w.old.account.Create("Empty"); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"INBOX", "A", "B", "C", "D", "E", "F"} {
		if err := w.old.account.Create(name); err != nil && name != "INBOX" {
			t.Fatal(err)
		}
		if _, err := w.old.account.Append(name, imaptest.Message{Body: []byte(gmMail(i))}); err != nil {
			t.Fatal(err)
		}
	}
	const but = "complete: new has what old has but for 6 mailboxes left out (A, B, C, D, E and 1 more), as counted on both servers"
	w.want(exitDone, "6 mailboxes left out: A, B, C, D, E and 1 more", "", "migrate", "--dry-run", "--mailbox", "INBOX", "old", "new")
	w.want(exitDone, but, "", "migrate", "--mailbox", "INBOX", "old", "new")
	w.want(exitDone, `"mailboxes_left_out":6,"not_chosen":0,`, "", "migrate", "--json", "--mailbox", "INBOX", "old", "new")
	w.configure(`mailboxes = ["INBOX"]`, "")
	w.want(exitDone, but, "", "migrate", "old", "new")
	w.configure(`mailboxes = ["*", "!D"]`, "")
	w.want(exitDone, "but for 5 messages not asked for and 1 mailbox left out (D), as", "", "migrate", "--since", "2999-01-01", "old", "new")
	w.want(exitDone, `"mailboxes_left_out":1,"not_chosen":5,`, "", "migrate", "--json", "--since", "2999-01-01", "old", "new")
	w.configure("", "")
	w.want(exitDone, "complete: new has what old has, as counted", "", "migrate", "old", "new")
}

func TestMigrateLeavesOutSpam(t *testing.T) {
	w := newMigration(t, gmailEnd(t), dovecotEnd(t))
	for i, m := range []gimap.Mail{{Labels: []string{`\Inbox`, `\Important`}, Flags: []string{`\Flagged`}}, {Spam: true}, {Trash: true}} {
		m.Raw, m.Date = []byte(gmMail(i)), time.Unix(int64(1700000000+i), 0)
		w.old.gmail.Web().Deliver(m)
	}
	w.want(exitDone, "but for 2 mailboxes left out ([Gmail]/Spam, [Gmail]/Trash), as", "", "migrate", "old", "new")
	w.want(exitDone, "complete: new has what old has, as counted", "", "migrate", "--mailbox", "*", "old", "new")
}
