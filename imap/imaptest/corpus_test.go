package imaptest

import (
	"bytes"
	"net/mail"
	"testing"
)

func TestCorpus(t *testing.T) {
	const n = 1500
	sums := map[[32]byte]bool{}
	ids := map[string]int{}
	var total, usual, large, noID, eightBit, odd int
	for _, m := range Sample(n, 7, CorpusOptions{}) {
		sums[m.Sum()] = true
		total += len(m.Body)
		if size := len(m.Body); size >= 1000 && size <= 20_000 {
			usual++
		} else if size > 14e6 {
			large++
		}
		if len(m.Body) > 20e6 {
			t.Errorf("a message of %d octets", len(m.Body))
		}
		if bytes.IndexFunc(m.Body, func(r rune) bool { return r >= 0x80 }) >= 0 {
			eightBit++
		}
		if bytes.Count(m.Body, []byte("\n")) != bytes.Count(m.Body, []byte("\r\n")) || bytes.Count(m.Body, []byte("\r")) != bytes.Count(m.Body, []byte("\r\n")) {
			odd++
		}
		parsed, err := mail.ReadMessage(bytes.NewReader(append(bytes.Clone(m.Body), "\r\n\r\n"...)))
		if err != nil {
			t.Fatalf("%v in %.2000s", err, m.Body)
		}
		if id := parsed.Header.Get("Message-ID"); id == "" {
			noID++
		} else {
			ids[id]++
		}
		if m.Date.Nanosecond() != 0 {
			t.Errorf("date %v", m.Date)
		}
	}
	t.Logf("%d octets each, %d of usual size, %d large, %d without Message-ID, %d IDs for %d, %d 8-bit",
		total/n, usual, large, noID, len(ids), n-noID, eightBit)
	if len(sums) != n {
		t.Errorf("%d different messages of %d", len(sums), n)
	}
	if usual < n*7/10 || large != 1 || noID == 0 || len(ids) == n-noID || eightBit < n/10 || odd != 0 {
		t.Errorf("not what people have; %d odd", odd)
	}
}

func TestCorpusIsDeterministic(t *testing.T) {
	a, b := Sample(50, 3, CorpusOptions{}), Sample(50, 3, CorpusOptions{})
	for i := range a {
		if a[i].Sum() != b[i].Sum() || !a[i].Date.Equal(b[i].Date) || joinFlags(a[i].Flags) != joinFlags(b[i].Flags) {
			t.Fatalf("message %d differs", i)
		}
	}
	if Sample(1, 4, CorpusOptions{})[0].Sum() == a[0].Sum() {
		t.Error("seeds make no difference")
	}
}

func TestCorpusOddLineEnds(t *testing.T) {
	odd := 0
	for _, m := range Sample(1000, 3, CorpusOptions{OddLineEnds: true, MaxSize: 100_000}) {
		if len(m.Body) > 100_000 {
			t.Errorf("a message of %d octets", len(m.Body))
		}
		if bytes.Count(m.Body, []byte("\n")) != bytes.Count(m.Body, []byte("\r")) {
			odd++
		}
	}
	if odd < 5 || odd > 50 {
		t.Errorf("%d of 1000", odd)
	}
}
