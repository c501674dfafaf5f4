package main

import (
	"slices"
	"strings"

	"mailtwin/imap"
	"mailtwin/mailbox"
)

// An mbsyncChoice is what one channel of mbsync chooses among the mailboxes of the server: one by its name, or those that
// patterns match.
type mbsyncChoice struct {
	one      string   // empty if there are patterns
	patterns []string // "*" is any text, "%" any text without "/", "!" takes out; the last one that matches decides
}

// matches tells whether patterns of mbsync choose a name.
//
// Source: mbsync(1), Patterns.
func (c mbsyncChoice) matches(name string) bool {
	if c.one != "" {
		return c.one == name
	}
	chosen := false
	for _, p := range c.patterns {
		pattern, out := strings.CutPrefix(p, "!")
		if mbsyncGlob(pattern, name) {
			chosen = !out
		}
	}
	return chosen
}

// mbsyncGlob matches in time that grows with the product of both lengths.
func mbsyncGlob(pattern, text string) bool {
	row := make([]bool, len(text)+1) // row[i]: what was read of the pattern matches text[:i]
	row[0] = true
	for _, p := range []byte(pattern) {
		if p != '*' && p != '%' {
			for i := len(text); i > 0; i-- {
				row[i] = row[i-1] && text[i-1] == p
			}
			row[0] = false
			continue
		}
		for i := 1; i <= len(text); i++ {
			row[i] = row[i] || row[i-1] && (p == '*' || text[i-1] != '/')
		}
	}
	return row[len(text)]
}

// ourPatterns writes down in our patterns what the channels of an account choose together. exact is false if that cannot
// be done: we have nothing like "%", and the patterns of one channel know nothing of those of another.
func ourPatterns(choices []mbsyncChoice) (patterns mailbox.Patterns, exact bool) {
	var wholes, positive []string
	var narrowed [][]string // of channels that take something out
	for _, c := range choices {
		all := c.ours()
		if len(all) > 0 && slices.ContainsFunc(all, func(p string) bool { return p[0] == '!' }) {
			narrowed = append(narrowed, all)
			continue
		}
		positive = append(positive, all...)
	}
	if len(narrowed) > 1 {
		return nil, false
	}
	if len(narrowed) == 0 {
		wholes, positive = positive, nil
	} else {
		wholes = narrowed[0]
	}
	for _, p := range positive {
		if strings.Contains(p, "%") {
			return nil, false
		}
	}
	if patterns, exact = widened(wholes); !exact {
		return nil, false
	}
	for _, p := range append(wholes, positive...) {
		if strings.Contains(p, "?") { // which stands for any character with us
			return nil, false
		}
	}
	return append(patterns, positive...), true
}

// ours are the patterns of one channel, without those that take out what was never in.
func (c mbsyncChoice) ours() (all []string) {
	if c.one != "" {
		return []string{readable(c.one)}
	}
	for _, p := range c.patterns {
		rest, out := strings.CutPrefix(p, "!")
		switch {
		case !out:
			all = append(all, readable(rest))
		case len(all) > 0:
			all = append(all, "!"+readable(rest))
		}
	}
	return all
}

// widened does without "%": A%B is all of A*B that is not A*/*B. What that takes out too much must be chosen again
// later, so the patterns with "%" come first, those for fewer levels before those for more.
func widened(wholes []string) (patterns mailbox.Patterns, exact bool) {
	var levels, plain []string
	outs := 0
	for _, p := range wholes {
		switch {
		case p[0] == '!':
			outs++
		case strings.Contains(p, "%") && outs > 0:
			return nil, false
		}
		if !strings.Contains(p, "%") {
			plain = append(plain, p)
			continue
		}
		if p[0] == '!' || strings.Count(p, "%") > 1 || strings.Contains(p, "*") {
			return nil, false
		}
		levels = append(levels, p)
	}
	slices.SortStableFunc(levels, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	for _, p := range levels {
		patterns = append(patterns, strings.Replace(p, "%", "*", 1), "!"+strings.Replace(p, "%", "*/*", 1))
	}
	return append(patterns, plain...), true
}

// readable is a name of mbsync as people read it. One that is no modified UTF-7 stays as it is.
func readable(name string) string {
	levels := strings.Split(name, "/")
	for i, level := range levels {
		if text, err := imap.DecodeName(level); err == nil {
			levels[i] = text
		}
	}
	return strings.Join(levels, "/")
}
