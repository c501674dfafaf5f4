package wire

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// Errors of the first steps. None of them is worth another try.
var (
	// ErrGreeting means that whatever answered is no IMAP server.
	ErrGreeting = errors.New("the server's greeting is not one of IMAP")
	// ErrNoStartTLS means that the server does not start TLS, so that nothing secret may be sent.
	ErrNoStartTLS = errors.New("the server does not start TLS")
	// ErrInjected means that somebody put plain text where the TLS handshake was to begin.
	ErrInjected = errors.New("plain text came after STARTTLS; somebody may be tampering with the connection")
)

// Greeting reads the server's greeting, before HandOver: OK, PREAUTH or BYE.
//
// Source: RFC 9051, section 7.1.
func (c *Conn) Greeting(ctx context.Context) (Status, error) {
	stop := context.AfterFunc(ctx, func() { c.fail(ctx.Err()) }) //nolint:errcheck // the reader sees it
	defer stop()
	if err := c.p.begin(); err != nil {
		return Status{}, c.fail(err)
	}
	if !bytes.HasPrefix(c.p.seg, []byte("* ")) {
		return Status{}, errors.Join(fmt.Errorf("%w: %.80q", ErrGreeting, c.p.seg), c.Close())
	}
	c.p.seg = c.p.seg[2:]
	status := parseStatus(string(c.p.word()), c.p.seg)
	switch status.Kind {
	case "OK", "PREAUTH", "BYE":
	default:
		return status, errors.Join(fmt.Errorf("%w: %.80q", ErrGreeting, status.Kind), c.Close())
	}
	if status.Code == "CAPABILITY" {
		c.learn(capWords(status.Args))
	}
	return status, nil
}

// StartTLS begins TLS on a connection in clear, before HandOver. Its tag cannot be foreseen, so that nobody can send
// the answer in advance; octets that came before the handshake are an attack. All that was learnt in clear is forgotten.
//
// Source: RFC 9051, section 6.2.1.
func (c *Conn) StartTLS(ctx context.Context, config *tls.Config) error {
	if err := c.askStartTLS(ctx); err != nil {
		return errors.Join(err, c.Close())
	}
	if c.p.br.Buffered() > 0 {
		return errors.Join(ErrInjected, c.Close())
	}
	conn := tls.Client(c.raw, config)
	if err := c.raw.SetDeadline(time.Now().Add(c.options.Silence)); err != nil {
		return errors.Join(err, c.Close())
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return errors.Join(err, c.Close())
	}
	c.mu.Lock()
	c.raw, c.stream = conn, &meter{Conn: conn, traffic: c.options.Traffic}
	c.mu.Unlock()
	c.ForgetCaps()
	return conn.SetDeadline(time.Time{})
}

func (c *Conn) askStartTLS(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.fail(ctx.Err()) }) //nolint:errcheck // the reader sees it
	defer stop()
	tag := "S" + rand.Text()[:16]
	if c.options.Trace != nil {
		c.options.Trace.sentCommand(tag+" STARTTLS", "STARTTLS")
	}
	if c.p.br.Buffered() > 0 {
		return ErrInjected
	}
	if _, err := c.send([]byte(tag + " STARTTLS\r\n")); err != nil {
		return c.fail(err)
	}
	for {
		if err := c.p.begin(); err != nil {
			return c.fail(err)
		}
		if bytes.HasPrefix(c.p.seg, []byte("* ")) {
			if err := c.p.finish(); err != nil {
				return c.fail(err)
			}
			continue
		}
		if got := string(c.p.word()); got != tag {
			return fmt.Errorf("%w: %.80q", errTag, got)
		}
		c.p.space()
		if status := parseStatus(string(c.p.word()), c.p.seg); status.Kind != "OK" {
			return fmt.Errorf("%w: %s %s", ErrNoStartTLS, status.Kind, status.Text)
		}
		return nil
	}
}
