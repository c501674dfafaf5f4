package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest/gimap"
	"mailtwin/state"
	"mailtwin/syncer"
)

// A dailyWorld is a Gmail whose days the test makes.
type dailyWorld struct {
	*gmailWorld
	now     time.Time
	morning gimap.Counters // what the server had counted when the day began
}

func newDaily(t *testing.T, options gimap.Options) *dailyWorld {
	w := &dailyWorld{gmailWorld: gmWorld(t, options), now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}
	w.prepare = func(env *environment) {
		env.now = func() time.Time { return w.now }
		env.tune = w.tune
	}
	return w
}

func (w *dailyWorld) nextDay() {
	w.now = w.now.Truncate(24 * time.Hour).Add(34 * time.Hour)
	w.morning = w.g.Counters()
	w.g.NextDay()
}

// today is what came and went today, as the server has it.
func (w *dailyWorld) today() (down, up int64) {
	now := w.g.Counters()
	return now.Down - w.morning.Down, now.Up - w.morning.Up
}

// deliverSized delivers n messages of about so many octets each, with labels and without.
func (w *dailyWorld) deliverSized(n, octets int) {
	for range n {
		w.deliver(gmMailOf(w.n, octets+5*(w.n%200)), [][]string{nil, {`\Inbox`}, {`\Inbox`, "Work"}, {"Work"}}[w.n%4]...)
	}
}

// wantAllOnce wants n bodies to have been sent, each of them once and whole.
func (w *dailyWorld) wantAllOnce(n int) {
	w.Helper()
	count := w.g.Counters()
	if len(count.Bodies) != n || count.Broken > 0 {
		w.Errorf("%d bodies of %d, %d in part", len(count.Bodies), n, count.Broken)
	}
	w.once("in all")
}

// onRecord is what the ledger has of a moment's day, as it stands there.
func (w *world) onRecord(now time.Time) (text string, today traffic) {
	w.Helper()
	ledger, err := state.OpenReadOnly(w.state())
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = ledger.Close() }() // it was only read
	settings, err := ledger.Settings()
	if err != nil {
		w.Fatal(err)
	}
	return settings[settingTraffic], readTraffic(settings[settingTraffic], now)
}

// wantLimited wants a sync to end because this day has no more room, well before the server has had enough, and a second
// one to say so for next to nothing.
func (w *dailyWorld) wantLimited(limit int64, waits, had string, used func() int64) {
	w.Helper()
	w.want(exitTemporary, "done but for what waits for another day", waits, "sync", "-v")
	if n := used(); n > limit*93/100 || n < limit*80/100 {
		w.Errorf("%d octets of %d on one day", n, limit)
	}
	down, up := w.today()
	lines := len(w.g.Counters().Lines)
	w.want(exitTemporary, "", waits, "sync", "--quiet")
	again, upAgain := w.today()
	if commands := w.g.Counters().Lines[lines:]; again-down+upAgain-up > 5000 || len(commands) > 4 {
		w.Errorf("a second run took %d octets, %q", again-down+upAgain-up, commands)
	}
	until := "hint: a sync after " + when(w.now.Truncate(24*time.Hour).Add(24*time.Hour)) + " goes on"
	if !strings.Contains(w.stderr, had) || !strings.Contains(w.stderr, until) {
		w.Errorf("it says\n%swant %q and %q", w.stderr, had, until)
	}
	if text, today := w.onRecord(w.now); today.had != [2]int64{syncer.Far: again, syncer.Near: upAgain} {
		w.Errorf("on record is %q, and %d came, %d went", text, again, upAgain)
	}
}

// A first sync of ten times what a day allows takes some days and repeats nothing.
func TestQuotaDown(t *testing.T) {
	const limit = 1e6
	w := newDaily(t, gimap.Options{QuotaDown: limit})
	w.set("quota_down", "1MB")
	octets := 50_000
	n := 10 * limit / octets
	w.deliverSized(n, octets)
	for days := 1; w.n == n && len(w.g.Counters().Bodies) < n*91/100; days++ {
		if days > 12 {
			t.Fatal("it takes too long")
		}
		w.wantLimited(limit, "to be downloaded: ", " of 1.0 MB a day were received", func() int64 { down, _ := w.today(); return down })
		if t.Failed() {
			return
		}
		w.nextDay()
	}
	w.want(exitDone, "up to date", "", "sync", "-v")
	w.wantAllOnce(n)
	w.agree("in the end")
	w.want(exitDone, "nothing to do", "", "sync", "-n")
}

