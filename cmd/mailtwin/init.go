package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"mailtwin/imap"
	"mailtwin/imap/oauth"
	"mailtwin/maildir"
)

type initOptions struct {
	config          string
	address         string
	host            string
	port            int
	tls             string
	tlsCA           string
	fingerprint     string
	user            string
	maildir         string
	layout          string
	passwordCommand string
	oauth2          bool
	clientID        string
	tokenCommand    string
	from            string // the program whose settings are taken over
	move            bool
	dryRun          bool
	dns             resolver // nil: the system's
}

func initCommand(env *environment) *cobra.Command {
	o := &initOptions{}
	cmd := &cobra.Command{
		Use:   "init [ACCOUNT | --from PROGRAM [FILE]]",
		Short: "Set an account up, or take over those of mbsync or OfflineIMAP",
		Long: `Init asks for your mail address and what else it needs, finds the server, tries the login, shows
the mailboxes, and adds the account to the configuration. On a terminal it asks for what the flags
leave open; elsewhere --address and a password are needed: --password-command, or the variable
MAILTWIN_PASSWORD_ACCOUNT. Nothing is written before the login has worked.

The password goes to the keyring of your desktop session, unless you name a command that prints it. Where
OAuth takes its place, the browser opens for your consent, as with mailtwin auth.

With --from mbsync or --from offlineimap, the accounts of that program are taken over, and what it
downloaded is not downloaded again. Init says, line by line, what there is nothing like, and what was
left out and why. It writes over no account that is there. Mailboxes that mailtwin would not find are
moved if you say so, or with --move. A password that stands in the file goes to the keyring.

Exit status:
  0    the account is in the configuration
  1    it could not be set up, see the messages
  3    the login was refused, or there is no password
  4    a temporary failure, try again later
  64   the command line or the configuration is wrong, or an answer is missing
  130  stopped by Ctrl-C (143: by SIGTERM); nothing was written`,
		Example: `  mailtwin init
  mailtwin init work --address me@example.org --password-command "pass show mail/work"
  mailtwin init --from mbsync --dry-run   # what would become of ~/.mbsyncrc?`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
				return &usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.alone(cmd); err != nil {
				return err
			}
			return env.runInit(cmd.Context(), *o, args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "", "the configuration `file` (default $XDG_CONFIG_HOME/mailtwin/config.toml)")
	f.StringVarP(&o.address, "address", "a", "", "your mail `address`")
	f.StringVar(&o.host, "host", "", "the IMAP server, if it is not to be found by the address")
	f.IntVar(&o.port, "port", 0, "its port (default 993; with starttls 143)")
	f.StringVar(&o.tls, "tls", "", `"implicit" (the default) or "starttls"`)
	f.StringVar(&o.tlsCA, "tls-ca", "", "a `file` with the certificate authority, in place of the system's")
	f.StringVar(&o.fingerprint, "tls-fingerprint", "", `accept the certificate with this fingerprint: "sha256:..."`)
	f.StringVarP(&o.user, "user", "u", "", "the login name (default: the address)")
	f.StringVar(&o.maildir, "maildir", "", "where the mail shall lie (default ~/Mail/ACCOUNT)")
	f.StringVar(&o.layout, "layout", "", `"nested" (the default) or "maildir++"`)
	f.StringVar(&o.passwordCommand, "password-command", "", "a `command` that prints the password")
	f.BoolVar(&o.oauth2, "oauth2", false, "log in with OAuth, not with a password (Microsoft: always)")
	f.StringVar(&o.clientID, "client-id", "", "for OAuth: your client's `id` at the provider")
	f.StringVar(&o.tokenCommand, "token-command", "", "for OAuth: a `command` that prints an access token, in place of a client")
	f.StringVar(&o.from, "from", "", "take over the accounts of this `program`: mbsync or offlineimap")
	f.BoolVar(&o.move, "move", false, "with --from: move mailboxes to where mailtwin looks for them, without asking")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "with --from: print what would be written, and change nothing")
	return cmd
}

