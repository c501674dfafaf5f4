package rcfile

import (
	"slices"
	"strings"
)

// The kinds of sections of mbsync.
const (
	Global       = "" // what stands before all sections
	IMAPAccount  = "imapaccount"
	IMAPStore    = "imapstore"
	MaildirStore = "maildirstore"
	Channel      = "channel"
	Group        = "group"
)

var mbsyncKinds = []string{IMAPAccount, IMAPStore, MaildirStore, Channel, Group}

// channels is the key under which the channels of a group are found, also those in its head.
const channels = "channels"

// ParseMbsync reads a configuration of mbsync. The first section is what stands before all others.
//
// Source: mbsync(1), CONFIGURATION.
func ParseMbsync(text string) ([]*Section, error) {
	sections := []*Section{{Kind: Global, Line: 1}}
	inside := sections[0]
	for i, line := range strings.Split(text, "\n") {
		words, blank, err := mbsyncWords(i+1, line)
		switch {
		case err != nil:
			return nil, err
		case blank: // which ends a section; a comment does not
			if inside != sections[0] {
				inside = nil
			}
			continue
		case len(words) == 0:
			continue
		case len(words) == 1:
			return nil, wrong(i+1, "%s has no value", words[0])
		}
		o := Option{Key: strings.ToLower(words[0]), Said: words[0], Line: i + 1, Values: words[1:]}
		if o.starts(inside) {
			if inside != nil && inside != sections[0] {
				return nil, wrong(i+1, "%s begins within the section of line %d; mbsync wants an empty line before it", o.Said, inside.Line)
			}
			inside = o.section()
			sections = append(sections, inside)
			continue
		}
		if inside == nil {
			return nil, wrong(i+1, "%s stands outside of all sections; mbsync ends a section at an empty line", o.Said)
		}
		if inside.Kind == Group && o.Key == Channel {
			o.Key = channels
		}
		inside.Options = append(inside.Options, o)
	}
	return sections, nil
}

// starts tells whether a line is the head of a section. Within a group, Channel names one.
func (o Option) starts(inside *Section) bool {
	if inside != nil && inside.Kind == Group && o.Key == Channel {
		return false
	}
	return slices.Contains(mbsyncKinds, o.Key)
}

// section begins a section. What follows the name, in the head of a group, are channels.
func (o Option) section() *Section {
	s := &Section{Kind: o.Key, Name: o.Value(), Line: o.Line}
	if rest := o.Values[1:]; len(rest) > 0 {
		key := "" // which no section has
		if o.Key == Group {
			key = channels
		}
		s.Options = append(s.Options, Option{Key: key, Said: o.Said, Line: o.Line, Values: rest})
	}
	return s
}

// mbsyncWords takes a line apart. blank tells that there is nothing at all in it, not even a comment.
func mbsyncWords(number int, line string) (words []string, blank bool, err error) {
	rest := strings.TrimLeft(line, mbsyncSpace)
	if rest == "" {
		return nil, true, nil
	}
	for rest != "" && rest[0] != '#' {
		var word strings.Builder
		quoted, escaped := false, false
		i := 0
		for ; i < len(rest); i++ {
			c := rest[i]
			if !quoted && !escaped && strings.IndexByte(mbsyncSpace, c) >= 0 {
				break
			}
			switch {
			case escaped && c >= ' ':
				escaped = false
				word.WriteByte(c)
			case c == '\\':
				escaped = true
			case c == '"':
				quoted = !quoted
			default:
				word.WriteByte(c)
			}
		}
		switch {
		case quoted:
			return nil, false, wrong(number, "a quote is not closed")
		case escaped:
			return nil, false, wrong(number, "it ends in a backslash")
		}
		words = append(words, word.String())
		rest = strings.TrimLeft(rest[i:], mbsyncSpace)
	}
	return words, false, nil
}

const mbsyncSpace = " \t\r\v\f"
