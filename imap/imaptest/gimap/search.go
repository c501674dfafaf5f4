package gimap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A condition is one key of a SEARCH.
type condition func(numbered) bool

// search answers SEARCH. Like Gmail it looks for whole words in headers, not for parts of them.
func (c *session) search(cmd *command) string {
	args := cmd.args
	var returns []string
	if len(args) >= 2 && args[0].is("RETURN") && args[1].isList {
		returns = args[1].words()
		if len(returns) == 0 {
			returns = []string{"ALL"}
		}
		args = args[2:]
	}
	if len(args) >= 2 && args[0].is("CHARSET") {
		args = args[2:]
	}
	want, err := c.conditions(args)
	if err != nil || len(args) == 0 {
		return badCommand
	}
	var found []uint32
	for i, e := range c.view {
		n := numbered{e, i + 1}
		if c.s.store.messages[e.m.id] == nil || !want(n) {
			continue
		}
		if cmd.uid {
			found = append(found, e.uid)
		} else {
			found = append(found, uint32(n.seq))
		}
	}
	c.saySearch(cmd, returns, found)
	if cmd.uid {
		c.tell(false)
	}
	return "OK SEARCH completed (Success)"
}

func (c *session) saySearch(cmd *command, returns []string, found []uint32) {
	if returns == nil {
		text := "* SEARCH"
		for _, n := range found {
			text += " " + number(n)
		}
		c.say("%s", text)
		return
	}
	text := fmt.Sprintf("* ESEARCH (TAG %s)", quote(cmd.tag))
	if cmd.uid {
		text += " UID"
	}
	for _, r := range returns {
		r = strings.ToUpper(r)
		switch {
		case r == "COUNT":
			text += " COUNT " + number(len(found))
		case len(found) == 0:
		case r == "ALL":
			text += " ALL " + compact(found)
		case r == "MIN":
			text += " MIN " + number(found[0])
		case r == "MAX":
			text += " MAX " + number(found[len(found)-1])
		}
	}
	c.say("%s", text)
}

// conditions reads keys that must all hold.
func (c *session) conditions(args []node) (condition, error) {
	var all []condition
	for len(args) > 0 {
		one, rest, err := c.condition(args)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		args = rest
	}
	return func(e numbered) bool {
		return !slices.ContainsFunc(all, func(one condition) bool { return !one(e) })
	}, nil
}

func (c *session) condition(args []node) (condition, []node, error) {
	if args[0].isList {
		inner, err := c.conditions(args[0].list)
		return inner, args[1:], err
	}
	key := strings.ToUpper(args[0].text)
	if one := c.plain(key); one != nil {
		return one, args[1:], nil
	}
	switch key {
	case "NOT":
		if len(args) < 2 {
			return nil, nil, errParse
		}
		inner, rest, err := c.condition(args[1:])
		return func(e numbered) bool { return !inner(e) }, rest, err
	case "OR":
		if len(args) < 3 {
			return nil, nil, errParse
		}
		a, rest, err := c.condition(args[1:])
		if err != nil || len(rest) == 0 {
			return nil, nil, errParse
		}
		b, rest, err := c.condition(rest)
		return func(e numbered) bool { return a(e) || b(e) }, rest, err
	case "HEADER":
		if len(args) < 3 {
			return nil, nil, errParse
		}
		name, words := args[1].text, wordsOf(args[2].text)
		return func(e numbered) bool { return hasWords(wordsOf(e.m.header(name)), words) }, args[3:], nil
	}
	if len(args) > 1 {
		if one := c.withValue(key, args[1].text); one != nil {
			return one, args[2:], nil
		}
	}
	set, err := parseSet(key, uint32(len(c.view)))
	return func(e numbered) bool { return inSet(set, uint32(e.seq)) }, args[1:], err
}

func inSet(set []uidRange, n uint32) bool {
	return slices.ContainsFunc(set, func(r uidRange) bool { return r.from <= n && n <= r.to })
}

