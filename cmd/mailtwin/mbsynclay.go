package main

import (
	"path/filepath"
	"slices"
	"strings"

	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/rcfile"
)

// base is what the names of all mailboxes of a pair begin with in its Maildir store, up to a slash.
func (p *mbsyncAccount) base() string {
	base, first := "", true
	for _, c := range p.channels {
		if c.near.box == "" && len(c.patterns) == 0 || c.near.box == inboxName {
			continue // INBOX lies elsewhere
		}
		dir := c.near.box[:strings.LastIndex(c.near.box, "/")+1]
		for !first && !strings.HasPrefix(dir, base) {
			base = base[:strings.LastIndex(strings.TrimSuffix(base, "/"), "/")+1]
		}
		if first {
			base, first = dir, false
		}
	}
	return base
}

// apart gives each pair a root for its Maildir. Where one would lie in another one, the outer pair's mail goes into a
// directory of its own.
func (m *mbsync) apart() {
	for _, p := range m.pairs {
		switch s := p.store; {
		case s.style == plusPlus && s.flat == "", s.path == "":
			p.root, p.account.Layout = s.inbox, string(maildir.PlusPlus)
		default:
			p.root = filepath.Join(s.path, p.base())
		}
	}
	roots := make([]string, len(m.pairs))
	for i, p := range m.pairs {
		roots[i] = p.root
		shared := slices.ContainsFunc(m.pairs, func(other *mbsyncAccount) bool { return other != p && within(other.root, p.root) })
		if shared && p.account.Layout == "" {
			roots[i] = filepath.Join(p.root, strings.TrimLeft(p.account.name, "."))
		}
		if shared && p.account.Layout != "" {
			m.lacks(p.takeover, p.near, "the Maildir of another account is the same, or lies within it: %s. Two accounts need two Maildirs; move the mailboxes "+
				"of one elsewhere, change its MaildirStore, and try again", p.root)
		}
	}
	for i, p := range m.pairs {
		p.root = roots[i]
		p.account.Maildir = m.env.fromHome(p.root)
	}
}

// lay finds out which mailboxes there are, where each has to lie, and how to choose them all.
func (m *mbsync) lay(p *mbsyncAccount) {
	boxes, err := p.store.boxes()
	if err != nil {
		m.lacks(p.takeover, p.near, "%v", err)
		return
	}
	var names []string
	dirs := map[string]string{} // by name on the server
	for _, box := range boxes {
		name, ok := p.serverName(box)
		others := slices.ContainsFunc(m.pairs, func(other *mbsyncAccount) bool { return within(box.dir, other.root) && !within(p.root, other.root) })
		switch {
		case !ok || others:
			continue
		case dirs[name] != "":
			m.lacks(p.takeover, p.near, "%s and %s are both the mailbox %q of the server; move one away", dirs[name], box.dir, name)
		case box.link:
			m.lacks(p.takeover, p.near, "%s is a symbolic link, and mailtwin follows none in a Maildir; put the mailbox itself there", box.dir)
		}
		dirs[name] = box.dir
		names = append(names, name)
		p.carry(p.root, box.dir, name)
	}
	p.there = len(names)
	m.choose(p, names, dirs[inboxName] != "")
}

// serverName is what the server calls a mailbox of the Maildir store; not ok if no channel has to do with it.
func (p *mbsyncAccount) serverName(box mbsyncBox) (name string, ok bool) {
	for _, c := range p.channels {
		near := box.name
		if near == inboxName && p.store.mapInbox != "" {
			near = p.store.mapInbox
		}
		if len(c.patterns) == 0 {
			if near == orInbox(c.near.box) || box.name == orInbox(c.near.box) {
				return c.farName(orInbox(c.far.box)), true
			}
			continue
		}
		rest, below := strings.CutPrefix(near, c.near.box)
		if !below || !(mbsyncChoice{patterns: c.patterns}).matches(rest) {
			continue
		}
		// A pattern that names INBOX means it; whether "*" does, depends on the server, but mbsync leaves its traces.
		if box.name == inboxName && !slices.Contains(c.patterns, near) && !synced(box.dir) {
			continue
		}
		return c.farName(c.far.box + rest), true
	}
	return "", false
}

func orInbox(box string) string {
	if box == "" {
		return inboxName
	}
	return box
}

