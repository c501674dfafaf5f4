package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailtwin/mailbox"
)

// A world is two sides, a ledger, and what its people did to the mail.
type world struct {
	far, near *memory
	ledger    *notebook
	made      int
	deleted   map[string]bool // raw texts that somebody removed somewhere
	copied    map[string]bool // raw texts that somebody copied
}

func newWorld() *world {
	return &world{far: newMemory(true), near: newMemory(false), ledger: newNotebook(), deleted: map[string]bool{}, copied: map[string]bool{}}
}

func (w *world) sync(opts Options) (*Report, error) {
	if opts.Workers == 0 {
		opts.Workers = 1
	}
	return Run(context.Background(), w.far, w.near, w.ledger, opts)
}

func (w *world) write() message {
	w.made++
	id := fmt.Sprintf("Message-ID: <%d@test>\r\n", w.made)
	if w.made%5 == 0 {
		id = "" // not every message has one
	}
	return message{raw: fmt.Sprintf("%sSubject: %d\r\n\r\n", id, w.made), date: time.Unix(int64(1000+w.made), 0)}
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// wantAgreement checks that both sides hold the same and that a further run is idle.
func (w *world) wantAgreement(t fataler) {
	t.Helper()
	far, near := w.far.content(), w.near.content()
	if !maps.Equal(far, near) {
		t.Fatalf("the sides differ\nfar:  %v\nnear: %v", far, near)
	}
	before := w.far.bodies + w.far.appends + w.near.appends
	r, err := w.sync(Options{})
	if err != nil || !r.Idle() {
		t.Fatalf("a further run is not idle: %v %v", err, describe(r))
	}
	if after := w.far.bodies + w.far.appends + w.near.appends; after != before {
		t.Fatalf("a further run transferred %d messages", after-before)
	}
}

func describe(r *Report) string {
	s := ""
	for _, c := range r.Mailboxes {
		if !c.Idle() {
			s += fmt.Sprintf("%+v\n", *c)
		}
	}
	return s + fmt.Sprint(r.Problems)
}

func (w *world) mustSync(t fataler) *Report {
	t.Helper()
	r, err := w.sync(Options{AllowDelete: true, Retry: true})
	if err != nil || len(r.Problems) > 0 {
		t.Fatalf("sync: %v %v", err, r.Problems)
	}
	return r
}

func TestFirstSync(t *testing.T) {
	w := newWorld()
	for range 10 {
		w.far.put(mailbox.Inbox, w.write())
	}
	w.far.make("Work/2024")
	w.far.put("Work/2024", w.write())
	w.near.put(mailbox.Inbox, w.write())
	if total := w.mustSync(t).Total(); total.Downloaded != 11 || total.Uploaded != 1 {
		t.Fatalf("downloaded %d, uploaded %d", total.Downloaded, total.Uploaded)
	}
	w.wantAgreement(t)
}

func TestMoveTransfersNothing(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		w := newWorld()
		mover := []*memory{w.far, w.near}[side]
		w.far.make("Archive")
		for range 20 {
			w.far.put(mailbox.Inbox, w.write())
		}
		w.far.put("Archive", w.write())
		w.mustSync(t)
		bodies, appends := w.far.bodies, w.far.appends
		for _, id := range slices.Collect(maps.Keys(mover.boxes[mailbox.Inbox].messages)) {
			if _, err := mover.Move(context.Background(), mailbox.Inbox, []mailbox.Doomed{{ID: id}}, "Archive"); err != nil {
				t.Fatal(err)
			}
		}
		r := w.mustSync(t)
		if w.far.bodies != bodies || w.far.appends != appends || r.Total().Moved[side.Other()] != 20 {
			t.Errorf("moved on the %v side: %d bodies, %d appends, %s", side, w.far.bodies-bodies, w.far.appends-appends, describe(r))
		}
		w.wantAgreement(t)
	}
}

