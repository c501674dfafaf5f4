package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailtwin/mailbox"
	"mailtwin/rcfile"
)

// An mbsyncStore says how the mailboxes of a Maildir store lie on the disk.
type mbsyncStore struct {
	path     string // what stands before the names, with a slash at its end; empty if there is none
	inbox    string
	style    string // "verbatim", "maildir++", "legacy", or empty: no mailboxes within mailboxes
	flat     string // stands for "/" in the names of directories; empty if nothing does
	mapInbox string // another name of INBOX; empty if there is none
}

const (
	verbatim = "verbatim"
	plusPlus = "maildir++"
	legacy   = "legacy"
)

// inboxName is the mailbox that mbsync keeps apart.
const inboxName = string(mailbox.Inbox)

// openStore reads where the mailboxes of a pair lie.
func (m *mbsync) openStore(p *mbsyncAccount) {
	s := &mbsyncStore{}
	p.store = s
	where := func(key, usual string) string {
		o, ok := p.near.Get(key)
		if !ok {
			o = rcfile.Option{Line: p.near.Line, Said: p.near.Kind + " " + p.near.Name, Values: []string{usual}}
		}
		if o.Value() == "" {
			return ""
		}
		path, err := m.env.absolute(o.Value())
		if err != nil {
			m.refuse(p.takeover, o, "%v", err)
		}
		return path
	}
	s.path = where("path", "")
	s.inbox = filepath.Clean(where("inbox", "~/Maildir"))
	if o, ok := p.near.Get("subfolders"); ok {
		s.style = strings.ToLower(o.Value())
		if !slices.Contains([]string{verbatim, plusPlus, legacy}, s.style) {
			m.refuse(p.takeover, o, "%q is not a way to lay mailboxes out that mbsync knows", o.Value())
		}
	}
	if o, ok := p.near.Get("flatten"); ok {
		s.flat = o.Value()
	}
	if o, ok := p.near.Get("mapinbox"); ok {
		s.mapInbox = o.Value()
	}
	m.separator(p)
	if o, ok := p.near.Get("path"); ok && s.path != "" && !strings.HasSuffix(s.path, "/") {
		m.refuse(p.takeover, o, "%v. Move the mailboxes into a directory of their own, and name that", errNotDirectory)
	}
}

// separator refuses names of files in which the flags do not stand behind a colon.
func (m *mbsync) separator(p *mbsyncAccount) {
	o, ok := p.near.Get("infodelimiter")
	if !ok {
		o, ok = m.global.Get("fielddelimiter")
	}
	if ok && o.Value() != ":" {
		m.refuse(p.takeover, o, "mailtwin wants a colon before the flags in the names of files, and would not see the flags that mbsync keeps behind %q. "+
			"Rename the files first, on a file system that allows colons, and leave this line out", o.Value())
	}
}

// An mbsyncBox is a mailbox as mbsync names it, and its directory.
type mbsyncBox struct {
	name, dir string
	link      bool // a symbolic link, which mailtwin does not follow
}

// boxes lists the mailboxes that lie on the disk.
//
// Source: mbsync(1), SubFolders, Flatten.
func (s *mbsyncStore) boxes() ([]mbsyncBox, error) {
	l := &mbsyncListing{store: s}
	l.add(inboxName, s.inbox)
	switch {
	case s.style == plusPlus && s.flat == "":
		return l.found, l.dots()
	case s.path != "":
		if err := l.descend(s.path, "", 0); err != nil {
			return nil, err
		}
	}
	if s.flat != "" { // then what is below INBOX lies beside it
		return l.found, nil
	}
	return l.found, l.descend(s.inbox, inboxName+"/", 1)
}

type mbsyncListing struct {
	store *mbsyncStore
	found []mbsyncBox
	looks bounded
}

// bounded counts directories, so that a path like "/" ends soon.
type bounded int

// maxLooks is how many directories a Maildir may have, mailboxes or not.
const maxLooks = 100_000

func (n *bounded) look(dir string) error {
	if *n++; *n > maxLooks {
		return fmt.Errorf("%s: more than %d directories; is that a Maildir?", dir, maxLooks)
	}
	return nil
}

// add takes a directory for a mailbox if it has a cur.
func (l *mbsyncListing) add(name, dir string) {
	if info, err := os.Stat(filepath.Join(dir, "cur")); err == nil && info.IsDir() {
		info, err := os.Lstat(dir)
		l.found = append(l.found, mbsyncBox{name, dir, err == nil && info.Mode()&fs.ModeSymlink != 0})
	}
}

// directories are the names of the directories in one, without those of a mailbox.
func directories(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.IsDir() && !slices.Contains([]string{"cur", "new", "tmp"}, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// mbsyncDepth is how deep mbsync looks.
const mbsyncDepth = 10

// descend lists what lies in a directory, and below it. depth counts the mailboxes above.
func (l *mbsyncListing) descend(dir, prefix string, depth int) error {
	if depth > mbsyncDepth {
		return fmt.Errorf("%s: more than %d levels", dir, mbsyncDepth)
	}
	names, err := directories(dir)
	if err == nil {
		err = l.looks.look(dir)
	}
	if err != nil {
		return err
	}
	s := l.store
	for _, entry := range names {
		at, name := filepath.Join(dir, entry), entry
		hidden := strings.HasPrefix(entry, ".")
		switch {
		case at == s.inbox || at == filepath.Clean(s.path), prefix == "" && entry == inboxName:
			continue
		case s.style == legacy && s.flat == "" && hidden != (depth > 0):
			continue
		case s.style == legacy && s.flat == "" && hidden:
			name = entry[1:]
		}
		if s.flat != "" {
			l.add(strings.ReplaceAll(name, s.flat, "/"), at)
			continue
		}
		if s.style == "" && depth > 0 {
			continue
		}
		l.add(prefix+name, at)
		if err := l.descend(at, prefix+name+"/", depth+1); err != nil {
			return err
		}
	}
	return nil
}

// dots lists what lies beside the cur of INBOX, behind a dot. Behind two of them it is a mailbox within INBOX.
func (l *mbsyncListing) dots() error {
	names, err := directories(l.store.inbox)
	if err != nil {
		return err
	}
	for _, entry := range names {
		name, found := strings.CutPrefix(entry, ".")
		if !found || name == "" || name == inboxName || strings.HasPrefix(name, inboxName+".") {
			continue
		}
		if below, found := strings.CutPrefix(name, "."); found {
			name = inboxName + "." + below
		}
		l.add(strings.ReplaceAll(name, ".", "/"), filepath.Join(l.store.inbox, entry))
	}
	return nil
}

// synced tells whether mbsync has kept a mailbox in a directory.
func synced(dir string) bool {
	for _, name := range []string{".uidvalidity", ".isyncuidmap.db"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}
