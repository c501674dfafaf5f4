package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

var backupCases = []struct{ name, last, far, near, want string }{
	{name: "new on the server", far: "7,S", want: "download 7"},
	{name: "new here", near: "a~X", want: "leave =a"},
	{name: "new on both, the same", far: "7,S~X", near: "a,F~X", want: "pair 7=a,S"},
	{name: "read there", last: "7=a", far: "7,S", near: "a", want: "flag 7=a,S"},
	{name: "read here", last: "7=a", far: "7", near: "a,S", want: "flag 7=a"},
	{name: "read here, starred there", last: "7=a", far: "7,F", near: "a,S", want: "flag 7=a,F"},
	{name: "deleted there", last: "7=a", near: "a", want: "leave 7=a"},
	{name: "deleted here", last: "7=a~X", far: "7", want: "download 7"},
	{name: "deleted here, the same elsewhere", last: "7=a~X 8=b~X", far: "7 8", near: "b", want: "copy A/b to A on near"},
	{name: "deleted on both", last: "7=a", want: "forget 7=a"},
	{name: "renamed by a mail program", last: "7=a,S~X", far: "7,S", near: "b,S~X", want: "pair 7=b,S"},
	{name: "moved there", last: "7=a~X |", far: "| 3,S~X", near: "a |", want: "move A/a to B on near"},
	{name: "moved here", last: "7=a~X |", far: "7 |", near: "| b~X", want: "copy B/b to A on near; leave =b"},
	{name: "left, and left alone", last: "=a", near: "a"},
	{name: "left, and read", last: "=a", near: "a,S", want: "leave =a"},
	{name: "left, then removed here", last: "=a", want: "forget =a"},
	{name: "left, and back there", last: "=a~X", far: "9,S~X", near: "a", want: "pair 9=a,S"},
	{name: "left, and back in another mailbox", last: "=a~X |", far: "| 9~X", near: "a |", want: "copy A/a to B on near"},
	{name: "another UID", last: "7=a~X", far: "9,S~X", near: "a", want: "rekey 9=a,S"},
}

var transferCases = []struct{ name, last, far, near, want string }{
	{name: "new there", far: "7,S", want: "download 7"},
	{name: "only here", near: "1~X", want: "leave =1"},
	{name: "on both", far: "7,S~X", near: "1,F~X", want: "pair 7=1,S"},
	{name: "read there", last: "7=1", far: "7,S", near: "1", want: "flag 7=1,S"},
	{name: "read here", last: "7=1", far: "7", near: "1,S"},
	{name: "read here, starred there", last: "7=1", far: "7,F", near: "1,S", want: "flag 7=1,F"},
	{name: "deleted there", last: "7=1", near: "1", want: "leave 7=1"},
	{name: "deleted here", last: "7=1~X", far: "7", want: "keep 7"},
	{name: "deleted here, and back", last: "7=-~X", far: "7", near: "2~X", want: "flag 7=2"},
	{name: "moved there", last: "7=1~X |", far: "| 3~X", near: "1 |", want: "move A/1 to B on near"},
}