// A message that went to one mailbox and was copied to another is copied before it goes, whichever mailbox comes first.
func TestCopiesComeBeforeMoves(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		w := newWorld()
		doer := []*memory{w.far, w.near}[side]
		w.far.make("A moved to")
		w.far.make("Z copied to")
		w.far.put(mailbox.Inbox, w.write())
		w.mustSync(t)
		bodies, appends := w.far.bodies, w.far.appends
		for id := range doer.boxes[mailbox.Inbox].messages {
			one := []mailbox.Doomed{{ID: id}}
			if _, err := doer.Copy(t.Context(), mailbox.Inbox, one, "Z copied to"); err != nil {
				t.Fatal(err)
			}
			if _, err := doer.Move(t.Context(), mailbox.Inbox, one, "A moved to"); err != nil {
				t.Fatal(err)
			}
		}
		r := w.mustSync(t)
		if w.far.bodies != bodies || w.far.appends != appends {
			t.Errorf("done on the %v side: %d bodies, %d appends, %s", side, w.far.bodies-bodies, w.far.appends-appends, describe(r))
		}
		w.wantAgreement(t)
	}
}

func TestCopyTransfersNothing(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		w := newWorld()
		copier := []*memory{w.far, w.near}[side]
		w.far.make("Archive")
		id := w.far.put(mailbox.Inbox, w.write())
		w.mustSync(t)
		for id = range copier.boxes[mailbox.Inbox].messages {
		}
		bodies, appends := w.far.bodies, w.far.appends
		if _, err := copier.Copy(context.Background(), mailbox.Inbox, []mailbox.Doomed{{ID: id}}, "Archive"); err != nil {
			t.Fatal(err)
		}
		w.mustSync(t)
		if w.far.bodies != bodies || w.far.appends != appends {
			t.Errorf("copied on the %v side: %d bodies, %d appends", side, w.far.bodies-bodies, w.far.appends-appends)
		}
		w.wantAgreement(t)
	}
}

// A message that the far side has in several mailboxes, and says so, is downloaded once, also on the first run, and one
// that the near side has in several mailboxes is uploaded once.
func TestSeveralMailboxesOneTransfer(t *testing.T) {
	w := newWorld()
	w.far.names = true
	for _, name := range []mailbox.Name{"All", "Work", "Home"} {
		w.far.make(name)
	}
	for n := range 20 {
		m := w.write()
		w.far.put("All", m)
		for i, name := range []mailbox.Name{mailbox.Inbox, "Work", "Home"} {
			if n%(i+1) == 0 {
				m.flags = mailbox.Letters("S") // each may have its own
				w.far.put(name, m)
			}
		}
	}
	r, err := w.sync(Options{DryRun: true})
	if total := r.Total(); err != nil || total.Downloaded != 20 || total.Copied[Near] != 37 {
		t.Errorf("%v %s", err, describe(r))
	}
	r = w.mustSync(t)
	if total := r.Total(); w.far.bodies != 20 || total.Downloaded != 20 || total.Copied[Near] != 37 {
		t.Errorf("%d bodies, %s", w.far.bodies, describe(r))
	}
	w.wantAgreement(t)

	m := w.write()
	for _, name := range []mailbox.Name{mailbox.Inbox, "Work", "Home"} {
		w.near.put(name, m)
	}
	r, err = w.sync(Options{DryRun: true})
	if total := r.Total(); err != nil || total.Uploaded != 1 || total.Copied[Far] != 2 {
		t.Errorf("%v %s", err, describe(r))
	}
	if w.mustSync(t); w.far.appends != 1 {
		t.Errorf("%d uploads", w.far.appends)
	}
	w.wantAgreement(t)

	one := w.write()
	w.far.put("Work", one)
	w.far.put("Home", one)
	w.mustSync(t)
	w.far.put("All", one) // comes later
	if w.mustSync(t); w.far.bodies != 21 {
		t.Errorf("%d bodies", w.far.bodies)
	}
	w.wantAgreement(t)
}

// What cannot be downloaded for one mailbox cannot be for the others either: it is tried once in a run, and once it
// comes it is there in all of them.
func TestR18RefusedInSeveralMailboxes(t *testing.T) {
	w := newWorld()
	w.far.names = true
	w.far.make("Work")
	m := w.write()
	w.far.put(mailbox.Inbox, m)
	w.far.put("Work", m)
	w.far.refuses = func(verb string, _ mailbox.ID) error {
		if verb == "fetch" {
			return errRefused
		}
		return nil
	}
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for n, want := range []int{1, 2, 2, 2} { // the third waits
		if w.at(t, start.Add(time.Duration(n)*time.Minute), false); w.far.tries != want {
			t.Errorf("run %d: %d tries, want %d", n, w.far.tries, want)
		}
	}
	w.far.refuses = nil
	w.at(t, start.Add(time.Hour), false)
	if w.far.bodies != 1 {
		t.Errorf("%d bodies", w.far.bodies)
	}
	w.wantAgreement(t)
}

