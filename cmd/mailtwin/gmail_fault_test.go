package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap"
	"mailtwin/imap/imaptest/gimap"
)

// TestGmailFaults lets random things happen on both sides while everything goes wrong that is known to go wrong with Gmail,
// F1 to F19: each run ends soon, with the right exit status, and says why. When all is well again, the sides agree, and
// nothing was lost, doubled, or downloaded again that was here already.
func TestGmailFaults(t *testing.T) {
	gmSeeds(t, size(12, 1500), func(t *testing.T, seed uint64) {
		h := newGmHistory(t, seed)
		if h.rng.IntN(2) == 0 {
			h.line("connections = 1") // then a seed does the same each time
		}
		for round := range 3 {
			h.acts(h.rng.IntN(6))
			h.suffers(fmt.Sprintf("round %d, with faults", round))
			if t.Failed() {
				return
			}
			h.calm()
			if round == 1 {
				h.acts(h.rng.IntN(3))
			}
			if !h.recovers(fmt.Sprintf("round %d", round)) {
				return
			}
		}
	})
}

// A gmFault is one kind of thing that goes wrong.
type gmFault struct {
	name string
	// plan plants it.
	plan func(h *gmHistory)
	// status are the exit statuses that it may lead to, beside 0. A run that meets something that is refused for a single
	// message or mailbox ends with 1, one that was cut off or locked out with 4.
	status []int
}

