package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest/gimap"
)

// A gmRow is one thing that is done to one message, and what becomes of it.
type gmRow struct {
	start string // where the message lies; empty if it is new
	does  string // who does what
	// want is where Gmail has it afterwards, and so the Maildir, as far as those mailboxes are synced. Where delete_remote
	// matters, three wishes stand with semicolons between: for "trash", "expunge" and "never". What stands behind ">" is
	// where the Maildir has it, if that is somewhere else.
	want string
}

// gmRows are what commands, and what is done in their place in the Maildir and in a browser, mean on Gmail.
var gmRows = []gmRow{
	// a copy adds a label
	{"INBOX", "here cp INBOX Work", "INBOX Work All"},
	{"INBOX", "imap COPY INBOX Work", "INBOX Work All"},
	{"INBOX", "web +Work", "INBOX Work All"},
	{"All", "here cp All Work", "Work All"},
	{"All", "imap COPY All Work", "Work All"},
	{"INBOX Work", "here cp INBOX Work", "INBOX Work All"},
	{"INBOX Work", "imap COPY INBOX Work", "INBOX Work All"},
	{"Work", "here cp Work All", "Work All"},
	{"INBOX", "here cp INBOX Work, here cp INBOX Home", "INBOX Work Home All"},
	{"INBOX", "web +Work +Home", "INBOX Work Home All"},

	// a move takes one label and adds the other
	{"INBOX", "here mv INBOX Work", "Work All"},
	{"INBOX", "imap MOVE INBOX Work", "Work All"},
	{"INBOX", "web -INBOX +Work", "Work All"},
	{"INBOX Work", "here mv INBOX Work", "Work All"},
	{"INBOX Work", "imap MOVE INBOX Work", "Work All"},
	{"Sent", "here mv Sent Work", "Work All"},

	// a move to All Mail archives, one out of it adds a label
	{"INBOX", "here mv INBOX All", "All"},
	{"INBOX", "imap MOVE INBOX All", "All"},
	{"INBOX Work", "here mv INBOX All", "Work All"},
	{"INBOX Work", "imap MOVE INBOX All", "Work All"},
	{"INBOX Work", "web -INBOX", "Work All"},
	{"INBOX", "here mv All Work", "INBOX Work All"},
	{"INBOX", "imap MOVE All Work", "INBOX Work All"},

	// \Deleted and EXPUNGE, or a file that is removed: the label goes; without the last file, the message
	{"INBOX", "here rm INBOX", "All; All; INBOX All > All"},
	{"INBOX", "imap EXPUNGE INBOX", "All"},
	{"INBOX Work", "here rm INBOX", "Work All; Work All; INBOX Work All > Work All"},
	{"INBOX Work", "imap EXPUNGE INBOX", "Work All"},
	{"INBOX Work", "here rm INBOX Work", "All; All; INBOX Work All > All"},
	{"INBOX Work", "here rm INBOX Work All", "Trash; gone; INBOX Work All > gone"},
	{"INBOX Work Important", "here rm INBOX Work All", "Trash; gone; INBOX Work All Important > gone"},
	{"INBOX Starred", "here rm INBOX All", "Trash +F; gone; INBOX All Starred +F > gone"},
	{"All", "here rm All", "Trash; gone; All > gone"},
	{"INBOX", "here rm All", "INBOX All; INBOX All; INBOX All > INBOX"},
	{"INBOX", "imap EXPUNGE All", "INBOX All"}, // does nothing
	{"Sent", "here rm Sent", "All; All; Sent All > All"},
	{"Sent", "here rm Sent All", "Trash; gone; Sent All > gone"},

	// Trash and Spam, where they are not synced
	{"INBOX Work", "imap COPY INBOX Trash", "Trash > gone"},
	{"INBOX Work", "imap MOVE INBOX Trash", "Trash > gone"},
	{"INBOX Work", "imap MOVE All Trash", "Trash > gone"},
	{"INBOX Work", "web trash", "Trash > gone"},
	{"INBOX Work", "imap COPY INBOX Spam", "Spam > gone"},
	{"INBOX Work", "imap MOVE INBOX Spam", "Spam > gone"},
	{"INBOX Work", "web spam", "Spam > gone"},
	{"Trash", "imap MOVE Trash INBOX", "INBOX All"},
	{"Spam", "imap MOVE Spam INBOX", "INBOX All"},
	{"Trash", "imap MOVE Trash All", "All"},
	{"Trash", "web restore, web +Work", "Work All"},
	{"Spam", "web restore, web +INBOX", "INBOX All"},
	{"Trash", "imap EXPUNGE Trash", "gone"},
	{"INBOX Work", "web destroy", "gone"},

	// flags are the message's
	{"INBOX Work", "here flag INBOX S", "INBOX Work All +S"},
	{"INBOX Work", `imap STORE INBOX +FLAGS (\Seen)`, "INBOX Work All +S"},
	{"INBOX Work", `web +\Seen`, "INBOX Work All +S"},
	{"INBOX Work +S", "here flag Work", "INBOX Work All"},
	{"INBOX Work +S", `imap STORE Work -FLAGS.SILENT (\Seen)`, "INBOX Work All"},
	{"INBOX Work +S", `web -\Seen`, "INBOX Work All"},
	{"INBOX Work", "here flag All PRS", "INBOX Work All +PRS"},
	{"INBOX Work", "here flag Work P", "INBOX Work All +P"},
	{"INBOX Work", "imap STORE All +FLAGS ($Forwarded)", "INBOX Work All +P"},
	{"INBOX Work", "here flag INBOX S, here flag Work R", "INBOX Work All +RS"},
	{"INBOX Work +S", "here flag INBOX RS, here flag Work", "INBOX Work All +R"},
	{"INBOX Work", `here flag INBOX S, web +\Answered`, "INBOX Work All +RS"},
	{"INBOX Work +S", `here flag INBOX, web +\Answered`, "INBOX Work All +R"},
	{"INBOX Work", "here flag Work F", "INBOX Work All Starred +F"},
	{"INBOX Work", `imap STORE Work +FLAGS (\Flagged)`, "INBOX Work All Starred +F"},
	{"INBOX Work", "imap COPY Work Starred", "INBOX Work All Starred +F"},
	{"INBOX Work", `web +\Flagged`, "INBOX Work All Starred +F"},
	{"INBOX Starred", "here flag INBOX", "INBOX All"},
	{"INBOX Starred", "imap EXPUNGE Starred", "INBOX All"},
	{"INBOX Starred", `web -\Flagged`, "INBOX All"},
	{"INBOX", "web +Important", "INBOX All Important"},
	{"INBOX", "here mv INBOX Work, here flag Work S", "Work All +S"},
	{"INBOX +S", "here mv INBOX Work, here flag Work", "Work All"},
	{"INBOX", `here mv INBOX Work, web +\Flagged`, "Work All Starred +F"},
	{"INBOX", `here cp INBOX Work, here flag Work S`, "INBOX Work All +S"},

	// labels come, go, and get other names
	{"Drop1", "here rmdir Drop1", "All; All; Drop1 All > All"},
	{"Drop2", "imap DELETE Drop2", "All"},
	{"Drop3", "web drop Drop3", "All"},
	{"Drop4 INBOX", "here rmdir Drop4", "INBOX All; INBOX All; INBOX Drop4 All > INBOX All"},
	{"Up1/Drop5 Up1", "here rmdir Up1/Drop5", "Up1 All; Up1 All; Up1 Up1/Drop5 All > Up1 All"},
	{"Ren1", "here mvdir Ren1 Other1", "Other1 All"},
	{"Ren2", "imap RENAME Ren2 Other2", "Other2 All"},
	{"Ren3", "web rename Ren3 Other3", "Other3 All"},
	{"Ren4", "here mvdir Ren4 Deep/Other4", "Deep/Other4 All"},
	{"Ren5/Under", "here mvdir Ren5 Other5", "Other5/Under All"},
	{"Ren6", "web rename Ren6 Other6, here flag All S", "Other6 All +S"},
	{"Ren8", `web rename Ren8 Other8, web +\Seen`, "Other8 All +S"},
	{"Ren9 Ren9/Under", `web rename Ren9 Other9, web +\Seen`, "Other9 Other9/Under All +S"},
	{"Ren7", "here mvdir Ren7 Other7, web +INBOX", "Other7 All INBOX"},
	{"INBOX", "web +Räk+&~/7", "INBOX All Räk+&~/7"},
	{"INBOX", "web +NIL", "INBOX All NIL"},

	{"INBOX", "here mkdir New1, here cp INBOX New1", "INBOX New1 All"},
	{"INBOX", "here mkdir New2/Under, here mv INBOX New2/Under", "New2/Under All"},
	{"INBOX", "here mkdir New3, here mv All New3", "INBOX New3 All"},

	// new mail
	{"", "here new Work", "Work All"},
	{"", "imap APPEND Work", "Work All"},
	{"", "web new Work", "Work All"},
	{"", "here mkdir New4, here new New4 INBOX", "New4 INBOX All"},
	{"", "web new New5 INBOX", "New5 INBOX All"},
	{"", "here new INBOX Work Home", "INBOX Work Home All"},
	{"", "web new INBOX Work Home", "INBOX Work Home All"},
	{"", "here new All", "All"},
	{"", "imap APPEND All", "All"},
	{"", "here new Sent", "Sent All"},
	{"", "imap APPEND Sent", "Sent All"},
	{"", "here new Drafts", "Drafts All"},
	{"", "imap APPEND Drafts", "Drafts All"},
	{"", "web new Drafts", "Drafts All"},
	{"", "imap APPEND Trash", "Trash > gone"},
	{"", "imap APPEND Spam", "Spam > gone"},
	{"", "imap APPEND Starred", "All Starred +F"},

	// drafts
	{"Drafts", "web +Sent -Drafts", "Sent All"},
	{"Drafts", "here mv Drafts Work", "Work All"},
	{"Drafts", "here rm Drafts All", "Trash; gone; Drafts All > gone"},
	{"Drafts", "here rm Drafts", "All; All; Drafts All > All"},
	{"Drafts", "web trash", "Trash > gone"},

	// both sides at once
	{"INBOX", "here rm INBOX, web -INBOX", "All"},
	{"INBOX", "here rm INBOX, web +Home", "Home All; Home All; INBOX Home All > Home All"},
	{"INBOX", "here rm INBOX All, web +Home", "Home All; Home All; INBOX Home All > Home"},
	{"INBOX", "here rm INBOX All, web trash", "Trash > gone"},
	{"INBOX", "here rm INBOX All, web destroy", "gone"},
	{"INBOX", `here rm INBOX All, web +\Seen`, "Trash +S; gone; INBOX All +S > gone"},
	{"INBOX", "here mv INBOX Work, web -INBOX +Work", "Work All"},
	{"INBOX", "here mv INBOX Work, web -INBOX +Home", "Work Home All"},
	{"INBOX", "here flag INBOX S, web trash", "Trash > gone"},
	{"INBOX Work", "here mv INBOX Home, here mv Work INBOX", "INBOX Home All"},
}

