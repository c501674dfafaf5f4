package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"

	"mailtwin/imap/imaptest"
	"mailtwin/state"
)

// parsed reads a file as Prometheus does: values by name and labels.
func parsed(t *testing.T, text string) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	values := map[string]float64{}
	for name, family := range families {
		if family.GetHelp() == "" || family.GetType().String() != "GAUGE" {
			t.Errorf("%s: help %q, type %s", name, family.GetHelp(), family.GetType())
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[strings.TrimPrefix(name, "mailtwin_")+" "+strings.Join(labels, " ")] = m.GetGauge().GetValue()
		}
	}
	return values
}

func readMetrics(t *testing.T, path string) map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, string(text))
}

func TestMetrics(t *testing.T) {
	w, server := memoryWorld(t, 3)
	var clock atomic.Int64 // a second passes whenever somebody looks
	clock.Store(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).Unix())
	w.prepare = func(env *environment) { env.now = func() time.Time { return time.Unix(clock.Add(1), 0) } }
	path, all := filepath.Join(w.dir, "mailtwin.prom"), filepath.Join(w.dir, "all.prom")
	w.set("metrics", path)
	w.set("quota_down", "10MB")
	w.want(0, "3 to download", "", "sync", "-n", "--metrics", all)
	w.absent(path, all)
	began := clock.Load()
	w.want(0, "", "", "sync", "--metrics", all)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	v := readMetrics(t, path)
	for key, want := range map[string]float64{
		"last_run_exit_status work": 0, "last_run_messages work download": 3, "last_run_messages work upload": 0, "last_run_bytes work upload": 0, "quarantined work": 0,
		"quota_bytes work download": 10e6, "quota_bytes work upload": 0,
	} {
		if got, ok := v[key]; !ok || got != want {
			t.Errorf("%s is %v, %v", key, got, ok)
		}
	}
	success := v["last_success_timestamp_seconds work"]
	if success < float64(began) || v["last_run_timestamp_seconds work"] < success || v["last_run_duration_seconds work"] <= 0 || v["last_run_bytes work download"] < 100 ||
		v["quota_used_bytes work download"] < v["last_run_bytes work download"] {
		t.Errorf("%v", v)
	}
	if both := readMetrics(t, all); len(both) != len(v) || both["last_success_timestamp_seconds work"] != success {
		t.Errorf("for all: %v", both)
	}

	// A run that fails, or looks at some mailboxes only, keeps the time of the last one that did all.
	same := func(status float64) {
		t.Helper()
		v := readMetrics(t, path)
		if v["last_run_exit_status work"] != status || math.Abs(v["last_success_timestamp_seconds work"]-success) > 0.001 || v["last_run_messages work download"] != 0 {
			t.Errorf("%v", v)
		}
	}
	w.want(0, "", "", "sync", "--mailbox", "INBOX")
	same(0)
	w.vars["MAILTWIN_PASSWORD_WORK"] = "wrong"
	w.want(exitAuth, "", "login refused", "sync")
	same(exitAuth)
	if err := os.Remove(path); err != nil { // then the state knows
		t.Fatal(err)
	}
	w.want(exitAuth, "", "login refused", "sync")
	same(exitAuth)

	// While another run is at work, that one writes.
	ledger, err := state.Open(t.Context(), w.state(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w.want(exitLocked, "", "is in use by process", "sync")
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("another run's file was changed: %s, %v", after, err)
	}
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}

	// Where it cannot be written, the mail is synced all the same.
	w.vars["MAILTWIN_PASSWORD_WORK"] = server.Password
	w.want(1, "", "metrics: ", "sync", "--metrics", filepath.Join(w.dir, "none", "x.prom"))
	w.want(0, "exit status 1: metrics: ", "", "status") // as its user saw
	w.want(0, "metrics: ", "", "history")
	w.set("metrics", filepath.Join(w.dir, "none", "y.prom"))
	w.want(1, "", "hint: it is about this file only", "sync")
	w.vars["MAILTWIN_PASSWORD_WORK"] = "wrong"
	w.want(exitAuth, "", "hint: check user and password", "sync")
	left, err := filepath.Glob(filepath.Join(w.dir, ".mailtwin-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// Several accounts have one file, and the run of one leaves the numbers of the others.
func TestMetricsOfSeveral(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	path := filepath.Join(w.dir, "mailtwin.prom")
	w.set("metrics", path)
	w.vars["MAILTWIN_PASSWORD_HOME"] = second(w, 2, fmt.Sprintf("metrics = %q", path)).Password
	w.want(0, "", "", "sync")
	v := readMetrics(t, path)
	if v["last_run_messages work download"] != 3 || v["last_run_messages home download"] != 2 {
		t.Errorf("%v", v)
	}
	w.vars["MAILTWIN_PASSWORD_WORK"] = "wrong"
	w.want(exitAuth, "", "login refused", "sync", "work")
	now := readMetrics(t, path)
	if now["last_run_exit_status work"] != exitAuth || len(now) != len(v) {
		t.Errorf("%v", now)
	}
	for key, value := range v {
		if strings.Contains(key, " home") && now[key] != value {
			t.Errorf("%s was %v and is %v", key, value, now[key])
		}
	}
}

// second adds an account "home" with n messages, and these lines, to the end of the configuration.
func second(w *world, n int, lines ...string) *imaptest.MemoryServer {
	w.Helper()
	server := imaptest.Memory(w.T)
	for _, m := range imaptest.Sample(n, 4, imaptest.CorpusOptions{MaxSize: 20e3}) {
		if err := server.Append("INBOX", m); err != nil {
			w.Fatal(err)
		}
	}
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		w.Fatal(err)
	}
	w.line(fmt.Sprintf("[accounts.home]\nhost = %q\nport = %s\ntls = \"none\"\nuser = %q\nmaildir = %q\n%s",
		host, port, server.User, filepath.Join(w.dir, "Home"), strings.Join(lines, "\n")))
	return server
}

// Whatever an account is called, the file is read as it is meant, by Prometheus and by the next run. Runs that end at the
// same time lose nothing.
func TestMetricsNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mailtwin.prom")
	if err := os.WriteFile(path, []byte("mailtwin_quarantined{account=\"x\"} many\nother{account=\"x\"} 1\n"), 0o600); err != nil { // not ours
		t.Fatal(err)
	}
	names := []string{`a "b" \c`, "two\nlines", `two\nlines`, "Räkningar", "plain", "}"}
	for range 2 {
		var runs sync.WaitGroup
		for i, name := range names {
			runs.Go(func() {
				m := measures{account: name, began: time.Unix(1000, 0), ended: time.Unix(1001, 5e8), status: i, messages: [2]int{1 << 40, i}, quota: [2]int64{0, int64(i)}, quarantined: i - 1}
				if err := writeMetrics(t.Context(), path, m); err != nil {
					t.Error(err)
				}
			})
		}
		runs.Wait()
	}
	v := readMetrics(t, path)
	for i, name := range names {
		if v["last_run_exit_status "+name] != float64(i) || v["last_run_messages "+name+" download"] != 1<<40 || v["last_run_duration_seconds "+name] != 1.5 {
			t.Errorf("%q: %v", name, v)
		}
		_, quota := v["quota_bytes "+name+" upload"]
		_, quarantined := v["quarantined "+name]
		if quota != (i > 0) || quarantined != (i > 0) {
			t.Errorf("%q: a quota is there: %v, a quarantine: %v", name, quota, quarantined)
		}
	}
	if want := len(names)*8 + 5*5; len(v) != want {
		t.Errorf("%d numbers, want %d: %v", len(v), want, v)
	}
}

