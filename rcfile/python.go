package rcfile

import "strings"

// What follows understands the few forms of Python that most configurations consist of. Anything else is not understood,
// and never half understood.

// A Filter is a function that chooses mailboxes by a list: those in it, or all others.
type Filter struct {
	Names []string
	Not   bool
}

// ParseFilter reads "lambda name: name in [...]" and "lambda name: name not in [...]".
func ParseFilter(text string) (f Filter, ok bool) {
	p := &python{rest: text}
	name, ok := p.lambda()
	if !ok {
		return f, false
	}
	f.Not = p.word("not")
	if !p.word(name) {
		return f, false
	}
	if !f.Not {
		f.Not = p.word("not")
	}
	if !p.word("in") {
		return f, false
	}
	f.Names, ok = p.list()
	return f, ok && p.done()
}

// ParseNames reads a list of texts.
func ParseNames(text string) ([]string, bool) {
	p := &python{rest: text}
	names, ok := p.list()
	return names, ok && p.done()
}

// ParseText reads a text alone.
func ParseText(text string) (string, bool) {
	p := &python{rest: text}
	s, ok := p.text()
	return s, ok && p.done()
}

// ParseTranslation reads "lambda name: {...}.get(name, name)", which gives some mailboxes another name.
func ParseTranslation(text string) (map[string]string, bool) {
	p := &python{rest: text}
	name, ok := p.lambda()
	if !ok {
		return nil, false
	}
	names, ok := p.dictionary()
	ok = ok && p.mark(".") && p.word("get") && p.mark("(") && p.word(name) && p.mark(",") && p.word(name) && p.mark(")")
	return names, ok && p.done()
}

// ParseSubstitution reads "lambda name: re.sub(pattern, replacement, name)".
func ParseSubstitution(text string) (pattern, replacement string, ok bool) {
	p := &python{rest: text}
	name, ok := p.lambda()
	ok = ok && p.word("re") && p.mark(".") && p.word("sub") && p.mark("(")
	if !ok {
		return "", "", false
	}
	pattern, ok = p.text()
	if !ok || !p.mark(",") {
		return "", "", false
	}
	replacement, ok = p.text()
	return pattern, replacement, ok && p.mark(",") && p.word(name) && p.mark(")") && p.done()
}

type python struct{ rest string }

func (p *python) space() {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\r\n\f")
		after, found := strings.CutPrefix(p.rest, "\\\n")
		if !found {
			return
		}
		p.rest = after
	}
}

func (p *python) done() bool {
	p.space()
	return p.rest == ""
}

// mark takes a sign, if it comes next.
func (p *python) mark(sign string) bool {
	p.space()
	after, found := strings.CutPrefix(p.rest, sign)
	if found {
		p.rest = after
	}
	return found
}

// identifier takes a name.
func (p *python) identifier() string {
	p.space()
	n := strings.IndexFunc(p.rest, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	if n < 0 {
		n = len(p.rest)
	}
	name := p.rest[:n]
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return ""
	}
	p.rest = p.rest[n:]
	return name
}

// word takes a certain name, if it comes next.
func (p *python) word(name string) bool {
	before := p.rest
	if p.identifier() == name {
		return true
	}
	p.rest = before
	return false
}

// lambda takes the head of a function of one parameter, and returns its name.
func (p *python) lambda() (parameter string, ok bool) {
	if !p.word("lambda") {
		return "", false
	}
	parameter = p.identifier()
	return parameter, parameter != "" && parameter != "not" && parameter != "in" && p.mark(":")
}

// list takes a list, a set, or a tuple of texts. What is in brackets without a comma is no tuple.
func (p *python) list() (texts []string, ok bool) {
	closing := ""
	switch {
	case p.mark("["):
		closing = "]"
	case p.mark("{"):
		closing = "}"
	case p.mark("("):
		closing = ")"
	default:
		return nil, false
	}
	comma := false
	for !p.mark(closing) {
		text, ok := p.text()
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
		if comma = p.mark(","); comma {
			continue
		}
		if !p.mark(closing) || closing == ")" && len(texts) == 1 {
			return nil, false
		}
		break
	}
	return texts, closing != "}" || len(texts) > 0
}

// dictionary takes a dictionary of texts.
func (p *python) dictionary() (texts map[string]string, ok bool) {
	if !p.mark("{") {
		return nil, false
	}
	texts = map[string]string{}
	for !p.mark("}") {
		key, ok := p.text()
		if !ok || !p.mark(":") {
			return nil, false
		}
		if texts[key], ok = p.text(); !ok {
			return nil, false
		}
		if p.mark(",") {
			continue
		}
		return texts, p.mark("}")
	}
	return texts, true
}

// text takes a string literal of one line. What has an escape that stands for an octet, or is put together, is not
// understood.
func (p *python) text() (string, bool) {
	p.space()
	raw := false
	if p.rest != "" && strings.ContainsRune("rRuU", rune(p.rest[0])) {
		raw = p.rest[0] == 'r' || p.rest[0] == 'R'
		p.rest = p.rest[1:]
	}
	if p.rest == "" || p.rest[0] != '"' && p.rest[0] != '\'' {
		return "", false
	}
	quote := p.rest[0]
	if strings.HasPrefix(p.rest, strings.Repeat(string(quote), 3)) {
		return "", false
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == quote:
			p.rest = p.rest[i+1:]
			return b.String(), !p.another()
		case c == '\n':
			return "", false
		case c == '\\' && i+1 < len(p.rest):
			i++
			if !unescape(&b, p.rest[i], raw) {
				return "", false
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// another tells whether one more literal follows, which Python would add to the one before.
func (p *python) another() bool {
	p.space()
	return p.rest != "" && (p.rest[0] == '"' || p.rest[0] == '\'')
}

// unescape writes what a backslash and the octet after it stand for. An escape that Python does not know stands for
// itself.
func unescape(b *strings.Builder, c byte, raw bool) bool {
	switch {
	case raw && c != '\n':
		b.WriteByte('\\')
	case c == '\\', c == '\'', c == '"':
	case strings.IndexByte("abfnrtvxuUN01234567\n", c) >= 0:
		return false
	default:
		b.WriteByte('\\')
	}
	b.WriteByte(c)
	return true
}

// ParseCall reads a call of a function by its bare name, with texts as arguments, and returns the name.
func ParseCall(text string) (function string, ok bool) {
	p := &python{rest: text}
	function = p.identifier()
	if function == "" || !p.mark("(") {
		return "", false
	}
	for !p.mark(")") {
		before := p.rest
		if p.identifier() == "" || !p.mark("=") {
			p.rest = before
		}
		if _, ok := p.text(); !ok {
			return "", false
		}
		if p.mark(",") {
			continue
		}
		if !p.mark(")") {
			return "", false
		}
		break
	}
	return function, p.done()
}