// plain is a key without a value; nil if it is none.
func (c *session) plain(key string) condition {
	has := func(word string) condition {
		return func(e numbered) bool { return slices.Contains(c.flagsOf(e.member), word) }
	}
	words := map[string]string{"SEEN": `\Seen`, "ANSWERED": `\Answered`, "FLAGGED": `\Flagged`, "DELETED": `\Deleted`, "DRAFT": `\Draft`}
	if key == "ALL" {
		return func(numbered) bool { return true }
	}
	if word := words[key]; word != "" {
		return has(word)
	}
	if word := words[strings.TrimPrefix(key, "UN")]; word != "" {
		yes := has(word)
		return func(e numbered) bool { return !yes(e) }
	}
	return nil
}

// withValue is a key with one value; nil if it is none.
func (c *session) withValue(key, value string) condition {
	switch key {
	case "UID":
		last := uint32(0)
		if len(c.view) > 0 {
			last = c.view[len(c.view)-1].uid
		}
		set, err := parseSet(value, last)
		if err != nil {
			return nil
		}
		return func(e numbered) bool { return inSet(set, e.uid) }
	case "KEYWORD":
		return func(e numbered) bool { return slices.Contains(c.flagsOf(e.member), value) }
	case "UNKEYWORD":
		return func(e numbered) bool { return !slices.Contains(c.flagsOf(e.member), value) }
	case "SINCE", "BEFORE", "ON":
		day, err := time.Parse("2-Jan-2006", value)
		if err != nil {
			return nil
		}
		return func(e numbered) bool {
			of := e.m.date.Truncate(24 * time.Hour)
			return key == "SINCE" && !of.Before(day) || key == "BEFORE" && of.Before(day) || key == "ON" && of.Equal(day)
		}
	case "X-GM-MSGID", "X-GM-THRID":
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return nil
		}
		return func(e numbered) bool {
			return key == "X-GM-MSGID" && e.m.id == n || key == "X-GM-THRID" && e.m.thread == n
		}
	case "X-GM-LABELS":
		name := c.decode(value)
		return func(e numbered) bool { return e.m.has(name) }
	case "X-GM-RAW":
		return c.raw(value)
	case "SUBJECT", "FROM", "TO", "CC":
		words := wordsOf(value)
		return func(e numbered) bool { return hasWords(wordsOf(e.m.header(key)), words) }
	case "LARGER", "SMALLER":
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil
		}
		return func(e numbered) bool { return (key == "LARGER") == (len(e.m.raw) > n) && len(e.m.raw) != n }
	}
	return nil
}

// raw is a query of the web page, as far as anybody needs it here: it is asked of the open mailbox only.
func (c *session) raw(query string) condition {
	var all []condition
	for term := range strings.FieldsSeq(query) {
		key, value, _ := strings.Cut(term, ":")
		switch strings.ToLower(key) {
		case "rfc822msgid":
			value = strings.Trim(value, "<>")
			all = append(all, func(e numbered) bool { return strings.Trim(e.m.header("Message-ID"), "<>") == value })
		case "in":
			all = append(all, func(e numbered) bool { return e.m.isIn(strings.ToLower(value)) })
		case "label":
			all = append(all, func(e numbered) bool { return e.m.labels[value] })
		default:
			return nil
		}
	}
	return func(e numbered) bool {
		return !slices.ContainsFunc(all, func(one condition) bool { return !one(e) })
	}
}

// has tells whether a message has a label; those of the system may be written in any case.
func (m *message) has(label string) bool {
	if !strings.HasPrefix(label, `\`) {
		return m.labels[label]
	}
	return m.isIn(strings.ToLower(label[1:]))
}

// isIn tells whether a message is in a place of the web page, by its name in lower case.
func (m *message) isIn(name string) bool {
	switch name {
	case "anywhere":
		return true
	case "trash", "spam":
		return m.place == map[string]place{"trash": inTrash, "spam": inSpam}[name]
	case "starred":
		return m.flags[`\Flagged`]
	case "drafts":
		name = "draft"
	}
	for l := range m.labels {
		if strings.ToLower(l) == `\`+name {
			return true
		}
	}
	return false
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// hasWords tells whether some words stand in a text, one behind the other.
func hasWords(text, words []string) bool {
	if len(words) == 0 {
		return len(text) > 0
	}
	for i := 0; i+len(words) <= len(text); i++ {
		if slices.Equal(text[i:i+len(words)], words) {
			return true
		}
	}
	return false
}