// A link stays a link, and what is no regular file is left alone: nobody waits for it.
func TestMetricsNoFile(t *testing.T) {
	w, _ := memoryWorld(t, 1)
	real, link, pipe := filepath.Join(w.dir, "real", "x.prom"), filepath.Join(w.dir, "link.prom"), filepath.Join(w.dir, "pipe")
	nothing := filepath.Join(w.dir, "nothing.prom")
	for _, err := range []error{
		os.Mkdir(filepath.Dir(real), 0o700), os.WriteFile(real, nil, 0o600), os.Symlink(filepath.Join("real", "x.prom"), link),
		os.Symlink("none.prom", nothing), unix.Mkfifo(pipe, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.want(0, "", "", "sync", "--metrics", link)
	info, err := os.Lstat(link)
	if v := readMetrics(t, real); err != nil || info.Mode().Type() != os.ModeSymlink || v["last_run_messages work download"] != 1 {
		t.Errorf("%v, %v, %v", info, v, err)
	}
	w.want(0, "", "", "sync", "--metrics", "~/home.prom")
	if v := readMetrics(t, filepath.Join(w.dir, "home.prom")); len(v) == 0 { // $HOME of the test
		t.Error("no numbers")
	}
	for path, words := range map[string]string{
		pipe: "metrics: " + pipe + " is not a regular file\nhint: ", w.dir: "is not a regular file", "/dev/null": "is not a regular file",
		nothing: "none.prom: no such file", filepath.Join(pipe, "x"): "not a directory",
	} {
		w.want(1, "", words, "sync", "--metrics", path)
	}
}

// Whoever keeps the lock holds a run up for a while only, and not one that is stopped.
func TestMetricsLocked(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockDirectory(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	path := filepath.Join(dir, "x.prom")
	ended := make(chan error)
	go func() { ended <- writeMetrics(ctx, path, measures{account: "a"}) }()
	cancel(stopped{syscall.SIGINT})
	if err := <-ended; exitStatus(err) != 130 {
		t.Errorf("stopped: %v", err)
	}
	bounded, done := metricsPatience(ctx)
	defer done()
	if err := writeMetrics(bounded, path, measures{account: "a"}); !errors.Is(err, errMetricsLock) || exitStatus(err) != exitProblems {
		t.Errorf("locked: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := writeMetrics(ctx, path, measures{account: "a"}); err != nil {
		t.Errorf("free: %v", err)
	}
}

// What the state does not know any more, the file does; but a clock that was wrong once does not make an account look well
// for ever.
func TestMetricsSuccess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mailtwin.prom")
	for _, run := range []struct{ ended, success, want int64 }{{1000, 1000, 1000}, {1500, 0, 1000}, {1600, 900, 1000}, {5000, 5000, 5000}, {2000, 0, 0}} {
		m := measures{account: "a", ended: time.Unix(run.ended, 0), quarantined: -1}
		if run.success > 0 {
			m.success = time.Unix(run.success, 0)
		}
		if err := writeMetrics(t.Context(), path, m); err != nil {
			t.Fatal(err)
		}
		if v := readMetrics(t, path); v["last_success_timestamp_seconds a"] != float64(run.want) {
			t.Errorf("%v: %v", run, v)
		}
	}
}
