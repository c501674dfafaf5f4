package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// imports takes a configuration over and returns what comes of it, and what was said: the accounts as they would be
// written, those that were left out by name, and the moves.
func imports(t *testing.T, read func(*environment, string, string) (*takeovers, error), home, text string) string {
	t.Helper()
	env, _, _ := testEnv(map[string]string{"HOME": home})
	got, err := read(env, "rc", strings.ReplaceAll(text, "@HOME@", home))
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, a := range got.accounts {
		if a.left {
			fmt.Fprintf(&b, "left out: %s\n", a.account.name)
			continue
		}
		b.WriteString(a.account.table())
		fmt.Fprintf(&b, "there: %d\n", a.there)
		if a.secret != "" {
			fmt.Fprintf(&b, "secret: %s\n", a.secret)
		}
		if a.asks {
			b.WriteString("asks\n")
		}
		for _, m := range a.moves {
			fmt.Fprintf(&b, "move: %s > %s\n", strings.TrimPrefix(m.from, home+"/"), strings.TrimPrefix(m.to, home+"/"))
		}
	}
	if got.failed {
		b.WriteString("failed\n")
	}
	slices.SortStableFunc(got.remarks, func(a, b remark) int { return a.line - b.line })
	for _, r := range got.remarks {
		fmt.Fprintf(&b, "%d: %s\n", r.line, r.text)
	}
	return b.String()
}

