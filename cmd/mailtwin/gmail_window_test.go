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

// shownOnly is a Gmail that can be set to show only its newest 1000 messages. Old is a label of some of the others.
func shownOnly(t *testing.T, limit int) *gmailWorld {
	t.Helper()
	w := gmWorld(t, gimap.Options{Limit: limit})
	for i := range 1100 {
		labels := []string{`\Inbox`}
		if i%20 == 0 {
			labels = nil
		}
		if i < 200 && i%5 == 0 {
			labels = append(labels, "Old")
		}
		w.ids = append(w.ids, w.deliver(gmMailOf(i, 0), labels...))
	}
	return w
}

func (w *gmailWorld) show(limit int) { w.g.Set(func(o *gimap.Options) { o.Limit = limit }) }

const limitWords = "Gmail shows only the newest 1000 messages of each mailbox"

// wantKept syncs, and wants nothing to be removed here or downloaded, and the owner to be told, or not to be told again.
func (w *gmailWorld) wantKept(when, told string) {
	w.Helper()
	w.g.ResetCounters()
	before := w.filed()
	w.want(exitDone, "", told, "sync")
	after := w.filed()
	for key, n := range before {
		if after[key] != n {
			w.Fatalf("%s: %s was removed, %d of %d are left", when, key, len(after), len(before))
		}
	}
	w.notAgain(when, nil)
	if n := len(w.g.Counters().Bodies); n > 0 {
		w.Errorf("%s: %d were downloaded", when, n)
	}
}

// filed are the messages of the Maildir, by mailbox, whatever flags they carry.
func (w *gmailWorld) filed() map[string]int {
	held := map[string]int{}
	for key, n := range nearFiles(w.T, w.maildir()) {
		held[key[:strings.LastIndex(key, " ")]] += n
	}
	return held
}

// E13: mail that leaves the view because Gmail is set to show the newest only is not removed here, whatever happens
// meanwhile, and not downloaded again once it is shown.
func TestE13FolderSizeLimit(t *testing.T) {
	w := shownOnly(t, 0)
	w.syncs("first")
	w.show(1000)
	w.wantKept("the limit is set", limitWords)
	w.wantKept("the next run", limitWords)
	w.want(exitDone, "nothing to do", limitWords, "sync", "-n")

	w.web.Flag(w.ids[5], []string{`\Seen`}, nil) // which only Old shows
	w.want(exitDone, "Old: 1 flagged in the Maildir", limitWords, "sync", "-v")
	for i := range 7 { // as many leave the view
		w.ids = append(w.ids, w.deliver(gmMailOf(2000+i, 0), `\Inbox`))
	}
	w.g.ResetCounters()
	w.want(exitDone, "INBOX: 7 downloaded\n", limitWords, "sync", "-v")
	if n := len(w.g.Counters().Bodies); n != 7 || strings.Contains(w.stdout, "removed") {
		t.Errorf("%d bodies\n%s", n, w.stdout)
	}

	// what goes is seen to be gone where it was in view, and older mail that takes its place is known
	w.web.Trash(w.ids[1005])
	w.web.Label(w.ids[1006], nil, []string{`\Inbox`})
	w.g.ResetCounters()
	w.want(exitDone, "INBOX: 2 removed in the Maildir\n", limitWords, "sync", "-v")
	if !strings.Contains(w.stdout, "All Mail: 1 removed in the Maildir\n") || len(w.g.Counters().Bodies) > 0 {
		t.Errorf("%d bodies\n%s", len(w.g.Counters().Bodies), w.stdout)
	}
	w.want(exitDone, "nothing to do", limitWords, "sync", "-n")

	// verify cannot look at what is out of view, and does not take it for missing
	w.want(exitProblems, "", "not compared, as the server shows only the newest messages of the mailbox: 106", "verify")
	if !strings.Contains(w.stderr, limitWords) || strings.Contains(w.stdout, "missing") {
		t.Errorf("it says\n%s%s", w.stdout, w.stderr)
	}

	// restore does not upload what may be there
	w.want(exitProblems, "0 messages brought back", "not uploaded: it may be there already", "restore", "work")
	if n := w.g.Counters().Verbs["APPEND"]; n > 0 || !strings.Contains(w.stderr, limitWords) {
		t.Errorf("%d uploads\n%s", n, w.stderr)
	}

	// what goes out of view stays here, and goes as soon as it can be told
	w.web.Trash(w.ids[11])
	w.web.Label(w.ids[12], nil, []string{`\Inbox`})
	w.wantKept("removed out of view", limitWords)
	if n := w.g.Counters().Verbs["APPEND"]; n > 0 {
		t.Errorf("%d uploads", n)
	}
	w.show(0)
	w.want(exitDone, "INBOX: 1 flagged in the Maildir, 2 removed in the Maildir\n", "", "sync", "-v")
	w.agree("the limit is lifted")

	w.show(1000)
	w.wantKept("the limit is set again", limitWords)
	w.show(0)
	w.wantKept("the limit is lifted again", "")
	w.agree("in the end")
	w.want(exitDone, "nothing to do", "", "sync", "-n")
}