// The same for what goes up.
func TestQuotaUp(t *testing.T) {
	const limit = 1e6
	w := newDaily(t, gimap.Options{QuotaUp: limit})
	w.set("quota_up", "1MB")
	w.deliver(gmMail(0), `\Inbox`)
	w.want(exitDone, "", "", "sync")
	w.nextDay()
	octets := 50_000
	n := 10 * limit / octets
	for i := range n {
		w.write("INBOX", fmt.Sprintf("fresh.%d.x", i), gmMailOf(1000+i, octets+5*(i%200)))
	}
	for days := 1; w.g.Counters().Verbs["APPEND"] < n*91/100; days++ {
		if days > 12 {
			t.Fatal("it takes too long")
		}
		w.wantLimited(limit, "to be uploaded: ", " of 1.0 MB a day were sent", func() int64 { _, up := w.today(); return up })
		if t.Failed() {
			return
		}
		w.nextDay()
	}
	w.want(exitDone, "up to date", "", "sync", "-v")
	if appends := w.g.Counters().Verbs["APPEND"]; appends != n || len(w.g.Messages()) != n+1 {
		t.Errorf("%d uploads for %d messages, Gmail has %d", appends, n, len(w.g.Messages()))
	}
	w.agree("in the end")
	w.want(exitDone, "nothing to do", "", "sync", "-n")
}

// F2: another program used the quota up, and the ledger knows nothing of it. The server says so, in whatever way, or cuts
// in the middle of a body: what came whole by then is kept and never comes again.
func TestF2QuotaUsedUpByOthers(t *testing.T) {
	for name, options := range map[string]gimap.Options{
		"bye":            {QuotaDown: 700e3},
		"no":             {QuotaDown: 700e3, QuotaAnswer: gimap.QuotaNo},
		"cut":            {QuotaDown: 700e3, QuotaCuts: true},
		"cut, with a no": {QuotaDown: 700e3, QuotaCuts: true, QuotaAnswer: gimap.QuotaNo},
	} {
		t.Run(name, func(t *testing.T) {
			w := newDaily(t, options)
			w.set("quota_down", "none")
			if !options.QuotaCuts { // what is under way on other connections still comes
				w.keys = append(w.keys, "connections = 1")
			}
			w.set("timeout", "9s")
			w.deliverSized(90, 20_000)
			days := 1
			for w.run("sync", "-v") == exitTemporary && days < 10 {
				if !strings.Contains(w.stderr, "Account exceeded command or bandwidth limits") || !strings.Contains(w.stderr, "up to 24 hours") || strings.Count(w.stderr, "\n") != 2 {
					t.Fatalf("it says\n%s", w.stderr)
				}
				lines := len(w.g.Counters().Lines)
				w.want(exitTemporary, "", "up to 24 hours", "sync", "-q")
				if again := w.g.Counters().Lines[lines:]; len(again) > 2 {
					t.Errorf("a second run asked %q", again)
				}
				w.nextDay()
				days++
			}
			if days < 2 || days > 6 {
				t.Errorf("it took %d days\n%s%s", days, w.stdout, w.stderr)
			}
			w.nextDay()
			count := w.g.Counters()
			if len(count.Bodies) != 90 || count.Broken > 4*(days-1) {
				t.Errorf("%d bodies, %d in part", len(count.Bodies), count.Broken)
			}
			w.agree("in the end")
			w.want(exitDone, "nothing to do", "", "sync", "-n")
		})
	}
}

// F2: the quota for uploads ends in the middle of one, in the same ways. Nothing is uploaded twice.
func TestF2UploadsUsedUpByOthers(t *testing.T) {
	for name, answer := range map[string]gimap.QuotaAnswer{"bye": gimap.QuotaBye, "no": gimap.QuotaNo} {
		t.Run(name, func(t *testing.T) {
			w := newDaily(t, gimap.Options{})
			w.set("quota_up", "none")
			w.deliver(gmMail(0), `\Inbox`)
			w.want(exitDone, "", "", "sync")
			w.g.Set(func(o *gimap.Options) { o.QuotaUp, o.QuotaAnswer = 100e3, answer })
			for i := range 30 {
				w.write("INBOX", fmt.Sprintf("fresh.%d.x", i), gmMailOf(1000+i, 8000))
			}
			days := 1
			for w.run("sync", "-v") == exitTemporary && days < 10 {
				if !strings.Contains(w.stderr, "up to 24 hours") {
					t.Fatalf("it says\n%s", w.stderr)
				}
				w.nextDay()
				days++
			}
			if days != 3 || len(w.g.Messages()) != 31 || len(w.g.Counters().Bodies) != 1 {
				t.Errorf("it took %d days, Gmail has %d messages, %d were downloaded\n%s%s", days, len(w.g.Messages()), len(w.g.Counters().Bodies), w.stdout, w.stderr)
			}
			w.agree("in the end")
			w.want(exitDone, "nothing to do", "", "sync", "-n")
		})
	}
}

