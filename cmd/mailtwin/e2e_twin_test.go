package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"mailtwin/imap/imaptest"
)

// The end-to-end suites run mailtwin as users do, as a process: the test binary itself, told by this variable to be
// the program.
const beProgram = "MAILTWIN_TEST_BE_PROGRAM"

// beLate is how long such a program waits after a run that was killed, if not usualLate.
const (
	beLate    = "MAILTWIN_TEST_BE_LATE"
	usualLate = 300 * time.Millisecond
)

func init() {
	lateness = usualLate
	if os.Getenv(beProgram) != "" {
		if d, err := time.ParseDuration(os.Getenv(beLate)); err == nil {
			lateness = d
		}
		main()
		os.Exit(0)
	}
}

// size chooses between the size of a usual run and the one of the acceptance, which takes long and is asked for by
// this variable. (It is read here and not at the start, so that go test sees that the result depends on it.)
func size(usual, whole int) int {
	if os.Getenv("MAILTWIN_FULL") != "" {
		return whole
	}
	return usual
}

// A tester is a *testing.T or a *rapid.T.
type tester interface {
	imaptest.TB
	Errorf(format string, args ...any)
}

// A twin is an account, a Maildir and the program that keeps them alike.
type twin struct {
	tester
	server   server
	account  *imaptest.Account // the server as another mail program sees it, past the proxy
	tree     imaptest.Tree
	proxy    *imaptest.Proxy
	profile  imaptest.Profile
	dir      string
	config   string
	expected map[[32]byte]int // how many copies there must be of each message
}

// A server is what a twin needs to know of one.
type server struct {
	addr, user, password string
	profile              imaptest.Profile
	delete               string // delete_remote
	mode                 string
	token                string // if not empty, mailtwin logs in with it, and not with the password
}

// login are the lines of the configuration that say how mailtwin logs in.
func (s server) login() string {
	if s.token != "" {
		return fmt.Sprintf("auth = \"oauth2\"\ntoken_command = [\"echo\", %q]", s.token)
	}
	return fmt.Sprintf("password = %q", s.password)
}

func newTwin(t tester, s server) *twin {
	t.Helper()
	dir, err := os.MkdirTemp("", "mailtwin") // a *rapid.T has no TempDir
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left is in the system's temporary directory
	w := &twin{
		tester: t, server: s, profile: s.profile, dir: dir, config: filepath.Join(dir, "config.toml"),
		tree:     imaptest.Tree{Root: filepath.Join(dir, "Mail")},
		account:  imaptest.NewAccount(t, s.addr, s.user, s.password),
		proxy:    imaptest.NewProxy(t, s.addr, imaptest.ProxyOptions{Profile: s.profile}),
		expected: map[[32]byte]int{},
	}
	s.delete, s.mode = cmp.Or(s.delete, "expunge"), cmp.Or(s.mode, modeSync)
	host, port, err := net.SplitHostPort(w.proxy.Addr)
	w.must(err)
	w.must(os.WriteFile(w.config, fmt.Appendf(nil, `[accounts.test]
host = %q
port = %s
tls = "none"
user = %q
%s
maildir = %q
state = %q
delete_remote = %q
mode = %q
timeout = "30s"
`, host, port, s.user, s.login(), w.tree.Root, filepath.Join(dir, "state.db"), s.delete, s.mode), 0o600))
	return w
}

func (w *twin) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v", err)
	}
}

// An outcome is what a run of the program left behind.
type outcome struct {
	code           int // -1 if it was killed
	stdout, stderr string
	trace          string
	took           time.Duration
}

func (o outcome) String() string {
	trace := o.trace
	const most = 4000
	if len(trace) > most {
		trace = "..." + trace[len(trace)-most:]
	}
	return fmt.Sprintf("exit status %d after %v\nstdout: %s\nstderr: %s\ntrace: %s", o.code, o.took, o.stdout, o.stderr, trace)
}

// start begins a run of a verb.
func (w *twin) start(ctx context.Context, verb string, args ...string) (*exec.Cmd, func() outcome) {
	w.Helper()
	trace := filepath.Join(w.dir, "trace")
	args = append([]string{verb, "--config", w.config}, args...)
	if verb != "history" { // which asks no server
		args = append(args, "--debug-imap", trace)
	}
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	// The race detector would have the program rest for a second at its end, where no kill hits anything.
	cmd.Env = append(os.Environ(), beProgram+"=1", "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=20")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = os.Remove(trace) // of the last run, if there was one
	began := time.Now()
	w.must(cmd.Start())
	return cmd, func() outcome {
		if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			w.Fatalf("%v", err)
		}
		content, err := os.ReadFile(trace)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			w.Fatalf("%v", err)
		}
		o := outcome{
			code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(),
			trace: string(content), took: time.Since(began),
		}
		if strings.Contains(o.stderr, "DATA RACE") || strings.Contains(o.stderr, "panic:") || strings.Contains(o.stderr, "goroutine ") {
			w.Fatalf("%v", o)
		}
		return o
	}
}

