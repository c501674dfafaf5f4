package wire

import (
	"bytes"
	"io"
	"strconv"
)

// space skips spaces: servers put too many and too few.
func (p *parser) space() {
	i := 0
	for i < len(p.seg) && p.seg[i] == ' ' {
		i++
	}
	p.seg = p.seg[i:]
}

// at tells whether c comes next.
func (p *parser) at(c byte) bool { return len(p.seg) > 0 && p.seg[0] == c }

// accept takes c if it comes next.
func (p *parser) accept(c byte) bool {
	if !p.at(c) {
		return false
	}
	p.seg = p.seg[1:]
	return true
}

// word takes everything up to a space or a parenthesis. It may be empty.
func (p *parser) word() []byte {
	i := 0
	for i < len(p.seg) && p.seg[i] != ' ' && p.seg[i] != '(' && p.seg[i] != ')' {
		i++
	}
	w := p.seg[:i]
	p.seg = p.seg[i:]
	return w
}

// number takes a decimal number of at most 64 bits.
func (p *parser) number() (uint64, bool) {
	n, err := strconv.ParseUint(string(p.word()), 10, 64)
	return n, err == nil
}

// quotedString takes a quoted string, the opening quote of which comes next.
func (p *parser) quotedString() ([]byte, bool) {
	text := p.seg[1:]
	if i := bytes.IndexByte(text, '"'); i >= 0 && bytes.IndexByte(text[:i], '\\') < 0 {
		p.seg = text[i+1:]
		return text[:i], true
	}
	var b []byte
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			p.seg = text[i+1:]
			return b, true
		case text[i] == '\\' && i+1 < len(text):
			i++
			b = append(b, text[i])
		default:
			b = append(b, text[i])
		}
	}
	p.seg = nil
	return nil, false
}

// atLiteral tells whether a literal comes next. One that may hold NUL begins with "~".
func (p *parser) atLiteral() bool { return p.at('{') || bytes.HasPrefix(p.seg, []byte("~{")) }

// literal enters the literal that comes next, if one does.
func (p *parser) literal(body bool) (io.Reader, int64, error) {
	text := bytes.TrimPrefix(p.seg, []byte("~"))
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' || !announces(text) {
		return nil, 0, errSyntax
	}
	size, err := literalSize(text)
	if err != nil {
		return nil, 0, p.die(err)
	}
	if err := p.enter(size, body); err != nil {
		return nil, 0, err
	}
	return literalReader{p}, size, nil
}

// text takes a string in any form: quoted, literal, atom. NIL is nil and isNil.
func (p *parser) text() (value []byte, isNil bool, err error) {
	p.space()
	switch {
	case p.at('"'):
		value, ok := p.quotedString()
		if !ok {
			return nil, false, errSyntax
		}
		return value, false, nil
	case p.atLiteral():
		return p.literalText()
	}
	value = p.word()
	if len(value) == 0 {
		return nil, false, errSyntax
	}
	return value, bytes.EqualFold(value, []byte("NIL")), nil
}

func (p *parser) literalText() ([]byte, bool, error) {
	l, _, err := p.literal(false)
	if err != nil {
		return nil, false, err
	}
	value, err := io.ReadAll(l)
	if err != nil {
		return nil, false, err
	}
	return value, false, p.leave()
}

// skip passes over one value of any kind. Parentheses are counted, not recursed into.
func (p *parser) skip() error {
	depth := 0
	for {
		p.space()
		switch {
		case p.accept('('):
			if depth++; depth > maxDepth {
				return p.exceeded("parentheses nested deeper than %d", maxDepth)
			}
			continue
		case p.accept(')'):
			depth--
		default:
			if _, _, err := p.text(); err != nil {
				return err
			}
		}
		if depth <= 0 {
			return nil
		}
	}
}

// words takes a parenthesised list of words, as flags are: what is in it is whatever servers make of it. Words that
// are not atoms are kept too; the caller decides.
func (p *parser) words() ([]string, error) {
	p.space()
	if !p.accept('(') {
		return nil, errSyntax
	}
	words := []string{}
	for {
		p.space()
		if p.accept(')') {
			return words, nil
		}
		if len(p.seg) == 0 || p.at('(') {
			return nil, errSyntax
		}
		text, _, err := p.text()
		if err != nil {
			return nil, err
		}
		words = append(words, string(text))
	}
}
