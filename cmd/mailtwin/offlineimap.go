package main

import (
	"maps"
	"os"
	"slices"
	"strings"

	"mailtwin/rcfile"
)

// An offlineimap is a configuration of OfflineIMAP, as far as it was understood.
type offlineimap struct {
	*takeovers
	ini     *rcfile.INI
	general *rcfile.Section
}

// An offlineimapAccount is one of its accounts, with what it brings together.
type offlineimapAccount struct {
	*takeover
	section, far, near *rcfile.Section
	gmail              bool // OfflineIMAP knows that the server is Gmail
	root, sep          string
	prefixed           bool // all mailboxes but INBOX lie below it, if there are any
}

// fromOfflineimap reads a configuration of OfflineIMAP, and what lies in the Maildirs that it names.
func fromOfflineimap(env *environment, file, text string) (*takeovers, error) {
	ini, err := rcfile.ParseINI(text)
	if err != nil {
		return nil, err
	}
	m := &offlineimap{takeovers: &takeovers{env: env, file: file}, ini: ini, general: ini.Section("general", "")}
	if m.general == nil {
		m.general = &rcfile.Section{Line: 1}
	}
	m.explain(m.general, offlineimapGeneral)
	accounts, _ := m.value(nil, m.general, "accounts")
	active := map[string]bool{}
	for _, name := range strings.Split(accounts.Value(), ",") {
		if name = strings.TrimSpace(name); name != "" {
			active[name] = true
		}
	}
	m.missing(accounts, active)
	for _, s := range ini.Sections {
		head := rcfile.Option{Line: s.Line, Said: strings.TrimSpace(s.Kind + " " + s.Name)}
		switch {
		case s.Kind == "mbnames":
			m.say(head, "there is nothing like it; mailtwin status --json lists the mailboxes")
		case s.Kind == "Account" && !active[s.Name]:
			m.say(head, "accounts, in [general], does not name it; it was left out")
		case s.Kind == "Account":
			m.account(s)
		}
	}
	return m.takeovers, nil
}

// missing tells of accounts that are named and not there.
func (m *offlineimap) missing(o rcfile.Option, active map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(active)) {
		if m.ini.Section("Account", name) == nil {
			m.failed = true
			m.say(o, "there is no [Account %s]", name)
		}
	}
}

// value is an option, with its references followed. One that cannot be followed leaves the account out.
func (m *offlineimap) value(a *offlineimapAccount, s *rcfile.Section, key string) (rcfile.Option, bool) {
	o, ok, err := m.ini.Option(s, key)
	if err != nil {
		if a == nil {
			a = &offlineimapAccount{takeover: &takeover{}}
			m.failed = true
		}
		m.refuse(a.takeover, o, "%v", err)
		return o, false
	}
	return o, ok
}

// account takes one account over.
func (m *offlineimap) account(s *rcfile.Section) {
	a := &offlineimapAccount{takeover: &takeover{account: &account{name: strings.ReplaceAll(s.Name, "/", "-")}}, section: s}
	m.accounts = append(m.accounts, a.takeover)
	m.explain(s, offlineimapAccountKeys)
	a.far, a.near = m.repository(a, "remoterepository"), m.repository(a, "localrepository")
	if a.left {
		return
	}
	m.explain(a.far, offlineimapFar)
	m.explain(a.near, offlineimapNear)
	m.connect(a)
	m.ways(a)
	m.amounts(a)
	if o, ok := m.value(a, a.section, "postsynchook"); ok && o.Value() != "" {
		a.account.OnChange = command{line: o.Value()}
		m.say(o, "on_change: it is run only if something changed in the Maildir")
	}
	m.place(a)
	if !a.left {
		m.lay(a)
	}
}

// repository finds one of the two that an account brings together, and makes sure that it is of a kind that we know.
func (m *offlineimap) repository(a *offlineimapAccount, key string) *rcfile.Section {
	o, ok := m.value(a, a.section, key)
	if !ok {
		m.lacks(a.takeover, a.section, "there is no %s", key)
		return nil
	}
	s := m.ini.Section("Repository", o.Value())
	if s == nil {
		m.refuse(a.takeover, o, "there is no [Repository %s]", o.Value())
		return nil
	}
	kind, _ := m.value(a, s, "type")
	switch {
	case key == "remoterepository" && (kind.Value() == "IMAP" || kind.Value() == "Gmail"):
		a.gmail = kind.Value() == "Gmail"
	case key == "localrepository" && (kind.Value() == "Maildir" || kind.Value() == "GmailMaildir"):
	default:
		m.refuse(a.takeover, o, "mailtwin keeps an IMAP account and a Maildir alike; %q is of another kind", kind.Value())
	}
	return s
}

