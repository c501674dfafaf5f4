package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// TestOfflineimapMaildir takes over Maildirs that offlineimap made, with its default separator and with directories in
// directories.
func TestOfflineimapMaildir(t *testing.T) {
	offlineimap, err := exec.LookPath("offlineimap")
	if err != nil {
		imaptest.Missing(t, "offlineimap (Debian: offlineimap3)")
	}
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	boxes := []string{"INBOX", "Work/2024", "Work/2024/Größe & mehr", "日本語/R&D"}
	for _, tt := range []struct {
		name, sep string
		dirs      []string
	}{
		{"default separator", "", []string{"Work.2024", "Work.2024.Gr&APYA3w-e &- mehr", "&ZeVnLIqe-.R&-D"}},
		{"nested", "sep = /\n", []string{"Work/2024", "Work/2024/Gr&APYA3w-e &- mehr", "&ZeVnLIqe-/R&-D"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user := dovecot.NewUser()
			w := newTwin(t, server{addr: dovecot.Addr, user: user, password: dovecot.Password, profile: imaptest.All})
			each := size(50, 1000)
			w.fillFor(boxes, each)
			rc := offlineimapConfig(w, user, tt.sep)
			if out, err := exec.CommandContext(t.Context(), offlineimap, "-o", "-c", rc, "-u", "basic").CombinedOutput(); err != nil {
				t.Fatalf("offlineimap: %v\n%s", err, out)
			}
			for _, dir := range tt.dirs {
				if names := w.files(dir); len(names) != each || !strings.Contains(names[0], ",FMD5=") {
					t.Fatalf("offlineimap stored %d messages in %s", len(names), dir)
				}
			}
			o := w.sync("--dry-run")
			for i, dir := range tt.dirs {
				want := fmt.Sprintf("%s: to be renamed from %s, %d to pair without a transfer", boxes[i+1], dir, each)
				if dir == boxes[i+1] {
					want = fmt.Sprintf("%s: %d to pair without a transfer", dir, each)
				}
				if !strings.Contains(o.stdout, want) || strings.Contains(o.stdout, "load") {
					t.Errorf("want %q in: %s", want, o.stdout)
				}
			}
			w.recognises("the Maildir is offlineimap's")
			w.wantTakenOver(boxes, each)
			w.sync()
			w.wantIdle("the next run")
		})
	}
}

// fillFor stores so many messages in each mailbox that other programs leave as they are.
func (w *twin) fillFor(boxes []string, each int) {
	w.Helper()
	for _, name := range boxes[1:] {
		w.must(w.account.Create(name))
	}
	i := 0
	for m := range imaptest.Corpus(21, imaptest.CorpusOptions{MaxSize: 100_000}) {
		if i == each*len(boxes) {
			return
		}
		if !bytes.Contains(m.Body, []byte("\r\n\r\n")) {
			continue // a header that does not end gets an end from them
		}
		_, err := w.account.Append(boxes[i%len(boxes)], m)
		w.must(err)
		w.expected[m.Sum()]++
		i++
	}
}

func offlineimapConfig(w *twin, user, sep string) string {
	w.Helper()
	host, port, _ := strings.Cut(w.server.addr, ":")
	w.must(os.MkdirAll(w.tree.Root, 0o700))
	rc := filepath.Join(w.dir, "offlineimaprc")
	w.must(os.WriteFile(rc, fmt.Appendf(nil, `[general]
accounts = a
metadata = %s
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = %s
%s[Repository far]
type = IMAP
remotehost = %s
remoteport = %s
remoteuser = %s
remotepass = %s
ssl = no
starttls = no
`, filepath.Join(w.dir, "offlineimap"), w.tree.Root, sep, host, port, user, w.server.password), 0o600))
	return rc
}

// files lists the names of the messages in a directory of the Maildir.
func (w *twin) files(dir string) (names []string) {
	w.Helper()
	w.must(filepath.WalkDir(filepath.Join(w.tree.Root, dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if part := filepath.Base(filepath.Dir(path)); !d.IsDir() && (part == "cur" || part == "new") &&
			filepath.Dir(filepath.Dir(path)) == filepath.Join(w.tree.Root, dir) {
			names = append(names, d.Name())
		}
		return nil
	}))
	return names
}

// wantTakenOver fails unless both sides have so many messages in each of the mailboxes, with the same flags, and no other
// mailbox but those that the server makes for everybody. Where another program stored a message in its own way, the
// content may differ.
func (w *twin) wantTakenOver(boxes []string, each int) {
	w.Helper()
	far, near := w.views()
	for _, name := range slices.Concat(far.Mailboxes, near.Mailboxes) {
		if !slices.Contains(boxes, name) && !slices.Contains([]string{"Drafts", "Junk", "Sent", "Trash", "Work", "日本語"}, name) {
			w.Errorf("there is a mailbox %q", name)
		}
	}
	for _, name := range boxes {
		if f, n := len(far.In(name)), len(near.In(name)); f != each || n != each {
			w.Errorf("%s: %d messages on the server, %d in the Maildir", name, f, n)
		}
	}
	here, there := far.Count(), near.Count()
	rewritten := 0
	for _, v := range []imaptest.View{far, near} {
		for i, c := range v.Copies {
			if here[c.Sum] != there[c.Sum] {
				v.Copies[i].Sum = [32]byte{}
				rewritten++
			}
		}
	}
	if diff := imaptest.Diff(far, near); len(diff) > 0 || rewritten > each*len(boxes)/5 {
		w.Errorf("%d messages rewritten, %d differences:\n%s", rewritten/2, len(diff), head(diff))
	}
}
