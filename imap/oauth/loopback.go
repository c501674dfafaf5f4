package oauth

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ErrLate means that nobody consented in time. It is a kind of mailbox.ErrAuth.
var ErrLate error = refusal("no consent came in time")

const (
	consentTime  = 5 * time.Minute
	headerTime   = 5 * time.Second
	headerOctets = 16 << 10
)

// A Loopback waits on this machine for the browser that comes back with the user's consent.
//
// Source: RFC 8252, sections 7.3 and 8.3.
type Loopback struct {
	listener net.Listener
	name     string
}

// Listen takes a port that is free, which nobody on the network can reach. name is what the provider calls this machine.
func Listen(ctx context.Context, name string) (*Loopback, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Loopback{listener: l, name: name}, nil
}

// URL is where the browser is to come back to.
func (l *Loopback) URL() string {
	_, port, err := net.SplitHostPort(l.listener.Addr().String())
	if err != nil {
		return "" // an address of a listener always has a port
	}
	return "http://" + net.JoinHostPort(l.name, port)
}

// Close ends the waiting.
func (l *Loopback) Close() error {
	if err := l.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

type arrival struct {
	code string
	err  error
}

// Wait returns the code of the first redirect that answers the flow. Others, of whomever, are turned away.
func (l *Loopback) Wait(ctx context.Context, f *Flow) (string, error) {
	arrived := make(chan arrival, 1)
	server := &http.Server{
		Handler: l.handler(f, arrived), ReadHeaderTimeout: headerTime, ReadTimeout: headerTime, WriteTimeout: headerTime,
		MaxHeaderBytes: headerOctets, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	server.SetKeepAlivesEnabled(false)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l.listener) }()
	late := time.NewTimer(consentTime)
	defer late.Stop()
	select {
	case a := <-arrived:
		return a.code, errors.Join(a.err, finish(ctx, server))
	case err := <-served:
		return "", err
	case <-late.C:
		return "", errors.Join(ErrLate, server.Close())
	case <-ctx.Done():
		return "", errors.Join(context.Cause(ctx), server.Close())
	}
}

// finish lets the browser have its page.
func finish(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), headerTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}

// handler turns away what is no redirect of ours: another method, path, name or state. The browser is told nothing but
// that it may be closed.
func (l *Loopback) handler(f *Flow, arrived chan<- arrival) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		switch {
		case "http://"+r.Host != l.URL(), r.URL.Path != "/":
			turnAway(w, http.StatusNotFound)
			return
		case r.Method != http.MethodGet:
			turnAway(w, http.StatusMethodNotAllowed)
			return
		}
		code, err := f.Code(r.URL.Query())
		if errors.Is(err, errForeign) || errors.Is(err, errNoCode) {
			turnAway(w, http.StatusBadRequest)
			return
		}
		select {
		case arrived <- arrival{code, err}:
			answer(w, "Close this page, and look at the terminal: mailtwin goes on there.")
		default: // one came already
			turnAway(w, http.StatusConflict)
		}
	})
}

func turnAway(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	answer(w, "This is not what mailtwin waits for.")
}

// answer writes a line. A browser that does not take it misses nothing.
func answer(w io.Writer, text string) {
	_, _ = io.WriteString(w, text+"\n")
}
