package main

import (
	"testing"

	"mailtwin/imap/imaptest"
)

// A migration goes on as it began: with other rules, what it copied would look removed. What was removed at the destination is
// not copied again, and said.
func TestMigrateOtherwise(t *testing.T) {
	w := newMigration(t, dovecotEnd(t), dovecotEnd(t))
	if err := w.old.account.Create("A"); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"INBOX", "A", "A"} {
		if _, err := w.old.account.Append(name, imaptest.Message{Body: []byte(gmMail(i))}); err != nil {
			t.Fatal(err)
		}
	}
	w.want(exitDone, "complete: new has what old has, as counted on both servers", "", "migrate", "--map", "A=B", "old", "new")
	const other = `--map was "A=B" when this migration began, and is "" now`
	w.want(exitBrake, "", other, "migrate", "old", "new")
	w.want(exitBrake, "", "; or move ", "migrate", "--dry-run", "old", "new")
	w.want(exitBrake, "", `--labels was "first"`, "migrate", "--map", "A=B", "--labels", "each", "old", "new")
	if err := w.new.account.Expunge("B", 1); err != nil {
		t.Fatal(err)
	}
	w.want(exitDone, "complete: new has what old has but for 1 message removed there since, as counted on both servers", "", "migrate", "--map", "A=B", "old", "new")
}
