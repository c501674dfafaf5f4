package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// A purse is a budget that is filled anew each day, and counts what comes and goes, both together.
type purse struct {
	quiet
	day, most, used int64
}

// quiet are events that nobody wants to hear of.
type quiet struct{}

func (quiet) Phase(string)       {}
func (quiet) Planned(int, int64) {}
func (quiet) Problem(error)      {}

func (p *purse) Left(Side) int64                 { return p.day - p.used }
func (p *purse) Most(Side) int64                 { return p.most }
func (p *purse) Transferred(_ int, octets int64) { p.used += octets }
func (p *purse) options(now time.Time) Options {
	return Options{Budget: p, Events: p, Workers: 1, Now: func() time.Time { return now }}
}

func (w *world) sized(octets int) message {
	m := w.write()
	m.raw += strings.Repeat("x", octets-len(m.raw))
	return m
}

func waits(err error, side Side) (n int, only bool) {
	var e *QuotaError
	if !errors.As(err, &e) {
		return 0, err == nil
	}
	return e.Waiting[side], e.Waiting[side.Other()] == 0 && errors.Is(err, mailbox.ErrQuota) && errors.Is(err, mailbox.ErrTemporary)
}

var someDay = time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)

// What there is no room for waits, on either side, is never transferred twice, and comes in the end. A run without any room
// transfers nothing.
func TestBudget(t *testing.T) {
	for _, from := range []Side{Far, Near} {
		w := newWorld()
		side := map[Side]*memory{Far: w.far, Near: w.near}[from]
		w.far.make("Work")
		w.near.make("Work")
		for i := range 40 {
			side.put([]mailbox.Name{mailbox.Inbox, "Work"}[i%2], w.sized(1000))
		}
		done := func() int { return map[Side]int{Far: w.far.bodies, Near: w.far.appends}[from] }
		p := &purse{day: 10_900, most: 10_000}
		for day := range 5 {
			before := done()
			p.used = 0
			now := someDay.AddDate(0, 0, day)
			r, err := w.sync(p.options(now))
			if p.used > p.day {
				t.Errorf("%v: %d octets on day %d", from, p.used, day)
			}
			n, ok := waits(err, from)
			if n != 40-done() || !ok || len(r.Problems) > 0 || done()-before < 9 && done() < 40 {
				t.Fatalf("%v: day %d: %d done, then %v %s", from, day, done()-before, err, describe(r))
			}
			p.used = p.day
			before, commits := done(), w.ledger.step
			r, err = w.sync(p.options(now))
			if m, ok := waits(err, from); m != n || !ok || done() != before || len(r.Problems) > 0 || !r.Settled {
				t.Fatalf("%v: day %d, again: %v %s", from, day, err, describe(r))
			}
			if from == Far && w.ledger.step > commits+2 { // no record of what is on record, only when it was looked at
				t.Errorf("%v: day %d, again: %d commits", from, day, w.ledger.step-commits)
			}
		}
		if done() != 40 {
			t.Errorf("%v: %d transfers", from, done())
		}
		w.wantAgreement(t)
	}
}

// A message that there is no room for keeps smaller ones from nothing, and comes first on the next day. One that there will
// never be room for is named once, and does not let the run end before its time.
func TestLargeMessages(t *testing.T) {
	for _, from := range []Side{Far, Near} {
		w := newWorld()
		side := map[Side]*memory{Far: w.far, Near: w.near}[from]
		for _, octets := range []int{3000, 8000, 3000, 20_000, 3000} {
			side.put(mailbox.Inbox, w.sized(octets))
		}
		p := &purse{day: 10_000, most: 9000}
		r, err := w.sync(p.options(someDay))
		if n, ok := waits(err, from); n != 1 || !ok || p.used != 9000 || len(r.Problems) != 1 || !errors.Is(r.Problems[0], ErrTooLarge) || errors.Is(r.Problems[0], mailbox.ErrTemporary) {
			t.Errorf("%v: %d octets, %v %s", from, p.used, err, describe(r))
		}
		p.used = 0
		r, err = w.sync(p.options(someDay.AddDate(0, 0, 1)))
		if err != nil || p.used != 8000 || len(r.Problems) != 1 {
			t.Errorf("%v: the next day: %d octets, %v %s", from, p.used, err, describe(r))
		}
		p.used = 0
		r, err = w.sync(p.options(someDay.AddDate(0, 0, 1).Add(time.Minute)))
		if err != nil || p.used != 0 || len(r.Problems) > 0 || len(r.Waiting) != 1 {
			t.Errorf("%v: before its time: %d octets, %v %s", from, p.used, err, describe(r))
		}
		p.day, p.most = 30_000, 27_000
		o := p.options(someDay.AddDate(0, 0, 2))
		o.Retry = true
		if r, err := w.sync(o); err != nil || p.used != 20_000 || len(r.Problems) > 0 {
			t.Errorf("%v: with more room: %d octets, %v %s", from, p.used, err, describe(r))
		}
		w.wantAgreement(t)
	}
}

