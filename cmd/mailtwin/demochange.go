package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
)

// files are those of a Maildir, with all their names.
type files struct {
	names map[string][]string // below the root, by one of them
	count int
}

// readFiles finds out which names are those of one file.
func readFiles(tree imaptest.Tree) (all files, err error) {
	all.names = map[string][]string{}
	bySize := map[int64][]string{}
	infos := map[string]fs.FileInfo{}
	err = filepath.WalkDir(tree.Root, func(path string, d fs.DirEntry, err error) error {
		if sub := filepath.Base(filepath.Dir(path)); err != nil || d.IsDir() || sub != "cur" && sub != "new" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(tree.Root, path)
		if err != nil {
			return err
		}
		all.count++
		same := func(other string) bool { return os.SameFile(infos[other], info) }
		if i := slices.IndexFunc(bySize[info.Size()], same); i >= 0 {
			first := bySize[info.Size()][i]
			all.names[first] = append(all.names[first], rel)
			return nil
		}
		bySize[info.Size()] = append(bySize[info.Size()], rel)
		infos[rel], all.names[rel] = info, []string{rel}
		return nil
	})
	return all, err
}

// most are the names of the file that has most of them.
func (f files) most() []string {
	var most []string
	for _, first := range slices.Sorted(maps.Keys(f.names)) {
		if names := f.names[first]; len(names) > len(most) {
			most = names
		}
	}
	return most
}

var errNoMessage = errors.New("the demo's own mail has no message that fits")

// change does on either side what people do there.
func (d *demo) change(context.Context) error {
	d.env.print("\nNow things change on both sides:")
	inbox, err := d.plain()
	if err != nil {
		return err
	}
	if len(inbox) < 4 {
		return errNoMessage
	}
	for i, step := range []struct {
		what string
		do   func(c imaptest.Copy) error
	}{
		{"flagged as answered", func(c imaptest.Copy) error { _, err := d.tree.Flag(c, []string{`\Answered`}, nil); return err }},
		{"copied from INBOX to Family, so it gets that label", func(c imaptest.Copy) error { _, err := d.tree.Copy(c, "Family"); return err }},
		{"moved from INBOX to Räkningar", func(c imaptest.Copy) error { _, err := d.tree.Move(c, "Räkningar", true); return err }},
		{"removed from INBOX, and so archived", d.tree.Remove},
	} {
		if err := step.do(inbox[i]); err != nil {
			return err
		}
		d.env.print("  here:  a message is %s", step.what)
	}
	return d.changeThere()
}

// plain are messages of INBOX that are read, have no other flags, and are in neither mailbox to which one is to go.
func (d *demo) plain() ([]imaptest.Copy, error) {
	inbox, err := d.tree.Messages("INBOX")
	if err != nil {
		return nil, err
	}
	all, err := readFiles(d.tree)
	if err != nil {
		return nil, err
	}
	labelled := map[string]bool{} // the file has one of these labels
	for _, names := range all.names {
		for _, name := range names {
			labelled[filepath.Join(d.tree.Root, name)] = slices.ContainsFunc(names, func(other string) bool {
				return strings.HasPrefix(other, "Family/") || strings.HasPrefix(other, "Räkningar/")
			})
		}
	}
	return slices.DeleteFunc(inbox, func(c imaptest.Copy) bool { return c.Flags != `\seen` || labelled[c.Path] }), nil
}

// changeThere stars a message and gives a label to another, as somebody in a browser does.
func (d *demo) changeThere() error {
	web, all := d.server.Web(), d.server.Messages()
	read := func(labelled bool) func(gimap.Message) bool {
		return func(m gimap.Message) bool {
			return slices.Equal(m.Flags, []string{`\Seen`}) && m.Folders["INBOX"] == 0 && (m.Folders["Work"] > 0) == labelled && m.Folders["Family"] == 0
		}
	}
	starred, given := slices.IndexFunc(all, read(true)), slices.IndexFunc(all, read(false))
	if starred < 0 || given < 0 {
		return errNoMessage
	}
	web.Flag(all[starred].ID, []string{`\Flagged`}, nil)
	d.env.print("  there: a message is starred in the browser; it shows in %s", mailboxesOf(all[starred]))
	web.Label(all[given].ID, []string{"Family"}, nil)
	d.env.print("  there: another gets the label Family")
	return nil
}

// mailboxesOf names the mailboxes that show a message.
func mailboxesOf(m gimap.Message) string {
	names := slices.Sorted(maps.Keys(m.Folders))
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s and %s", strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}
