package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"

	"mailtwin/mailbox"
	"mailtwin/state"
	"mailtwin/syncer"
)

// A migration counts what both accounts have in a day. It does so in its own state, for that of an account may belong to a
// sync at the same time, or not exist. When a run ends, it hands over what it counted to the state of the account, if there
// is one: what is on record in both places is the day, and no octet of it twice.

// settingSideTraffic is how much came and went on a day and is not handed over, by syncer.Side of the account.
var settingSideTraffic = [2]string{settingTraffic + " of the source", settingTraffic + " of the destination"}

// openBytes reads what both accounts had today.
func (m *migration) openBytes(ctx context.Context) error {
	settings, err := m.ledger.Settings()
	if err != nil {
		return err
	}
	for i, a := range m.account {
		put := func(text string) error { return m.ledger.PutSettings(map[string]string{settingSideTraffic[i]: text}) }
		if m.o.dryRun {
			put = func(string) error { return nil }
		}
		others, err := m.others(ctx, a)
		if err != nil {
			return fmt.Errorf("account %q: read what it had today: %w", a.name, err)
		}
		l := m.env.newBytes(a, &m.traffic[i], settings[settingSideTraffic[i]], put)
		l.others = others.had
		l.learn(l.today.gmail || others.gmail)
		m.bytes[i] = l
	}
	return nil
}

// others is what the account had today beside migrations. It has no state unless it is synced, too.
func (m *migration) others(ctx context.Context, a *account) (today traffic, err error) {
	ledger, err := openToRead(ctx, a)
	if errors.Is(err, fs.ErrNotExist) {
		return traffic{}, nil
	}
	if err != nil {
		return traffic{}, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	settings, err := ledger.Settings()
	return readTraffic(settings[settingTraffic], m.env.clock()), err
}

// closeBytes puts down what this run had of both accounts.
func (m *migration) closeBytes(ctx context.Context) error {
	var failed error
	for i, l := range m.bytes {
		m.teller.traffic.Include(&m.traffic[i])
		failed = errors.Join(failed, l.close())
		if !m.o.dryRun && l.limit != [2]int64{} {
			failed = errors.Join(failed, m.handOver(ctx, l))
		}
	}
	return failed
}

// handOver adds what is on record here to the state of the account. If a sync has it now, it waits here for another run.
func (m *migration) handOver(ctx context.Context, l *byteLedger) error {
	ledger, err := openToRead(ctx, l.account)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = ledger.Close()
	}
	if err != nil {
		return err
	}
	ledger, err = state.Open(context.WithoutCancel(ctx), l.account.State, state.Options{})
	if errors.As(err, new(*state.LockedError)) {
		return nil
	}
	if err != nil {
		return err
	}
	defer ledger.Close() //nolint:errcheck // what was put is on disk
	settings, err := ledger.Settings()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	sum, own := readTraffic(settings[settingTraffic], l.now()), l.own()
	for i, n := range own.had {
		sum.had[i] += n
	}
	sum.gmail, own.had = own.gmail, [2]int64{}
	if err := ledger.PutSettings(map[string]string{settingTraffic: sum.String()}); err != nil {
		return err
	}
	return l.put(own.String())
}

// A copyBudget is what two accounts allow that hold the ledgers, by syncer.Side: what the one hands over, the other one
// takes. It is the budget of a migration.
type copyBudget [2]*byteLedger

var _ syncer.Budget = copyBudget{}

// Left implements syncer.Budget.
func (b copyBudget) Left(from syncer.Side) int64 {
	if from == syncer.Near { // it is only read, to compare
		return b[syncer.Near].Left(syncer.Far)
	}
	return min(b[syncer.Far].Left(syncer.Far), b[syncer.Near].Left(syncer.Near))
}

// Most implements syncer.Budget.
func (b copyBudget) Most(from syncer.Side) int64 {
	if from == syncer.Near {
		return b[syncer.Near].Most(syncer.Far)
	}
	return min(b[syncer.Far].Most(syncer.Far), b[syncer.Near].Most(syncer.Near))
}

// A day is one direction of one account, and how much of the day it has had.
type dayUse struct {
	account    string
	from       syncer.Side // of the account: Far is what it received, Near what it sent
	had, limit int64
	left       int64 // until transfers stop; MaxInt64 without a limit
	spent      bool  // nothing is to be asked any more
}

// use is how much of the day the account has had in one direction.
func (l *byteLedger) use(from syncer.Side) dayUse {
	l.mu.Lock()
	defer l.mu.Unlock()
	today := l.had()
	u := dayUse{account: l.account.name, from: from, had: today.had[from], limit: l.limit[from], left: math.MaxInt64, spent: l.nearlySpent(today, from)}
	if u.limit > 0 {
		u.left = percent(transferShare, u.limit) - u.had
	}
	return u
}

