package syncer

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// labelled is a far side on which a message is one thing in several mailboxes, All among them.
type labelled struct {
	*memory
	discarded int
}

func newLabelled() (*world, *labelled) {
	w := newWorld()
	w.far.names = true
	for _, name := range []mailbox.Name{"All", "Work", "Home"} {
		w.far.make(name)
	}
	return w, &labelled{memory: w.far}
}

func (l *labelled) Whole() mailbox.Name { return "All" }

func (l *labelled) Unlabel(_ context.Context, name mailbox.Name, messages []mailbox.Doomed) (gone []mailbox.ID, err error) {
	for _, m := range messages {
		delete(l.boxes[name].messages, m.ID)
		gone = append(gone, m.ID)
	}
	l.boxes[name].version++
	return gone, nil
}

func (l *labelled) Elsewhere(context.Context, mailbox.Name, []mailbox.ID, []mailbox.Name) (map[mailbox.ID]bool, error) {
	return nil, nil
}

// Move takes a message out of all mailboxes if it goes to the Trash.
func (l *labelled) Move(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (mailbox.Moved, error) {
	for _, m := range messages {
		if raw := l.boxes[from].messages[m.ID].raw; to == "Trash" {
			l.vanish(raw, from)
		}
	}
	return l.memory.Move(ctx, from, messages, to)
}

func (l *labelled) vanish(raw string, but mailbox.Name) {
	for name, b := range l.boxes {
		for id, m := range maps.Clone(b.messages) {
			if m.raw == raw && name != but {
				delete(b.messages, id)
				b.version++
			}
		}
	}
}

func (l *labelled) Discard(_ context.Context, name mailbox.Name, messages []mailbox.Doomed, _ mailbox.Name) (gone []mailbox.ID, err error) {
	for _, m := range messages {
		l.discarded++
		l.vanish(l.boxes[name].messages[m.ID].raw, "")
		gone = append(gone, m.ID)
	}
	return gone, nil
}

func (l *labelled) has(raw string) (names []mailbox.Name) {
	for name, b := range l.boxes {
		for _, m := range b.messages {
			if m.raw == raw {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// What is removed from some mailboxes loses those labels, what is removed from all of them goes to the Trash or for good,
// and what is removed from the one that has everything comes back. Nothing is transferred for any of it.
func TestRemovedFromSomeMailboxes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		removed []mailbox.Name
		moved   mailbox.Name // a file comes there
		policy  Removal
		want    []mailbox.Name
	}{
		{"from one", []mailbox.Name{"INBOX"}, "", Trash, []mailbox.Name{"All", "Work"}},
		{"from one, expunge", []mailbox.Name{"Work"}, "", Expunge, []mailbox.Name{"All", "INBOX"}},
		{"from two", []mailbox.Name{"INBOX", "Work"}, "", Trash, []mailbox.Name{"All"}},
		{"from All", []mailbox.Name{"All"}, "", Expunge, []mailbox.Name{"All", "INBOX", "Work"}},
		{"from all", []mailbox.Name{"All", "INBOX", "Work"}, "", Trash, []mailbox.Name{"Trash"}},
		{"from all, expunge", []mailbox.Name{"All", "INBOX", "Work"}, "", Expunge, nil},
		{"from all, never", []mailbox.Name{"All", "INBOX", "Work"}, "", Never, []mailbox.Name{"All", "INBOX", "Work"}},
		{"moved to where it is", []mailbox.Name{"INBOX"}, "All", Trash, []mailbox.Name{"All", "Work"}},
		{"moved to where it is, never", []mailbox.Name{"INBOX"}, "All", Never, []mailbox.Name{"All", "Work"}},
		{"moved elsewhere, never", []mailbox.Name{"INBOX"}, "Home", Never, []mailbox.Name{"All", "Home", "Work"}},
		{"moved elsewhere", []mailbox.Name{"INBOX"}, "Home", Trash, []mailbox.Name{"All", "Home", "Work"}},
		{"copied", nil, "Home", Trash, []mailbox.Name{"All", "Home", "INBOX", "Work"}},
		{"copied to where it is", nil, "Work", Trash, []mailbox.Name{"All", "INBOX", "Work"}},
	} {
		w, far := newLabelled()
		m, other := w.write(), w.write()
		for _, name := range []mailbox.Name{"All", "INBOX", "Work"} {
			w.far.put(name, m)
			w.far.put(name, other)
		}
		dry := func() Counts {
			r, err := Run(t.Context(), far, w.near, w.ledger, Options{DeleteRemote: tt.policy, Workers: 1, DryRun: true})
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			return r.Total()
		}
		sync := func() *Report {
			r, err := Run(t.Context(), far, w.near, w.ledger, Options{DeleteRemote: tt.policy, Workers: 1})
			if err != nil || len(r.Problems) > 0 {
				t.Fatalf("%s: %v %s", tt.name, err, describe(r))
			}
			return r
		}
		sync()
		bodies := w.far.bodies
		for _, name := range tt.removed {
			for id, have := range w.near.boxes[name].messages {
				if have.raw == m.raw {
					delete(w.near.boxes[name].messages, id)
				}
			}
		}
		if tt.moved != "" {
			w.near.put(tt.moved, m)
		}
		plan, did := dry(), sync().Total()
		if plan.Trashed != did.Trashed || plan.Unlabelled != did.Unlabelled || plan.Removed[Far] != did.Removed[Far] || plan.Kept != did.Kept {
			t.Errorf("%s: planned\n%+v, did\n%+v", tt.name, plan, did)
		}
		sync()
		if r := sync(); !r.Idle() || !r.Settled {
			t.Errorf("%s: not idle: %s", tt.name, describe(r))
		}
		if got := far.has(m.raw); !slices.Equal(got, tt.want) {
			t.Errorf("%s: the far side has it in %q, want %q", tt.name, got, tt.want)
		}
		if got := far.has(other.raw); len(got) != 3 {
			t.Errorf("%s: the other message is in %q", tt.name, got)
		}
		extra := 0
		if tt.name == "from all" { // what lies in the Trash is downloaded: nobody has it any more
			extra = 1
		}
		if w.far.bodies > bodies+extra || w.far.appends > 0 {
			t.Errorf("%s: %d bodies, %d appends", tt.name, w.far.bodies-bodies, w.far.appends)
		}
		if tt.policy != Never && !maps.Equal(w.far.content(), w.near.content()) {
			t.Errorf("%s:\nfar  %v\nnear %v", tt.name, w.far.content(), w.near.content())
		}
	}
}

// What leaves a mailbox and stays in another is no loss on the near side, and no loss of the account's on either.
func TestWhatStaysElsewhereIsNotLost(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		w, far := newLabelled()
		for range 60 {
			m := w.write()
			w.far.put("INBOX", m)
			w.far.put("All", m)
		}
		sync := func() error {
			_, err := Run(t.Context(), far, w.near, w.ledger, Options{Workers: 1})
			return err
		}
		if err := sync(); err != nil {
			t.Fatal(err)
		}
		inbox := []*memory{w.far, w.near}[side].boxes["INBOX"]
		clear(inbox.messages)
		inbox.version++
		w.far.put("INBOX", w.write()) // it is not suddenly empty
		err := sync()
		if brake := new(*BrakeError); errors.As(err, brake) != (side == Near) {
			t.Errorf("taken out on the %s side: %v", side, err)
		}
		today, err := w.ledger.Removed(t.Context(), time.Now().UTC().Format(time.DateOnly))
		if err != nil || today.Removed != [2]int{} {
			t.Errorf("taken out on the %s side: %v were counted as removed today, %v", side, today.Removed, err)
		}
	}
}

// fleeting has something happen before the first body is fetched.
type fleeting struct {
	*labelled
	then func()
}

func (f *fleeting) Fetch(ctx context.Context, name mailbox.Name, ids []mailbox.ID, body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error)) error {
	if f.then != nil {
		f.then()
		f.then = nil
	}
	return f.labelled.Fetch(ctx, name, ids, body, problem)
}

// A message that is removed while a run is about to download it is no problem. What was taken out of one mailbox only is
// downloaded into the others.
func TestGoneBeforeItIsDownloaded(t *testing.T) {
	for _, everywhere := range []bool{true, false} {
		w, far := newLabelled()
		m := w.write()
		for _, name := range []mailbox.Name{"All", "INBOX", "Work"} {
			w.far.put(name, m)
			w.far.put(name, w.write())
		}
		flees := &fleeting{far, func() { far.vanish(m.raw, "") }}
		if !everywhere {
			flees.then = func() { clear(w.far.boxes["INBOX"].messages) }
		}
		r, err := Run(t.Context(), flees, w.near, w.ledger, Options{Workers: 1})
		if err != nil || len(r.Problems) > 0 {
			t.Errorf("%v %s", err, describe(r))
		}
		if r, err = Run(t.Context(), far, w.near, w.ledger, Options{Workers: 1}); err != nil || len(r.Problems) > 0 || r.Total().Downloaded > 0 {
			t.Errorf("then: %v %s", err, describe(r))
		}
		w.wantAgreement(t)
	}
}

// busy cannot copy just now.
type busy struct{ *labelled }

func (b busy) Copy(context.Context, mailbox.Name, []mailbox.Doomed, mailbox.Name) (map[mailbox.ID]mailbox.ID, error) {
	return nil, &mailbox.MailboxError{Mailbox: "INBOX", Err: mailbox.ErrTemporary}
}

// What cannot be copied just now waits, however often it is tried, and is not uploaded a second time.
func TestCopyThatWaits(t *testing.T) {
	w, far := newLabelled()
	m := w.write()
	for _, name := range []mailbox.Name{"All", "INBOX"} {
		w.far.put(name, m)
	}
	if _, err := Run(t.Context(), far, w.near, w.ledger, Options{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	w.near.put("Work", m)
	for range 2 {
		r, err := Run(t.Context(), busy{far}, w.near, w.ledger, Options{Workers: 1})
		if err != nil || len(r.Problems) != 1 || !errors.Is(r.Problems[0], mailbox.ErrTemporary) || r.Total().Uploaded > 0 {
			t.Fatalf("%v %s", err, describe(r))
		}
	}
	r, err := Run(t.Context(), far, w.near, w.ledger, Options{Workers: 1, Retry: true})
	if err != nil || len(r.Problems) > 0 || r.byName["Work"].Copied[Far] != 1 {
		t.Errorf("%v %s", err, describe(r))
	}
	w.wantAgreement(t)
}

// A file that is copied into a mailbox that the far side lost meanwhile has it made again, and is copied there, too.
func TestCopiedIntoALostMailbox(t *testing.T) {
	w, far := newLabelled()
	m := w.write()
	for _, name := range []mailbox.Name{"All", "Home"} {
		w.far.put(name, m)
	}
	w.far.put("Work", w.write())
	w.far.put("All", w.write())
	if _, err := Run(t.Context(), far, w.near, w.ledger, Options{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	delete(w.far.boxes, "Work")
	w.near.put("Work", m)
	r, err := Run(t.Context(), far, w.near, w.ledger, Options{Workers: 1, AllowDelete: true})
	if err != nil || len(r.Problems) > 0 || r.byName["Work"].Copied[Far] != 1 || r.Total().Uploaded > 0 {
		t.Errorf("%v %s", err, describe(r))
	}
}

// What a run that died left in one mailbox is copied into the others, and not downloaded; and a file that is new in another
// mailbox waits for what is adopted, instead of being uploaded.
func TestAdoptedInOneMailbox(t *testing.T) {
	content := &Evidence{Content: mailbox.Content{Digest: mailbox.Digest{7}, Size: 9}, Same: "1"}
	elsewhere := &Evidence{Content: content.Content}
	steps := Plan([]Delta{
		{Mailbox: "A", New: [2][]Arrival{Far: {{ID: "3", AccountID: "x"}}}},
		{Mailbox: "B", New: [2][]Arrival{Far: {{ID: "1", AccountID: "x"}}, Near: {{ID: "b", Evidence: content}}}},
		{Mailbox: "C", New: [2][]Arrival{Near: {{ID: "c", Evidence: elsewhere}}}},
	}, Policy{Once: true, Again: true})
	if len(steps[0].Download) > 0 || len(steps[0].Relocate) != 1 || steps[0].Relocate[0].From != (mailbox.Place{Mailbox: "B", ID: "b"}) {
		t.Errorf("in A: %+v", steps[0])
	}
	if len(steps[1].Agree) != 1 || steps[1].Agree[0].Pair.Far != "1" {
		t.Errorf("in B: %+v", steps[1])
	}
	if len(steps[2].Upload) > 0 || len(steps[2].Again) != 1 {
		t.Errorf("in C: %+v", steps[2])
	}
}
