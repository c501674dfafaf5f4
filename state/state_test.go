package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

// fresh opens a new ledger that checks itself at the end of the test.
func fresh(t testing.TB) *DB {
	t.Helper()
	db, err := Open(filepath.Join(t.TempDir(), "a", "b.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Check(); err != nil {
			t.Errorf("check: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func mustCommit(t testing.TB, db *DB, updates ...mailbox.Update) {
	t.Helper()
	if err := db.Commit(context.Background(), updates...); err != nil {
		t.Fatal(err)
	}
}

func pairs(t testing.TB, db *DB, name mailbox.Name) []mailbox.Pair {
	t.Helper()
	var list []mailbox.Pair
	for p, err := range db.Pairs(context.Background(), name) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func samplePair(n int) mailbox.Pair {
	p := mailbox.Pair{
		Far: mailbox.ID(fmt.Sprint(n)), Near: mailbox.ID(fmt.Sprintf("1700000000.0a1b2c3d_%d_0011223344556677.mailtwin", n)),
		Flags: mailbox.MakeFlags(mailbox.Seen, "work"), Size: int64(4000 + n), InternalDate: time.Unix(int64(1700000000+n), 0),
	}
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	for i := range p.Digest {
		p.Digest[i] = byte(rng.Uint32())
	}
	p.Hint = mailbox.MakeHint("", p.Digest.String(), 0)
	return p
}

func TestPairsInNumericOrder(t *testing.T) {
	db := fresh(t)
	for _, n := range []int{10, 9, 4294967295, 1, 100000} {
		mustCommit(t, db, mailbox.Update{Mailbox: "A", Put: []mailbox.Pair{samplePair(n)}})
	}
	var got []mailbox.ID
	for _, p := range pairs(t, db, "A") {
		got = append(got, p.Far)
	}
	if want := []mailbox.ID{"1", "9", "10", "100000", "4294967295"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestConsumerMayCommitWhileIterating(t *testing.T) {
	db := fresh(t)
	u := mailbox.Update{Mailbox: "A"}
	for n := 1; n <= 3*page; n++ {
		u.Put = append(u.Put, samplePair(n))
	}
	mustCommit(t, db, u)
	seen := 0
	for p, err := range db.Pairs(context.Background(), "A") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen%500 == 0 {
			mustCommit(t, db, mailbox.Update{Mailbox: "A", Drop: []mailbox.Pair{p}})
		}
	}
	if seen != 3*page {
		t.Errorf("saw %d pairs, want %d", seen, 3*page)
	}
}

// Whatever updates come, the ledger holds what a map would hold.
func TestLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "ledger")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "x.db")
		db, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		model := map[mailbox.Name]map[mailbox.ID]mailbox.Pair{}
		for range rapid.IntRange(1, 30).Draw(t, "updates") {
			u := drawUpdate(t)
			if err := db.Commit(context.Background(), u); err != nil {
				t.Fatal(err)
			}
			applyToMap(model, u)
			if rapid.IntRange(0, 9).Draw(t, "reopen") == 0 {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if db, err = Open(path); err != nil {
					t.Fatal(err)
				}
			}
		}
		defer db.Close()
		if err := db.Check(); err != nil {
			t.Fatal(err)
		}
		compare(t, db, model)
	})
}

func drawUpdate(t *rapid.T) mailbox.Update {
	box := rapid.SampledFrom([]mailbox.Name{"INBOX", "Work", "Work/a"})
	u := mailbox.Update{Mailbox: box.Draw(t, "mailbox")}
	number := rapid.IntRange(1, 20)
	for range rapid.IntRange(0, 4).Draw(t, "puts") {
		p := samplePair(number.Draw(t, "put"))
		p.Hint = mailbox.Hint(rapid.IntRange(0, 3).Draw(t, "hint"))
		p.Parked = mailbox.Parked(rapid.IntRange(0, 2).Draw(t, "parked"))
		if rapid.Bool().Draw(t, "text") {
			p.Far = "x" + p.Far
		}
		u.Put = append(u.Put, p)
	}
	for range rapid.IntRange(0, 2).Draw(t, "drops") {
		u.Drop = append(u.Drop, samplePair(number.Draw(t, "drop")))
	}
	switch rapid.IntRange(0, 12).Draw(t, "kind") {
	case 0:
		u.Reset = true
	case 1:
		u = mailbox.Update{Mailbox: u.Mailbox, Forget: true}
	case 2:
		if to := box.Draw(t, "to"); to != u.Mailbox {
			u.Rename = to
		}
	}
	return u
}

func applyToMap(model map[mailbox.Name]map[mailbox.ID]mailbox.Pair, u mailbox.Update) {
	if u.Reset || u.Forget {
		delete(model, u.Mailbox)
	}
	if u.Forget {
		return
	}
	if model[u.Mailbox] == nil {
		model[u.Mailbox] = map[mailbox.ID]mailbox.Pair{}
	}
	for _, p := range u.Drop {
		delete(model[u.Mailbox], p.Far)
	}
	for _, p := range u.Put {
		model[u.Mailbox][p.Far] = p
	}
	if u.Rename != "" {
		model[u.Rename] = model[u.Mailbox]
		delete(model, u.Mailbox)
	}
}

