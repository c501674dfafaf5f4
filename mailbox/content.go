package mailbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strings"
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
	Tag       int64  // octets that mbsync or offlineimap may have put into the header; 0 if there are none
	Untagged  Digest // of the header without them; zero if there are none
	Plain     Digest // of the whole message without them; zero if there are none
	Stored    int64  // octets that it takes where it was read, in whatever form; 0 if that is unknown
	Ended     bool   // the last line has an end, which offlineimap gives to some messages
	MessageID string // as it stands in the header, with its angle brackets; empty if there is none
	AccountID string // the server's own name for the message, the same in all mailboxes; empty if it has none
}

// Bare returns the digest of the message as it was before another program stored it. mbsync puts another line into each of
// its copies of one message: these have nothing else in common.
func (c Content) Bare() Digest {
	if c.Plain.IsZero() {
		return c.Digest
	}
	return c.Plain
}

// Hint returns the search key of the content: the Message-ID if there is one, else the size, without what other
// programs put into the header.
func (c Content) Hint() Hint { return MakeHint(c.MessageID, c.Size-c.Tag) }

// HasSize tells whether a message of that size may be this one, as it is or as it was before another program stored it.
func (c Content) HasSize(octets int64) bool {
	return c.longerBy(octets, 0) || c.Tag > 0 && c.longerBy(octets, c.Tag)
}

// HasHeader tells whether the message has that header and size, as it is or as it was before another program stored it.
func (c Content) HasHeader(header Digest, octets int64) bool {
	return c.Header == header && c.longerBy(octets, 0) || c.Tag > 0 && c.Untagged == header && c.longerBy(octets, c.Tag)
}

// longerBy tells whether the message has so many octets more than a number, but for an end of its last line.
func (c Content) longerBy(octets, more int64) bool {
	extra := c.Size - octets - more
	return extra == 0 || extra == 2 && c.Ended && c.MessageID != ""
}

// MakeHint returns the hint of a message of which these two are known.
func MakeHint(messageID string, size int64) Hint {
	if messageID != "" {
		return hintOf("message", []byte(messageID))
	}
	return hintOf("size", binary.BigEndian.AppendUint64(nil, uint64(size)))
}

// AccountHint returns the search key of an account-wide id; zero if there is none.
func AccountHint(id string) Hint {
	if id == "" {
		return 0
	}
	return hintOf("account", []byte(id))
}

func hintOf(kind string, value []byte) Hint {
	sum := sha256.Sum256(append([]byte(kind+"\x00"), value...))
	return Hint(binary.BigEndian.Uint64(sum[:]))
}

// maxHeader bounds how far a Summer looks for the end of the header and for the Message-ID, in octets.
const maxHeader = 64 << 10

// A Summer computes the Content of a message from its canonical form, written to it in pieces of any size. Its Write
// never fails. Use NewSummer.
type Summer struct {
	whole  hash.Hash
	plain  hash.Hash // nil if other programs put nothing into the header
	header []byte    // until its end was seen, at most maxHeader
	done   bool      // the header is complete
	last   byte      // the last octet
	sum    Content
}

// NewSummer returns a Summer that has seen nothing yet.
func NewSummer() *Summer { return &Summer{whole: sha256.New()} }

// Write takes the next octets.
func (s *Summer) Write(p []byte) (int, error) {
	s.whole.Write(p)
	s.sum.Size += int64(len(p))
	if len(p) > 0 {
		s.last = p[len(p)-1]
	}
	body := p
	if !s.done {
		body = s.takeHeader(p)
	}
	if s.plain != nil {
		s.plain.Write(body)
	}
	return len(p), nil
}

// takeHeader returns what follows the header.
func (s *Summer) takeHeader(p []byte) []byte {
	before := len(s.header)
	s.header = append(s.header, p[:min(len(p), maxHeader-before)]...)
	end := headerEnd(s.header, before)
	if end < 0 && len(s.header) < maxHeader {
		return nil
	}
	if end >= 0 {
		s.header = s.header[:end]
	}
	s.done = true
	if bare := untagged(s.header); len(bare) < len(s.header) {
		s.plain = sha256.New()
		s.plain.Write(bare)
	}
	return p[len(s.header)-before:]
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
	c.Ended = s.last == '\n'
	if plain := untagged(s.header); len(plain) < len(s.header) {
		c.Tag = int64(len(s.header) - len(plain))
		c.Untagged = sha256.Sum256(plain)
		if s.plain != nil { // else there is no body
			s.plain.Sum(c.Plain[:0])
		} else {
			c.Plain = c.Untagged
		}
	}
	return c
}

// untagged returns a header as it was before another program stored it: mbsync marks each message with a line of its
// own, offlineimap puts a space behind the colon of a field whose value begins on the next line.
func untagged(header []byte) []byte {
	if start, end := tag(header); end > start {
		header = append(bytes.Clone(header[:start]), header[end:]...)
	}
	if !bytes.Contains(header, []byte(": \r\n")) { // as good as always
		return header
	}
	for _, blank := range []string{" ", "\t"} {
		header = bytes.ReplaceAll(header, []byte(": \r\n"+blank), []byte(":\r\n"+blank))
	}
	return header
}

// tag finds mbsync's line, from its start to behind its end; 0, 0 if there is none.
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
func MessageID(header []byte) string { return Field(header, "Message-ID") }

// Field finds the first field of a name in a header in canonical form and returns its value, unfolded, with single spaces;
// empty if there is none.
//
// Source: RFC 5322, section 2.2.
func Field(header []byte, field string) string {
	for len(header) > 0 {
		line, rest, _ := bytes.Cut(header, []byte("\n"))
		name, value, found := bytes.Cut(line, []byte(":"))
		if found && strings.EqualFold(string(bytes.TrimRight(name, " \t")), field) {
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
