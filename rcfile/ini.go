package rcfile

import (
	"regexp"
	"strings"
)

// An INI is a configuration that Python's configparser reads.
//
// Source: <https://docs.python.org/3/library/configparser.html>.
type INI struct {
	Sections []*Section // without the one called DEFAULT

	defaults *Section
}

const defaultSection = "DEFAULT"

var (
	iniHead   = regexp.MustCompile(`^\[(.+)\]`)
	iniOption = regexp.MustCompile(`(?s)^(.*?)\s*[=:]\s*(.*)$`)
)

// ParseINI reads a configuration. Values are as they are written, see Value.
func ParseINI(text string) (*INI, error) {
	r := &iniReader{ini: &INI{defaults: &Section{Kind: defaultSection}}, seen: map[string]bool{}}
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if err := r.line(i+1, line); err != nil {
			return nil, err
		}
	}
	for _, s := range append(r.ini.Sections, r.ini.defaults) {
		for i := range s.Options {
			value := strings.Join(s.Options[i].Values, "\n")
			s.Options[i].Values = []string{strings.TrimRight(value, " \t\n\r\v\f")}
		}
	}
	return r.ini, nil
}

type iniReader struct {
	ini    *INI
	inside *Section
	option *Option // the one that an indented line goes on with
	indent int
	seen   map[string]bool
}

func (r *iniReader) line(number int, line string) error {
	text := strings.TrimSpace(line)
	if text == "" {
		if r.option != nil {
			r.option.Values = append(r.option.Values, "")
		}
		return nil
	}
	if text[0] == '#' || text[0] == ';' {
		return nil
	}
	indent := len(line) - len(strings.TrimLeft(line, " \t\v\f"))
	if r.option != nil && indent > r.indent {
		r.option.Values = append(r.option.Values, text)
		return nil
	}
	r.indent = indent
	if head := iniHead.FindStringSubmatch(text); head != nil {
		return r.head(number, head[1])
	}
	if r.inside == nil {
		return wrong(number, "there is no [section] above it")
	}
	parts := iniOption.FindStringSubmatch(text)
	if parts == nil || parts[1] == "" {
		return wrong(number, "it is neither a [section] nor key = value")
	}
	o := Option{Key: strings.ToLower(parts[1]), Said: parts[1], Line: number, Values: []string{parts[2]}}
	if _, twice := r.inside.Get(o.Key); twice {
		return wrong(number, "%s is there twice in its section", o.Said)
	}
	r.inside.Options = append(r.inside.Options, o)
	r.option = &r.inside.Options[len(r.inside.Options)-1]
	return nil
}

func (r *iniReader) head(number int, name string) error {
	r.option = nil
	if name == defaultSection {
		r.inside = r.ini.defaults
		return nil
	}
	if r.seen[name] {
		return wrong(number, "there is a section [%s] already", name)
	}
	r.seen[name] = true
	kind, rest, _ := strings.Cut(name, " ")
	r.inside = &Section{Kind: kind, Name: strings.TrimSpace(rest), Line: number}
	r.ini.Sections = append(r.ini.Sections, r.inside)
	return nil
}

// Section returns a section by its head; nil if there is none.
func (f *INI) Section(kind, name string) *Section {
	for _, s := range f.Sections {
		if s.Kind == kind && s.Name == name {
			return s
		}
	}
	return nil
}

// The bounds of what a value may become.
const (
	maxDepth = 10       // of references, as Python has it
	maxValue = 64 << 10 // octets
)

// Option returns a key of a section, else of the section DEFAULT, with the values of other keys put in for %(name)s.
func (f *INI) Option(s *Section, key string) (o Option, ok bool, err error) {
	if o, ok = s.Get(key); !ok {
		if o, ok = f.defaults.Get(key); !ok {
			return o, false, nil
		}
	}
	var b strings.Builder
	if err := f.fill(&b, s, o, 1); err != nil {
		return o, true, err
	}
	o.Values = []string{b.String()}
	return o, true, nil
}

// fill writes the value of an option, with its references followed.
func (f *INI) fill(b *strings.Builder, s *Section, o Option, depth int) error {
	if depth > maxDepth {
		return wrong(o.Line, "%s refers to other keys too deeply", o.Said)
	}
	for rest := o.Value(); rest != ""; {
		plain, after, more := strings.Cut(rest, "%")
		b.WriteString(plain)
		if b.Len() > maxValue {
			return wrong(o.Line, "%s becomes too long", o.Said)
		}
		if !more {
			return nil
		}
		if after, more = strings.CutPrefix(after, "%"); more {
			b.WriteByte('%')
			rest = after
			continue
		}
		name, next, closed := strings.Cut(after, ")s")
		if !closed || !strings.HasPrefix(name, "(") || strings.Contains(name, ")") {
			return wrong(o.Line, `%s has a "%%" that is neither "%%%%" nor "%%(name)s"`, o.Said)
		}
		other, found := s.Get(strings.ToLower(name[1:]))
		if !found {
			if other, found = f.defaults.Get(strings.ToLower(name[1:])); !found {
				return wrong(o.Line, "%s refers to %s, which is not there", o.Said, name[1:])
			}
		}
		if err := f.fill(b, s, other, depth+1); err != nil {
			return err
		}
		rest = next
	}
	return nil
}
