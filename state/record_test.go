package state

import (
	"bytes"
	"testing"
	"time"

	"mailtwin/mailbox"
)

func TestPairSurvives(t *testing.T) {
	plain := samplePair(7)
	for name, change := range map[string]func(*mailbox.Pair){
		"plain":                  func(*mailbox.Pair) {},
		"far digest the same":    func(p *mailbox.Pair) { p.FarDigest = p.Digest },
		"far digest another":     func(p *mailbox.Pair) { p.FarDigest[3] = 1 },
		"only far digest":        func(p *mailbox.Pair) { p.FarDigest, p.Digest = p.Digest, mailbox.Digest{} },
		"nothing but far":        func(p *mailbox.Pair) { *p = mailbox.Pair{Far: "7", Parked: mailbox.Pending} },
		"nothing but near":       func(p *mailbox.Pair) { *p = mailbox.Pair{Near: "a"} },
		"left":                   func(p *mailbox.Pair) { p.Far, p.Parked, p.Since = "", mailbox.Left, time.Unix(1700000000, 0).UTC() },
		"far with leading zero":  func(p *mailbox.Pair) { p.Far = "07" },
		"far above 32 bits":      func(p *mailbox.Pair) { p.Far = "4294967296" },
		"near with our marks":    func(p *mailbox.Pair) { p.Near = "a" + allMarks },
		"near of another tool":   func(p *mailbox.Pair) { p.Near = "1700000007.M1P2.host,U=7" },
		"date repeated in near":  func(p *mailbox.Pair) { p.Near = "1700000007.1700000007_7_7_" },
		"date before 1970":       func(p *mailbox.Pair) { p.InternalDate = time.Unix(-5, 0).UTC() },
		"all flags, two own":     func(p *mailbox.Pair) { p.Flags = mailbox.Letters("DFPRST").Union(mailbox.MakeFlags("b", "A")) },
		"octets on disk":         func(p *mailbox.Pair) { p.Stored = 4711 },
		"octets, account id":     func(p *mailbox.Pair) { p.Stored, p.AccountID = 4711, "1790000000000000000" },
		"octets, another id":     func(p *mailbox.Pair) { p.Stored, p.AccountID = 4711, "M1" },
		"size beyond four bytes": func(p *mailbox.Pair) { p.Size = 1 << 40 },
	} {
		want := plain
		change(&want)
		got, err := decodePair(pairKey(want), encodePair(pairKey(want), want))
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestRecordIsShort(t *testing.T) {
	p := samplePair(123456)
	p.FarDigest, p.Stored = p.Digest, 4100
	if n := len(encodePair(pairKey(p), p)); n > 91 {
		t.Errorf("a pair takes %d octets", n)
	}
}

func TestR30ChangedRecordsAreRefused(t *testing.T) {
	p, twin := samplePair(7), mailbox.Twin{Name: "A", Pairs: 5, Synced: p1970}
	intent := mailbox.Intent{Near: "a", Size: 5}
	for name, decode := range map[string]func(change func([]byte) []byte) error{
		"pair": func(change func([]byte) []byte) error {
			_, err := decodePair(pairKey(p), change(encodePair(pairKey(p), p)))
			return err
		},
		"mailbox": func(change func([]byte) []byte) error {
			_, err := decodeTwin(change(encodeTwin(twin.Name, twin)))
			return err
		},
		"intent": func(change func([]byte) []byte) error {
			_, err := decodeIntent(intent.Near, change(encodeIntent(intent)))
			return err
		},
	} {
		if err := decode(bytes.Clone); err != nil {
			t.Errorf("%s as it was: %v", name, err)
		}
		if err := decode(func(p []byte) []byte { return append(p, 0) }); err == nil {
			t.Errorf("%s and an octet: no error", name)
		}
		if err := decode(func(p []byte) []byte { return p[:len(p)-1] }); err == nil {
			t.Errorf("%s less an octet: no error", name)
		}
		for bit := range 8 * len(encodePair(pairKey(p), p)) {
			flip := func(p []byte) []byte { p[bit/8%len(p)] ^= 1 << (bit % 8); return p }
			if err := decode(flip); err == nil {
				t.Errorf("%s with bit %d turned over: no error", name, bit)
			}
		}
	}
}

// A bit that fell in a UID would tie a file to another message.
func TestR30ChangedKeyIsRefused(t *testing.T) {
	p := samplePair(7)
	value := encodePair(pairKey(p), p)
	for bit := range 8 * len(pairKey(p)) {
		key := pairKey(p)
		key[bit/8] ^= 1 << (bit % 8)
		if got, err := decodePair(key, value); err == nil {
			t.Errorf("bit %d turned over: %+v", bit, got)
		}
	}
}

var p1970 = time.Unix(0, 0)

func FuzzPairRecord(f *testing.F) {
	for _, p := range []mailbox.Pair{samplePair(7), {Far: "x", Near: "y"}, {Near: "y\x01"}} {
		f.Add(pairKey(p), encodePair(pairKey(p), p))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		p, err := decodePair(key, value)
		if err != nil {
			return
		}
		q, err := decodePair(pairKey(p), encodePair(pairKey(p), p))
		if err != nil || p != q {
			t.Errorf("%+v came back as %+v, %v", p, q, err)
		}
	})
}
