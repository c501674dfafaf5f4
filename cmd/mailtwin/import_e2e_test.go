package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// An importWorld is a home directory and accounts on a server, which another program syncs before mailtwin takes over.
type importWorld struct {
	*testing.T
	home    string
	ring    ring
	proxies []*imaptest.Proxy
	dovecot *imaptest.Server

	stdout, stderr string
}

func newImportWorld(t *testing.T, dovecot *imaptest.Server) *importWorld {
	t.Helper()
	return &importWorld{T: t, home: t.TempDir(), ring: ring{}, dovecot: dovecot}
}

// An imported is one account of it.
type imported struct {
	user, host, port string
	proxy            *imaptest.Proxy
	mail             *imaptest.Account
}

// The proxy cannot see into what is compressed.
var uncompressed = imaptest.Profile{Name: "uncompressed", Removed: []string{"COMPRESS=DEFLATE"}}

// account makes an account with n messages in each mailbox.
func (w *importWorld) account(n int, boxes ...string) imported {
	w.Helper()
	a := imported{user: w.dovecot.NewUser(), proxy: imaptest.NewProxy(w, w.dovecot.Addr, imaptest.ProxyOptions{Profile: uncompressed})}
	w.proxies = append(w.proxies, a.proxy)
	a.host, a.port, _ = strings.Cut(a.proxy.Addr, ":")
	a.mail = imaptest.NewAccount(w, w.dovecot.Addr, a.user, w.dovecot.Password)
	there, err := a.mail.Mailboxes()
	w.must(err)
	for _, box := range boxes {
		if !slices.Contains(there, box) {
			w.must(a.mail.Create(box))
		}
		for i := range n {
			body := fmt.Sprintf("Subject: %d in %s\r\nMessage-ID: <%d.%x@example.org>\r\n\r\nhello\r\n", i, a.user, i, box)
			flags := [][]string{nil, {`\Seen`}, {`\Seen`, `\Flagged`}}[i%3]
			_, err := a.mail.Append(box, imaptest.Message{Body: []byte(body), Flags: flags})
			w.must(err)
		}
	}
	return a
}

func (w *importWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v", err)
	}
}

// write writes a file in the home directory, with @HOME@ filled in.
func (w *importWorld) write(name, text string) string {
	w.Helper()
	path := filepath.Join(w.home, name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o700))
	w.must(os.WriteFile(path, []byte(strings.ReplaceAll(text, "@HOME@", w.home)), 0o600))
	return path
}

// other runs the other program.
func (w *importWorld) other(name string, args ...string) {
	w.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		imaptest.Missing(w, name)
	}
	cmd := exec.CommandContext(w.Context(), program, args...)
	cmd.Env = append(os.Environ(), "HOME="+w.home)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// run executes a command and wants an exit status.
func (w *importWorld) run(status int, args ...string) {
	w.Helper()
	env, stdout, stderr := testEnv(map[string]string{"HOME": w.home})
	env.keyring = w.ring
	got := run(w.Context(), env, args)
	w.stdout, w.stderr = stdout.String(), stderr.String()
	if got != status {
		w.Fatalf("mailtwin %q: %d, want %d\n%s%s", args, got, status, w.stdout, w.stderr)
	}
	if strings.Contains(w.stdout+w.stderr, w.dovecot.Password) {
		w.Errorf("the password shows:\n%s%s", w.stdout, w.stderr)
	}
}

func (w *importWorld) config() string {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.home, ".config/mailtwin/config.toml"))
	w.must(err)
	return string(text)
}

// A side is an account and where its mail is to lie, with the number of messages there.
type side struct {
	account  imported
	dir      string // in the home directory
	plusplus bool
	boxes    string // separated by spaces
	each     int
}

