package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mailtwin/imap/imaptest/gimap"
)

// TestGmailHistories lets random things happen to mail and labels on both sides, with each delete_remote, with Trash and
// Spam synced or not, and with either side of all that is not known of Gmail: after each run the sides agree, nothing is
// lost, doubled or transferred twice, and a further run is idle.
func TestGmailHistories(t *testing.T) {
	gmSeeds(t, size(12, 2000), func(t *testing.T, seed uint64) {
		h := newGmHistory(t, seed)
		for round := range 5 {
			h.acts(h.rng.IntN(8))
			if !h.settles(fmt.Sprintf("round %d", round)) {
				return
			}
		}
	})
}

// gmSeeds runs a test for each seed, some at once, until one fails. One alone: -run 'TestGmailHistories//^17$'.
func gmSeeds(t *testing.T, n int, test func(t *testing.T, seed uint64)) {
	const lanes = 4
	for lane := range lanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			for seed := lane; seed < n && !t.Failed(); seed += lanes {
				t.Run(strconv.Itoa(seed), func(t *testing.T) { test(t, uint64(seed)) })
			}
		})
	}
}

// A gmHistory is an account to which things happen.
type gmHistory struct {
	*gmailWorld
	rng     *rand.Rand
	options gimap.Options
	policy  string
	made    int             // messages, numbered from 1
	gone    map[string]bool // by number: somebody took them away somewhere, so they need not be outside Trash and Spam
	lost    map[string]bool // they may be gone for good
	twice   map[string]bool // somebody put one into Trash or Spam, and another elsewhere
	ghost   bool            // Gmail swallowed a message
	again   bool            // something that is here may be downloaded again
	moved   map[string]bool // since the sides last agreed, somebody moved it here
	// unlabelled are those that lost a label in the browser since the sides last agreed: if somebody took a file of it away
	// here, too, there may be none left to copy from.
	unlabelled map[string]bool
	binned     map[string]bool // somebody moved it here from Trash or Spam, or to there, so that it may have become another message
	log        []string
}

// newGmHistory begins with some messages. What is not known of Gmail goes one way or the other.
func newGmHistory(t *testing.T, seed uint64) *gmHistory {
	rng := rand.New(rand.NewPCG(seed, 1))
	h := &gmHistory{
		rng: rng, options: unknownOf(rng), policy: []string{"trash", "expunge", "never"}[seed%3],
		gone: map[string]bool{}, lost: map[string]bool{}, twice: map[string]bool{},
		moved: map[string]bool{}, unlabelled: map[string]bool{}, binned: map[string]bool{},
	}
	h.gmailWorld = gmWorld(t, h.options)
	h.set("delete_remote", h.policy)
	if rng.IntN(3) == 0 {
		h.syncAlso(`\Trash`, `\Junk`)
	}
	for _, l := range []string{"Work", "Home", "Work/2024"} {
		h.web.MakeLabel(l)
	}
	for range 12 {
		h.delivers()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("delete_remote is %s, %+v\n%s", h.policy, h.options, strings.Join(h.log, "\n"))
		}
	})
	return h
}

// unknownOf takes one side of everything that nobody knows of Gmail.
func unknownOf(rng *rand.Rand) gimap.Options {
	yes := func() bool { return rng.IntN(2) == 0 }
	return gimap.Options{
		FolderModSeq: yes(), SilentLabels: yes(), KeepDeleted: yes(), Behaviour: gimap.Behaviour(rng.IntN(3)), AllMailTrash: yes(),
		Dedupe: gimap.Dedupe(rng.IntN(4)), OwnLabel: yes(), PlainTrash: yes(), FreshUID: yes(), BoxKeywords: yes(), SeesDeleted: yes(),
		SameValidity: yes(), EarlyCopyUID: yes(), SetsSent: yes(), AllMailMove: gimap.AllMailMove(rng.IntN(3)), MendsLines: yes(),
		LongLiterals: yes(), UseUnasked: yes(), UseAlone: yes(),
	}
}

