package main

import (
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mailtwin/imap/imaptest"
)

// TestHistories lets mail programs on both sides do what they like, also to the same messages and mailboxes, with
// syncs now and then. Whatever they did: after a sync both sides are equal, no message is lost that nobody removed,
// none is doubled that nobody copied, flags are merged bit by bit, and another sync has nothing to do.
func TestHistories(t *testing.T) {
	memory := imaptest.Memory(t)
	t.Run("memory", func(t *testing.T) {
		histories(t, size(10, 300), func() server {
			return server{addr: memory.Addr, user: memory.NewUser(), password: memory.Password, profile: noCondstore}
		})
	})
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range imaptest.Profiles {
		t.Run(profile.Name, func(t *testing.T) {
			histories(t, size(6, 150), func() server {
				return server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile}
			})
		})
	}
}

// noCondstore is what the in-process server is like.
var noCondstore = imaptest.Profile{Name: "no-condstore", Removed: []string{"CONDSTORE", "QRESYNC"}}

func histories(t *testing.T, n int, fresh func() server) {
	withChecks(t, n, func(rt *rapid.T) {
		h := &history{twin: newTwin(rt, fresh()), draw: rt, corpus: imaptest.Sample(200, 30, imaptest.CorpusOptions{MaxSize: 20_000})}
		h.sync()
		for range rapid.IntRange(1, 6).Draw(rt, "epochs") {
			h.epoch(rapid.IntRange(0, 8).Draw(rt, "operations"))
		}
		h.wantIdle("at the end")
	})
}

// withChecks has rapid try a property n times.
func withChecks(t *testing.T, n int, property func(*rapid.T)) {
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	if err := checks.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := checks.Value.Set(before); err != nil {
			t.Error(err)
		}
	}()
	rapid.Check(t, property)
}

// A history is what happens to a twin between its first sync and its last.
type history struct {
	*twin
	draw    *rapid.T
	corpus  []imaptest.Message
	used    int
	touched map[[32]byte]*[2]deeds // by far and near, since the last sync
	deleted map[string][][32]byte  // what was in mailboxes that were deleted on the server since
}

// Deeds count what one side did to a message, and tell to which mailboxes it brought copies of it.
type deeds struct {
	adds, removes, moves int
	into                 []string
	doubtful             int // removes that may be none: the mailbox was made again, and under another UIDVALIDITY nothing counts as removed
}

func (d *deeds) idle() bool { return d.adds+d.removes+d.moves == 0 }

// brought counts what came to a mailbox.
func (d *deeds) brought(to string) int {
	n := 0
	for _, name := range d.into {
		if name == to {
			n++
		}
	}
	return n
}

func (d *deeds) add(to string)  { d.adds, d.into = d.adds+1, append(d.into, to) }
func (d *deeds) move(to string) { d.moves, d.into = d.moves+1, append(d.into, to) }

// epoch lets things happen, syncs, and judges.
func (h *history) epoch(operations int) {
	last, _ := h.views()
	h.touched, h.deleted = map[[32]byte]*[2]deeds{}, map[string][][32]byte{}
	for range operations {
		side := rapid.IntRange(0, 1).Draw(h.draw, "side")
		h.operate(side)
	}
	far, near := h.views()
	h.sync("--allow-delete")
	after, other := h.views()
	if diff := imaptest.Diff(after, other); len(diff) > 0 {
		h.Fatalf("%d differences between the server and the Maildir:\n%s", len(diff), head(diff))
	}
	h.judgeCounts(last, far, near, after)
	h.judgeFlags(last, far, near, after)
}

// names are those of mailboxes that come and go.
var names = []string{"A", "A/B", "C", "C/D", "E & é", "F"}

// operate does one thing on one side, or nothing where it is not possible.
func (h *history) operate(side int) {
	far, near := h.views()
	v, e := far, h.far()
	if side == 1 {
		v, e = near, h.near()
	}
	h.operateOn(side, e, v)
}