func TestRenameTransfersNothing(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		w := newWorld()
		for _, name := range []mailbox.Name{"Work", "Work/2024", "Work/2024/May"} {
			w.far.make(name)
			w.far.put(name, w.write())
		}
		w.mustSync(t)
		bodies, appends := w.far.bodies, w.far.appends
		[]*memory{w.far, w.near}[side].rename("Work", "Job")
		r := w.mustSync(t)
		if w.far.bodies != bodies || w.far.appends != appends || r.byName["Job"].Renamed != "Work" {
			t.Errorf("renamed on the %v side: %d bodies, %d appends, %s", side, w.far.bodies-bodies, w.far.appends-appends, describe(r))
		}
		if w.far.boxes["Job/2024/May"] == nil || w.near.boxes["Job/2024/May"] == nil {
			t.Errorf("renamed on the %v side: mailboxes below did not follow", side)
		}
		w.wantAgreement(t)
	}
}

func TestMailboxRemoved(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		w := newWorld()
		w.far.put(mailbox.Inbox, w.write())
		w.far.make("Old")
		w.far.put("Old", w.write())
		w.mustSync(t)
		delete([]*memory{w.far, w.near}[side].boxes, "Old")
		w.mustSync(t)
		if w.far.boxes["Old"] != nil || w.near.boxes["Old"] != nil {
			t.Errorf("removed on the %v side, still there on the other", side)
		}
		w.wantAgreement(t)
	}
}

func TestMailboxRemovedWithNewMailInside(t *testing.T) {
	w := newWorld()
	w.far.put(mailbox.Inbox, w.write())
	w.far.make("Old")
	w.far.put("Old", w.write())
	w.mustSync(t)
	delete(w.far.boxes, "Old")
	w.near.put("Old", w.write())
	w.mustSync(t)
	if n := len(w.far.boxes["Old"].messages); n != 1 {
		t.Errorf("Old has %d messages, want the new one", n)
	}
	w.wantAgreement(t)
}

// A mailbox that was removed on the near side and got mail on the far side stays, with what the server could only mark.
func TestMailboxRemovedWithMailMarked(t *testing.T) {
	w := newWorld()
	w.far.marksOff = true
	w.far.make("Old")
	for range 2 {
		w.far.put("Old", w.write())
	}
	w.far.put(mailbox.Inbox, w.write())
	w.mustSync(t)
	delete(w.near.boxes, "Old")
	w.far.put("Old", w.write())
	bodies := w.far.bodies
	w.mustSync(t)
	if n := len(w.near.boxes["Old"].messages); n != 1 || w.far.bodies != bodies+3 {
		t.Errorf("%d messages on the near side, %d bodies", n, w.far.bodies-bodies)
	}
	w.wantAgreement(t)
}

func TestBrake(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(w *world)
		side Side
	}{
		{"near emptied", func(w *world) { clear(w.near.boxes[mailbox.Inbox].messages); delete(w.near.boxes, "Work") }, Near},
		{"near without mailboxes", func(w *world) { clear(w.near.boxes) }, Near},
		{"INBOX gone", func(w *world) { delete(w.near.boxes, mailbox.Inbox) }, Near},
		{"far emptied", func(w *world) { clear(w.far.boxes[mailbox.Inbox].messages); delete(w.far.boxes, "Work") }, Far},
	} {
		w := newWorld()
		w.far.put(mailbox.Inbox, w.write())
		w.far.make("Work")
		w.far.put("Work", w.write())
		w.mustSync(t)
		tt.do(w)
		far, near := w.far.content(), w.near.content()
		_, err := w.sync(Options{})
		var brake *BrakeError
		if !errors.As(err, &brake) || brake.Side != tt.side {
			t.Errorf("%s: got %v, want the brake of the %v side", tt.name, err, tt.side)
		}
		if !maps.Equal(far, w.far.content()) || !maps.Equal(near, w.near.content()) {
			t.Errorf("%s: something was changed", tt.name)
		}
		w.mustSync(t) // with AllowDelete
		w.wantAgreement(t)
	}
}

