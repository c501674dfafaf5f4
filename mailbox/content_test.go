package mailbox

import (
	"slices"
	"strings"
	"testing"
)

func sum(text string) Content {
	s := NewSummer()
	_, _ = s.Write([]byte(text)) // which never fails
	return s.Content()
}

// A message is the same with and without the line that mbsync puts into its header, wherever that stands, and only then.
func TestTag(t *testing.T) {
	const plain = "From: a\r\nMessage-ID: <1@x>\r\n\r\nX-TUID: in the body\r\n"
	far := sum(plain)
	if far.Tag != 0 || far.Untagged != (Digest{}) {
		t.Errorf("%+v", far)
	}
	for _, tt := range []struct {
		name, text string
		same       bool
	}{
		{"first", "X-TUID: +abc/DEF0123\r\n" + plain, true},
		{"between", strings.Replace(plain, "Message", "X-TUID: +abc/DEF0123\r\nMessage", 1), true},
		{"last", strings.Replace(plain, "\r\n\r\n", "\r\nX-TUID: x\r\n\r\n", 1), true},
		{"another field", "X-TUIDS: +abc/DEF0123\r\n" + plain, false},
		{"twice", "X-TUID: 1\r\nX-TUID: 2\r\n" + plain, false},
		{"in the body", plain + "\r\nX-TUID: 1\r\n", false},
		{"another message", "X-TUID: 1\r\n" + strings.Replace(plain, "From: a", "From: b", 1), false},
	} {
		near := sum(tt.text)
		if got := near.HasHeader(far.Header, far.Size); got != tt.same {
			t.Errorf("%s: %v, want %v: %+v", tt.name, got, tt.same, near)
		}
		if tt.same && (!near.HasSize(far.Size) || near.Hint() != far.Hint() || near.Digest == far.Digest) {
			t.Errorf("%s: %+v", tt.name, near)
		}
		if got := near.Bare() == far.Digest; got != tt.same {
			t.Errorf("%s: without that line it is %v, want %v", tt.name, got, tt.same)
		}
		pieces := NewSummer()
		for i := range len(tt.text) {
			_, _ = pieces.Write([]byte(tt.text[i : i+1])) // which never fails
		}
		if got := pieces.Content(); got != near {
			t.Errorf("%s: octet by octet %+v, at once %+v", tt.name, got, near)
		}
	}
	nameless := strings.Replace(plain, "Message-ID: <1@x>\r\n", "", 1)
	if sum("X-TUID: 1\r\n"+nameless).Hint() != sum(nameless).Hint() {
		t.Error("without a Message-ID the hints differ")
	}
}

// A message is the same as offlineimap stores it: with a space before a folded value, and an end of its last line.
func TestOfflineimapForm(t *testing.T) {
	const plain = "From: a\r\nMessage-ID:\r\n <1@x>\r\nSubject:\r\n\tb\r\n\r\n--end--"
	far := sum(plain)
	spaced := strings.ReplaceAll(plain, ":\r\n", ": \r\n")
	for _, tt := range []struct {
		name, text string
		same       bool
	}{
		{"spaces", spaced, true},
		{"an end", plain + "\r\n", true},
		{"both", spaced + "\r\n", true},
		{"a space elsewhere", strings.Replace(plain, "From:", "From: ", 1), false},
		{"two ends", plain + "\r\n\r\n", false},
		{"two octets more", plain + "--", false},
		{"another header", strings.Replace(spaced, "From: a", "From: b", 1), false},
	} {
		near := sum(tt.text)
		if got := near.HasSize(far.Size) && near.Hint() == far.Hint() && near.HasHeader(far.Header, far.Size); got != tt.same {
			t.Errorf("%s: %v, want %v: %+v", tt.name, got, tt.same, near)
		}
	}
	if near := sum("From: a\r\n\r\nb\r\n"); near.HasSize(near.Size - 2) {
		t.Error("without a Message-ID, two octets less are taken for the same")
	}
}

// What other programs made of a message can be undone, and nothing else.
func TestPlain(t *testing.T) {
	const plain = "From: a\r\nMessage-ID:\r\n <1@x>\r\nSubject:\r\n\tb\r\n\r\nX-TUID: 1\r\nend"
	far := sum(plain).Digest
	long := strings.Repeat("x", 3*maxHeader) + "\r\n"
	for _, tt := range []struct {
		name, text string
		want       Digest
		same       bool
	}{
		{"as it was", plain, far, true},
		{"mbsync", "X-TUID: +abc/DEF0123\r\n" + plain, far, true},
		{"offlineimap", strings.ReplaceAll(plain, ":\r\n", ": \r\n") + "\r\n", far, true},
		{"two ends", plain + "\r\n\r\n", far, false},
		{"in the body", plain + "\r\nX-TUID: 2\r\n", far, false},
		{"no Message-ID", "From: a\r\n\r\nend\r\n", sum("From: a\r\n\r\nend").Digest, false},
		{"no header", "\r\n" + long, sum("\r\n" + long).Digest, true},
		{"nothing but header", long, sum(long).Digest, true},
		{"long", "Message-ID: <1@x>\r\nX-TUID: 1\r\n\r\n" + long, sum("Message-ID: <1@x>\r\n\r\n" + long).Digest, true},
		{"empty", "", sum("").Digest, true},
		{"another octet", strings.Replace(plain, "end", "enD", 1), far, false},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			if size == 1 && len(tt.text) > maxHeader {
				continue // which takes its time
			}
			p := NewPlainer()
			for part := range slices.Chunk([]byte(tt.text), size) {
				_, _ = p.Write(part) // which never fails
			}
			digests := p.Digests()
			if got := digests[0] == tt.want || digests[1] == tt.want; got != tt.same {
				t.Errorf("%s, in pieces of %d: %v", tt.name, size, got)
			}
		}
	}
}
