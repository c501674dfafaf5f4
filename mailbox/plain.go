package mailbox

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
)

// Plain reads a message in canonical form and returns the digests that it may have had before mbsync or offlineimap
// stored it: without what they put into the header, and the same without the end of the last line. Without a Message-ID
// nothing is known of that end, so that both are the same.
func Plain(r io.Reader) (digests [2]Digest, err error) {
	br := bufio.NewReaderSize(r, maxHeader)
	header, err := br.Peek(maxHeader)
	if err != nil && !errors.Is(err, io.EOF) {
		return digests, err
	}
	if end := headerEnd(header, 0); end >= 0 {
		header = header[:end]
	}
	named := MessageID(header) != ""
	whole := sha256.New()
	whole.Write(untagged(bytes.Clone(header)))
	if _, err := br.Discard(len(header)); err != nil {
		return digests, err
	}
	last := &holdBack{w: whole}
	if _, err := io.Copy(last, br); err != nil {
		return digests, err
	}
	whole.Sum(digests[1][:0])
	whole.Write(last.held)
	whole.Sum(digests[0][:0])
	if !named || string(last.held) != "\r\n" {
		digests[1] = digests[0]
	}
	return digests, nil
}

// A holdBack hands on all but the last two octets.
type holdBack struct {
	w    io.Writer
	held []byte
}

// Write takes the next octets.
func (h *holdBack) Write(p []byte) (int, error) {
	all := append(h.held, p...) //nolint:gocritic // a buffer of its own each time
	keep := max(0, len(all)-2)
	_, err := h.w.Write(all[:keep])
	h.held = bytes.Clone(all[keep:])
	return len(p), err
}