// A mailbox that lost much of its mail on one side keeps it on the other, while all else goes on.
func TestManyRemovalsAreHeldBack(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		for _, tt := range []struct {
			name          string
			there, lost   int
			maxDelete     int
			held, vanish  bool
			alsoElsewhere bool
		}{
			{name: "few", there: 60, lost: 50},
			{name: "many", there: 200, lost: 51, held: true},
			{name: "a small share", there: 400, lost: 100},
			{name: "more than that", there: 400, lost: 101, held: true},
			{name: "another limit", there: 400, lost: 101, maxDelete: 30},
			{name: "no limit", there: 100, lost: 99, maxDelete: 100},
			{name: "the whole mailbox", there: 60, lost: 60, vanish: true, held: true},
			{name: "a small mailbox", there: 50, lost: 50, vanish: true},
			{name: "few in another, too", there: 200, lost: 60, held: true, alsoElsewhere: true},
		} {
			w := newWorld()
			loser, keeper := []*memory{w.far, w.near}[side], []*memory{w.far, w.near}[side.Other()]
			w.far.make("Work")
			for range tt.there {
				w.far.put("Work", w.write())
			}
			for range 10 {
				w.far.put(mailbox.Inbox, w.write())
			}
			w.mustSync(t)
			w.lose(loser, "Work", tt.lost)
			if tt.vanish {
				delete(loser.boxes, "Work")
			}
			if tt.alsoElsewhere {
				w.lose(loser, mailbox.Inbox, 1)
			}
			keeper.put(mailbox.Inbox, w.write())
			before := len(keeper.boxes["Work"].messages)
			_, err := w.sync(Options{MaxDelete: tt.maxDelete})
			var brake *BrakeError
			if held := errors.As(err, &brake); held != tt.held || (held && (brake.Side != side || brake.Mailbox != "Work" || brake.Lost != tt.lost)) {
				t.Errorf("%s on the %v side: got %v", tt.name, side, err)
			}
			inbox := 11
			if tt.alsoElsewhere {
				inbox--
			}
			kept := keeper.boxes["Work"] != nil && len(keeper.boxes["Work"].messages) == before
			if n := len(keeper.boxes[mailbox.Inbox].messages); n != inbox {
				t.Errorf("%s on the %v side: %d messages in INBOX, want %d", tt.name, side, n, inbox)
			}
			if kept != tt.held {
				t.Errorf("%s on the %v side: held back is %v, want %v", tt.name, side, kept, tt.held)
			}
			arrived := len(loser.boxes[mailbox.Inbox].messages)
			if tt.alsoElsewhere {
				arrived++
			}
			if arrived != 11 {
				t.Errorf("%s on the %v side: the new message did not arrive", tt.name, side)
			}
			if _, err := w.sync(Options{MaxDelete: tt.maxDelete}); (err != nil) != tt.held {
				t.Errorf("%s on the %v side: the next run says %v", tt.name, side, err)
			}
			w.mustSync(t) // with AllowDelete
			w.wantAgreement(t)
		}
	}
}

// Mailboxes that a run is not about are left as they are on both sides, whatever became of them (R26), and are there
// again for a run that is about them.
func TestNarrowed(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		w := newWorld()
		for _, name := range []mailbox.Name{"Work", "Private", "Gone"} {
			w.far.make(name)
			for range 3 {
				w.far.put(name, w.write())
			}
		}
		w.far.put(mailbox.Inbox, w.write())
		w.mustSync(t)
		doer, other := []*memory{w.far, w.near}[side], []*memory{w.far, w.near}[side.Other()]
		for _, name := range []mailbox.Name{"Work", "Private"} {
			w.lose(doer, name, 1)
			doer.put(name, w.write())
		}
		delete(doer.boxes, "Gone")
		doer.make("New")
		before := other.content()
		work := func(name mailbox.Name) bool { return name == "Work" }
		r, err := w.sync(Options{Mailboxes: work})
		if err != nil || r.Looked != 1 || len(r.byName) > 2 { // Trash is where removed mail goes, and not looked at
			t.Errorf("%v: %v, %s", side, err, describe(r))
		}
		after := other.content()
		for key, n := range before {
			if !strings.HasPrefix(key, "Work") && after[key] < n {
				t.Errorf("%v: %s changed", side, key)
			}
		}
		if len(other.boxes["Work"].messages) != 3 || len(other.boxes["Private"].messages) != 3 || other.boxes["Gone"] == nil || other.boxes["New"] != nil {
			t.Errorf("%v: work %v, private %v", side, other.boxes["Work"].messages, other.boxes["Private"].messages)
		}
		if r, err = w.sync(Options{Mailboxes: work}); err != nil || !r.Idle() {
			t.Errorf("%v: the next run: %v, %s", side, err, describe(r))
		}
		w.mustSync(t)
		w.wantAgreement(t)
	}
}

