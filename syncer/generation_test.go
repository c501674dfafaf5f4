package syncer

import (
	"errors"
	"strconv"
	"testing"

	"mailtwin/mailbox"
)

// R13: a run that dies before its first cursor is on record, and a server that renumbers the mailbox before the next.
func TestR13RenumberedBeforeTheFirstCursor(t *testing.T) {
	w := newWorld()
	for range 5 {
		w.far.put(mailbox.Inbox, w.write())
	}
	w.ledger.mortal = &mortal{diesAt: 2}
	if _, err := w.sync(Options{}); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	w.ledger.mortal = &mortal{}
	old := w.far.boxes[mailbox.Inbox].messages
	w.far.make(mailbox.Inbox)
	for i := range 5 {
		w.far.put(mailbox.Inbox, old[mailbox.ID(strconv.Itoa(5-i))])
	}
	w.mustSync(t)
	w.wantAgreement(t)
	for _, p := range w.ledger.pairs[mailbox.Inbox] {
		if far, near := w.far.boxes[mailbox.Inbox].messages[p.Far], w.near.boxes[mailbox.Inbox].messages[p.Near]; far.raw != near.raw {
			t.Errorf("%s is taken for %s", p.Far, p.Near)
		}
	}
}
