package maildir

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

func TestLineEnds(t *testing.T) {
	big := strings.Repeat("a line\r\n", 3*blockSize/8+5)
	for _, tt := range []struct{ name, text, file string }{
		{"CRLF", "a\r\nb\r\n", "a\nb\n"},
		{"no line end", "a", "a"},
		{"empty", "", ""},
		{"no last line end", "a\r\nb", "a\nb"},
		{"a CR alone", "a\rb\r\n", "a\rb\r\n"},
		{"a CR at the end", "a\r\nb\r", "a\r\nb\r"},
		{"a LF alone", "a\r\nb\nc\r\n", "a\r\nb\nc\r\n"},
		{"LF throughout", "a\nb\n", "a\nb\n"},
		{"two CR", "a\r\r\n", "a\r\r\n"},
		{"NUL", "a\x00\r\n", "a\x00\n"},
		{"large", big, strings.ReplaceAll(big, "\r", "")},
		{"a LF alone, late", big + "\n", big + "\n"},
		{"a CR alone, late", big + "\rx", big + "\rx"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.deliver("INBOX", "1 \\Seen|"+tt.text)[0]
			file, err := os.ReadFile(filepath.Join(w.root, "INBOX/cur", string(s.ID)+":2,S"))
			if err != nil || string(file) != tt.file || s.Content.Stored != int64(len(file)) {
				t.Errorf("stored as %.40q (%d octets, said to be %d), %v", file, len(file), s.Content.Stored, err)
			}
			if got := w.fetch("INBOX", s.ID); got != tt.text {
				t.Errorf("goes out as %.40q (%d octets)", got, len(got))
			}
			if m := w.scan("INBOX", nil).Present[0]; m.Content != s.Content || m.Origin != "1" {
				t.Errorf("is found as %+v, was stored as %+v", m, s.Content)
			}
			if left := w.files("INBOX/tmp"); len(left) > 0 {
				t.Errorf("tmp holds %q", left)
			}
		})
	}
}

// TestForeignLineEnds reads what other programs stored.
func TestForeignLineEnds(t *testing.T) {
	w := newWorld(t)
	for i, tt := range []struct{ file, want string }{
		{"a\nb\n", "a\r\nb\r\n"},
		{"a\r\nb\r\n", "a\r\nb\r\n"},
		{"a\nb\rc\n", "a\nb\rc\n"},
		{"\n\n", "\r\n\r\n"},
		{strings.Repeat("a\n", blockSize), strings.Repeat("a\r\n", blockSize)},
		{strings.Repeat("a\n", blockSize) + "\r", strings.Repeat("a\n", blockSize) + "\r"},
	} {
		base := string(rune('a' + i))
		w.put("INBOX/cur/"+base, tt.file)
		if got := w.fetch("INBOX", mailbox.ID(base)); got != tt.want {
			t.Errorf("%.20q (%d octets) goes out as %.20q (%d), want %.20q", tt.file, len(tt.file), got, len(got), tt.want)
		}
	}
}

// What goes in comes out, octet for octet, however it is cut.
func TestLineEndsAlways(t *testing.T) {
	w := newWorld(t)
	b, err := w.open("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.SampledFrom([]string{"\r\n", "\r\n", "\r\n", "\n", "\r", "a", "b\x00\xff", "block"})).Draw(t, "pieces")
		text := strings.ReplaceAll(strings.Join(pieces, ""), "block", strings.Repeat("x", blockSize-1))
		l, err := newLineWriter(b.tmp)
		if err != nil {
			t.Fatal(err)
		}
		cut := rapid.SampledFrom([]int{1, 2, 3, 1000, blockSize - 1, blockSize, blockSize + 1}).Draw(t, "cut")
		for rest := text; rest != ""; {
			n := min(cut, len(rest))
			if _, err := l.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := l.finish(); err != nil {
			t.Fatal(err)
		}
		defer l.discard() //nolint:errcheck // a test file
		f, err := b.tmp.open(l.name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // only read
		c, err := canonical(f, l.ambiguous())
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		var got strings.Builder
		block := make([]byte, cut)
		for err = nil; err == nil; {
			var n int
			n, err = c.Read(block)
			got.Write(block[:n])
		}
		if !errors.Is(err, io.EOF) || got.String() != text {
			t.Fatalf("%d octets become %d, %v", len(text), got.Len(), err)
		}
	})
}