// lay makes mailboxes, as directories with a cur, and what mbsync leaves in them.
func lay(t *testing.T, home string, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := os.MkdirAll(filepath.Join(home, dir, "cur"), 0o700)
		if err = errors.Join(err, os.WriteFile(filepath.Join(home, dir, ".uidvalidity"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// wants fails unless each of the lines is there, and none of those that begin with a "!".
func wants(t *testing.T, name, got string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		rest, not := strings.CutPrefix(line, "!")
		if strings.Contains(got, rest) == not {
			t.Errorf("%s: want %q in:\n%s", name, line, got)
		}
	}
}

const (
	mbsyncFar  = "IMAPStore far\nHost h.example\nUser me\nPassCmd \"pass show a\"\n"
	mbsyncNear = "\nMaildirStore near\nPath ~/Mail/\nInbox ~/Mail/INBOX\nSubFolders Verbatim\n"
	mbsyncBoth = "\nChannel c\nFar :far:\nNear :near:\nPatterns *\nExpunge Both\nCreate Both\nRemove Both\n"
	mbsyncAll  = mbsyncFar + mbsyncNear + mbsyncBoth
)

func TestFromMbsync(t *testing.T) {
	home := t.TempDir()
	lay(t, home, "Mail/INBOX", "Mail/Work/2024", "Mail/Spam")
	other := func(was, is string) string {
		if !strings.Contains(mbsyncAll, was) {
			t.Fatalf("there is no %q", was)
		}
		return strings.Replace(mbsyncAll, was, is, 1)
	}
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"as most have it", mbsyncAll, []string{
			"[accounts.c]\nhost = \"h.example\"\ntls = \"starttls\"\nuser = \"me\"\npassword_command = \"pass show a\"\nmaildir = \"~/Mail\"\ndelete_remote = \"expunge\"\nthere: 3\n",
			"!move: ", "!asks", "!port", "!Create",
		}},
		{"TLS from the start", other("User", "SSLType IMAPS\nUser"), []string{"host = \"h.example\"\nuser"}},
		{"TLS in the words of 1.5", other("User", "TLSType IMAPS\nPort 1993\nTimeout 60\nUser"), []string{"host = \"h.example\"\nport = 1993\nuser", `timeout = "60s"`}},
		{"TLS in old words", other("Host ", "Host imaps:"), []string{"host = \"h.example\"\nuser"}},
		{"TLS in older words", other("User", "UseIMAPS yes\nUser"), []string{"host = \"h.example\"\nuser"}},
		{"no TLS", other("User", "SSLType None\nUser"), []string{"left out: c", "3: SSLType: mbsync sends the password over the network"}},
		{"no TLS in old words", other("User", "RequireSSL no\nUseTLSv1 no\nUser"), []string{"left out: c"}},
		{"no TLS on this machine", other("Host h.example", "Host localhost\nSSLType None"), []string{"host = \"localhost\"\ntls = \"none\"\n"}},
		{"a tunnel", other("User", "Tunnel \"ssh h imapd\"\nUser"), []string{"left out: c", "3: Tunnel: mailtwin opens its connections itself"}},
		{"a command for the name", other("User me", "UserCmd \"echo me\""), []string{"left out: c", "3: UserCmd: "}},
		{"no name", other("User me\n", ""), []string{"left out: c", "1: c: there is no User"}},
		{"no host", other("Host h.example\n", ""), []string{"left out: c", "1: c: there is no Host"}},
		{"a command that asks on the terminal", other(`"pass show a"`, `"+pass show \"a b\""`), []string{`password_command = "pass show \"a b\""`}},
		{"a password", other("PassCmd \"pass show a\"", "Pass s3cret"), []string{"secret: s3cret", "!password ="}},
		{"no password", other("PassCmd \"pass show a\"\n", ""), []string{"asks"}},
		{"the keychain", other("PassCmd \"pass show a\"", "UseKeychain yes"), []string{`password_command = ["security", "find-internet-password", "-r", "imap", "-s", "h.example", "-a", "me", "-w"]`}},
		{"a token", other("User", "AuthMechs XOAUTH2\nUser"), []string{"auth = \"oauth2\"\ntoken_command = \"pass show a\"", "!password_command"}},
		{"another login", other("User", "AuthMechs CRAM-MD5\nUser"), []string{"3: AuthMechs: mailtwin logs in with the password itself", "password_command"}},
		{"any login", other("User", "AuthMechs * XOAUTH2\nUser"), []string{"!AuthMechs", "password_command"}},
		{"what everybody trusts", other("User", "CertificateFile /etc/ssl/certs/ca-certificates.crt\nUser"), []string{"!tls_ca", "!CertificateFile"}},
		{"a certificate that is not there", other("User", "CertificateFile ~/none.pem\nUser"), []string{"left out: c", "3: CertificateFile: open "}},
		{"patterns", other("Patterns *", "Patterns * !Spam"), []string{`mailboxes = ["*", "!Spam"]`, "there: 2"}},
		{"patterns in two lines, of one level", other("Patterns *", "Pattern INBOX %\nPattern !Spam"), []string{`mailboxes = ["*", "!*/*", "INBOX", "!Spam"]`, "there: 1\n"}},
		{"patterns that we do not have", other("Patterns *", "Patterns * !S%"), []string{`mailboxes = ["INBOX", "Work/2024"]`, "14: Patterns: mailtwin has nothing like it: mailboxes names the 2 mailboxes"}},
		{"what is subscribed", other("User", "SubscribedOnly yes\nUser"), []string{`mailboxes = ["INBOX", "Spam", "Work/2024"]`, "3: SubscribedOnly: "}},
		{"one mailbox", other("Patterns *\n", ""), []string{`mailboxes = ["INBOX"]`, "there: 1"}},
		{"one way", other("Expunge", "Sync Pull\nExpunge"), []string{`mode = "backup"`, "15: Sync: mode = \"backup\"", "!delete_remote"}},
		{"one way, and both", strings.Replace(mbsyncAll, "Patterns *\nExpunge", "Patterns *\nSync Pull\nExpunge", 1) + "\nChannel d\nFar :far:a\nNear :near:a\n", []string{"left out: far", "some of its channels change nothing"}},
		{"the other way", other("Expunge", "Sync Push\nExpunge"), []string{"left out: c", "mbsync changes nothing in the Maildir"}},
		{"no removals", other("Expunge", "Sync New Flags\nExpunge"), []string{`delete_remote = "never"`, "15: Sync: all else goes both ways"}},
		{"all but removals here", other("Expunge", "Sync PullNew PullFlags Push\nExpunge"), []string{`delete_remote = "expunge"`, "15: Sync: mailtwin brings everything both ways"}},
		{"marked only", other("Expunge Both", "Expunge Near"), []string{`delete_remote = "never"`, "Expunge: delete_remote"}},
		{"marked only, by default", other("Expunge Both\n", ""), []string{`delete_remote = "never"`, "11: Channel c: delete_remote"}},
		{"a trash", other("User", "Trash Trash\nUser"), []string{"!\ndelete_remote =", "3: Trash: delete_remote = \"trash\""}},
		{"Gmail", other("h.example", "imap.gmail.com"), []string{"!delete_remote"}},
		{"placeholders", other("Path", "MaxSize 200k\nPath"), []string{"left out: c", "7: MaxSize: mbsync stores a placeholder"}},
		{"no placeholders", other("Path", "MaxSize 0\nPath"), []string{"!left out: "}},
		{"some messages", other("Expunge", "MaxMessages 10\nExpunge"), []string{"15: MaxMessages: there is nothing like it", "!left out: "}},
		{"no colons", other("Path", "InfoDelimiter ;\nPath"), []string{"left out: c", "7: InfoDelimiter: "}},
		{"no colons anywhere", "FieldDelimiter ;\n\n" + mbsyncAll, []string{"left out: c", "1: FieldDelimiter: "}},
		{"the beginning of names", other("Path ~/Mail/", "Path ~/Mail/x"), []string{"left out: c", "7: Path: it is the beginning of names"}},
		{"a path from somewhere", other("Path ~/Mail/", "Path Mail/"), []string{"left out: c", `7: Path: "Mail/" depends on the directory`}},
		{"somebody else's", other("Path ~/Mail/", "Path ~you/Mail/"), []string{"left out: c", "name the directory itself"}},
		{"INBOX elsewhere", other("Inbox ~/Mail/INBOX", "Inbox ~/Mail/Spam"), []string{"move: Mail/Spam > Mail/INBOX"}},
		{"INBOX in the root", other("Inbox ~/Mail/INBOX", "Inbox ~/Mail"), []string{"!move: Mail > "}},
		{"another name for INBOX", strings.Replace(other("SubFolders", "MapInbox in\nSubFolders"), "User", "MapInbox in\nUser", 1), []string{"there: 3", "!move: ", "!mailboxes"}},
		{"another name for INBOX on the server", other("User", "MapInbox Spam\nUser"), []string{"left out: c", `/Mail/INBOX and ` + home + `/Mail/Spam are both the mailbox "INBOX"`}},
		{"a prefix on the server", other("User", "Path Mail/\nUser"), []string{`mailboxes = ["Mail/*"]`, "move: Mail/Spam > Mail/Mail/Spam"}},
		{"all below INBOX", other("User", "Path INBOX.\nUser"), []string{"!mailboxes", "!move: "}},
		{"an unknown key", other("User", "Frob 1\nUser"), []string{"3: Frob: mailtwin does not know this key", "!left out: "}},
		{"no store", other("Far :far:", "Far :there:"), []string{"failed", "11: Channel c: Far names a store that is not there"}},
		{"two servers", strings.Replace(mbsyncAll, "Near :near:", "Near :far:", 1), []string{"failed", "wants the account on the far side"}},
		{"no account", other("Host h.example\nUser me\nPassCmd \"pass show a\"\n", "Account x\n"), []string{"failed", "names an Account that is not there"}},
		{"a mistake", other("Host h.example", "Host"), []string{"line 2: Host has no value"}},
	} {
		wants(t, tt.name, imports(t, fromMbsync, home, tt.text), tt.want...)
	}
}

// Gmail as many keep it: some mailboxes, each with a name of its own, and a group of all of them.
func TestFromMbsyncNames(t *testing.T) {
	home := t.TempDir()
	lay(t, home, "Mail/Inbox", "Mail/sent", "Mail/drafts")
	got := imports(t, fromMbsync, home, mbsyncFar+strings.Replace(mbsyncNear, "INBOX", "Inbox", 1)+`
Channel in
Far :far:
Near :near:
Expunge Both

Channel sent
Far ":far:[Gmail]/Sent Mail"
Near :near:sent
Expunge Both

Channel drafts
Far ":far:[Gmail]/Entw&APw-rfe"
Near :near:drafts

Group gmail
Channels in sent
Channel drafts
`)
	wants(t, "Gmail", got, "[accounts.gmail]", `mailboxes = ["INBOX", "[Gmail]/Sent Mail", "[Gmail]/Entwürfe"]`, `delete_remote = "never"`,
		"move: Mail/drafts > Mail/[Gmail]/Entwürfe\nmove: Mail/sent > Mail/[Gmail]/Sent Mail\n", "!> Mail/INBOX", "!Group")
}

// Two Maildirs, one within the other.
func TestFromMbsyncWithin(t *testing.T) {
	home := t.TempDir()
	lay(t, home, "Mail/INBOX", "Mail/a", "Mail/work/INBOX")
	text := mbsyncAll + strings.NewReplacer("far", "far2", "near", "near2", "~/Mail/", "~/Mail/work/", "Channel c", "Channel work").Replace("\n"+mbsyncAll)
	got := imports(t, fromMbsync, home, text)
	wants(t, "within", got, "maildir = \"~/Mail/c\"", "move: Mail/INBOX > Mail/c/INBOX\n", "maildir = \"~/Mail/work\"", "!move: Mail/work")
}

// A link would be overlooked.
func TestFromMbsyncLink(t *testing.T) {
	home := t.TempDir()
	lay(t, home, "elsewhere")
	if err := errors.Join(os.MkdirAll(filepath.Join(home, "Mail"), 0o700), os.Symlink(filepath.Join(home, "elsewhere"), filepath.Join(home, "Mail", "linked"))); err != nil {
		t.Fatal(err)
	}
	wants(t, "a link", imports(t, fromMbsync, home, mbsyncAll), "left out: c", "/Mail/linked is a symbolic link")
}

// The certificate of the server itself is named by its fingerprint, that of an authority by its file.
func TestTrust(t *testing.T) {
	ca, err := imaptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	issued, err := ca.Issue(imaptest.CertRequest{})
	if err != nil {
		t.Fatal(err)
	}
	leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued.Certificate[0]})
	for _, tt := range []struct {
		name    string
		content []byte
		want    []string
	}{
		{"an authority", ca.PEM, []string{`tls_ca = "` + home + `/certs.pem"`, "in place of the system's", "!tls_fingerprint"}},
		{"a server", leaf, []string{`tls_fingerprint = ["sha256:`, "!tls_ca"}},
		{"both", append(slices.Clone(ca.PEM), leaf...), []string{"tls_ca = ", "a server's own certificate, which it holds", "!tls_fingerprint ="}},
		{"nothing", []byte("hello"), []string{"left out: c", "it holds no certificate"}},
	} {
		if err := os.WriteFile(filepath.Join(home, "certs.pem"), tt.content, 0o600); err != nil {
			t.Fatal(err)
		}
		wants(t, tt.name, imports(t, fromMbsync, home, strings.Replace(mbsyncAll, "User", "CertificateFile ~/certs.pem\nUser", 1)), tt.want...)
	}
}

