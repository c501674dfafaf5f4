package syncer

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// The notation: a message is ID,flags#octets; a pair is FAR=NEAR,flags. A pair that waits is 7=?, one that the far side
// keeps is 7=-, one that only the near side has is =a. Every message has 100 octets, of which a near one takes 90, unless
// it says otherwise.

func parsePairs(s string) iter.Seq2[mailbox.Pair, error] {
	return func(yield func(mailbox.Pair, error) bool) {
		for _, n := range parseNotes(s) {
			p := mailbox.Pair{Far: n.id, Near: n.near, Flags: n.flags, Size: 100, Stored: 90}
			switch {
			case n.near == "?":
				p.Near, p.Parked = "", mailbox.Pending
			case n.near == "-":
				p.Near, p.Parked = "", mailbox.Kept
			case n.id == "":
				p.Parked = mailbox.Left
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// parseListing reads what a side has; "none" is a side that is not looked at. cannot are the flags that it cannot store.
func parseListing(side Side, s, cannot string) *listing {
	if s == "none" {
		return nil
	}
	l := &listing{messages: map[mailbox.ID]listed{}}
	if cannot != "" {
		l.holds = func(f mailbox.Flag) bool { return !mailbox.Letters(cannot).Has(f) }
	}
	for word := range strings.FieldsSeq(s) {
		word, octets, sized := strings.Cut(word, "#")
		id, letters, _ := strings.Cut(word, ",")
		m := listed{flags: mailbox.Letters(letters)}
		n := int64(100)
		if side == Near {
			n = 90
		}
		if sized {
			n, _ = strconv.ParseInt(octets, 10, 64)
		}
		if side == Far {
			m.size = n
		} else {
			m.stored = n
		}
		l.messages[mailbox.ID(id)] = m
	}
	return l
}

// told writes differences in short.
func told(list []Difference) string {
	var words []string
	for _, d := range list {
		word := fmt.Sprintf("%s %s", d.Kind, d.Side)
		switch d.Kind {
		case Absent, WrongSize, WrongBytes:
			word += fmt.Sprintf(" %s=%s", d.Pair.Far, d.Pair.Near)
		case WrongFlags:
			word += fmt.Sprintf(" %s=%s,%s not %s", d.Pair.Far, d.Pair.Near, d.Flags[d.Side].Letters(), d.Pair.Flags.Letters())
		case Unknown, Unreadable:
			word += " " + string(d.ID())
		case MailboxMissing, MailboxUnknown, Renumbered:
			word += fmt.Sprintf(" %d", d.Messages)
		}
		if d.Waits {
			word += " waits"
		}
		words = append(words, word)
	}
	return strings.Join(words, "; ")
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct{ name, last, far, near, cannot, want string }{
		{name: "alike", last: "7=a,S 8=b", far: "7,S 8", near: "a,S b"},
		{name: "nothing", want: ""},
		{name: "a file is missing", last: "7=a 8=b", far: "7 8", near: "b", want: "missing near 7=a"},
		{name: "one is missing on the server", last: "7=a 8=b", far: "8", near: "a b", want: "missing far 7=a"},
		{name: "missing on both", last: "7=a", want: "missing far 7=a; missing near 7=a"},
		{name: "an extra file", last: "7=a", far: "7", near: "a c", want: "unknown near c"},
		{name: "not downloaded", last: "7=a", far: "7 8", near: "a", want: "unknown far 8"},
		{name: "one for another", last: "7=a", far: "8", near: "b", want: "missing far 7=a; missing near 7=a; unknown far 8; unknown near b"},
		{name: "read here", last: "7=a", far: "7", near: "a,S", want: "flags near 7=a,S not "},
		{name: "read there", last: "7=a", far: "7,S", near: "a", want: "flags far 7=a,S not "},
		{name: "unread there", last: "7=a,FS", far: "7,F", near: "a,FS", want: "flags far 7=a,F not FS"},
		{name: "read on both", last: "7=a", far: "7,S", near: "a,S"},
		{name: "read there, starred here", last: "7=a", far: "7,S", near: "a,F", want: "flags near 7=a,F not "},
		{name: "what a side cannot store", last: "7=a,DS", far: "7,S", near: "a,DS", cannot: "D"},
		{name: "flags of what is missing", last: "7=a", far: "7,S", near: "", want: "missing near 7=a"},
		{name: "another size on the server", last: "7=a", far: "7#101", near: "a", want: "size far 7=a"},
		{name: "a size that the server does not say", last: "7=a", far: "7#0", near: "a"},
		{name: "a short file", last: "7=a 8=b", far: "7 8", near: "a#89 b", want: "doubtful 7=a"},
		{name: "flags and size", last: "7=a", far: "7", near: "a,S#0", want: "flags near 7=a,S not ; doubtful 7=a"},
		{name: "waits", last: "7=?", far: "7,S", want: ""},
		{name: "waits, and went", last: "7=?"},
		{name: "kept on the server", last: "7=-,S", far: "7"},
		{name: "kept here", last: "=a,S", near: "a,S"},
		{name: "kept here, and lost", last: "=a 8=b", far: "8", near: "b", want: "missing near =a"},
		{name: "kept here, and read", last: "=a", near: "a,S", want: "flags near =a,S not "},
		{name: "kept here, and short", last: "=a", near: "a#1", want: "doubtful =a"},
		{name: "only here is looked at", last: "7=a 8=b", far: "none", near: "b,S c", want: "missing near 7=a; flags near 8=b,S not ; unknown near c"},
		{name: "only there is looked at", last: "7=a 8=b", far: "8,S", near: "none", want: "missing far 7=a; flags far 8=b,S not "},
		{name: "UIDs in numeric order", far: "10 9 100", want: "unknown far 9; unknown far 10; unknown far 100"},
	} {
		sides := [2]*listing{parseListing(Far, tt.far, tt.cannot), parseListing(Near, tt.near, "")}
		v, doubtful, err := compare("A", parsePairs(tt.last), sides)
		got := told(v.Differences)
		for _, p := range doubtful {
			got = strings.TrimPrefix(fmt.Sprintf("%s; doubtful %s=%s", got, p.Far, p.Near), "; ")
		}
		if got != tt.want || err != nil {
			t.Errorf("%s:\n got %q, %v\nwant %q", tt.name, got, err, tt.want)
		}
	}
}

func TestCompareCounts(t *testing.T) {
	sides := [2]*listing{parseListing(Far, "1 2 3 4 9", ""), parseListing(Near, "a b e x", "")}
	v, _, err := compare("A", parsePairs("1=a 2=b 3=? 4=- =e"), sides)
	v.Differences = nil
	if got := fmt.Sprintf("%+v", v); got != "{Mailbox:A Messages:[5 4] Pairs:2 Pending:1 Kept:1 Left:1 Rewritten:0 Read:[0 0] Differences:[]}" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

// Every kind has a name of its own, which programs are told.
func TestKinds(t *testing.T) {
	names := slices.Clone(kindNames[:])
	slices.Sort(names)
	if Renumbered.String() != "renumbered" || len(slices.Compact(names)) != int(Renumbered)+1 {
		t.Errorf("%q", names)
	}
}
