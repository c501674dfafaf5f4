package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"mailtwin/imap"
	"mailtwin/syncer"
)

// A config is the configuration file.
type config struct {
	Accounts map[string]*account `toml:"accounts"`

	path string
	text []byte
}

// An account is one table of it. The zero value of a key means that it is not there.
type account struct {
	Address         string  `toml:"address"`
	Host            string  `toml:"host"`
	Port            int     `toml:"port"`
	TLS             string  `toml:"tls"`
	TLSCA           string  `toml:"tls_ca"`
	User            string  `toml:"user"`
	Password        string  `toml:"password"`
	PasswordCommand command `toml:"password_command"`
	Maildir         string  `toml:"maildir"`
	State           string  `toml:"state"`
	Layout          string  `toml:"layout"`
	DeleteRemote    string  `toml:"delete_remote"`
	Connections     *int    `toml:"connections"`
	Timeout         string  `toml:"timeout"`
	Insecure        bool    `toml:"insecure"`

	name    string
	roots   *x509.CertPool
	silence time.Duration
}

// A command is one line for the shell, or a list of words that needs no shell.
type command struct {
	line  string
	words []string
}

func (c command) given() bool { return c.line != "" || len(c.words) > 0 }

// defaultConfig is where the configuration lies if nobody says otherwise.
func (env *environment) defaultConfig() (string, error) {
	if dir := env.getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "mailtwin", "config.toml"), nil
	}
	home := env.getenv("HOME")
	if home == "" {
		return "", &usageError{errors.New("neither HOME nor XDG_CONFIG_HOME is set; name the configuration with --config")}
	}
	return filepath.Join(home, ".config", "mailtwin", "config.toml"), nil
}

// loadConfig reads the configuration and checks all of it, so that a mistake shows before anything is done.
func (env *environment) loadConfig(path string) (*config, error) {
	if path == "" {
		var err error
		if path, err = env.defaultConfig(); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &usageError{fmt.Errorf("there is no configuration at %s; the README shows one", path)}
	}
	if err != nil {
		return nil, &usageError{err}
	}
	c := &config{path: path, text: text}
	if err := c.decode(); err != nil {
		return nil, &usageError{err}
	}
	if len(c.Accounts) == 0 {
		return nil, &usageError{fmt.Errorf("%s: no account; begin one with [accounts.NAME]", path)}
	}
	for name, a := range c.Accounts {
		a.name = name
		if err := c.check(env, a); err != nil {
			return nil, &usageError{err}
		}
	}
	return c, nil
}

// raw is an account before its password_command, which may be a string or a list, was looked at.
type raw struct {
	account
	PasswordCommand any `toml:"password_command"`
}