// E13: the limit is set just after the mailboxes were listed.
func TestE13LimitSetMeanwhile(t *testing.T) {
	w := shownOnly(t, 0)
	w.syncs("first")
	w.ids = append(w.ids, w.deliver(gmMailOf(2000, 0), `\Inbox`))
	w.g.Fault(gimap.Fault{Folder: "INBOX", At: gimap.AtCommand, Web: func(*gimap.Web) { w.show(1000) }})
	before := w.filed()
	w.want(exitDone, "INBOX: 1 downloaded\n", "", "sync", "-v")
	for key, n := range w.filed() {
		before[key] -= n
	}
	for key, n := range before {
		if n > 0 {
			t.Fatalf("%s was removed", key)
		}
	}
	w.wantKept("the next run", limitWords)
}

// E13: a number of messages that a limit may have, and that comes by chance, hides nothing for long. Where All Mail has
// another, it means nothing.
func TestE13NumberByChance(t *testing.T) {
	w := gmWorld(t, gimap.Options{})
	for i := range 1002 {
		w.ids = append(w.ids, w.deliver(gmMailOf(i, 0), `\Inbox`))
	}
	w.syncs("first")
	w.web.Label(w.ids[0], nil, []string{`\Inbox`})
	w.web.Label(w.ids[1], nil, []string{`\Inbox`})
	w.want(exitDone, "INBOX: 2 removed in the Maildir\n", "", "sync", "-v")
	w.agree("INBOX has 1000")

	w.web.Trash(w.ids[0])
	w.web.Trash(w.ids[1])
	w.want(exitDone, "", limitWords, "sync")
	if n := len(w.files(gmAll)); n != 1002 { // the oldest two, of which it cannot be told
		t.Errorf("All Mail has %d files", n)
	}
	w.ids = append(w.ids, w.deliver(gmMailOf(2000, 0), `\Inbox`))
	w.want(exitDone, "", "", "sync")
	w.agree("All Mail had 1000")
	w.want(exitDone, "nothing to do", "", "sync", "-n")
}

// E13: a first sync with the limit brings what is shown; without it the rest comes, and nothing twice.
func TestE13LimitFromTheStart(t *testing.T) {
	w := shownOnly(t, 1000)
	w.want(exitDone, "", limitWords, "sync")
	shown := len(w.g.Counters().Bodies)
	if shown < 1000 || shown >= 1100 {
		t.Errorf("%d bodies", shown)
	}
	w.show(0)
	w.want(exitDone, "", "", "sync")
	w.agree("in the end")
	if n := len(w.g.Counters().Bodies); n != 1100 {
		t.Errorf("%d bodies", n)
	}
	w.want(exitDone, "nothing to do", "", "sync", "-n")
}

