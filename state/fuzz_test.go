package state

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"mailtwin/mailbox"
)

// Whatever a record holds, reading it ends without a panic, and what could be read comes back when it is written.
func FuzzRecords(f *testing.F) {
	far := mailbox.Half{Cursor: mailbox.Cursor{Mark: "7 4 3 5", Memo: `{"v":7}`}, Identity: "v7"}
	f.Add(encodeTwin("A", mailbox.Twin{Far: far, Pairs: 5, Open: 1, Synced: p1970}))
	f.Add(encodeIntent(mailbox.Intent{Digest: mailbox.Digest{1}, MessageID: "<a@b>", Size: -5, Attempts: 3}))
	f.Add(encodeChange(runKey(1)[1:], nil, sampleChange(3)))
	f.Add(encodeOutcome(runKey(1), sampleOutcome()))
	f.Add([]byte{recordVersion})
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Fuzz(func(t *testing.T, value []byte) {
		if twin, err := decodeTwin(value); err == nil {
			again, err := decodeTwin(encodeTwin(twin.Name, twin))
			if err != nil || again != twin {
				t.Errorf("%+v came back as %+v, %v", twin, again, err)
			}
		}
		if intent, err := decodeIntent("a", value); err == nil {
			again, err := decodeIntent("a", encodeIntent(intent))
			if err != nil || again != intent {
				t.Errorf("%+v came back as %+v, %v", intent, again, err)
			}
		}
		if change, err := decodeChange(runKey(1)[1:], nil, value); err == nil {
			again, err := decodeChange(runKey(1)[1:], nil, encodeChange(runKey(1)[1:], nil, change))
			if err != nil || again != change {
				t.Errorf("%+v came back as %+v, %v", change, again, err)
			}
		}
		if run, err := decodeOutcome(runKey(1), value); err == nil {
			again, err := decodeOutcome(runKey(1), encodeOutcome(runKey(1), run))
			if err != nil || !reflect.DeepEqual(again, run) {
				t.Errorf("%+v came back as %+v, %v", run, again, err)
			}
		}
	})
}

// M15: whatever octets of a file are others than they were, and wherever it was cut, the look at its pages ends, and
// without a panic.
func FuzzPages(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.db")
	db, err := Open(f.Context(), path, Options{})
	if err != nil {
		f.Fatal(err)
	}
	for n := range 100 {
		mustCommit(f, db, mailbox.Update{Mailbox: "A", Put: []mailbox.Pair{samplePair(n + 1)}})
	}
	if err := db.Close(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{})
	f.Add(uint32(os.Getpagesize()*3+8), []byte{1, 0, 255, 255})
	f.Add(uint32(os.Getpagesize()*2+12), []byte{0, 0, 0, 170})
	f.Fuzz(func(_ *testing.T, at uint32, octets []byte) {
		file := bytes.Clone(whole)
		copy(file[int(at)%len(file):], octets)
		_ = checkPages(file) // it may be damaged or not; that it returns is what counts
		_ = checkPages(file[:int(at)%len(file)])
	})
}
