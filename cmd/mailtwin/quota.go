package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
	"mailtwin/state"
	"mailtwin/syncer"
)

// What Gmail lets an account have within a day, in octets. After more it is locked for up to 24 hours.
//
// Source: https://support.google.com/a/answer/1071518
const (
	gmailDown = 2500e6
	gmailUp   = 500e6
)

// Shares of a limit, in percent. Other programs read the same mail, and nobody knows when a provider's day begins, so it is
// never used up.
const (
	transferShare = 90 // so much may be transferred
	largestShare  = 85 // so large may a single message be, for a run must find out first that it is there
	connectShare  = 97 // then nothing is asked any more
)

// settingTraffic is how much came and went on a day, as String of traffic writes it.
const settingTraffic = "traffic"

// traffic is how many octets an account received and sent on one day in UTC, by syncer.Side of where they came from.
type traffic struct {
	day   string // as time.DateOnly
	had   [2]int64
	gmail bool // the account is Gmail's
}

func (t traffic) String() string {
	provider := "-"
	if t.gmail {
		provider = "gmail"
	}
	return fmt.Sprintf("%s %d %d %s", t.day, t.had[syncer.Far], t.had[syncer.Near], provider)
}

// readTraffic reads what String wrote, as far as it is about today.
func readTraffic(text string, now time.Time) traffic {
	today := traffic{day: now.UTC().Format(time.DateOnly)}
	words := strings.Fields(text)
	if len(words) != 4 {
		return today
	}
	today.gmail = words[3] == "gmail"
	for i := range today.had {
		n, err := strconv.ParseInt(words[1+i], 10, 64)
		if err != nil || words[0] != today.day {
			n = 0
		}
		today.had[i] = n
	}
	return today
}

// limits are what an account may have in a day: what the configuration says, else what Gmail allows if it is Gmail. 0 is no
// limit.
func (a *account) limits(isGmail bool) [2]int64 {
	var limits [2]int64
	if isGmail {
		limits = [2]int64{syncer.Far: gmailDown, syncer.Near: gmailUp}
	}
	for i, configured := range a.quota {
		if configured != nil {
			limits[i] = *configured
		}
	}
	return limits
}

// A byteLedger counts what an account had today, over all runs, and is the budget of a run. What a run had that is killed
// it knows but for the last part.
type byteLedger struct {
	account *account
	now     func() time.Time
	octets  func() (in, out int64) // of this run
	put     func(string) error
	next    atomic.Int64 // when so many octets came and went in this run, it is put down

	mu     sync.Mutex
	limit  [2]int64
	today  traffic  // before this run
	others [2]int64 // what the account had today that stands on record elsewhere
	began  [2]int64 // what this run had had when the day began
	stale  bool     // something stands on record
	failed error
}

var _ syncer.Budget = (*byteLedger)(nil)

// openBytes reads what earlier runs had.
func (r *accountRun) openBytes() (*byteLedger, error) {
	settings, err := r.ledger.Settings()
	if err != nil {
		return nil, err
	}
	put := func(text string) error { return r.ledger.PutSettings(map[string]string{settingTraffic: text}) }
	if r.o.dryRun {
		put = func(string) error { return nil }
	}
	return r.env.newBytes(r.account, &r.teller.traffic, settings[settingTraffic], put), nil
}

// newBytes makes the ledger of an account of which text is on record. What passed before is on record by now.
func (env *environment) newBytes(a *account, passed *wire.Traffic, text string, put func(string) error) *byteLedger {
	l := &byteLedger{account: a, now: env.clock, octets: passed.Octets, stale: text != "", today: readTraffic(text, env.clock()), put: put}
	in, out := l.octets()
	l.began = [2]int64{syncer.Far: in, syncer.Near: out}
	passed.OnCount(l.counted)
	l.learn(l.today.gmail)
	return l
}

// learn takes the limits that hold for the account.
func (l *byteLedger) learn(isGmail bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.today.gmail = isGmail
	l.limit = l.account.limits(isGmail)
	in, out := l.octets()
	l.next.Store(l.step(in + out))
}

// rebase takes what stands on record in a ledger by now for what earlier runs had, and puts the sum down there.
func (l *byteLedger) rebase(ledger *state.DB) error {
	settings, err := ledger.Settings()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := readTraffic(settings[settingTraffic], l.now())
	l.today.day, l.today.had = before.day, before.had
	l.put = func(text string) error { return ledger.PutSettings(map[string]string{settingTraffic: text}) }
	return nil
}

// step is from how many octets on this run is put down again, after so many. It is not each time, for that costs a write.
func (l *byteLedger) step(octets int64) int64 {
	next := int64(math.MaxInt64)
	for _, limit := range l.limit {
		if limit > 0 {
			next = min(next, octets+max(limit/500, 16<<10))
		}
	}
	return next
}

// counted puts down what was had, now and then. It is called for each read and write on the network.
func (l *byteLedger) counted() {
	if in, out := l.octets(); in+out < l.next.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if in, out := l.octets(); in+out >= l.next.Load() {
		l.next.Store(l.step(in + out))
		l.failed = errors.Join(l.failed, l.put(l.own().String()))
	}
}

// had is what came and went today. l.mu is held.
func (l *byteLedger) had() traffic {
	t := l.own()
	for i := range t.had {
		t.had[i] += l.others[i]
	}
	return t
}

