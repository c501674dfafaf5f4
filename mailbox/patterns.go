package mailbox

import (
	"errors"
	"strings"
)

// Patterns choose mailboxes by name. In each, "*" stands for any text, levels included, "?" for one character; a
// leading "!" takes out what the rest matches. The last pattern that matches decides. What none matches is chosen only
// if the first pattern takes something out, or if there is none. The zero value chooses everything.
type Patterns []string

// Check returns what is wrong with a pattern.
func (p Patterns) Check() error {
	for _, pattern := range p {
		if strings.TrimPrefix(pattern, "!") == "" {
			return errors.New("an empty pattern matches nothing")
		}
	}
	return nil
}

// Match tells whether a mailbox is chosen.
func (p Patterns) Match(name Name) bool {
	if len(p) == 0 {
		return true
	}
	chosen := strings.HasPrefix(p[0], "!")
	for _, pattern := range p {
		rest, out := strings.CutPrefix(pattern, "!")
		if glob([]rune(rest), []rune(string(name))) {
			chosen = !out
		}
	}
	return chosen
}

// glob matches in time that grows with both lengths, not with the number of stars: a star that was tried takes one
// character more, and those before it are done with.
func glob(pattern, text []rune) bool {
	p, t := 0, 0
	star, after := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, after = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			after++
			p, t = star+1, after
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
