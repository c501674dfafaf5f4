package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
	"mailtwin/state"
	"mailtwin/syncer"
)

// A slowMigration is a migration whose days the test makes.
type slowMigration struct {
	*migrationWorld
	now time.Time
}

func newSlowMigration(t *testing.T, from, to *end) *slowMigration {
	w := &slowMigration{migrationWorld: newMigration(t, from, to), now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}
	w.prepare = func(env *environment) { env.now = func() time.Time { return w.now } }
	return w
}

func (w *slowMigration) nextDay() {
	w.now = w.now.Add(24 * time.Hour)
	for _, e := range []*end{w.old, w.new} {
		if e.gmail != nil {
			e.gmail.NextDay()
		}
	}
}

// fillSized puts n messages of about so many octets each into an account, every third of them in a further mailbox.
func (w *slowMigration) fillSized(n, octets int) {
	w.Helper()
	for i := range n {
		raw := []byte(gmMailOf(i, octets+7*(i%100)))
		date := time.Unix(int64(1700000000+i), 0)
		name := []string{"INBOX", "Work", "Sent"}[i%3]
		if g := w.old.gmail; g != nil {
			g.Web().Deliver(gimap.Mail{Raw: raw, Labels: []string{[]string{`\Inbox`, "Work", `\Sent`}[i%3]}, Date: date})
			continue
		}
		if i == 0 {
			if err := w.old.account.Create("Work"); err != nil {
				w.Fatal(err)
			}
		}
		if _, err := w.old.account.Append(name, imaptest.Message{Body: raw, Date: date}); err != nil {
			w.Fatal(err)
		}
	}
}

// wantFull wants a run to end because a day of an account is full, well before the server says so, and a second one to say
// so for next to nothing.
func (w *slowMigration) wantFull(limit int64, says string, used func() int64) {
	w.Helper()
	before := used()
	w.want(exitTemporary, "messages copied, ", " to be copied: ", "migrate", "old", "new")
	if n := used() - before; n > limit*93/100 || n < limit*80/100 {
		w.Errorf("%d octets of %d on one day", n, limit)
	}
	until := "hint: the same command goes on after " + when(w.now.Truncate(24*time.Hour).Add(24*time.Hour))
	if strings.Contains(w.stdout, "complete") || !strings.Contains(w.stderr, says) || !strings.Contains(w.stderr, until) {
		w.Errorf("it says\n%s%swant %q and %q", w.stdout, w.stderr, says, until)
	}
	before = used()
	w.want(exitTemporary, "", " to be copied: ", "migrate", "--quiet", "old", "new")
	if n := used() - before; n > limit/50 {
		w.Errorf("a second run took %d octets", n)
	}
}

// A migration of more than a day allows, to either side, takes some days, repeats nothing, and is complete only in the end.
func TestMigrateQuota(t *testing.T) {
	const limit, octets = 1_000_000, 10_000
	const n = 3 * limit / octets
	t.Run("of the destination", func(t *testing.T) {
		w := newSlowMigration(t, dovecotEnd(t), gmailWith(t, gimap.Options{QuotaUp: limit}))
		w.configure("", `quota_up = "1MB"`)
		w.fillSized(n, octets)
		appends := func() int { return w.new.gmail.Counters().Verbs["APPEND"] }
		for days := 1; n-appends() > limit*80/100/octets; days++ {
			w.wantFull(limit, " of 1.0 MB a day were sent to new", func() int64 { return w.new.gmail.Counters().Up })
			if w.nextDay(); days > 5 || t.Failed() {
				t.Fatalf("%d messages in %d days", appends(), days)
			}
		}
		w.want(exitDone, "complete: new has what old has", "", "migrate", "old", "new")
		if appends() != n || len(w.new.gmail.Messages()) != n {
			t.Errorf("%d APPENDs for %d messages, Gmail has %d", appends(), n, len(w.new.gmail.Messages()))
		}
	})
	t.Run("of the source", func(t *testing.T) {
		w := newSlowMigration(t, gmailWith(t, gimap.Options{QuotaDown: limit}), dovecotEnd(t))
		w.configure(`quota_down = "1MB"`, "")
		w.fillSized(n, octets)
		bodies := func() int { return len(w.old.gmail.Counters().Bodies) }
		for days := 1; n-bodies() > limit*80/100/octets; days++ {
			w.wantFull(limit, " of 1.0 MB a day were received from old", func() int64 { return w.old.gmail.Counters().Down })
			if w.nextDay(); days > 5 || t.Failed() {
				t.Fatalf("%d messages in %d days", bodies(), days)
			}
		}
		w.want(exitDone, "complete: new has what old has", "", "migrate", "old", "new")
		for id, times := range w.old.gmail.Counters().Bodies {
			if times > 1 {
				t.Errorf("%d was read %d times", id, times)
			}
		}
		if got := w.new.content(t, same); len(got) != n {
			t.Errorf("%d messages at the destination, want %d", len(got), n)
		}
	})
}