// gmRowsOfBins are those where Trash and Spam are synced, and Starred and Important.
var gmRowsOfBins = []gmRow{
	{"INBOX Work", "here mv INBOX Trash", "Trash"},
	{"INBOX", "here mv INBOX Trash, here rm All", "Trash"},
	{"INBOX Work", "imap COPY INBOX Trash", "Trash"},
	{"INBOX Work", "imap MOVE INBOX Trash", "Trash"},
	{"INBOX Work", "web trash", "Trash"},
	{"INBOX Work", "here mv INBOX Spam", "Spam"},
	{"INBOX Work", "imap COPY INBOX Spam", "Spam"},
	{"INBOX Work", "imap MOVE INBOX Spam", "Spam"},
	{"INBOX Work", "web spam", "Spam"},
	{"Trash", "here mv Trash INBOX", "INBOX All"},
	{"Trash", "here cp Trash INBOX", "INBOX All"},
	{"Trash", "here mv Trash All", "All"},
	{"Trash", "imap MOVE Trash INBOX", "INBOX All"},
	{"Trash", "web restore, web +Work", "Work All"},
	{"Spam", "here mv Spam INBOX", "INBOX All"},
	{"Spam", "imap MOVE Spam INBOX", "INBOX All"},
	{"Spam", "web restore, web +INBOX", "INBOX All"},
	{"Spam", "here mv Spam Trash", "Trash"},
	{"Trash", "here mv Trash Spam", "Spam"},
	{"Trash", "here rm Trash", "gone; gone; Trash > gone"},
	{"Trash", "imap EXPUNGE Trash", "gone"},
	{"Trash", "web destroy", "gone"},
	{"Spam", "here rm Spam", "Trash; gone; Spam > gone"},
	{"Spam", "imap EXPUNGE Spam", "gone"},
	{"Trash", "here flag Trash S", "Trash +S"},
	{"Trash", `web +\Seen`, "Trash +S"},
	{"", "here new Trash", "Trash"},
	{"", "here new Spam", "Spam"},
	{"", "imap APPEND Trash", "Trash"},
	{"INBOX Work", "here rm INBOX Work All", "Trash; gone; INBOX Work All > gone"},

	{"INBOX", "here cp INBOX Starred", "INBOX All Starred +F"},
	{"INBOX", `web +\Flagged`, "INBOX All Starred +F"},
	{"INBOX", "here flag INBOX F", "INBOX All Starred +F"},
	{"INBOX Starred", "here rm Starred", "INBOX All; INBOX All; INBOX All Starred +F > INBOX All +F"},
	{"INBOX Starred", "here flag INBOX", "INBOX All"},
	{"INBOX Starred", "here rm INBOX All Starred", "Trash +F; gone; INBOX All Starred +F > gone"},
	{"INBOX", "here cp INBOX Important", "INBOX All Important"},
	{"INBOX", "imap COPY INBOX Important", "INBOX All Important"},
	{"INBOX Important", "here rm Important", "INBOX All; INBOX All; INBOX All Important > INBOX All"},
	{"INBOX Important", "imap EXPUNGE Important", "INBOX All"},
}

