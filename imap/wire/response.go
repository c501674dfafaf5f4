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

// A Status is what ends a command, or an untagged OK, NO, BAD, BYE or PREAUTH. Text is foreign.
type Status struct {
	Kind string // OK, NO, BAD, BYE or PREAUTH
	Code string // the response code in upper case; empty if there is none
	Args string // what follows the code inside the brackets, as it came
	Text string
}

// Err returns nil for OK and PREAUTH, and a *StatusError for everything else.
func (s Status) Err() error {
	if s.Kind == "OK" || s.Kind == "PREAUTH" {
		return nil
	}
	return &StatusError{s}
}

// A StatusError is a command that the server refused.
type StatusError struct{ Status }

func (e *StatusError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("%s %s", e.Kind, e.Text)
	}
	return fmt.Sprintf("%s [%s] %s", e.Kind, strings.TrimSpace(e.Code+" "+e.Args), e.Text)
}

// parseStatus reads what follows the tag or the "*".
func parseStatus(kind string, rest []byte) Status {
	s := Status{Kind: strings.ToUpper(kind)}
	rest = bytes.TrimLeft(rest, " ")
	if len(rest) > 0 && rest[0] == '[' {
		if end := codeEnd(rest); end > 0 {
			code, args, _ := strings.Cut(string(rest[1:end]), " ")
			s.Code, s.Args = strings.ToUpper(code), strings.TrimSpace(args)
			rest = bytes.TrimLeft(rest[end+1:], " ")
		}
	}
	s.Text = string(rest)
	return s
}

// codeEnd finds the bracket that closes a response code. PERMANENTFLAGS may hold brackets inside its list.
func codeEnd(p []byte) int {
	depth, in := 0, false
	for i, c := range p {
		switch {
		case c == '"':
			in = !in
		case in:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ']' && depth <= 0:
			return i
		}
	}
	return bytes.IndexByte(p, ']')
}

// A Response is one untagged response. It is valid only during the call that it is handed to, and only one of its
// methods may be called, once.
type Response struct {
	Kind string // in upper case: LIST, STATUS, SEARCH, ESEARCH, FETCH, EXISTS, OK, ...
	Num  uint32 // the number before the kind; 0 if there is none
	p    *parser
}

// Status returns an untagged OK, NO, BAD or BYE.
func (r *Response) Status() Status { return parseStatus(r.Kind, r.p.seg) }

// Caps returns the words of a CAPABILITY response, in upper case.
func (r *Response) Caps() []string { return strings.Fields(strings.ToUpper(string(r.p.seg))) }

// A List is one mailbox of a LIST response.
type List struct {
	Attrs []string // as they came, with their backslash
	Delim string   // one character; empty if the server has no hierarchy
	Name  string   // as it goes over the wire, not decoded
}

// List returns a LIST response. Extended data behind the name is left out.
//
// Source: RFC 9051, section 7.3.1.
func (r *Response) List() (List, error) {
	var l List
	var err error
	if l.Attrs, err = r.p.words(); err != nil {
		return l, fmt.Errorf("LIST: %w", err)
	}
	delim, isNil, err := r.p.text()
	if err != nil {
		return l, fmt.Errorf("LIST: %w", err)
	}
	if !isNil {
		l.Delim = string(delim)
	}
	name, err := r.name()
	l.Name = name
	return l, err
}

// name takes a mailbox name. Unquoted ones may hold parentheses and spaces only by mistake, and a "]" or "%" rightly.
func (r *Response) name() (string, error) {
	name, _, err := r.p.text()
	if err != nil {
		return "", fmt.Errorf("%s: mailbox name: %w", r.Kind, err)
	}
	return string(name), nil
}

// StatusData is a STATUS response. A pointer is nil for what the server did not say, or said in a way that makes no
// sense: such a value equals nothing.
type StatusData struct {
	Name          string // as it goes over the wire, not decoded
	Messages      *uint32
	UIDNext       *uint32
	UIDValidity   *uint32
	HighestModSeq *uint64
	MailboxID     string
}

// StatusData returns a STATUS response.
//
// Source: RFC 9051, section 7.3.4; RFC 7162, section 3.1.7; RFC 8474, section 4.3.
func (r *Response) StatusData() (StatusData, error) {
	var s StatusData
	name, err := r.name()
	if err != nil {
		return s, err
	}
	s.Name = name
	r.p.space()
	if !r.p.accept('(') {
		return s, fmt.Errorf("STATUS: %w", errSyntax)
	}
	for {
		r.p.space()
		if r.p.accept(')') {
			return s, nil
		}
		if err := s.item(r.p); err != nil {
			return s, fmt.Errorf("STATUS: %w", err)
		}
	}
}