// When a day is nearly over neither server is asked; when its transfers are, the accounts are not counted, for that takes
// a list of all messages.
func TestMigrateQuotaIsNearlySpent(t *testing.T) {
	w := newSlowMigration(t, gmailEnd(t), dovecotEnd(t))
	w.fillSized(40, 2000)
	w.want(exitDone, "complete", "", "migrate", "old", "new")
	down := w.old.gmail.Counters().Down
	w.configure(fmt.Sprintf(`quota_down = "%dkB"`, down*100/95/1000), "")
	w.want(exitTemporary, "", "were received from old, so they are not counted on both servers today\nhint: the same command goes on after 2026-11-25", "migrate", "old", "new")
	if again := w.old.gmail.Counters().Down - down; again > 5000 {
		t.Errorf("%d octets for nothing", again)
	}
	w.configure(`quota_down = "20kB"`, "")
	lines := len(w.old.gmail.Counters().Lines)
	for _, args := range [][]string{{"migrate", "old", "new"}, {"migrate", "-n", "old", "new"}} {
		w.want(exitTemporary, "", "of 20.0 kB a day were received from old, so neither server was asked\nhint: the same command", args...)
	}
	if again := w.old.gmail.Counters().Lines[lines:]; len(again) > 0 {
		t.Errorf("it was asked %q", again)
	}
}

// What a sync of an account had counts for its migration on the same day, and the other way round; so does what a run had
// that could not hand it over.
func TestMigrateQuotaIsShared(t *testing.T) {
	w := newSlowMigration(t, gmailEnd(t), dovecotEnd(t))
	w.configure(fmt.Sprintf("maildir = %q", w.maildir()), "")
	w.fillSized(30, 5000)
	path := filepath.Join(w.dir, ".local", "state", "mailtwin", "old.db")
	had := func() (today traffic) {
		t.Helper()
		ledger, err := state.OpenReadOnly(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ledger.Close() }() // it was only read
		settings, err := ledger.Settings()
		if err != nil {
			t.Fatal(err)
		}
		return readTraffic(settings[settingTraffic], w.now)
	}
	wantCounted := func(when string) {
		t.Helper()
		count := w.old.gmail.Counters()
		if got, want := had().had, [2]int64{syncer.Far: count.Down, syncer.Near: count.Up}; got != want {
			t.Errorf("%s: %d octets are on record, want %d", when, got, want)
		}
	}
	w.want(exitDone, "", "", "sync", "old")
	wantCounted("sync")
	w.want(exitDone, "complete", "", "migrate", "old", "new")
	wantCounted("migrate")

	ledger, err := state.Open(t.Context(), path, state.Options{}) // as another sync has it
	if err != nil {
		t.Fatal(err)
	}
	w.want(exitDone, "complete", "", "migrate", "old", "new")
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
	down := w.old.gmail.Counters().Down
	w.configure(fmt.Sprintf("maildir = %q\nquota_down = %q", w.maildir(), fmt.Sprintf("%dkB", down/1000)), "")
	w.want(exitTemporary, "", octetsFor(down)+" of ", "migrate", "old", "new") // it knows all three
	w.configure(fmt.Sprintf("maildir = %q", w.maildir()), "")
	w.want(exitDone, "complete", "", "migrate", "old", "new")
	wantCounted("handed over later")
}

