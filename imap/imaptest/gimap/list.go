package gimap

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

func number[T ~int | ~int64 | ~uint32 | ~uint64](n T) string {
	if n < 0 {
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatUint(uint64(n), 10)
}

// encode writes the name of a mailbox or a label as the client reads it.
func (c *session) encode(name string) string {
	if c.utf8 {
		return name
	}
	return toUTF7(name)
}

// decode reads it; what cannot be read is the name of nothing.
func (c *session) decode(name string) string {
	if c.utf8 {
		return name
	}
	text, ok := fromUTF7(name)
	if !ok {
		return "\x00"
	}
	return text
}

// A listing is what a LIST asks for.
type listing struct {
	verb                 string
	special, onlySpecial bool // attributes of special use; only mailboxes that have one
	subscribed           bool
	extended             bool
	status               []string
	patterns             []string
}

// list answers LIST, with what RFC 5258 and RFC 5819 add. Extended, it shows no special use unless asked to.
func (c *session) list(cmd *command) string {
	l, ok := readListing(cmd)
	if !ok || c.s.o.UseAlone && l.special && l.status != nil {
		return badCommand
	}
	if len(l.patterns) == 1 && l.patterns[0] == "" {
		c.say(`* %s (\Noselect) "/" "/"`, cmd.verb)
		return "OK Success"
	}
	for _, e := range c.entries() {
		if !matches(l.patterns, c.encode(e.name)) || l.onlySpecial && (e.f == nil || !e.f.special()) {
			continue
		}
		name := c.nameWord(e.name)
		if l.verb == "XLIST" && e.name == "INBOX" {
			name = `"Inbox"`
		}
		c.say(`* %s (%s) "/" %s`, l.verb, strings.Join(c.attributes(e, l), " "), name)
		if e.f != nil && l.status != nil && !slices.Contains(c.s.o.NoStatus, e.name) {
			c.sayStatus(e.f, l.status)
		}
	}
	return "OK Success"
}

func readListing(cmd *command) (l listing, ok bool) {
	args := cmd.args
	l.verb = cmd.verb
	l.extended = l.verb == "LSUB" // which shows what an extended LIST does
	if len(args) > 0 && args[0].isList {
		l.extended = true
		l.onlySpecial = slices.ContainsFunc(args[0].list, func(n node) bool { return n.is("SPECIAL-USE") })
		args = args[1:]
	}
	if len(args) != 2 && len(args) != 4 {
		return l, false
	}
	l.patterns = args[1].words()
	if len(args) == 4 {
		l.extended = true
		if !args[2].is("RETURN") || !args[3].isList {
			return l, false
		}
		for i, n := range args[3].list {
			switch {
			case n.is("SPECIAL-USE"):
				l.special = true
			case n.is("SUBSCRIBED"):
				l.subscribed = true
			case n.is("STATUS") && i+1 < len(args[3].list):
				l.status = args[3].list[i+1].words()
			}
		}
	}
	l.special = l.special || l.onlySpecial || !l.extended
	return l, true
}

// An entry is a line of a LIST; f is nil for a name that only has others below it.
type entry struct {
	name        string
	f           *folder
	hasChildren bool
}

// entries are all mailboxes that IMAP shows, by name, INBOX first.
func (c *session) entries() []entry {
	byName := map[string]*entry{}
	for _, f := range c.s.store.folders {
		if f.hidden {
			continue
		}
		if e := byName[f.name]; e != nil {
			e.f = f
		} else {
			byName[f.name] = &entry{name: f.name, f: f}
		}
		for up := parent(f.name); up != ""; up = parent(up) {
			if byName[up] == nil {
				byName[up] = &entry{name: up}
			}
			byName[up].hasChildren = true
		}
	}
	all := make([]entry, 0, len(byName))
	for _, e := range byName {
		all = append(all, *e)
	}
	slices.SortFunc(all, func(a, b entry) int {
		if (a.name == "INBOX") != (b.name == "INBOX") {
			return map[bool]int{true: -1, false: 1}[a.name == "INBOX"]
		}
		return cmp.Compare(a.name, b.name)
	})
	return all
}

func parent(name string) string {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)]
}