func (s *StatusData) item(p *parser) error {
	key := strings.ToUpper(string(p.word()))
	if key == "" {
		return errSyntax
	}
	p.space()
	if key == "MAILBOXID" && p.accept('(') {
		id, _, err := p.text()
		s.MailboxID = string(id)
		p.space()
		p.accept(')')
		return err
	}
	value, err := p.value()
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(value, 10, 63)
	if err != nil {
		return nil //nolint:nilerr // a value that makes no sense is one that was not given
	}
	small := uint32(n)
	fits := uint64(small) == n
	switch {
	case key == "HIGHESTMODSEQ":
		s.HighestModSeq = &n
	case !fits:
	case key == "MESSAGES":
		s.Messages = &small
	case key == "UIDNEXT":
		s.UIDNext = &small
	case key == "UIDVALIDITY":
		s.UIDValidity = &small
	}
	return nil
}

// value takes a value that is a string, or passes over a list.
func (p *parser) value() (string, error) {
	p.space()
	if p.at('(') {
		return "", p.skip()
	}
	text, _, err := p.text()
	return string(text), err
}

// A Search is a SEARCH or ESEARCH response.
type Search struct {
	Extended bool
	Tag      string  // of an ESEARCH
	UID      bool    // an ESEARCH says so
	All      UIDSet  // nil if an ESEARCH has none
	Count    *uint32 // of an ESEARCH
}

// Search returns a SEARCH or ESEARCH response. A SEARCH counts its numbers as UIDs, which they are if UID SEARCH was
// asked.
//
// Source: RFC 9051, section 7.3.4; RFC 4731, section 3.1.
func (r *Response) Search() (Search, error) {
	if r.Kind == "ESEARCH" {
		return r.esearch()
	}
	var ranges []UIDRange
	for {
		r.p.space()
		if len(r.p.seg) == 0 {
			return Search{All: normalise(ranges)}, nil
		}
		if r.p.at('(') { // (MODSEQ n) at the end
			return Search{All: normalise(ranges)}, r.p.skip()
		}
		n, ok := r.p.number()
		if !ok || n == 0 || n > 1<<32-1 {
			return Search{}, fmt.Errorf("SEARCH: %w", errSyntax)
		}
		ranges = append(ranges, UIDRange{uint32(n), uint32(n)})
	}
}

func (r *Response) esearch() (Search, error) {
	s := Search{Extended: true}
	for {
		r.p.space()
		switch {
		case len(r.p.seg) == 0:
			return s, nil
		case r.p.accept('('):
			if !bytes.EqualFold(r.p.word(), []byte("TAG")) {
				return s, fmt.Errorf("ESEARCH: %w", errSyntax)
			}
			tag, _, err := r.p.text()
			s.Tag = string(tag)
			r.p.space()
			if err != nil || !r.p.accept(')') {
				return s, fmt.Errorf("ESEARCH: %w", errSyntax)
			}
			continue
		}
		if err := s.item(r.p); err != nil {
			return s, fmt.Errorf("ESEARCH: %w", err)
		}
	}
}

func (s *Search) item(p *parser) error {
	key := strings.ToUpper(string(p.word()))
	switch key {
	case "":
		return errSyntax
	case "UID":
		s.UID = true
		return nil
	}
	value, err := p.value()
	if err != nil {
		return err
	}
	switch key {
	case "ALL":
		s.All, err = ParseUIDSet(value)
		return err
	case "COUNT":
		n, err := strconv.ParseUint(value, 10, 32)
		count := uint32(n)
		s.Count = &count
		return err
	}
	return nil
}

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
	NilBody      bool // a body was asked for, and the server said NIL
}

// A BodyFunc takes a section of a message while it comes. m is what was said so far: the UID may still be missing. What
// it leaves unread is passed over. An error that it returns ends the response.
type BodyFunc func(m *Fetch, section string, size int64, body io.Reader) error

// ErrBody wraps an error of a BodyFunc.
var errBody = errors.New("body")

// Fetch returns a FETCH response and hands every body section to body, which may be nil.
//
// Source: RFC 9051, section 7.5.2; RFC 7162, section 3.1.5; RFC 8474, section 5.
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
	case "INTERNALDATE", "RFC822.SIZE":
		return m.scalar(p, key)
	}
	return p.skip()
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
	if key == "RFC822.SIZE" {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			m.Size = n
		}
	} else if date, err := time.Parse(internalDate, value); err == nil {
		m.InternalDate = date
	}
	return nil
}

func (m *Fetch) body(p *parser, section string, body BodyFunc) error {
	p.space()
	if p.at('"') || (!p.at('{') && !p.at('~')) {
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
	l, size, err := p.literal(p.largest)
	if err != nil {
		return err
	}
	if body != nil {
		err = bodyError(body(m, section, size, l))
	}
	if l.failed != nil {
		return l.failed
	}
	if leaveErr := p.leave(); leaveErr != nil {
		return leaveErr
	}
	return err
}

func bodyError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errBody, err)
}
