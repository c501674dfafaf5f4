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

// held is what Gmail has of each message: labels, flags, place.
func (w *gmailWorld) held() map[string]string {
	all := map[string]string{}
	for _, m := range w.g.Messages() {
		all[gmNumber(m.Raw)] = fmt.Sprintf("%d %v %v trash %v, %s", m.ID, m.Labels, m.Flags, m.Trash, m.Date.UTC())
	}
	return all
}

// wantHeld wants Gmail, and the Maildir, to be as they were.
func (w *gmailWorld) wantHeld(when string, held map[string]string, files map[string]int) {
	w.Helper()
	for n, was := range held {
		if is := w.held()[n]; is != was {
			w.Errorf("%s: message %s: %s\nwant %s", when, n, is, was)
		}
	}
	if got := nearFiles(w.T, w.maildir()); !maps.Equal(got, files) {
		w.Errorf("%s: the Maildir is another:\n%v\nwant %v", when, diffOf(got, files), diffOf(files, got))
	}
	w.agree(when)
}

func diffOf(a, b map[string]int) []string {
	var only []string
	for k, n := range a {
		if b[k] != n {
			only = append(only, k)
		}
	}
	slices.Sort(only)
	return only
}

// gmRun is the number of the last run.
func (w *gmailWorld) gmRun() string {
	w.Helper()
	w.want(0, "began", "", "history")
	return strings.Fields(strings.Split(w.stdout, "\n")[1])[0]
}

// What was taken away here, of one label or of all, comes back with its labels, and is the same message as before.
func TestUndoOnGmail(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(w *gmailWorld)
		want string
	}{
		{"removed everywhere", func(w *gmailWorld) {
			for _, n := range []int{69, 5, 71} {
				for _, box := range []string{"INBOX", "Home", "Work", "Work/2024", gmAll} {
					if w.labelled(n, box) {
						w.remove(n, box)
					}
				}
			}
			w.remove(64, gmAll) // which had no label
		}, "to move back on the server from [Gmail]/Trash"},
		{"removed from a label", func(w *gmailWorld) {
			w.remove(2, "Work")
			w.remove(7, "INBOX", "Home")
		}, "INBOX: 1 to copy back from "},
		{"moved and flagged", func(w *gmailWorld) {
			w.moveFile(w.file("INBOX", 1), "Home")
			w.moveFile(w.file("INBOX", 5), gmAll)
			w.flagFile(w.file("Work", 6), "FS")
		}, "INBOX: 1 to move back from Home"},
		{"moved out of All Mail", func(w *gmailWorld) { w.moveFile(w.file(gmAll, 3), "Home") }, "[Gmail]/All Mail: "},
		{"a label removed", func(w *gmailWorld) {
			if err := os.RemoveAll(filepath.Join(w.maildir(), "Work", "2024")); err != nil {
				w.Fatal(err)
			}
		}, "Work/2024: mailbox to make again"},
		{"removed in the browser", func(w *gmailWorld) {
			for _, n := range []int{69, 5, 71, 64, 7} {
				w.web.Trash(w.ids[n])
			}
		}, "[Gmail]/All Mail: 5 to put back from the attic"},
		{"label taken in the browser", func(w *gmailWorld) { w.web.Label(w.ids[7], nil, []string{"Home", `\Inbox`}) }, "Home: 1 to put back from the attic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := filledGmail(t, 80)
			w.set("delete_remote", "trash")
			w.web.Flag(w.ids[69], []string{`\Seen`, `\Flagged`}, nil)
			w.syncs("first")
			held, files := w.held(), nearFiles(t, w.maildir())
			tt.do(w)
			w.g.ResetCounters()
			if status := w.run("sync", "-v", "--allow-delete"); status != 0 {
				t.Fatalf("%d\n%s%s", status, w.stdout, w.stderr)
			}
			if maps.Equal(held, w.held()) && maps.Equal(files, nearFiles(t, w.maildir())) {
				t.Fatal("nothing happened")
			}
			run := w.gmRun()
			w.g.ResetCounters()
			if status := w.run("undo", "-y", run); status != 0 || !strings.Contains(w.stdout, tt.want) {
				t.Fatalf("%d\n%s%s", status, w.stdout, w.stderr)
			}
			t.Logf("%s", w.stdout)
			w.wantHeld("undone", held, files)
			w.want(0, "nothing to do", "", "sync", "-n")
			w.want(0, "nothing to undo: all that can be is as it was before run "+run, "", "undo", "-y", run)
			w.wantHeld("undone twice", held, files)
		})
	}
}

// labelled tells whether a message is in a mailbox of the Maildir.
func (w *gmailWorld) labelled(n int, box string) bool {
	for _, path := range w.files(box) {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), fmt.Sprintf("<%d@", n)) {
			return true
		}
	}
	return false
}