func compare(t *rapid.T, db *DB, model map[mailbox.Name]map[mailbox.ID]mailbox.Pair) {
	twins, err := db.Mailboxes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []mailbox.Name
	byHint := map[mailbox.Hint]int{}
	for _, twin := range twins {
		names = append(names, twin.Name)
		got := map[mailbox.ID]mailbox.Pair{}
		for p, err := range db.Pairs(context.Background(), twin.Name) {
			if err != nil {
				t.Fatal(err)
			}
			got[p.Far] = p
			byHint[p.Hint]++
		}
		if !maps.Equal(got, model[twin.Name]) {
			t.Fatalf("%s: got %v, want %v", twin.Name, got, model[twin.Name])
		}
	}
	if want := slices.Sorted(maps.Keys(model)); !slices.Equal(names, want) {
		t.Fatalf("mailboxes %v, want %v", names, want)
	}
	for hint := mailbox.Hint(1); hint < 4; hint++ {
		n := 0
		for _, err := range db.ByHint(context.Background(), hint) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != byHint[hint] {
			t.Fatalf("hint %d: %d pairs, want %d", hint, n, byHint[hint])
		}
	}
}

func TestTwinSurvives(t *testing.T) {
	db := fresh(t)
	want := mailbox.Twin{
		Name: "Ärger & Co", Far: mailbox.Half{Cursor: mailbox.Cursor{Mark: "1 2 3", Memo: "m"}, Identity: "v1"},
		Near: mailbox.Half{Identity: "5:6"}, Pairs: 2, Open: 1, Synced: time.Unix(1700000000, 0),
	}
	pending := samplePair(2)
	pending.Near, pending.Parked = "", mailbox.Pending
	mustCommit(t, db, mailbox.Update{Mailbox: want.Name, Put: []mailbox.Pair{samplePair(1), pending}, Far: &want.Far, Near: &want.Near, Synced: want.Synced})
	got, err := db.Mailboxes(context.Background())
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestIntents(t *testing.T) {
	db := fresh(t)
	i := mailbox.Intent{Near: "key", Digest: mailbox.Digest{1}, MessageID: "<a@b>", Size: 5, Attempts: 2}
	mustCommit(t, db, mailbox.Update{Mailbox: "A", Begin: []mailbox.Intent{i}}, mailbox.Update{Mailbox: "B", Begin: []mailbox.Intent{{Near: "key"}}})
	got, err := db.Intents(context.Background(), "A")
	if err != nil || !slices.Equal(got, []mailbox.Intent{i}) {
		t.Errorf("got %v, %v", got, err)
	}
	mustCommit(t, db, mailbox.Update{Mailbox: "A", End: []mailbox.ID{"key"}})
	if got, err := db.Intents(context.Background(), "A"); err != nil || len(got) != 0 {
		t.Errorf("after the end: %v, %v", got, err)
	}
}

func TestConcurrentCommits(t *testing.T) {
	db := fresh(t)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for n := range 50 {
				mustCommit(t, db, mailbox.Update{Mailbox: mailbox.Name(fmt.Sprint("box", n%3)), Put: []mailbox.Pair{samplePair(1000*worker + n + 1)}})
			}
		})
	}
	wg.Wait()
	if n := len(pairs(t, db, "box0")) + len(pairs(t, db, "box1")) + len(pairs(t, db, "box2")); n != 200 {
		t.Errorf("%d pairs, want 200", n)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	db := fresh(t)
	_, err := Open(db.path)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("got %v, want the PID of this process", err)
	}
	if _, err := OpenReadOnly(db.path); !errors.As(err, &locked) {
		t.Errorf("read only: got %v", err)
	}
}

// M15: bbolt panics on a damaged file, and takes an empty one for fresh.
func TestM15DamageIsAnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var u mailbox.Update
	u.Mailbox = "A"
	for n := range 300 {
		u.Put = append(u.Put, samplePair(n+1))
	}
	mustCommit(t, db, u)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 0; size < len(whole); size += os.Getpagesize() {
		tryDamaged(t, filepath.Join(dir, fmt.Sprint("cut", size)), whole[:size], fmt.Sprint("cut at ", size))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 100 {
		p := slices.Clone(whole)
		at := rng.IntN(len(p))
		p[at] ^= byte(1 + rng.IntN(255))
		tryDamaged(t, filepath.Join(dir, fmt.Sprint("flip", i)), p, fmt.Sprint("flipped at ", at))
	}
}

// tryDamaged reads all of a damaged file. Errors are fine, a panic is not, and an empty file must not look fresh.
func tryDamaged(t *testing.T, path string, content []byte, what string) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path)
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	if len(content) == 0 {
		t.Errorf("%s: taken for a fresh one", what)
	}
	for _, err := range db.Pairs(context.Background(), "A") {
		if err != nil {
			break
		}
	}
	_ = db.Check()
	_ = db.Close()
}

func TestNewerIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keySchema, []byte{0, 0, 0, schema + 1}) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	db := fresh(t)
	want := map[string]string{"host": "h", "root": "/r"}
	if err := db.PutSettings(want); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Settings(); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if len(db.ID()) != 32 {
		t.Errorf("id %q", db.ID())
	}
}

func FuzzPairRecord(f *testing.F) {
	p := samplePair(7)
	f.Add(pairKey(p), encodePair(p))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		p, err := decodePair(key, value)
		if err != nil {
			return
		}
		q, err := decodePair(pairKey(p), encodePair(p))
		if err != nil || p != q {
			t.Errorf("%+v came back as %+v, %v", p, q, err)
		}
	})
}

// BenchmarkMillion writes a million pairs in 100 mailboxes, 500 to a commit, and reports the size of the file, the
// time to open it, and that of a look-up.
func BenchmarkMillion(b *testing.B) {
	const total, boxes, batch = 1_000_000, 100, 500
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "x.db")
		db, err := Open(path)
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
		if db, err = Open(path); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/1e3, "ms-to-open")
		began = time.Now()
		for n := range 1000 {
			for _, err := range db.ByHint(context.Background(), samplePair(n+1).Hint) {
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
