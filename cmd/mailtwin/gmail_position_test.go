package main

import (
	"regexp"
	"strings"
	"testing"

	"mailtwin/imap/imaptest/gimap"
	"mailtwin/state"
)

// A change that HIGHESTMODSEQ told of before it could be seen is found some time later, by one more question; then no more
// are asked.
func TestF12SeenLater(t *testing.T) {
	w := filledGmail(t, 12)
	w.g.Set(func(o *gimap.Options) { o.ModSeqAhead = 9 }) // as much as one change
	w.syncs("first")
	w.g.Set(func(o *gimap.Options) { o.ModSeqAhead = 0 })
	w.web.Flag(w.ids[7], []string{`\Seen`}, nil)
	w.g.ResetCounters()
	w.want(0, "", "", "sync")
	if got := w.commands(); len(got) != 1 {
		t.Errorf("at once: %q", got)
	}
	w.minutesPass()
	w.syncs("minutes later")
	w.agree("minutes later")
	w.minutesPass()
	if got := w.syncs("after that"); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// What was trashed raises HIGHESTMODSEQ for good, and is seen nowhere: it costs one more question, not one in each run.
func TestF12NeverSeen(t *testing.T) {
	w := filledGmail(t, 12)
	w.syncs("first")
	w.web.Trash(w.ids[3])
	w.syncs("trashed")
	w.minutesPass()
	if got := strings.Join(w.syncs("minutes later"), "\n"); strings.Count(got, "FETCH") != 1 {
		t.Errorf("%s", got)
	}
	w.minutesPass()
	if got := w.syncs("after that"); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// minutesPass makes what is on record of HIGHESTMODSEQ older.
func (w *gmailWorld) minutesPass() {
	w.Helper()
	ledger, err := state.Open(w.Context(), w.state(), state.Options{})
	w.must(err)
	settings, err := ledger.Settings()
	w.must(err)
	position := regexp.MustCompile(`"t":[1-9]\d+`).ReplaceAllString(settings[settingGmail], `"t":1000000000`)
	w.must(ledger.PutSettings(map[string]string{settingGmail: position}))
	w.must(ledger.Close())
}

// A mailbox that cannot be opened, in a first run or in a later one, does not have All Mail listed in each run. When it can
// be opened again, what happened there meanwhile is found.
func TestGmailLeftBehind(t *testing.T) {
	for _, first := range []bool{true, false} {
		w := filledGmail(t, 24)
		refuse := func() {
			w.g.Fault(gimap.Fault{Verb: "SELECT", Folder: "Work", Times: -1, Answer: "NO System Error (Failure)"})
		}
		if first {
			refuse()
		} else {
			w.syncs("first")
			refuse()
			w.deliver(gmMail(100), "Work")
		}
		w.run("sync")
		w.g.ResetCounters()
		w.web.Flag(w.ids[7], []string{`\Seen`}, nil) // in Work, too
		w.run("sync")
		if got := strings.Join(w.commands(), "\n"); strings.Contains(got, "FETCH 1:* (UID X-GM-MSGID FLAGS") || !strings.Contains(got, "CHANGEDSINCE") {
			t.Errorf("all is listed again, or nothing is asked:\n%s", got)
		}
		w.run("sync")
		w.g.ClearFaults()
		w.run("sync", "--retry")
		w.agree("it can be opened again")
		if got := w.syncs("after that"); len(got) != 1 {
			t.Errorf("%q", got)
		}
	}
}
