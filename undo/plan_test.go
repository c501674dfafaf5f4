package undo

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// Changes in short: the message as pair has it.

func removedNear(name mailbox.Name, s string) mailbox.Change {
	return mailbox.Change{Kind: mailbox.MessageRemoved, On: [2]bool{near: true}, Mailbox: name, Pair: pair(s)}
}

func removedFar(name mailbox.Name, s string, to mailbox.Name, id mailbox.ID) mailbox.Change {
	return mailbox.Change{Kind: mailbox.MessageRemoved, On: [2]bool{far: true}, Mailbox: name, Pair: pair(s), To: to, Far: id}
}

func gone(name mailbox.Name, s string, trash mailbox.Name) mailbox.Change {
	return mailbox.Change{Kind: mailbox.MessageGone, Mailbox: name, Pair: pair(s), To: trash}
}

func kept(name mailbox.Name, s, letters string) mailbox.Change {
	return mailbox.Change{Kind: mailbox.MessageKept, On: [2]bool{far: true}, Mailbox: name, Pair: pair(s), Flags: mailbox.Letters(letters)}
}

func moved(name mailbox.Name, s string, to mailbox.Name, is string) mailbox.Change {
	p := pair(is)
	return mailbox.Change{Kind: mailbox.MessageMoved, On: [2]bool{far: true}, Mailbox: name, Pair: pair(s), To: to, Far: p.Far, Near: p.Near, Flags: p.Flags}
}

func flagged(name mailbox.Name, s, letters string) mailbox.Change {
	return mailbox.Change{Kind: mailbox.FlagsChanged, On: [2]bool{far: true}, Mailbox: name, Pair: pair(s), Flags: mailbox.Letters(letters)}
}

func boxRemoved(name mailbox.Name) mailbox.Change {
	return mailbox.Change{Kind: mailbox.MailboxRemoved, On: [2]bool{near: true}, Mailbox: name}
}

func renamed(name, to mailbox.Name) mailbox.Change {
	return mailbox.Change{Kind: mailbox.MailboxRenamed, On: [2]bool{near: true}, Mailbox: name, To: to}
}

func rest(c mailbox.Change, n int) mailbox.Change {
	c.Rest = n
	return c
}

// text is a plan in short.
func text(p *Plan) string {
	var steps []string
	say := func(format string, args ...any) { steps = append(steps, fmt.Sprintf(format, args...)) }
	for _, r := range p.Rename {
		say("rename %s to %s", r.From, r.To)
	}
	for _, name := range p.Create {
		say("create %s", name)
	}
	for _, r := range p.Return {
		verb, from := "move", fmt.Sprintf("%s/%s", r.From.Mailbox, r.From.ID)
		if r.Stay {
			verb = "copy"
		}
		if r.From.Day != "" {
			from = "attic " + from
		}
		say("%s %s to %s/%s,%s", verb, from, r.To, r.As, r.Flags.Letters())
	}
	for _, f := range p.Flags {
		say("flag %s/%s +%s-%s", f.Mailbox, f.ID, f.Add.Letters(), f.Take.Letters())
	}
	for _, r := range p.Recall {
		say("recall %s/%s to %s", r.From.Mailbox, r.From.ID, r.To)
	}
	for _, c := range p.Follow {
		say("then %s", c.Mailbox)
	}
	for _, d := range p.Download {
		say("download %s/%s %v", d.Mailbox, d.Far, d.Unmark)
	}
	for _, l := range p.Left {
		say("left %s/%s: %s", l.Mailbox, l.Pair.Near, l.Reason)
	}
	if p.Settled > 0 {
		say("%d settled", p.Settled)
	}
	if p.Unsynced {
		say("to be synced")
	}
	return strings.Join(steps, "; ")
}

func changes(list ...mailbox.Change) []mailbox.Change { return list }

