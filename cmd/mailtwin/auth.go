package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"mailtwin/imap"
	"mailtwin/imap/oauth"
	"mailtwin/mailbox"
)

type authOptions struct {
	config string
	check  bool
	consentOptions
}

// consentOptions are ways to consent without a browser on this machine.
type consentOptions struct {
	paste  bool
	device bool
}

func authCommand(env *environment) *cobra.Command {
	o := &authOptions{}
	cmd := &cobra.Command{
		Use:   "auth ACCOUNT",
		Short: "Get consent to read an account's mail with OAuth, or check it",
		Long: `Auth opens a page of your mail provider in the browser, where you allow mailtwin to read and change
your mail. The provider sends the browser back to this machine, the login is tried, and what renews
the access is kept in the keyring of your desktop session, or in a file that only you can read. The
account needs auth = "oauth2" and a client_id in the configuration; the chapter on OAuth in the manual
tells how to get one.

With a browser on another machine, take the address that it shows at the end, also if the page cannot
be shown, and paste it here. With --check nothing is changed: it tells how long the consent and the
access last, and what is wrong with them.

Exit status:
  0    consent was given and the login worked; with --check: all is well
  1    something else went wrong, see the messages
  3    consent was refused or has ended, or the login was refused
  4    a temporary failure, try again later
  64   the command line or the configuration is wrong
  130  stopped by Ctrl-C (143: by SIGTERM)`,
		Example: `  mailtwin auth work
  mailtwin auth --check work
  mailtwin auth --device work   # Microsoft: with a browser anywhere`,
		ValidArgsFunction: env.completeAccounts,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return &usageError{fmt.Errorf("name one account: mailtwin auth ACCOUNT (%w)", err)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return env.runAuth(cmd.Context(), *o, args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "", "the configuration `file` (default $XDG_CONFIG_HOME/mailtwin/config.toml)")
	f.BoolVar(&o.check, "check", false, "tell how long consent and access last, and try the login")
	f.BoolVar(&o.paste, "paste", false, "open no browser; read the address that a browser elsewhere was sent to")
	f.BoolVar(&o.device, "device", false, "show a code to type in a browser anywhere (not with Google)")
	return cmd
}

func (env *environment) runAuth(ctx context.Context, o authOptions, name string) error {
	if o.check && (o.paste || o.device) || o.paste && o.device {
		return &usageError{errors.New("only one of --check, --paste and --device makes sense")}
	}
	c, err := env.loadConfig(o.config)
	if err != nil {
		return err
	}
	accounts, err := c.named([]string{name})
	if err != nil {
		return err
	}
	a := accounts[0]
	switch {
	case a.Auth != authOAuth2:
		return &usageError{fmt.Errorf(`account %q logs in with a password; for OAuth set auth = "oauth2" in the configuration`, name)}
	case o.check:
		err = env.checkAccess(ctx, a)
	case a.TokenCommand.given():
		return &usageError{fmt.Errorf("account %q has a token_command; consent is given to the program behind it", name)}
	default:
		err = env.authorize(ctx, a, o.consentOptions)
	}
	if err = stoppedBy(ctx, err); err == nil || errors.As(err, new(stopped)) || errors.As(err, new(*usageError)) {
		return err
	}
	env.complain(name, err)
	return &reported{err}
}

// authorize asks for consent, tries the login, and keeps the grant. One that the server refuses is not kept: somebody
// else may have consented in that browser. One that could not be tried is.
func (env *environment) authorize(ctx context.Context, a *account, o consentOptions) error {
	p := env.prompt()
	defer p.restore()
	grant, token, err := env.consent(ctx, p, a, o)
	if err != nil {
		return err
	}
	source, held := env.holding(a, grant, token)
	tried := env.tryToken(ctx, a, source.Token)
	if errors.Is(tried, mailbox.ErrAuth) {
		return fmt.Errorf("%w; the consent was not kept", tried)
	}
	where, err := grants{env, a}.replace(context.WithoutCancel(ctx), held.Grant())
	if err != nil {
		return errors.Join(tried, fmt.Errorf("keep the consent: %w", err))
	}
	env.print("%s: consent is given, and kept in %s.", show(a.name), show(where))
	if tried == nil {
		env.print("%s: logged in to %s as %s.", show(a.name), show(a.Host), show(a.User))
	}
	env.warnOfEnd(a, held.Grant())
	return tried
}

// tryToken logs in once.
func (env *environment) tryToken(ctx context.Context, a *account, token func(context.Context, string) (string, error)) error {
	options := env.imapOptions(a, nil, func(string) {})
	options.Token, options.Tries = token, 2
	far, err := imap.Open(ctx, options)
	if err != nil {
		return err
	}
	return far.Close()
}

// warnOfEnd tells when a grant will die by itself.
func (env *environment) warnOfEnd(a *account, g *oauth.Grant) {
	if g.Ends.IsZero() {
		return
	}
	env.print("%s: the consent ends %s. The client is in testing; publish it to have one that lasts (docs/oauth.md).", show(a.name), when(g.Ends))
}