// farName is what the server calls a mailbox that mbsync calls box, with "/" between its levels.
func (c *mbsyncChannel) farName(box string) string {
	if o, ok := c.far.store.Get("mapinbox"); ok && box == o.Value() {
		return inboxName
	}
	if o, ok := c.far.store.Get("flatten"); ok {
		box = strings.ReplaceAll(box, o.Value(), "/")
	}
	if box == inboxName || strings.HasPrefix(box, inboxName+"/") {
		return box
	}
	return c.farPath() + box
}

// farPath is what stands before the names of the server in an IMAP store. INBOX does not count: where all mailboxes lie
// below it, we leave it out, too.
func (c *mbsyncChannel) farPath() string {
	o, ok := c.far.store.Get("path")
	path := o.Value()
	if !ok || path == "" || strings.EqualFold(path[:len(path)-1], inboxName) {
		return ""
	}
	return strings.ReplaceAll(path, path[len(path)-1:], "/")
}

// choose writes down which mailboxes the account is about.
func (m *mbsync) choose(p *mbsyncAccount, names []string, inbox bool) { //nolint:gocognit // a list of what a channel may say, one line each
	var choices []mbsyncChoice
	explicit, beyond := false, false
	var at rcfile.Option
	for _, c := range p.channels {
		if at.Line == 0 {
			at = rcfile.Option{Line: c.section.Line, Said: "Channel " + c.section.Name}
		}
		if o, ok := c.far.store.Get("path"); ok && o.Value() != "" && !strings.ContainsAny(o.Value()[len(o.Value())-1:], "/.") {
			m.refuse(p.takeover, o, "%v", errNotDirectory)
		}
		choices = append(choices, c.choice())
		explicit = explicit || len(c.patterns) == 0 && c.farName(orInbox(c.far.box)) == inboxName || slices.Contains(c.patterns, inboxName)
		for _, o := range c.section.Options {
			if strings.HasPrefix(o.Key, "pattern") {
				at = o
			}
		}
		if o, ok := c.far.store.Get("subscribedonly"); ok && mbsyncYes(o) && len(c.patterns) > 0 {
			at, beyond = o, true
		}
	}
	patterns, exact := ourPatterns(choices)
	switch {
	case exact && !beyond:
		if p.account.Mailboxes = patterns; len(patterns) == 1 && patterns[0] == "*" {
			p.account.Mailboxes = nil
		}
	case len(names) == 0:
		m.refuse(p.takeover, at, "mailtwin has nothing like it, %s", namesMissing)
		return
	default:
		m.say(at, "mailtwin has nothing like it: mailboxes names the %s that lie in the Maildir now", plural(len(names), "mailbox"))
		for _, name := range names {
			p.chooseThese([]string{readable(name)})
		}
		return
	}
	// Where all mailboxes lie below INBOX on the server, "*" is not about INBOX itself; then mbsync has not made one.
	if !explicit && !inbox && p.there > 0 && p.chooses(mailbox.Inbox) {
		m.say(at, "mbsync has not synced INBOX, so mailboxes leaves it out")
		p.account.Mailboxes = append(orAll(p.account.Mailboxes), "!"+inboxName)
	}
}

func orAll(patterns []string) []string {
	if len(patterns) == 0 {
		return []string{"*"}
	}
	return patterns
}

// choice is what a channel chooses, in the names of the server.
func (c *mbsyncChannel) choice() mbsyncChoice {
	if len(c.patterns) == 0 {
		return mbsyncChoice{one: c.farName(orInbox(c.far.box))}
	}
	flat, flattened := c.far.store.Get("flatten")
	inbox, mapped := c.far.store.Get("mapinbox")
	chosen := mbsyncChoice{}
	for _, pattern := range c.patterns {
		pattern, out := strings.CutPrefix(pattern, "!")
		if flattened {
			pattern = strings.ReplaceAll(strings.ReplaceAll(pattern, "%", "*"), flat.Value(), "/")
		}
		if mapped && pattern == inbox.Value() {
			pattern = inboxName
		}
		if c.far.box != "" || pattern != inboxName && !strings.HasPrefix(pattern, inboxName+"/") {
			pattern = c.farPath() + c.far.box + pattern
		}
		if out {
			pattern = "!" + pattern
		}
		chosen.patterns = append(chosen.patterns, pattern)
	}
	return chosen
}