// yes reads a boolean; not ok if it is not there.
func (m *offlineimap) yes(a *offlineimapAccount, s *rcfile.Section, key string, usual bool) (rcfile.Option, bool) {
	o, ok := m.value(a, s, key)
	if !ok {
		return o, usual
	}
	switch strings.ToLower(o.Value()) {
	case "1", "yes", "true", "on":
		return o, true
	case "0", "no", "false", "off":
		return o, false
	}
	m.refuse(a.takeover, o, "%q is neither yes nor no", o.Value())
	return o, usual
}

// ways takes over what travels to which side.
func (m *offlineimap) ways(a *offlineimapAccount) {
	far, oneWay := m.yes(a, a.far, "readonly", false)
	if o, is := m.yes(a, a.near, "readonly", false); is {
		m.refuse(a.takeover, o, "OfflineIMAP changes nothing in the Maildir. mailtwin sync goes both ways. If that may be, leave this line out, and try again")
	}
	if oneWay {
		a.account.Mode = modeBackup
		m.say(far, "%s", backupWords)
		return
	}
	never := false
	if o, is := m.yes(a, a.near, "sync_deletes", true); !is {
		never = true
		m.say(o, `delete_remote = "never": what you remove in the Maildir stays on the server`)
	}
	if o, is := m.yes(a, a.far, "expunge", true); !is {
		never = true
		m.say(o, `delete_remote = "never": OfflineIMAP only marks mail on the server as deleted. mailtwin leaves it as it is; say "trash" or "expunge" if it shall go`)
	}
	if o, is := m.yes(a, a.far, "sync_deletes", true); !is {
		m.say(o, "mailtwin removes in the Maildir what vanished on the server; it is kept beside the state for a while (attic)")
	}
	for _, s := range []*rcfile.Section{a.far, a.near} {
		if o, is := m.yes(a, s, "createfolders", true); !is {
			m.say(o, "mailtwin makes mailboxes on both sides")
		}
	}
	switch {
	case never:
		a.account.DeleteRemote = "never"
	case !a.gmail && !isGmail(a.account.Host):
		a.account.DeleteRemote = "expunge"
		m.say(rcfile.Option{Line: a.far.Line, Said: "Repository " + a.far.Name},
			`delete_remote = "expunge": what you remove in the Maildir is gone on the server, as with OfflineIMAP; "trash" would move it to the Trash`)
	}
}

// amounts looks for what would leave the Maildir with mail that is not what the server has.
func (m *offlineimap) amounts(a *offlineimapAccount) {
	if o, is := m.yes(a, a.section, "synclabels", false); is && a.gmail {
		m.refuse(a.takeover, o, "OfflineIMAP writes the labels into the messages, so that they are not what Gmail has, and mailtwin would transfer all of them again. "+
			"Start with an empty Maildir: mailtwin init")
	}
	if o, is := m.yes(a, a.section, "maildir-windows-compatible", false); is {
		m.refuse(a.takeover, o, "mailtwin wants a colon before the flags in the names of files, and would not see them behind a \"!\". Rename the files first, "+
			"on a file system that allows colons, and leave this line out")
	}
	for _, where := range []struct {
		section *rcfile.Section
		key     string
	}{{a.section, "maxsize"}, {a.section, "maxage"}, {a.near, "startdate"}, {a.far, "startdate"}} {
		if o, ok := m.value(a, where.section, where.key); ok {
			m.say(o, "there is nothing like it, for a Maildir is whole: the next sync downloads the messages that OfflineIMAP left out")
		}
	}
}

// place finds the Maildir, and how mailboxes within mailboxes lie there.
func (m *offlineimap) place(a *offlineimapAccount) {
	o, ok := m.value(a, a.near, "localfolders")
	if !ok {
		m.lacks(a.takeover, a.near, "there is no localfolders")
		return
	}
	path, err := m.path(o)
	if err != nil {
		m.refuse(a.takeover, o, "%v", err)
		return
	}
	a.root, a.sep = path, "."
	if o, ok := m.value(a, a.near, "sep"); ok {
		if a.sep = strings.TrimSpace(o.Value()); a.sep != "/" && a.sep != "." {
			m.refuse(a.takeover, o, "which %q separates levels and which is part of a name cannot be told from the directories. Give each level a directory of "+
				`its own, say "/" here, and try again`, a.sep)
		}
	}
	a.account.Maildir = m.env.fromHome(path)
	a.account.Layout = "" // nested, until nametrans says otherwise
}

// path reads a path as OfflineIMAP does: first "~", then the environment.
func (m *offlineimap) path(o rcfile.Option) (string, error) {
	text := o.Value()
	if home := m.env.getenv("HOME"); home != "" && (text == "~" || strings.HasPrefix(text, "~/")) {
		text = home + text[1:]
	}
	return m.env.absolute(os.Expand(text, func(name string) string {
		if value := m.env.getenv(name); value != "" {
			return value
		}
		return "$" + name
	}))
}