// gmFaults are all kinds.
var gmFaults = []gmFault{
	{"F1 throttled", (*gmHistory).throttled, []int{4}},
	{"F2 quota, BYE", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(3), Before: "* BYE [OVERQUOTA] Account exceeded command or bandwidth limits.", Cut: gimap.AtCommand})
	}, []int{4}},
	{"F2 quota, NO", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(3), Answer: "NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)"})
	}, []int{4}},
	{"F2 quota, login", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: "LOGIN", Nth: h.rng.IntN(2), Answer: "NO [ALERT] Account exceeded command or bandwidth limits. (Failure)"})
	}, []int{4}},
	{"F2 quota, after some octets", func(h *gmHistory) {
		h.g.Set(func(o *gimap.Options) {
			o.QuotaDown, o.QuotaAnswer = int64(1+h.rng.IntN(8000)), gimap.QuotaAnswer(h.rng.IntN(2))
			if h.rng.IntN(2) == 0 {
				o.QuotaDown, o.QuotaUp = 0, int64(1+h.rng.IntN(2000))
			}
		})
	}, []int{4}},
	{"F3 few connections", func(h *gmHistory) { h.g.Set(func(o *gimap.Options) { o.Connections = 1 + h.rng.IntN(2) }) }, nil},
	{"F4 session expired", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(3), Times: 1 + h.rng.IntN(2), Web: func(*gimap.Web) { h.g.EndSessions() }, At: h.point()})
	}, []int{4}},
	{"F5 some not fetched", func(h *gmHistory) {
		h.again = true // what was just uploaded, and cannot be looked at
		h.g.Fault(gimap.Fault{Verb: "FETCH", Nth: h.rng.IntN(4), Times: 1 + h.rng.IntN(3), Lose: []uint32{h.uid(), h.uid()}})
	}, []int{1}},
	{"F6 system error", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: "FETCH", UID: h.uid(), Times: -1, Answer: pick(h, []string{"NO System Error (Failure)", "NO [UNAVAILABLE] Temporary System Problem (Failure)"})})
	}, []int{1, 4}},
	{"F6 system error of a command", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(3), Answer: pick(h, []string{"NO System Error (Failure)", "NO [UNAVAILABLE] Temporary System Problem (Failure)"})})
	}, []int{1, 3, 4}},
	{"F7 no body", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: "FETCH", Nth: h.rng.IntN(6), Times: 1 + h.rng.IntN(4), Body: pick(h, []string{"nil", "absent", "empty"})})
	}, []int{1}},
	{"F7 items left out", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: "FETCH", Nth: h.rng.IntN(6), Times: 1 + h.rng.IntN(4), NoItems: []string{
			pick(h, []string{"FLAGS", "RFC822.SIZE", "INTERNALDATE", "X-GM-MSGID", "X-GM-LABELS", "MODSEQ", "UID"}),
		}})
	}, []int{1, 4}},
	{"F8 wrong size", func(h *gmHistory) { h.web.WrongSize(h.message().ID, int64(h.rng.IntN(9)-4)) }, []int{1}},
	{"F9 cut", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(4), Times: 1 + h.rng.IntN(3), Cut: h.point(), Octet: h.rng.IntN(200)})
	}, []int{4}},
	{"F9 cut after doing", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: pick(h, []string{"APPEND", "MOVE", "COPY", "STORE", "EXPUNGE", "CREATE", "RENAME", "DELETE"}), Times: 1 + h.rng.IntN(2), Cut: gimap.AfterDoing})
	}, []int{4}},
	{"F10 stall", func(h *gmHistory) {
		h.tune = func(o *imap.Options) { o.Pause, o.Timeout, o.Tries = time.Millisecond, 200*time.Millisecond, 3 }
		h.g.Fault(gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(4), Stall: h.point(), Octet: h.rng.IntN(200)})
	}, []int{4}},
	{"F11 half answers", func(h *gmHistory) { h.g.Fault(gimap.Fault{Verb: "FETCH", Times: -1, Noise: true}) }, nil},
	{"F12 seen late", func(h *gmHistory) {
		h.g.Set(func(o *gimap.Options) { o.Lag = time.Duration(h.rng.IntN(100)) * time.Millisecond })
	}, nil},
	{"F12 MODSEQ 0", func(h *gmHistory) { h.g.Set(func(o *gimap.Options) { o.ZeroModSeq = true }) }, nil},
	{"F12 HIGHESTMODSEQ ahead", func(h *gmHistory) { h.g.Set(func(o *gimap.Options) { o.ModSeqAhead = uint64(h.rng.IntN(300)) }) }, nil},
	{"F12 HIGHESTMODSEQ behind", func(h *gmHistory) { h.g.Set(func(o *gimap.Options) { o.ModSeqBehind = uint64(h.rng.IntN(30000)) }) }, nil},
	{"F13 renumbered", func(h *gmHistory) {
		h.forgets()
		h.renumbers(h.web)
	}, []int{4}}, // uploads wait if All Mail does not answer, too
	{"F13 renumbered in between", func(h *gmHistory) {
		h.forgets()
		h.g.Fault(gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(4), Web: h.renumbers, At: h.point()})
	}, []int{1, 4}},
	{"F14 All Mail hidden", func(h *gmHistory) {
		h.outOfSight()
		h.web.Hide(gmAll)
	}, []int{1, 5}},
	{"F15 illegal flags", func(h *gmHistory) {
		h.g.Set(func(o *gimap.Options) {
			o.ExtraFlags = []string{"OIB-Seen-[Gmail]/Tous les messages", "a]b", `\Odd`, "%"}
		})
	}, nil},
	{"F16 login refused", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: "LOGIN", Nth: h.rng.IntN(2), Times: 1 + h.rng.IntN(2), Before: pick(h, []string{"", "* NO [WEBALERT https://accounts.google.com/signin/continue?x=1] Web login required."}), Answer: pick(h, []string{
			"NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)",
			"NO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)",
			"NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)",
			"NO Lookup failed abc",
		})})
	}, []int{3}},
	{"F17 no APPENDUID, no COPYUID", func(h *gmHistory) {
		h.g.Fault(gimap.Fault{Verb: pick(h, []string{"APPEND", "COPY", "MOVE"}), Times: -1, Bare: true})
	}, nil},
	{"F18 keyword dropped", func(h *gmHistory) { h.g.Set(func(o *gimap.Options) { o.DropKeywords = []string{"$Forwarded"} }) }, nil},
	{"F19 no STATUS", func(h *gmHistory) {
		names := []string{pick(h, h.g.Folders()).Name, pick(h, h.g.Folders()).Name}
		h.g.Set(func(o *gimap.Options) { o.NoStatus = names })
	}, nil},
	{"E29 somebody else", (*gmHistory).meddles, nil},
}

// verb picks a command that goes wrong.
func (h *gmHistory) verb() string {
	return pick(h, []string{"", "LIST", "SELECT", "FETCH", "FETCH", "SEARCH", "STORE", "COPY", "MOVE", "APPEND", "EXPUNGE", "CREATE", "RENAME", "DELETE", "UNSELECT", "LOGIN"})
}

func (h *gmHistory) point() gimap.Point {
	return pick(h, []gimap.Point{gimap.AtCommand, gimap.AfterDoing, gimap.BeforeLiteral, gimap.InLiteral, gimap.AtOctet, gimap.BeforeTag})
}

