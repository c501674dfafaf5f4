package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"mailtwin/mailbox"
)

// A Status is what ends a command, or an untagged OK, NO, BAD, BYE or PREAUTH. Text is foreign.
type Status struct {
	Kind string // OK, NO, BAD, BYE or PREAUTH
	Code string // the response code in upper case; empty if there is none
	Args string // what follows the code inside the brackets, as it came
	Text string
}

// Err returns nil for OK and PREAUTH, and a *StatusError for everything else.
func (s Status) Err() error {
	if s.Kind == "OK" || s.Kind == "PREAUTH" {
		return nil
	}
	return &StatusError{s}
}

// passing are the codes of what may go well later.
//
// Source: RFC 5530, section 3; [THROTTLED], and the System Error that has no code, are Gmail's.
var passing = []string{"UNAVAILABLE", "INUSE", "SERVERBUG", "THROTTLED"}

// Passing tells whether what was refused may go well later.
func (s Status) Passing() bool {
	return (s.Kind == "NO" || s.Kind == "BAD") && (slices.Contains(passing, s.Code) || s.Throttled() || strings.Contains(strings.ToLower(s.Text), "system error"))
}

// Throttled tells whether the server wants to be asked less often, which it may say along with any answer. Gmail writes
// [THROTTLED] behind the text, where no response code stands.
func (s Status) Throttled() bool {
	text := strings.ToLower(s.Text)
	return s.Code == "THROTTLED" || strings.Contains(text, "[throttled]") || s.Kind != "OK" && strings.Contains(text, "request is throttled")
}

// A StatusError is a command that the server refused. It is a mailbox.ErrTemporary if that may pass.
type StatusError struct{ Status }

// Unwrap returns mailbox.ErrTemporary or nil.
func (e *StatusError) Unwrap() error {
	if e.Passing() {
		return mailbox.ErrTemporary
	}
	return nil
}

func (e *StatusError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("%s %s", e.Kind, e.Text)
	}
	return fmt.Sprintf("%s [%s] %s", e.Kind, strings.TrimSpace(e.Code+" "+e.Args), e.Text)
}

// AppendUID returns where an APPEND put its messages, in their order, if it says so, and says so in a set that ascends.
//
// Source: RFC 4315, section 3; RFC 3502, section 6.3.11.
func (s Status) AppendUID() (validity uint32, uids UIDSet) {
	first, second, _ := strings.Cut(s.Args, " ")
	validity, err := parseUID(first)
	if s.Code != "APPENDUID" || err != nil {
		return 0, nil
	}
	ranges, err := parseRanges(second)
	if err != nil || !ascend(ranges) {
		return 0, nil
	}
	return validity, ranges
}

// parseStatus reads what follows the tag or the "*".
func parseStatus(kind string, rest []byte) Status {
	s := Status{Kind: strings.ToUpper(kind)}
	rest = bytes.TrimLeft(rest, " ")
	if len(rest) > 0 && rest[0] == '[' {
		if end := codeEnd(rest); end > 0 {
			code, args, _ := strings.Cut(string(rest[1:end]), " ")
			s.Code, s.Args = strings.ToUpper(code), strings.TrimSpace(args)
			rest = bytes.TrimLeft(rest[end+1:], " ")
		}
	}
	s.Text = string(rest)
	return s
}

// codeEnd finds the bracket that closes a response code. PERMANENTFLAGS may hold brackets inside its list.
func codeEnd(p []byte) int {
	depth, in := 0, false
	for i, c := range p {
		switch {
		case c == '"':
			in = !in
		case in:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ']' && depth <= 0:
			return i
		}
	}
	return bytes.IndexByte(p, ']')
}
