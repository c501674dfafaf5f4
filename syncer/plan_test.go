package syncer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// The notation: a message is ID,flags; a pair is FAR=NEAR,flags; ~X is the content, X a letter; a gone message is
// missing from its side. Words are separated by spaces, mailboxes by " | ": the first is A, the second B.
// A leading "-" of a pair's near ID ("7=-") is a message that the far side keeps.

type note struct {
	id      mailbox.ID
	near    mailbox.ID
	flags   mailbox.Flags
	content mailbox.Digest
}

func parseNotes(s string) []note {
	var notes []note
	for word := range strings.FieldsSeq(s) {
		var n note
		if at := strings.IndexByte(word, '~'); at >= 0 {
			n.content[0] = word[at+1]
			word = word[:at]
		}
		word, letters, _ := strings.Cut(word, ",")
		id, near, _ := strings.Cut(word, "=")
		n.id, n.near, n.flags = mailbox.ID(id), mailbox.ID(near), mailbox.Letters(letters)
		notes = append(notes, n)
	}
	return notes
}

// scene builds the deltas that the sifting of scans would bring.
func scene(last, far, near string) []Delta {
	lasts, fars, nears := strings.Split(last, "|"), strings.Split(far, "|"), strings.Split(near, "|")
	deltas := make([]Delta, len(lasts))
	var held []mailbox.Located
	for i := range lasts {
		deltas[i] = delta(mailbox.Name(string(rune('A'+i))), lasts[i], at(fars, i), at(nears, i))
		for _, n := range parseNotes(lasts[i]) {
			held = append(held, mailbox.Located{Mailbox: deltas[i].Mailbox, Pair: n.pair()})
		}
	}
	for i := range deltas {
		for side := range deltas[i].New {
			for k := range deltas[i].New[side] {
				evidence := deltas[i].New[side][k].Evidence
				for _, h := range held {
					if evidence != nil && h.Digest == evidence.Content.Digest {
						evidence.Held = append(evidence.Held, h)
					}
				}
			}
		}
	}
	return deltas
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

func (n note) pair() mailbox.Pair {
	p := mailbox.Pair{Far: n.id, Near: n.near, Flags: n.flags, Digest: n.content}
	if n.near == "-" {
		p.Near, p.Parked = "", mailbox.Kept
	}
	if n.id == "" {
		p.Parked = mailbox.Left
	}
	return p
}

func delta(name mailbox.Name, last, far, near string) Delta {
	d := Delta{Mailbox: name}
	now := [2]map[mailbox.ID]note{{}, {}}
	known := [2]map[mailbox.ID]bool{{}, {}}
	for side, text := range []string{far, near} {
		for _, n := range parseNotes(text) {
			now[side][n.id] = n
		}
	}
	for _, n := range parseNotes(last) {
		c := Change{Pair: n.pair(), Flags: [2]mailbox.Flags{n.flags, n.flags}}
		for _, side := range []Side{Far, Near} {
			id := idOn(side, c.Pair)
			known[side][id] = true
			m, there := now[side][id]
			if there {
				c.Flags[side] = m.flags
			}
			c.Gone[side] = !there && id != ""
		}
		if c.Gone[Near] {
			for _, other := range parseNotes(last) {
				if other.near != n.near && other.content == n.content && n.content != (mailbox.Digest{}) {
					c.Held = append(c.Held, mailbox.Located{Mailbox: name, Pair: other.pair()})
				}
			}
		}
		if c.Gone != [2]bool{} || c.Pair.Near != "" {
			d.Pairs = append(d.Pairs, c)
		}
	}
	for side, text := range []string{far, near} {
		for _, n := range parseNotes(text) {
			if known[side][n.id] {
				continue
			}
			a := Arrival{ID: n.id, Flags: n.flags}
			if n.content != (mailbox.Digest{}) {
				a.Evidence = &Evidence{Content: mailbox.Content{Digest: n.content}}
			}
			d.New[side] = append(d.New[side], a)
		}
	}
	return d
}

// words writes a plan in the order in which it is done.
func words(steps []Steps) string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, s := range steps {
		for _, a := range s.Agree {
			verb := "flag"
			if a.New {
				verb = "pair"
			} else if a.Drop != nil {
				verb = "rekey"
			}
			say("%s %s", verb, strings.TrimSuffix(fmt.Sprintf("%s=%s,%s", a.Pair.Far, a.Pair.Near, a.Pair.Flags.Letters()), ","))
		}
	}
	for _, s := range steps {
		for _, m := range s.Relocate {
			verb := "copy"
			if m.Pair != nil {
				verb = "move"
			}
			say("%s %s/%s to %s on %s", verb, m.From.Mailbox, m.From.ID, s.Mailbox, m.Side)
		}
	}
	for _, s := range steps {
		for _, a := range s.Download {
			say("download %s", a.ID)
		}
		for _, a := range s.Upload {
			say("upload %s", a.ID)
		}
	}
	for _, s := range steps {
		for _, side := range []Side{Far, Near} {
			for _, c := range s.Remove[side] {
				moved := ""
				if c.Moved {
					moved = " for good"
				}
				say("remove %s from %s%s", idOn(side, c.Pair), side, moved)
			}
		}
		for _, p := range s.Leave {
			say("leave %s=%s", p.Far, p.Near)
		}
		for _, p := range s.Keep {
			say("keep %s", p.Far)
		}
		for _, p := range s.Forget {
			say("forget %s=%s", p.Far, p.Near)
		}
	}
	return strings.Join(out, "; ")
}

