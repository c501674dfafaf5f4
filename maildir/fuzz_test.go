package maildir

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// Whatever a file is called: its base and its letters make its name again, and another name of it has the same base.
func FuzzFileName(f *testing.F) {
	for _, seed := range []string{
		"1.M2P3.host", "1.M2P3.host:2,FS", "1:2,", "1:1,exp", "a,U=7:2,Sab", ":2,S", "", "1:2,S:2,F", "1.0badf00d_7_0123456789abcdef-2.mailtwin-lf:2,T",
	} {
		f.Add(seed, "FS")
	}
	f.Fuzz(func(t *testing.T, name, letters string) {
		e := makeEntry(name, false)
		if strings.Contains(e.base, ":") || !strings.HasPrefix(name, e.base) {
			t.Errorf("%q has the base %q", name, e.base)
		}
		if strings.HasPrefix(name[len(e.base):], ":2,") && withLetters(e.base, e.letters(), false) != name {
			t.Errorf("%q becomes %q", name, withLetters(e.base, e.letters(), false))
		}
		for _, fresh := range []bool{false, true} {
			again := makeEntry(withLetters(e.base, letters, fresh), fresh)
			if again.base != e.base || again.letters() != letters {
				t.Errorf("%q with %q has the base %q and the letters %q", e.base, letters, again.base, again.letters())
			}
		}
		if id, digest, ok := origin(e.base, "0badf00d"); ok {
			if id == "" || len(digest) != digestDigits || strings.Trim(string(id), "0123456789") != "" {
				t.Errorf("%q comes from %q, %q", e.base, id, digest)
			}
		}
	})
}

// What mailtwin calls a file says where it comes from, for any far ID that a server can give.
func FuzzOrigin(f *testing.F) {
	f.Add(uint32(7), int64(1_700_000_000), false, 1)
	f.Add(uint32(1<<32-1), int64(-5), true, 2)
	f.Add(uint32(1), int64(0), true, 1)
	f.Add(uint32(1), int64(253_402_300_800), true, 1)
	f.Fuzz(func(t *testing.T, uid uint32, seconds int64, verbatim bool, n int) {
		digest := mailbox.Digest{1, byte(uid)}
		m := mailbox.Message{ID: mailbox.ID(strconv.FormatUint(uint64(uid), 10)), InternalDate: time.Unix(seconds, 0)}
		base := originBase(m, "0badf00d", digest, verbatim, n)
		id, start, ok := origin(base, "0badf00d")
		if !ok || id != m.ID || start != digest.String()[:digestDigits] || isVerbatim(base) != verbatim || strings.ContainsAny(base, ":/") {
			t.Errorf("%q comes from %q, %q, %v", base, id, start, ok)
		}
		date, told := NamedDate(mailbox.ID(base)), seconds != 0 && seconds > -62e9 && seconds < 253e9
		if date.IsZero() && told || !date.IsZero() && (!date.Equal(m.InternalDate) || date.UTC().Year() > 9999) {
			t.Errorf("%q has the date %v, want %v", base, date, m.InternalDate)
		}
		if _, _, ok := origin(base, "0badf00e"); ok {
			t.Errorf("%q comes from anywhere", base)
		}
	})
}

// What the file of keywords says is kept, and what letters mean is what writes them.
func FuzzKeywords(f *testing.F) {
	f.Add("0 work\n1 $Forwarded\n3 \\Seen\n4 a b\nnonsense\n25 late\n26 beyond\n", "Sab", "fresh")
	f.Add("", "z", "a")
	f.Add("0 a\r\n0 b\n-1 c\n+1 d\n01 e", "FPSbz", "A")
	f.Fuzz(func(t *testing.T, text, before, keyword string) {
		k := parseKeywords(text)
		again := parseKeywords(k.String())
		if again.names != k.names || again.String() != k.String() {
			t.Errorf("%q reads %q, which reads %q", text, k.String(), again.String())
		}
		flags := k.flags(before)
		letters := k.letters(flags, before)
		if got := k.flags(letters); !got.Same(flags) {
			t.Errorf("%q means %q, is written %q, and that means %q", before, flags, letters, got)
		}
		if k.letters(k.flags(letters), letters) != letters {
			t.Errorf("%q becomes %q", letters, k.letters(k.flags(letters), letters))
		}
		k.adopt(before)
		names := k.names
		k.assign(mailbox.MakeFlags(mailbox.Flag(keyword)))
		for i := range names {
			if names[i] != "" && k.names[i] != names[i] {
				t.Errorf("letter %c was %q and is %q", 'a'+i, names[i], k.names[i])
			}
		}
		if got := k.flags(letters); !got.Same(flags) {
			t.Errorf("with %q, what means %q means %q", keyword, flags, got)
		}
	})
}
