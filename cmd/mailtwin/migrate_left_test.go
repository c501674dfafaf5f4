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

// Where the destination lost most of what was copied, nothing is done and nothing is called complete, until its owner says that
// it was meant. What was only moved there is not lost.
func TestMigrateLostThere(t *testing.T) {
	w := newMigration(t, dovecotEnd(t), dovecotEnd(t))
	for _, e := range []*end{w.old, w.new} {
		for _, name := range []string{"A", "B"} {
			if err := e.account.Create(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 94 {
		if _, err := w.old.account.Append([]string{"A", "INBOX"}[min(i/90, 1)], imaptest.Message{Body: []byte(gmMail(i))}); err != nil {
			t.Fatal(err)
		}
	}
	w.want(exitDone, "complete", "", "migrate", "old", "new")
	uids := make([]uint32, 60)
	for i := range uids {
		uids[i] = uint32(i + 1)
	}
	if err := w.new.account.Move("A", "B", uids...); err != nil {
		t.Fatal(err)
	}
	w.want(exitDone, "but for 60 messages removed there since", "", "migrate", "old", "new") // from where they were
	w.want(exitDone, `"removed_there":60,`, "", "migrate", "--json", "old", "new")

	w = newMigration(t, w.old, dovecotEnd(t))
	w.want(exitDone, "complete", "", "migrate", "old", "new")
	if err := w.new.account.Delete("A"); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{{"--dry-run"}, nil} {
		args := append(append([]string{"migrate"}, more...), "old", "new")
		w.want(exitBrake, "", "90 of 94 messages of the account are gone in new\nhint: nothing was changed.", args...)
		w.want(exitBrake, "", "To go on without that mail: mailtwin migrate --again old new. To have it copied again, move ", args...)
	}
	w.want(exitBrake, `"complete":false,`, "", "migrate", "--json", "old", "new")
	w.configure("", `max_delete = "97%"`)
	w.want(exitDone, "dry run, nothing", "", "migrate", "--dry-run", "old", "new")
	w.configure("", "")
	w.want(exitDone, "but for 90 messages removed there since", "", "migrate", "--again", "old", "new")
	w.want(exitDone, "but for 90 messages removed there since", "", "migrate", "old", "new") // it was said once
}
