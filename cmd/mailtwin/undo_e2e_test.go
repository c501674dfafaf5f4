package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/mailbox"
	"mailtwin/state"
)

// run runs a verb to its end.
func (w *twin) run(verb string, args ...string) outcome {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	_, wait := w.start(ctx, verb, args...)
	return wait()
}

// lastRun is the number of the last run that did something.
func (w *twin) lastRun() uint64 {
	w.Helper()
	return w.runs()[0].Run
}

func (w *twin) runs() []mailbox.Outcome {
	w.Helper()
	ledger, err := state.OpenReadOnly(w.dir + "/state.db")
	w.must(err)
	runs, err := ledger.Runs(context.Background())
	w.must(err)
	w.must(ledger.Check())
	w.must(ledger.Close())
	return runs
}

// undo undoes a run, which has to go well.
func (w *twin) undo(run uint64) outcome {
	w.Helper()
	o := w.run("undo", "--yes", fmt.Sprint(run))
	if o.code != 0 {
		w.Fatalf("undo %d: %v", run, o)
	}
	return o
}

// A sight is both sides at one moment.
type sight struct{ far, near imaptest.View }

func (w *twin) sight() sight {
	w.Helper()
	far, near := w.views()
	return sight{far, near}
}

// wantAgain wants both sides to be as they were, by mailbox, SHA-256, flags and dates.
func (w *twin) wantAgain(when string, was sight) {
	w.Helper()
	is := w.sight()
	for name, views := range map[string][2]imaptest.View{
		"the server": {was.far, is.far}, "the Maildir": {was.near, is.near}, "the server and the Maildir": {is.far, is.near},
	} {
		diff := append(imaptest.Diff(views[0], views[1]), imaptest.DiffDates(views[0], views[1])...)
		if len(diff) > 0 {
			w.Fatalf("%s: %s: %d differences (far is what was):\n%s", when, name, len(diff), head(diff))
		}
	}
}

// newUndoTwin has n messages in INBOX and some in Work, with flags and keywords, and a Trash, all of it synced.
func newUndoTwin(t tester, s server, n int) *twin {
	w := newTwin(t, s)
	for _, name := range []string{"Work", "Work/2024", "Trash"} {
		w.must(w.account.Create(name))
	}
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for i, m := range imaptest.Sample(n+n/4, 77, imaptest.CorpusOptions{MaxSize: 30_000}) {
		m.Flags = nil
		for _, flag := range []string{`\Seen`, `\Flagged`, `\Answered`, "$Forwarded", "work", "later"} {
			if rng.IntN(3) == 0 {
				m.Flags = append(m.Flags, flag)
			}
		}
		box := "INBOX"
		if i >= n {
			box = "Work"
		}
		_, err := w.account.Append(box, m)
		w.must(err)
		if i%20 == 0 { // the same once more, which is another message
			_, err := w.account.Append(box, m)
			w.must(err)
		}
	}
	w.sync()
	return w
}

// A run that removed most of the mail here is taken back: both sides are as they were.
func TestUndoRemovedHere(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	w := newUndoTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: imaptest.All, delete: "trash"}, 600)
	was := w.sight()
	var uids []uint32
	inbox := was.far.In("INBOX")
	for _, c := range inbox[:500] {
		uids = append(uids, c.UID)
	}
	w.must(w.account.Expunge("INBOX", uids...))
	w.must(w.account.Delete("Work"))
	w.sync("--allow-delete", "test")
	run := w.lastRun()
	if n := len(w.sight().near.Copies); n > 200 {
		t.Fatalf("%d messages are there", n)
	}
	w.wantIdle("after the removal")

	o := w.run("undo", "--dry-run", fmt.Sprint(run))
	for _, want := range []string{"test: INBOX: 500 to put back from the attic", "test: Work: mailbox to make again", "test: dry run, nothing was changed"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in: %v", want, o)
		}
	}
	if o := w.run("undo", fmt.Sprint(run)); o.code != exitUsage || !strings.Contains(o.stderr, "no terminal to ask on") {
		t.Errorf("without a terminal: %v", o)
	}
	w.wantIdle("after nothing was undone")
	w.undo(run)
	w.wantAgain("undone", was)
	w.wantIdle("after undo")
	for _, again := range []uint64{run, w.lastRun()} { // twice, and an undo undone
		if o := w.undo(again); !strings.Contains(o.stdout, "nothing to undo") {
			t.Errorf("undo %d: %v", again, o)
		}
	}
	w.wantAgain("undone twice", was)
}