func TestReadWays(t *testing.T) {
	for text, want := range map[string]string{
		"All":             "pull delete flags new renew, push delete flags new renew",
		"None":            "pull , push ",
		"Pull":            "pull delete flags new renew, push ",
		"New Flags":       "pull flags new, push flags new",
		"Pull New Gone":   "pull delete new, push ",
		"PullNew Push":    "pull new, push delete flags new renew",
		"PullNew Flags":   "pull flags new, push flags",
		"pullreNew":       "pull renew, push ",
		"Full Old":        "pull delete flags new old renew, push delete flags new old renew",
		"PushGone PushX":  "pull , push delete",
		"pul":             "pull , push ",
		"Push Pull Flags": "pull flags, push flags",
	} {
		w := readWays(strings.Fields(text))
		if got := "pull " + keys(w.pull) + ", push " + keys(w.push); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func keys(m map[string]bool) string {
	var all []string
	for key := range m {
		all = append(all, key)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

const offlineimapAll = `[general]
accounts = a
pythonfile = ~/pass.py
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = ~/Mail
[Repository far]
type = IMAP
remotehost = h.example
remoteuser = me
remotepassfile = ~/secret
`

func TestFromOfflineimap(t *testing.T) {
	home := t.TempDir()
	lay(t, home, "Mail/INBOX", "Mail/Work.2024", "Mail/Gr&APYA3w-e")
	other := func(was, is string) string {
		if !strings.Contains(offlineimapAll, was) {
			t.Fatalf("there is no %q", was)
		}
		return strings.Replace(offlineimapAll, was, is, 1)
	}
	const sha256 = "AA:bb:" + "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee"
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"as most have it", offlineimapAll, []string{
			"[accounts.a]\nhost = \"h.example\"\nuser = \"me\"\npassword_command = [\"head\", \"-n\", \"1\", \"" + home + "/secret\"]\nmaildir = \"~/Mail\"\ndelete_remote = \"expunge\"\nthere: 3\n",
			"!left out: ", "!mailboxes",
		}},
		{"Gmail", other("type = IMAP\nremotehost = h.example", "type = Gmail"), []string{"host = \"imap.gmail.com\"\nuser", "!delete_remote"}},
		{"a password", other("remotepassfile = ~/secret", "remotepass = s3%%cret"), []string{"secret: s3%cret", "!password"}},
		{"a password as Python", other("remotepassfile = ~/secret", "remotepasseval = 's3cret'"), []string{"secret: s3cret", "!password"}},
		{"a function", other("remotepassfile = ~/secret", "remotepasseval = get(\"a\", x='b')"), []string{
			`password_command = ["python3", "-c", "import runpy, sys; `, `"` + home + `/pass.py", "get(\"a\", x='b')"]`, "remotepasseval: password_command has python3 call get",
		}},
		{"any Python", other("remotepassfile = ~/secret", "remotepasseval = os.popen('pass a').read()"), []string{"left out: a", "14: remotepasseval: it is Python, and no plain call"}},
		{"no password", other("remotepassfile = ~/secret\n", ""), []string{"asks"}},
		{"a token", other("remotepassfile = ~/secret", "oauth2_access_token_eval = token('a')"), []string{`auth = "oauth2"`, `token_command = ["python3"`, "!password"}},
		{"OAuth", other("remotepassfile = ~/secret", "oauth2_refresh_token = x"), []string{"left out: a", "tokens are not taken over"}},
		{"the name as Python", other("remoteuser = me", "remoteusereval = me()"), []string{"left out: a", "13: remoteusereval: it is Python, which mailtwin does not understand. Write what it comes to as remoteuser"}},
		{"a tunnel", other("remoteuser", "preauthtunnel = ssh\nremoteuser"), []string{"left out: a", "13: preauthtunnel: "}},
		{"STARTTLS", other("remoteuser", "ssl = no\nremoteuser"), []string{`tls = "starttls"`, "!port"}},
		{"STARTTLS on another port", other("remoteuser", "ssl = no\nremoteport = 993\nremoteuser"), []string{"port = 993", `tls = "starttls"`}},
		{"no TLS", other("remoteuser", "ssl = no\nstarttls = no\nremoteuser"), []string{"left out: a", "14: starttls: OfflineIMAP sends the password"}},
		{"neither yes nor no", other("remoteuser", "ssl = maybe\nremoteuser"), []string{"left out: a", `13: ssl: "maybe" is neither yes nor no`}},
		{"a fingerprint", other("remoteuser", "cert_fingerprint = "+sha256+"\nsslcacertfile = ~/x.pem\nremoteuser"), []string{
			`tls_fingerprint = ["sha256:aabb00112233445566778899aabbccddee00112233445566778899aabbccddee"]`, "!tls_ca", "14: sslcacertfile: cert_fingerprint names the certificate",
		}},
		{"an old fingerprint", other("remoteuser", "cert_fingerprint = bbfe29cf97acb204591edbafe0aa8c8f914287c9\nremoteuser"), []string{
			"!\ntls_fingerprint =", "13: cert_fingerprint: mailtwin wants a SHA-256", "openssl s_client -connect h.example:993",
		}},
		{"an authority", other("remoteuser", "sslcacertfile = ~/ca.pem\nremoteuser"), []string{`tls_ca = "` + home + `/ca.pem"`}},
		{"what everybody trusts", other("remoteuser", "sslcacertfile = OS-DEFAULT\nremoteuser"), []string{"!tls_ca"}},
		{"connections", other("remoteuser", "maxconnections = 3\nusecompression = no\nremoteuser"), []string{"connections = 3", "compress = false"}},
		{"a list", other("remoteuser", "folderfilter = lambda f: f in ['INBOX', 'Work.2024', 'Gr&APYA3w-e']\nremoteuser"), []string{`mailboxes = ["INBOX", "Work.2024", "Work/2024", "Größe"]`}},
		{"all but a list", other("remoteuser", "folderfilter = lambda f: f not in ['Spam']\nfolderincludes = ['Spam']\nremoteuser"), []string{`mailboxes = ["*", "!Spam", "Spam"]`}},
		{"a function that chooses", other("remoteuser", "folderfilter = lambda f: f.startswith('W')\nremoteuser"), []string{
			`mailboxes = ["Größe", "INBOX", "Work.2024", "Work/2024"]`, "13: folderfilter: mailtwin cannot tell which mailboxes it means: mailboxes names the 3 mailboxes",
		}},
		{"a function, and nothing there", strings.Replace(other("remoteuser", "folderfilter = lambda f: f.startswith('W')\nremoteuser"), "~/Mail", "~/None", 1), []string{"left out: a", "has no mailboxes yet"}},
		{"what is subscribed", other("remoteuser", "subscribedonly = yes\nremoteuser"), []string{`mailboxes = ["Größe"`}},
		{"other names", other("remoteuser", "nametrans = lambda f: {'[Gmail]/Sent': 'Gr&APYA3w-e'}.get(f, f)\nremoteuser"), []string{"move: Mail/Gr&APYA3w-e > Mail/[Gmail]/Sent"}},
		{"no prefix", other("remoteuser", `nametrans = lambda f: re.sub('^INBOX\.', '', f)`+"\nremoteuser"), []string{"!left out: ", "!layout", "mailtwin leaves out a prefix INBOX"}},
		{"dots", other("remoteuser", `nametrans = lambda f: re.sub('^INBOX\.*', '.', f)`+"\nremoteuser"), []string{`layout = "maildir++"`}},
		{"any other names", other("remoteuser", "nametrans = lambda f: f.lower()\nremoteuser"), []string{"left out: a", "13: nametrans: it is a function of Python"}},
		{"names of which the levels are not known", other("remoteuser", "nametrans = lambda f: {'a.b': 'c'}.get(f, f)\nremoteuser"), []string{"left out: a", `whether "a.b" has one level`}},
		{"other names in the Maildir only", other("localfolders", "nametrans = lambda f: f\nlocalfolders"), []string{"left out: a", "9: nametrans: "}},
		{"another separator", other("localfolders", "sep = -\nlocalfolders"), []string{"left out: a", `9: sep: which "-" separates levels`}},
		{"read only", other("remoteuser", "readonly = yes\nremoteuser"), []string{`mode = "backup"`, "13: readonly: mode = \"backup\"", "!delete_remote"}},
		{"read only here", other("localfolders", "readonly = yes\nlocalfolders"), []string{"left out: a", "OfflineIMAP changes nothing in the Maildir"}},
		{"no removals there", other("localfolders", "sync_deletes = no\nlocalfolders"), []string{`delete_remote = "never"`, "9: sync_deletes"}},
		{"marked only", other("remoteuser", "expunge = no\nremoteuser"), []string{`delete_remote = "never"`, "13: expunge"}},
		{"some messages", other("localrepository = near", "maxage = 3\nlocalrepository = near"), []string{"5: maxage: there is nothing like it", "!left out: "}},
		{"a hook", other("localrepository = near", "postsynchook = notmuch new\nlocalrepository = near"), []string{`on_change = "notmuch new"`, "5: postsynchook: on_change"}},
		{"labels in the messages", strings.Replace(other("localrepository = near", "synclabels = yes\nlocalrepository = near"), "type = IMAP", "type = Gmail", 1), []string{"left out: a", "5: synclabels: "}},
		{"no colons", other("localrepository = near", "maildir-windows-compatible = yes\nlocalrepository = near"), []string{"left out: a"}},
		{"two servers", other("type = Maildir", "type = IMAP"), []string{"left out: a", `"IMAP" is of another kind`}},
		{"no repository", other("localrepository = near", "localrepository = x"), []string{"left out: a", "there is no [Repository x]"}},
		{"no account", other("accounts = a", "accounts = a, b"), []string{"failed", "2: accounts: there is no [Account b]", "[accounts.a]"}},
		{"an unknown key", other("remoteuser", "frob = 1\nremoteuser"), []string{"13: frob: mailtwin does not know this key", "!left out: "}},
		{"a bad reference", other("remoteuser = me", "remoteuser = %(x)s"), []string{"left out: a", "13: remoteuser: "}},
		{"a mistake", "accounts", []string{"line 1: there is no [section] above it"}},
	} {
		wants(t, tt.name, imports(t, fromOfflineimap, home, tt.text), tt.want...)
	}
}

// A fromWorld is a home directory without a server.
type fromWorld struct {
	*testing.T
	home string
	ring ring

	stdout, stderr string
}

// want runs a command; answers, if there are any, make a terminal.
func (w *fromWorld) want(status int, words, answers string, args ...string) {
	w.Helper()
	env, stdout, stderr := testEnv(map[string]string{"HOME": w.home})
	env.keyring, env.stdin, env.asks = w.ring, strings.NewReader(answers), answers != ""
	got := run(w.Context(), env, args)
	w.stdout, w.stderr = stdout.String(), stderr.String()
	if got != status || !strings.Contains(w.stdout+w.stderr, words) || strings.Contains(w.stdout+w.stderr, "s3cret") {
		w.Fatalf("mailtwin %q\n got %d\n%s%s\nwant %d %q", args, got, w.stdout, w.stderr, status, words)
	}
}

func (w *fromWorld) file(name, text string, mode os.FileMode) string {
	w.Helper()
	path := filepath.Join(w.home, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), mode)); err != nil {
		w.Fatal(err)
	}
	return path
}

