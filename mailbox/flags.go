package mailbox

import (
	"sort"
	"strings"
)

// A Flag is one flag or keyword, as IMAP spells it: `\Seen`, `$Forwarded`, `work`. It ignores case.
//
// Source: RFC 9051, section 2.3.2.
type Flag string

// The flags that a Maildir file name has a letter for.
//
// Source: <https://cr.yp.to/proto/maildir.html>.
const (
	Draft     Flag = `\Draft`     // D
	Flagged   Flag = `\Flagged`   // F
	Forwarded Flag = `$Forwarded` // P, "passed"
	Answered  Flag = `\Answered`  // R, "replied"
	Seen      Flag = `\Seen`      // S
	Deleted   Flag = `\Deleted`   // T, "trashed"
)

// letters are the Maildir letters of system, in the order of the bits of Flags.
const letters = "DFPRST"

var system = [...]Flag{Draft, Flagged, Forwarded, Answered, Seen, Deleted}

// Flags is a set of flags and keywords. It is comparable with ==, which tells keywords that differ only in case
// apart; Same does not. The zero value is the empty set.
type Flags struct {
	bits     uint8  // one for each of system
	keywords string // sorted without regard to case, separated by one space
}

// MakeFlags returns the set of the given flags. `\Recent`, which belongs to a session and not to a message, is left
// out; so is whatever could not be written as one word.
func MakeFlags(flags ...Flag) Flags {
	var f Flags
	for _, flag := range flags {
		f = f.With(flag)
	}
	return f
}

// Letters returns the set that the Maildir letters name; letters that are not of DFPRST are ignored.
func Letters(s string) Flags {
	var f Flags
	for i := range len(s) {
		if bit := strings.IndexByte(letters, s[i]); bit >= 0 {
			f.bits |= 1 << bit
		}
	}
	return f
}

// Letters returns the Maildir letters of the flags that have one, in ASCII order.
func (f Flags) Letters() string {
	var b strings.Builder
	for i := range len(letters) {
		if f.bits&(1<<i) != 0 {
			b.WriteByte(letters[i])
		}
	}
	return b.String()
}

// Keywords returns the flags that have no Maildir letter, sorted.
func (f Flags) Keywords() []Flag {
	var keywords []Flag
	for k := range strings.FieldsSeq(f.keywords) {
		keywords = append(keywords, Flag(k))
	}
	return keywords
}

// All returns every flag of the set: those with a letter first, then the keywords.
func (f Flags) All() []Flag {
	var all []Flag
	for i, flag := range system {
		if f.bits&(1<<i) != 0 {
			all = append(all, flag)
		}
	}
	return append(all, f.Keywords()...)
}

// Empty tells whether the set has no member.
func (f Flags) Empty() bool { return f == Flags{} }

// Has tells whether flag is in the set.
func (f Flags) Has(flag Flag) bool {
	if bit := systemBit(flag); bit >= 0 {
		return f.bits&(1<<bit) != 0
	}
	for k := range strings.FieldsSeq(f.keywords) {
		if strings.EqualFold(k, string(flag)) {
			return true
		}
	}
	return false
}

// With returns the set and flag.
func (f Flags) With(flag Flag) Flags {
	if bit := systemBit(flag); bit >= 0 {
		f.bits |= 1 << bit
		return f
	}
	if !validKeyword(flag) || f.Has(flag) {
		return f
	}
	all := append(strings.Fields(f.keywords), string(flag))
	sort.Slice(all, func(i, j int) bool { return strings.ToLower(all[i]) < strings.ToLower(all[j]) })
	f.keywords = strings.Join(all, " ")
	return f
}

// Without returns the set less flag.
func (f Flags) Without(flag Flag) Flags {
	if bit := systemBit(flag); bit >= 0 {
		f.bits &^= 1 << bit
		return f
	}
	if f.keywords == "" {
		return f
	}
	var kept []string
	for k := range strings.FieldsSeq(f.keywords) {
		if !strings.EqualFold(k, string(flag)) {
			kept = append(kept, k)
		}
	}
	f.keywords = strings.Join(kept, " ")
	return f
}

// Union returns what is in f, in g or in both.
func (f Flags) Union(g Flags) Flags {
	f.bits |= g.bits
	for k := range strings.FieldsSeq(g.keywords) {
		f = f.With(Flag(k))
	}
	return f
}

// Minus returns what is in f but not in g.
func (f Flags) Minus(g Flags) Flags {
	f.bits &^= g.bits
	for k := range strings.FieldsSeq(g.keywords) {
		f = f.Without(Flag(k))
	}
	return f
}

// Same tells whether both sets have the same members, ignoring case.
func (f Flags) Same(g Flags) bool {
	return f.bits == g.bits && strings.EqualFold(f.keywords, g.keywords)
}

// String writes the set as words, for messages and traces: `\Flagged \Seen work`.
func (f Flags) String() string {
	var words []string
	for _, flag := range f.All() {
		words = append(words, string(flag))
	}
	return strings.Join(words, " ")
}

// Merge joins two sides that came from last. A flag is a bit: the side that differs from last wins, and two sides
// that both differ agree. The order of the sides does not matter.
func Merge(last, far, near Flags) Flags {
	added := far.Minus(last).Union(near.Minus(last))
	taken := last.Minus(far).Union(last.Minus(near))
	return last.Minus(taken).Union(added)
}

func systemBit(flag Flag) int {
	for i, s := range system {
		if strings.EqualFold(string(s), string(flag)) {
			return i
		}
	}
	return -1
}

// validKeyword tells whether flag can be sent as an atom, which is what a keyword has to be. A flag that starts with
// a backslash and is none of ours (`\Recent`, `\*`, a server's own) is the server's business.
//
// Source: RFC 9051, section 9, flag-keyword.
func validKeyword(flag Flag) bool {
	if flag == "" {
		return false
	}
	for i := range len(flag) {
		if c := flag[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}