// gmRowsOfHidden are those where All Mail is not shown over IMAP.
var gmRowsOfHidden = []gmRow{
	{"INBOX", "here cp INBOX Work", "INBOX Work"},
	{"INBOX", "here mv INBOX Work", "Work"},
	{"INBOX", "web -INBOX +Work", "Work"},
	{"INBOX", "imap MOVE INBOX Work", "Work"},
	{"INBOX Work", `here flag INBOX S, web +\Answered`, "INBOX Work +RS"},
	{"INBOX Work", "here rm INBOX", "Work; Work; INBOX Work > Work"},
	{"INBOX Work Home", "here rm INBOX Home", "Work; Work; INBOX Work Home > Work"},
	{"Sent Work", "here rm Work", "Sent; Sent; Sent Work > Sent"},
	{"INBOX", "here rm INBOX", "Trash; gone; INBOX > gone"},
	{"INBOX Work", "here rm INBOX Work", "Trash; gone; INBOX Work > gone"},
	{"INBOX Work", "web trash", "Trash > gone"},
	{"Trash", "imap MOVE Trash INBOX", "INBOX"},
	{"", "here new INBOX Work", "INBOX Work"},
	{"", "web new INBOX Work", "INBOX Work"},
	{"INBOX Work", "imap EXPUNGE INBOX", "Work"},
}