// E13: what is done here to a message that is out of view cannot be done on Gmail. It is named, and nothing is lost.
func TestE13ChangesOutOfView(t *testing.T) {
	w := shownOnly(t, 0)
	w.syncs("first")
	w.show(1000)
	w.wantKept("the limit is set", limitWords)
	flagged := w.file("INBOX", 3)
	if err := os.Rename(flagged, filepath.Join(w.maildir(), "INBOX", "cur", strings.TrimSuffix(filepath.Base(flagged), ":2,")+":2,F")); err != nil {
		t.Fatal(err)
	}
	w.remove(4, "INBOX", gmAll)
	w.moveFile(w.file("INBOX", 6), "Old")
	w.g.ResetCounters()
	w.want(exitProblems, "", "set flags: the server shows only the newest messages of the mailbox", "sync")
	if !strings.Contains(w.stderr, "not removed on the server") || !strings.Contains(w.stderr, "not moved on the server") {
		t.Errorf("it says\n%s", w.stderr)
	}
	for _, n := range []int{3, 4, 6} {
		if m, ok := w.g.Message(w.ids[n]); !ok || m.Trash || len(m.Flags) > 0 || !slices.Equal(m.Labels, []string{`\Inbox`}) {
			t.Errorf("%d was changed: %v %+v", n, ok, m)
		}
	}
	if count := w.g.Counters(); len(count.Bodies) > 0 || count.Verbs["APPEND"] > 0 {
		t.Errorf("%d downloads, %d uploads", len(count.Bodies), count.Verbs["APPEND"])
	}
	w.show(0)
	w.want(exitDone, "", "", "sync", "--retry")
	w.want(exitDone, "", "", "sync")
	w.agree("once it is shown")
	if m, _ := w.g.Message(w.ids[4]); !m.Trash {
		t.Error("the removal is forgotten")
	}
	if m, _ := w.g.Message(w.ids[6]); !slices.Equal(m.Labels, []string{"Old"}) {
		t.Errorf("the move is forgotten: %q", m.Labels)
	}
}

// E13: without a state, old mail that is here and not shown is not uploaded, for Gmail has it.
func TestE13StateIsLost(t *testing.T) {
	w := shownOnly(t, 0)
	w.syncs("first")
	w.show(1000)
	if err := os.Remove(w.state()); err != nil {
		t.Fatal(err)
	}
	w.write("INBOX", "fresh.1.x", gmMail(3000))
	before := nearFiles(t, w.maildir())
	w.g.ResetCounters()
	w.want(exitProblems, "", "not uploaded: it may be there already, where only the newest messages of the mailbox are shown", "sync")
	if count := w.g.Counters(); count.Verbs["APPEND"] != 1 || len(count.Bodies) > 0 || len(w.g.Messages()) != 1101 {
		t.Errorf("%d uploads, %d downloads, %d messages on Gmail", count.Verbs["APPEND"], len(count.Bodies), len(w.g.Messages()))
	}
	w.want(exitProblems, "", limitWords, "sync") // until there is a reason to look again
	if count := w.g.Counters(); count.Verbs["APPEND"] != 1 {
		t.Errorf("%d uploads", count.Verbs["APPEND"])
	}
	w.show(0)
	w.want(exitDone, "", "", "sync", "--retry")
	if n := len(w.g.Messages()); n != 1101 || w.g.Counters().Verbs["APPEND"] != 1 {
		t.Errorf("%d messages on Gmail", n)
	}
	for key := range nearFiles(t, w.maildir()) {
		delete(before, key)
	}
	if len(before) > 1 { // the new one is in cur now, and in All Mail
		t.Errorf("gone from here: %v", before)
	}
	w.agree("in the end")
}