// Of the one mailbox that a run is about, all mail may be removed: the side is not empty for that.
func TestNarrowedAndEmptied(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		w := newWorld()
		w.far.make("Drafts")
		w.far.put("Drafts", w.write())
		w.far.put(mailbox.Inbox, w.write())
		w.mustSync(t)
		doer, other := []*memory{w.far, w.near}[side], []*memory{w.far, w.near}[side.Other()]
		w.lose(doer, "Drafts", 1)
		drafts := Options{Mailboxes: func(name mailbox.Name) bool { return name == "Drafts" }}
		if _, err := w.sync(drafts); err != nil || len(other.boxes["Drafts"].messages) != 0 {
			t.Errorf("%v side: %v, %d left", side, err, len(other.boxes["Drafts"].messages))
		}
		w.mustSync(t)
		w.far.put("Drafts", w.write())
		w.mustSync(t)
		clear(doer.boxes)
		if _, err := w.sync(drafts); !errors.As(err, new(*BrakeError)) {
			t.Errorf("%v side, all gone: %v", side, err)
		}
	}
}

// R23: a mailbox where many messages lost flags on one side keeps them on the other, while all else goes on.
func TestR23ManyLostFlags(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		for _, tt := range []struct {
			name            string
			there, stripped int
			noMarks, held   bool
		}{
			{name: "few", there: 60, stripped: 50},
			{name: "a small share", there: 300, stripped: 75},
			{name: "many", there: 60, stripped: 51, held: true},
			{name: "many, where no mark tells", there: 60, stripped: 51, noMarks: true, held: true},
		} {
			w := newWorld()
			w.far.noMarks = tt.noMarks
			loser, keeper := []*memory{w.far, w.near}[side], []*memory{w.far, w.near}[side.Other()]
			for range tt.there {
				m := w.write()
				m.flags = mailbox.Letters("FS")
				w.far.put(mailbox.Inbox, m)
			}
			w.mustSync(t)
			b := loser.boxes[mailbox.Inbox]
			for i, id := range slices.Sorted(maps.Keys(b.messages)) {
				m := b.messages[id]
				if m.flags = mailbox.Letters("FRS"); i < tt.stripped {
					m.flags = mailbox.Letters("R")
				}
				b.messages[id] = m
			}
			b.version++
			keeper.put(mailbox.Inbox, w.write())
			_, err := w.sync(Options{})
			var brake *BrakeError
			if held := errors.As(err, &brake); held != tt.held || (held && (brake.Side != side || !brake.Flags || brake.Lost != tt.stripped)) {
				t.Errorf("%s on the %v side: got %v", tt.name, side, err)
			}
			starred, answered := 0, 0
			for _, m := range keeper.boxes[mailbox.Inbox].messages {
				if m.flags.Has(mailbox.Flagged) {
					starred++
				}
				if m.flags.Has(mailbox.Answered) {
					answered++
				}
			}
			if want := tt.there - tt.stripped; !tt.held && starred != want || tt.held && starred != tt.there || answered != tt.there {
				t.Errorf("%s on the %v side: %d of %d are starred on the other, %d answered", tt.name, side, starred, tt.there, answered)
			}
			if n := len(loser.boxes[mailbox.Inbox].messages); n != tt.there+1 {
				t.Errorf("%s on the %v side: %d messages, the new one did not arrive", tt.name, side, n)
			}
			w.mustSync(t) // with AllowDelete
			w.wantAgreement(t)
		}
	}
}

