package mailbox

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"slices"
)

// A Plainer computes the digests that a message may have had before mbsync or offlineimap stored it, from its canonical
// form, written to it in pieces of any size. Its Write never fails. Use NewPlainer.
type Plainer struct {
	whole  hash.Hash
	header []byte // until it is complete
	begun  bool   // the header is in whole
	named  bool   // it has a Message-ID
	last   []byte // the last two octets, which are not in whole
}

// NewPlainer returns a Plainer that has seen nothing yet.
func NewPlainer() *Plainer { return &Plainer{whole: sha256.New()} }

// Write takes the next octets.
func (p *Plainer) Write(b []byte) (int, error) {
	if p.begun {
		p.body(b)
		return len(b), nil
	}
	p.header = append(p.header, b...)
	end := headerEnd(p.header, 0)
	if end < 0 && len(p.header) >= maxHeader {
		end = maxHeader
	}
	if end >= 0 {
		p.begin(min(end, maxHeader))
	}
	return len(b), nil
}

// begin takes the header, which ends there, as it was.
func (p *Plainer) begin(end int) {
	header, rest := p.header[:end], p.header[end:]
	p.begun, p.header = true, nil
	p.named = MessageID(header) != ""
	p.body(untagged(header))
	p.body(rest)
}

func (p *Plainer) body(b []byte) {
	all := slices.Concat(p.last, b)
	keep := max(0, len(all)-2)
	p.whole.Write(all[:keep])
	p.last = bytes.Clone(all[keep:])
}

// Digests returns that of the message without what was put into its header, and of the same without the end of its last
// line. Without a Message-ID nothing is known of that end, and both are the same. Nothing may be written afterwards.
func (p *Plainer) Digests() (digests [2]Digest) {
	if !p.begun {
		p.begin(min(len(p.header), maxHeader))
	}
	p.whole.Sum(digests[1][:0])
	p.whole.Write(p.last)
	p.whole.Sum(digests[0][:0])
	if !p.named || string(p.last) != "\r\n" {
		digests[1] = digests[0]
	}
	return digests
}
