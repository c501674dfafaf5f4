package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mailtwin/imap/imaptest"
)

// TestUndoHistories lets a mail program on one side do what it likes between two syncs, and undoes the second one: all that
// was there before is there again, in its mailbox and with its flags, and what came since is there, too.
func TestUndoHistories(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range imaptest.Profiles {
		t.Run(profile.Name, func(t *testing.T) {
			withChecks(t, size(3, 100), func(rt *rapid.T) {
				s := server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile, delete: "trash"}
				h := &history{twin: newTwin(rt, s), draw: rt, corpus: imaptest.Sample(200, 30, imaptest.CorpusOptions{MaxSize: 20_000})}
				h.sync()
				h.touched, h.deleted = map[[32]byte]*[2]deeds{}, map[string][][32]byte{}
				for range 8 {
					h.operate(0)
				}
				h.sync()
				for range rapid.IntRange(1, 4).Draw(rt, "epochs") {
					h.undoneEpoch(rapid.IntRange(1, 8).Draw(rt, "operations"))
				}
				h.sync()
				h.wantIdle("at the end")
			})
		})
	}
}

func (h *history) undoneEpoch(operations int) {
	h.Helper()
	was, run := h.sight(), h.lastRun()
	side := rapid.IntRange(0, 1).Draw(h.draw, "side")
	h.touched, h.deleted = map[[32]byte]*[2]deeds{}, map[string][][32]byte{}
	for range operations {
		h.operate(side)
	}
	far, near := h.views()
	h.sync("--allow-delete", "test")
	after, _ := h.views()
	if now := h.lastRun(); now == run || h.runs()[0].Idle() {
		return // nothing to be done
	}
	o := h.run("undo", "--yes", fmt.Sprint(h.lastRun()))
	if o.code != 0 && o.code != 1 {
		h.Fatalf("undo: %v", o)
	}
	is := h.sight()
	if diff := imaptest.Diff(is.far, is.near); len(diff) > 0 {
		h.Fatalf("the sides differ (side %d):\n%s\n%v", side, head(diff), o)
	}
	_, _ = far, near
	for _, v := range []struct{ was, is imaptest.View }{{was.far, is.far}, {was.near, is.near}} {
		var lines []string
		for _, line := range imaptest.Diff(v.was, v.is) {
			if strings.HasPrefix(line, "far only") && !strings.Contains(line, "far only: Trash ") {
				lines = append(lines, line)
			}
		}
		if len(lines) > 0 {
			h.Fatalf("not undone (side %d):\n%s\n%v\nafter the sync: %v", side, head(lines), o, imaptest.Diff(v.was, after))
		}
	}
	count, before := is.far.Count(), was.far.Count()
	for sum := range after.Count() {
		if before[sum] == 0 && count[sum] == 0 {
			h.Fatalf("%x came and was lost", sum[:4])
		}
	}
	for sum, n := range count { // nothing is doubled
		if before[sum] > 0 && n > before[sum] && !slices.ContainsFunc(after.Copies, func(c imaptest.Copy) bool {
			return c.Sum == sum && h.touched[sum] != nil && h.touched[sum][side].adds > 0
		}) {
			h.Fatalf("%x was there %d times, and is %d times: %s\n%v", sum[:6], before[sum], n, places(is.far, sum), o)
		}
	}
}
