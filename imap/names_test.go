package imap

import (
	"testing"
	"unicode/utf8"

	"mailtwin/imap/wire"
)

func TestUTF7(t *testing.T) {
	for name, want := range map[string]string{"INBOX": "INBOX", "Entwürfe": "Entw&APw-rfe", "a&b": "a&-b", "台北": "&U,BTFw-", "📬": "&2D3c7A-"} {
		if got := encodeUTF7(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
		if got, err := decodeUTF7(want); err != nil || got != name {
			t.Errorf("%q is %q, %v", want, got, err)
		}
	}
	for _, bad := range []string{"&", "&a", "&AAA", "&!-", "&AGE-", "\xff", "&2D0-", "ü"} {
		if got, err := decodeUTF7(bad); err == nil {
			t.Errorf("%q is %q", bad, got)
		}
	}
}

func FuzzUTF7(f *testing.F) {
	for _, seed := range []string{"Entw&APw-rfe", "Entwürfe & more", "&", "&-", "&2D3c7A-", "&ABs-", "\U0010ffff\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name, err := decodeUTF7(s); err == nil && encodeUTF7(name) != s {
			t.Errorf("%q is %q, which is %q", s, name, encodeUTF7(name))
		}
		if !utf8.ValidString(s) {
			return
		}
		if name, err := decodeUTF7(encodeUTF7(s)); err != nil || name != s {
			t.Errorf("%q becomes %q, which is %q, %v", s, encodeUTF7(s), name, err)
		}
	})
}

// What is left of a set is what the other does not have.
func FuzzMinus(f *testing.F) {
	f.Add([]byte{1, 2, 3, 9}, []byte{2, 9})
	f.Add([]byte{255}, []byte{})
	f.Fuzz(func(t *testing.T, some, others []byte) {
		set := func(octets []byte) wire.UIDSet {
			uids := make([]uint32, len(octets))
			for i, octet := range octets {
				uids[i] = 1<<32 - 256 + uint32(octet) // up to the last there is
			}
			return wire.UIDSetOf(uids...)
		}
		a, b := set(some), set(others)
		left := minus(a, b)
		for uid := uint32(1<<32 - 256); uid != 0; uid++ {
			if left.Contains(uid) != (a.Contains(uid) && !b.Contains(uid)) {
				t.Errorf("%v without %v is %v", a, b, left)
			}
		}
	})
}
