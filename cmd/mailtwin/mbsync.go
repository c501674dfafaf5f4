package main

import (
	"slices"
	"strings"

	"mailtwin/rcfile"
)

// An mbsync is a configuration of mbsync, as far as it was understood.
type mbsync struct {
	*takeovers
	global   *rcfile.Section
	sections map[string]map[string]*rcfile.Section // by kind and name
	channels []*mbsyncChannel
	groups   []*rcfile.Section
	pairs    []*mbsyncAccount
}

// An mbsyncChannel connects mailboxes of two stores.
type mbsyncChannel struct {
	section   *rcfile.Section
	far, near mbsyncRef
	patterns  []string
}

// An mbsyncRef names a store, and a mailbox in it or what its names begin with.
type mbsyncRef struct {
	option rcfile.Option
	store  *rcfile.Section
	box    string
}

// An mbsyncAccount is an IMAP account and a Maildir store, with all channels between them. It becomes one account.
type mbsyncAccount struct {
	*takeover
	login    *rcfile.Section // where Host and User stand
	near     *rcfile.Section
	store    *mbsyncStore
	channels []*mbsyncChannel
	root     string
}

// fromMbsync reads a configuration of mbsync, and what lies in the Maildirs that it names.
func fromMbsync(env *environment, file, text string) (*takeovers, error) {
	sections, err := rcfile.ParseMbsync(text)
	if err != nil {
		return nil, err
	}
	m := &mbsync{
		takeovers: &takeovers{env: env, file: file}, global: sections[0],
		sections: map[string]map[string]*rcfile.Section{rcfile.IMAPAccount: {}, rcfile.IMAPStore: {}, rcfile.MaildirStore: {}},
	}
	m.index(sections)
	m.pairUp()
	for _, p := range m.pairs {
		p.account.name = m.nameOf(p)
		m.accounts = append(m.accounts, p.takeover)
		m.connect(p)
		m.ways(p)
		m.openStore(p)
	}
	m.apart()
	for _, p := range m.pairs {
		if !p.left {
			m.lay(p)
		}
	}
	m.tellGroups()
	return m.takeovers, nil
}

// index sorts the sections by their kinds, and remarks on what there is nothing like.
func (m *mbsync) index(sections []*rcfile.Section) {
	for _, s := range sections {
		m.explain(s, mbsyncWordsFor[s.Kind])
		switch s.Kind {
		case rcfile.Global:
		case rcfile.Channel:
			m.channels = append(m.channels, &mbsyncChannel{section: s})
		case rcfile.Group:
			m.groups = append(m.groups, s)
		default:
			if was := m.sections[s.Kind][s.Name]; was != nil {
				m.failed = true
				m.say(rcfile.Option{Line: s.Line, Said: s.Kind}, "there is one called %s in line %d already; this one was left out", s.Name, was.Line)
				continue
			}
			m.sections[s.Kind][s.Name] = s
		}
	}
}

// pairUp finds out which channels belong to one IMAP account and one Maildir store.
func (m *mbsync) pairUp() {
	for _, c := range m.channels {
		reason := m.resolve(c)
		if reason == "" && (c.far.store.Kind != rcfile.IMAPStore || c.near.store.Kind != rcfile.MaildirStore) {
			reason = "mailtwin keeps an IMAP account and a Maildir alike, and wants the account on the far side"
		}
		login := m.login(c.far.store)
		if reason == "" && login == nil {
			reason = "its IMAPStore names an Account that is not there"
		}
		if reason != "" {
			m.failed = true
			m.say(rcfile.Option{Line: c.section.Line, Said: "Channel " + c.section.Name}, "%s; it was left out", reason)
			continue
		}
		at := slices.IndexFunc(m.pairs, func(p *mbsyncAccount) bool { return p.login == login && p.near == c.near.store })
		if at < 0 {
			at = len(m.pairs)
			m.pairs = append(m.pairs, &mbsyncAccount{takeover: &takeover{account: &account{}}, login: login, near: c.near.store})
		}
		m.pairs[at].channels = append(m.pairs[at].channels, c)
	}
}