// own is what of it belongs into this record. l.mu is held.
func (l *byteLedger) own() traffic {
	in, out := l.octets()
	now := [2]int64{syncer.Far: in, syncer.Near: out}
	if day := l.now().UTC().Format(time.DateOnly); day != l.today.day {
		l.today, l.others, l.began = traffic{day: day, gmail: l.today.gmail}, [2]int64{}, now
	}
	t := l.today
	for i := range t.had {
		t.had[i] += now[i] - l.began[i]
	}
	return t
}

// usage is what came and went today, and how much may, by syncer.Side of where it came from.
func (l *byteLedger) usage() (had, limit [2]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.had().had, l.limit
}

// Left implements syncer.Budget.
func (l *byteLedger) Left(from syncer.Side) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit[from] == 0 {
		return math.MaxInt64 / 2
	}
	return percent(transferShare, l.limit[from]) - l.had().had[from]
}

// Most implements syncer.Budget.
func (l *byteLedger) Most(from syncer.Side) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit[from] == 0 {
		return math.MaxInt64 / 2
	}
	return percent(largestShare, l.limit[from])
}

func percent(share, of int64) int64 { return int64(float64(of) * float64(share) / 100) }

// close puts down what this run had. Without a limit there is nothing to put down.
func (l *byteLedger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next.Store(math.MaxInt64) // what is counted late has no ledger any more
	switch limited := l.limit != [2]int64{}; {
	case limited:
		l.failed = errors.Join(l.failed, l.put(l.own().String()))
	case l.stale:
		l.failed = errors.Join(l.failed, l.put(""))
	}
	return l.failed
}

// spent is an error if so much was had already that the server had better not be asked.
func (l *byteLedger) spent() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for side := range l.limit {
		if l.nearlySpent(l.had(), syncer.Side(side)) {
			return l.dayError(nil)
		}
	}
	return nil
}

// nearlySpent tells whether so much was had in one direction that nothing is to be asked any more. l.mu is held.
func (l *byteLedger) nearlySpent(today traffic, from syncer.Side) bool {
	return l.limit[from] > 0 && today.had[from] >= percent(connectShare, l.limit[from])
}

// explain adds to what waits how much was had, and until when it waits.
func (l *byteLedger) explain(err error) error {
	if !errors.As(err, new(*syncer.QuotaError)) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []error
	for _, e := range each(err) {
		var waits *syncer.QuotaError
		if errors.As(e, &waits) {
			e = l.dayError(waits)
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}

// dayError says that the day is over. l.mu is held.
func (l *byteLedger) dayError(waits *syncer.QuotaError) error {
	return &dayError{waits: waits, today: l.had(), limit: l.limit, until: tomorrow(l.now())}
}

// tomorrow is when the next day begins in UTC.
func tomorrow(now time.Time) time.Time { return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) }

// A dayError means that an account had what it may have in a day. It is a kind of mailbox.ErrQuota.
type dayError struct {
	waits *syncer.QuotaError // nil if the server was not even asked
	today traffic
	limit [2]int64
	until time.Time
}

func (e *dayError) Error() string {
	var had []string
	for i, verb := range []string{"received", "sent"} {
		waits := e.waits != nil && e.waits.Waiting[i] > 0
		spent := e.waits == nil && e.limit[i] > 0 && e.today.had[i] >= percent(connectShare, e.limit[i])
		if waits || spent {
			had = append(had, fmt.Sprintf("%s of %s a day were %s", octetsFor(e.today.had[i]), octetsFor(e.limit[i]), verb))
		}
	}
	text := strings.Join(had, ", ")
	if e.waits == nil {
		return text + ", so the server was not asked"
	}
	return e.waits.Error() + ": " + text
}

// Unwrap makes it a mailbox.ErrQuota, and what the engine said.
func (e *dayError) Unwrap() error {
	if e.waits == nil {
		return mailbox.ErrQuota
	}
	return e.waits
}

const quotaKeys = "quota_down and quota_up in the configuration say what a day allows"

// quotaHint says when to come back; it is empty if that is not the question.
func quotaHint(account string, err error) string {
	var day *dayError
	switch {
	case errors.As(err, &day):
		return fmt.Sprintf("a sync after %s goes on where this one stopped; %s", when(day.until), quotaKeys)
	case errors.As(err, new(*imap.LockedError)):
		return "what was done is kept. It may take up to 24 hours; a sync after that goes on where this one stopped. " +
			"All programs that read the account use up the same quota; quota_down and quota_up can make the share of this one smaller"
	case errors.Is(err, syncer.ErrTooLarge):
		return quotaKeys + "; with more, mailtwin sync --retry " + show(account) + " transfers it"
	case errors.Is(err, mailbox.ErrQuota):
		return "it goes on when the next day has begun, in UTC; " + quotaKeys
	}
	return ""
}

// clock is the time.
func (env *environment) clock() time.Time {
	if env.now != nil {
		return env.now()
	}
	return time.Now()
}

// readOctets reads an amount like "2500MB"; "none" is 0, which means that there is no limit.
func readOctets(text string) (octets int64, ok bool) {
	if text == "none" {
		return 0, true
	}
	for _, unit := range []struct {
		name   string
		octets int64
	}{{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}} {
		digits, found := strings.CutSuffix(text, unit.name)
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 32)
		if found && err == nil && n > 0 {
			return n * unit.octets, true
		}
	}
	return 0, false
}