func TestPlanBackup(t *testing.T) {
	for _, tt := range backupCases {
		if got := words(Plan(scene(tt.last, tt.far, tt.near), Policy{Direction: Backup})); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestPlanTransfer(t *testing.T) {
	for _, tt := range transferCases {
		if got := words(Plan(scene(tt.last, tt.far, tt.near), Policy{Direction: Transfer})); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What is read here is unread again in a backup, and stays read where mail was transferred to.
func TestOneWayFlags(t *testing.T) {
	for _, tt := range []struct {
		policy    Policy
		far, near string
		want      string // what is added here and what is taken away
	}{
		{Policy{Direction: Backup}, "7,F", "a,S", "F-S"},
		{Policy{Direction: Transfer}, "7,F", "a,S", "F-"},
		{Policy{Direction: Transfer, AsFound: true}, "7,F", "a,S", "-"},
	} {
		steps := Plan(scene("7=a", tt.far, tt.near), tt.policy)
		flags := steps[0].Agree[0].Flags
		if got := flags[Near].Add.Letters() + "-" + flags[Near].Take.Letters(); got != tt.want || !flags[Far].Add.Empty() || !flags[Far].Take.Empty() {
			t.Errorf("%+v: %s, and there %+v", tt.policy, got, flags[Far])
		}
	}
}

// In one direction nothing is done on the far side, and nothing is removed, whatever happened.
func TestOneWayTakesNothing(t *testing.T) {
	for _, direction := range []Direction{Backup, Transfer} {
		for _, tt := range slices.Concat(planCases, backupCases, transferCases) {
			for _, s := range Plan(scene(tt.last, tt.far, tt.near), Policy{Direction: direction, Once: true}) {
				changes := slices.ContainsFunc(s.Agree, func(a Agreement) bool { return a.changes(Far) }) ||
					slices.ContainsFunc(s.Relocate, func(m Relocation) bool { return m.Side == Far })
				if changes || len(s.Upload)+len(s.Again)+len(s.Extra)+len(s.Remove[Far])+len(s.Remove[Near]) > 0 {
					t.Errorf("%s: %+v", tt.name, s)
				}
			}
		}
	}
}

// onward runs in one direction, dies where fate wants it, and fails if the far side was written to.
func (w *world) onward(t fataler, opts Options, fate *mortal) *Report {
	t.Helper()
	w.near.mortal, w.ledger.mortal, w.far.sealed = fate, fate, true
	opts.Retry, opts.Workers = true, 1
	r, err := Run(context.Background(), w.far, w.near, w.ledger, opts)
	died := fate.dead && errors.Is(err, errDied)
	if err != nil && !died && !errors.As(err, new(*BrakeError)) {
		t.Fatalf("%v", err)
	}
	w.near.mortal, w.ledger.mortal, w.far.sealed = &mortal{}, &mortal{}, false
	return r
}

// has fails unless the near side has, in each mailbox, what the far side has there.
func (w *world) has(t fataler, flags bool) {
	t.Helper()
	for name, b := range w.far.boxes {
		missing := map[string]int{}
		line := func(m message) string {
			if !flags {
				return m.raw
			}
			return fmt.Sprintf("%s %s", m.raw, m.flags)
		}
		for _, m := range b.messages {
			missing[line(m)]++
		}
		if near := w.near.boxes[name]; near != nil {
			for _, m := range near.messages {
				missing[line(m)]--
			}
		}
		for what, n := range missing {
			if n > 0 {
				t.Fatalf("%s lacks %q\nfar:  %v\nnear: %v", name, what, w.far.content(), w.near.content())
			}
		}
	}
}

// Whatever people do on both sides, a backup has afterwards what the account has, with its flags, and still has what it had
// before; it writes nothing to the account, also if it dies on the way.
func TestBackupHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		configure(t, w)
		backup := Options{Direction: Backup}
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			for range rapid.IntRange(0, 8).Draw(t, "acts") {
				w.act(t)
			}
			kept := w.near.raws()
			if rapid.Bool().Draw(t, "dies") {
				w.onward(t, backup, &mortal{diesAt: rapid.IntRange(1, 20).Draw(t, "step"), after: rapid.Bool().Draw(t, "after")})
			}
			r := w.onward(t, backup, &mortal{})
			if w.near.total() == 0 { // it was emptied, and that is an accident until its owner says otherwise
				continue
			}
			if len(r.Problems) > 0 {
				t.Fatalf("%v", r.Problems)
			}
			w.has(t, true)
			after := w.near.raws()
			for raw, n := range kept {
				if after[raw] < n {
					t.Fatalf("lost %q", raw)
				}
			}
			bodies, content := w.far.bodies, w.near.content()
			if again := w.onward(t, backup, &mortal{}); !again.Idle() || w.far.bodies > bodies || !maps.Equal(content, w.near.content()) {
				t.Fatalf("a further backup is not idle: %s", describe(again))
			}
		}
	})
}

// Mail that is transferred from one server to another is there once, with its flags, however often a run dies and whatever
// happens meanwhile.
func TestTransferHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		configure(t, w)
		w.near = newMemory(true)
		w.near.noMarks = rapid.Bool().Draw(t, "near noMarks")
		w.near.noUIDs = rapid.Bool().Draw(t, "near noUIDs")
		removed := map[string]bool{}
		transfer := Options{Direction: Transfer}
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			for range rapid.IntRange(0, 8).Draw(t, "acts") {
				w.actFar(t)
			}
			if inbox := w.near.boxes[mailbox.Inbox]; rapid.IntRange(0, 3).Draw(t, "remove") == 0 && len(inbox.messages) > 1 {
				id := rapid.SampledFrom(slices.Sorted(maps.Keys(inbox.messages))).Draw(t, "removed")
				removed[inbox.messages[id].raw] = true
				delete(inbox.messages, id)
				inbox.version++
			}
			for range rapid.IntRange(0, 3).Draw(t, "deaths") {
				w.onward(t, transfer, &mortal{diesAt: rapid.IntRange(1, 20).Draw(t, "step"), after: rapid.Bool().Draw(t, "after")})
			}
			if r := w.onward(t, transfer, &mortal{}); len(r.Problems) > 0 {
				t.Fatalf("%v", r.Problems)
			}
			if len(removed) == 0 {
				// A server that does not tell where it moved a message to keeps the flags that it had there.
				w.has(t, len(w.copied) == 0 && !w.near.noUIDs)
			}
			appends := w.near.appends
			if w.onward(t, transfer, &mortal{}); w.near.appends != appends {
				t.Fatalf("a further run stored %d messages", w.near.appends-appends)
			}
			for raw, n := range w.near.raws() {
				if n > 1 && !w.copied[raw] && !w.deleted[raw] {
					t.Fatalf("%d times there: %q", n, raw)
				}
			}
		}
	})
}

// total counts all messages of a side.
func (m *memory) total() (n int) {
	for _, b := range m.boxes {
		n += len(b.messages)
	}
	return n
}

// actFar does something on the far side.
func (w *world) actFar(t *rapid.T) {
	near := w.near
	w.near = w.far
	w.act(t)
	w.near = near
}
