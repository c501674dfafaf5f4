package mailbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// A Digest is the SHA-256 of a message in canonical form. Zero means unknown.
type Digest [sha256.Size]byte

// IsZero tells whether the digest is unknown.
func (d Digest) IsZero() bool { return d == Digest{} }

// String returns the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// A Hint narrows the search for a message that might be known elsewhere. Equal content has equal hints; equal hints
// prove nothing. Zero means that there is none.
type Hint uint64

// Content is what identifies a message by what it says, wherever it lies.
type Content struct {
	Digest    Digest // of the whole message
	Header    Digest // of the header with its closing blank line
	Size      int64  // octets
	Tag       int64  // octets of the X-TUID field that mbsync put into the header; 0 if there is none
	Untagged  Digest // of the header without that field; zero if there is none
	MessageID string // as it stands in the header, with its angle brackets; empty if there is none
	AccountID string // the server's own name for the message, the same in all mailboxes; empty if it has none
}

// Hint returns the search key of the content: the account-wide id if there is one, else the Message-ID, else the
// size, without mbsync's tag.
func (c Content) Hint() Hint { return MakeHint(c.AccountID, c.MessageID, c.Size-c.Tag) }

// HasSize tells whether a message of that size may be this one, as it is or without mbsync's tag.
func (c Content) HasSize(octets int64) bool { return c.Size == octets || c.Size-c.Tag == octets }

// HasHeader tells whether the message has that header and size, as it is or without mbsync's tag.
func (c Content) HasHeader(header Digest, octets int64) bool {
	return c.Header == header && c.Size == octets || c.Tag > 0 && c.Untagged == header && c.Size-c.Tag == octets
}

// MakeHint returns the hint of a message of which these three are known.
func MakeHint(accountID, messageID string, size int64) Hint {
	var sum [sha256.Size]byte
	switch {
	case accountID != "":
		sum = sha256.Sum256([]byte("account\x00" + accountID))
	case messageID != "":
		sum = sha256.Sum256([]byte("message\x00" + messageID))
	default:
		sum = sha256.Sum256(binary.BigEndian.AppendUint64([]byte("size\x00"), uint64(size)))
	}
	return Hint(binary.BigEndian.Uint64(sum[:]))
}

// maxHeader bounds how far a Summer looks for the end of the header and for the Message-ID, in octets.
const maxHeader = 64 << 10

// A Summer computes the Content of a message from its canonical form, written to it in pieces of any size. Its Write
// never fails. Use NewSummer.
type Summer struct {
	whole  hash.Hash
	header []byte // until its end was seen, at most maxHeader
	done   bool   // the header is complete
	sum    Content
}

// NewSummer returns a Summer that has seen nothing yet.
func NewSummer() *Summer { return &Summer{whole: sha256.New()} }

// Write takes the next octets.
func (s *Summer) Write(p []byte) (int, error) {
	s.whole.Write(p)
	s.sum.Size += int64(len(p))
	if !s.done {
		s.takeHeader(p)
	}
	return len(p), nil
}

func (s *Summer) takeHeader(p []byte) {
	before := len(s.header)
	s.header = append(s.header, p[:min(len(p), maxHeader-before)]...)
	if end := headerEnd(s.header, before); end >= 0 {
		s.header = s.header[:end]
		s.done = true
	} else if len(s.header) == maxHeader {
		s.done = true
	}
}

// headerEnd returns the length of the header with its blank line, or -1 if the blank line has not come yet. Octets
// before from-3 were searched already.
func headerEnd(p []byte, from int) int {
	if bytes.HasPrefix(p, []byte("\r\n")) {
		return 2
	}
	start := max(0, from-3)
	if i := bytes.Index(p[start:], []byte("\r\n\r\n")); i >= 0 {
		return start + i + 4
	}
	return -1
}

// Content returns what was learnt. More may be written afterwards.
func (s *Summer) Content() Content {
	c := s.sum
	s.whole.Sum(c.Digest[:0])
	c.Header = sha256.Sum256(s.header)
	c.MessageID = MessageID(s.header)
	if start, end := tag(s.header); end > start {
		c.Tag = int64(end - start)
		c.Untagged = sha256.Sum256(append(bytes.Clone(s.header[:start]), s.header[end:]...))
	}
	return c
}

// tag finds the line with which mbsync marks each message that it stores, from its start to behind its end; 0, 0 if
// there is none.
func tag(header []byte) (start, end int) {
	field := []byte("X-TUID: ")
	if !bytes.HasPrefix(header, field) {
		if start = bytes.Index(header, append([]byte("\r\n"), field...)) + 2; start < 2 {
			return 0, 0
		}
	}
	n := bytes.Index(header[start:], []byte("\r\n"))
	if n < 0 {
		return 0, 0
	}
	return start, start + n + 2
}

// MessageID finds the Message-ID field in a header in canonical form and returns its value, unfolded and trimmed;
// empty if there is none. It looks at nothing else, for parsers of mail headers are where mail programs fall over.
//
// Source: RFC 5322, section 3.6.4.
func MessageID(header []byte) string {
	const field = "message-id"
	for len(header) > 0 {
		line, rest, _ := bytes.Cut(header, []byte("\n"))
		name, value, found := bytes.Cut(line, []byte(":"))
		if found && bytes.EqualFold(bytes.TrimRight(name, " \t"), []byte(field)) {
			for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
				var more []byte
				more, rest, _ = bytes.Cut(rest, []byte("\n"))
				value = append(bytes.Clone(value), more...)
			}
			return string(bytes.Join(bytes.Fields(value), []byte(" ")))
		}
		header = rest
	}
	return ""
}