var planCases = []struct{ name, last, far, near, want string }{
	{name: "nothing changed", last: "7=a,S", far: "7,S", near: "a,S"},
	{name: "new on the server", far: "7,S", want: "download 7"},
	{name: "new here", near: "a~X", want: "upload a"},
	{name: "new on both, the same", far: "7,S~X", near: "a,F~X", want: "pair 7=a,FS"},
	{name: "new on both, two messages", far: "7~X", near: "a~Y", want: "download 7; upload a"},
	{name: "new on both, one twice", far: "7~X 8~X", near: "a~X", want: "pair 7=a; copy A/a to A on near"},
	{name: "read here, starred there", last: "7=a", far: "7,F", near: "a,S", want: "flag 7=a,FS"},
	{name: "read on both", last: "7=a", far: "7,S", near: "a,S", want: "flag 7=a,S"},
	{name: "unread here, answered there", last: "7=a,S", far: "7,RS", near: "a", want: "flag 7=a,R"},
	{name: "deleted here", last: "7=a", far: "7", want: "remove 7 from far"},
	{name: "deleted here, starred there", last: "7=a", far: "7,F", want: "remove 7 from far"},
	{name: "deleted there", last: "7=a", near: "a", want: "remove a from near"},
	{name: "deleted on both", last: "7=a", want: "forget 7=a"},
	{name: "copies before removals", last: "7=a", far: "7 8", want: "download 8; remove 7 from far"},
	{name: "renamed by a mail program", last: "7=a,S~X", far: "7,S", near: "b,FS~X", want: "flag 7=b,FS"},
	{name: "another UID", last: "7=a~X", far: "9~X", near: "a", want: "rekey 9=a"},
	{name: "moved here", last: "7=a~X |", far: "7 |", near: "| b~X", want: "move A/7 to B on far"},
	{name: "moved there", last: "7=a~X |", far: "| 3~X", near: "a |", want: "move A/a to B on near"},
	{name: "moved on both to the same", last: "7=a~X |", far: "| 3~X", near: "| b~X", want: "pair 3=b; forget 7=a"},
	{name: "moved on both, unread here", last: "7=a,FS~X |", far: "| 3,FRS~X", near: "| b,F~X", want: "pair 3=b,FR; forget 7=a"},
	{
		name: "moved to different mailboxes", last: "7=a~X | |", far: "| 3~X |", near: "| | c~X",
		want: "copy C/c to B on near; upload c; forget 7=a",
	},
	{name: "copied here", last: "7=a~X |", far: "7 |", near: "a | b~X", want: "copy A/7 to B on far"},
	{name: "copied there", last: "7=a~X |", far: "7 | 3~X", near: "a |", want: "copy A/a to B on near"},
	{name: "copied there, source deleted here", last: "7=a~X |", far: "7 | 3", near: "|", want: "download 3; remove 7 from far"},
	{name: "moved here, deleted there", last: "7=a~X |", far: "|", near: "| b~X", want: "upload b; forget 7=a"},
	{name: "two copies, one moves", last: "7=a~X |", far: "7 |", near: "| b~X c~X", want: "move A/7 to B on far; copy A/7 to B on far"},
	{name: "an interrupted move", last: "7=a~X |", far: "7 | 3~X", near: "| b~X", want: "pair 3=b; remove 7 from far for good"},
	{name: "moved here, marked by what died there", last: "7=a~X |", far: "7,T |", near: "| b~X", want: "upload b; remove 7 from far"},
	{name: "moved and copied here, marked there", last: "7=a~X |", far: "7,T |", near: "| b~X c~X", want: "upload b; upload c; remove 7 from far"},
	{name: "copied here, marked there", last: "7=a,T~X |", far: "7,T |", near: "a,T | b~X", want: "upload b"},
	{name: "moved with its mark", last: "7=a,T~X |", far: "7,T |", near: "| b,T~X", want: "move A/7 to B on far"},
	{name: "kept there, gone there", last: "7=-", want: "forget 7="},
	{name: "kept there, back here", last: "7=-~X", far: "7", near: "b~X", want: "flag 7=b"},
}

func TestPlan(t *testing.T) {
	for _, tt := range planCases {
		t.Run(tt.name, func(t *testing.T) {
			if got := words(Plan(scene(tt.last, tt.far, tt.near), Policy{})); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// What is there again here must lose the mark that its removal left there.
func TestBackHereIsUnmarked(t *testing.T) {
	steps := Plan(scene("7=-,S~X", "7,S", "b,FS~X"), Policy{})
	flags := steps[0].Agree[0].Flags
	if got := flags[Far].Add.Letters() + "-" + flags[Far].Take.Letters(); got != "F-T" || !flags[Near].Add.Empty() {
		t.Errorf("the server's flags change by %s, those here by %s", got, flags[Near].Add.Letters())
	}
}

func TestPlanIsPure(t *testing.T) {
	for _, tt := range planCases {
		deltas := scene(tt.last, tt.far, tt.near)
		if one, two := words(Plan(deltas, Policy{})), words(Plan(deltas, Policy{})); one != two {
			t.Errorf("%s: %q, then %q", tt.name, one, two)
		}
	}
}

func TestNoRemoval(t *testing.T) {
	for _, tt := range planCases {
		steps := Plan(scene(tt.last, tt.far, tt.near), Policy{NoRemoval: [2]bool{true, true}})
		if slices.ContainsFunc(steps, func(s Steps) bool { return len(s.Remove[Far])+len(s.Remove[Near]) > 0 }) {
			t.Errorf("%s: removals although none are allowed: %s", tt.name, words(steps))
		}
	}
}