// A run that carried removals, moves, flags and a rename from the Maildir to the server is taken back.
func TestUndoDoneHere(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.Bare} {
		t.Run(profile.Name, func(t *testing.T) {
			w := newUndoTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile, delete: "trash"}, 300)
			was := w.sight()
			w.mess()
			w.sync("--allow-delete", "test")
			run := w.lastRun()
			w.wantIdle("after the mess")
			o := w.undo(run)
			if !strings.Contains(o.stdout, fmt.Sprintf("test: run %d is undone\n", run)) {
				t.Errorf("%v", o)
			}
			w.wantAgain("undone", was)
			w.wantIdle("after undo")
			w.undo(run)
			w.wantAgain("undone twice", was)
		})
	}
}

// mess moves, flags and removes messages in the Maildir, and renames a mailbox.
func (w *twin) mess() {
	w.Helper()
	inbox, err := w.tree.Messages("INBOX")
	w.must(err)
	for i, c := range inbox {
		switch {
		case i < 100:
			w.must(w.tree.Remove(c))
		case i < 150:
			_, err = w.tree.Move(c, "Work/2024", i%2 == 0)
			w.must(err)
		case i < 250:
			flags := strings.Fields(c.Flags)
			add, take := []string{`\Seen`, "work"}, []string{`\Flagged`, "later"}
			if slices.Contains(flags, `\seen`) {
				add, take = take, add
			}
			_, err = w.tree.Flag(c, add, take)
			w.must(err)
		}
	}
	w.must(w.tree.Rename("Work", "Job"))
}

// Killed at random moments, an undo is run again until it is done. What comes of it is what comes of one that was left
// alone, and nothing is doubled.
func TestUndoKilled(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	w := newUndoTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: imaptest.All, delete: "trash"}, 300)
	rng := rand.New(rand.NewPCG(9, 9))
	killed := 0
	took := time.Duration(0)
	for round := range size(3, 60) {
		was := w.sight()
		if round%2 == 0 {
			w.mess()
		} else {
			var uids []uint32
			for _, c := range was.far.In("INBOX")[:100] {
				uids = append(uids, c.UID)
			}
			w.must(w.account.Expunge("INBOX", uids...))
			w.must(w.account.Delete("Work"))
		}
		w.sync("--allow-delete", "test")
		run := w.lastRun()
		for try := 0; took > 0 && try < 4; try++ {
			ctx, cancel := context.WithCancel(context.Background())
			cmd, wait := w.start(ctx, "undo", "--yes", fmt.Sprint(run))
			timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { _ = cmd.Process.Kill() })
			o := wait()
			timer.Stop()
			cancel()
			if o.code < 0 {
				killed++
				t.Logf("round %d: killed after %v: %s", round, o.took, o.stderr)
			}
			if rng.IntN(2) == 0 { // cron does not wait for anybody
				if o := w.try(); o.code != 0 && o.code != exitBrake {
					t.Fatalf("%v", o)
				}
			}
		}
		took = max(took, w.undo(run).took)
		w.wantAgain(fmt.Sprintf("round %d", round), was)
		w.sync() // for the one that was killed last may have left nothing to undo
		w.wantIdle("after undo")
	}
	t.Logf("%d killed", killed)
}

