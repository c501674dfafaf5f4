package main

import (
	"crypto/x509"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"mailtwin/imap"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/syncer"
)

// check fills in defaults and refuses what makes no sense.
func (c *config) check(env *environment, a *account) error {
	if a.User == "" {
		a.User = a.Address
	}
	if a.User == "" {
		return c.wrong(a, "user", "is missing, and so is address")
	}
	if a.Host == "" {
		return c.wrong(a, "host", "is missing: the name of the IMAP server")
	}
	for _, check := range []func(*environment, *account) error{c.checkHost, c.checkTLS, c.checkAuth, c.checkSecrets, c.checkPaths, c.checkTold, c.checkNumbers} {
		if err := check(env, a); err != nil {
			return err
		}
	}
	return nil
}

// checkHost refuses what is no name and no address, before a resolver says so in words of its own.
func (c *config) checkHost(_ *environment, a *account) error {
	switch {
	case net.ParseIP(a.Host) != nil:
		return nil
	case strings.Contains(a.Host, "/"):
		return c.wrong(a, "host", `is a name like "imap.example.org", without "imaps://" and "/", not %q`, a.Host)
	case strings.ContainsFunc(a.Host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return c.wrong(a, "host", `is a name like "imap.example.org", without blanks, not %q`, a.Host)
	case strings.ContainsAny(a.Host, ":[]"):
		return c.wrong(a, "host", `is a name or an address alone, not %q; write the port as port = 993`, a.Host)
	}
	return nil
}

func (c *config) checkTLS(env *environment, a *account) error {
	if a.TLS == "" {
		a.TLS = string(imap.Implicit)
	}
	switch imap.Security(a.TLS) {
	case imap.Implicit, imap.StartTLS:
	case imap.Plain:
		if !a.Insecure && !isLoopback(a.Host) {
			return c.wrong(a, "tls", `= "none" would send the password over the network for everybody to read; `+
				"if you want that, set insecure = true")
		}
	default:
		return c.wrong(a, "tls", `is "implicit", "starttls" or "none", not %q`, a.TLS)
	}
	for _, text := range a.TLSFingerprint {
		pin, err := imap.ParseFingerprint(text)
		if err != nil {
			return c.wrong(a, "tls_fingerprint", "names certificates: %v", err)
		}
		a.pins = append(a.pins, pin)
	}
	switch {
	case len(a.pins) > 0 && imap.Security(a.TLS) == imap.Plain:
		return c.wrong(a, "tls_fingerprint", `makes no sense with tls = "none": there is no certificate`)
	case len(a.pins) > 0 && a.TLSCA != "":
		return c.wrong(a, "tls_fingerprint", "takes the place of tls_ca; which one is it?")
	}
	if a.TLSCA == "" {
		return nil
	}
	pem, err := os.ReadFile(env.expand(a.TLSCA))
	if err != nil {
		return c.wrong(a, "tls_ca", "cannot be read: %v", err)
	}
	a.roots = x509.NewCertPool()
	if !a.roots.AppendCertsFromPEM(pem) {
		return c.wrong(a, "tls_ca", "holds no certificate")
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// checkSecrets refuses a password, and whatever is like one, in a file that others can read.
func (c *config) checkSecrets(_ *environment, a *account) error {
	if a.Password != "" && a.PasswordCommand.given() {
		return c.wrong(a, "password_command", "and password are both there; which one is it?")
	}
	for key, secret := range map[string]string{"password": a.Password, "client_secret": a.ClientSecret, "healthcheck": a.Healthcheck} {
		if secret != "" && c.mode&0o077 != 0 {
			return c.wrong(a, key, "is in a file that others can read (mode %04o); run: chmod 600 %s", c.mode, c.path)
		}
	}
	return nil
}

func (c *config) checkPaths(env *environment, a *account) error {
	for _, words := range [][]string{a.PasswordCommand.words, a.TokenCommand.words, a.OnChange.words} {
		if len(words) > 0 {
			words[0] = env.expand(words[0]) // one line is left to the shell
		}
	}
	a.Maildir = env.expand(a.Maildir)
	if a.State == "" && (a.name == "" || strings.ContainsAny(a.name, "/\x00")) {
		return c.wrong(a, "state", "is missing, and no file can be named after this account")
	}
	if a.State == "" {
		a.State = filepath.Join(env.stateHome(), "mailtwin", a.name+".db")
	}
	a.State = env.expand(a.State)
	for _, path := range []struct{ key, value string }{{"maildir", a.Maildir}, {"state", a.State}} {
		if path.value != "" && !filepath.IsAbs(path.value) {
			return c.wrong(a, path.key, `is no absolute path and does not begin with "~/": %q`, path.value)
		}
	}
	return nil
}

// checkTold refuses what nobody could be told by.
func (c *config) checkTold(env *environment, a *account) error {
	if a.Metrics = env.expand(a.Metrics); a.Metrics != "" && !filepath.IsAbs(a.Metrics) {
		return c.wrong(a, "metrics", `is no absolute path and does not begin with "~/": %q`, a.Metrics)
	}
	if a.Healthcheck == "" {
		return nil
	}
	if _, err := parsePing(a.Healthcheck); err != nil {
		return c.wrong(a, "healthcheck", "%v", err)
	}
	return nil
}

// checkShared refuses two accounts that would take each other's mail for their own, and what would be taken for mail.
func (c *config) checkShared() error {
	var seen []*account
	for _, name := range slices.Sorted(maps.Keys(c.Accounts)) {
		a := c.Accounts[name]
		for _, other := range c.Accounts {
			if within(a.State, other.Maildir) || within(a.attic(), other.Maildir) {
				return c.wrong(a, "state", "lies within a maildir, where it would be taken for mail: %s", a.State)
			}
			if within(other.Maildir, a.attic()) {
				return c.wrong(a, "state", "has its attic, %s, around a maildir", a.attic())
			}
		}
		for _, other := range seen {
			switch {
			case a.attic() == other.attic() && filepath.Clean(a.State) != filepath.Clean(other.State):
				return c.wrong(a, "state", "has the same attic as account %q: %s", other.name, a.attic())
			case within(a.Maildir, other.Maildir) || within(other.Maildir, a.Maildir):
				return c.wrong(a, "maildir", "lies within the one of account %q, or the other way round: %s", other.name, a.Maildir)
			case filepath.Clean(a.State) == filepath.Clean(other.State):
				return c.wrong(a, "state", "belongs to account %q already: %s", other.name, a.State)
			}
		}
		seen = append(seen, a)
	}
	return nil
}

// within tells whether a directory is another one or lies below it, going by their names. Without a name it is nowhere.
func within(dir, other string) bool {
	if dir == "" || other == "" {
		return false
	}
	rel, err := filepath.Rel(other, dir)
	return err == nil && filepath.IsLocal(rel)
}

func (env *environment) stateHome() string {
	if dir := env.getenv("XDG_STATE_HOME"); dir != "" {
		return dir
	}
	return filepath.Join(env.getenv("HOME"), ".local", "state")
}

// expand replaces a leading "~/" by the home directory.
func (env *environment) expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(env.getenv("HOME"), rest)
	}
	return path
}

const (
	mostConnections = 100
	leastTimeout    = time.Second
)

func (c *config) checkNumbers(_ *environment, a *account) error {
	if a.Port != nil && (*a.Port < 1 || *a.Port > 65535) {
		return c.wrong(a, "port", "is a number from 1 to 65535, not %d", *a.Port)
	}
	if a.Connections != nil && (*a.Connections < 1 || *a.Connections > mostConnections) {
		return c.wrong(a, "connections", "is a number from 1 to %d, not %d", mostConnections, *a.Connections)
	}
	if a.Timeout != "" {
		d, err := time.ParseDuration(a.Timeout)
		if err != nil || d < leastTimeout {
			return c.wrong(a, "timeout", `is a time like "60s" of at least a second, not %q`, a.Timeout)
		}
		a.silence = d
	}
	if err := mailbox.Patterns(a.Mailboxes).Check(); err != nil {
		return c.wrong(a, "mailboxes", "makes no sense: %v", err)
	}
	if a.MaxDelete != "" {
		share, percent := strings.CutSuffix(a.MaxDelete, "%")
		n, err := strconv.Atoi(share)
		if !percent || err != nil || n < 1 || n > 100 {
			return c.wrong(a, "max_delete", `is a share from "1%%" to "100%%", not %q`, a.MaxDelete)
		}
		a.most = n
	}
	for _, check := range []func(*account) error{c.checkAttic, c.checkMode, c.checkQuota} {
		if err := check(a); err != nil {
			return err
		}
	}
	switch maildir.Layout(a.Layout) {
	case "", maildir.Nested, maildir.PlusPlus:
	default:
		return c.wrong(a, "layout", `is "nested" or "maildir++", not %q`, a.Layout)
	}
	switch syncer.Removal(a.DeleteRemote) {
	case "", syncer.Trash, syncer.Expunge, syncer.Never:
		return nil
	}
	return c.wrong(a, "delete_remote", `is "trash", "expunge" or "never", not %q`, a.DeleteRemote)
}

// defaultAttic is how many days the attic keeps what was removed in the Maildir.
const defaultAttic = 30

// checkQuota reads what the provider allows in a day.
func (c *config) checkQuota(a *account) error {
	for i, q := range []struct{ key, text string }{{"quota_down", a.QuotaDown}, {"quota_up", a.QuotaUp}} {
		if q.text == "" {
			continue
		}
		n, ok := readOctets(q.text)
		if !ok {
			return c.wrong(a, q.key, `is an amount for a day, as "2500MB", or "none", not %q`, q.text)
		}
		a.quota[i] = &n
	}
	return nil
}

func (c *config) checkAttic(a *account) error {
	if a.Attic == "" {
		a.keep = defaultAttic
		return nil
	}
	n, ok := readDays(a.Attic)
	if !ok {
		return c.wrong(a, "attic", `is a number of days like "30d", or "0d" for none, not %q`, a.Attic)
	}
	a.keep = n
	return nil
}

func readDays(text string) (int, bool) {
	days, ok := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(days)
	return n, ok && err == nil && n >= 0 && n <= 36500
}

// What mode may be.
const (
	modeSync   = "sync"
	modeBackup = "backup"
)

// forever is how long a backup keeps mail that vanished on the server, if nothing else is said.
const forever = "forever"

func (c *config) checkMode(a *account) error {
	switch a.Mode {
	case "", modeSync, modeBackup:
	default:
		return c.wrong(a, "mode", `is "sync" or "backup", not %q`, a.Mode)
	}
	if a.KeepDeleted == "" || a.KeepDeleted == forever {
		return nil
	}
	n, ok := readDays(a.KeepDeleted)
	if !ok || n == 0 {
		return c.wrong(a, "keep_deleted", `is "forever" or a number of days like "365d", not %q`, a.KeepDeleted)
	}
	a.left = n
	return nil
}
