package imaptest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"
)

// CorpusOptions choose what kinds of messages a corpus has.
type CorpusOptions struct {
	// MaxSize bounds a message, in octets; 20 MB by default.
	MaxSize int
	// OddLineEnds makes one message in fifty have lines that end in a bare LF or a bare CR. Many servers rewrite them.
	OddLineEnds bool
}

// Corpus yields messages without end that look like those in people's accounts: most of 2 to 20 kB, some with
// attachments, one in 5,000 near MaxSize; old and new, in several languages and encodings, with the header fields of
// many programs, some with no Message-ID and some with another's. No two have the same content. Equal seeds give
// equal messages.
func Corpus(seed uint64, o CorpusOptions) iter.Seq[Message] {
	if o.MaxSize == 0 {
		o.MaxSize = 20e6
	}
	return func(yield func(Message) bool) {
		for i := 0; yield(newWriter(seed, i, o).message()); i++ {
		}
	}
}

// Sample returns the first n messages of a corpus.
func Sample(n int, seed uint64, o CorpusOptions) []Message {
	all := make([]Message, 0, n)
	for m := range Corpus(seed, o) {
		if len(all) == n {
			break
		}
		all = append(all, m)
	}
	return all
}

// A writer makes one message.
type writer struct {
	*rand.Rand
	seed  uint64
	index int
	opts  CorpusOptions
	date  time.Time
	buf   bytes.Buffer
}

func newWriter(seed uint64, index int, o CorpusOptions) *writer {
	return &writer{Rand: rand.New(rand.NewPCG(seed, uint64(index))), seed: seed, index: index, opts: o}
}

// chance is true in one of n cases.
func (w *writer) chance(n int) bool { return w.IntN(n) == 0 }

func pick[T any](w *writer, all []T) T { return all[w.IntN(len(all))] }