func (c *config) decode() error {
	var file struct {
		Accounts map[string]*raw `toml:"accounts"`
	}
	decoder := toml.NewDecoder(bytes.NewReader(c.text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return c.where(err)
	}
	c.Accounts = map[string]*account{}
	for name, r := range file.Accounts {
		a := r.account
		a.name = name
		switch value := r.PasswordCommand.(type) {
		case nil:
		case string:
			a.PasswordCommand.line = value
		case []any:
			for _, word := range value {
				text, ok := word.(string)
				if !ok {
					return c.wrong(&a, "password_command", "is a string, or a list of strings")
				}
				a.PasswordCommand.words = append(a.PasswordCommand.words, text)
			}
		default:
			return c.wrong(&a, "password_command", "is a string, or a list of strings")
		}
		c.Accounts[name] = &a
	}
	return nil
}

// where gives an error of the decoder its line.
func (c *config) where(err error) error {
	var unknown *toml.StrictMissingError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		var lines []error
		for _, e := range unknown.Errors {
			row, _ := e.Position()
			lines = append(lines, fmt.Errorf("%s:%d: there is no key %q", c.path, row, strings.Join(e.Key(), ".")))
		}
		return errors.Join(lines...)
	case errors.As(err, &decode):
		row, _ := decode.Position()
		return fmt.Errorf("%s:%d: %s", c.path, row, strings.TrimPrefix(decode.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", c.path, err)
}

// wrong is the error of one key of an account.
func (c *config) wrong(a *account, key, format string, args ...any) error {
	return fmt.Errorf("%s:%d: account %q: %s %s", c.path, c.line(a.name, key), a.name, key, fmt.Sprintf(format, args...))
}

var tableHead = regexp.MustCompile(`^\s*\[\s*accounts\s*\.\s*["']?([^"'\]]+?)["']?\s*\]`)

// line finds where a key of an account stands; where it does not, the line of the account.
func (c *config) line(account, key string) int {
	at, in := 1, false
	for i, text := range strings.Split(string(c.text), "\n") {
		if head := tableHead.FindStringSubmatch(text); head != nil {
			if in = head[1] == account; in {
				at = i + 1
			}
			continue
		}
		word, _, _ := strings.Cut(strings.TrimSpace(text), "=")
		if in && strings.Trim(strings.TrimSpace(word), `"'`) == key {
			return i + 1
		}
	}
	return at
}

// check fills in defaults and refuses what makes no sense.
func (c *config) check(env *environment, a *account) error {
	if a.Maildir == "" {
		return c.wrong(a, "maildir", "is missing: where shall the mail lie?")
	}
	if a.User == "" {
		a.User = a.Address
	}
	if a.User == "" {
		return c.wrong(a, "user", "is missing, and so is address")
	}
	if a.Host == "" {
		return c.wrong(a, "host", "is missing: the name of the IMAP server")
	}
	for _, check := range []func(*environment, *account) error{c.checkTLS, c.checkSecrets, c.checkPaths, c.checkNumbers} {
		if err := check(env, a); err != nil {
			return err
		}
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
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// checkSecrets refuses a password in a file that others can read.
func (c *config) checkSecrets(_ *environment, a *account) error {
	if a.Password != "" && a.PasswordCommand.given() {
		return c.wrong(a, "password_command", "and password are both there; which one is it?")
	}
	if a.Password == "" {
		return nil
	}
	info, err := os.Stat(c.path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return c.wrong(a, "password", "is in a file that others can read (mode %04o); run: chmod 600 %s", mode, c.path)
	}
	return nil
}

func (c *config) checkPaths(env *environment, a *account) error {
	a.Maildir = env.expand(a.Maildir)
	if a.State == "" {
		a.State = filepath.Join(env.stateHome(), "mailtwin", a.name+".db")
	}
	a.State = env.expand(a.State)
	for key, path := range map[string]string{"maildir": a.Maildir, "state": a.State} {
		if !filepath.IsAbs(path) {
			return c.wrong(a, key, "is not an absolute path: %q", path)
		}
	}
	if strings.ContainsAny(a.name, "/\x00") || a.name == "." || a.name == ".." || a.name == "" {
		return c.wrong(a, "state", "cannot be named after this account")
	}
	return nil
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
	if a.Port < 0 || a.Port > 65535 {
		return c.wrong(a, "port", "is a number from 1 to 65535, not %d", a.Port)
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
	if a.Layout != "" && a.Layout != "nested" {
		return c.wrong(a, "layout", `is "nested", not %q`, a.Layout)
	}
	switch syncer.Removal(a.DeleteRemote) {
	case "", syncer.Trash, syncer.Expunge, syncer.Never:
		return nil
	}
	return c.wrong(a, "delete_remote", `is "trash", "expunge" or "never", not %q`, a.DeleteRemote)
}

// choose returns the accounts that are named, or all of them, sorted.
func (c *config) choose(names []string) ([]*account, error) {
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(c.Accounts))
	}
	var chosen []*account
	for _, name := range names {
		a, ok := c.Accounts[name]
		if !ok {
			return nil, &usageError{fmt.Errorf("%s: there is no account %q", c.path, name)}
		}
		chosen = append(chosen, a)
	}
	return chosen, nil
}
