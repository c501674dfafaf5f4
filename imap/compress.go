package imap

import (
	"context"
	"errors"
	"net"

	"mailtwin/imap/wire"
)

// Compression says whether connections are compressed where the server can do that.
type Compression string

// When to compress.
const (
	CompressAfar  Compression = ""   // unless the server is on this machine, where it only costs time
	CompressOn    Compression = "on" // always
	CompressNever Compression = "off"
)

// muchOctets is from how much on an exchange is worth the round trip that it takes to agree on compression.
const muchOctets = 64 << 10

// What a message costs of each kind, about.
const (
	bodyOctets   = 8 << 10
	headerOctets = 1 << 10
	metaOctets   = 128
)

// squeeze has the connection compressed from now on, if much is to come, and that can be done. Nothing may be in flight.
//
// Source: RFC 4978.
func (s *session) squeeze(ctx context.Context, octets int64) error {
	if octets < muchOctets || !s.caps["COMPRESS=DEFLATE"] || !s.account.compresses(s.conn.RemoteAddr()) {
		return nil
	}
	delete(s.caps, "COMPRESS=DEFLATE") // asked once: the answer holds for the connection
	_, err := s.conn.Compress(ctx)
	return err
}

func (a *Account) compresses(server net.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.plain || a.options.Compress != CompressAfar {
		return !a.plain && a.options.Compress == CompressOn
	}
	tcp, ok := server.(*net.TCPAddr)
	return !ok || !tcp.IP.IsLoopback()
}

// distrust goes on without compression, if that is what ended a connection.
func (a *Account) distrust(err error) {
	if !errors.Is(err, wire.ErrCompression) {
		return
	}
	a.mu.Lock()
	told := a.plain
	a.plain = true
	a.mu.Unlock()
	if !told {
		a.options.Report("the server's compression does not work, so it is done without; compress = false in the configuration saves the wait")
	}
}