// TestGmailTable does every row to a message of its own, all in one run, with each delete_remote; in full also each alone.
func TestGmailTable(t *testing.T) {
	for _, tt := range []struct {
		name    string
		rows    []gmRow
		options gimap.Options
		also    []string
		only    []string
		hidden  bool
	}{
		{name: "usual", rows: gmRows},
		{name: "INBOX and Home only", only: []string{"INBOX", "Home"}, rows: []gmRow{
			{"INBOX Work", "here rm INBOX", "Work All > gone; Work All > gone; INBOX Work All > gone"},
			{"INBOX Home Work", "here rm INBOX Home", "Work All > gone; Work All > gone; INBOX Home Work All > gone"},
			{"INBOX Home Work", "here rm Home", "INBOX Work All > INBOX; INBOX Work All > INBOX; INBOX Home Work All > INBOX"},
			{"INBOX Important Starred", "here rm INBOX", "Trash +F > gone; gone; INBOX Important Starred All +F > gone"},
			{"INBOX Sent Important Starred", "here rm INBOX", "Sent Important Starred All +F > gone; Sent Important Starred All +F > gone; INBOX Sent Important Starred All +F > gone"},
		}},
		{name: "all but Work and Sent", only: []string{"INBOX", "Home", gmAll}, rows: []gmRow{
			{"INBOX Work", "here rm INBOX All", "Work All > All; Work All > All; INBOX Work All > gone"},
			{"INBOX Sent", "here rm INBOX All", "Sent All > All; Sent All > All; INBOX Sent All > gone"},
			{"INBOX Work", "here rm INBOX", "Work All > All; Work All > All; INBOX Work All > All"},
			{"INBOX Home", "here rm INBOX Home All", "Trash > gone; gone; INBOX Home All > gone"},
			{"Work", "here rm All", "Work All > All; Work All > All; Work All > gone"},
		}},
		{name: "usual, on another Gmail", rows: gmRows, options: gimap.Options{
			KeepDeleted: true, FolderModSeq: true, SilentLabels: true, OwnLabel: true, PlainTrash: true, FreshUID: true, BoxKeywords: true,
			SeesDeleted: true, SameValidity: true, EarlyCopyUID: true,
		}},
		{name: "an expunge in All Mail trashes", rows: []gmRow{{"INBOX", "imap EXPUNGE All", "Trash > gone"}}, options: gimap.Options{AllMailTrash: true}},
		{name: "Trash, Spam, Starred, Important", rows: gmRowsOfBins, also: unasked},
		{name: "All Mail hidden", rows: gmRowsOfHidden, hidden: true},
		{name: "expunge archives", hidden: true, rows: []gmRow{{"INBOX", "imap EXPUNGE INBOX", "hidden > gone"}}, options: gimap.Options{Behaviour: gimap.Archive}},
		{name: "expunge trashes", hidden: true, rows: []gmRow{{"INBOX", "imap EXPUNGE INBOX", "Trash > gone"}}, options: gimap.Options{Behaviour: gimap.ToTrash}},
		{name: "expunge removes", hidden: true, rows: []gmRow{{"INBOX", "imap EXPUNGE INBOX", "gone"}}, options: gimap.Options{Behaviour: gimap.DeleteForever}},
	} {
		for i, policy := range []string{"trash", "expunge", "never"} {
			t.Run(tt.name+", "+policy, func(t *testing.T) {
				t.Parallel()
				table := func(t *testing.T, rows []gmRow) {
					w := gmWorld(t, tt.options)
					w.set("delete_remote", policy)
					w.syncAlso(tt.also...)
					w.syncOnly(tt.only...)
					if tt.hidden {
						w.web.Hide(gmAll)
					}
					w.rows(rows, i)
				}
				table(t, tt.rows)
				for range size(0, 1) {
					for _, row := range tt.rows {
						t.Run(row.start+": "+row.does, func(t *testing.T) { table(t, []gmRow{row}) })
					}
				}
			})
		}
	}
}