// days is on which day from now, today being the first, the last of so many octets is transferred at the earliest.
func (u dayUse) days(octets int64) int64 {
	if u.limit == 0 {
		return 1
	}
	perDay := percent(transferShare, u.limit)
	return 1 + (max(0, octets-max(0, u.left))+perDay-1)/perDay
}

func (u dayUse) String() string {
	verb := "received from"
	if u.from == syncer.Near {
		verb = "sent to"
	}
	return fmt.Sprintf("%s of %s a day were %s %s", octetsFor(u.had), octetsFor(u.limit), verb, show(u.account))
}

// uses are both directions of both accounts.
func (m *migration) uses() []dayUse {
	var all []dayUse
	for _, l := range m.bytes {
		all = append(all, l.use(syncer.Far), l.use(syncer.Near))
	}
	return all
}

// route is what a copy takes: what the source sends, and what the destination is sent.
func (m *migration) route() []dayUse {
	return []dayUse{m.bytes[syncer.Far].use(syncer.Far), m.bytes[syncer.Near].use(syncer.Near)}
}

// spent is an error if one account has had so much that neither had better be asked.
func (m *migration) spent() error {
	return m.enough("so neither server was asked", func(u dayUse) bool { return u.spent })
}

// mayCount is an error if what is left of the day is not to be used up by counting all messages.
func (m *migration) mayCount() error {
	return m.enough("so they are not counted on both servers today", func(u dayUse) bool { return u.from == syncer.Far && u.left <= 0 })
}

func (m *migration) enough(so string, is func(dayUse) bool) error {
	var full []dayUse
	for _, u := range m.uses() {
		if is(u) {
			full = append(full, u)
		}
	}
	if len(full) == 0 {
		return nil
	}
	return &migrationDayError{text: words(full) + ", " + so, until: m.tomorrow()}
}

// explain adds to what waits which account has had how much, and until when it waits.
func (m *migration) explain(err error) error {
	return explainDay(err, m.waiting, m.tomorrow())
}

// explainDay puts words in the place of each error that says what waits for another day.
func explainDay(err error, words func(*syncer.QuotaError) string, until string) error {
	if !errors.As(err, new(*syncer.QuotaError)) {
		return err
	}
	var all []error
	for _, e := range each(err) {
		var waits *syncer.QuotaError
		if errors.As(e, &waits) {
			e = &migrationDayError{text: words(waits), until: until, waits: waits}
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}

// waiting says how many messages wait, and for what.
func (m *migration) waiting(waits *syncer.QuotaError) string {
	route := m.route()
	if waits.Waiting[syncer.Near] > 0 {
		route = append(route, m.bytes[syncer.Near].use(syncer.Far))
	}
	return waiting(waits, "copied", fullest(route...))
}

// waiting says how many messages wait to be done what with, and for which days.
func waiting(waits *syncer.QuotaError, done string, full []dayUse) string {
	n := waits.Waiting[syncer.Far] + waits.Waiting[syncer.Near]
	verb := " wait to be "
	if n == 1 {
		verb = " waits to be "
	}
	return plural(n, "message") + verb + done + ": " + words(full)
}

// fullest are those that hold up the rest.
func fullest(route ...dayUse) (full []dayUse) {
	least := int64(math.MaxInt64)
	for _, u := range route {
		least = min(least, u.left)
	}
	for _, u := range route {
		if u.left == least || u.left <= 0 {
			full = append(full, u)
		}
	}
	return full
}

func words(full []dayUse) string {
	texts := make([]string, len(full))
	for i, u := range full {
		texts[i] = u.String()
	}
	return strings.Join(texts, ", ")
}

// A migrationDayError means that an account had what it may have in a day. It is a kind of mailbox.ErrQuota.
type migrationDayError struct {
	text  string
	until string
	waits error // nil if nothing was tried
}

func (e *migrationDayError) Error() string { return e.text }

// Unwrap makes it a mailbox.ErrQuota, and what the engine said.
func (e *migrationDayError) Unwrap() error {
	if e.waits == nil {
		return mailbox.ErrQuota
	}
	return e.waits
}

func (e *migrationDayError) hint(string) string {
	return fmt.Sprintf("the same command goes on after %s; %s", e.until, quotaKeys)
}

func (m *migration) tomorrow() string { return when(tomorrow(m.env.clock())) }

// quotaPlan is how long the daily limits make a copy of so many messages and octets; slower is which of them, nil if there
// is none.
func (m *migration) quotaPlan(messages int, octets int64) (days int64, slower *dayUse) {
	days = 1
	for _, u := range m.route() {
		need := octets + int64(messages)*syncer.PerMessage
		if n := u.days(need); u.limit > 0 && (slower == nil || n > days || n == days && u.left < slower.left) {
			days, slower = n, &u
		}
	}
	return days, slower
}
