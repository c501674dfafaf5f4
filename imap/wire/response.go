package wire

import (
	"fmt"
	"strconv"
	"strings"
)

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
func (r *Response) Caps() []string { return capWords(string(r.p.seg)) }

func capWords(text string) []string { return strings.Fields(strings.ToUpper(text)) }

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

// Namespace returns the prefix of the user's own mailboxes of a NAMESPACE response. The other namespaces are left out.
//
// Source: RFC 2342, section 5.
func (r *Response) Namespace() (prefix string, err error) {
	for range 2 {
		r.p.space()
		if !r.p.accept('(') {
			return "", fmt.Errorf("NAMESPACE: %w", errSyntax)
		}
	}
	text, isNil, err := r.p.text()
	if err != nil || isNil {
		return "", fmt.Errorf("NAMESPACE: %w", errSyntax)
	}
	return string(text), nil
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
	Size          *uint64 // octets of all messages together (RFC 8438)
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
	case key == "SIZE":
		s.Size = &n
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