func TestPlan(t *testing.T) {
	for _, tt := range []struct {
		name  string
		run   []mailbox.Change
		later []mailbox.Change // of run 2
		now   *world
		want  string
	}{
		{
			name: "removed here, in the attic", run: changes(removedNear("INBOX", "1=a,S x")),
			now: newWorld().synced("INBOX").shelved("INBOX", "a x"), want: "copy attic INBOX/a to INBOX/a,S",
		},
		{
			name: "removed with its mailbox", run: changes(removedNear("Work", "1=a x"), boxRemoved("Work")),
			now: newWorld().synced("INBOX").shelved("Work", "a x"), want: "create Work; copy attic Work/a to Work/a,",
		},
		{
			name: "removed there, in the Trash", run: changes(removedFar("INBOX", "1=a,S x", "Trash", "9")),
			now: newWorld().synced("INBOX").synced("Trash", "8=s,F x", "9=t,F x"), want: "move Trash/t to INBOX/a,S",
		},
		{
			name: "the Trash comes before an attic of long ago", run: changes(removedFar("INBOX", "1=a x", "Trash", "9")),
			now: newWorld().synced("INBOX").synced("Trash", "9=t x").shelved("INBOX", "a x"), want: "move Trash/t to INBOX/a,",
		},
		{
			name: "a Trash that is only on the server", run: changes(removedFar("INBOX", "1=a x", "Trash", "9")),
			now: newWorld().synced("INBOX"), want: "recall Trash/9 to INBOX",
		},
		{
			name: "nobody knows where in that Trash", run: changes(removedFar("INBOX", "1=a x", "Trash", "")),
			now: newWorld().synced("INBOX"), want: "left INBOX/a: nothing is left of it",
		},
		{
			name: "a label, and the message has others", run: changes(removedFar("Work", "1=a G7", "", "")),
			now: newWorld().synced("Work").synced("All", "5=b G7"), want: "copy All/b to Work/a,",
		},
		{
			name: "all labels", run: changes(removedFar("INBOX", "1=a G7", "Bin", "9"), gone("Work", "2=b G7", "Bin"), gone("All", "3=c G7", "Bin")),
			now:  newWorld().synced("INBOX").synced("Work").synced("All"),
			want: "recall Bin/ to All; then Work; then INBOX",
		},
		{
			name: "expunged", run: changes(removedFar("INBOX", "1=a x", "", "")),
			now: newWorld().synced("INBOX"), want: "left INBOX/a: nothing is left of it",
		},
		{
			name: "expunged, and there is another like it", run: changes(removedFar("INBOX", "1=a x", "", "")),
			now: newWorld().synced("INBOX").synced("Work", "4=b x"), want: "copy Work/b to INBOX/a,",
		},
		{
			name: "its copy in the Trash went to the attic", run: changes(removedFar("INBOX", "1=a x", "Trash", "9")), later: changes(removedNear("Trash", "9=t x")),
			now: newWorld().synced("INBOX").synced("Trash").shelved("Trash", "t x"), want: "copy attic Trash/t to INBOX/a,",
		},
		{
			name: "taken out of the Trash since", run: changes(removedFar("INBOX", "1=a x", "Trash", "9")), later: changes(moved("Trash", "9=t x", "Work", "4=b x")),
			now: newWorld().synced("INBOX").synced("Trash").synced("Work", "4=b x"), want: `left INBOX/a: run 2 moved it to "Work"`,
		},
		{
			name: "put back by hand", run: changes(removedNear("INBOX", "1=a x")),
			now: newWorld().synced("INBOX", "2=b x").shelved("INBOX", "a x"), want: "1 settled",
		},
		{
			name: "put back by hand, not synced yet", run: changes(removedNear("INBOX", "1=a x")),
			now: newWorld().synced("INBOX").local("INBOX", "b x").shelved("INBOX", "a x"), want: "1 settled",
		},
		{
			name: "put back by an undo that died", run: changes(removedNear("INBOX", "1=a x")),
			now: newWorld().synced("INBOX").local("INBOX", "a x").shelved("INBOX", "a x"), want: "1 settled; to be synced",
		},
		{
			name: "one of two that are the same", run: changes(rest(removedNear("INBOX", "1=a x"), 1)),
			now: newWorld().synced("INBOX", "2=b x").shelved("INBOX", "a x"), want: "copy attic INBOX/a to INBOX/a,",
		},
		{
			name: "both of two that are the same", run: changes(removedNear("INBOX", "1=a x"), removedNear("INBOX", "2=b x")),
			now: newWorld().synced("INBOX").shelved("INBOX", "a x").shelved("INBOX", "b x"), want: "copy attic INBOX/b to INBOX/b,; copy attic INBOX/a to INBOX/a,",
		},
		{
			name: "removed again since", run: changes(removedNear("INBOX", "1=a x")), later: changes(removedFar("INBOX", "5=a x", "Trash", "9")),
			now: newWorld().synced("INBOX").synced("Trash", "9=t x").shelved("INBOX", "a x"), want: "left INBOX/a: run 2 removed it again",
		},
		{
			name: "gone from both sides, and in the Trash", run: changes(gone("INBOX", "1=a x", "Trash")),
			now: newWorld().synced("INBOX").synced("Trash", "9=t x"), want: "move Trash/t to INBOX/a,",
		},
		{
			name: "gone from both sides, and somewhere else", run: changes(gone("INBOX", "1=a x", "Trash")),
			now: newWorld().synced("INBOX").synced("Work", "4=b x"), want: `left INBOX/a: it is in "Work"`,
		},
		{
			name: "kept on the server", run: changes(kept("INBOX", "1=a x", "")),
			now: newWorld().kept("INBOX", "1=a x"), want: "download INBOX/1 false",
		},
		{
			name: "marked on the server", run: changes(kept("INBOX", "1=a x", "T")),
			now: newWorld().kept("INBOX", "1=a x"), want: "download INBOX/1 true",
		},
		{
			name: "a second copy", run: changes(mailbox.Change{Kind: mailbox.MessageSurplus, Mailbox: "INBOX", Pair: pair("=a x")}),
			now: newWorld().synced("INBOX", "1=b x"), want: "1 settled",
		},

		{
			name: "moved", run: changes(moved("INBOX", "1=a,S x", "Work", "4=b,SF x")),
			now: newWorld().synced("INBOX").synced("Work", "4=b,RSF x"), want: "move Work/b to INBOX/a,RS",
		},
		{
			name: "moved on", run: changes(moved("INBOX", "1=a x", "Work", "4=b x")), later: changes(moved("Work", "4=b x", "Old", "5=c x")),
			now: newWorld().synced("INBOX").synced("Work").synced("Old", "5=c x"), want: `left INBOX/a: run 2 moved it to "Old"`,
		},
		{
			name: "moved back by hand", run: changes(moved("INBOX", "1=a x", "Work", "4=b x")),
			now: newWorld().synced("INBOX", "7=a x").synced("Work"), want: "1 settled",
		},
		{
			name: "moved out of a mailbox that is gone", run: changes(moved("Old", "1=a x", "Work", "4=b x"), boxRemoved("Old")),
			now: newWorld().synced("Work", "4=b x"), want: "create Old; move Work/b to Old/a,",
		},
		{
			name: "moved and then flagged", run: changes(moved("INBOX", "1=a x", "Work", "4=b x"), flagged("Work", "4=b x", "S")),
			now: newWorld().synced("INBOX").synced("Work", "4=b,S x"), want: "move Work/b to INBOX/a,",
		},
		{
			name: "flagged and then moved", run: changes(flagged("INBOX", "1=a x", "S"), moved("INBOX", "1=a,S x", "Work", "4=b,S x")),
			now: newWorld().synced("INBOX").synced("Work", "4=b,S x"), want: "move Work/b to INBOX/a,",
		},
		{
			name: "two that changed places", run: changes(moved("A", "1=a x", "B", "2=c x"), moved("B", "1=b y", "A", "2=d y")),
			now: newWorld().synced("A", "2=d y").synced("B", "2=c x"), want: "move A/d to B/b,; move B/c to A/a,",
		},

		{
			name: "flagged", run: changes(flagged("INBOX", "1=a,F x", "S")),
			now: newWorld().synced("INBOX", "1=a,RS x"), want: "flag INBOX/a +F-S",
		},
		{
			name: "flagged as before by now", run: changes(flagged("INBOX", "1=a,F x", "S")),
			now: newWorld().synced("INBOX", "1=a,F x"), want: "1 settled",
		},
		{
			name: "flagged again since", run: changes(flagged("INBOX", "1=a x", "S")), later: changes(flagged("INBOX", "1=a,S x", ""), flagged("INBOX", "1=a x", "S")),
			now: newWorld().synced("INBOX", "1=a,S x"), want: `left INBOX/a: run 2 changed \Seen again`,
		},
		{
			name: "another flag since", run: changes(flagged("INBOX", "1=a x", "S")), later: changes(flagged("INBOX", "1=a,S x", "FS")),
			now: newWorld().synced("INBOX", "1=a,FS x"), want: "flag INBOX/a +-S",
		},
		{
			name: "flagged, and no longer there", run: changes(flagged("INBOX", "1=a x", "S")), later: changes(removedNear("INBOX", "1=a,S x")),
			now: newWorld().synced("INBOX"), want: "left INBOX/a: run 2 removed it again",
		},

		{
			name: "renamed", run: changes(renamed("Work", "Job"), renamed("Work/2024", "Job/2024"), flagged("Job/2024", "1=a x", "S")),
			now: newWorld().synced("Job", "2=b y").synced("Job/2024", "1=a,S x"), want: "rename Job to Work; flag Job/2024/a +-S",
		},
		{
			name: "renamed, by an undo that died", run: changes(renamed("Work", "Job"), flagged("Job", "1=a x", "S")),
			now: newWorld().synced("Job", "1=a,S x").synced("Job/2024", "2=b y").called("Work", "Job"), want: "flag Job/a +-S; 1 settled; to be synced",
		},
		{
			name: "renamed since", run: changes(removedNear("Work", "1=a x"), flagged("Work", "2=b y", "S")), later: changes(renamed("Work", "Job")),
			now: newWorld().synced("Job", "2=b,S y").shelved("Work", "a x"), want: "copy attic Work/a to Job/a,; flag Job/b +-S",
		},
		{
			name: "renamed, and another has the name now", run: changes(renamed("Work", "Job")),
			now: newWorld().synced("Job").synced("Work"), want: `left Work/: there is another mailbox "Work" now`,
		},
		{
			name: "renamed there and back", run: changes(renamed("Work", "Job")), later: changes(renamed("Job", "Work")),
			now: newWorld().synced("Work"), want: "1 settled",
		},
		{
			name: "a mailbox below a renamed one had been elsewhere", run: changes(renamed("Work", "Job"), renamed("Archive", "Job/old")),
			now: newWorld().synced("Job").synced("Job/old"), want: "rename Job to Work; rename Work/old to Archive",
		},
		{
			name: "a mailbox removed, and removed again", run: changes(boxRemoved("Work")), later: changes(boxRemoved("Work")),
			now: newWorld().synced("INBOX"), want: "left Work/: run 2 removed it again",
		},
	} {
		w := tt.now
		w.runs = [][]mailbox.Change{tt.run, tt.later}
		p, err := Make(t.Context(), ledger{w}, tree{w}, 1, nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got := text(p)
		if strings.Contains(tt.want, "recall Bin/") { // which of its mailboxes comes first does not matter
			got = strings.Replace(got, "recall Bin/9 to INBOX; then All; then Work", tt.want, 1)
		}
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if _, err := Make(t.Context(), ledger{newWorld()}, tree{newWorld()}, 1, nil); !errors.Is(err, ErrNoRun) {
		t.Errorf("no such run: %v", err)
	}
}

// everything is a world in which a run did something of everything.
func everything() *world {
	w := newWorld().synced("INBOX", "10=f,S flagged", "11=r rest").synced("Trash", "9=t,R trashed").synced("Job", "12=m,S moved", "13=j job").
		synced("Job/2024", "14=k kept there").shelved("INBOX", "a attic").shelved("Old", "o old").binned("Bin", "7 G1").binned("Bin", "8 G2")
	w.trash = "Bin"
	w.runs = [][]mailbox.Change{{
		renamed("Work", "Job"), renamed("Work/2024", "Job/2024"), flagged("INBOX", "10=f flagged", "S"), moved("INBOX", "1=b moved", "Job", "12=m,S moved"),
		removedNear("INBOX", "2=a attic"), removedNear("Old", "3=o,F old"), removedFar("INBOX", "4=c trashed", "Trash", "9"),
		removedFar("INBOX", "5=g G1", "Bin", "7"), removedNear("Job", "6=h G2"), boxRemoved("Old"),
	}}
	w.shelved("Job", "h G2")
	return w
}

// do plans and carries out.
func (w *world) do(t *testing.T) (*Plan, error) {
	t.Helper()
	absent := map[mailbox.Digest]bool{}
	p, err := Make(t.Context(), ledger{w}, tree{w}, 1, absent)
	if err != nil {
		t.Fatal(err)
	}
	return p, Doing{Near: tree{w}, Far: binner{server{w}}, First: true, Commit: w.commit, Absent: absent, Problem: func(err error) { t.Errorf("%v", err) }}.Do(t.Context(), p)
}

// state writes down both sides.
func (w *world) state() string {
	var all []string
	for name, box := range w.near {
		all = append(all, string(name)+":")
		for id, m := range box {
			all = append(all, fmt.Sprintf("%s/%s,%s %s", name, id, m.flags.Letters(), m.text))
		}
	}
	for name, box := range w.far {
		for id, text := range box {
			all = append(all, fmt.Sprintf("far %s/%s %s", name, id, text))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func TestDo(t *testing.T) {
	w := everything()
	if _, err := w.do(t); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"INBOX/a, attic", "INBOX/b, moved", "INBOX/c, trashed", "INBOX/f, flagged", "INBOX/r, rest", "INBOX:", "Old/o,F old", "Old:", "Trash:",
		"Work/2024/k, kept there", "Work/2024:", "Work/j, job", "Work:", "far INBOX/7 G1", "far Job/8 G2",
	}, "\n")
	if got := w.state(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What the server gave back is not synced yet, so that the attic could give it, too; but that waits for the sync.
	if p, err := w.do(t); err != nil || len(p.Create)+len(p.Return)+len(p.Flags)+len(p.Rename) > 1 || !p.Unsynced {
		t.Errorf("done twice: %s, %v", text(p), err)
	}
	if got := w.state(); got != want {
		t.Errorf("done twice:\n%s", got)
	}
}

// It dies at each of its effects; what is done again comes to the same.
func TestDoDies(t *testing.T) {
	calm := everything()
	if _, err := calm.do(t); err != nil {
		t.Fatal(err)
	}
	died := true
	for step := 1; died; step++ {
		w := everything()
		w.broken = step
		_, err := w.do(t)
		died = err != nil
		if died && !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		w.broken = 0
		if _, err := w.do(t); err != nil {
			t.Errorf("step %d: %v", step, err)
		}
		if w.state() != calm.state() {
			t.Errorf("step %d:\n%s\nwant\n%s", step, w.state(), calm.state())
		}
		if !died && step < 8 {
			t.Errorf("only %d steps", step)
		}
	}
}

// What is not in the Trash of the server any more is not looked for again.
func TestAbsent(t *testing.T) {
	w := newWorld().synced("INBOX")
	w.runs = [][]mailbox.Change{{removedFar("INBOX", "1=a x", "Trash", "9"), removedFar("INBOX", "2=b G5", "Bin", "8")}}
	absent := map[mailbox.Digest]bool{}
	for _, server := range []Server{server{w}, binner{server{w}}} {
		clear(absent)
		p, err := Make(t.Context(), ledger{w}, tree{w}, 1, absent)
		if err != nil || len(p.Recall) != 2 {
			t.Fatalf("%s, %v", text(p), err)
		}
		if err := (Doing{Near: tree{w}, Far: server, First: true, Absent: absent}).Do(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if len(absent) != 2 {
			t.Errorf("%d absent", len(slices.Collect(maps.Keys(absent))))
		}
		if p, err = Make(t.Context(), ledger{w}, tree{w}, 1, absent); err != nil || !p.Empty() || len(p.Left) != 2 || !p.Left[0].Lost {
			t.Errorf("%s, %v", text(p), err)
		}
	}
}

// The brakes are told of the messages by all names of their mailboxes.
func TestMeant(t *testing.T) {
	w := everything()
	p, err := Make(t.Context(), ledger{w}, tree{w}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for place, want := range map[mailbox.Place]bool{
		{Mailbox: "INBOX", ID: "f"}: true, {Mailbox: "Job", ID: "m"}: true, {Mailbox: "Work", ID: "m"}: true, {Mailbox: "INBOX", ID: "r"}: false,
		{Mailbox: "Job", ID: "j"}: false, {Mailbox: "INBOX"}: false,
	} {
		if p.Meant(place.Mailbox, place.ID) != want {
			t.Errorf("%v: %v", place, !want)
		}
	}
}
