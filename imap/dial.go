package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// Errors of connecting that no second try mends.
var (
	// ErrTLS means that the connection could not be protected as it must be.
	ErrTLS = errors.New("the connection cannot be protected")
	// ErrPreauth means that the server says that somebody is logged in already. It may be anybody.
	ErrPreauth = errors.New("the server claims that the login was done already (PREAUTH), which is refused")
)

// errNoHost means that the name of the server is not known. It may be by and by, but not within a second.
var errNoHost = errors.New("nobody knows that server")

// errLookup means that the server has not found the user, which may be a fault of the moment.
var errLookup = fmt.Errorf("%w: the server does not find the user", mailbox.ErrTemporary)

// errCrowded means that the server has too many connections of this account.
var errCrowded = fmt.Errorf("%w: too many connections", mailbox.ErrTemporary)

// connect makes a session: connection, protection, greeting, login. A token that the server does not take may be one that
// has ended before its time, so one more is asked for, once.
func (a *Account) connect(ctx context.Context) (*session, error) {
	s, err := a.attempt(ctx, "")
	var refused *TokenError
	if !errors.As(err, &refused) {
		return s, err
	}
	again, newer := a.attempt(ctx, refused.token)
	if errors.Is(newer, errSameToken) {
		return nil, err
	}
	return again, newer
}

// attempt connects once. refused is a token that is not to be used.
func (a *Account) attempt(ctx context.Context, refused string) (*session, error) {
	s := &session{account: a}
	conn, err := a.dial(ctx, &s.advice)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.options.address(), err)
	}
	s.conn = conn
	if err := s.login(ctx, refused); err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	return s, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// dial returns a connection that is protected as the options demand, greeted, and whose capabilities are known. What the
// server tells the user to do, before it refuses a login, comes to advice.
func (a *Account) dial(ctx context.Context, advice *advice) (*wire.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	raw, err := a.options.Dial(ctx, "tcp", a.options.address())
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, fmt.Errorf("%w: %w; is host right, and is there a network? (%w)", mailbox.ErrTemporary, errNoHost, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", mailbox.ErrTemporary, err)
	}
	if a.options.Security == Implicit {
		protected := tls.Client(raw, a.tlsConfig())
		if err := protected.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(explainTLS(err), ignoreClosed(raw.Close()))
		}
		raw = protected
	}
	made := time.Now()
	conn := wire.New(raw, wire.Options{
		Trace: a.options.Trace.Conn(), Silence: a.options.Timeout, Traffic: a.options.Traffic, Report: a.options.Report,
		Heard: func(s wire.Status) {
			a.pace.hear(made, s)
			advice.hear(s)
		},
	})
	if err := a.greet(ctx, conn); err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	return conn, nil
}

func (a *Account) tlsConfig() *tls.Config {
	c := &tls.Config{ServerName: a.options.Host, RootCAs: a.options.RootCAs, MinVersion: tls.VersionTLS12, NextProtos: []string{"imap"}}
	if len(a.options.Fingerprints) > 0 {
		c.InsecureSkipVerify = true // what follows takes the place of the usual check
		c.VerifyConnection = pinned(a.options.Fingerprints)
	}
	return c
}

func (a *Account) greet(ctx context.Context, conn *wire.Conn) error {
	greeting, err := conn.Greeting(ctx)
	if errors.Is(err, mailbox.ErrTemporary) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: no greeting came; are host, port and tls right? (%w)", mailbox.ErrTemporary, err)
	}
	if err != nil {
		return err
	}
	switch greeting.Kind {
	case "PREAUTH":
		return ErrPreauth
	case "BYE":
		return refusal(greeting)
	}
	if a.options.Security == StartTLS {
		if err := conn.StartTLS(ctx, a.tlsConfig()); err != nil {
			return explainTLS(err)
		}
	}
	if conn.Caps() != nil {
		return nil
	}
	return capability(ctx, conn)
}

func capability(ctx context.Context, conn *wire.Conn) error {
	status, err := conn.Exec(ctx, nil, wire.Cmd("CAPABILITY"))
	if err != nil {
		return err
	}
	if spent := overQuota(status[0]); spent != nil {
		return spent
	}
	return status[0].Err()
}

// overQuota is the error of a refusal that says that the quota is used up; nil of any other.
func overQuota(s wire.Status) error {
	if s.Err() != nil && strings.Contains(strings.ToLower(s.Text), bandwidth) {
		return &LockedError{Text: s.Text}
	}
	return nil
}

// explainTLS says what is wrong with a certificate, in words that tell what to do. Nothing here is worth a second try
// but a cut line.
func explainTLS(err error) error {
	var record tls.RecordHeaderError
	if refused := explainCertificate(err); refused != nil {
		return refused
	}
	switch {
	case errors.As(err, &record):
		return fmt.Errorf("%w: the server does not speak TLS on this port; check port and tls (%w)", ErrTLS, err)
	case errors.Is(err, wire.ErrNoStartTLS), errors.Is(err, wire.ErrInjected):
		return fmt.Errorf("%w: %w", ErrTLS, err)
	case isCut(err):
		return fmt.Errorf("%w: the connection broke while it was being protected; are host, port and tls right? (%w)", mailbox.ErrTemporary, err)
	}
	return fmt.Errorf("%w: %w", ErrTLS, err)
}

