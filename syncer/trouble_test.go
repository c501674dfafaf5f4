package syncer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mailtwin/mailbox"
)

var errRefused = errors.New("NO [CANNOT] not that one")

// at syncs at a moment, and returns what was told and what waits.
func (w *world) at(t *testing.T, now time.Time, retry bool) (problems, waiting int) {
	t.Helper()
	r, err := w.sync(Options{Now: func() time.Time { return now }, Retry: retry})
	if err != nil {
		t.Fatal(err)
	}
	return len(r.Problems), len(r.Waiting)
}

// TestR18RefusedIsTriedAgain refuses one message of a hundred again and again, in each way that concerns one message:
// the others go on, it is tried with growing pauses, it is told each time, and once nobody refuses it any more it is
// done and forgotten.
func TestR18RefusedIsTriedAgain(t *testing.T) {
	for _, verb := range []string{"append", "fetch", "flags"} {
		w := newWorld()
		from, to := w.near, w.far
		if verb == "fetch" {
			from, to = w.far, w.far
		}
		var bad mailbox.ID
		if verb == "flags" {
			bad = w.far.put(mailbox.Inbox, w.write())
			w.mustSync(t)
			w.far.mustSetFlags(t, mailbox.Inbox, mailbox.FlagChange{ID: bad, Add: mailbox.Letters("F")})
			from, to = w.far, w.near
		}
		var ids []mailbox.ID
		for range 99 {
			ids = append(ids, from.put(mailbox.Inbox, w.write()))
		}
		if verb != "flags" {
			bad = from.put(mailbox.Inbox, w.write())
		}
		refused := func(id mailbox.ID) bool { return id == bad }
		if verb == "flags" {
			refused = func(mailbox.ID) bool { return true }
		}
		to.refuses = func(v string, id mailbox.ID) error {
			if v == verb && refused(id) {
				return errRefused
			}
			return nil
		}
		start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		for i, step := range []struct {
			after           time.Duration
			told, wait, try int
		}{
			{0, 1, 0, 1},
			{time.Minute, 1, 0, 2}, // the first second try comes at once
			{2 * time.Minute, 0, 1, 2},
			{12 * time.Minute, 1, 0, 3}, // after 10 minutes
			{30 * time.Minute, 0, 1, 3},
			{33 * time.Minute, 1, 0, 4}, // after 20 minutes
		} {
			told, wait := w.at(t, start.Add(step.after), false)
			if told != step.told || wait != step.wait || to.tries != step.try {
				t.Errorf("%s, run %d: %d told, %d wait, %d tries; want %+v", verb, i, told, wait, to.tries, step)
			}
		}
		if far, near := len(w.far.boxes[mailbox.Inbox].messages), len(w.near.boxes[mailbox.Inbox].messages); min(far, near) < len(ids) {
			t.Errorf("%s: %d and %d messages, want %d", verb, far, near, len(ids))
		}
		if troubles := w.ledger.troubles; len(troubles) != 1 || troubles[0].Tries != 4 || !troubles[0].Since.Equal(start) {
			t.Errorf("%s: on record is %+v", verb, troubles)
		}
		to.refuses = nil
		if told, wait := w.at(t, start.Add(34*time.Minute), true); told+wait+len(w.ledger.troubles) != 0 {
			t.Errorf("%s: %d told, %d wait, %d on record, and nobody refuses any more", verb, told, wait, len(w.ledger.troubles))
		}
		w.wantAgreement(t)
	}
}

// A message that waits and that somebody takes away is forgotten, and one that waits does not keep another from being
// brought over.
func TestWaitingIsForgotten(t *testing.T) {
	w := newWorld()
	bad := w.near.put(mailbox.Inbox, w.write())
	w.far.refuses = func(_ string, id mailbox.ID) error {
		if id == bad {
			return errRefused
		}
		return nil
	}
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	w.at(t, now, false)
	w.at(t, now, false)
	w.near.put(mailbox.Inbox, w.write())
	if _, wait := w.at(t, now, false); wait != 1 || len(w.far.boxes[mailbox.Inbox].messages) != 1 {
		t.Errorf("%d wait, %d arrived", wait, len(w.far.boxes[mailbox.Inbox].messages))
	}
	delete(w.near.boxes[mailbox.Inbox].messages, bad)
	w.near.boxes[mailbox.Inbox].version++
	if told, wait := w.at(t, now, false); told+wait+len(w.ledger.troubles) != 0 {
		t.Errorf("%d told, %d wait, on record %+v", told, wait, w.ledger.troubles)
	}
	w.wantAgreement(t)
}

