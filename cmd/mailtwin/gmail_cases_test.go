package main

import (
	"os"
	"strings"
	"testing"

	"mailtwin/imap/imaptest/gimap"
)

// TestGmailCases has one thing happen after a first sync, in which something goes wrong. Then a run ends with a status, and
// the next one finds all well: each of these was met by a history, and went wrong once.
func TestGmailCases(t *testing.T) {
	seen := func(w *gmailWorld) { w.web.Flag(w.ids[7], []string{`\Seen`}, []string{`\Flagged`}) }
	set := func(change func(*gimap.Options)) func(*gmailWorld) { return func(w *gmailWorld) { w.g.Set(change) } }
	plan := func(f gimap.Fault) func(*gmailWorld) { return func(w *gmailWorld) { w.g.Fault(f) } }
	renumber := func(w *gmailWorld) {
		for _, f := range w.g.Folders() {
			w.web.Renumber(f.Name)
		}
	}
	startsAnew := func(w *gmailWorld) {
		w.must(os.RemoveAll(w.maildir()))
		w.must(os.Remove(w.state()))
		w.want(0, "", "", "sync")
	}
	for _, tt := range []struct {
		name   string
		do     []func(*gmailWorld)
		status int
		stderr string
	}{
		{"messages without MODSEQ", []func(*gmailWorld){set(func(o *gimap.Options) { o.ZeroModSeq = true }), seen}, 0, ""},
		{"HIGHESTMODSEQ was ahead in a first sync, and is right again", []func(*gmailWorld){
			set(func(o *gimap.Options) { o.ModSeqAhead = 500 }), startsAnew, set(func(o *gimap.Options) { o.ModSeqAhead = 0 }),
			func(w *gmailWorld) { w.want(0, "", "", "sync") }, seen,
		}, 0, ""},
		{"HIGHESTMODSEQ was ahead, and is right again after as many changes", []func(*gmailWorld){
			set(func(o *gimap.Options) { o.ModSeqAhead = 20 }), startsAnew, set(func(o *gimap.Options) { o.ModSeqAhead = 0 }),
			func(w *gmailWorld) {
				for i := range 3 { // each is 9 more
					w.web.Flag(w.ids[i+2], []string{`\Seen`}, nil)
				}
			},
		}, 0, ""},
		{"HIGHESTMODSEQ falls behind", []func(*gmailWorld){seen, set(func(o *gimap.Options) { o.ModSeqBehind = 700 })}, 0, ""},
		{"a mailbox without STATUS", []func(*gmailWorld){set(func(o *gimap.Options) { o.NoStatus = []string{"Work", "Home"} }), seen}, 0, ""},
		{"All Mail without STATUS", []func(*gmailWorld){set(func(o *gimap.Options) { o.NoStatus = []string{gmAll} }), seen}, 0, ""},
		{"an answer without FLAGS", []func(*gmailWorld){seen, plan(gimap.Fault{Verb: "FETCH", NoItems: []string{"FLAGS"}})}, 0, ""},
		{"an answer without X-GM-MSGID", []func(*gmailWorld){seen, plan(gimap.Fault{Verb: "FETCH", NoItems: []string{"X-GM-MSGID"}})}, 0, ""},
		{"All Mail never tells flags", []func(*gmailWorld){seen, plan(gimap.Fault{Verb: "FETCH", Folder: gmAll, Times: -1, NoItems: []string{"FLAGS"}})}, 0, ""},
		{"All Mail cannot be listed", []func(*gmailWorld){
			seen, plan(gimap.Fault{Verb: "FETCH", Folder: gmAll, Times: -1, Answer: "NO Some messages could not be FETCHed (Failure)"}),
		}, 1, `"[Gmail]/All Mail": list the messages: NO Some messages could not be FETCHed (Failure)`},
		{"a system error at the login", []func(*gmailWorld){seen, plan(gimap.Fault{Verb: "LOGIN", Answer: "NO System Error (Failure)"})}, 0, ""},
		{"a login refused in between", []func(*gmailWorld){
			func(w *gmailWorld) {
				w.web.Label(w.ids[7], []string{"Work/2024"}, []string{"Home"})
				w.web.Label(w.ids[3], nil, []string{"Work"})
			},
			func(w *gmailWorld) { // so that it logs in anew, however few connections it needs
				w.g.Fault(gimap.Fault{Verb: "SELECT", Folder: "Home", Web: func(*gimap.Web) { w.g.EndSessions() }, At: gimap.AtCommand})
			},
			plan(gimap.Fault{Verb: "LOGIN", Nth: 1, Times: -1, Answer: "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"}),
		}, 3, "login refused"},
		{"everything renumbered, one flag changed", []func(*gmailWorld){seen, func(w *gmailWorld) { w.web.Trash(w.ids[1]) }, renumber}, 0, ""},
		{"everything renumbered, a file copied here", []func(*gmailWorld){
			func(w *gmailWorld) { w.here(5, "cp", []string{"INBOX", "Work"}) }, func(w *gmailWorld) { w.web.Trash(w.ids[1]) }, renumber,
		}, 0, ""},
		{"everything renumbered, a file moved to where it is", []func(*gmailWorld){
			func(w *gmailWorld) { w.here(5, "mv", []string{"Home", "All"}) }, renumber,
		}, 0, ""},
		{"everything renumbered, mailboxes that do not answer, a file moved to Drafts", []func(*gmailWorld){
			func(w *gmailWorld) { w.here(5, "mv", []string{"All", "Drafts"}) }, renumber,
			plan(gimap.Fault{Verb: "FETCH", Times: -1, Answer: "NO Some messages could not be FETCHed (Failure)"}),
		}, 1, "the server numbered its mailboxes anew, and All Mail does not tell what they hold"},
		{"a label with others below is dropped, and a file copied there", []func(*gmailWorld){
			func(w *gmailWorld) { w.web.MakeLabel("Work/2024") }, func(w *gmailWorld) { w.want(0, "", "", "sync") },
			func(w *gmailWorld) { w.here(4, "cp", []string{"Home", "Work"}) }, func(w *gmailWorld) { w.web.DropLabel("Work") },
		}, 0, ""},
		{"two files of one new message in one mailbox", []func(*gmailWorld){func(w *gmailWorld) {
			w.write("INBOX", "one.x", gmMail(90))
			w.write("INBOX", "two.x", gmMail(90))
		}}, 0, ""},
		{"an upload of which nothing is told", []func(*gmailWorld){
			func(w *gmailWorld) { w.here(90, "new", []string{"INBOX", "Home", "Sent"}) },
			plan(gimap.Fault{Verb: "FETCH", Times: 2, NoItems: []string{"X-GM-MSGID"}}),
		}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := filledGmail(t, 12)
			w.web.Flag(w.ids[7], []string{`\Flagged`}, nil)
			w.syncs("first")
			for _, do := range tt.do {
				do(w)
			}
			if status := w.runs("while it goes wrong"); status != tt.status || !strings.Contains(w.stderr, tt.stderr) {
				t.Errorf("exit status %d, want %d %q\n%s", status, tt.status, tt.stderr, w.stderr)
			}
			w.g.ClearFaults()
			w.g.Set(func(o *gimap.Options) { o.ZeroModSeq, o.ModSeqBehind, o.NoStatus = false, 0, nil })
			if status := w.runs("then", "--retry"); status != 0 {
				t.Errorf("exit status %d\n%s", status, w.stderr)
			}
			w.agree("then")
			w.wantOnce("then")
			w.want(0, "nothing to do", "", "sync", "-n")
			if t.Failed() {
				t.Logf("%s\n%s", strings.Join(w.commands(), "\n"), w.stdout)
			}
		})
	}
}

