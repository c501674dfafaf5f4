package maildir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// What lies where Place says is the mailbox of that name.
func TestPlace(t *testing.T) {
	for _, name := range []mailbox.Name{"INBOX", "Work/2024", "INBOX/sub", ".hidden/cur", "a%2Fb/100%", "v1.0/Ü"} {
		for _, layout := range []Layout{Nested, PlusPlus} {
			root := t.TempDir()
			for _, part := range parts {
				if err := os.MkdirAll(filepath.Join(root, Place(layout, name), part), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			tree, err := Open(Options{Root: root, Layout: layout})
			if err != nil {
				t.Fatal(err)
			}
			infos, err := tree.Mailboxes(t.Context())
			if err != nil || !slices.ContainsFunc(infos, func(i mailbox.Info) bool { return i.Name == name && !i.NoSelect }) {
				t.Errorf("%s: %q at %q: %v, %v", layout, name, Place(layout, name), infos, err)
			}
			if err := tree.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestCarry(t *testing.T) {
	for _, tt := range []struct {
		name, from, to string
		have, want     string // files
		err            error
	}{
		{name: "whole", from: "a", to: "b/c", have: "a/cur/1 a/new/2 a/tmp/3 a/.uidvalidity", want: "b/c/.uidvalidity b/c/cur/1 b/c/new/2 b/c/tmp/3"},
		{name: "with a mailbox below", from: "a", to: "b", have: "a/cur/1 a/x/cur/2 a/.uidvalidity", want: "a/.uidvalidity a/x/cur/2 b/cur/1"},
		{name: "into itself", from: "a", to: "a/INBOX", have: "a/cur/1 a/new/2", want: "a/INBOX/cur/1 a/INBOX/new/2"},
		{name: "to where others are", from: "a", to: "b", have: "a/cur/1 b/x/cur/2", want: "b/cur/1 b/x/cur/2"},
		{name: "half done", from: "a", to: "b", have: "a/cur/1 b/new/2", want: "b/cur/1 b/new/2"},
		{name: "mail is there", from: "a", to: "b", have: "a/cur/1 a/new/2 b/cur/3", want: "a/cur/1 a/new/2 b/cur/3", err: fs.ErrExist},
		{name: "nothing is there", from: "a", to: "b", have: "c/cur/1", want: "c/cur/1", err: fs.ErrNotExist},
	} {
		root := t.TempDir()
		for _, file := range strings.Fields(tt.have) {
			path := filepath.Join(root, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if err := Carry(filepath.Join(root, tt.from), filepath.Join(root, tt.to)); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
		var got []string
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				got = append(got, strings.TrimPrefix(path, root+"/"))
			}
			return err
		})
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q, %v", tt.name, got, tt.want, err)
		}
	}
}
