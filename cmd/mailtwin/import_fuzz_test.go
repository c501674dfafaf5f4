package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/rcfile"
)

// Whatever another program's configuration says, taking it over ends soon and without a panic; what comes of it is a
// configuration of ours, or is refused as one; and no password is in it.
func fuzzFrom(f *testing.F, read func(*environment, string, string) (*takeovers, error), seeds []string) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	home := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "/$") && !strings.Contains(text, "~/") {
			t.Skip("it might have the whole disk searched")
		}
		env, _, _ := testEnv(map[string]string{"HOME": home})
		got, err := read(env, "rc", text)
		if err != nil {
			var syntax *rcfile.SyntaxError
			if !errors.As(err, &syntax) || syntax.Line < 1 || syntax.Line > strings.Count(text, "\n")+1 {
				t.Errorf("%v names no line", err)
			}
			return
		}
		for _, a := range got.accounts {
			if a.account.Password != "" {
				t.Errorf("the password %q would be written down", a.account.Password)
			}
			if a.left {
				continue
			}
			c := &config{path: filepath.Join(home, "config.toml"), text: []byte(a.account.table()), mode: 0o600}
			if err := c.parse(env); err != nil && !strings.Contains(err.Error(), "account ") {
				t.Errorf("%v:\n%s", err, c.text)
			}
		}
	})
}

func FuzzFromMbsync(f *testing.F) {
	fuzzFrom(f, fromMbsync, []string{
		mbsyncAll, strings.ReplaceAll(mbsyncAll, "Patterns *", "Pattern % !a%b INBOX"), mbsyncFar + "Pass \"a b\"\nPath INBOX.\nFlatten .\nMapInbox in\n" + mbsyncNear + "Flatten _\n" + mbsyncBoth,
		"FieldDelimiter ;\nSync PullNew Push\n\n" + mbsyncAll + "\nGroup g c:INBOX,x d\n", strings.ReplaceAll(mbsyncAll, "Path ~/Mail/", "SubFolders Maildir++"),
	})
}

func FuzzFromOfflineimap(f *testing.F) {
	fuzzFrom(f, fromOfflineimap, []string{
		offlineimapAll, strings.Replace(offlineimapAll, "remoteuser", "folderfilter = lambda f: f not in ['a.b', 'INBOX.c']\nnametrans = lambda f: {'a': 'b'}.get(f, f)\nremoteuser", 1),
		strings.Replace(offlineimapAll, "remoteuser", "ssl = no\nremoteport = 1\ncert_fingerprint = a,b\nremoteuser", 1), "[DEFAULT]\nx = %(x)s\n" + offlineimapAll,
		strings.Replace(offlineimapAll, "remotepassfile = ~/secret", "remotepasseval = get('x')", 1),
	})
}