// TestR32SlowDrain removes a little from each of many mailboxes, or a little in each of many runs: no mailbox is over
// the limit, the account is. The Trash may be emptied, and what was allowed in so many words does not count.
func TestR32SlowDrain(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	options := Options{Now: func() time.Time { return now }}
	for _, side := range []Side{Far, Near} {
		w := newWorld()
		loser := []*memory{w.far, w.near}[side]
		keeper := []*memory{w.far, w.near}[side.Other()]
		for n := range 10 {
			w.far.make(mailbox.Name(fmt.Sprint("box ", n)))
			for range 40 {
				w.far.put(mailbox.Name(fmt.Sprint("box ", n)), w.write())
			}
		}
		w.far.make("Trash")
		for range 200 {
			w.far.put("Trash", w.write())
		}
		w.mustSync(t)
		w.lose(loser, "Trash", 200)
		for n := range 3 {
			w.lose(loser, mailbox.Name(fmt.Sprint("box ", n)), 30)
			if _, err := w.sync(options); err != nil {
				t.Errorf("run %d on the %v side: %v", n, side, err)
			}
		}
		if n := len(keeper.boxes["Trash"].messages); n != 0 && side == Near {
			// What was removed in the boxes went there on the far side; the rest was emptied.
			if n != 90 {
				t.Errorf("%d messages in the Trash of the %v side", n, side.Other())
			}
		}
		w.lose(loser, "box 9", 1)
		few := options
		few.Mailboxes = func(name mailbox.Name) bool { return name == "box 9" }
		if _, err := w.sync(few); err != nil {
			t.Errorf("one of one mailbox, on the %v side: %v", side, err)
		}
		w.lose(loser, "box 4", 30)
		w.lose(loser, "box 5", 29)
		_, err := w.sync(options)
		var brake *BrakeError
		if !errors.As(err, &brake) || brake.Mailbox != "" || brake.Lost != 59 || brake.Earlier != 91 || brake.Side != side {
			t.Fatalf("150 of 400 in a day on the %v side: %v", side, err)
		}
		if n := len(keeper.boxes["box 4"].messages); n != 40 {
			t.Errorf("%d messages of box 4 are left on the %v side", n, side.Other())
		}
		now = now.AddDate(0, 0, 1)
		if _, err := w.sync(options); err != nil {
			t.Errorf("the next day on the %v side: %v", side, err)
		}
		w.wantAgreement(t)
		now = now.AddDate(0, 0, 1)
		w.lose(loser, "box 6", 40)
		w.lose(loser, "box 7", 40)
		w.mustSync(t) // with AllowDelete
		w.lose(loser, "box 8", 1)
		if _, err := w.sync(options); err != nil {
			t.Errorf("after what was allowed, on the %v side: %v", side, err)
		}
		w.wantAgreement(t)
	}
}

// TestMovedToWhereItWaits moves a message on one side to a place where it cannot be read, or has to wait for another try:
// it is not removed on the other side, where it was, and once it can be tried it is moved there too, without a transfer.
func TestMovedToWhereItWaits(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, removal := range []Removal{Expunge, Trash} {
		for _, side := range []Side{Far, Near} {
			for _, unreadable := range []bool{true, false} {
				if unreadable && side == Far {
					continue // what cannot be read there can still be fetched
				}
				w := newWorld()
				mover := []*memory{w.far, w.near}[side]
				w.far.make("Work")
				id := w.far.put(mailbox.Inbox, w.write())
				w.far.put(mailbox.Inbox, w.write())
				w.mustSync(t)
				if side == Near {
					for id = range w.near.boxes[mailbox.Inbox].messages {
						break
					}
				}
				m := mover.boxes[mailbox.Inbox].messages[id]
				delete(mover.boxes[mailbox.Inbox].messages, id)
				moved := mover.put("Work", m)
				if unreadable {
					mover.refuses = func(_ string, id mailbox.ID) error {
						if id == moved {
							return errRefused
						}
						return nil
					}
				} else {
					w.ledger.troubles = []mailbox.Trouble{{Mailbox: "Work", ID: moved, Tries: 3, Reason: errRefused.Error(), Next: now.Add(time.Hour)}}
				}
				bodies := w.far.bodies
				for n := range 3 {
					at := now.Add(time.Duration(n) * time.Minute)
					if _, err := w.sync(Options{Now: func() time.Time { return at }, DeleteRemote: removal}); err != nil {
						t.Fatal(err)
					}
					other := []*memory{w.far, w.near}[side.Other()]
					if n := len(other.boxes[mailbox.Inbox].messages); n != 2 {
						t.Errorf("%v side, %s, unreadable %v: %d messages are left where it was, want 2", side, removal, unreadable, n)
					}
				}
				mover.refuses = nil
				if _, err := w.sync(Options{Now: func() time.Time { return now.Add(2 * time.Hour) }, DeleteRemote: removal}); err != nil {
					t.Fatal(err)
				}
				if w.far.bodies+w.far.appends != bodies || len(w.far.boxes["Work"].messages) != 1 {
					t.Errorf("%v side, %s, unreadable %v: %d bodies, %d appends, %d in Work", side, removal, unreadable,
						w.far.bodies-bodies, w.far.appends, len(w.far.boxes["Work"].messages))
				}
				w.wantAgreement(t)
			}
		}
	}
}
