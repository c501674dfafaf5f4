package gimap

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

var errParse = errors.New("Could not parse command") //nolint:staticcheck // the server's own words

// A node is a word, a string or a list of a command.
type node struct {
	text   string
	list   []node
	isList bool
	quoted bool // it was a string, not an atom
}

// is tells whether a node is a word, in any case.
func (n node) is(word string) bool { return !n.isList && !n.quoted && strings.EqualFold(n.text, word) }

// words are the texts of a list, or the one of a word.
func (n node) words() []string {
	if !n.isList {
		return []string{n.text}
	}
	var texts []string
	for _, e := range n.list {
		texts = append(texts, e.text)
	}
	return texts
}

// A parser reads the arguments of a command. Gmail is strict: one space between them, and none at the end.
type parser struct{ b []byte }

// parse reads all arguments.
func parse(b []byte) ([]node, error) {
	p := &parser{b}
	nodes, err := p.nodes(0)
	if err == nil && len(p.b) > 0 {
		err = errParse
	}
	return nodes, err
}

// nodes reads to the end, or to a closing parenthesis.
func (p *parser) nodes(depth int) ([]node, error) {
	var nodes []node
	if depth > 50 {
		return nil, errParse
	}
	for len(p.b) > 0 && p.b[0] != ')' {
		if len(nodes) > 0 {
			if p.b[0] != ' ' {
				return nil, errParse
			}
			p.b = p.b[1:]
		}
		n, err := p.node(depth)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func (p *parser) node(depth int) (node, error) {
	if len(p.b) == 0 {
		return node{}, errParse
	}
	switch p.b[0] {
	case '(':
		p.b = p.b[1:]
		list, err := p.nodes(depth + 1)
		if err != nil || len(p.b) == 0 {
			return node{}, errParse
		}
		p.b = p.b[1:]
		return node{list: list, isList: true}, nil
	case '"':
		return p.quoted()
	case '{':
		return p.literal()
	}
	return p.atom()
}

func (p *parser) quoted() (node, error) {
	var text []byte
	for i := 1; i < len(p.b); i++ {
		switch c := p.b[i]; c {
		case '"':
			p.b = p.b[i+1:]
			return node{text: string(text), quoted: true}, nil
		case '\\':
			if i++; i == len(p.b) {
				return node{}, errParse
			}
			text = append(text, p.b[i])
		default:
			text = append(text, c)
		}
	}
	return node{}, errParse
}

func (p *parser) literal() (node, error) {
	head, rest, ok := bytes.Cut(p.b, []byte("}\r\n"))
	if !ok {
		return node{}, errParse
	}
	n, err := strconv.Atoi(strings.TrimSuffix(string(head[1:]), "+"))
	if err != nil || n < 0 || n > len(rest) {
		return node{}, errParse
	}
	p.b = rest[n:]
	return node{text: string(rest[:n]), quoted: true}, nil
}

// atom reads a word. What stands in brackets belongs to it, spaces and all, if it is a BODY.
func (p *parser) atom() (node, error) {
	depth, i := 0, 0
	for ; i < len(p.b); i++ {
		c := p.b[i]
		if depth == 0 && (c == ' ' || c == '(' || c == ')') {
			break
		}
		switch {
		case c == '[' && strings.HasPrefix(strings.ToUpper(string(p.b[:min(4, i)])), "BODY"):
			depth++
		case c == ']' && depth > 0:
			depth--
		}
	}
	if i == 0 || depth > 0 {
		return node{}, errParse
	}
	text := string(p.b[:i])
	p.b = p.b[i:]
	return node{text: text}, nil
}

// A uidRange is one part of a set; to is 0 for "*".
type uidRange struct{ from, to uint32 }

// parseSet reads a set of numbers, in which * is the last.
func parseSet(text string, last uint32) ([]uidRange, error) {
	var set []uidRange
	number := func(s string) (uint32, error) {
		if s == "*" {
			return last, nil
		}
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n == 0 {
			return 0, errParse
		}
		return uint32(n), nil
	}
	for part := range strings.SplitSeq(text, ",") {
		a, b, isRange := strings.Cut(part, ":")
		if !isRange {
			b = a
		}
		from, err := number(a)
		if err != nil {
			return nil, err
		}
		to, err := number(b)
		if err != nil {
			return nil, err
		}
		set = append(set, uidRange{min(from, to), max(from, to)})
	}
	return set, nil
}

// quote writes a string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// compact writes ascending numbers as a set.
func compact(ns []uint32) string {
	var b strings.Builder
	for i := 0; i < len(ns); {
		j := i
		for j+1 < len(ns) && ns[j+1] == ns[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(ns[i]), 10))
		if j > i {
			b.WriteString(":" + strconv.FormatUint(uint64(ns[j]), 10))
		}
		i = j + 1
	}
	return b.String()
}
