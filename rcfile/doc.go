// Package rcfile reads the configuration files of other programs that keep mail: mbsync's .mbsyncrc, and .offlineimaprc,
// with the few forms of Python that can be understood without Python. It knows how they are written, and nothing of
// what their keys mean. It does no I/O. Whatever a text holds, reading it ends soon, without a panic.
//
// No library is used for .offlineimaprc: those for INI files tell no lines, and keep other rules for comments and
// continued lines than Python does.
package rcfile

import "fmt"

// A Section is a part of a file, with what its head says.
type Section struct {
	Kind    string // the first word of the head; in lower case for mbsync, as it is written for OfflineIMAP
	Name    string // the rest of the head; may be empty
	Line    int    // where the head stands, from 1
	Options []Option
}

// An Option is a key and its value, which is a list of words for mbsync and one text for OfflineIMAP.
type Option struct {
	Key    string // in lower case
	Said   string // as it is written
	Line   int    // from 1
	Values []string
}

// Value is the first of the values.
func (o Option) Value() string {
	if len(o.Values) == 0 {
		return ""
	}
	return o.Values[0]
}

// Get returns the last option of a key, which is the one that counts.
func (s *Section) Get(key string) (Option, bool) {
	for i := len(s.Options) - 1; i >= 0; i-- {
		if s.Options[i].Key == key {
			return s.Options[i], true
		}
	}
	return Option{}, false
}

// A SyntaxError says what the program that a file belongs to would not understand either.
type SyntaxError struct {
	Line   int
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

func wrong(line int, format string, args ...any) error {
	return &SyntaxError{line, fmt.Sprintf(format, args...)}
}
