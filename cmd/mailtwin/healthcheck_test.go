package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mailtwin/state"
)

// A watcher is a service that is told of runs.
type watcher struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request) // nil: a good one

	mu   sync.Mutex
	told []string
}

func newWatcher(t *testing.T) *watcher {
	t.Helper()
	w := &watcher{}
	w.Server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.told = append(w.told, r.Method+" "+r.URL.String())
		w.mu.Unlock()
		if w.answer != nil {
			w.answer(rw, r)
		}
	}))
	t.Cleanup(w.Close)
	return w
}

// was returns what was told since the last time.
func (w *watcher) was() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.told, ", ")
	w.told = nil
	return text
}

func TestHealthcheck(t *testing.T) {
	w, _ := memoryWorld(t, 2)
	service := newWatcher(t)
	w.prepare = func(env *environment) { env.transport = service.Client().Transport }
	w.set("healthcheck", service.URL+"/secret-uuid?create=1")
	run := func(told string, status int, stderr string, args ...string) {
		t.Helper()
		w.want(status, w.stdoutOf(args), stderr, args...)
		if was := service.was(); !slices.Contains(strings.Split(told, " | "), was) {
			t.Errorf("mailtwin %q told %q, want %q", args, was, told)
		}
		if strings.Contains(w.stderr, "secret-uuid") {
			t.Errorf("the address shows: %s", w.stderr)
		}
	}
	run("", 0, "", "sync", "-n")
	if err := os.Chmod(w.config, 0o644); err != nil {
		t.Fatal(err)
	}
	run("", exitUsage, "healthcheck is in a file that others can read", "sync")
	if err := os.Chmod(w.config, 0o600); err != nil {
		t.Fatal(err)
	}
	run("GET /secret-uuid/start?create=1, GET /secret-uuid?create=1", 0, "", "sync")
	run("GET /all/start, GET /secret-uuid/start?create=1, GET /secret-uuid?create=1, GET /all/ | "+ // both begin at once
		"GET /secret-uuid/start?create=1, GET /all/start, GET /secret-uuid?create=1, GET /all/ | "+
		"GET /secret-uuid/start?create=1, GET /secret-uuid?create=1, GET /all/start, GET /all/",
		0, "", "sync", "--healthcheck", service.URL+"/all/")

	w.vars["MAILTWIN_PASSWORD_WORK"] = "wrong"
	run("GET /secret-uuid/start?create=1, GET /secret-uuid/3?create=1", exitAuth, "login refused", "sync")
	w.vars["MAILTWIN_PASSWORD_WORK"] = ""
	run("GET /secret-uuid/start?create=1, GET /secret-uuid/3?create=1", exitAuth, "no password", "sync")

	// Another run tells for itself.
	ledger, err := state.Open(t.Context(), w.state(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run("GET /secret-uuid/start?create=1", exitLocked, "is in use by process", "sync")
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}

	// What is wrong with the configuration is told to the one that the command line names.
	if err := os.WriteFile(w.config, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("GET /all/start, GET /all/64", exitUsage, "config.toml:1", "sync", "--healthcheck", service.URL+"/all")
	for bad, words := range map[string]string{
		"hc-ping.com/secret-uuid": "must be an http or https address", "ftp://h/secret-uuid": "must be an http or https address", "https://": "has no host in it",
		"https://user:secret-uuid@h/": "must have no user or password in it", "https://h/%secret-uuid": "cannot be read as an address",
	} {
		run("", exitUsage, "mailtwin: --healthcheck "+words, "sync", "--healthcheck", bad)
	}
}

// That another run is at work on one account hides no failure of another, neither in the status nor in what is told.
func TestLockedHidesNoFailure(t *testing.T) {
	w, _ := memoryWorld(t, 1)
	service := newWatcher(t)
	w.prepare = func(env *environment) { env.transport = service.Client().Transport }
	w.vars["MAILTWIN_PASSWORD_HOME"] = second(w, 1).Password
	ledger, err := state.Open(t.Context(), filepath.Join(filepath.Dir(w.state()), "home.db"), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close() //nolint:errcheck // nothing was written
	w.want(exitLocked, "", "home: ", "sync", "--healthcheck", service.URL)
	if was := service.was(); was != "GET /start" {
		t.Errorf("told %q", was)
	}
	w.vars["MAILTWIN_PASSWORD_WORK"] = "wrong"
	w.want(exitAuth, "", "login refused", "sync", "--healthcheck", service.URL)
	if was := service.was(); was != "GET /start, GET /3" {
		t.Errorf("told %q", was)
	}
}

// stdoutOf is what a command prints when all is well: only a dry run says something.
func (w *world) stdoutOf(args []string) string {
	if args[len(args)-1] == "-n" {
		return "to download"
	}
	return ""
}

// A service that does not answer well is told of in one line without the address, and keeps nothing from being done.
func TestHealthcheckFails(t *testing.T) {
	w, server := memoryWorld(t, 2)
	service := newWatcher(t)
	plain := httptest.NewServer(service.Config.Handler)
	t.Cleanup(plain.Close)
	status := func(code int) func(http.ResponseWriter, *http.Request) {
		return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) }
	}
	nobody := listen(t, nil)
	for _, tt := range []struct {
		name    string
		address string // "" is the service
		patient time.Duration
		answer  func(http.ResponseWriter, *http.Request)
		want    string
	}{
		{name: "an error", answer: status(http.StatusNotFound), want: "the answer is 404 Not Found"},
		{name: "the start only", answer: func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/start") {
				rw.WriteHeader(http.StatusBadRequest)
			}
		}, want: "the answer is 400 Bad Request"},
		{name: "a redirection", answer: func(rw http.ResponseWriter, r *http.Request) {
			if r.TLS == nil {
				t.Error("it went there")
			}
			http.Redirect(rw, r, plain.URL, http.StatusFound)
		}, want: "the answer is 302 Found"},
		{name: "a redirection that is none", answer: func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Location", "http://%"+r.URL.Path)
			rw.WriteHeader(http.StatusFound)
		}, want: "the answer is none of HTTP"},
		{name: "a line that is cut", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: "it closed the connection without an answer"},
		{name: "what was asked", address: "http://" + listen(t, func(c net.Conn) {
			io.Copy(c, c) //nolint:errcheck // until the other side has enough
		}), want: "the answer is none of HTTP"},
		{name: "silence", address: "http://" + listen(t, func(c net.Conn) {
			io.Copy(io.Discard, c) //nolint:errcheck // until the other side has enough
		}), patient: 100 * time.Millisecond, want: "no answer within 100ms"},
		{name: "nobody", address: "http://" + nobody, want: "connect: connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			service.answer = tt.answer
			w.prepare = func(env *environment) { env.transport, env.pingTime = service.Client().Transport, tt.patient }
			address := cmp.Or(tt.address, service.URL)
			w.set("healthcheck", address+"/secret-uuid")
			_, host, _ := strings.Cut(address, "://")
			w.want(0, "", fmt.Sprintf("mailtwin: work: healthcheck: %s was not told: ", host), "sync")
			if !strings.HasSuffix(w.stderr, tt.want+"\n") || strings.Contains(w.stderr, "secret-uuid") || strings.Count(w.stderr, "\n") != 1 {
				t.Errorf("want %q in: %s", tt.want, w.stderr)
			}
			w.want(0, `"event":"warning"`, "", "sync", "--json")
			if strings.Contains(w.stdout, "secret-uuid") {
				t.Errorf("the address shows: %s", w.stdout)
			}
		})
	}
	service.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshake
	w.set("healthcheck", service.URL+"/secret-uuid")
	w.prepare = nil
	w.want(0, "", "certificate signed by unknown authority", "sync")
	if n := len(serverView(t, server).Copies); n != 2 {
		t.Errorf("%d messages", n)
	}
	w.prepare = func(env *environment) { env.transport = silence{} }
	w.want(0, "", "no answer within 5s", "sync")
}

// listen is a server that is no web server. Without a way to speak it does not listen any more.
func listen(t *testing.T, speak func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if speak == nil {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return l.Addr().String()
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { speak(c); _ = c.Close() })
		}
	})
	return l.Addr().String()
}

// silence is a network that answers nobody.
type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	deadline, ok := r.Context().Deadline()
	if left := time.Until(deadline); !ok || left > pingTime {
		return nil, fmt.Errorf("it would wait for %s", left)
	}
	return nil, os.ErrDeadlineExceeded
}

// A run that a signal ends is told, too, and nothing is said of the start that was cut off.
func TestHealthcheckStopped(t *testing.T) {
	service := newWatcher(t)
	env, _, _ := testEnv(nil)
	env.transport = service.Client().Transport
	ctx, cancel := context.WithCancel(t.Context())
	service.answer = func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/start") {
			cancel()
			<-r.Context().Done()
		}
	}
	watch := env.ping(ctx, service.URL+"/uuid", func(err error) { t.Error(err) })
	<-ctx.Done()
	watch.done(ctx, 143)
	if was := service.was(); was != "GET /uuid/start, GET /uuid/143" {
		t.Errorf("told %q", was)
	}
}
