package imap

import (
	"context"
	"crypto/x509"
	"net"
	"strconv"
	"time"

	"mailtwin/imap/wire"
)

// Security says how a connection is protected.
type Security string

// The kinds of protection.
const (
	Implicit Security = "implicit" // TLS from the first octet
	StartTLS Security = "starttls" // TLS after the greeting, or nothing at all
	Plain    Security = "none"     // none; for loopback addresses
)

// DefaultConnections is how many connections an account uses at once if nothing else is said.
const DefaultConnections = 4

// Options say which account this is and how to reach it.
type Options struct {
	Host     string
	Port     int
	Security Security
	RootCAs  *x509.CertPool // nil: the system's
	// Fingerprints, if there are any, name the only certificates that are accepted, whatever authorities say of them.
	Fingerprints []Fingerprint
	User         string
	// Password returns the secret. It is asked at every login.
	Password func(context.Context) (string, error)
	// Token, if there is one, takes the place of Password: it returns an OAuth access token. refused is one that the
	// server has not taken, else empty. Its errors are returned as they are.
	Token func(ctx context.Context, refused string) (string, error)
	// ReadOnly opens every mailbox with EXAMINE. Calls that would change anything on the server are ErrReadOnly then, and
	// send nothing.
	ReadOnly bool
	// Prefix is what Account.Prefix told before; nil if it never did. The server is not asked again then.
	Prefix      *string
	Compress    Compression
	Traffic     *wire.Traffic     // counts what comes and goes; may be nil
	Connections int               // at most so many at once; 0 means DefaultConnections
	Timeout     time.Duration     // of silence; 0 means a minute
	Trace       *wire.TraceWriter // may be nil
	Report      func(string)      // told of what was skipped; the text is foreign. May be nil
	// Dial makes the network connection; a net.Dialer with Timeout by default.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Tries is how often something that may be repeated is begun before a transient fault ends it, and Pause how long
	// the first wait between two is. 0 means 5 and half a second.
	Tries int
	Pause time.Duration
}

func (o *Options) defaults() {
	if o.Connections == 0 {
		o.Connections = DefaultConnections
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Traffic == nil {
		o.Traffic = new(wire.Traffic)
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: o.Timeout}).DialContext
	}
	if o.Tries == 0 {
		o.Tries = 5
	}
	if o.Pause == 0 {
		o.Pause = 500 * time.Millisecond
	}
	if o.Port == 0 {
		o.Port = map[Security]int{Implicit: 993, StartTLS: 143, Plain: 143}[o.Security]
	}
}

func (o *Options) address() string { return net.JoinHostPort(o.Host, strconv.Itoa(o.Port)) }
