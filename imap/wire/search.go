package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

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

// Vanished returns a VANISHED response: UIDs that are no longer there. earlier tells that it answers a question about
// what happened before; else they went just now.
//
// Source: RFC 7162, section 3.2.10.
func (r *Response) Vanished() (uids UIDSet, earlier bool, err error) {
	r.p.space()
	if r.p.accept('(') {
		earlier = bytes.EqualFold(r.p.word(), []byte("EARLIER"))
		r.p.space()
		if !earlier || !r.p.accept(')') {
			return nil, false, fmt.Errorf("VANISHED: %w", errSyntax)
		}
		r.p.space()
	}
	ranges, err := parseRanges(string(r.p.word()))
	if err != nil {
		return nil, false, fmt.Errorf("VANISHED: %w", err)
	}
	return normalise(ranges), earlier, nil
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
