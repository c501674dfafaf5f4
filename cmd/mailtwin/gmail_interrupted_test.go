package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest/gimap"
)

// F1, F4, F9: whatever command a sync is at when Gmail throttles it, ends the session, or drops the connection, the same run
// goes on and does all that there is to do, each of it once. Where a change was refused, or may have been made before the
// connection dropped, it may leave the rest to the next run.
func TestGmailInterrupted(t *testing.T) {
	kinds := []struct {
		name  string
		fault gimap.Fault
	}{
		{"throttled", gimap.Fault{Delay: time.Millisecond, Suffix: " [THROTTLED]", Times: 3}},
		{"refused for being too fast", gimap.Fault{Answer: "NO Command too fast", Suffix: " [THROTTLED]"}},
		{"session expired before", gimap.Fault{At: gimap.AtCommand}},
		{"session expired after", gimap.Fault{At: gimap.AfterDoing}},
		{"cut before", gimap.Fault{Cut: gimap.AtCommand}},
		{"cut after", gimap.Fault{Cut: gimap.AfterDoing}},
		{"cut before the answer", gimap.Fault{Cut: gimap.BeforeTag}},
	}
	changes := map[string]bool{"APPEND": true, "COPY": true, "MOVE": true, "CREATE": true, "STORE": true}
	for i, verb := range busyWith(t) {
		for k, kind := range kinds {
			if (i+k)%size(len(kinds), 1) != 0 {
				continue
			}
			t.Run(verb+" "+kind.name, func(t *testing.T) {
				t.Parallel()
				w := busyGmail(t)
				f := kind.fault
				if f.Verb = verb; f.At != 0 {
					f.Web = func(*gimap.Web) { w.g.EndSessions() }
				}
				w.g.Fault(f)
				status := w.runs(kind.name)
				later := status == 4 && strings.Contains(w.stderr, "run again later") && changes[verb] && !strings.HasPrefix(kind.name, "session")
				if status != 0 && !later {
					t.Errorf("exit status %d\n%s", status, w.stderr)
				}
				w.g.ClearFaults()
				if status := w.runs("afterwards"); status != 0 { // an upload may be seen on Gmail only then
					t.Errorf("afterwards: exit status %d\n%s", status, w.stderr)
				}
				w.agree("afterwards")
				w.wantOnce("afterwards")
				if got := w.far(20); got != "All INBOX Work" {
					t.Errorf("what is new here is in %q", got)
				}
				w.want(0, "nothing to do", "", "sync", "-n")
				if t.Failed() {
					t.Log(strings.Join(w.commands(), "\n"))
				}
			})
		}
	}
}

// busyWith are the verbs of the commands that a sync of busyGmail needs.
func busyWith(t *testing.T) []string {
	w := busyGmail(t)
	w.syncs("undisturbed")
	verbs := []string{"LOGIN"}
	for verb := range w.g.Counters().Verbs {
		if verb != "CAPABILITY" && verb != "AUTHENTICATE" {
			verbs = append(verbs, verb)
		}
	}
	slices.Sort(verbs)
	for _, must := range []string{"APPEND", "COPY", "CREATE", "FETCH", "LIST", "MOVE", "SELECT", "STORE"} {
		if !slices.Contains(verbs, must) {
			t.Fatalf("the sync has no %s: %q", must, verbs)
		}
	}
	return verbs
}

// busyGmail is synced, and then much happens on both sides.
func busyGmail(t *testing.T) *gmailWorld {
	w := filledGmail(t, 12)
	w.syncs("first")
	w.deliver(gmMail(30), `\Inbox`, "Home")
	w.web.Flag(w.ids[7], []string{`\Seen`}, nil)
	w.web.Label(w.ids[9], nil, []string{`\Inbox`})
	w.does(3, "here flag INBOX FS, here rm Work")
	w.does(5, "here mv INBOX Work")
	w.does(20, "here new INBOX Work")
	w.does(6, "here mkdir Later, here cp Work Later")
	w.does(2, "here rm Work All")
	return w
}

// F3: where Gmail allows fewer connections than are asked for, as it does beside other programs, a sync makes do with them.
func TestGmailFewConnections(t *testing.T) {
	for allowed := 1; allowed < 4; allowed++ {
		t.Run(fmt.Sprint(allowed), func(t *testing.T) {
			w := busyGmail(t)
			w.g.Set(func(o *gimap.Options) { o.Connections = allowed })
			w.syncs("with few connections")
			w.want(0, "nothing to do", "", "sync", "-n")
		})
	}
}