// F14: Gmail's own mailboxes that are hidden after they were synced stay here as they are, and their owner is told, once.
// Shown again, they go on.
func TestF14HiddenBetweenRuns(t *testing.T) {
	for _, use := range []string{`\All`, `\Junk`, `\Trash`, `\Sent`, `\Drafts`} {
		t.Run(use[1:], func(t *testing.T) {
			w := gmWorld(t, gimap.Options{})
			w.syncAlso(`\Junk`, `\Trash`)
			for i := range 30 {
				id := w.deliver(gmMail(i), [][]string{{`\Inbox`}, {"Work"}, {`\Sent`}, {`\Draft`}, nil}[i%5]...)
				w.ids = append(w.ids, id)
				switch {
				case i >= 25:
					w.web.Trash(id)
				case i >= 20:
					w.web.Spam(id)
				}
			}
			w.syncs("first")
			name := w.g.Role(use)
			before := nearFiles(t, w.maildir())
			w.web.Hide(name)
			w.g.ResetCounters()
			w.want(exitDone, "", fmt.Sprintf("no longer shown over IMAP, so what is here stays as it is and is not synced: %q", name), "sync")
			if strings.Contains(w.stderr, "no All Mail") != (use == `\All`) {
				t.Errorf("it says\n%s", w.stderr)
			}
			w.want(exitDone, "", "", "sync")
			w.want(exitDone, "nothing to do", "", "sync", "-n")
			w.deliver(gmMail(100), `\Inbox`)
			w.want(exitDone, "INBOX: 1 downloaded", "", "sync", "-v")
			after := nearFiles(t, w.maildir())
			maps.DeleteFunc(after, func(key string, _ int) bool { return strings.Contains(key, " 100 ") })
			if !maps.Equal(before, after) {
				t.Errorf("%d files were here, %d are", len(before), len(after))
			}
			if n := len(w.g.Counters().Bodies); n != 1 {
				t.Errorf("%d bodies", n)
			}
			w.web.Show(name)
			w.want(exitDone, "", "", "sync")
			w.agree("shown again")
			w.want(exitDone, "nothing to do", "", "sync", "-n")
		})
	}
}

// E11: in whatever language the names of Gmail's own mailboxes are, they are known by their use, and a change of the language
// renames them here.
func TestE11Languages(t *testing.T) {
	for _, options := range []gimap.Options{
		{Locale: "en-GB"}, {Locale: "de"}, {Locale: "de", Prefix: "[Google Mail]"}, {Locale: "pl"}, {Locale: "ja"},
	} {
		t.Run(options.Locale+options.Prefix, func(t *testing.T) {
			w := gmWorld(t, options)
			for i := range 20 {
				w.ids = append(w.ids, w.deliver(gmMail(i), [][]string{{`\Inbox`, "Work"}, {"Work"}, {`\Sent`}, {`\Draft`, `\Important`}, nil}[i%5]...))
			}
			w.web.Flag(w.ids[0], []string{`\Flagged`}, nil)
			w.syncs("first")
			all, trash := w.g.Role(`\All`), w.g.Role(`\Trash`)
			if len(w.files(all)) != 20 {
				t.Errorf("%s has %d files", all, len(w.files(all)))
			}
			w.absent(filepath.Join(w.maildir(), trash), filepath.Join(w.maildir(), w.g.Role(`\Important`)), filepath.Join(w.maildir(), w.g.Role(`\Flagged`)))
			w.remove(0, "INBOX")     // archived
			w.remove(1, "Work", all) // removed
			w.moveFile(w.file("Work", 5), all)
			w.syncs("changed here")
			if a, _ := w.g.Message(w.ids[0]); a.Trash || !slices.Equal(a.Labels, []string{"Work"}) {
				t.Errorf("taken out of INBOX: %+v", a)
			}
			if b, _ := w.g.Message(w.ids[1]); !b.Trash {
				t.Errorf("removed: %+v", b)
			}
			if c, _ := w.g.Message(w.ids[5]); !slices.Equal(c.Labels, []string{`\Inbox`}) {
				t.Errorf("moved to All Mail: %+v", c)
			}
			if w.g.Counters().Verbs["CREATE"] > 0 {
				t.Error("a mailbox was made")
			}
			w.g.ResetCounters()
			for use, name := range map[string]string{`\All`: "Tous les messages", `\Sent`: "Messages envoyés", `\Drafts`: "Brouillons"} {
				w.web.RenameLabel(w.g.Role(use), "[Gmail]/"+name)
			}
			w.syncs("another language")
			if n := len(w.g.Counters().Bodies); n > 0 {
				t.Errorf("%d bodies for another language", n)
			}
		})
	}
}
