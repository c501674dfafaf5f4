package wire

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// ErrCompression means that what the server compressed cannot be read, or does not come through in time: some servers
// flush in a way that a decompressor in Go does not see. Another connection does better without. It comes together with
// mailbox.ErrTemporary.
var ErrCompression = errors.New("the server's compression cannot be followed")

// A squeezer compresses both directions. The bounds of the layer hold for what it inflates.
type squeezer struct {
	in    io.Reader
	out   *flate.Writer
	under *meter
	used  int64 // of what came beneath, how much came before the last octet that was inflated
}

// A meter counts what goes over the network.
type meter struct {
	net.Conn
	traffic *Traffic
	read    int64 // touched only by the reader
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.traffic.wireIn.Add(int64(n))
	m.read += int64(n)
	return n, err
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.Conn.Write(p)
	m.traffic.wireOut.Add(int64(n))
	return n, err
}

// Compress has both directions compressed from now on. Nothing may be in flight. A server that does not want to is a
// Status.
//
// Source: RFC 4978, section 3.
func (c *Conn) Compress(ctx context.Context) (Status, error) {
	status, err := c.Exec(ctx, nil, Cmd("COMPRESS").Atom("DEFLATE"))
	if err != nil {
		return Status{}, err
	}
	return status[0], nil
}

// squeeze begins the compression as soon as the server has agreed, in the goroutine that reads. What is read already is
// compressed, too: some servers flush at once, though they have nothing to say.
func (c *Conn) squeeze() error {
	early := make([]byte, c.p.br.Buffered())
	if _, err := io.ReadFull(c.p.br, early); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	under := &meter{Conn: c.raw, traffic: c.options.Traffic}
	out, err := flate.NewWriter(under, flate.BestSpeed)
	if err != nil {
		return err
	}
	c.stream = &squeezer{in: flate.NewReader(io.MultiReader(bytes.NewReader(early), under)), out: out, under: under}
	return nil
}

func (z *squeezer) Read(p []byte) (int, error) {
	n, err := z.in.Read(p)
	var corrupt flate.CorruptInputError
	stuck := z.under.read > z.used && errors.Is(err, os.ErrDeadlineExceeded)
	if errors.As(err, &corrupt) || stuck {
		return n, fmt.Errorf("%w: %w", ErrCompression, err)
	}
	if n > 0 {
		z.used = z.under.read
	}
	return n, err
}

// Write compresses, and brings all of it on its way.
func (z *squeezer) Write(p []byte) (int, error) {
	n, err := z.out.Write(p)
	if err == nil {
		err = z.out.Flush()
	}
	return n, err
}
