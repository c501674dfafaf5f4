package mailbox

import (
	"slices"
	"strings"
	"testing"
)

// Levels make a name, and that name the levels again, so that no two mailboxes share one.
func FuzzName(f *testing.F) {
	for _, seed := range []string{"INBOX", "Work\x002024", "a/b\x00c", "100%\x00%2F\x00%25", "", "\x00", "inbox\x00inbox", "%2\x005F"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		levels := strings.Split(text, "\x00")
		name := MakeName(levels...)
		got := name.Levels()
		if strings.EqualFold(levels[0], string(Inbox)) {
			levels[0] = string(Inbox)
		}
		if !slices.Equal(got, levels) || MakeName(got...) != name {
			t.Errorf("%q make %q, which is %q", levels, name, got)
		}
		if parent := name.Parent(); parent != "" && (!name.Under(parent) || parent != MakeName(levels[:len(levels)-1]...)) {
			t.Errorf("%q lies in %q", name, parent)
		}
	})
}

// A set of flags holds what was put in, once, and merging is fair to both sides.
func FuzzFlags(f *testing.F) {
	f.Add(`\Seen work`, "WORK \\flagged", "")
	f.Add(`\Recent a(b`, "$Forwarded x\x00y", "é b a")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var sets [3]Flags
		for i, text := range []string{a, b, c} {
			for word := range strings.FieldsSeq(text) {
				sets[i] = sets[i].With(Flag(word))
			}
			for _, flag := range sets[i].All() {
				if !sets[i].Has(flag) || sets[i].Without(flag).Has(flag) || !sets[i].With(Flag(strings.ToUpper(string(flag)))).Same(sets[i]) {
					t.Errorf("%q in %q", flag, sets[i])
				}
			}
			if again := MakeFlags(sets[i].All()...); again != sets[i] {
				t.Errorf("%q becomes %q", sets[i], again)
			}
		}
		last, far, near := sets[0], sets[1], sets[2]
		if one, other := Merge(last, far, near), Merge(last, near, far); !one.Same(other) {
			t.Errorf("from %q, %q and %q make %q or %q", last, far, near, one, other)
		}
		if got := Merge(last, last, near); !got.Same(near) {
			t.Errorf("from %q, nothing and %q make %q", last, near, got)
		}
	})
}

// A message is the same in whatever pieces it comes.
func FuzzContent(f *testing.F) {
	f.Add([]byte("Message-ID:\r\n <a@b>\r\nX-TUID: 0123456789ab\r\nSubject: x\r\n\r\nbody"), 3)
	f.Add([]byte("\r\nbody"), 1)
	f.Add([]byte("X-TUID: a"), 5)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		whole, pieces := NewSummer(), NewSummer()
		_, _ = whole.Write(text) // it never fails
		for part := range slices.Chunk(text, 1+max(0, size)%100) {
			_, _ = pieces.Write(part)
		}
		if one, other := whole.Content(), pieces.Content(); one != other {
			t.Errorf("whole %+v, in pieces %+v", one, other)
		}
	})
}

// Patterns match in a time that does not explode, and everything is matched by a star.
func FuzzPatterns(f *testing.F) {
	f.Add("*", "!Spam", "Spam")
	f.Add("a*b?c", "*********", "aXbYc")
	f.Fuzz(func(t *testing.T, one, other, name string) {
		if !(Patterns{one, other, "*"}).Match(Name(name)) || (Patterns{one, "!*"}).Match(Name(name)) {
			t.Errorf("%q, %q: %q", one, other, name)
		}
		_ = Patterns{one, other}.Match(Name(name)) // that it returns is what counts
	})
}