// adopts wants the first sync after the import to pair all there is, and nothing else, on both sides.
func (w *importWorld) adopts(sides ...side) {
	w.Helper()
	before := make([]imaptest.View, len(sides))
	for i, s := range sides {
		var err error
		before[i], err = s.account.mail.View()
		w.must(err)
		s.account.proxy.Reset()
	}
	w.run(exitDone, "sync", "--dry-run")
	if bad := regexp.MustCompile(`(?m)^.*(load|copy|copied|move|remove|flag).*$`).FindString(w.stdout); bad != "" {
		w.Errorf("the dry run: %s", bad)
	}
	w.run(exitDone, "sync", "--verbose")
	w.run(exitDone, "sync", "--dry-run")
	for i, s := range sides {
		if n, stats := s.account.proxy.BodyFetches(), s.account.proxy.Stats(); n > 0 || stats.Commands["APPEND"]+stats.Commands["UID STORE"]+stats.Commands["CREATE"] > 0 {
			w.Errorf("%s: %d bodies, %v", s.dir, n, stats.Commands)
		}
		after, err := s.account.mail.View()
		w.must(err)
		if diff := imaptest.Diff(before[i], after); len(diff) > 0 {
			w.Errorf("%s: the server changed:\n%s", s.dir, head(diff))
		}
		near := w.maildir(s)
		for _, box := range strings.Fields(s.boxes) {
			if f, n := len(after.In(box)), len(near.In(box)); f != s.each || n != s.each {
				w.Errorf("%s: %s: %d messages on the server, %d in the Maildir", s.dir, box, f, n)
			}
		}
		boxes := strings.Fields(s.boxes)
		far := imaptest.View{Mailboxes: boxes}
		for _, c := range after.Copies {
			if slices.Contains(boxes, c.Mailbox) {
				far.Copies = append(far.Copies, c)
			}
		}
		near.Mailboxes = slices.DeleteFunc(near.Mailboxes, func(name string) bool { return len(near.In(name)) == 0 })
		slices.Sort(far.Mailboxes)
		if diff := imaptest.Diff(far, near); len(diff) > 0 {
			w.Errorf("%s: %d differences:\n%s", s.dir, len(diff), head(diff))
		}
		if !strings.Contains(w.stdout, "nothing to do") || strings.Contains(w.stdout, "dry run") {
			w.Errorf("the next run: %s%s", w.stdout, w.stderr)
		}
	}
}

var addedLine = regexp.MustCompile(`(?m)^X-TUID: .*\n`)

// maildir reads a Maildir, without the line that mbsync adds to each message.
func (w *importWorld) maildir(s side) imaptest.View {
	w.Helper()
	root := filepath.Join(w.home, s.dir)
	if s.plusplus { // other eyes know only directories in directories
		nested := w.TempDir()
		w.must(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, path)
			w.must(err)
			box, rest, _ := strings.Cut(rel, "/")
			if strings.HasPrefix(box, ".") && rest != "" {
				rel = strings.ReplaceAll(box[1:], ".", "/") + "/" + rest
			} else {
				rel = "INBOX/" + rel
			}
			w.must(os.MkdirAll(filepath.Dir(filepath.Join(nested, rel)), 0o700))
			return os.Link(path, filepath.Join(nested, rel))
		}))
		root = nested
	}
	v, err := imaptest.Tree{Root: root}.View()
	w.must(err)
	for i, name := range v.Mailboxes {
		if strings.EqualFold(name, "INBOX") {
			v.Mailboxes[i] = "INBOX"
		}
	}
	for i, c := range v.Copies {
		if strings.EqualFold(c.Mailbox, "INBOX") {
			v.Copies[i].Mailbox = "INBOX"
		}
		text, err := os.ReadFile(c.Path)
		w.must(err)
		plain := addedLine.ReplaceAll(text, nil)
		v.Copies[i].Sum = sha256.Sum256(bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n")))
	}
	return v
}

