package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

// told writes down what the history was told, and forgets it: "removed far INBOX [S] to Trash".
func (n *notebook) told() []string {
	var lines []string
	for _, c := range n.log {
		kind := [...]string{"", "removed", "gone", "kept", "surplus", "moved", "flagged", "mailbox removed", "mailbox renamed"}[c.Kind]
		on := map[[2]bool]string{{true, false}: "far", {false, true}: "near", {true, true}: "both", {}: "neither"}[c.On]
		line := fmt.Sprintf("%s %s %s", kind, on, c.Mailbox)
		if c.Pair.Near != "" {
			line += fmt.Sprintf(" [%s]", c.Pair.Flags.Letters())
		}
		if c.To != "" {
			line += " to " + string(c.To)
		}
		if c.Kind == mailbox.MessageMoved || c.Kind == mailbox.FlagsChanged {
			line += fmt.Sprintf(" [%s]", c.Flags.Letters())
		}
		lines = append(lines, line)
	}
	n.log = nil
	slices.Sort(lines)
	return lines
}

// What a run takes away or alters, and where, is told; what it adds is not.
func TestHistoryIsTold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		do     func(w *world, far, near []mailbox.ID) // the messages of INBOX; the first is read
		policy Removal
		want   []string
	}{
		{name: "nothing", do: func(*world, []mailbox.ID, []mailbox.ID) {}},
		{name: "new on both sides", do: func(w *world, _, _ []mailbox.ID) { w.far.put("INBOX", w.write()); w.near.put("INBOX", w.write()) }},
		{name: "removed there", do: func(w *world, far, _ []mailbox.ID) { w.far.take(far[0]) }, want: []string{"removed near INBOX [S]"}},
		{name: "removed here", do: func(w *world, _, near []mailbox.ID) { w.near.take(near[0]) }, want: []string{"removed far INBOX [S] to Trash"}},
		{name: "removed here, expunged there", policy: Expunge, do: func(w *world, _, near []mailbox.ID) { w.near.take(near[0]) }, want: []string{"removed far INBOX [S]"}},
		{name: "removed here, kept there", policy: Never, do: func(w *world, _, near []mailbox.ID) { w.near.take(near[0]) }, want: []string{"kept neither INBOX [S]"}},
		{
			name: "removed here, marked there", do: func(w *world, _, near []mailbox.ID) { w.far.marksOff = true; w.near.take(near[0]) },
			want: []string{"kept far INBOX [S] to Trash"},
		},
		{
			name: "removed on both", do: func(w *world, far, near []mailbox.ID) { w.near.take(near[0]); w.far.take(far[0]) },
			want: []string{"gone neither INBOX [S] to Trash"},
		},
		{name: "flagged here", do: func(w *world, _, near []mailbox.ID) { w.near.reflag(near[0], "F") }, want: []string{"flagged far INBOX [S] [F]"}},
		{name: "flagged there", do: func(w *world, far, _ []mailbox.ID) { w.far.reflag(far[0], "FS") }, want: []string{"flagged near INBOX [S] [FS]"}},
		{
			name: "flagged on both", do: func(w *world, far, near []mailbox.ID) {
				w.far.reflag(far[0], "FS")
				w.near.reflag(near[0], "RS")
			},
			want: []string{"flagged both INBOX [S] [FRS]"},
		},
		{
			name: "flagged alike on both", do: func(w *world, far, near []mailbox.ID) {
				w.far.reflag(far[0], "FS")
				w.near.reflag(near[0], "FS")
			},
			want: []string{"flagged neither INBOX [S] [FS]"},
		},
		{name: "moved here", do: func(w *world, _, near []mailbox.ID) { w.near.toWork(t, near[0]) }, want: []string{"moved far INBOX [S] to Work [S]"}},
		{name: "moved there", do: func(w *world, far, _ []mailbox.ID) { w.far.toWork(t, far[0]) }, want: []string{"moved near INBOX [S] to Work [S]"}},
		{
			name: "moved there, and nobody told where", do: func(w *world, _, near []mailbox.ID) { w.far.noUIDs = true; w.near.toWork(t, near[0]) },
			want: []string{"moved far INBOX [S] to Work [S]"},
		},
		{
			name: "moved on both", do: func(w *world, far, near []mailbox.ID) {
				w.far.toWork(t, far[0])
				w.near.toWork(t, near[0])
			},
			want: []string{"moved neither INBOX [S] to Work [S]"},
		},
		{name: "a move that came half-way there", do: func(w *world, far, near []mailbox.ID) {
			w.far.put("Work", w.far.boxes["INBOX"].messages[far[0]])
			w.near.toWork(t, near[0])
		}, want: []string{"moved neither INBOX [S] to Work [S]"}},
		{name: "a removal that came half-way there", do: func(w *world, far, near []mailbox.ID) {
			w.far.put("Trash", w.far.boxes["INBOX"].messages[far[0]])
			w.near.take(near[0])
		}, want: []string{"removed far INBOX [S] to Trash"}},
		{
			name: "a mailbox removed here", do: func(w *world, _, _ []mailbox.ID) { delete(w.near.boxes, "Work") },
			want: []string{"mailbox removed far Work", "removed far Work [] to Trash"},
		},
		{name: "a mailbox renamed there", do: func(w *world, _, _ []mailbox.ID) { w.far.rename("Work", "Job") }, want: []string{"mailbox renamed near Work to Job"}},
	} {
		w := newWorld()
		w.far.make("Work")
		for range 2 {
			w.far.put("INBOX", w.write())
		}
		w.far.put("Work", w.write())
		far := slices.Sorted(maps.Keys(w.far.boxes["INBOX"].messages))
		w.far.reflag(far[0], "S")
		w.mustSync(t)
		if told := w.ledger.told(); len(told) > 0 {
			t.Errorf("%s: the first sync told %q", tt.name, told)
		}
		near := slices.SortedFunc(maps.Keys(w.near.boxes["INBOX"].messages), func(a, b mailbox.ID) int {
			return strings.Compare(w.near.boxes["INBOX"].messages[b].flags.Letters(), w.near.boxes["INBOX"].messages[a].flags.Letters())
		})
		tt.do(w, far, near)
		if _, err := w.sync(Options{AllowDelete: true, DeleteRemote: tt.policy}); err != nil {
			t.Fatal(err)
		}
		if told := w.ledger.told(); !slices.Equal(told, tt.want) {
			t.Errorf("%s: told %q, want %q", tt.name, told, tt.want)
		}
	}
}