// A message that waits is not downloaded for another mailbox either, nor told of there.
func TestBudgetOfLabels(t *testing.T) {
	w, far := newLabelled()
	for range 4 {
		m := w.sized(1000)
		for _, name := range []mailbox.Name{"All", "INBOX", "Work"} {
			w.far.put(name, m)
		}
	}
	p := &purse{day: 2500, most: 2000}
	for day := range 3 {
		p.used = 0
		r, err := Run(t.Context(), far, w.near, w.ledger, p.options(someDay.AddDate(0, 0, day)))
		if n, ok := waits(err, Far); n != max(2-2*day, 0) || !ok || len(r.Problems) > 0 {
			t.Errorf("day %d: %v %s", day, err, describe(r))
		}
	}
	if w.far.bodies != 4 {
		t.Errorf("%d bodies", w.far.bodies)
	}
	w.wantAgreement(t)
}

// A brake does not hide what waits.
func TestBudgetAndBrake(t *testing.T) {
	w := newWorld()
	for range 200 {
		w.far.put(mailbox.Inbox, w.sized(100))
	}
	w.mustSync(t)
	w.lose(w.far, mailbox.Inbox, 100)
	w.far.put(mailbox.Inbox, w.sized(1000))
	p := &purse{day: 500, most: 2000}
	_, err := w.sync(p.options(someDay))
	if n, _ := waits(err, Far); n != 1 || !errors.As(err, new(*BrakeError)) {
		t.Error(err)
	}
}

// A breaking is a far side whose line breaks after some bodies.
type breaking struct {
	*memory
	after int
	err   error
}

func (b *breaking) Fetch(ctx context.Context, name mailbox.Name, ids []mailbox.ID, body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error)) error {
	n := min(b.after, len(ids))
	if err := b.memory.Fetch(ctx, name, ids[:n], body, problem); err != nil || n == len(ids) {
		return err
	}
	return b.err
}

// What came whole before a download broke off is kept, whatever ended it.
func TestBrokenDownload(t *testing.T) {
	for _, reason := range []error{mailbox.ErrQuota, mailbox.ErrTemporary, context.Canceled} {
		w := newWorld()
		for range 10 {
			w.far.put(mailbox.Inbox, w.write())
		}
		ctx, cancel := context.WithCancel(t.Context())
		if errors.Is(reason, context.Canceled) {
			cancel()
		}
		far := &breaking{w.far, 4, reason}
		r, err := Run(ctx, far, w.near, w.ledger, Options{Workers: 1})
		if !errors.Is(err, reason) || len(w.near.boxes[mailbox.Inbox].messages) != 4 && !errors.Is(reason, context.Canceled) {
			t.Errorf("%v: %v %s, %d came", reason, err, describe(r), len(w.near.boxes[mailbox.Inbox].messages))
		}
		cancel()
		w.mustSync(t)
		if w.far.bodies != 10 {
			t.Errorf("%v: %d bodies", reason, w.far.bodies)
		}
		w.wantAgreement(t)
	}
}

// One load that breaks off ends the others, which keep what they have. One for which there is no quota lets them end.
func TestDownloadThatIsStopped(t *testing.T) {
	for _, reason := range []error{mailbox.ErrTemporary, mailbox.ErrQuota} {
		w := newWorld()
		for _, name := range []mailbox.Name{"Work", "Zoo"} {
			w.far.make(name)
		}
		for range 10 {
			w.far.put(mailbox.Inbox, w.write())
			w.far.put("Work", w.write())
			w.far.put("Zoo", w.write())
		}
		far := &stopping{memory: w.far, reason: reason, began: make(chan struct{}), ended: make(chan struct{}, 2)}
		if _, err := Run(t.Context(), far, w.near, w.ledger, Options{Workers: 2}); !errors.Is(err, reason) {
			t.Error(err)
		}
		want := 5
		if errors.Is(reason, mailbox.ErrQuota) {
			want = 10
		}
		if got := len(w.near.boxes[mailbox.Inbox].messages); got != want || len(w.near.boxes["Zoo"].messages) > 0 {
			t.Errorf("%v: %d came", reason, got)
		}
		w.mustSync(t)
		if w.far.bodies != 30 {
			t.Errorf("%v: %d bodies", reason, w.far.bodies)
		}
		w.wantAgreement(t)
	}
}