// special tells whether the use of a mailbox is one that LIST shows.
func (f *folder) special() bool {
	switch f.use {
	case `\All`, `\Drafts`, `\Flagged`, `\Important`, `\Junk`, `\Sent`, `\Trash`:
		return true
	}
	return false
}

// nameWord writes the name of a mailbox as Gmail does: quoted, but for one that begins with a plus.
func (c *session) nameWord(name string) string {
	if name = c.encode(name); strings.HasPrefix(name, "+") {
		return labelWord(name)
	}
	return quote(name)
}

func (c *session) attributes(e entry, l listing) []string {
	attrs := []string{`\HasNoChildren`}
	if e.hasChildren {
		attrs[0] = `\HasChildren`
	}
	if l.verb == "XLIST" {
		return oldAttributes(e, attrs[0])
	}
	switch {
	case e.f == nil && l.extended:
		attrs = append(attrs, `\NonExistent`)
	case e.f == nil:
		attrs = append(attrs, `\Noselect`)
	case e.f.special() && (l.special || c.s.o.UseUnasked && l.verb == "LIST"):
		attrs = append(attrs, e.f.use)
	}
	if l.subscribed {
		attrs = append(attrs, `\Subscribed`)
	}
	slices.Sort(attrs)
	return attrs
}

// oldAttributes are those of XLIST, which is older than special uses and calls some of them by other names.
func oldAttributes(e entry, children string) []string {
	if e.f == nil {
		return []string{`\Noselect`, children}
	}
	old := map[string]string{`\All`: `\AllMail`, `\Junk`: `\Spam`, `\Flagged`: `\Starred`}[e.f.use]
	switch {
	case old != "":
		return []string{children, old}
	case e.f.special() || e.f.use == `\Inbox`:
		return []string{children, e.f.use}
	}
	return []string{children}
}

// matches tells whether a name fits one of the patterns, in which % stops at a slash.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}

func match(p, name string) bool {
	if p == "" {
		return name == ""
	}
	if p[0] == '*' || p[0] == '%' {
		for i := 0; i <= len(name); i++ {
			if match(p[1:], name[i:]) {
				return true
			}
			if i < len(name) && p[0] == '%' && name[i] == '/' {
				return false
			}
		}
		return false
	}
	return name != "" && p[0] == name[0] && match(p[1:], name[1:])
}

func (c *session) status(cmd *command) string {
	if len(cmd.args) != 2 || !cmd.args[1].isList {
		return badCommand
	}
	f := c.s.store.shown(c.decode(cmd.args[0].text))
	if f == nil {
		return "NO [NONEXISTENT] Unknown Mailbox: " + cmd.args[0].text + " (Failure)"
	}
	c.sayStatus(f, cmd.args[1].words())
	return "OK Success"
}

// sayStatus gives the numbers of a mailbox, by their names in alphabetical order.
func (c *session) sayStatus(f *folder, items []string) {
	slices.Sort(items)
	shown := f.visible(c.s.o.Limit)
	var parts []string
	for _, item := range items {
		item = strings.ToUpper(item)
		switch item {
		case "MESSAGES":
			n := len(shown)
			if f.use == `\Chats` {
				n += c.s.o.Chats
			}
			parts = append(parts, item, number(n))
		case "UIDNEXT":
			parts = append(parts, item, number(f.next))
		case "UIDVALIDITY":
			parts = append(parts, item, number(f.validity))
		case "HIGHESTMODSEQ":
			parts = append(parts, item, number(c.s.store.highest(f)))
			c.condense = true
		case "RECENT":
			parts = append(parts, item, "0")
		case "UNSEEN":
			unseen := 0
			for _, e := range shown {
				if !e.m.flags[`\Seen`] {
					unseen++
				}
			}
			parts = append(parts, item, number(unseen))
		}
	}
	c.say("* STATUS %s (%s)", c.nameWord(f.name), strings.Join(parts, " "))
}