// config is what stands in the configuration; empty if there is none.
func (w *fromWorld) config() string {
	text, _ := os.ReadFile(filepath.Join(w.home, ".config/mailtwin/config.toml"))
	return string(text)
}

// A password that stands in the other program's file goes to the keyring, and into ours only if the user says so and
// nobody else can read it.
func TestInitFromPassword(t *testing.T) {
	w := &fromWorld{T: t, home: t.TempDir(), ring: ring{}}
	w.file(".mbsyncrc", strings.Replace(mbsyncAll, `PassCmd "pass show a"`, "Pass s3cret", 1), 0o600)
	w.want(exitDone, "c: the password that stands in the file would go to the keyring", "", "init", "--from", "mbsync", "-n")
	w.want(exitDone, "The password of me is in the keyring now", "", "init", "--from", "mbsync")
	if w.ring["mailtwin me@h.example"] != "s3cret" || strings.Contains(w.config(), "s3cret") {
		t.Errorf("%v\n%s", w.ring, w.config())
	}

	again := func(r ring) {
		w.ring = r
		if err := os.RemoveAll(filepath.Join(w.home, ".config")); err != nil {
			t.Fatal(err)
		}
	}
	again(ring{"mailtwin me@h.example": "other"})
	w.want(exitDone, "c: the keyring has a password of me@h.example", "", "init", "--from", "mbsync")
	if w.ring["mailtwin me@h.example"] != "other" {
		t.Error("the password in the keyring was replaced")
	}

	again(nil)
	w.want(exitProblems, "Set password_command in the configuration, or $MAILTWIN_PASSWORD_C", "", "init", "--from", "mbsync")
	if !strings.Contains(w.config(), "[accounts.c]") || strings.Contains(w.config(), "password") {
		t.Error(w.config())
	}
	again(nil)
	w.want(exitProblems, "no password was taken over", "no\n", "init", "--from", "mbsync")
	again(nil)
	w.want(exitDone, "Shall it stand in the configuration", "yes\n", "init", "--from", "mbsync")
	if !strings.Contains(w.config(), `password = "s3cret"`) {
		t.Error(w.config())
	}
	again(nil)
	w.file(".config/mailtwin/config.toml", "", 0o644)
	w.want(exitProblems, "can be read by others", "yes\n", "init", "--from", "mbsync")
	if strings.Contains(w.config(), "s3cret") {
		t.Error(w.config())
	}

	// Where the file has none, it is asked for.
	w.file(".mbsyncrc", strings.Replace(mbsyncAll, "PassCmd \"pass show a\"\n", "", 1), 0o600)
	again(ring{})
	w.want(exitDone, "c: password of me", "typed\n", "init", "--from", "mbsync")
	if w.ring["mailtwin me@h.example"] != "typed" {
		t.Error(w.ring)
	}
	again(ring{})
	w.want(exitProblems, "the other program asks for it", "", "init", "--from", "mbsync")
}

