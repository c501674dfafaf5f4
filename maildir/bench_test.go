package maildir

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

func benchTree(b *testing.B) *Tree {
	b.Helper()
	tree, err := Open(Options{Root: filepath.Join(b.TempDir(), "Mail"), Source: "me@example.org", Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { tree.Close() }) //nolint:errcheck // a benchmark
	if err := tree.Create(b.Context(), "INBOX"); err != nil {
		b.Fatal(err)
	}
	return tree
}

// BenchmarkDeliver stores 10,000 messages of 4 KiB in batches, from one goroutine.
func BenchmarkDeliver(b *testing.B) {
	const count = 10_000
	text := "A: b\r\n\r\n" + strings.Repeat("a line of text that is not long.\r\n", 120)
	for _, size := range []int{1, 4, 16, 100, 500} {
		for _, whole := range []bool{true, false} {
			b.Run(fmt.Sprintf("batch=%d/syncfs=%v", size, whole), func(b *testing.B) {
				for range b.N {
					tree := benchTree(b)
					tree.syncfs = whole
					deliverBatches(b, tree, text, min(count, 400*size), size)
				}
				b.ReportMetric(float64(min(count, 400*size))*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}

func deliverBatches(b *testing.B, tree *Tree, text string, count, size int) {
	for id := 0; id < count; {
		batch, err := tree.Append(b.Context(), "INBOX")
		if err != nil {
			b.Fatal(err)
		}
		for range size {
			id++
			m := mailbox.Message{ID: mailbox.ID(fmt.Sprint(id)), InternalDate: time.Unix(1, 0)}
			if err := batch.Add(b.Context(), m, strings.NewReader(fmt.Sprint("X: ", id, "\r\n", text))); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := batch.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScan reads a mailbox of 100,000 messages that are all known.
func BenchmarkScan(b *testing.B) {
	const count = 100_000
	tree := benchTree(b)
	known := ids{}
	for i := range count {
		base := fmt.Sprintf("%d.01234567_%d_0123456789abcdef.mailtwin", 1_500_000_000+7*i, i)
		f, err := os.Create(filepath.Join(tree.path, "INBOX/cur", base+":2,S"))
		if err != nil {
			b.Fatal(err)
		}
		f.Close() //nolint:errcheck // a benchmark
		known[mailbox.ID(base)] = true
	}
	b.ResetTimer()
	b.ReportAllocs()
	for range b.N {
		s, err := tree.Scan(b.Context(), mailbox.ScanRequest{Name: "INBOX", Known: known})
		if err != nil || len(s.Present) != count {
			b.Fatal(err, len(s.Present))
		}
	}
}

// BenchmarkMailboxes lists 100 mailboxes in which nothing changed.
func BenchmarkMailboxes(b *testing.B) {
	tree := benchTree(b)
	for i := range 100 {
		if err := tree.Create(b.Context(), mailbox.Name(fmt.Sprintf("Work/%02d", i))); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for range b.N {
		if _, err := tree.Mailboxes(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFetch reads one message of 20 MB.
func BenchmarkFetch(b *testing.B) {
	tree := benchTree(b)
	line := strings.Repeat("a", 76) + "\n"
	err := os.WriteFile(filepath.Join(tree.path, "INBOX/cur/a:2,"), []byte(strings.Repeat(line, 20_000_000/len(line))), 0o600)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(20_000_000)
	for range b.N {
		err := tree.Fetch(b.Context(), "INBOX", []mailbox.ID{"a"}, func(_ mailbox.ID, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		}, func(_ mailbox.ID, err error) { b.Error(err) })
		if err != nil {
			b.Fatal(err)
		}
	}
}