// TestImportMbsync takes over what mbsync keeps for three accounts: one with directories in directories, patterns and a
// program that prints the password; one as Maildir++, with the password in the file; and one of which mbsync only reads.
func TestImportMbsync(t *testing.T) {
	w := newImportWorld(t, imaptest.Dovecot(t, imaptest.DovecotOptions{Password: "S3cret-marker"}))
	each := size(9, 900)
	work := w.account(each, "INBOX", "Work/2024", "Größe", "日本語/R&D", "Spam", "Work/2024/deep")
	home := w.account(each, "INBOX", "Lists/Ü/a")
	read := w.account(each, "INBOX", "Old")
	w.write("secret", w.dovecot.Password+"\n")
	w.must(os.MkdirAll(filepath.Join(w.home, "Mail/work"), 0o700))
	w.must(os.MkdirAll(filepath.Join(w.home, "Mail/read"), 0o700))
	rc := w.write(".mbsyncrc", fmt.Sprintf(`# both accounts
Create Near
Expunge Both
CopyArrivalDate yes

IMAPAccount work
Host %s
Port %s
User %s
PassCmd "+cat \"@HOME@/secret\""
SSLType None
AuthMechs LOGIN

IMAPStore work-far
Account work

MaildirStore work-near
Path ~/Mail/work/
Inbox ~/Mail/work/Inbox
SubFolders Verbatim

Channel work
Far :work-far:
Near :work-near:
Patterns * !Spam !Work/2024/*

IMAPStore home-far
Host %s
Port %s
User %s
Pass %s
SSLType None

MaildirStore home-near
Inbox ~/Maildir
SubFolders Maildir++

Channel home
Far :home-far:
Near :home-near:
Patterns *
SyncState *
MaxMessages 0

IMAPStore read-far
Host %s
Port %s
User %s
PassCmd "cat @HOME@/secret"
SSLType None

MaildirStore read-near
Path ~/Mail/read/
Inbox ~/Mail/read/INBOX
SubFolders Verbatim

Channel read
Far :read-far:
Near :read-near:
Patterns *
Sync Pull
`, work.host, work.port, work.user, home.host, home.port, home.user, w.dovecot.Password, read.host, read.port, read.user))
	w.other("mbsync", "-c", rc, "-a")
	w.run(exitDone, "init", "--from", "mbsync", "--dry-run")
	if _, err := os.Stat(filepath.Join(w.home, ".config")); err == nil || len(w.ring) > 0 {
		t.Error("a dry run wrote something")
	}
	dry := w.stdout
	w.run(exitDone, "init", "--from", "mbsync")
	if !strings.HasSuffix(dry, w.config()[:10]) && !strings.Contains(dry, strings.TrimSpace(w.config())) {
		t.Errorf("the dry run printed\n%s\nand this was written:\n%s", dry, w.config())
	}
	for _, words := range []string{":2: Create: ", ":4: CopyArrivalDate: mailtwin always keeps", ":42: SyncState: ", ":61: Sync: mode = \"backup\""} {
		if !strings.Contains(w.stderr, rc+words) {
			t.Errorf("%q is not in:\n%s", words, w.stderr)
		}
	}
	if w.ring["mailtwin "+home.user+"@"+home.host] != w.dovecot.Password {
		t.Errorf("the keyring has %d passwords", len(w.ring))
	}
	w.adopts(
		side{work, "Mail/work", false, "INBOX Work/2024 Größe 日本語/R&D", each},
		side{home, "Maildir", true, "INBOX Lists/Ü/a", each},
		side{read, "Mail/read", false, "INBOX Old", each},
	)
	before := w.config()
	w.run(exitDone, "init", "--from", "mbsync", rc)
	if w.config() != before || strings.Count(w.stdout, "was left as it is") != 3 {
		t.Errorf("once more: %s%s", w.stdout, w.config())
	}
}