// When next to nothing of a day is left, the server is not asked.
func TestQuotaIsNearlySpent(t *testing.T) {
	w := newDaily(t, gimap.Options{})
	w.deliverSized(10, 2000)
	w.set("quota_down", "200kB") // what is read ahead counts twice for a moment
	w.want(exitDone, "", "", "sync")
	w.set("quota_down", "20kB")
	lines := len(w.g.Counters().Lines)
	for _, args := range [][]string{{"sync"}, {"sync", "-n"}} {
		w.want(exitTemporary, "", "of 20.0 kB a day were received, so the server was not asked\nhint: a sync after 2026-11-25", args...)
	}
	if again := w.g.Counters().Lines[lines:]; len(again) > 0 {
		t.Errorf("it was asked %q", again)
	}
	w.set("quota_down", "none") // which holds at once
	w.want(exitDone, "", "", "sync")
	w.set("quota_down", "20kB")
	w.nextDay()
	w.want(exitDone, "", "", "sync")
}

// The ledger is shown, for each direction that has a limit, and begins anew each day. Gmail has its limits unless the
// configuration says otherwise. Nothing is written where there is none.
func TestQuotaIsShown(t *testing.T) {
	w := newDaily(t, gimap.Options{})
	w.deliverSized(3, 2000)
	w.want(exitDone, "", "", "sync")
	down, up := w.today()
	shown := func(line string, want *quotaJSON) {
		t.Helper()
		w.run("status")
		if got := strings.Contains(w.stdout, "work: today "); got != (line != "") || !strings.Contains(w.stdout, line) {
			t.Errorf("want %q in\n%s", line, w.stdout)
		}
		w.run("status", "--json")
		var status statusJSON
		if err := json.Unmarshal([]byte(w.stdout), &status); err != nil {
			t.Fatal(err)
		}
		if got := status.Quota; (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	until := w.now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	shown(fmt.Sprintf("work: today %s of 2.5 GB received, %s of 500.0 MB sent; the next day begins %s\n", octetsFor(down), octetsFor(up), when(until)),
		&quotaJSON{Received: down, Down: 2500e6, Sent: up, Up: 500e6, Until: until})
	w.set("quota_up", "none")
	w.set("quota_down", "3 GB")
	shown(fmt.Sprintf("work: today %s of 3.0 GB received, %s sent; ", octetsFor(down), octetsFor(up)), &quotaJSON{Received: down, Down: 3e9, Sent: up, Until: until})
	w.nextDay()
	until = until.Add(24 * time.Hour)
	shown("work: today 0 B of 3.0 GB received, 0 B sent; ", &quotaJSON{Down: 3e9, Until: until})
	w.set("quota_down", "none")
	shown("", nil)
	w.want(exitDone, "", "", "sync")
	if text, _ := w.onRecord(w.now); text != "" {
		t.Errorf("without a limit %q is on record", text)
	}
}

// Any server may have a limit. One that has none costs no write.
func TestQuotaOfAnyServer(t *testing.T) {
	w, _ := memoryWorld(t, 30)
	w.want(exitDone, "", "", "sync")
	if text, _ := w.onRecord(time.Now()); text != "" {
		t.Errorf("without a limit %q is on record", text)
	}
	w.set("quota_down", "100kB")
	if err := os.RemoveAll(w.maildir()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(w.state()); err != nil {
		t.Fatal(err)
	}
	w.want(exitTemporary, "", "of 100.0 kB a day were received", "sync")
	if _, today := w.onRecord(time.Now()); today.had[syncer.Far] < 50e3 || today.gmail {
		t.Errorf("%+v is on record", today)
	}
}

// A message that is larger than a day is named, once in a while, and keeps nothing else.
func TestLargerThanADay(t *testing.T) {
	w := newDaily(t, gimap.Options{})
	w.deliverSized(5, 2000)
	w.deliver(gmMailOf(100, 90_000), `\Inbox`)
	w.set("quota_down", "100kB")
	w.set("quota_up", "100kB")
	w.want(exitProblems, "", "larger than what may be transferred in a whole day", "sync")
	if !strings.Contains(w.stderr, "hint: quota_down and quota_up") || !strings.Contains(w.stderr, `mailbox "INBOX", message`) {
		t.Errorf("it says\n%s", w.stderr)
	}
	w.write("INBOX", "fresh.1.x", gmMailOf(101, 90_000))
	w.want(exitProblems, "", "upload: larger than", "sync")
	w.set("quota_down", "1MB")
	w.set("quota_up", "1MB")
	w.want(exitDone, "", "", "sync", "--retry")
	w.wantAllOnce(6)
	w.agree("in the end")
}

// What a run had that was killed is known to the next one, but for its last part.
func TestQuotaOfAKilledRun(t *testing.T) {
	w := newDaily(t, gimap.Options{})
	w.deliverSized(60, 20_000)
	w.set("quota_down", "2MB")
	w.set("password", w.g.Password)
	reached := make(chan struct{})
	w.keys = append(w.keys, "connections = 1") // so that all of INBOX has come when Work is asked for bodies
	w.set("timeout", "9s")
	w.g.Fault(gimap.Fault{Verb: "FETCH", Folder: "Work", Nth: 1, At: gimap.AtCommand, Stall: gimap.AtCommand, Web: func(*gimap.Web) { close(reached) }})
	cmd := exec.Command(os.Args[0], "sync", "--config", w.config)
	cmd.Env = append(os.Environ(), beProgram+"=1", "HOME="+w.dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := errors.Join(cmd.Process.Kill(), ignoreExit(cmd.Wait())); err != nil {
		t.Fatal(err)
	}
	down, _ := w.today()
	text, today := w.onRecord(time.Now())
	if had := today.had[syncer.Far]; had > down || had < down-80_000 || down < 500_000 {
		t.Errorf("on record is %q, and %d came", text, down)
	}
}

func ignoreExit(err error) error {
	if errors.As(err, new(*exec.ExitError)) {
		return nil
	}
	return err
}

// A run over midnight counts each day for itself.
func TestQuotaOverMidnight(t *testing.T) {
	var in, out int64
	var put []string
	now := time.Date(2026, 11, 24, 23, 0, 0, 0, time.UTC)
	limit := int64(1e6)
	l := &byteLedger{
		account: &account{quota: [2]*int64{&limit, nil}}, now: func() time.Time { return now }, octets: func() (int64, int64) { return in, out },
		put: func(text string) error { put = append(put, text); return nil }, today: readTraffic("2026-11-24 100000 7 -", now),
	}
	l.learn(false)
	move := func(octets, left int64) {
		t.Helper()
		in += octets
		l.counted()
		if got := l.Left(syncer.Far); got != left || l.Left(syncer.Near) < 1<<60 {
			t.Errorf("%d octets are left, want %d", got, left)
		}
	}
	move(10_000, 790_000)
	move(10_000, 780_000)
	now = now.Add(2 * time.Hour)
	move(10_000, 900_000) // nobody knows when the others came
	move(30_000, 870_000)
	out = 5
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"2026-11-24 120000 7 -", "2026-11-25 0 0 -", "2026-11-25 30000 5 -"}
	if got := slices.Compact(put); len(got) < 3 || got[0] != want[0] || got[len(got)-1] != want[2] {
		t.Errorf("put down %q, want %q", put, want)
	}
	l.put = func(string) error { return errors.New("disk full") }
	if err := l.close(); err == nil {
		t.Error("a write that failed is not told")
	}
	for text, want := range map[string]traffic{
		"":                     {day: "2026-11-25"},
		"2026-11-24 5 6 gmail": {day: "2026-11-25", gmail: true},
		"2026-11-25 5 6 gmail": {day: "2026-11-25", gmail: true, had: [2]int64{5, 6}},
		"2026-11-25 x 6 -":     {day: "2026-11-25", had: [2]int64{0, 6}},
	} {
		if got := readTraffic(text, now); got != want {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestReadOctets(t *testing.T) {
	for text, want := range map[string]int64{
		"none": 0, "2500MB": 2500e6, "500 MB": 500e6, "1GB": 1e9, "20kB": 20e3, "": -1, "0MB": -1, "-1MB": -1, "1": -1, "1mb": -1, "1.5GB": -1, "99999999999GB": -1, "MB": -1,
	} {
		got, ok := readOctets(text)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
