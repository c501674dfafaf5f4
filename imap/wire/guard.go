package wire

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"
)

// The guard writes anew what go-imap is to see, from parts that were understood. What was not is left out: go-imap
// would close the connection, or worse. It never sees FETCH, LIST, STATUS, SEARCH or ESEARCH, for all commands that
// bring those go through Exec.

// guardData returns an untagged data response that go-imap needs; ok is false if it does not.
func guardData(r *Response) (line string, ok bool) {
	switch r.Kind {
	case "EXISTS":
		return strconv.FormatUint(uint64(r.Num), 10) + " EXISTS", true
	case "FLAGS":
		words, err := r.p.words()
		return "FLAGS (" + strings.TrimSpace(guardFlags(words)) + ")", err == nil
	case "CAPABILITY":
		return "CAPABILITY" + guardCaps(r.Caps()), true
	case "ENABLED":
		return "ENABLED" + guardWords(strings.Fields(string(r.p.seg))), true
	}
	return "", false
}

// guardStatus returns a status response. verb is the command that a tagged one ends.
func guardStatus(s Status, verb string) string {
	code := guardCode(s, verb)
	if code != "" {
		code = "[" + code + "] "
	}
	return s.Kind + " " + code + guardText(s.Text)
}

// guardText makes a text harmless: it is never empty, and never looks like a code.
func guardText(text string) string {
	text = strings.TrimLeft(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text), " ")
	if text == "" || text[0] == '[' {
		return "." + text
	}
	return text
}

// guardChallenge returns a continuation request of a login. What is no base64 is an empty challenge: go-imap would give
// up at words that ask it to go on.
func guardChallenge(text string) string {
	if _, err := base64.StdEncoding.DecodeString(text); err != nil || text == "" {
		return "+"
	}
	return "+ " + text
}

// guardCode returns the response code: with its arguments if go-imap reads them and can hold them, without them if it
// does not read them.
func guardCode(s Status, verb string) string {
	switch s.Code {
	case "":
		return ""
	case "CAPABILITY":
		return "CAPABILITY" + guardCaps(capWords(s.Args))
	case "UIDNEXT", "UIDVALIDITY":
		return guardNumber(s, 1<<32-1)
	case "HIGHESTMODSEQ":
		return guardNumber(s, 1<<63-1)
	case "PERMANENTFLAGS":
		list := strings.TrimSuffix(strings.TrimPrefix(s.Args, "("), ")")
		return "PERMANENTFLAGS (" + strings.TrimSpace(guardFlags(strings.Fields(list))) + ")"
	case "APPENDUID":
		return "" // go-imap sends no APPEND
	case "COPYUID":
		return guardCopy(s, verb)
	}
	if isWord(s.Code) {
		return s.Code
	}
	return ""
}

func guardNumber(s Status, most uint64) string {
	n, err := strconv.ParseUint(s.Args, 10, 64)
	if err != nil || n == 0 || n > most {
		return ""
	}
	return s.Code + " " + strconv.FormatUint(n, 10)
}

// guardCopy passes a COPYUID on whose sets are finite and ascend, to the command that it belongs to. go-imap sorts each
// set for itself, so that of others it would lose which UID became which; and it takes quadratic time for that, and
// does not survive counting to the last UID there is.
func guardCopy(s Status, verb string) string {
	fields := strings.Fields(s.Args)
	if len(fields) != 3 || (verb != "UID COPY" && verb != "UID MOVE") {
		return ""
	}
	if _, err := parseUID(fields[0]); err != nil {
		return ""
	}
	for _, set := range fields[1:] {
		ranges, err := parseRanges(set)
		if err != nil || !ascend(ranges) || ranges[len(ranges)-1].Last == 1<<32-1 {
			return ""
		}
	}
	return "COPYUID " + strings.Join(fields, " ")
}

// guardFlags writes the flags that are legal, each behind a space.
func guardFlags(words []string) string {
	var b strings.Builder
	for _, w := range words {
		if w == `\*` || isWord(strings.TrimPrefix(w, `\`)) {
			b.WriteByte(' ')
			b.WriteString(w)
		}
	}
	return b.String()
}

// guardWords writes the words that are atoms, each behind a space.
func guardWords(words []string) string {
	var b strings.Builder
	for _, w := range words {
		if isWord(w) {
			b.WriteByte(' ')
			b.WriteString(w)
		}
	}
	return b.String()
}

// guardCaps writes capabilities, each behind a space. Those that would make go-imap write mailbox names in UTF-8 are
// left out: names go over the wire in modified UTF-7 as long as nobody asks for anything else.
func guardCaps(caps []string) string {
	words := []string{"IMAP4rev1"}
	for _, name := range caps {
		switch strings.ToUpper(name) {
		case "IMAP4REV1", "IMAP4REV2", "UTF8=ACCEPT", "UTF8=ONLY":
		default:
			words = append(words, name)
		}
	}
	return guardWords(words)
}

// isWord tells whether s is an IMAP atom.
func isWord(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`(){%*"\]`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
