package state

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// BenchmarkMillion writes a million pairs in 100 mailboxes, 500 to a commit, and reports the size of the file, the
// time to open it, and that of a look-up.
func BenchmarkMillion(b *testing.B) {
	const total, boxes, batch = 1_000_000, 100, 500
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "x.db")
		db, err := Open(b.Context(), path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		for box := range boxes {
			for from := 0; from < total/boxes; from += batch {
				u := mailbox.Update{Mailbox: mailbox.Name(fmt.Sprint("box", box))}
				for n := range batch {
					p := samplePair(box*total/boxes + from + n + 1)
					u.Put = append(u.Put, p)
				}
				mustCommit(b, db, u)
			}
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-to-write")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, "MB")
		began = time.Now()
		if db, err = Open(b.Context(), path, Options{}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/1e3, "ms-to-open")
		began = time.Now()
		for n := range 1000 {
			for _, err := range db.ByHint(b.Context(), samplePair(n+1).Hint) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "us-a-look-up")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