// resolve finds the stores and the patterns of a channel. It returns what keeps it from being used.
func (m *mbsync) resolve(c *mbsyncChannel) (reason string) {
	for _, o := range c.section.Options {
		switch o.Key {
		case "far", "master":
			c.far, reason = m.refer(o, reason)
		case "near", "slave":
			c.near, reason = m.refer(o, reason)
		case "pattern", "patterns":
			c.patterns = append(c.patterns, o.Values...)
		}
	}
	if reason == "" && (c.far.store == nil || c.near.store == nil) {
		reason = "it does not name two stores"
	}
	return reason
}

// refer reads ":store:mailbox".
func (m *mbsync) refer(o rcfile.Option, reason string) (ref mbsyncRef, trouble string) {
	rest, ok := strings.CutPrefix(o.Value(), ":")
	name, box, closed := strings.Cut(rest, ":")
	if !ok || !closed {
		return ref, o.Said + " is not written as :store:mailbox"
	}
	for _, kind := range []string{rcfile.IMAPStore, rcfile.MaildirStore} {
		if s := m.sections[kind][name]; s != nil {
			return mbsyncRef{o, s, box}, reason
		}
	}
	return ref, o.Said + " names a store that is not there"
}

// login is the section in which an IMAP store says how to log in: its own, or that of an account.
func (m *mbsync) login(store *rcfile.Section) *rcfile.Section {
	if store == nil {
		return nil
	}
	if o, ok := store.Get("account"); ok {
		return m.sections[rcfile.IMAPAccount][o.Value()]
	}
	return store
}

// nameOf is what a user of mbsync calls the pair: its channel, or a group of just these channels; else the IMAP account.
func (m *mbsync) nameOf(p *mbsyncAccount) string {
	name := p.login.Name
	if len(p.channels) == 1 {
		name = p.channels[0].section.Name
	}
	for _, g := range m.groups {
		if len(p.channels) > 1 && sameChannels(g, p.channels) {
			name = g.Name
		}
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(m.accounts, func(t *takeover) bool { return t.account.name == name })
	}
	for first := name; taken(name); {
		name += "-" + p.near.Name
		if name == first {
			break
		}
	}
	return strings.NewReplacer("/", "-", "\x00", "").Replace(name)
}

// sameChannels tells whether a group names just these channels.
func sameChannels(group *rcfile.Section, channels []*mbsyncChannel) bool {
	named := groupChannels(group)
	if len(named) != len(channels) {
		return false
	}
	for _, c := range channels {
		if !slices.Contains(named, c.section.Name) {
			return false
		}
	}
	return true
}

// groupChannels are the channels of a group, without the mailboxes that may be named for each.
func groupChannels(group *rcfile.Section) (names []string) {
	for _, o := range group.Options {
		for _, v := range o.Values {
			name, _, _ := strings.Cut(v, ":")
			names = append(names, name)
		}
	}
	return names
}

// tellGroups says what to type in place of a group.
func (m *mbsync) tellGroups() {
	for _, g := range m.groups {
		var names []string
		for _, channel := range groupChannels(g) {
			for _, p := range m.pairs {
				if name := p.account.name; slices.ContainsFunc(p.channels, func(c *mbsyncChannel) bool { return c.section.Name == channel }) && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		boxes := slices.ContainsFunc(g.Options, func(o rcfile.Option) bool {
			return slices.ContainsFunc(o.Values, func(v string) bool { return strings.Contains(v, ":") })
		})
		head := rcfile.Option{Line: g.Line, Said: "Group " + g.Name}
		switch {
		case boxes:
			m.say(head, "mailtwin has no groups: mailtwin sync %s; --mailbox chooses mailboxes for one run", strings.Join(names, " "))
		case len(names) != 1 || names[0] != g.Name:
			m.say(head, "mailtwin has no groups: mailtwin sync %s", strings.Join(names, " "))
		}
	}
}