// lose takes away so many messages of a mailbox.
func (w *world) lose(m *memory, name mailbox.Name, n int) {
	for _, id := range slices.Sorted(maps.Keys(m.boxes[name].messages))[:n] {
		delete(m.boxes[name].messages, id)
		m.boxes[name].version++
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	w := newWorld()
	w.far.put(mailbox.Inbox, w.write())
	w.mustSync(t)
	w.far.make("Work")
	w.far.put("Work", w.write())
	w.near.put(mailbox.Inbox, w.write())
	far, near, steps := w.far.content(), w.near.content(), w.ledger.step
	r, err := w.sync(Options{DryRun: true})
	if err != nil || r.Total().Downloaded != 1 || r.Total().Uploaded != 1 {
		t.Errorf("got %v, %v", describe(r), err)
	}
	if !maps.Equal(far, w.far.content()) || !maps.Equal(near, w.near.content()) || w.ledger.step != steps {
		t.Error("a dry run changed something")
	}
}

func TestDeleteRemote(t *testing.T) {
	for _, tt := range []struct {
		policy           Removal
		inbox, trash, ct int
	}{{Trash, 0, 1, 1}, {Expunge, 0, 0, 0}, {Never, 1, 0, 1}} {
		w := newWorld()
		id := w.far.put(mailbox.Inbox, w.write())
		w.far.make("Work")
		w.far.put("Work", w.write())
		w.mustSync(t)
		clear(w.near.boxes[mailbox.Inbox].messages)
		w.near.boxes[mailbox.Inbox].version++
		for range 2 {
			if _, err := w.sync(Options{DeleteRemote: tt.policy}); err != nil {
				t.Fatal(err)
			}
		}
		if inbox, trash := len(w.far.boxes[mailbox.Inbox].messages), len(w.far.boxes["Trash"].messages); inbox != tt.inbox || trash != tt.trash {
			t.Errorf("%s: %d in INBOX, %d in Trash", tt.policy, inbox, trash)
		}
		if n := len(w.near.boxes[mailbox.Inbox].messages); n != 0 {
			t.Errorf("%s: the message came back", tt.policy)
		}
		_ = id
	}
}

func TestUIDValidityChanged(t *testing.T) {
	w := newWorld()
	for range 10 {
		w.far.put(mailbox.Inbox, w.write())
	}
	w.mustSync(t)
	bodies := w.far.bodies
	old := w.far.boxes[mailbox.Inbox]
	w.far.make(mailbox.Inbox)
	for _, m := range old.messages {
		w.far.put(mailbox.Inbox, m)
	}
	w.mustSync(t)
	if w.far.bodies != bodies || len(w.far.boxes[mailbox.Inbox].messages) != 10 {
		t.Errorf("%d bodies fetched, %d messages", w.far.bodies-bodies, len(w.far.boxes[mailbox.Inbox].messages))
	}
	w.wantAgreement(t)
}

func (m *memory) mustSetFlags(t fataler, name mailbox.Name, changes ...mailbox.FlagChange) {
	t.Helper()
	if err := m.SetFlags(context.Background(), name, changes, nil); err != nil {
		t.Fatalf("set flags: %v", err)
	}
}

var names = []mailbox.Name{mailbox.Inbox, "Work", "Work/2024", "Archive"}

// act is one thing that somebody does to one side.
func (w *world) act(t *rapid.T) {
	m := []*memory{w.far, w.near}[rapid.SampledFrom([]Side{Far, Near}).Draw(t, "side")]
	boxes := slices.Sorted(maps.Keys(m.boxes))
	name := rapid.SampledFrom(boxes).Draw(t, "mailbox")
	b := m.boxes[name]
	ids := slices.Sorted(maps.Keys(b.messages))
	op := rapid.SampledFrom([]string{"new", "new", "flag", "unflag", "delete", "move", "copy", "create", "rename", "drop"}).Draw(t, "op")
	if len(ids) == 0 && op != "create" && op != "rename" && op != "drop" {
		op = "new"
	}
	var id mailbox.ID
	if len(ids) > 0 {
		id = rapid.SampledFrom(ids).Draw(t, "message")
	}
	flag := rapid.SampledFrom([]mailbox.Flag{mailbox.Seen, mailbox.Flagged, "work"}).Draw(t, "flag")
	to := rapid.SampledFrom(boxes).Draw(t, "to")
	switch op {
	case "new":
		m.put(name, w.write())
	case "flag":
		m.mustSetFlags(t, name, mailbox.FlagChange{ID: id, Add: mailbox.MakeFlags(flag)})
	case "unflag":
		m.mustSetFlags(t, name, mailbox.FlagChange{ID: id, Take: mailbox.MakeFlags(flag)})
	case "delete":
		w.deleted[b.messages[id].raw] = true
		delete(b.messages, id)
		b.version++
	case "move":
		if to != name {
			msg := b.messages[id]
			delete(b.messages, id)
			b.version++
			m.put(to, msg)
		}
	case "copy":
		w.copied[b.messages[id].raw] = true
		m.put(to, b.messages[id])
	case "create":
		if fresh := rapid.SampledFrom(names).Draw(t, "fresh"); m.boxes[fresh] == nil {
			m.make(fresh)
		}
	case "rename":
		fresh := mailbox.Name(fmt.Sprintf("Box%d", rapid.IntRange(1, 5).Draw(t, "fresh")))
		if name != mailbox.Inbox && name != "Trash" && m.boxes[fresh] == nil {
			m.rename(name, fresh)
		}
	case "drop":
		if name != mailbox.Inbox && name != "Trash" {
			for _, msg := range b.messages {
				w.deleted[msg.raw] = true
			}
			delete(m.boxes, name)
		}
	}
}

// raws counts how often each text is on a side.
func (m *memory) raws() map[string]int {
	all := map[string]int{}
	for _, b := range m.boxes {
		for _, msg := range b.messages {
			all[msg.raw]++
		}
	}
	return all
}

func configure(t *rapid.T, w *world) {
	w.far.noMarks = rapid.Bool().Draw(t, "noMarks")
	w.far.noUIDs = rapid.Bool().Draw(t, "noUIDs")
	w.far.names = rapid.Bool().Draw(t, "names")
}

// Whatever people do on both sides, with syncs between: both sides agree after a sync, nothing is lost that nobody
// deleted, and nothing is doubled that nobody copied.
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		configure(t, w)
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			for range rapid.IntRange(0, 8).Draw(t, "acts") {
				w.act(t)
			}
			before := w.far.raws()
			for raw := range w.near.raws() {
				before[raw]++
			}
			w.mustSync(t)
			w.wantAgreement(t)
			after := w.near.raws()
			for raw := range before {
				if after[raw] == 0 && !w.deleted[raw] {
					t.Fatalf("lost: %q", raw)
				}
			}
		}
	})
}

