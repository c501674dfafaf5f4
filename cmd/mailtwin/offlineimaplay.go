package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailtwin/maildir"
	"mailtwin/rcfile"
)

// lay finds out which mailboxes there are, where each has to lie, and how to choose them all.
func (m *offlineimap) lay(a *offlineimapAccount) {
	local := m.translate(a)
	if a.left {
		return
	}
	names, err := a.directories()
	if err != nil {
		m.lacks(a.takeover, a.near, "%v", err)
		return
	}
	a.there = len(names)
	a.prefixed = !slices.ContainsFunc(names, func(name string) bool { return name != inboxName && !strings.HasPrefix(name, inboxName+a.sep) })
	if len(local) > 0 {
		m.rename(a, local)
	}
	m.choose(a, names, local)
}

// translate understands what gives mailboxes other names in the Maildir: names on the server by those in the Maildir.
func (m *offlineimap) translate(a *offlineimapAccount) (local map[string]string) {
	back, hasBack := m.value(a, a.near, "nametrans")
	o, ok := m.value(a, a.far, "nametrans")
	if !ok && hasBack {
		m.refuse(a.takeover, back, untranslatable)
	}
	if !ok {
		return nil
	}
	if pattern, replacement, ok := rcfile.ParseSubstitution(o.Value()); ok {
		switch pattern + " > " + replacement {
		case `^INBOX\. > `, `^INBOX[.] > `, `INBOX\. > `, `^INBOX/ > `:
			m.say(o, "mailtwin leaves out a prefix INBOX that all mailboxes have, too")
			return nil
		case `^INBOX\.* > .`:
			a.account.Layout = string(maildir.PlusPlus)
			m.say(o, "layout = %q: INBOX is the root itself, and the others lie beside its cur, behind a dot", maildir.PlusPlus)
			return nil
		}
	}
	names, ok := rcfile.ParseTranslation(o.Value())
	if !ok {
		m.refuse(a.takeover, o, untranslatable)
		return nil
	}
	m.say(o, "mailtwin calls directories as the server calls the mailboxes")
	local = map[string]string{}
	for name, dir := range names {
		if !a.plainly(name) || local[dir] != "" {
			m.refuse(a.takeover, o, "whether %q has one level or several depends on the server. Give the directories the names that the mailboxes have there, "+
				"leave nametrans out, and try again", name)
		}
		local[dir] = name
	}
	return local
}

const untranslatable = "it is a function of Python, and mailtwin cannot tell which name it gives which mailbox. Give the directories the names that the mailboxes have on the server, " +
	"leave nametrans out, and try again"

// plainly tells whether it is plain which levels a name on the server has: Gmail separates them with "/", others may with
// a dot.
func (a *offlineimapAccount) plainly(name string) bool {
	return a.gmail || isGmail(a.account.Host) || !strings.Contains(name, ".")
}

// rename has mailboxes lie where their names on the server say.
func (m *offlineimap) rename(a *offlineimapAccount, local map[string]string) {
	for _, dir := range slices.Sorted(maps.Keys(local)) {
		path := filepath.Join(a.root, strings.ReplaceAll(dir, "/", a.sep))
		if info, err := os.Stat(filepath.Join(path, "cur")); err == nil && info.IsDir() {
			a.carry(a.root, path, local[dir])
		}
	}
}

// directories lists the mailboxes of the Maildir, as OfflineIMAP wrote their names down.
func (a *offlineimapAccount) directories() (names []string, err error) {
	if a.account.Layout != "" {
		l := &mbsyncListing{store: &mbsyncStore{inbox: a.root}}
		l.add(inboxName, a.root)
		err = l.dots()
		for _, box := range l.found {
			names = append(names, box.name)
		}
		return names, err
	}
	return a.below(new(bounded), a.root, "", 0)
}

func (a *offlineimapAccount) below(looks *bounded, dir, prefix string, depth int) (names []string, err error) {
	if depth > mbsyncDepth {
		return nil, fmt.Errorf("%s: more than %d levels", dir, mbsyncDepth)
	}
	entries, err := directories(dir)
	if err == nil {
		err = looks.look(dir)
	}
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if info, err := os.Stat(filepath.Join(dir, entry, "cur")); err == nil && info.IsDir() {
			names = append(names, prefix+entry)
		}
		if a.sep != "/" {
			continue
		}
		more, err := a.below(looks, filepath.Join(dir, entry), prefix+entry+"/", depth+1)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	return names, nil
}

// choose writes down which mailboxes the account is about.
func (m *offlineimap) choose(a *offlineimapAccount, names []string, local map[string]string) {
	var filter rcfile.Filter
	o, filtered := m.value(a, a.far, "folderfilter")
	understood := !filtered
	if filtered {
		filter, understood = rcfile.ParseFilter(o.Value())
	}
	if near, ok := m.value(a, a.near, "folderfilter"); ok {
		o, understood = near, false
	}
	more, ok := m.value(a, a.far, "folderincludes")
	included, plain := rcfile.ParseNames(more.Value())
	if ok && !plain {
		o, understood = more, false
	}
	if subscribed, is := m.yes(a, a.far, "subscribedonly", false); is {
		o, understood = subscribed, false
	}
	switch {
	case !understood && len(names) == 0:
		m.refuse(a.takeover, o, "mailtwin cannot tell which mailboxes it means, %s", namesMissing)
	case !understood:
		m.say(o, "mailtwin cannot tell which mailboxes it means: mailboxes names the %s that lie in the Maildir now", plural(len(names), "mailbox"))
		a.chooseThese(a.here(names, local))
	case filtered && filter.Not:
		a.account.Mailboxes = []string{"*"}
		for _, name := range filter.Names {
			for _, spelt := range a.spelt(name) {
				a.account.Mailboxes = append(a.account.Mailboxes, "!"+spelt)
			}
		}
		a.include(included)
	case filtered:
		a.include(filter.Names)
		a.include(included)
		if len(a.account.Mailboxes) == 0 {
			m.refuse(a.takeover, o, "it chooses no mailbox at all")
		}
	}
}

func (a *offlineimapAccount) include(names []string) {
	for _, name := range names {
		a.chooseThese(a.spelt(name))
	}
}

// spelt are the names that a mailbox of the server may have with us: where a dot may separate levels, with and without
// that; and without a prefix INBOX, if all mailboxes have it.
func (a *offlineimapAccount) spelt(name string) (all []string) {
	all = []string{readable(name)}
	if !a.plainly(name) {
		all = append(all, readable(strings.ReplaceAll(name, ".", "/")))
	}
	for _, s := range slices.Clone(all) {
		if rest, below := strings.CutPrefix(s, inboxName+"/"); below && rest != "" && a.prefixed {
			all = append(all, rest)
		}
	}
	return all
}

// here are the names that the mailboxes of the Maildir may have with us.
func (a *offlineimapAccount) here(names []string, local map[string]string) (all []string) {
	for _, name := range names {
		server := local[strings.ReplaceAll(name, a.sep, "/")]
		if server != "" {
			all = append(all, a.spelt(server)...)
			continue
		}
		all = append(all, readable(name))
		if a.sep == "." && strings.Contains(name, ".") {
			all = append(all, a.spelt(strings.ReplaceAll(name, ".", "/"))...)
		}
	}
	return all
}
