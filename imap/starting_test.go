package imap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// selfSigned makes a certificate that nobody vouches for, or, with itself as root, only its maker.
func selfSigned(t *testing.T, change func(*x509.Certificate)) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// secured is a fake, not yet started, that speaks TLS with this certificate, and how to reach it by the name of
// localhost.
func secured(t *testing.T, security Security, cert *tls.Certificate, roots *x509.CertPool) (*fake, Options) {
	t.Helper()
	f := newFake(t, nil)
	f.cert, f.implicit = cert, security == Implicit
	o := f.options()
	o.Host, o.Security, o.RootCAs, o.Timeout, o.Tries = "localhost", security, roots, 2*time.Second, 1
	return f, o
}

// open starts the fake and connects to it.
func (f *fake) open(o Options) (*Account, error) {
	f.start()
	return Open(f.t.Context(), o)
}

func (f *fake) logins() []string { return append(f.sent("AUTHENTICATE"), f.sent("LOGIN")...) }

// S8: a certificate that names itself, no host, or only an address is refused with the cause, and so is one that the
// server shows at a later connection.
func TestS8OddCertificates(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*x509.Certificate)
		trusted bool
		want    string
	}{
		{"self-signed", func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} }, false, "authority that is not known"},
		{"no SAN", func(*x509.Certificate) {}, true, "Common Name"},
		{"an address alone", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }, true, "another host"},
		{"fine", func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} }, true, ""},
	} {
		for _, security := range []Security{Implicit, StartTLS} {
			cert, roots := selfSigned(t, tt.change)
			if !tt.trusted {
				roots = newCA(t).Pool
			}
			f, o := secured(t, security, cert, roots)
			a, err := f.open(o)
			if tt.want != "" {
				if !errors.Is(err, ErrTLS) || !strings.Contains(err.Error(), tt.want) || len(f.logins()) > 0 {
					t.Errorf("%s, %s: %v, sent %q", tt.name, security, err, f.logins())
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, %s: %v", tt.name, security, err)
				continue
			}
			another, _ := selfSigned(t, tt.change)
			f.mu.Lock()
			f.cert = another
			f.mu.Unlock()
			f.say("LIST", "") // it hangs up
			if _, err := a.Mailboxes(t.Context()); !errors.Is(err, mailbox.ErrTemporary) {
				t.Errorf("%s: the line was cut: %v", security, err)
			}
			if _, err := a.Mailboxes(t.Context()); !errors.Is(err, ErrTLS) || len(f.logins()) != 1 {
				t.Errorf("%s: connected again: %v, sent %q", security, err, f.logins())
			}
			_ = a.Close() // it has no connection
		}
	}
}

// S4, S5: whatever the greeting is that is not one, nothing follows it, in each way of protection.
func TestS4S5NoGreeting(t *testing.T) {
	cert, roots := selfSigned(t, func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} })
	for greeting, want := range map[string]error{
		"* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n": ErrPreauth, "HTTP/1.1 400 Bad Request\r\n\r\n": wire.ErrGreeting, "* NO\r\n": wire.ErrGreeting,
		"\x16\x03\x01\x00\x05garbage\r\n": wire.ErrGreeting, "* BYE full\r\n": mailbox.ErrTemporary, "+ go\r\n": wire.ErrGreeting, "T1 OK hello\r\n": wire.ErrGreeting,
	} {
		for _, security := range []Security{Plain, StartTLS, Implicit} {
			f, o := secured(t, security, cert, roots)
			f.greeting = greeting
			if _, err := f.open(o); !errors.Is(err, want) || len(f.sent("")) > 0 {
				t.Errorf("%q, %s: %v, sent %q", greeting, security, err, f.sent(""))
			}
		}
	}
}

// S1: a server that does not announce STARTTLS is given nothing secret, and nothing in clear.
func TestS1NotAnnounced(t *testing.T) {
	cert, roots := selfSigned(t, func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} })
	for _, answer := range []string{"%s BAD what\r\n", "%s NO\r\n", "* BYE\r\n", "", silence} {
		f, o := secured(t, StartTLS, cert, roots)
		f.greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n"
		f.say("STARTTLS", answer)
		o.Timeout = 100 * time.Millisecond
		if _, err := f.open(o); err == nil {
			t.Errorf("%q: it went on", answer)
		}
		for _, command := range f.sent("") {
			if command != "STARTTLS" {
				t.Errorf("%q: %q was sent", answer, command)
			}
		}
	}
}

// S6: what was announced in clear does not count inside TLS.
func TestS6CapabilitiesInClear(t *testing.T) {
	ca := newCA(t)
	cert, err := ca.Issue(imaptest.CertRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ clear, inside, login string }{
		{"LOGINDISABLED AUTH=X", "AUTH=PLAIN SASL-IR", "AUTHENTICATE PLAIN"},
		{"AUTH=PLAIN SASL-IR", "", "LOGIN"},
		{"AUTH=PLAIN SASL-IR UIDPLUS", "LOGINDISABLED", ""},
	} {
		f, o := secured(t, StartTLS, &cert, ca.Pool)
		f.greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS " + tt.clear + "] hello\r\n"
		f.say("CAPABILITY", "* CAPABILITY IMAP4rev1 "+tt.inside+"\r\n%s OK\r\n")
		a, err := f.open(o)
		if (err == nil) != (tt.login != "") || err != nil && !errors.Is(err, mailbox.ErrAuth) {
			t.Errorf("%q, %q inside: %v", tt.clear, tt.inside, err)
		}
		if logins := f.logins(); len(logins) > 0 && (tt.login == "" || !strings.HasPrefix(logins[0], tt.login)) {
			t.Errorf("%q, %q inside: sent %q", tt.clear, tt.inside, logins)
		}
		if err == nil {
			_ = a.Close() // nothing was asked for
		}
	}
}

// S3: answers that come with the greeting, to commands that nobody has sent, end the run before it is secured, and
// pass for no login.
func TestS3AnswersWithTheGreeting(t *testing.T) {
	cert, roots := selfSigned(t, func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} })
	for _, security := range []Security{Plain, StartTLS, Implicit} {
		f, o := secured(t, security, cert, roots)
		var answers strings.Builder
		for _, tag := range []string{"T1", "T2", "X1", "X2", "A1", "a1", "S1", "1"} {
			answers.WriteString(tag + " OK [CAPABILITY IMAP4rev1] in\r\n")
		}
		f.greeting = usualGreeting + answers.String()
		if a, err := f.open(o); err == nil {
			t.Errorf("%s: it went on", security)
			_ = a.Close() // it should not be there
		}
		if security == StartTLS && len(f.logins()) > 0 {
			t.Errorf("%s: %q was sent", security, f.logins())
		}
	}
}
