package mailbox

import (
	"strings"
)

// Inbox is the one mailbox name that every account has and that ignores case.
//
// Source: RFC 9051, section 5.1.
const Inbox Name = "INBOX"

// A Name is the full name of a mailbox as a person reads it: UTF-8, levels separated by "/". Where a level itself
// holds a "/" (possible when the server's own delimiter is another), it is written "%2F"; a "%" that would then be
// misread is written "%25". Two equal Names are the same mailbox. The zero value names no mailbox.
type Name string

// MakeName joins the levels of a mailbox name, which hold any text. The first level INBOX is put in upper case, for
// it ignores case.
func MakeName(levels ...string) Name {
	escaped := make([]string, len(levels))
	for i, level := range levels {
		escaped[i] = escapeLevel(level)
	}
	if len(escaped) > 0 && strings.EqualFold(escaped[0], string(Inbox)) {
		escaped[0] = string(Inbox)
	}
	return Name(strings.Join(escaped, "/"))
}

// Levels returns the levels of the name, as MakeName took them.
func (n Name) Levels() []string {
	levels := strings.Split(string(n), "/")
	for i, level := range levels {
		levels[i] = unescapeLevel(level)
	}
	return levels
}

// Parent returns the name one level up, and the zero Name for a name of one level.
func (n Name) Parent() Name {
	i := strings.LastIndexByte(string(n), '/')
	if i < 0 {
		return ""
	}
	return n[:i]
}

// Under tells whether n lies below parent, at any depth.
func (n Name) Under(parent Name) bool {
	return strings.HasPrefix(string(n), string(parent)+"/")
}

// escapeLevel writes a level so that it holds no "/" and unescapeLevel can undo it. A "%" is left alone unless what
// follows would make it look like an escape, so that "100%" stays readable.
func escapeLevel(level string) string {
	if !strings.ContainsAny(level, "/%") {
		return level
	}
	var b strings.Builder
	for i := 0; i < len(level); i++ {
		switch {
		case level[i] == '/':
			b.WriteString("%2F")
		case level[i] == '%' && looksEscaped(level[i+1:]):
			b.WriteString("%25")
		default:
			b.WriteByte(level[i])
		}
	}
	return b.String()
}

func looksEscaped(rest string) bool {
	return strings.HasPrefix(rest, "2F") || strings.HasPrefix(rest, "25")
}

var unescaper = strings.NewReplacer("%2F", "/", "%25", "%")

func unescapeLevel(level string) string { return unescaper.Replace(level) }