func (h *history) operateOn(side int, e editor, v imaptest.View) {
	kind := rapid.SampledFrom([]string{
		"add", "add", "add", "flag", "flag", "flag", "move", "move", "copy", "remove", "remove", "create", "rename", "delete",
	}).Draw(h.draw, "operation")
	switch kind {
	case "add":
		m := h.corpus[h.used]
		h.used++
		to := h.pick(v.Mailboxes, "to")
		h.must(e.append(to, m))
		h.touch(side, m.Sum()).add(to)
	case "create":
		if name := rapid.SampledFrom(names).Draw(h.draw, "mailbox"); !slices.Contains(v.Mailboxes, name) {
			h.must(e.create(name))
			if side == 0 {
				for _, sum := range h.deleted[name] {
					h.touch(side, sum).doubtful++
				}
				delete(h.deleted, name)
			}
		}
	case "rename", "delete":
		h.mailbox(side, kind, e, v)
	default:
		if len(v.Copies) > 0 {
			h.message(side, kind, e, v)
		}
	}
}

func (h *history) pick(from []string, label string) string {
	return from[rapid.IntRange(0, len(from)-1).Draw(h.draw, label)]
}

func (h *history) touch(side int, sum [32]byte) *deeds {
	if h.touched[sum] == nil {
		h.touched[sum] = &[2]deeds{}
	}
	return &h.touched[sum][side]
}

// message does something to a message.
func (h *history) message(side int, kind string, e editor, v imaptest.View) {
	slices.SortFunc(v.Copies, func(a, b imaptest.Copy) int {
		if n := strings.Compare(a.Mailbox, b.Mailbox); n != 0 {
			return n
		}
		return slices.Compare(a.Sum[:], b.Sum[:])
	})
	c := v.Copies[rapid.IntRange(0, len(v.Copies)-1).Draw(h.draw, "message")]
	to := h.pick(v.Mailboxes, "to")
	switch {
	case kind == "flag":
		name := h.pick(slices.Concat(someFlags, someKeywords), "flag")
		add, take := []string{name}, []string(nil)
		if slices.Contains(strings.Fields(c.Flags), strings.ToLower(name)) {
			add, take = take, add
		}
		h.must(e.flag(c, add, take))
	case kind == "remove":
		h.must(e.remove(c))
		h.touch(side, c.Sum).removes++
	case kind == "move" && to != c.Mailbox:
		h.must(e.move(c, to))
		h.touch(side, c.Sum).move(to)
	case kind == "copy" && to != c.Mailbox:
		h.must(e.copy(c, to))
		h.touch(side, c.Sum).add(to)
	}
}

// mailbox renames or removes a mailbox that has none below it.
func (h *history) mailbox(side int, kind string, e editor, v imaptest.View) {
	var some []string
	for _, name := range v.Mailboxes {
		if slices.Contains(names, name) && (kind == "rename" || !hasBelow(v, name)) {
			some = append(some, name)
		}
	}
	if len(some) == 0 {
		return
	}
	name := h.pick(some, "mailbox")
	to := rapid.SampledFrom(names).Draw(h.draw, "to")
	free := !slices.Contains(v.Mailboxes, to) && !hasBelow(v, to) && !strings.HasPrefix(to+"/", name+"/")
	if kind == "rename" && !free {
		return
	}
	if kind == "delete" {
		h.must(e.delete(name))
	} else if err := e.rename(name, to); err != nil {
		if imaptest.IsTaken(err) {
			return // Dovecot keeps the name of a mailbox that was above another
		}
		h.must(err)
	}
	for _, c := range v.Copies {
		switch {
		case kind == "delete" && c.Mailbox == name:
			h.touch(side, c.Sum).removes++
			if side == 0 {
				h.deleted[name] = append(h.deleted[name], c.Sum)
			}
		case kind == "rename" && strings.HasPrefix(c.Mailbox+"/", name+"/"):
			h.touch(side, c.Sum).move(to + strings.TrimPrefix(c.Mailbox, name))
		}
	}
}

