package mailbox

import (
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
	}
	nameless := strings.Replace(plain, "Message-ID: <1@x>\r\n", "", 1)
	if sum("X-TUID: 1\r\n"+nameless).Hint() != sum(nameless).Hint() {
		t.Error("without a Message-ID the hints differ")
	}
}