// A stopping is a far side that has enough while INBOX is being read.
type stopping struct {
	*memory
	reason       error
	began, ended chan struct{}
}

func (s *stopping) Fetch(ctx context.Context, name mailbox.Name, ids []mailbox.ID, body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error)) error {
	if name != mailbox.Inbox {
		<-s.began
		defer func() { s.ended <- struct{}{} }()
		return s.reason
	}
	if err := s.memory.Fetch(ctx, name, ids[:5], body, problem); err != nil {
		return err
	}
	close(s.began)
	<-s.ended
	if errors.Is(s.reason, mailbox.ErrQuota) {
		return s.memory.Fetch(ctx, name, ids[5:], body, problem)
	}
	<-ctx.Done()
	return ctx.Err()
}

// An upload of which nobody knows whether it was done is looked for in the same run, and counts once.
func TestUnsureUpload(t *testing.T) {
	for _, done := range []bool{false, true} {
		w := newWorld()
		for range 3 {
			w.near.put(mailbox.Inbox, w.write())
		}
		far := &unsure{memory: w.far, done: done}
		r, err := Run(t.Context(), far, w.near, w.ledger, Options{Workers: 1})
		want := 3
		if done {
			want = 2 // and one that was found
		}
		if total := r.Total(); err != nil || len(r.Problems) > 0 || total.Uploaded != want || total.Adopted != 3-want || w.far.appends != 3 {
			t.Errorf("done %v: %v %s, %d appends", done, err, describe(r), w.far.appends)
		}
		w.wantAgreement(t)
	}
}

// An unsure is a far side that ends the session in the middle of the second upload.
type unsure struct {
	*memory
	done bool
	n    int
}

func (u *unsure) Append(ctx context.Context, name mailbox.Name) (Batch, error) {
	b, err := u.memory.Append(ctx, name)
	return &unsureBatch{b.(*memoryBatch), u}, err
}

type unsureBatch struct {
	*memoryBatch
	u *unsure
}

func (b *unsureBatch) Add(ctx context.Context, m mailbox.Message, body io.Reader) error {
	if b.u.n++; b.u.n != 2 {
		return b.memoryBatch.Add(ctx, m, body)
	}
	if !b.u.done {
		if _, err := io.Copy(io.Discard, body); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		b.ready = append(b.ready, mailbox.Stored{Source: m.ID, Unsure: true})
		return nil
	}
	err := b.memoryBatch.Add(ctx, m, body)
	last := &b.ready[len(b.ready)-1]
	last.ID, last.Unsure = "", true
	return err
}

func TestQuotaErrorWords(t *testing.T) {
	var got []string
	for _, n := range [][2]int{{1, 0}, {0, 2}, {3, 1}} {
		got = append(got, (&QuotaError{Waiting: n}).Error())
	}
	want := []string{"1 message waits to be downloaded", "2 messages wait to be uploaded", "3 messages wait to be downloaded, 1 message waits to be uploaded"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// What is under way counts until it arrived, and no longer: then the budget counts it.
func TestRoomUnderWay(t *testing.T) {
	p := &purse{day: 10_000, most: 10_000}
	r, j := &run{opts: Options{Budget: p}}, &job{name: mailbox.Inbox}
	list := make([]Arrival, 20)
	for i := range list {
		list[i] = Arrival{ID: mailbox.ID(fmt.Sprint(i)), Size: 1000 - PerMessage}
	}
	room := func(want int, when string) *grant {
		t.Helper()
		fit, over, _, g := r.allow(j, Far, list)
		if len(fit) != want || len(fit)+len(over) != len(list) {
			t.Errorf("%s: room for %d, want %d", when, len(fit), want)
		}
		return g
	}
	_, _, _, first := r.allow(j, Far, list[:4])
	room(6, "beside four").end()
	p.used = 2000
	first.arrived(list[0])
	first.arrived(list[1])
	room(6, "beside two, two arrived").end()
	first.end()
	room(8, "two never came").end()
	if r.quota.underWay != [2]int64{} {
		t.Errorf("under way: %v", r.quota.underWay)
	}
}
