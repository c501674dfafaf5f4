package imaptest

import (
	"bytes"
	"slices"
	"strings"
)

// A Profile is what a server can do, told by what is taken away from it. A capability that was taken away is not only
// hidden: what belongs to it is refused with BAD, and its response codes do not come.
type Profile struct {
	Name    string
	Removed []string      // capabilities, as CAPABILITY spells them
	Manner  func() Manner // made anew for each connection; nil if it speaks as the server does
	Blind   bool          // it offers CONDSTORE, and cannot tell whether anything changed

	NoKeywords bool // it stores none
}

// The profiles that every suite runs on.
var (
	// All leaves a server as it is.
	All = Profile{Name: "all"}
	// NoQResync is CONDSTORE without QRESYNC, as at Gmail.
	NoQResync = Profile{Name: "no-qresync", Removed: []string{"QRESYNC"}}
	// Bare is what RFC 3501 asks for, and little more.
	Bare = Profile{Name: "bare", Removed: []string{
		"CONDSTORE", "QRESYNC", "ESEARCH", "SEARCHRES", "ESORT", "CONTEXT=SEARCH", "UIDPLUS", "LIST-STATUS",
		"LIST-EXTENDED", "MOVE", "LITERAL+", "LITERAL-", "MULTIAPPEND",
	}}
)

// Profiles are all of them.
var Profiles = []Profile{All, NoQResync, Bare}

// Lacks tells whether a capability was taken away.
func (p Profile) Lacks(capability string) bool {
	return slices.ContainsFunc(p.Removed, func(r string) bool { return strings.EqualFold(r, capability) })
}

// rules say what belongs to a capability: commands, or what makes a command need it.
var rules = []struct {
	capability string
	verbs      string // separated by "|"
	word       string // in the arguments, outside quotes; empty: the command itself
}{
	{"CONDSTORE", "SELECT|EXAMINE", "CONDSTORE"},
	{"CONDSTORE", "FETCH|UID FETCH", "CHANGEDSINCE"},
	{"CONDSTORE", "FETCH|UID FETCH", "MODSEQ"},
	{"CONDSTORE", "STORE|UID STORE", "UNCHANGEDSINCE"},
	{"CONDSTORE", "SEARCH|UID SEARCH", "MODSEQ"},
	{"CONDSTORE", "STATUS|LIST", "HIGHESTMODSEQ"},
	{"QRESYNC", "SELECT|EXAMINE", "QRESYNC"},
	{"QRESYNC", "UID FETCH", "VANISHED"},
	{"ESEARCH", "SEARCH|UID SEARCH", "RETURN"},
	{"UIDPLUS", "UID EXPUNGE", ""},
	{"LIST-STATUS", "LIST", "STATUS"},
	{"LIST-EXTENDED", "LIST", "RETURN"},
	{"LIST-EXTENDED", "LIST", "SUBSCRIBED"},
	{"SPECIAL-USE", "LIST", "SPECIAL-USE"},
	{"MOVE", "MOVE|UID MOVE", ""},
	{"UNSELECT", "UNSELECT", ""},
	{"ENABLE", "ENABLE", ""},
	{"IDLE", "IDLE", ""},
	{"NAMESPACE", "NAMESPACE", ""},
	{"ID", "ID", ""},
}

// refuses names the capability for the lack of which a command is BAD; empty if there is none.
func (p Profile) refuses(verb, args string) string {
	for _, r := range rules {
		if p.Lacks(r.capability) && slices.Contains(strings.Split(r.verbs, "|"), verb) && hasWord(args, r.word) {
			return r.capability
		}
	}
	return ""
}

// refusesLiteral tells whether a literal of such a size is BAD if the server was not asked before.
func (p Profile) refusesLiteral(size int64) bool {
	const most = 4096 // RFC 7888, section 5
	return p.Lacks("LITERAL+") && (p.Lacks("LITERAL-") || size > most)
}

func hasWord(args, word string) bool {
	return word == "" || slices.Contains(strings.FieldsFunc(args, func(r rune) bool {
		return r == ' ' || r == '(' || r == ')' || r == '\r' || r == '\n'
	}), word)
}

// command takes the first line of a command apart. A line without a verb, like DONE, has no tag either. Arguments
// are in upper case, and what is quoted is left out.
func command(line []byte) (tag, verb, args string) {
	words := strings.SplitN(strings.TrimRight(string(line), "\r\n"), " ", 4)
	if len(words) < 2 {
		return "", "", ""
	}
	tag, verb = words[0], strings.ToUpper(words[1])
	rest := strings.Join(words[2:], " ")
	if verb == "UID" && len(words) > 2 {
		verb += " " + strings.ToUpper(words[2])
		rest = strings.Join(words[3:], " ")
	}
	return tag, verb, strings.ToUpper(unquoted(rest))
}

// unquoted leaves out what stands in quotes.
func unquoted(s string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
			b.WriteByte('"')
		case !quoted:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// enable takes the capabilities that are missing out of an ENABLE command. With none left it becomes a NOOP, whose
// answer is the right one.
func (p Profile) enable(line []byte) []byte {
	words := bytes.Fields(line)
	kept := slices.DeleteFunc(words[2:], func(w []byte) bool { return p.Lacks(string(w)) })
	if len(kept) == 0 {
		return []byte(string(words[0]) + " NOOP\r\n")
	}
	return []byte(string(words[0]) + " ENABLE " + string(bytes.Join(kept, []byte(" "))) + "\r\n")
}

// answer takes out of the first line of an answer what the server would not say; nil means all of it.
func (p Profile) answer(line []byte) []byte {
	if len(p.Removed) == 0 {
		return line
	}
	if rest, found := bytes.CutPrefix(line, []byte("* CAPABILITY ")); found {
		return []byte("* CAPABILITY " + p.capabilities(string(rest)) + "\r\n")
	}
	start := bytes.IndexByte(line, '[')
	end := bytes.IndexByte(line, ']')
	if start < 0 || end < start || !status(line[:start]) {
		return line
	}
	before, code, after := string(line[:start]), string(line[start+1:end]), string(line[end+1:])
	name, args, _ := strings.Cut(code, " ")
	switch strings.ToUpper(name) {
	case "CAPABILITY":
		return []byte(before + "[CAPABILITY " + p.capabilities(args) + "]" + after)
	case "HIGHESTMODSEQ", "NOMODSEQ":
		return p.without("CONDSTORE", line, before, after)
	case "APPENDUID", "COPYUID":
		return p.without("UIDPLUS", line, before, after)
	case "CLOSED":
		return p.without("QRESYNC", line, before, after)
	}
	return line
}

// status tells whether what stands before a "[" is the beginning of a status response.
func status(before []byte) bool {
	words := bytes.Fields(before)
	return len(words) == 2 && slices.Contains([]string{"OK", "NO", "BAD", "PREAUTH", "BYE"}, string(words[1]))
}

func (p Profile) without(capability string, line []byte, before, after string) []byte {
	switch {
	case !p.Lacks(capability):
		return line
	case strings.HasPrefix(before, "* "):
		return nil
	}
	return []byte(before + strings.TrimLeft(after, " "))
}

func (p Profile) capabilities(list string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(list), p.Lacks), " ")
}