// A run dies at every effect, before it and just after it. The next run reaches agreement, nothing is lost or
// doubled, and the run after that is idle.
func TestDieAtEveryEffect(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, variant := range []string{"", "noUIDs", "noMarks", "marksOff", "rewrites", "names"} {
			t.Run(fmt.Sprintf("after=%v,%s", after, variant), func(t *testing.T) { dieEverywhere(t, after, variant) })
		}
	}
}

func dieEverywhere(t *testing.T, after bool, variant string) {
	for step := 1; ; step++ {
		w := busyWorld(t, variant)
		want := w.expected()
		fate := &mortal{diesAt: step, after: after}
		w.far.mortal, w.near.mortal, w.ledger.mortal = fate, fate, fate
		_, err := w.sync(Options{AllowDelete: true})
		died := errors.Is(err, errDied)
		if err != nil && !died {
			t.Fatal(err)
		}
		fate = &mortal{}
		w.far.mortal, w.near.mortal, w.ledger.mortal = fate, fate, fate
		w.mustSync(t)
		if got := w.near.raws(); !maps.Equal(got, want) {
			t.Fatalf("died at step %d: lost or doubled:\ngot  %v\nwant %v", step, got, want)
		}
		w.wantAgreement(t)
		if !died {
			return
		}
	}
}

// busyWorld is a world in agreement, in which then a little of everything happened.
func busyWorld(t *testing.T, variant string) *world {
	w := newWorld()
	w.far.noUIDs = variant == "noUIDs" || variant == "marksOff"
	w.far.noMarks = variant == "noMarks"
	w.far.marksOff = variant == "marksOff"
	w.far.names = variant == "names"
	w.far.make("Work")
	w.far.make("Old")
	w.far.make("Name")
	var ids []mailbox.ID
	for range 8 {
		ids = append(ids, w.far.put(mailbox.Inbox, w.write()))
	}
	w.far.put("Old", w.write())
	w.far.put("Name", w.write())
	w.mustSync(t)
	w.far.rewrites = variant == "rewrites"

	local := map[string]mailbox.ID{}
	for id, msg := range w.near.boxes[mailbox.Inbox].messages {
		local[msg.raw] = id
	}
	near := func(i int) mailbox.ID { return local[w.far.boxes[mailbox.Inbox].messages[ids[i]].raw] }
	seen := mailbox.MakeFlags(mailbox.Seen)
	w.near.mustSetFlags(t, mailbox.Inbox, mailbox.FlagChange{ID: near(0), Add: seen}, mailbox.FlagChange{ID: near(1), Add: seen})
	w.far.mustSetFlags(t, mailbox.Inbox, mailbox.FlagChange{ID: ids[1], Add: mailbox.MakeFlags("work")})
	inbox := w.near.boxes[mailbox.Inbox]
	moved, gone := near(2), near(3)
	msg := inbox.messages[moved]
	delete(inbox.messages, moved)
	delete(inbox.messages, gone)
	inbox.version++
	w.near.put("Work", msg)
	w.near.put("Work", inbox.messages[near(4)]) // a copy
	w.near.put("Work", w.write())
	w.near.put(mailbox.Inbox, w.write())
	w.far.put("Work", w.write())
	far := w.far.boxes[mailbox.Inbox]
	w.far.put("Work", far.messages[ids[5]])
	delete(far.messages, ids[5])
	delete(far.messages, ids[6])
	far.version++
	w.near.rename("Name", "Other")
	delete(w.far.boxes, "Old")
	w.near.make("Fresh")
	w.near.put("Fresh", w.write())
	return w
}

