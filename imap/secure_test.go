package imap

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

func newCA(t *testing.T) *imaptest.CA {
	t.Helper()
	ca, err := imaptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// S8: a bad certificate is refused, on implicit TLS and STARTTLS alike, with its cause, and before anything secret.
func TestS8Certificates(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name    string
		request imaptest.CertRequest
		foreign bool
		want    string // in the error; empty means that it is fine
	}{
		{name: "good"},
		{name: "expired", request: imaptest.CertRequest{NotAfter: now.Add(-time.Hour)}, want: "expired"},
		{name: "not yet valid", request: imaptest.CertRequest{NotBefore: now.Add(time.Hour), NotAfter: now.Add(2 * time.Hour)}, want: "not valid yet"},
		{name: "another host", request: imaptest.CertRequest{Hosts: []string{"example.org"}}, want: "another host"},
		{name: "unknown CA", foreign: true, want: "authority that is not known"},
	} {
		for _, security := range []Security{Implicit, StartTLS} {
			ca := newCA(t)
			cert, err := ca.Issue(tt.request)
			if err != nil {
				t.Fatal(err)
			}
			f := newFake(t, nil)
			f.cert, f.implicit = &cert, security == Implicit
			f.start()
			o := f.options()
			o.Security, o.RootCAs = security, ca.Pool
			if tt.foreign {
				o.RootCAs = newCA(t).Pool
			}
			a, err := Open(context.Background(), o)
			if tt.want == "" {
				if err != nil {
					t.Errorf("%s, %s: %v", tt.name, security, err)
					continue
				}
				_ = a.Close()
				continue
			}
			if !errors.Is(err, ErrTLS) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, %s: %v, want %q", tt.name, security, err, tt.want)
			}
			if sent := append(f.sent("AUTH"), f.sent("LOGIN")...); len(sent) > 0 {
				t.Errorf("%s, %s: %q was sent", tt.name, security, sent)
			}
		}
	}
}

// S1, S2, S4, S5: whatever keeps TLS from starting, nothing secret is sent.
func TestS1StartTLSOrNothing(t *testing.T) {
	for name, change := range map[string]func(f *fake){
		"refused":    func(f *fake) { f.say("STARTTLS", "%s NO not today\r\n") },
		"unknown":    func(f *fake) { f.say("STARTTLS", "%s BAD what\r\n") },
		"bye":        func(f *fake) { f.say("STARTTLS", "* BYE\r\n") },
		"hung up":    func(f *fake) { f.say("STARTTLS", "") },
		"other tag":  func(f *fake) { f.say("STARTTLS", "T1 OK\r\n") },
		"injected":   func(f *fake) { f.say("STARTTLS", "%s OK\r\n* CAPABILITY IMAP4rev1\r\n") },
		"late":       func(f *fake) { f.late = "* CAPABILITY IMAP4rev1\r\n" },
		"preauth":    func(f *fake) { f.greeting = "* PREAUTH in\r\n" },
		"garbage":    func(f *fake) { f.greeting = "HTTP/1.1 400 Bad Request\r\n\r\n" },
		"no":         func(f *fake) { f.greeting = "* NO\r\n" },
		"greets bye": func(f *fake) { f.greeting = "* BYE full\r\n" },
	} {
		ca := newCA(t)
		cert, err := ca.Issue(imaptest.CertRequest{})
		if err != nil {
			t.Fatal(err)
		}
		f := newFake(t, nil)
		f.cert = &cert
		change(f)
		f.start()
		o := f.options()
		o.Security, o.RootCAs, o.Timeout = StartTLS, ca.Pool, time.Second
		if _, err := Open(context.Background(), o); err == nil {
			t.Errorf("%s: it went on", name)
		}
		if sent := append(f.sent("AUTH"), f.sent("LOGIN")...); len(sent) > 0 {
			t.Errorf("%s: %q was sent", name, sent)
		}
	}
}

func TestS4PreauthIsRefusedEverywhere(t *testing.T) {
	f := newFake(t, nil)
	f.greeting = "* PREAUTH [CAPABILITY IMAP4rev1] welcome, whoever you are\r\n"
	f.start()
	if _, err := Open(context.Background(), f.options()); !errors.Is(err, ErrPreauth) {
		t.Errorf("%v", err)
	}
	if sent := f.sent(""); len(sent) > 0 {
		t.Errorf("%q was sent", sent)
	}
}

