package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// TestCopiedMaildir starts with a Maildir that was copied by hand from where another mailtwin filled it: as it is, over
// a file system that lets no flags through, and by a program that gives files names of its own. The other state file is
// not there.
func TestCopiedMaildir(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	s := server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password}
	other := newTwin(t, s)
	other.fill(size(100, 10_000))
	other.sync()
	far, _ := other.wantAgreement("the other Maildir")
	count := 0
	for _, tt := range []struct {
		name   string
		rename func(base, info string) string
	}{
		{"as it is", func(base, info string) string { return base + info }},
		{"without flags", func(base, _ string) string { return base }},
		{"other names", func(_, info string) string { count++; return fmt.Sprintf("1700000000.%d_1.copy%s", count, info) }},
		{"other names without flags", func(string, string) string { count++; return fmt.Sprintf("1700000001.%d_1.copy", count) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newTwin(t, s)
			w.must(os.CopyFS(w.tree.Root, os.DirFS(other.tree.Root)))
			w.renameFiles(tt.rename)
			w.expected = other.expected
			w.wantRecognised(tt.name)
			after, _ := w.views()
			if diff := imaptest.Diff(far, after); len(diff) > 0 {
				t.Errorf("the server changed:\n%s", head(diff))
			}
		})
	}
}

// renameFiles gives each message of the Maildir another file name, from its base name and from its info, which begins
// with a colon if there is one.
func (w *twin) renameFiles(rename func(base, info string) string) {
	w.Helper()
	w.must(filepath.WalkDir(w.tree.Root, func(path string, d fs.DirEntry, err error) error {
		if part := filepath.Base(filepath.Dir(path)); err != nil || d.IsDir() || part != "cur" && part != "new" {
			return err
		}
		base, info, found := strings.Cut(d.Name(), ":")
		if found {
			info = ":" + info
		}
		return os.Rename(path, filepath.Join(filepath.Dir(path), rename(base, info)))
	}))
}
