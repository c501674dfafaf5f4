package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailtwin/imap"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/rcfile"
)

// A takeover is an account of another program on its way into the configuration.
type takeover struct {
	account *account
	secret  string // the password that stands in the other program's file
	asks    bool   // that file has neither a password nor a way to one
	moves   []move // what has to lie elsewhere for us to find it
	there   int    // how many mailboxes lie in the Maildir
	left    bool   // it cannot be taken over; a remark says why
}

// A move is a mailbox that has to lie in another directory.
type move struct{ from, to string }

// A remark is what there is to say about a line of the other program's configuration.
type remark struct {
	line int
	text string
}

// takeovers are what the configuration of another program comes to.
type takeovers struct {
	env      *environment
	file     string
	accounts []*takeover
	remarks  []remark
	failed   bool // something was left out that did not come as far as an account
}

// say remarks on an option.
func (t *takeovers) say(o rcfile.Option, format string, args ...any) {
	r := remark{o.Line, o.Said + ": " + fmt.Sprintf(format, args...)}
	if !slices.Contains(t.remarks, r) { // several accounts may have it in common
		t.remarks = append(t.remarks, r)
	}
}

// refuse leaves an account out, because of an option.
func (t *takeovers) refuse(a *takeover, o rcfile.Option, format string, args ...any) {
	a.left = true
	t.say(o, format, args...)
}

// lacks leaves an account out, because something is not in its section.
func (t *takeovers) lacks(a *takeover, s *rcfile.Section, format string, args ...any) {
	t.refuse(a, rcfile.Option{Line: s.Line, Said: a.account.name}, format, args...)
}

// unknown is what to say of a key that we have never heard of.
const unknown = "mailtwin does not know this key, and made nothing of it"

// explain remarks on what is written down in a section and has nothing like it with us, or means the same without being
// said. Keys with an empty text are dealt with elsewhere.
func (t *takeovers) explain(s *rcfile.Section, words map[string]string) {
	for _, o := range s.Options {
		text, known := words[o.Key]
		if !known {
			text = unknown
		}
		if text != "" {
			t.say(o, "%s", text)
		}
	}
}

// namesMissing is what to say where the directories of a Maildir would tell which mailboxes to choose, and there are none.
const namesMissing = "and the Maildir has no mailboxes yet that would tell which are meant; write the account down by hand, with mailboxes"

// chooseThese has an account choose the mailboxes that are in its Maildir, and no others.
func (t *takeover) chooseThese(names []string) {
	for _, name := range names {
		pattern := strings.NewReplacer("*", "?").Replace(name)
		if strings.HasPrefix(pattern, "!") {
			pattern = "?" + pattern[1:]
		}
		if !slices.Contains(t.account.Mailboxes, pattern) {
			t.account.Mailboxes = append(t.account.Mailboxes, pattern)
		}
	}
}

// chooses tells whether the patterns of an account choose a mailbox.
func (t *takeover) chooses(name mailbox.Name) bool {
	return mailbox.Patterns(t.account.Mailboxes).Match(name)
}

// carry has a mailbox lie where mailtwin looks for it. name is how other programs write it down; a directory called so
// is recognised, too.
func (t *takeover) carry(root, dir, name string) {
	layout := maildir.Layout(t.account.Layout)
	plain := mailbox.MakeName(strings.Split(readable(name), "/")...)
	want := filepath.Join(root, maildir.Place(layout, plain))
	spelt := filepath.Join(root, maildir.Place(layout, mailbox.MakeName(strings.Split(name, "/")...)))
	if dir == want || dir == spelt || layout != maildir.PlusPlus && sameInbox(root, dir, want) {
		return
	}
	t.moves = append(t.moves, move{dir, want})
}

// sameInbox tells whether two directories differ at most in how they write INBOX.
func sameInbox(root, dir, want string) bool {
	rel, err := filepath.Rel(root, dir)
	wanted, failed := filepath.Rel(root, want)
	if err != nil || failed != nil {
		return false
	}
	first, rest, _ := strings.Cut(rel, "/")
	inbox, below, _ := strings.Cut(wanted, "/")
	return inbox == inboxName && strings.EqualFold(first, inboxName) && rest == below
}

// absolute is a path as the other program understands it: "~" is a home directory. Where it would depend on the directory
// that the program is started in, or on another user, it is not guessed.
func (env *environment) absolute(path string) (string, error) {
	home := env.getenv("HOME")
	switch {
	case (path == "~" || strings.HasPrefix(path, "~/")) && home != "":
		return home + path[1:], nil
	case strings.HasPrefix(path, "~"):
		return "", errors.New("name the directory itself, in place of " + path)
	case !filepath.IsAbs(path):
		return "", fmt.Errorf("%q depends on the directory that the program is started in; write the whole path", path)
	}
	return path, nil
}

// fromHome writes a path as a person would.
func (env *environment) fromHome(path string) string {
	home := env.getenv("HOME")
	if rel, err := filepath.Rel(home, path); home != "" && err == nil && rel != "." && filepath.IsLocal(rel) {
		return "~/" + rel
	}
	return filepath.Clean(path)
}

// isGmail tells whether a server is Gmail. There a removal is a matter of labels: other programs take one away, and
// delete_remote = "trash" is what comes next to that.
func isGmail(host string) bool {
	return strings.EqualFold(host, "imap.gmail.com") || strings.EqualFold(host, "imap.googlemail.com")
}

// bundles are where systems keep the authorities that everybody trusts.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/pki/tls/cacert.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem", "/usr/local/etc/openssl/cert.pem", "/opt/homebrew/etc/openssl/cert.pem",
	"/usr/local/etc/ssl/cert.pem", "/etc/ssl/certs/ca-bundle.crt",
}

// maxFile bounds what is read of another program's configuration, and of the files that it names.
const maxFile = 1 << 20

// readSmall reads a file that is not longer than it may be.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is longer than %d octets", path, maxFile)
	}
	return text, err
}

// trust has an account trust the certificates in a file: those of authorities by tls_ca, that of the server itself, which
// may have expired or have another name, by its fingerprint. The text is what to say about it.
func (t *takeover) trust(path string) (text string, err error) {
	content, err := readSmall(path)
	if err != nil {
		return "", err
	}
	var pins []string
	authorities := 0
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue // a key, or something older than Go reads
		}
		if c.IsCA && c.VerifyHostname(t.account.Host) != nil && !strings.EqualFold(c.Subject.CommonName, t.account.Host) {
			authorities++
			continue
		}
		pins = append(pins, imap.Fingerprint(sha256.Sum256(c.Raw)).String())
	}
	switch {
	case len(pins)+authorities == 0:
		return "", errors.New("it holds no certificate")
	case authorities == 0:
		t.account.TLSFingerprint = pins
		return "the certificate of the server itself: tls_fingerprint names it, and mailtwin takes no other", nil
	}
	t.account.TLSCA = path
	text = "tls_ca: mailtwin trusts these authorities in place of the system's, not beside them"
	if len(pins) > 0 {
		text += "; a server's own certificate, which it holds, too, is trusted only as long as its name and its dates are right"
	}
	return text, nil
}