// S6: capabilities from before the login do not count after it.
func TestS6CapabilitiesAfterLogin(t *testing.T) {
	f := newFake(t, map[string]string{"AUTHENTICATE": "%s OK in\r\n", "CAPABILITY": "* CAPABILITY IMAP4rev1 MOVE\r\n%s OK\r\n"})
	f.greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS] x\r\n"
	a := f.start().account()
	err := a.once(context.Background(), "", func(s *session) error {
		if !s.caps["MOVE"] || s.caps["UIDPLUS"] {
			t.Errorf("%v", s.caps)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A server that does not take the password along with AUTHENTICATE asks for it, in whatever words. RFC 4616 has none.
func TestChallenge(t *testing.T) {
	for _, challenge := range []string{"+ \r\n", "+\r\n", "+ go ahead\r\n", "+  \r\n"} {
		f := newFake(t, map[string]string{"AUTHENTICATE": challenge, "AG1lAHMz": "%s OK in\r\n"})
		f.greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n"
		if a, err := Open(t.Context(), f.start().options()); err != nil {
			t.Errorf("%q: %v", challenge, err)
		} else {
			_ = a.Close()
		}
	}
}

// S17: the password is in no error, also when the server sends it back, and in no trace.
func TestS17PasswordStaysSecret(t *testing.T) {
	for _, mechanism := range []string{"AUTH=PLAIN SASL-IR", "AUTH=PLAIN", ""} {
		f := newFake(t, map[string]string{
			"AUTHENTICATE": "%s NO no " + secret + "\r\n", "AUTHENTICATE PLAIN": "%s NO no " + secret + "\r\n", "LOGIN": "%s NO no " + secret + "\r\n",
		})
		f.greeting = "* OK [CAPABILITY IMAP4rev1 " + mechanism + "] x\r\n"
		f.start()
		o := f.options()
		var trace strings.Builder
		o.Trace = wire.NewTraceWriter(&trace)
		_, err := Open(context.Background(), o)
		if !errors.Is(err, mailbox.ErrAuth) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", mechanism, err)
		}
		if strings.Contains(trace.String(), secret) {
			t.Errorf("%q: the trace says %s", mechanism, trace.String())
		}
	}
}

// A server that waits to be greeted, as one does that wants TLS first, is told from one that is out of reach.
func TestSilentServer(t *testing.T) {
	f := newFake(t, nil)
	f.greeting = ""
	o := f.start().options()
	o.Timeout, o.Tries = 20*time.Millisecond, 1
	if _, err := Open(t.Context(), o); !errors.Is(err, mailbox.ErrTemporary) || !strings.Contains(err.Error(), "no greeting came; are host, port and tls right?") {
		t.Errorf("got %v", err)
	}
}

// Without a password the server is not asked.
func TestNoPassword(t *testing.T) {
	f := newFake(t, nil)
	o := f.start().options()
	o.Password = func(context.Context) (string, error) { return "", errors.New("the safe is closed") }
	_, err := Open(t.Context(), o)
	if !errors.Is(err, mailbox.ErrAuth) || !errors.As(err, new(*PasswordError)) || len(f.sent("AUTHENTICATE"))+len(f.sent("LOGIN")) > 0 {
		t.Errorf("got %v; the server got %q", err, f.sent(""))
	}
}

func TestLoginDisabled(t *testing.T) {
	f := newFake(t, nil)
	f.greeting = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x\r\n"
	if _, err := Open(context.Background(), f.start().options()); !errors.Is(err, mailbox.ErrAuth) || len(f.sent("LOGIN")) > 0 {
		t.Errorf("%v, %q", err, f.sent("LOGIN"))
	}
}

func TestTooManyConnectionsShrinkThePool(t *testing.T) {
	f := newFake(t, nil)
	o := f.start().options()
	o.Connections = 4
	a, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	f.say("AUTHENTICATE", "%s NO [LIMIT] Too many simultaneous connections\r\n")
	ctx := context.Background()
	first, err := a.acquire(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.once(ctx, "", func(*session) error { return nil }) }()
	for a.Parallel() != 1 {
		time.Sleep(time.Millisecond)
	}
	a.release(first)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// M2, S14: a server that dies while a body comes costs nothing: the rest comes over the next connection.
func TestFetchGoesOnAfterACut(t *testing.T) {
	f := newFake(t, map[string]string{
		"SELECT":    selected(1, 9, 2, "5"),
		"UID FETCH": "* 1 FETCH (UID 1 BODY[] {5}\r\nfirst)\r\n* 2 FETCH (UID 2 BODY[] {6}\r\nse",
	})
	cut := false
	o := f.start().options()
	o.Timeout = 200 * time.Millisecond
	a, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	got := map[mailbox.ID]string{}
	err = a.Fetch(context.Background(), "INBOX", []mailbox.ID{"1", "2"}, func(id mailbox.ID, r io.Reader) error {
		b, err := io.ReadAll(r)
		if err != nil {
			cut = true
			f.say("UID FETCH", "* 2 FETCH (UID 2 BODY[] {6}\r\nsecond)\r\n%s OK\r\n")
			return err
		}
		got[id] += string(b)
		return nil
	}, func(id mailbox.ID, err error) { t.Errorf("message %s: %v", id, err) })
	if err != nil || !cut || got["1"] != "first" || got["2"] != "second" {
		t.Errorf("%v, cut %v, %v", got, cut, err)
	}
}

// TestS9Fingerprint accepts a certificate that no authority vouches for if it is the one that was named, and refuses all
// others, good ones too.
func TestS9Fingerprint(t *testing.T) {
	for _, security := range []Security{Implicit, StartTLS} {
		ca := newCA(t)
		self, err := ca.Issue(imaptest.CertRequest{Hosts: []string{"elsewhere.example"}, NotAfter: time.Now().Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		good, err := ca.Issue(imaptest.CertRequest{})
		if err != nil {
			t.Fatal(err)
		}
		pin := Fingerprint(sha256.Sum256(self.Certificate[0]))
		for _, tt := range []struct {
			name string
			cert tls.Certificate
			ok   bool
		}{{"the one that was named", self, true}, {"another one, which is good", good, false}} {
			f := newFake(t, nil)
			f.cert, f.implicit = &tt.cert, security == Implicit
			f.start()
			o := f.options()
			o.Security, o.RootCAs, o.Fingerprints = security, ca.Pool, []Fingerprint{pin}
			a, err := Open(context.Background(), o)
			if tt.ok {
				if err != nil {
					t.Errorf("%s, %s: %v", tt.name, security, err)
					continue
				}
				_ = a.Close()
				continue
			}
			var refused *CertificateError
			if !errors.Is(err, ErrTLS) || !errors.As(err, &refused) || refused.Fingerprint() != Fingerprint(sha256.Sum256(good.Certificate[0])) {
				t.Errorf("%s, %s: %v", tt.name, security, err)
			}
			if sent := append(f.sent("AUTH"), f.sent("LOGIN")...); len(sent) > 0 {
				t.Errorf("%s, %s: sent %q", tt.name, security, sent)
			}
		}
	}
}

// TestS9Resumption looks at the certificate also where a session is resumed, which skips the usual checks.
func TestS9Resumption(t *testing.T) {
	ca := newCA(t)
	cert, err := ca.Issue(imaptest.CertRequest{})
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	cache := tls.NewLRUClientSessionCache(1)
	resumed := false
	for i, allowed := range []Fingerprint{Fingerprint(sha256.Sum256(cert.Certificate[0])), Fingerprint(sha256.Sum256(cert.Certificate[0])), {1}} {
		a := &Account{options: Options{Host: "localhost", Fingerprints: []Fingerprint{allowed}}}
		config := a.tlsConfig()
		config.ClientSessionCache, config.NextProtos = cache, nil
		near, far := net.Pipe()
		go func() {
			c := tls.Server(far, server)
			if c.Handshake() == nil {
				_, _ = c.Write([]byte("x")) // with it comes the ticket
			}
		}()
		client := tls.Client(near, config)
		err := client.HandshakeContext(t.Context())
		if (err == nil) != (i < 2) {
			t.Errorf("connection %d: %v", i, err)
		}
		if err == nil {
			_, _ = client.Read(make([]byte, 1))
		}
		resumed = resumed || client.ConnectionState().DidResume
		_ = near.Close()
	}
	if !resumed {
		t.Error("no session was resumed, so nothing was tried")
	}
}

func TestParseFingerprint(t *testing.T) {
	f := Fingerprint(sha256.Sum256(nil))
	colons := ""
	for i, b := range f {
		if i > 0 {
			colons += ":"
		}
		colons += fmt.Sprintf("%02X", b)
	}
	for text, ok := range map[string]bool{
		f.String(): true, "SHA256:" + colons: true, "sha256:12": false, strings.TrimPrefix(f.String(), "sha256:"): false, "": false,
	} {
		got, err := ParseFingerprint(text)
		if (err == nil) != ok || (ok && got != f) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// A name that nobody knows is asked for once, and may be known the next time.
func TestUnknownHost(t *testing.T) {
	tries := 0
	o := Options{
		Host: "nowhere.invalid", Security: Implicit, Pause: time.Millisecond,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			tries++
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "nowhere.invalid", IsNotFound: true}}
		},
	}
	if _, err := Open(t.Context(), o); tries != 1 || !errors.Is(err, mailbox.ErrTemporary) || !strings.Contains(err.Error(), "is host right") {
		t.Errorf("%d tries: %v", tries, err)
	}
}