// A setup is one account on its way into the configuration.
type setup struct {
	env      *environment
	o        initOptions
	path     string  // of the configuration
	file     string  // with --from: that of the other program; empty for the usual one
	config   *config // what is there already; nil if nothing
	prompt   *prompt
	account  *account
	secret   string      // typed, and not yet stored anywhere
	known    bool        // a large provider, whose certificate is good or somebody else's
	writing  atomic.Bool // from then on it is not to be interrupted
	asked    bool        // the password is typed, or was once and lies in the keyring
	oauth    bool        // the login is done with a token
	borrowed bool        // the password is that of the environment, and stored nowhere
	source   *oauth.Source
	held     *oauth.Held // what the user consented to, and is not yet stored anywhere
}

func (env *environment) runInit(ctx context.Context, o initOptions, args []string) error {
	s := &setup{env: env, o: o, prompt: env.prompt(), account: &account{}}
	switch {
	case len(args) > 0 && o.from != "":
		s.file = args[0]
	case len(args) > 0:
		s.account.name = args[0]
	}
	defer s.prompt.restore()
	done := make(chan error, 1)
	go func() { done <- s.all(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done(): // a question that waits for its answer knows nothing of it
		if s.writing.Load() {
			return <-done
		}
		return context.Cause(ctx)
	}
}

// all takes one step after the other. What is written comes last.
func (s *setup) all(ctx context.Context) error {
	steps := []func(context.Context) error{s.open, s.who, s.where, s.place, s.way, s.check, s.password, s.login, s.keep, s.write}
	if s.o.from != "" {
		steps = []func(context.Context) error{s.open, s.takeOver}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// open reads the configuration that is there.
func (s *setup) open(context.Context) (err error) {
	if s.path = s.o.config; s.path == "" {
		if s.path, err = s.env.defaultConfig(); err != nil {
			return err
		}
	}
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	c := &config{path: s.path}
	if err := c.read(); err != nil {
		return &usageError{err}
	}
	if err := c.parse(s.env); err != nil {
		return &usageError{err}
	}
	s.config = c
	return nil
}

// who asks whose mail it is.
func (s *setup) who(context.Context) (err error) {
	if s.o.address == "" && s.o.user == "" {
		if s.o.address, err = s.prompt.ask("Your mail address", "", "--address"); err != nil {
			return err
		}
	}
	_, domain, ok := strings.Cut(s.o.address, "@")
	if s.o.address != "" && (!ok || domain == "" || strings.ContainsAny(domain, "@/ ")) {
		return &usageError{fmt.Errorf("%q is not a mail address", s.o.address)}
	}
	if s.account.name == "" {
		proposal, _, _ := strings.Cut(domain, ".")
		for n, first := 2, proposal; s.config != nil && s.config.Accounts[proposal] != nil; n++ {
			proposal = fmt.Sprint(first, n)
		}
		if s.account.name, err = s.prompt.askOr("A short name for the account", proposal, "ACCOUNT"); err != nil {
			return err
		}
	}
	if s.account.name == "" || strings.ContainsAny(s.account.name, "/\x00") {
		return &usageError{fmt.Errorf("an account cannot be called %q: its state file is named after it", s.account.name)}
	}
	if s.config != nil && s.config.Accounts[s.account.name] != nil {
		return &usageError{fmt.Errorf("%s has an account %q already; give another name, or change it there", s.path, s.account.name)}
	}
	s.account.Address, s.account.User = s.o.address, s.o.user
	if s.account.User == "" {
		s.account.User = s.o.address
	}
	return nil
}

// where finds the server.
func (s *setup) where(ctx context.Context) error {
	p := preset{host: s.o.host, port: s.o.port, tls: imap.Security(s.o.tls)}
	if p.host == "" {
		if s.o.address == "" {
			answer, err := s.prompt.ask("IMAP server", "", "--host")
			if err != nil {
				return err
			}
			if err := p.read(answer); err != nil {
				return err
			}
		}
	}
	if p.host == "" {
		_, domain, _ := strings.Cut(s.o.address, "@")
		found := findServer(ctx, s.resolver(), domain)
		if found.note != "" {
			s.prompt.say("%s", found.note)
		}
		p = s.overruled(found)
		s.known, s.oauth = found.known, found.oauth
		if err := s.confirmServer(domain, &p); err != nil {
			return err
		}
	}
	if p.tls == imap.Plain {
		return &usageError{errors.New("init sets up protected connections only; an account without, on this machine, is written by hand")}
	}
	s.account.Host, s.account.TLS = p.host, string(p.tls)
	usual := 993
	if p.tls == imap.StartTLS {
		usual = 143
	}
	if p.port != 0 && p.port != usual {
		s.account.Port = &p.port
	}
	if s.account.TLS == string(imap.Implicit) {
		s.account.TLS = ""
	}
	return nil
}

// overruled lets the flags have the last word.
func (s *setup) overruled(p preset) preset {
	if s.o.tls != "" && imap.Security(s.o.tls) != p.tls {
		p.tls, p.port = imap.Security(s.o.tls), 0
	}
	if s.o.port != 0 {
		p.port = s.o.port
	}
	return p
}

// confirmServer lets the user change what was found. A server of another domain that only the DNS names is not taken
// unasked.
//
// Source: RFC 6186, section 6.
func (s *setup) confirmServer(domain string, p *preset) error {
	if p.alien {
		s.prompt.say("The DNS of %s names a server of another domain: %s.", show(domain), show(p.host))
		if !s.prompt.terminal {
			return &usageError{fmt.Errorf("the DNS of %s names a server of another domain, %s; if that is right, give --host %s",
				domain, p.host, p.host)}
		}
	}
	answer, err := s.prompt.askOr("IMAP server", p.String(), "--host")
	if err != nil || answer == p.String() {
		return err
	}
	return p.read(answer)
}

// read takes a server, or server:port, that was typed.
func (p *preset) read(answer string) (err error) {
	if !strings.Contains(answer, ":") {
		p.host, p.port = answer, 0
		return nil
	}
	host, port, err := net.SplitHostPort(answer)
	if err != nil {
		return &usageError{fmt.Errorf("%q is neither a server nor server:port", answer)}
	}
	p.host = host
	if p.port, err = strconv.Atoi(port); err != nil {
		return &usageError{fmt.Errorf("%q is not a port", port)}
	}
	return nil
}

func (s *setup) resolver() resolver {
	if s.o.dns != nil {
		return s.o.dns
	}
	return net.DefaultResolver
}

// place asks where the mail shall lie, and tries whether it can lie there.
func (s *setup) place(context.Context) (err error) {
	s.account.Layout = s.o.layout
	if s.account.Maildir = s.o.maildir; s.account.Maildir == "" {
		s.account.Maildir, err = s.prompt.askOr("Where shall the mail lie", "~/Mail/"+s.account.name, "--maildir")
		if err != nil {
			return err
		}
	}
	path := s.env.expand(s.account.Maildir)
	if !filepath.IsAbs(path) {
		if path, err = filepath.Abs(path); err != nil {
			return err
		}
		s.account.Maildir = path
	}
	problems, err := maildir.Probe(path)
	if err != nil {
		return fmt.Errorf("look at where the mail shall lie: %w", err)
	}
	for _, problem := range problems {
		s.prompt.say("Mind: %s", show(problem))
	}
	return nil
}

// check lets the configuration's own rules judge what was said.
func (s *setup) check(context.Context) error {
	s.account.TLSCA = s.o.tlsCA
	if s.o.fingerprint != "" {
		s.account.TLSFingerprint = []string{s.o.fingerprint}
	}
	if s.o.passwordCommand != "" {
		s.account.PasswordCommand = command{line: s.o.passwordCommand}
	}
	_, _, err := s.preview()
	return err
}

// preview is the configuration with the new account, checked; nothing is written.
func (s *setup) preview() (text []byte, a *account, err error) {
	var before []byte
	if s.config != nil {
		before = s.config.text
	}
	c, err := s.append(before, s.account)
	if err != nil {
		return nil, nil, err
	}
	return c.text, c.Accounts[s.account.name], nil
}

// append is a configuration with one account more, checked.
func (s *setup) append(text []byte, a *account) (*config, error) {
	if text = slices.Clone(text); len(text) > 0 {
		if text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		text = append(text, '\n')
	}
	c := &config{path: s.path, text: append(text, a.table()...), mode: 0o600}
	if s.config != nil {
		c.mode = s.config.mode
	}
	if err := c.parse(s.env); err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}