func (m *memory) take(id mailbox.ID) {
	delete(m.boxes[mailbox.Inbox].messages, id)
	m.boxes[mailbox.Inbox].version++
}

func (m *memory) reflag(id mailbox.ID, letters string) {
	box := m.boxes[mailbox.Inbox]
	msg := box.messages[id]
	msg.flags = mailbox.Letters(letters)
	box.messages[id] = msg
	box.version++
}

func (m *memory) toWork(t fataler, id mailbox.ID) {
	if _, err := m.Move(context.Background(), mailbox.Inbox, []mailbox.Doomed{{ID: id}}, "Work"); err != nil {
		t.Fatalf("%v", err)
	}
}

// A stock is how many messages of each content a mailbox has on both sides.
type stock map[mailbox.Place]int // by mailbox and digest

func (n *notebook) stock() stock {
	s := stock{}
	for name, pairs := range n.pairs {
		for _, p := range pairs {
			if p.Parked == mailbox.Paired && !p.Digest.IsZero() {
				s[mailbox.Place{Mailbox: name, ID: mailbox.ID(p.Digest.String())}]++
			}
		}
	}
	return s
}

// before goes back over what the history was told.
func (s stock) before(log []mailbox.Change) {
	for _, c := range slices.Backward(log) {
		digest := mailbox.ID(c.Pair.Digest.String())
		switch c.Kind {
		case mailbox.MessageRemoved, mailbox.MessageGone, mailbox.MessageKept:
			s[mailbox.Place{Mailbox: c.Mailbox, ID: digest}]++
		case mailbox.MessageMoved:
			s[mailbox.Place{Mailbox: c.Mailbox, ID: digest}]++
			s[mailbox.Place{Mailbox: c.To, ID: digest}]--
		case mailbox.MailboxRenamed:
			for place, n := range maps.Clone(s) {
				if place.Mailbox == c.To {
					delete(s, place)
					s[mailbox.Place{Mailbox: c.Mailbox, ID: place.ID}] += n
				}
			}
		case mailbox.MailboxRemoved, mailbox.MessageSurplus, mailbox.FlagsChanged:
		}
	}
}

// Whatever people do, and wherever a run dies: what both sides had, and have no longer where they had it, the history
// accounts for.
func TestHistoryAccountsForAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		configure(t, w)
		w.far.marksOff = rapid.Bool().Draw(t, "marksOff")
		w.far.noUIDs = w.far.noUIDs || w.far.marksOff
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			had := w.ledger.stock()
			w.ledger.log = nil
			for range rapid.IntRange(1, 6).Draw(t, "acts") {
				w.act(t)
			}
			for range rapid.IntRange(0, 2).Draw(t, "deaths") {
				w.die(t, &mortal{diesAt: rapid.IntRange(1, 30).Draw(t, "step"), after: rapid.Bool().Draw(t, "after")})
			}
			w.mustSync(t)
			has := w.ledger.stock()
			has.before(w.ledger.log)
			for place, n := range had {
				if has[place] < n {
					t.Fatalf("%s had %d of %.8s, and the history accounts for %d: %q", place.Mailbox, n, place.ID, has[place], w.ledger.told())
				}
			}
		}
	})
}
