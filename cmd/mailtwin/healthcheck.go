package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The bounds of a ping, which must not hold up a sync.
const (
	pingTime  = 5 * time.Second // for all tries, and for all that a run waits at its end
	pingTries = 2
)

// A pinger tells a service that watches over cron jobs that a run begins and how it ended: URL/start, then URL if all went
// well, else URL and the exit status. Whoever has the URL can do so, too: it is a secret, and no error shows it.
//
// Source: <https://healthchecks.io/docs/http_api/>.
type pinger struct {
	env    *environment
	base   *url.URL
	warn   func(error) // is told, once, what was not heard
	cancel context.CancelFunc
	start  chan error // what became of the first ping
}

// parsePing reads the address of a check. An error shows nothing of it, and goes on after the name of the key or flag.
func parsePing(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	const like = `, like "https://hc-ping.com/..."`
	switch {
	case err != nil:
		return nil, errors.New("cannot be read as an address; it must be one of http or https" + like)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must be an http or https address" + like)
	case u.Host == "":
		return nil, errors.New("has no host in it; it must be an http or https address" + like)
	case u.User != nil:
		return nil, errors.New("must have no user or password in it; it is an address" + like)
	}
	return u, nil
}

// patience is how long a ping may take.
func (p *pinger) patience() time.Duration {
	return cmp.Or(p.env.pingTime, pingTime)
}

// ping tells that a run begins, without waiting for it to be heard. Without an address it returns nil, which does nothing.
func (env *environment) ping(ctx context.Context, address string, warn func(error)) *pinger {
	base, err := parsePing(address)
	if address == "" || err != nil { // which was said before
		return nil
	}
	p := &pinger{env: env, base: base, warn: warn, start: make(chan error, 1)}
	ctx, p.cancel = context.WithTimeout(ctx, p.patience())
	go func() { p.start <- p.send(ctx, "start") }()
	return p
}

// done tells how the run ended. It is told even if a signal ended it, and not at all if another run was at work, which
// tells for itself.
func (p *pinger) done(parent context.Context, status int) {
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), p.patience())
	defer cancel()
	start := <-p.start // has its own bound, which is over before this one
	p.cancel()
	if parent.Err() != nil {
		start = nil // it was the signal that kept it from being heard
	}
	var end error
	switch status {
	case exitLocked:
	case exitDone:
		end = p.send(ctx)
	default:
		end = p.send(ctx, strconv.Itoa(status))
	}
	if err := cmp.Or(end, start); err != nil {
		p.warn(fmt.Errorf("healthcheck: %s was not told: %w", p.base.Host, err))
	}
}

// send makes a ping heard, or returns why it was not.
func (p *pinger) send(ctx context.Context, path ...string) (err error) {
	for range pingTries {
		if err = p.try(ctx, p.base.JoinPath(path...).String()); err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

func (p *pinger) try(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return p.harmless(err)
	}
	request.Header.Set("User-Agent", "mailtwin/"+version())
	// A redirection is not followed, for it could lead to clear text, and takes the address along as a Referer.
	client := &http.Client{Transport: p.env.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return p.harmless(err)
	}
	_ = response.Body.Close() // nobody reads it
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the answer is %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	}
	return nil
}

// harmless says why nothing was heard, in words that cannot have the address in them. Those of package http have it, and may
// have the answer, in which it may be as well.
func (p *pinger) harmless(err error) error {
	var (
		timeout     interface{ Timeout() bool }
		certificate *tls.CertificateVerificationError
		network     *net.OpError
	)
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer within %s", p.patience())
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &network):
		return network
	case errors.Is(err, io.EOF):
		return errors.New("it closed the connection without an answer")
	}
	return errors.New("the answer is none of HTTP")
}