// rows does the rows to messages that are numbered as they are, from 1. policy is which of three wishes counts.
func (w *gmailWorld) rows(rows []gmRow, policy int) {
	w.Helper()
	for _, label := range []string{"Work", "Home"} {
		w.web.MakeLabel(label)
	}
	for i, row := range rows {
		if row.start != "" {
			w.lay(gmMail(i+1), row.start)
		}
	}
	w.lay(gmMail(0), "INBOX") // so that no side is ever empty
	w.mustSync("first")
	for i, row := range rows {
		w.does(i+1, row.does)
	}
	w.mustSync("after")
	for i, row := range rows {
		want := row.want
		if wishes := strings.Split(row.want, "; "); len(wishes) == 3 {
			want = wishes[policy]
		}
		far, near, other := strings.Cut(want, " > ")
		if !other {
			near = far
		}
		w.is(fmt.Sprintf("%s: %s", row.start, row.does), i+1, far, near)
	}
	w.sameMailboxes(policy == 2)
	w.mustSync("again")
	if got := w.commands(); len(got) != 1 {
		w.Errorf("with nothing to do: %q", got)
	}
}

// mustSync syncs, and wants no body to come that is here already, and none twice.
func (w *gmailWorld) mustSync(when string) {
	w.Helper()
	here := w.numbers()
	w.g.ResetCounters()
	if status := w.run("sync", "-v"); status != 0 {
		w.Fatalf("%s: exit status %d\n%s%s", when, status, w.stdout, w.stderr)
	}
	w.notAgain(when, here)
	w.once(when)
}

// is wants message n to be here on Gmail and there in the Maildir.
func (w *gmailWorld) is(what string, n int, far, near string) {
	w.Helper()
	if got := w.far(n); got != gmSorted(far) {
		w.Errorf("%s: Gmail has it in %q, not %q", what, got, gmSorted(far))
	}
	if got := w.near(n); got != w.synced(near) {
		w.Errorf("%s: the Maildir has it in %q, not %q", what, got, w.synced(near))
	}
}

// synced leaves out of a state what is not synced.
func (w *gmailWorld) synced(state string) string {
	words := slices.DeleteFunc(strings.Fields(state), func(word string) bool {
		for _, use := range unasked {
			if w.g.Role(use) == gmName(word) && !w.also[use] {
				return true
			}
		}
		return false
	})
	if !slices.ContainsFunc(words, func(word string) bool { return word[0] != '+' }) {
		return "gone"
	}
	return gmSorted(strings.Join(words, " "))
}

// sameMailboxes wants the Maildir to have the directories of Gmail's mailboxes, and no others. Where nothing is removed on
// Gmail, it may have fewer.
func (w *gmailWorld) sameMailboxes(fewer bool) {
	w.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	for _, f := range w.g.Folders() {
		if w.isSynced(f) && f.Use != `\Chats` {
			want[f.Name] = true
		}
	}
	w.must(filepath.WalkDir(w.maildir(), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "cur" {
			rel, _ := filepath.Rel(w.maildir(), filepath.Dir(path))
			got[rel] = true
		}
		return err
	}))
	if fewer {
		maps.DeleteFunc(want, func(name string, _ bool) bool { return !got[name] })
	}
	if !maps.Equal(want, got) {
		w.Errorf("the Maildir has the mailboxes %q, Gmail %q", sortedKeys(got), sortedKeys(want))
	}
}