// TestImportMbsyncElsewhere takes over what lies where mailtwin would not look: it is moved, if the user says so, and left
// out if not. Two accounts share a store, some mailboxes have names of their own, and the server has all mailboxes below
// "INBOX.".
func TestImportMbsyncElsewhere(t *testing.T) {
	w := newImportWorld(t, imaptest.Dovecot(t, imaptest.DovecotOptions{Password: "S3cret-marker", Extra: "namespace inbox {\n  prefix = INBOX.\n  separator = .\n}\n"}))
	each := size(6, 300)
	old := w.account(each, "INBOX", "Work/2024/Größe", "Work/2024", "Work", "Über")
	some := w.account(each, "INBOX", "Old/Sent", "Drafts", "Other")
	flat := w.account(each, "INBOX", "Ü/x", "Plain")
	shared := w.account(each, "INBOX", "Sent")
	w.write("secret", w.dovecot.Password+"\n")
	for _, dir := range []string{"old", "local", "flat"} {
		w.must(os.MkdirAll(filepath.Join(w.home, "Mail", dir), 0o700))
	}
	text := "Create Near\nExpunge Both\nRemove Both\n\n"
	for name, a := range map[string]imported{"old": old, "some": some, "flat": flat, "shared": shared} {
		text += fmt.Sprintf("IMAPStore %s-far\nHost %s\nPort %s\nUser %s\nPassCmd \"cat @HOME@/secret\"\nSSLType None\n\n", name, a.host, a.port, a.user)
	}
	rc := w.write(".config/isyncrc", text+`MaildirStore old-near
Path ~/Mail/old/
Inbox ~/Old-inbox
SubFolders Legacy

MaildirStore local
Path ~/Mail/local/
Inbox ~/Mail/local

MaildirStore flat-near
Path ~/Mail/flat/
Inbox ~/Mail/flat/INBOX
Flatten _

Channel old
Far :old-far:
Near :old-near:
Patterns INBOX *

Channel some-inbox
Far :some-far:
Near :local:in

Channel some-sent
Far :some-far:Old/Sent
Near :local:sent

Channel some-drafts
Far :some-far:Drafts
Near :local:drafts

Group some
Channels some-inbox some-sent
Channel some-drafts

Channel shared-inbox
Far :shared-far:
Near :local:

Channel shared-sent
Far :shared-far:Sent
Near :local:shared_sent

Channel flat
Far :flat-far:
Near :flat-near:
Patterns INBOX * !Trash
`)
	w.other("mbsync", "-c", rc, "-a")
	w.run(exitProblems, "init", "--from", "mbsync")
	for _, words := range []string{
		"old: mailtwin would not find these mailboxes", "    " + w.home + "/Old-inbox -> " + w.home + "/Mail/old/INBOX\n",
		"    " + w.home + "/Mail/local/sent -> " + w.home + "/Mail/local/some/Old/Sent\n", "mailtwin: flat: it was left out: move the directories",
	} {
		if !strings.Contains(w.stderr, words) {
			t.Errorf("%q is not in:\n%s", words, w.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(w.home, ".config/mailtwin")); err == nil {
		t.Error("something was written")
	}
	w.run(exitDone, "init", "--from", "mbsync", "--move")
	w.adopts(
		side{old, "Mail/old", false, "INBOX Work/2024/Größe Work/2024 Work Über", each},
		side{some, "Mail/local/some", false, "INBOX Old/Sent Drafts", each},
		side{flat, "Mail/flat", false, "INBOX Ü/x Plain", each},
		side{shared, "Mail/local/shared-far", false, "INBOX Sent", each},
	)
}

// TestImportOfflineimap takes over two accounts of OfflineIMAP: one with its default separator, a filter and a function of
// Python that gets the password; one with directories in directories, names of their own, a filter that only Python
// understands, and the password in a file.
func TestImportOfflineimap(t *testing.T) {
	w := newImportWorld(t, imaptest.Dovecot(t, imaptest.DovecotOptions{Password: "S3cret-marker"}))
	each := size(6, 300)
	work := w.account(each, "INBOX", "Work/2024/Größe", "Spam")
	home := w.account(each, "INBOX", "Lists/Ü/a", "Sent", "Other")
	w.write("secret", w.dovecot.Password+"\n")
	w.write("pass.py", "import subprocess\ndef get_pass(which):\n    return subprocess.check_output(['cat', '@HOME@/secret']).strip()\n")
	rc := w.write(".offlineimaprc", fmt.Sprintf(`[general]
accounts = work, home
pythonfile = ~/pass.py
metadata = ~/.offlineimap

[DEFAULT]
server = %s

[Account work]
localrepository = work-near
remoterepository = work-far

[Account home]
localrepository = home-near
remoterepository = home-far
postsynchook = true

[Account unused]
localrepository = work-near
remoterepository = work-far

[Repository work-near]
type = Maildir
localfolders = $HOME/Mail/work

[Repository work-far]
type = IMAP
remotehost = %%(server)s
remoteport = %s
remoteuser = %s
remotepasseval = get_pass("work")
ssl = no
starttls = no
folderfilter = lambda name: name in ['INBOX',
    'Work/2024/Gr&APYA3w-e']

[Repository home-near]
type = Maildir
localfolders = ~/Mail/home
sep = /
nametrans = lambda f: {'outbox': 'Sent'}.get(f, f)

[Repository home-far]
type = IMAP
remotehost = %%(server)s
remoteport = %s
remoteuser = %s
remotepassfile = ~/secret
ssl = no
starttls = no
maxconnections = 2
sync_deletes = no
folderfilter = lambda f: re.search('^(INBOX|Sent|Lists)', f)
nametrans = lambda f: {'Sent': 'outbox'}.get(f, f)
`, work.host, work.port, work.user, home.port, home.user))
	w.other("offlineimap", "-o", "-c", rc, "-u", "basic")
	w.run(exitDone, "init", "--from", "offlineimap", "--move")
	for _, words := range []string{
		":16: postsynchook: on_change: it is run only if something changed", ":18: Account unused: accounts, in [general], does not name it", ":31: remotepasseval: password_command has python3 call get_pass in " + w.home + "/pass.py",
		":53: folderfilter: mailtwin cannot tell which mailboxes it means: mailboxes names the 3 mailboxes that lie in the Maildir now",
	} {
		if !strings.Contains(w.stderr, words) {
			t.Errorf("%q is not in:\n%s", words, w.stderr)
		}
	}
	w.adopts(
		side{work, "Mail/work", false, "INBOX Work/2024/Größe", each},
		side{home, "Mail/home", false, "INBOX Lists/Ü/a Sent", each},
	)
}
