package syncer

import (
	"errors"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

func (m *memory) clone() *memory {
	c := *m
	c.mortal = &mortal{}
	c.boxes = map[mailbox.Name]*box{}
	for name, b := range m.boxes {
		copied := *b
		copied.messages = maps.Clone(b.messages)
		c.boxes[name] = &copied
	}
	return &c
}

func (n *notebook) clone() *notebook {
	c := newNotebook()
	c.tallies, c.troubles = maps.Clone(n.tallies), n.troubles
	for name, t := range n.twins {
		copied := *t
		c.twins[name] = &copied
		c.pairs[name] = maps.Clone(n.pairs[name])
		c.intents[name] = maps.Clone(n.intents[name])
	}
	return c
}

func (w *world) clone() *world {
	return &world{far: w.far.clone(), near: w.near.clone(), ledger: w.ledger.clone(), made: w.made, deleted: maps.Clone(w.deleted), copied: maps.Clone(w.copied)}
}

// die syncs until the fate strikes.
func (w *world) die(t fataler, fate *mortal) {
	t.Helper()
	w.far.mortal, w.near.mortal, w.ledger.mortal = fate, fate, fate
	if _, err := w.sync(Options{AllowDelete: true}); err != nil && !errors.Is(err, errDied) {
		t.Fatalf("sync that dies: %v", err)
	}
	w.far.mortal, w.near.mortal, w.ledger.mortal = &mortal{}, &mortal{}, &mortal{}
}

// After any history, a run that dies anywhere, even several times over, and then runs through has every message that a
// run left alone has, and as often. (Only where somebody copies on one side what somebody moves or removes on the
// other, a run that died may take for a move what was a copy, or the reverse; the message is there in any case.)
func TestRandomDeaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		configure(t, w)
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			for range rapid.IntRange(1, 6).Draw(t, "acts") {
				w.act(t)
			}
			calm := w.clone()
			calm.mustSync(t)
			for range rapid.IntRange(1, 3).Draw(t, "deaths") {
				w.die(t, &mortal{diesAt: rapid.IntRange(1, 30).Draw(t, "step"), after: rapid.Bool().Draw(t, "after")})
			}
			w.mustSync(t)
			got, want := w.near.raws(), calm.near.raws()
			for raw := range want {
				if got[raw] == 0 || (got[raw] != want[raw] && !w.copied[raw]) {
					t.Fatalf("%q: %d times, want %d\ngot  %v\nwant %v", raw, got[raw], want[raw], w.near.content(), calm.near.content())
				}
			}
			for raw := range got {
				if want[raw] == 0 {
					t.Fatalf("%q came back", raw)
				}
			}
			w.wantAgreement(t)
		}
	})
}

// A run that dies while it makes a mailbox has not removed it: the next one makes it, also if it is empty.
func TestDeathBeforeAMailboxIsMade(t *testing.T) {
	for step := 1; step < 10; step++ {
		for _, after := range []bool{false, true} {
			w := newWorld()
			w.far.put(mailbox.Inbox, w.write())
			w.mustSync(t)
			w.far.make("Empty")
			w.die(t, &mortal{diesAt: step, after: after})
			w.mustSync(t)
			if w.far.boxes["Empty"] == nil || w.near.boxes["Empty"] == nil {
				t.Errorf("dead at step %d, after it: %v: far %v, near %v", step, after, w.far.boxes["Empty"], w.near.boxes["Empty"])
			}
		}
	}
}
