package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// S5: whatever does not greet as IMAP servers do is sent nothing.
func TestS5Greetings(t *testing.T) {
	for _, tt := range []struct {
		said string
		want error
		kind string
	}{
		{said: "* OK hello\r\n", kind: "OK"},
		{said: "* ok [CAPABILITY IMAP4rev1] hello\r\n", kind: "OK"},
		{said: "* BYE too many\r\n", kind: "BYE"},
		{said: "* PREAUTH welcome\r\n", kind: "PREAUTH"},
		{said: "* NO\r\n", kind: "NO", want: ErrGreeting},
		{said: "* 1 EXISTS\r\n", kind: "1", want: ErrGreeting},
		{said: "HTTP/1.1 400 Bad Request\r\n", want: ErrGreeting},
		{said: "+ go\r\n", want: ErrGreeting},
		{said: "\r\n", want: ErrGreeting},
		{said: "* OK without a line end", want: mailbox.ErrTemporary},
		{said: "", want: mailbox.ErrTemporary},
	} {
		c, f := connect(t, Options{Silence: 30 * time.Millisecond})
		f.say(tt.said)
		status, err := c.Greeting(context.Background())
		if !errors.Is(err, tt.want) || status.Kind != tt.kind || (err != nil) != (c.Err() != nil) {
			t.Errorf("%q: %+v, %v, the connection: %v", tt.said, status, err, c.Err())
		}
		if err := c.Close(); err == nil && tt.want != nil {
			t.Errorf("%q: the connection was left open", tt.said)
		}
		if sent, err := io.ReadAll(f.br); len(sent) > 0 || err != nil {
			t.Errorf("%q: %q was sent, %v", tt.said, sent, err)
		}
	}
}

func TestGreetingEndsWithItsContext(t *testing.T) {
	c, _ := connect(t, Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Greeting(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// S1, S2, S3: TLS begins, or nothing goes on.
func TestS1S2S3StartTLS(t *testing.T) {
	const injected = "* CAPABILITY IMAP4rev1 AUTH=EVIL\r\n"
	for _, tt := range []struct {
		name, before, answer, later string
		want                        error
	}{
		{name: "started", answer: "%s OK begin\r\n"},
		{name: "started after something else", answer: "* OK wait\r\n* CAPABILITY X\r\n%s OK begin\r\n"},
		{name: "NO", answer: "%s NO [UNAVAILABLE] later\r\n", want: ErrNoStartTLS},
		{name: "BAD", answer: "%s BAD what\r\n", want: ErrNoStartTLS},
		{name: "BYE", answer: "* BYE\r\n", want: mailbox.ErrTemporary},
		{name: "nothing", want: mailbox.ErrTemporary},
		{name: "injected in one packet", answer: "%s OK begin\r\n" + injected, want: ErrInjected},
		{name: "injected before the handshake", answer: "%s OK begin\r\n", later: injected, want: errNoTLS},
		{name: "answered before it was asked", before: "S1 OK\r\n", want: ErrInjected},
		{name: "a guessed tag", answer: "S1 OK\r\n", want: errTag},
		{name: "a tag that is too short", answer: "S OK\r\n", want: errTag},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, f := connect(t, Options{Silence: 300 * time.Millisecond})
			roots, config := certificate(t)
			go func() {
				f.say("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hello\r\n" + tt.before)
				line, _ := f.br.ReadString('\n') // if the line was cut, so will be the answer
				f.say(strings.ReplaceAll(tt.answer, "%s", strings.Fields(line + " -")[0]))
				switch {
				case tt.later != "":
					time.Sleep(50 * time.Millisecond)
					f.say(tt.later)
				case tt.answer == "" || strings.HasPrefix(tt.answer, "* BYE"):
					_ = f.conn.Close()
				default:
					f.conn = tls.Server(f.conn, config)
					f.say("* OK [CAPABILITY IMAP4rev1 INSIDE] hello\r\n")
				}
			}()
			if _, err := c.Greeting(context.Background()); err != nil {
				t.Fatal(err)
			}
			err := c.StartTLS(context.Background(), &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12})
			if errors.As(err, new(tls.RecordHeaderError)) {
				err = errNoTLS
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if _, protected := c.TLS(); protected != (tt.want == nil) || (c.Err() == nil) != protected {
				t.Errorf("protected: %v, the connection: %v", protected, c.Err())
			}
			if caps := c.Caps(); err == nil && caps != nil { // S6
				t.Errorf("capabilities from before: %q", caps)
			}
		})
	}
}

// errNoTLS stands for what crypto/tls says of something that is not TLS.
var errNoTLS = errors.New("no TLS")

// certificate returns a server's certificate for example.com, and who signed it.
func certificate(t *testing.T) (*x509.CertPool, *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return roots, &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12}
}