func hasBelow(v imaptest.View, name string) bool {
	return slices.ContainsFunc(v.Mailboxes, func(other string) bool { return strings.HasPrefix(other, name+"/") })
}

// judgeCounts looks how often each message is there. What one side alone did to it must show exactly; where both did
// something there is more than one right answer, but a message that nobody removed is there, and there are no more
// copies than were made.
func (h *history) judgeCounts(last, far, near, after imaptest.View) {
	h.Helper()
	before, now := last.Count(), after.Count()
	for sum := range now {
		if h.touched[sum] == nil && before[sum] == 0 {
			h.Fatalf("%x: nobody made this: %s", sum[:6], places(after, sum))
		}
	}
	for sum, n := range before {
		if h.touched[sum] == nil && now[sum] != n {
			h.Fatalf("%x: %d copies of %d, and nobody touched it: %s", sum[:6], now[sum], n, places(after, sum))
		}
	}
	for sum, did := range h.touched {
		least, most := bounds(before[sum], did[0], did[1])
		if !did[0].idle() && !did[1].idle() {
			least = min(least, byPlace(last, far, near, sum, did))
		}
		if now[sum] < least || now[sum] > most {
			h.Fatalf("%x: %d copies, not %d to %d; before: %s; after: %s; far %+v, near %+v",
				sum[:6], now[sum], least, most, places(last, sum), places(after, sum), did[0], did[1])
		}
	}
}

func bounds(before int, far, near deeds) (least, most int) {
	if far.idle() || near.idle() {
		n := before + far.adds + near.adds - far.removes - near.removes
		return n, n + far.doubtful
	}
	removes := far.removes + near.removes
	least = before + max(far.adds, near.adds) - removes
	if removes == 0 {
		least = max(least, 1)
	}
	return max(least, 0), before + far.adds + near.adds + far.moves + near.moves
}

// byPlace returns how often a message must be there at least, if what came to the same mailbox on both sides is one:
// moved there on the server, say, and copied there in the Maildir.
func byPlace(last, far, near imaptest.View, sum [32]byte, did *[2]deeds) int {
	count := map[string]*[3]int{}
	for i, v := range []imaptest.View{last, far, near} {
		for _, c := range v.Copies {
			if c.Sum != sum {
				continue
			}
			if count[c.Mailbox] == nil {
				count[c.Mailbox] = &[3]int{}
			}
			count[c.Mailbox][i]++
		}
	}
	n := 0
	for name, c := range count {
		same := min(did[0].brought(name), did[1].brought(name))
		n += max(0, c[1]+c[2]-c[0]-same)
	}
	return n
}

// judgeFlags looks at the messages of which there always was one copy, in the same mailbox: each flag must be as the
// side has it that changed it. (A message that was moved on one side carries the flags of that side.)
func (h *history) judgeFlags(last, far, near, after imaptest.View) {
	h.Helper()
	was, here, there, now := single(last), single(far), single(near), single(after)
	for sum, got := range now {
		if was[sum] == nil || here[sum] == nil || there[sum] == nil || here[sum].Mailbox != there[sum].Mailbox {
			continue
		}
		for _, name := range slices.Concat(someFlags, someKeywords) {
			has := func(c *imaptest.Copy) bool { return slices.Contains(strings.Fields(c.Flags), strings.ToLower(name)) }
			want := has(here[sum])
			if want == has(was[sum]) {
				want = has(there[sum])
			}
			if has(got) != want {
				h.Fatalf("%x: %s is %v: last [%s], far [%s], near [%s], and then [%s]",
					sum[:6], name, !want, was[sum].Flags, here[sum].Flags, there[sum].Flags, got.Flags)
			}
		}
	}
}

func single(v imaptest.View) map[[32]byte]*imaptest.Copy {
	count, all := v.Count(), map[[32]byte]*imaptest.Copy{}
	for i, c := range v.Copies {
		if count[c.Sum] == 1 {
			all[c.Sum] = &v.Copies[i]
		}
	}
	return all
}