// A plan has exact sums, and tells on which day the copy is done if the days' limits are used, which of them is the slower
// one, and how much of it was used today.
func TestMigratePlan(t *testing.T) {
	w := newSlowMigration(t, gmailEnd(t), gmailEnd(t))
	w.fillSized(100, 30_000)
	var sum int64
	for _, m := range w.old.gmail.Messages() {
		sum += int64(len(m.Raw))
	}
	for _, tt := range []struct {
		down, up string
		days     int64
		slower   string
	}{
		{"1MB", "2MB", 4, "received from old"}, // 3.1 MB by 900 kB
		{"2MB", "1MB", 4, "sent to new"},
		{"none", "500kB", 7, "sent to new"},
		{"10MB", "20MB", 1, "received from old"},
		{"none", "none", 1, ""},
	} {
		w.configure(fmt.Sprintf("quota_down = %q", tt.down), fmt.Sprintf("quota_up = %q", tt.up))
		want := fmt.Sprintf("\n100 messages to copy, %s\n", octetsFor(sum))
		if tt.slower != "" {
			want += fmt.Sprintf("that takes at least %s: ", plural(int(tt.days), "day"))
		}
		w.want(exitDone, want, "", "migrate", "-n", "old", "new")
		if got := strings.Contains(w.stdout, "that takes"); got != (tt.slower != "") || !strings.Contains(w.stdout, tt.slower) {
			t.Errorf("%s down, %s up: %s", tt.down, tt.up, w.stdout)
		}
	}
	// What was used today is no longer there for the plan.
	w.configure("", `quota_up = "1MB"`)
	for i, days := range []int64{4, 4, 3} {
		w.want(exitDone, `"dry_run":true`, "", "migrate", "-n", "--json", "old", "new")
		lines := strings.Split(strings.TrimSpace(w.stdout), "\n")
		var plan struct {
			Days      int64  `json:"days"`
			Slower    string `json:"slower"`
			DayBytes  int64  `json:"day_bytes"`
			DayLimit  int64  `json:"day_limit"`
			Copied    int    `json:"copied"`
			CopyBytes int64  `json:"copied_bytes"`
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &plan); err != nil {
			t.Fatal(err)
		}
		var there int64
		for _, m := range w.new.gmail.Messages() {
			there += int64(len(m.Raw))
		}
		if plan.Days != days || plan.Slower != "new" || plan.DayLimit != 1e6 || plan.CopyBytes != sum-there || plan.Copied != 100-len(w.new.gmail.Messages()) || (plan.DayBytes > 5000) != (i == 1) || i == 1 && plan.DayBytes < there {
			t.Errorf("%+v, want %d days, and %d octets of %d are there", plan, days, there, sum)
		}
		if there > 0 {
			w.nextDay()
			continue
		}
		w.want(exitTemporary, "copied", "to be copied", "migrate", "old", "new")
	}
}

// What is read only to be compared counts, too, and is not read again on the next day.
func TestMigrateQuotaOfProofs(t *testing.T) {
	old := dovecotEnd(t)
	proxy := imaptest.NewProxy(t, old.addr, imaptest.ProxyOptions{})
	w := newSlowMigration(t, &end{addr: proxy.Addr, user: old.user, password: old.password, account: old.account}, gmailEnd(t))
	const limit = 1_000_000
	w.configure("quota_down = \"1MB\"\ncompress = false", "")
	w.fillSized(60, 20_000)
	if err := w.old.account.Create("Archive"); err != nil {
		t.Fatal(err)
	}
	for i := range 60 { // the same in a second mailbox
		raw := []byte(gmMailOf(i, 20_000+7*(i%100)))
		if _, err := w.old.account.Append("Archive", imaptest.Message{Body: raw, Date: time.Unix(int64(1700000000+i), 0)}); err != nil {
			t.Fatal(err)
		}
	}
	for days := 1; ; days++ {
		before := proxy.Stats().ToClient
		status := w.run("migrate", "old", "new")
		if n := proxy.Stats().ToClient - before; n > limit {
			t.Errorf("%d octets of %d on one day", n, limit)
		}
		if status == exitDone {
			t.Logf("%d days\n%s", days, w.stdout)
			break
		}
		if status != exitTemporary || days > 9 {
			t.Fatalf("day %d: %d\n%s%s", days, status, w.stdout, w.stderr)
		}
		w.nextDay()
	}
	if appends := w.new.gmail.Counters().Verbs["APPEND"]; appends != 60 || len(w.new.gmail.Messages()) != 60 {
		t.Errorf("%d APPENDs, Gmail has %d messages", appends, len(w.new.gmail.Messages()))
	}
	if total := proxy.Stats().ToClient; total > 180*21_500 { // both to be compared, and one of them to be copied
		t.Errorf("%d octets", total)
	}
}