// What was changed again since is left alone, and said so.
func TestUndoLeavesAloneWhatChangedSince(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	w := newUndoTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: imaptest.All, delete: "trash"}, 60)
	was := w.sight()
	inbox := was.near.In("INBOX")
	find := func(sum [32]byte, box string) imaptest.Copy {
		t.Helper()
		for _, c := range w.sight().near.In(box) {
			if c.Sum == sum {
				return c
			}
		}
		t.Fatalf("%x is not in %s", sum[:4], box)
		return imaptest.Copy{}
	}
	unique := slices.DeleteFunc(slices.Clone(inbox), func(c imaptest.Copy) bool { return was.near.Count()[c.Sum] > 1 })
	w.must(w.tree.Remove(unique[0]))
	w.must(w.tree.Remove(unique[1]))
	for _, c := range unique[2:5] {
		_, err := w.tree.Move(c, "Work/2024", true)
		w.must(err)
	}
	for _, c := range unique[5:8] {
		_, err := w.tree.Flag(c, []string{"ours"}, nil)
		w.must(err)
	}
	w.sync()
	run := w.lastRun()

	_, err := w.tree.Move(find(unique[0].Sum, "Trash"), "Work", true) // taken out of the Trash by hand
	w.must(err)
	_, err = w.tree.Move(find(unique[2].Sum, "Work/2024"), "Work", true) // moved on
	w.must(err)
	w.must(w.tree.Remove(find(unique[3].Sum, "Work/2024")))
	_, err = w.tree.Flag(find(unique[5].Sum, "INBOX"), nil, []string{"ours"})
	w.must(err)
	w.sync()
	_, err = w.tree.Flag(find(unique[5].Sum, "INBOX"), []string{"ours"}, nil)
	w.must(err)
	_, err = w.tree.Move(find(unique[1].Sum, "Trash"), "INBOX", true) // put back by hand, and not synced yet
	w.must(err)
	w.sync()
	o := w.undo(run)
	for _, want := range []string{
		fmt.Sprintf("INBOX: 2 left alone: run %d moved it to \"Work\"", run+1), "INBOX: 1 left alone: run 3 removed it again",
		"INBOX: 1 left alone: run 3 changed ours again", "INBOX: 1 to move back from Work/2024, 2 to flag as before",
		"is undone but for 4 changes that were left alone",
	} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in\n%s", want, o.stdout)
		}
	}
	after := w.sight()
	for i, where := range map[int]string{0: "Work", 1: "INBOX", 2: "Work", 3: "Trash", 4: "INBOX", 5: "INBOX", 6: "INBOX", 7: "INBOX"} {
		var got []string
		for _, c := range after.near.Copies {
			if c.Sum == unique[i].Sum {
				got = append(got, c.Mailbox)
			}
		}
		if !slices.Equal(got, []string{where}) {
			t.Errorf("message %d is in %v, want %s", i, got, where)
		}
	}
	for i, want := range map[int]bool{5: true, 6: false, 7: false} {
		if c := find(unique[i].Sum, "INBOX"); strings.Contains(c.Flags, "ours") != want {
			t.Errorf("message %d: %s", i, c.Flags)
		}
	}
	if diff := imaptest.Diff(after.far, after.near); len(diff) > 0 {
		t.Errorf("%v", diff)
	}
	w.wantIdle("after undo")
}

// The history says what happened, in words and for programs.
func TestHistory(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	w := newUndoTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: imaptest.All, delete: "trash"}, 40)
	for range 3 {
		w.sync()
	}
	inbox, err := w.tree.Messages("INBOX")
	w.must(err)
	w.must(w.tree.Remove(inbox[0]))
	_, err = w.tree.Flag(inbox[1], []string{`\Seen`, "ours"}, nil)
	w.must(err)
	w.sync()
	o := w.run("history")
	for _, want := range []string{
		`(?m)^ +1 .* 0 +\d+ downloaded, 7 mailboxes made$`, `(?m)^ +2 .* 3 runs with nothing to do, the last one `,
		`(?m)^ +3 .* 0 +1 downloaded, 1 flagged on the server, 1 moved to the Trash on the server$`,
	} {
		if !regexp.MustCompile(want).MatchString(o.stdout) {
			t.Errorf("no %s in\n%s", want, o.stdout)
		}
	}
	o = w.run("history", "3", "test")
	for _, want := range []string{
		`(?m)^  INBOX: moved to the Trash on the server: ".+" from .+, \d{4}-\d\d-\d\d$`, `(?m)^  INBOX: (\+\\Seen )?\+ours on the server: "`,
	} {
		if !regexp.MustCompile(want).MatchString(o.stdout) {
			t.Errorf("no %s in\n%s", want, o.stdout)
		}
	}
	if o := w.run("history", "99"); o.code != 1 || !strings.Contains(o.stderr, "run 99: it is not in the history") {
		t.Errorf("%v", o)
	}
}
