package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// What Gmail lets an account have within a day, in octets; after more it is locked for up to 24 hours.
const (
	gmailDown = 2500e6
	gmailUp   = 500e6
)

// Transfers stop at this share of a quota, for other programs read the same mail. What is small goes on until nearly all
// of it is used up.
const (
	transferShare = 90
	connectShare  = 97
)

// settingTraffic is how much came and went on a day: the day in UTC, and two numbers of octets.
const settingTraffic = "traffic"

// A byteLedger counts what an account has had today, over all runs.
type byteLedger struct {
	now     func() time.Time
	traffic func() (in, out int64) // of this run
	put     func(map[string]string) error
	limit   [2]int64 // down and up; 0 is none

	mu     sync.Mutex
	day    string
	before [2]int64 // today, by earlier runs
	start  [2]int64 // what this run had had when the day began
	saved  int64    // of this run
	failed error
}

const dayFormat = time.DateOnly

// openBytes reads what earlier runs had.
func (r *accountRun) openBytes(settings map[string]string) *byteLedger {
	l := &byteLedger{now: r.env.clock, traffic: r.teller.traffic.Octets, put: r.ledger.PutSettings}
	l.day = l.today()
	if day, had := readTraffic(settings[settingTraffic]); day == l.day {
		l.before = had
	}
	if r.o.dryRun {
		l.put = func(map[string]string) error { return nil }
	}
	l.allow(r.account.quota, settings[settingGmail] != "")
	return l
}

// allow sets the limits: those of the configuration, else Gmail's if it is Gmail.
func (l *byteLedger) allow(configured [2]*int64, isGmail bool) {
	usual := [2]int64{}
	if isGmail {
		usual = [2]int64{gmailDown, gmailUp}
	}
	for i := range l.limit {
		l.limit[i] = usual[i]
		if configured[i] != nil {
			l.limit[i] = *configured[i]
		}
	}
}

func readTraffic(text string) (day string, had [2]int64) {
	parts := strings.Fields(text)
	if len(parts) != 3 {
		return "", had
	}
	for i := range had {
		n, err := strconv.ParseInt(parts[i+1], 10, 64)
		if err != nil {
			return "", [2]int64{}
		}
		had[i] = n
	}
	return parts[0], had
}

func (l *byteLedger) today() string { return l.now().UTC().Format(dayFormat) }

// had is what came and went today. l.mu is held.
func (l *byteLedger) had() [2]int64 {
	in, out := l.traffic()
	if day := l.today(); day != l.day {
		l.day, l.before, l.start = day, [2]int64{}, [2]int64{in, out}
	}
	return [2]int64{l.before[0] + in - l.start[0], l.before[1] + out - l.start[1]}
}

// savedEvery is after how many octets the ledger is written in the middle of a run.
const savedEvery = 8 << 20

// left is what may still be transferred today.
func (l *byteLedger) left() (down, up int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	had := l.had()
	if in, out := l.traffic(); in+out-l.saved > savedEvery {
		l.write(had)
	}
	share := func(i int) int64 {
		if l.limit[i] == 0 {
			return 1 << 62
		}
		return l.limit[i]/100*transferShare - had[i]
	}
	return share(0), share(1)
}

// write puts down what was had. l.mu is held.
func (l *byteLedger) write(had [2]int64) {
	in, out := l.traffic()
	l.saved = in + out
	l.failed = errors.Join(l.failed, l.put(map[string]string{settingTraffic: fmt.Sprintf("%s %d %d", l.day, had[0], had[1])}))
}

// close puts down what this run had.
func (l *byteLedger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit != [2]int64{} {
		l.write(l.had())
	}
	return l.failed
}

// spent refuses to connect if next to nothing is left.
func (l *byteLedger) spent() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, had := range l.had() {
		if l.limit[i] > 0 && had >= l.limit[i]/100*connectShare {
			return fmt.Errorf("%w: %s", mailbox.ErrQuota, l.words(had, i))
		}
	}
	return nil
}

func (l *byteLedger) words(had int64, i int) string {
	way := [2]string{"received", "sent"}[i]
	return fmt.Sprintf("%s of %s were %s today", octetsFor(had), octetsFor(l.limit[i]), way)
}

// explain adds to what waits how much was had.
func (l *byteLedger) explain(err error) error {
	var waits *syncer.QuotaError
	if !errors.As(err, &waits) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	had := l.had()
	i := 0
	if waits.Downloads == 0 {
		i = 1
	}
	return fmt.Errorf("%w (%s)", err, l.words(had[i], i))
}

// clock is the time.
func (env *environment) clock() time.Time {
	if env.now != nil {
		return env.now()
	}
	return time.Now()
}

// quotaHint says when to come back.
func quotaHint(err error) string {
	now := time.Now()
	if errors.As(err, new(*syncer.QuotaError)) || strings.Contains(err.Error(), " today") {
		next := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		return fmt.Sprintf("the next sync after %s goes on where this one stopped; what the provider allows is set by quota_down and quota_up in the configuration",
			next.Local().Format("2006-01-02 15:04"))
	}
	return "the server has locked the account for a while, for up to 24 hours; the next sync after that goes on where this one stopped. " +
		"Other programs that read the same account use the same quota"
}

// readOctets reads a size like "2500MB"; "none" is no limit.
func readOctets(text string) (int64, bool) {
	if text == "none" {
		return 0, true
	}
	for unit, factor := range map[string]int64{"MB": 1e6, "GB": 1e9, "kB": 1e3} {
		if digits, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			return n * factor, err == nil && n > 0 && n < 1<<40
		}
	}
	return 0, false
}