// runs syncs, and wants nothing to be downloaded that is here.
func (w *gmailWorld) runs(when string, args ...string) (status int) {
	w.Helper()
	return w.runsWith(when, w.numbers(), args...)
}

// runsWith syncs, and wants nothing of this to be downloaded.
func (w *gmailWorld) runsWith(when string, here map[string]bool, args ...string) (status int) {
	w.Helper()
	w.g.ResetCounters()
	status = w.run(append([]string{"sync", "-v"}, args...)...)
	w.notAgain(when, here)
	return status
}

// wantOnce wants each message to be on Gmail once, Trash and Spam apart.
func (w *gmailWorld) wantOnce(when string) {
	w.Helper()
	times := map[string]int{}
	for _, m := range w.g.Messages() {
		if !m.Trash && !m.Spam {
			times[gmNumber(m.Raw)]++
		}
	}
	for n, count := range times {
		if count > 1 {
			w.Errorf("%s: %s is there %d times", when, n, count)
		}
	}
}

// A mailbox that Gmail always has can only be hidden. While All Mail is, its directory stays as it is; nothing that lies there
// is downloaded for another mailbox, and nothing when it is shown again.
func TestGmailHiddenLater(t *testing.T) {
	w := filledGmail(t, 12)
	w.syncs("first")
	w.web.Hide(gmAll)
	w.web.Label(w.ids[0], []string{"Home"}, nil) // it was in All Mail only
	w.web.Flag(w.ids[7], []string{`\Seen`}, nil)
	w.remove(3, "INBOX")
	w.want(0, "", "no All Mail is shown over IMAP", "sync")
	if n := len(w.files(gmAll)); n != 12 {
		t.Errorf("All Mail has %d files", n)
	}
	w.want(0, "nothing to do", "", "sync", "-n")
	w.web.Show(gmAll)
	w.web.Flag(w.ids[8], []string{`\Seen`}, nil)
	w.want(0, "", "", "sync")
	w.agree("shown again")
	if n := len(w.g.Counters().Bodies); n != 12 {
		t.Errorf("%d bodies in all", n)
	}
	if got := w.far(3); got != "All Work" {
		t.Errorf("taken out of INBOX while All Mail was hidden, it is in %q", got)
	}
}

// That All Mail cannot be listed in one run says nothing of what is shown: only when it is hidden is its owner told, once.
func TestGmailAllMailSilent(t *testing.T) {
	w := filledGmail(t, 12)
	w.syncs("first")
	w.web.Flag(w.ids[7], []string{`\Seen`}, nil)
	w.g.Fault(gimap.Fault{Verb: "FETCH", Folder: gmAll, Times: -1, Answer: "NO Some messages could not be FETCHed (Failure)"})
	const hidden = "is shown over IMAP"
	w.want(1, "done but for 1 problem", "each mailbox is asked for everything", "sync", "-v")
	if strings.Contains(w.stderr, hidden) {
		t.Errorf("it is shown: %s", w.stderr)
	}
	w.g.ClearFaults()
	w.want(0, "", "", "sync", "--retry")
	w.web.Hide(gmAll)
	w.want(0, "", hidden, "sync")
	w.web.Flag(w.ids[8], []string{`\Seen`}, nil)
	w.want(0, "", "", "sync")
}