func (w *gmailWorld) flagFile(path, letters string) {
	w.Helper()
	base, _, _ := strings.Cut(filepath.Base(path), ":")
	if err := os.Rename(path, filepath.Join(filepath.Dir(filepath.Dir(path)), "cur", base+":2,"+letters)); err != nil {
		w.Fatal(err)
	}
}

// What the Trash of the server does not have any more is uploaded from the attic, once, with its labels; what is nowhere is
// named.
func TestUndoOnGmailFromTheAttic(t *testing.T) {
	w := filledGmail(t, 80)
	w.syncs("first")
	files := nearFiles(t, w.maildir())
	labels := w.held()
	w.web.Trash(w.ids[7])
	w.web.Trash(w.ids[71])
	w.syncs("removed in the browser")
	run := w.gmRun()
	w.web.EmptyTrash()
	w.g.ResetCounters()
	if status := w.run("undo", "-y", run); status != 0 {
		t.Fatalf("%d\n%s%s", status, w.stdout, w.stderr)
	}
	if n := strings.Count(strings.Join(w.commands(), "\n"), "APPEND"); n != 2 {
		t.Errorf("%d times uploaded:\n%s", n, strings.Join(w.commands(), "\n"))
	}
	w.agree("undone")
	if got := nearFiles(t, w.maildir()); !maps.Equal(got, files) {
		t.Errorf("%v\nwant %v", diffOf(got, files), diffOf(files, got))
	}
	for _, n := range []string{"7", "71"} {
		_, was, _ := strings.Cut(labels[n], " ")
		if _, is, _ := strings.Cut(w.held()[n], " "); is != was {
			t.Errorf("message %s: %s, want %s", n, is, was)
		}
	}

	w.remove(69, "INBOX", "Home", gmAll)
	w.syncs("removed here")
	run = w.gmRun()
	w.web.EmptyTrash()
	w.want(1, "it is not in the Trash on the server any more", "", "undo", "-y", run)
	w.want(0, "to move back on the server from", "", "undo", "-n", run) // nobody asked the server
}

// Whatever is done to a message, by whomever, is undone: it is where it was, with the flags that it had. What came to it
// stays: other labels, and a copy in another mailbox.
func TestUndoGmailTable(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rows   []gmRow
		also   []string
		hidden bool
	}{
		{name: "usual", rows: gmRows},
		{name: "Trash, Spam, Starred, Important", rows: gmRowsOfBins, also: unasked},
		{name: "All Mail hidden", rows: gmRowsOfHidden, hidden: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := func(t *testing.T, rows []gmRow) {
				w := gmWorld(t, gimap.Options{})
				w.syncAlso(tt.also...)
				if tt.hidden {
					w.web.Hide(gmAll)
				}
				w.undoRows(rows)
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

func (w *gmailWorld) undoRows(rows []gmRow) {
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
	var far, near []string
	for i := range rows {
		far, near = append(far, w.far(i+1)), append(near, w.near(i+1))
	}
	for i, row := range rows {
		w.does(i+1, row.does)
	}
	first := w.gmRun()
	if status := w.run("sync", "--allow-delete"); status != 0 {
		w.Fatalf("%d\n%s%s", status, w.stdout, w.stderr)
	}
	run := w.gmRun()
	if run == first {
		return // what was done does not show
	}
	status := w.run("undo", "-y", run)
	lost := false
	for i, row := range rows {
		if near[i] == "gone" {
			continue // it was not synced
		}
		if row.forGood() {
			lost = true
			continue
		}
		// What is not synced is not known, Important say: it went with the message.
		if !row.contained(w.synced(w.far(i+1)), w.synced(far[i])) || !row.contained(w.near(i+1), near[i]) {
			w.Errorf("%s: %s: Gmail has it in %q, not %q; the Maildir in %q, not %q", row.start, row.does, w.far(i+1), far[i], w.near(i+1), near[i])
		}
	}
	if (status == 0) == lost || w.Failed() {
		w.Errorf("%d\n%s%s", status, w.stdout, w.stderr)
	}
	w.mustSync("again")
}

// forGood tells whether nothing is left of the message anywhere: it was removed here, and not only moved to the Trash.
func (r gmRow) forGood() bool {
	return strings.Contains(r.does, "here rm") && (strings.Contains(r.does, "web destroy") || strings.Contains(r.does, "rm Trash"))
}

// contained tells whether a state has all that another one has, and the same flags, unless somebody flagged the message
// while it was removed.
func (r gmRow) contained(state, want string) bool {
	flags := func(words []string) string {
		i := slices.IndexFunc(words, func(word string) bool { return word[0] == '+' })
		if i < 0 {
			return ""
		}
		return words[i]
	}
	is, was := strings.Fields(state), strings.Fields(want)
	both := (strings.Contains(r.does, " rm ") || strings.Contains(r.does, "web trash")) && (strings.Contains(r.does, `\`) || strings.Contains(r.does, " flag "))
	return (both || flags(is) == flags(was)) && !slices.ContainsFunc(was, func(word string) bool { return !slices.Contains(is, word) })
}