// What is there stays, octet for octet; what cannot be taken over does not keep the rest.
func TestInitFrom(t *testing.T) {
	w := &fromWorld{T: t, home: t.TempDir(), ring: ring{}}
	for _, tt := range []struct {
		words string
		args  []string
	}{
		{`--from is "mbsync" or "offlineimap", not "mutt"`, []string{"--from", "mutt"}},
		{"--address, --host and --from do not go together", []string{"--from", "mbsync", "--host", "h", "--address", "a"}},
		{"--move: only with --from", []string{"--move"}},
		{"mbsync has no configuration at " + w.home + "/.config/isyncrc or " + w.home + "/.mbsyncrc", []string{"--from", "mbsync"}},
		{"OfflineIMAP has no configuration at " + w.home + "/.config/offlineimap/config or ", []string{"--from", "offlineimap"}},
		{"no such file", []string{"--from", "mbsync", w.home + "/none"}},
		{"/long is longer than 1048576 octets", []string{"--from", "mbsync", w.file("long", strings.Repeat("#", maxFile+1), 0o600)}},
		{"/bad:2: Host has no value", []string{"--from", "mbsync", w.file("bad", "IMAPStore a\nHost\n", 0o600)}},
		{"/empty has no account that could be taken over", []string{"--from", "offlineimap", w.file("empty", "[general]\n", 0o600)}},
	} {
		w.want(exitUsage, tt.words, "", append([]string{"init"}, tt.args...)...)
	}

	lay(t, w.home, "Mail/Spam")
	const before = "# mine\n[accounts.old]\nhost = \"h\"\nuser = \"u\"\nmaildir = \"~/Old\"\n\n[accounts.other]\nhost = \"h\"\nuser = \"u\"\nmaildir = \"~/Other\"" // no line end
	w.file(".config/mailtwin/config.toml", before, 0o600)
	next := func(name, path string) string {
		return strings.NewReplacer("far", name+"far", "near", name+"near", "~/Mail/", path, "Channel c", "Channel "+name).Replace("\n" + mbsyncAll)
	}
	text := mbsyncAll + next("tunnelled", "~/T/") + next("other", "~/B/") + next("within", "~/Old/x/") + next("moving", "~/M/")
	rc := w.file("rc", strings.NewReplacer("IMAPStore tunnelledfar\n", "IMAPStore tunnelledfar\nTunnel x\n", "Inbox ~/M/INBOX", "Inbox ~/Inbox").Replace(text), 0o600)
	lay(t, w.home, "Inbox")
	w.want(exitProblems, "mailtwin: tunnelled: it was left out; see what was said of its lines\n", "no\n", "init", "--from", "mbsync", rc)
	for _, words := range []string{
		rc + ":20: Tunnel: ", "mailtwin: other: it was left out: " + w.home + "/.config/mailtwin/config.toml has another account of that name",
		"mailtwin: within: it was left out: maildir lies within the one of account \"old\"", "    " + w.home + "/Inbox -> " + w.home + "/M/INBOX\n",
		"shall they be moved? (yes/no)", "mailtwin: moving: it was left out: move the directories cur, new and tmp",
		"/.config/mailtwin/config.toml has c now.",
	} {
		if !strings.Contains(w.stdout+w.stderr, words) {
			t.Errorf("%q is not in\n%s%s", words, w.stdout, w.stderr)
		}
	}
	if rest, ok := strings.CutPrefix(w.config(), before); !ok || !strings.HasPrefix(rest, "\n\n[accounts.c]\nhost") || strings.Count(rest, "[accounts") != 1 {
		t.Errorf("%s", w.config())
	}
	w.want(exitProblems, "c: it is in ", "yes\n", "init", "--from", "mbsync", rc)
	if !strings.Contains(w.config(), "\n\n[accounts.moving]\n") || strings.Count(w.config(), "[accounts.c]") != 1 {
		t.Errorf("%s", w.config())
	}
	if _, err := os.Stat(filepath.Join(w.home, "M/INBOX/cur")); err != nil {
		t.Error(err)
	}
}
