package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A Fetch is what a FETCH response says of one message.
type Fetch struct {
	Seq          uint32
	UID          uint32 // 0 if it was not said
	HasFlags     bool
	Flags        []string  // as they came; some may not be legal
	InternalDate time.Time // zero if it was not said, or made no sense
	Size         int64     // RFC822.SIZE; -1 if it was not said
	ModSeq       uint64    // 0 if it was not said
	EmailID      string
	GmailID      string // X-GM-MSGID: 64 bits in decimal
	HasLabels    bool
	Labels       []string // X-GM-LABELS as they came, without quotes: system ones begin with a backslash
	NilBody      bool     // a body was asked for, and the server said NIL
}

// A BodyFunc takes a section of a message while it comes. m is what was said so far: the UID may still be missing. What
// it leaves unread is passed over. An error that it returns ends the response.
type BodyFunc func(m *Fetch, section string, size int64, body io.Reader) error

// ErrBody wraps an error of a BodyFunc.
var errBody = errors.New("body")

// Fetch returns a FETCH response and hands every body section to body, which may be nil.
//
// Source: RFC 9051, section 7.5.2; RFC 7162, section 3.1.5; RFC 8474, section 5; Gmail's X-GM-EXT-1.
func (r *Response) Fetch(body BodyFunc) (*Fetch, error) {
	m := &Fetch{Seq: r.Num, Size: -1}
	r.p.space()
	if !r.p.accept('(') {
		return m, fmt.Errorf("FETCH: %w", errSyntax)
	}
	for {
		r.p.space()
		if r.p.accept(')') || len(r.p.seg) == 0 { // a missing parenthesis takes nothing from what was said
			return m, nil
		}
		if err := m.item(r.p, body); err != nil {
			return m, fmt.Errorf("FETCH: %w", err)
		}
	}
}

func (m *Fetch) item(p *parser, body BodyFunc) error {
	key, section := p.fetchKey()
	switch key {
	case "":
		return errSyntax
	case "UID":
		return m.uid(p)
	case "FLAGS":
		flags, err := p.words()
		m.HasFlags, m.Flags = err == nil, flags
		return err
	case "BODY", "BINARY", "RFC822", "RFC822.HEADER", "RFC822.TEXT":
		if section == "" && (key == "BODY" || key == "BINARY") {
			return p.skip() // a body structure, which nobody asked for
		}
		return m.body(p, section, body)
	case "MODSEQ", "EMAILID":
		return m.parenthesised(p, key)
	case "INTERNALDATE", "RFC822.SIZE", "X-GM-MSGID":
		return m.scalar(p, key)
	case "X-GM-LABELS":
		return m.labels(p)
	}
	return p.skip()
}

// labels takes a list of names in any form. One that is called NIL comes as the atom NIL.
func (m *Fetch) labels(p *parser) error {
	p.space()
	if !p.accept('(') {
		return p.skip()
	}
	m.HasLabels, m.Labels = true, nil
	for {
		p.space()
		if p.accept(')') {
			return nil
		}
		name, _, err := p.text()
		if err != nil {
			return err
		}
		m.Labels = append(m.Labels, string(name))
	}
}

func (m *Fetch) uid(p *parser) error {
	p.space()
	n, ok := p.number()
	if !ok || n == 0 || n > 1<<32-1 {
		return errSyntax
	}
	m.UID = uint32(n)
	return nil
}

// fetchKey takes the name of an item, and of a body the section in its brackets.
func (p *parser) fetchKey() (key, section string) {
	i := 0
	for i < len(p.seg) && p.seg[i] != ' ' && p.seg[i] != '(' && p.seg[i] != ')' && p.seg[i] != '[' {
		i++
	}
	key = upper(p.seg[:i])
	p.seg = p.seg[i:]
	if !p.at('[') {
		return key, ""
	}
	end := bytes.IndexByte(p.seg, ']')
	if end < 0 {
		p.seg = nil
		return "", ""
	}
	section = string(p.seg[:end+1])
	p.seg = p.seg[end+1:]
	if p.at('<') { // the origin of a part
		if end := bytes.IndexByte(p.seg, '>'); end >= 0 {
			p.seg = p.seg[end+1:]
		}
	}
	return key, section
}

// upper is strings.ToUpper for the names that come all the time, without an allocation.
func upper(p []byte) string {
	switch string(p) {
	case "UID":
		return "UID"
	case "FLAGS":
		return "FLAGS"
	case "BODY":
		return "BODY"
	case "MODSEQ":
		return "MODSEQ"
	case "INTERNALDATE":
		return "INTERNALDATE"
	case "RFC822.SIZE":
		return "RFC822.SIZE"
	case "X-GM-MSGID":
		return "X-GM-MSGID"
	}
	return strings.ToUpper(string(p))
}

func (m *Fetch) parenthesised(p *parser, key string) error {
	p.space()
	if !p.accept('(') {
		return p.skip() // EMAILID NIL
	}
	value, _, err := p.text()
	if err != nil {
		return err
	}
	p.space()
	if !p.accept(')') {
		return errSyntax
	}
	if key == "EMAILID" {
		m.EmailID = string(value)
	} else if n, err := strconv.ParseUint(string(value), 10, 63); err == nil {
		m.ModSeq = n
	}
	return nil
}

// internalDate is how INTERNALDATE is written. The day may have a leading space.
//
// Source: RFC 9051, section 9, date-time.
const internalDate = "_2-Jan-2006 15:04:05 -0700"

func (m *Fetch) scalar(p *parser, key string) error {
	value, err := p.value()
	if err != nil {
		return err
	}
	switch key {
	case "RFC822.SIZE":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			m.Size = n
		}
		return nil
	case "X-GM-MSGID":
		if n, err := strconv.ParseUint(value, 10, 64); err == nil && n > 0 {
			m.GmailID = strconv.FormatUint(n, 10)
		}
		return nil
	}
	if date, err := time.Parse(internalDate, value); err == nil {
		m.InternalDate = date
	}
	return nil
}

func (m *Fetch) body(p *parser, section string, body BodyFunc) error {
	p.space()
	if !p.atLiteral() {
		value, isNil, err := p.text()
		if err != nil || isNil {
			m.NilBody = m.NilBody || isNil
			return err
		}
		if body == nil {
			return nil
		}
		return bodyError(body(m, section, int64(len(value)), bytes.NewReader(value)))
	}
	l, size, err := p.literal(true)
	if err != nil {
		return err
	}
	if body != nil {
		err = body(m, section, size, l)
	}
	if leaveErr := p.leave(); leaveErr != nil {
		return leaveErr
	}
	return bodyError(err)
}

func bodyError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errBody, err)
}
