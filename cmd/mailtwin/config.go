package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mailtwin/imap"
)

// A config is the configuration file.
type config struct {
	Accounts map[string]*account `toml:"accounts"`

	path  string
	mode  fs.FileMode // its permissions
	text  []byte
	lines map[string]int // where a key stands, see keyLines
}

// An account is one table of it. The zero value of a key means that it is not there.
type account struct {
	Address         string   `toml:"address"`
	Host            string   `toml:"host"`
	Port            *int     `toml:"port"`
	TLS             string   `toml:"tls"`
	TLSCA           string   `toml:"tls_ca"`
	TLSFingerprint  []string `toml:"tls_fingerprint"`
	User            string   `toml:"user"`
	Password        string   `toml:"password"`
	PasswordCommand command  `toml:"password_command"`
	Auth            string   `toml:"auth"`
	ClientID        string   `toml:"client_id"`
	ClientSecret    string   `toml:"client_secret"`
	TokenCommand    command  `toml:"token_command"`
	Maildir         string   `toml:"maildir"`
	State           string   `toml:"state"`
	Layout          string   `toml:"layout"`
	Mailboxes       []string `toml:"mailboxes"`
	Mode            string   `toml:"mode"`
	KeepDeleted     string   `toml:"keep_deleted"`
	DeleteRemote    string   `toml:"delete_remote"`
	MaxDelete       string   `toml:"max_delete"`
	Connections     *int     `toml:"connections"`
	Timeout         string   `toml:"timeout"`
	Compress        *bool    `toml:"compress"`
	Insecure        bool     `toml:"insecure"`
	Attic           string   `toml:"attic"`
	QuotaDown       string   `toml:"quota_down"`
	QuotaUp         string   `toml:"quota_up"`
	OnChange        command  `toml:"on_change"`
	Healthcheck     string   `toml:"healthcheck"`
	Metrics         string   `toml:"metrics"`

	name    string
	roots   *x509.CertPool
	pins    []imap.Fingerprint
	silence time.Duration
	most    int       // percent, what MaxDelete says
	keep    int       // days, what Attic says
	left    int       // days, what KeepDeleted says; 0 is for ever
	quota   [2]*int64 // octets a day, what QuotaDown and QuotaUp say; 0 is no limit
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
	c := &config{path: path}
	if err := c.read(); err != nil {
		return nil, &usageError{err}
	}
	if err := c.parse(env); err != nil {
		return nil, &usageError{err}
	}
	if len(c.Accounts) == 0 {
		return nil, &usageError{fmt.Errorf("%s: no account; mailtwin init adds one, or begin one with [accounts.NAME]", path)}
	}
	return c, nil
}

// parse makes accounts of the text, and checks all of them.
func (c *config) parse(env *environment) error {
	if err := c.decode(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Accounts)) {
		if err := c.check(env, c.Accounts[name]); err != nil {
			return err
		}
	}
	return c.checkShared()
}

// read reads the file and its permissions, both of one and the same file.
func (c *config) read() error {
	f, err := os.Open(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no configuration at %s; mailtwin init writes one", c.path)
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	c.mode = info.Mode().Perm()
	c.text, err = io.ReadAll(f)
	return err
}

// choose returns the accounts that are named, or all that have a Maildir, sorted. Those that are named have to have one.
func (c *config) choose(names []string) ([]*account, error) {
	if len(names) > 0 {
		chosen, err := c.named(names)
		for _, a := range chosen {
			if a.Maildir == "" {
				return nil, &usageError{c.wrong(a, "maildir", "is missing: where shall the mail lie?")}
			}
		}
		return chosen, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Accounts)) {
		if c.Accounts[name].Maildir != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, &usageError{fmt.Errorf("%s: no account has a maildir: where shall the mail lie?", c.path)}
	}
	return c.named(names)
}

// named returns accounts that need not have a Maildir.
func (c *config) named(names []string) ([]*account, error) {
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