// isCut tells whether a handshake failed because of the network rather than of what was said.
func isCut(err error) bool {
	var opErr *net.OpError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	if errors.As(err, &record) || errors.As(err, &alert) {
		return false
	}
	return errors.As(err, &opErr) && opErr.Op != "remote error" || errors.Is(err, mailbox.ErrTemporary) ||
		errors.Is(err, context.DeadlineExceeded) || strings.HasSuffix(err.Error(), "EOF")
}

// refusal sorts a server's NO or BYE at connecting: too many connections, busy, or no.
func refusal(s wire.Status) error {
	text := strings.ToLower(s.Text)
	switch spent := overQuota(s); {
	case spent != nil:
		return spent
	case strings.HasPrefix(text, "lookup failed"): // of a user that there is not, and now and then of any
		return fmt.Errorf("%w: %w", errLookup, &wire.StatusError{Status: s})
	case strings.Contains(text, "too many") || strings.Contains(text, "maximum number of connections") || s.Code == "LIMIT":
		return fmt.Errorf("%w: %s", errCrowded, s.Text)
	case s.Kind == "BYE", s.Passing(), s.Code == "CONTACTADMIN",
		strings.Contains(text, "try again"), strings.Contains(text, "temporar"):
		return fmt.Errorf("%w: %w", mailbox.ErrTemporary, &wire.StatusError{Status: s})
	}
	return fmt.Errorf("%w: %w", mailbox.ErrAuth, &wire.StatusError{Status: s})
}

// login gets the secret and uses it. No error shows it, also if the server sends it back.
func (s *session) login(ctx context.Context, refused string) error {
	c, err := s.account.credential(ctx, refused)
	if err != nil {
		return err
	}
	for _, form := range append(c.forms(), c.secret) {
		s.conn.Hide(form)
	}
	err = conceal(s.advice.with(s.enter(ctx, c)), c.secret, c.forms()...)
	if c.token && errors.Is(err, mailbox.ErrAuth) {
		return &TokenError{Err: err, token: c.secret}
	}
	return err
}

// enter puts go-imap on top and logs in. What the server can do is asked again afterwards, for it may differ.
func (s *session) enter(ctx context.Context, c *credential) error {
	caps := capSet(s.conn.Caps())
	if err := c.check(caps); err != nil {
		return err
	}
	s.conn.HandOver()
	s.conn.ForgetCaps()
	s.client = imapclient.New(s.conn, nil)
	if err := s.authenticate(ctx, caps, c); err != nil {
		return err
	}
	if s.conn.Caps() == nil {
		if err := capability(ctx, s.conn); err != nil {
			return err
		}
	}
	s.caps = capSet(s.conn.Caps())
	return nil
}

func (s *session) authenticate(ctx context.Context, caps map[string]bool, c *credential) error {
	err := s.do(ctx, func() error {
		if mechanism := c.mechanism(caps); mechanism != nil {
			return s.client.Authenticate(mechanism)
		}
		return s.client.Login(c.user, c.secret).Wait()
	})
	var refused *goimap.Error
	if errors.As(err, &refused) {
		return refusal(statusOf(refused))
	}
	return err
}

// advice is where a server tells the user to go, in [WEBALERT] before it refuses the login. It may be used from several
// goroutines.
type advice struct {
	mu      sync.Mutex
	address string
}

func (a *advice) hear(s wire.Status) {
	if s.Code != "WEBALERT" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.address = s.Args
}

// with adds the advice to the refusal of a login.
func (a *advice) with(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.address == "" || !errors.Is(err, mailbox.ErrAuth) {
		return err
	}
	return fmt.Errorf("%w (%s)", err, a.address)
}

// A concealed error says what another one says, less the secrets in it. Only what kind it is remains of that.
type concealed struct {
	text  string
	kinds []error
}

func (e *concealed) Error() string   { return e.text }
func (e *concealed) Unwrap() []error { return e.kinds }

// conceal takes a secret out of an error, in each of the forms in which it went over the wire.
func conceal(err error, secret string, forms ...string) error {
	if err == nil || secret == "" {
		return err
	}
	var hidden []string
	for _, form := range append(forms, secret) {
		hidden = append(hidden, form, "***")
	}
	text := strings.NewReplacer(hidden...).Replace(err.Error())
	if text == err.Error() {
		return err
	}
	e := &concealed{text: text}
	for _, kind := range []error{mailbox.ErrAuth, mailbox.ErrTemporary, mailbox.ErrQuota, errCrowded, errLookup, ErrTLS} {
		if errors.Is(err, kind) {
			e.kinds = append(e.kinds, kind)
		}
	}
	return e
}

func capSet(caps []string) map[string]bool {
	set := make(map[string]bool, len(caps))
	for _, name := range caps {
		set[name] = true
	}
	return set
}