func (h *gmHistory) uid() uint32 { return uint32(1 + h.rng.IntN(14)) }

// throttled slows some commands down, which say so.
func (h *gmHistory) throttled() {
	f := gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(3), Times: 1 + h.rng.IntN(3), Delay: time.Millisecond, Suffix: " [THROTTLED]"}
	if h.rng.IntN(3) == 0 {
		f.Answer = "NO Too fast"
	}
	h.g.Fault(f)
}

// forgets notes what is in Trash or Spam before mailboxes are renumbered. Where it was, nobody can tell then that the file here
// is not new; so it is uploaded, and is there twice if somebody restores it. What was moved here as well may be downloaded
// once more.
func (h *gmHistory) forgets() {
	h.again = true
	for _, m := range h.g.Messages() {
		if m.Trash || m.Spam {
			h.twice[gmNumber(m.Raw)] = true
		}
	}
}

// outOfSight notes what was moved here just before All Mail is hidden. Where Gmail does not show it any more, it cannot get a
// label, and is uploaded, so that it is there twice; and with delete_remote = "never", nothing puts back what was taken out of
// its directory.
func (h *gmHistory) outOfSight() {
	for n := range h.moved {
		h.gone[n], h.twice[n] = true, true
	}
}

// renumbers gives one mailbox, or all, another UIDVALIDITY.
func (h *gmHistory) renumbers(web *gimap.Web) {
	for i, f := range h.g.Folders() {
		if i%3 == 0 || f.Use == `\All` {
			web.Renumber(f.Name)
		}
	}
}

// meddles has somebody in a browser do something in the middle of a run.
func (h *gmHistory) meddles() {
	m, other := h.message(), h.message()
	l := pick(h, h.userLabels())
	h.gone[gmNumber(other.Raw)] = true
	h.g.Fault(gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(4), At: h.point(), Web: pick(h, []func(*gimap.Web){
		func(w *gimap.Web) { w.Flag(m.ID, []string{`\Seen`}, []string{`\Flagged`}) },
		func(w *gimap.Web) { w.Label(m.ID, []string{l}, nil) },
		func(w *gimap.Web) { w.Label(m.ID, nil, []string{l}) },
		func(w *gimap.Web) { w.Trash(other.ID) },
		func(w *gimap.Web) { w.Restore(other.ID) },
	})})
}

// suffers syncs while things go wrong.
func (h *gmHistory) suffers(when string) {
	h.Helper()
	allowed := map[int]bool{0: true}
	for range 1 + h.rng.IntN(3) {
		f := pick(h, gmFaults)
		f.plan(h)
		h.say("planned: %s", f.name)
		for _, s := range f.status {
			allowed[s] = true
		}
	}
	began := time.Now()
	for i := range 1 + h.rng.IntN(2) {
		status := h.runs(fmt.Sprintf("%s, run %d", when, i))
		if !allowed[status] && !h.swallowed(status, h.stderr) {
			h.Errorf("%s: exit status %d", when, status)
		}
		if status != 0 && !strings.Contains(h.stderr, "mailtwin: work: ") {
			h.Errorf("%s: exit status %d, and nothing is said", when, status)
		}
		if n := len(h.commands()); n > 1000 {
			h.Errorf("%s: %d commands", when, n)
		}
	}
	if took := time.Since(began); took > time.Minute {
		h.Errorf("%s: it took %v", when, took)
	}
}

// calm makes all well again.
func (h *gmHistory) calm() {
	h.again = false
	h.g.ClearFaults()
	h.g.NextDay()
	h.web.Show(gmAll)
	o := h.options
	h.g.Set(func(now *gimap.Options) {
		now.QuotaDown, now.QuotaUp, now.Connections, now.Lag, now.ZeroModSeq, now.ModSeqAhead, now.ModSeqBehind = 0, 0, 15, 0, false, 0, 0
		now.ExtraFlags, now.DropKeywords, now.NoStatus = o.ExtraFlags, o.DropKeywords, o.NoStatus
	})
	h.tune = func(o *imap.Options) { o.Pause = time.Millisecond }
}

// recovers syncs twice, for what is seen for the second time may have to wait for the next run, and wants all to be well.
func (h *gmHistory) recovers(when string) bool {
	h.Helper()
	h.runs(when+", recovering", "--retry", "--allow-delete")
	return h.settles(when, "--retry")
}

var _ = slices.Contains[[]int]