func (w *writer) message() Message {
	first := time.Date(2004, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	zone := time.FixedZone("", 1800*(w.IntN(48)-23))
	w.date = time.Unix(first+w.Int64N(22*365*86400), 0).In(zone)
	w.header()
	switch {
	case w.chance(40): // nothing but a header
		w.line("")
	case w.chance(3):
		w.plain()
	default:
		w.multipart()
	}
	body := w.buf.Bytes()
	if w.chance(60) {
		body = bytes.TrimRight(body, "\r\n") // the last line has no end
	}
	if w.opts.OddLineEnds && w.chance(50) {
		body = w.oddLineEnds(body)
	}
	return Message{Body: body, Flags: w.flags(), Date: w.date.Add(time.Duration(w.IntN(600)) * time.Second)}
}

// oddLineEnds spoils a line end behind the header.
func (w *writer) oddLineEnds(body []byte) []byte {
	if i := bytes.LastIndex(body, []byte("\r\n")); i > 0 && !bytes.HasSuffix(body[:i], []byte("\r\n")) {
		return append(append(bytes.Clone(body[:i]), pick(w, []string{"\n", "\r"})...), body[i+2:]...)
	}
	return body
}

func (w *writer) flags() []string {
	var flags []string
	for _, f := range []struct {
		name     string
		oneOf, n int
	}{
		{`\Seen`, 10, 8},
		{`\Answered`, 10, 1},
		{`\Flagged`, 20, 1},
		{`$Forwarded`, 40, 1},
		{`\Draft`, 100, 1},
		{"$Label1", 50, 1},
		{"work", 40, 1},
		{"todo", 60, 1},
		{"NonJunk", 10, 2},
	} {
		if w.IntN(f.oneOf) < f.n {
			flags = append(flags, f.name)
		}
	}
	return flags
}

// line writes one line.
func (w *writer) line(format string, args ...any) {
	if len(args) == 0 {
		w.buf.WriteString(format)
	} else {
		fmt.Fprintf(&w.buf, format, args...)
	}
	w.buf.WriteString("\r\n")
}

func (w *writer) header() {
	for range w.IntN(5) {
		w.line("Received: from mx%d.example.net (mx%d.example.net [192.0.2.%d])\r\n\tby mail.example.org (Postfix) with ESMTPS id %X\r\n\tfor <me@example.org>; %s",
			w.IntN(9), w.IntN(9), w.IntN(255), w.Uint32(), w.date.Format(time.RFC1123Z))
	}
	if w.chance(3) {
		w.line("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=2020;\r\n\th=from:to:subject; b=%s", w.noise(172))
	}
	w.line("From: %s <%s@example.%s>", w.name(), pick(w, latin), pick(w, []string{"org", "com", "net"}))
	w.line("To: %s <me@example.org>", w.name())
	w.line("Subject: %s", w.encoded(w.sentence(3+w.IntN(8))))
	w.line("Date: %s", w.date.Format(time.RFC1123Z))
	w.messageID()
	if w.chance(4) {
		w.line("References: %s", strings.TrimSpace(strings.Repeat(fmt.Sprintf("<%X@list.example.net> ", w.Uint64()), 1+w.IntN(30))))
	}
	if w.chance(100) {
		w.line("X-Spam-Report: %s", strings.Repeat("SCORE_OF_SOMETHING=0.1 ", 100+w.IntN(200))) // beyond RFC 5322's 998
	}
	if w.chance(50) {
		w.line("X-Original-Subject: %s", w.sentence(4)) // 8-bit in a header, as it happens
	}
	// What makes this message unlike any other, whatever the rest says.
	w.line("X-Serial: %d-%d", w.seed, w.index)
}

// messageID writes a Message-ID, or none, or one that another message has.
func (w *writer) messageID() {
	number := w.index
	switch w.IntN(50) {
	case 0:
		return
	case 1:
		number = w.index / 10
	}
	name := pick(w, []string{"Message-ID", "Message-Id", "message-id"})
	if w.chance(30) {
		w.line("%s:\r\n <%d.%d@example.org>", name, w.seed, number)
		return
	}
	w.line("%s: <%d.%d@example.org>", name, w.seed, number)
}

func (w *writer) plain() {
	text := w.text(w.textSize())
	w.line("MIME-Version: 1.0")
	switch w.IntN(4) {
	case 0:
		w.line("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
		w.buf.WriteString(text)
	case 1:
		w.line("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n")
		for _, r := range text {
			w.buf.WriteByte(byte(min(r, 0xff)))
		}
	default:
		w.line("Content-Type: text/plain; charset=\"UTF-8\"; format=flowed\r\nContent-Transfer-Encoding: quoted-printable\r\n")
		w.quoted(text)
	}
	w.line("")
}

func (w *writer) multipart() {
	boundary := fmt.Sprintf("=_%X", w.Uint64())
	w.line("MIME-Version: 1.0")
	attach := w.chance(6) || w.index%5000 == 1234
	kind := "alternative"
	if attach {
		kind = "mixed"
	}
	w.line("Content-Type: multipart/%s; boundary=\"%s\"\r\n\r\nThis is a message with several parts.", kind, boundary)
	text := w.text(w.textSize())
	w.line("\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n", boundary)
	w.quoted(text)
	if attach {
		w.line("\r\n--%s\r\nContent-Type: application/octet-stream; name=\"%s\"\r\nContent-Disposition: attachment\r\n"+
			"Content-Transfer-Encoding: base64\r\n", boundary, w.encoded(w.sentence(2)+".bin"))
		w.attachment()
	} else {
		w.line("\r\n--%s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", boundary)
		w.line("<html><body><p>%s</p></body></html>", strings.ReplaceAll(text, "\r\n", "<br>\r\n"))
	}
	w.line("--%s--", boundary)
}

func (w *writer) quoted(text string) {
	q := quotedprintable.NewWriter(&w.buf)
	_, _ = q.Write([]byte(text)) // a bytes.Buffer takes everything
	_ = q.Close()
}

// textSize is spread as sizes are: most are small.
func (w *writer) textSize() int {
	return min(int(math.Exp(7.2+0.9*w.NormFloat64())), 60_000, w.opts.MaxSize/12)
}

// attachment writes 10 kB to 1 MB, now and then much more, in base64.
func (w *writer) attachment() {
	size := int(math.Exp(10.5 + 1.3*w.NormFloat64()))
	most := (w.opts.MaxSize - min(300_000, w.opts.MaxSize/2)) * 72 / 100 // base64 makes 4 of 3, and line ends
	if w.index%5000 == 1234 {
		size = most - w.IntN(most/10)
	}
	raw := make([]byte, max(57, min(size, most)))
	for i := 0; i < len(raw); i += 8 {
		n := w.Uint64()
		for j := i; j < min(i+8, len(raw)); j++ {
			raw[j] = byte(n >> (8 * (j - i)))
		}
	}
	line := make([]byte, 76)
	for len(raw) > 0 {
		n := min(57, len(raw))
		w.buf.Write(line[:copyEncoded(line, raw[:n])])
		w.buf.WriteString("\r\n")
		raw = raw[n:]
	}
}

func copyEncoded(line, raw []byte) int {
	base64.StdEncoding.Encode(line, raw)
	return base64.StdEncoding.EncodedLen(len(raw))
}

// encoded writes a text as header fields must: as encoded words unless it is ASCII.
func (w *writer) encoded(text string) string {
	if w.chance(2) {
		return mime.QEncoding.Encode("utf-8", text)
	}
	return strings.ReplaceAll(mime.BEncoding.Encode("UTF-8", text), "?= =?", "?=\r\n =?")
}