// try runs a sync to its end.
func (w *twin) try(args ...string) outcome {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	_, wait := w.start(ctx, "sync", args...)
	return wait()
}

// sync runs a sync, which has to go well.
func (w *twin) sync(args ...string) outcome {
	w.Helper()
	o := w.try(args...)
	if o.code != 0 {
		w.Fatalf("sync: %v", o)
	}
	return o
}

// views reads both sides.
func (w *twin) views() (far, near imaptest.View) {
	w.Helper()
	far, err := w.account.View()
	w.must(err)
	near, err = w.tree.View()
	w.must(err)
	if w.profile.Lacks("UIDPLUS") {
		far = unmarked(far, near.Mailboxes)
	}
	return far, near
}

// unmarked leaves out what is only marked for removal, which is all that can be done without UIDPLUS. A mailbox that
// holds nothing else may be there on one side alone, for it cannot be removed.
func unmarked(v imaptest.View, near []string) imaptest.View {
	kept := imaptest.View{}
	for _, c := range v.Copies {
		if !slices.Contains(strings.Fields(c.Flags), `\deleted`) {
			kept.Copies = append(kept.Copies, c)
		}
	}
	for _, name := range v.Mailboxes {
		if len(v.In(name)) == 0 || len(kept.In(name)) > 0 || slices.Contains(near, name) {
			kept.Mailboxes = append(kept.Mailboxes, name)
		}
	}
	return kept
}

// wantAgreement fails unless both sides are equal and hold what is expected.
func (w *twin) wantAgreement(when string) (far, near imaptest.View) {
	w.Helper()
	far, near = w.views()
	if diff := imaptest.Diff(far, near); len(diff) > 0 {
		w.Fatalf("%s: %d differences between the server and the Maildir:\n%s", when, len(diff), head(diff))
	}
	w.wantExpected(when, far)
	return far, near
}

// wantExpected fails unless a side holds each message as often as expected.
func (w *twin) wantExpected(when string, v imaptest.View) {
	w.Helper()
	var lines []string
	count := v.Count()
	for sum, n := range w.expected {
		if got := count[sum]; got != n {
			lines = append(lines, fmt.Sprintf("%x is there %d times, not %d: %s", sum[:6], got, n, places(v, sum)))
		}
	}
	for sum, n := range count {
		if _, known := w.expected[sum]; !known {
			lines = append(lines, fmt.Sprintf("%x is there %d times, and nobody put it there: %s", sum[:6], n, places(v, sum)))
		}
	}
	if len(lines) > 0 {
		w.Fatalf("%s: %d messages lost or doubled:\n%s", when, len(lines), head(lines))
	}
}

func places(v imaptest.View, sum [32]byte) string {
	var in []string
	for _, c := range v.Copies {
		if c.Sum == sum {
			in = append(in, fmt.Sprintf("%q", c.Mailbox))
		}
	}
	return strings.Join(in, ", ")
}

func head(lines []string) string {
	const most = 20
	if len(lines) > most {
		lines = append(lines[:most:most], "...")
	}
	return strings.Join(lines, "\n")
}

// tracedCommand finds the verb of each command in a trace.
var tracedCommand = regexp.MustCompile(`(?m)C: \S+ ((?:UID )?[A-Z]+)`)

// wantIdle runs a sync that must have nothing to do: after the login one LIST, and no mailbox opened, where the server
// can say what changed; where it cannot, no transfer and no change.
func (w *twin) wantIdle(when string) outcome {
	w.Helper()
	w.proxy.Reset()
	o := w.sync()
	traced := map[string]int{}
	for _, m := range tracedCommand.FindAllStringSubmatch(o.trace, -1) {
		traced[m[1]]++
	}
	stats := w.proxy.Stats()
	for _, counted := range []map[string]int{traced, stats.Commands} {
		if counted["LIST"] != 1 {
			w.Fatalf("%s: %d LIST: %v; %v", when, counted["LIST"], counted, o)
		}
		for _, verb := range []string{"APPEND", "STORE", "UID STORE", "UID EXPUNGE", "UID COPY", "UID MOVE", "CREATE", "DELETE", "RENAME", "NAMESPACE"} {
			if counted[verb] > 0 {
				w.Fatalf("%s: %d %s: %v; %v", when, counted[verb], verb, counted, o)
			}
		}
		opened := counted["SELECT"] + counted["EXAMINE"] + counted["UID FETCH"]
		if !w.profile.Lacks("LIST-STATUS") {
			opened += counted["STATUS"]
		}
		if !w.profile.Lacks("CONDSTORE") && !w.profile.Blind && opened > 0 {
			w.Fatalf("%s: mailboxes were opened: %v; %v", when, counted, o)
		}
	}
	if n := w.proxy.BodyFetches(); n > 0 {
		w.Fatalf("%s: %d bodies were fetched; %v", when, n, o)
	}
	if len(stats.Refused) > 0 {
		w.Fatalf("%s: the client used what the server does not offer: %v", when, stats.Refused)
	}
	return o
}