// expected is what an undisturbed run comes to.
func (w *world) expected() map[string]int {
	want := map[string]int{}
	for i := 1; i <= w.made; i++ {
		probe := &world{made: i - 1}
		want[probe.write().raw] = 1
	}
	delete(want, (&world{made: 6}).write().raw) // removed on the far side
	delete(want, (&world{made: 8}).write().raw) // its mailbox was removed
	want[(&world{made: 4}).write().raw] = 2     // copied
	return want
}

// The Trash may be emptied at any time. That its directory is gone is another matter: a large one is not expunged for it.
func TestTrashGone(t *testing.T) {
	for _, n := range []int{smallRemoval, smallRemoval + 1} {
		for _, gone := range []bool{false, true} {
			w := newWorld()
			for range n {
				w.far.put("Trash", w.write())
			}
			w.far.put(mailbox.Inbox, w.write())
			w.mustSync(t)
			w.lose(w.near, "Trash", n)
			if gone {
				delete(w.near.boxes, "Trash")
			}
			_, err := w.sync(Options{})
			held := gone && n > smallRemoval
			if left := len(w.far.boxes["Trash"].messages); errors.As(err, new(*BrakeError)) != held || (left > 0) != held {
				t.Errorf("%d messages, directory gone %v: %v, %d are left", n, gone, err, left)
			}
		}
	}
}

// A mailbox that the server has for a special use is made anew when its directory goes; its messages go as usual.
func TestSpecialMailboxStays(t *testing.T) {
	w := newWorld()
	w.far.make("Trash")
	w.far.put("Trash", w.write())
	w.far.put(mailbox.Inbox, w.write())
	w.mustSync(t)
	delete(w.near.boxes, "Trash")
	r, err := w.sync(Options{})
	if err != nil || r.byName["Trash"].Removed[Far] != 1 {
		t.Fatalf("%v %s", err, describe(r))
	}
	if w.far.boxes["Trash"] == nil || w.near.boxes["Trash"] == nil || len(w.far.boxes["Trash"].messages) != 0 {
		t.Errorf("on the far side %v, on the near side %v", w.far.boxes["Trash"], w.near.boxes["Trash"])
	}
	w.wantAgreement(t)
}

// What is removed on both sides while a run is under way is no problem: it is gone, as it should be.
func TestRemovedOnBothSides(t *testing.T) {
	for _, policy := range []Removal{Trash, Expunge} {
		w := newWorld()
		for range 3 {
			w.far.put(mailbox.Inbox, w.write())
		}
		w.mustSync(t)
		clear(w.near.boxes[mailbox.Inbox].messages)
		w.near.boxes[mailbox.Inbox].version++
		near := &watched{w.near, func() { clear(w.far.boxes[mailbox.Inbox].messages) }}
		r, err := Run(t.Context(), w.far, near, w.ledger, Options{DeleteRemote: policy, Workers: 1, AllowDelete: true})
		if err != nil || len(r.Problems) > 0 {
			t.Errorf("%v: %v, %v", policy, err, r.Problems)
		}
		w.wantAgreement(t)
	}
}

// watched lets something happen before it is asked for the last time what is missing.
type watched struct {
	*memory
	then func()
}

func (w *watched) Missing(ctx context.Context, name mailbox.Name, ids []mailbox.ID) ([]mailbox.ID, error) {
	w.then()
	return w.memory.Missing(ctx, name, ids)
}