func (h *gmHistory) say(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// runs syncs, and writes down how.
func (h *gmHistory) runs(when string, args ...string) (status int) {
	h.Helper()
	here := h.numbers()
	maps.DeleteFunc(here, func(n string, _ bool) bool { return h.again || h.binned[n] || h.gone[n] && h.unlabelled[n] })
	status = h.runsWith(when, here, args...)
	h.say("%s: exit status %d\n%s%s%s", when, status, strings.Join(h.commands(), "\n"), h.stdout, h.stderr)
	return status
}

// settles syncs, and judges. It returns false if it is of no use to go on.
func (h *gmHistory) settles(when string, args ...string) bool {
	h.Helper()
	status := h.runs(when, append(args, "--allow-delete")...)
	h.once(when)
	if h.swallowed(status, h.stderr) {
		h.leftAlone(when)
		return false
	}
	if status != 0 {
		h.Errorf("%s: exit status %d", when, status)
	}
	h.judge(when)
	clear(h.moved)
	clear(h.unlabelled)
	if h.run("sync", "-n", "--allow-delete"); !strings.Contains(h.stdout, "nothing to do") {
		h.Errorf("%s: not idle: %s%s", when, h.stdout, h.stderr)
	}
	return !h.Failed()
}

// swallowed tells whether a run ended as it did because Gmail made an upload one with a message that it has. It says so
// once.
func (h *gmHistory) swallowed(status int, said string) bool {
	h.ghost = h.ghost || h.options.Dedupe != gimap.NoDedupe && strings.Contains(said, "made it one with another")
	return h.ghost && status == 1
}

// judge compares the sides, and looks for what was lost or doubled.
func (h *gmHistory) judge(when string) {
	h.Helper()
	if h.policy == "never" {
		h.agreeButFor(when, h.gone)
	} else {
		h.agreeButFor(when, nil)
	}
	mail, all := map[string]int{}, map[string]int{}
	for _, m := range h.g.Messages() {
		n := gmNumber(m.Raw)
		if all[n]++; !m.Trash && !m.Spam {
			mail[n]++
		}
	}
	for i := range h.made {
		n := strconv.Itoa(i + 1)
		switch {
		case mail[n] > 1 && !h.twice[n]:
			h.Errorf("%s: %s is there %d times", when, n, mail[n])
		case mail[n] == 0 && !h.gone[n]:
			h.Errorf("%s: %s is lost", when, n)
		case all[n] == 0 && !h.lost[n]:
			h.Errorf("%s: %s is gone for good", when, n)
		}
	}
}

// leftAlone wants a message that Gmail swallowed to be kept here, told of, and never uploaded again.
func (h *gmHistory) leftAlone(when string) {
	before := nearFiles(h.T, h.maildir())
	h.g.ResetCounters()
	if status := h.run("sync", "--allow-delete"); status != 1 {
		h.Errorf("%s: exit status %d, want 1", when, status)
	}
	if n := h.g.Counters().Verbs["APPEND"]; n > 0 || !maps.Equal(before, nearFiles(h.T, h.maildir())) {
		h.Errorf("%s: uploaded again %d times, or the Maildir changed", when, n)
	}
}

// agreeButFor wants the Maildir to hold what Gmail has, but for messages that may be missing here. Keywords that belong to a
// mailbox are not compared: a message that gets a label has none there.
func (h *gmHistory) agreeButFor(when string, missing map[string]bool) {
	h.Helper()
	want, got := h.wanted(), nearFiles(h.T, h.maildir())
	if h.options.BoxKeywords {
		want, got = withoutKeywords(want), withoutKeywords(got)
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		words := strings.Split(k, " ")
		if got[k] != want[k] && (got[k] > want[k] || !missing[words[len(words)-2]]) {
			h.Errorf("%s: %q: %d on Gmail, %d here", when, k, want[k], got[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if want[k] == 0 {
			h.Errorf("%s: %q: %d here, none on Gmail", when, k, got[k])
		}
	}
}

func withoutKeywords(files map[string]int) map[string]int {
	plain := map[string]int{}
	for k, n := range files {
		at := strings.LastIndexByte(k, ' ')
		plain[k[:at]+strings.ReplaceAll(k[at:], "P", "")] += n
	}
	return plain
}
