package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"mailtwin/imap"
	"mailtwin/mailbox"
)

// password finds the password: the command's, that of the environment, or what the user types.
func (s *setup) password(ctx context.Context) (err error) {
	if s.oauth {
		return s.consent(ctx)
	}
	name := passwordVariable(s.account.name)
	if s.account.PasswordCommand.given() {
		return nil
	}
	if s.borrowed = s.env.getenv(name) != ""; s.borrowed {
		return nil
	}
	if _, err := s.env.fromKeyring(ctx, s.account, unlockingTime); err == nil {
		s.prompt.say("The keyring has the password of %s.", show(s.account.keyringUser()))
		s.asked = true
		return nil
	}
	if !s.prompt.terminal {
		return &usageError{fmt.Errorf("there is no terminal to ask on: give --password-command, or set $%s", name)}
	}
	return s.askPassword()
}

// askPassword asks for a password, which is kept only once it has worked.
func (s *setup) askPassword() (err error) {
	s.asked = true
	s.secret, err = s.prompt.password("Password of " + show(s.account.User) + " (it is not shown)")
	if err == nil {
		err = checkPassword(s.secret)
	}
	if err != nil {
		return &imap.PasswordError{Err: err}
	}
	return nil
}

// login tries the login and shows what there is. A password that is refused, typed now or once kept in the keyring, may
// be typed again. A certificate that cannot be checked is shown, and taken only if the user says so.
func (s *setup) login(ctx context.Context) error {
	err := s.certified(ctx)
	for try := 1; try < passwordTries && s.asked && s.prompt.terminal && errors.Is(err, mailbox.ErrAuth); try++ {
		s.prompt.say("%s", showLong(err.Error()))
		if err = s.askPassword(); err == nil {
			err = s.certified(ctx)
		}
	}
	return err
}

// passwordTries is how often a password may be typed.
const passwordTries = 3

// certified tries the login, and shows a certificate that cannot be checked.
func (s *setup) certified(ctx context.Context) error {
	err := s.tryLogin(ctx)
	var refused *imap.CertificateError
	if !errors.As(err, &refused) || len(s.account.TLSFingerprint) > 0 || s.known {
		return err
	}
	s.prompt.say("%s", showLong(err.Error()))
	s.prompt.say("It is for %s, made by %s, good from %s to %s.", show(refused.Certificate.Subject.String()),
		show(refused.Certificate.Issuer.String()), when(refused.Certificate.NotBefore), when(refused.Certificate.NotAfter))
	s.prompt.say("Its fingerprint is %s.", refused.Fingerprint())
	if !s.prompt.yes("Is that the fingerprint that the server's owner tells you? Only then trust it from now on") {
		return fmt.Errorf("%w; to trust this certificate, give --tls-fingerprint %s", err, refused.Fingerprint())
	}
	s.account.TLSFingerprint = []string{refused.Fingerprint().String()}
	return s.tryLogin(ctx)
}

func (s *setup) tryLogin(ctx context.Context) (err error) {
	_, a, err := s.preview()
	if err != nil {
		return err
	}
	options := s.env.imapOptions(a, nil, func(string) {})
	if s.secret != "" {
		options.Password = func(context.Context) (string, error) { return s.secret, nil }
	}
	if s.source != nil {
		options.Token = s.source.Token
	}
	options.Tries = 2
	far, err := imap.Open(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, far.Close()) }()
	s.prompt.say("Logged in to %s as %s.", show(a.Host), show(a.User))
	return s.survey(ctx, far, a)
}

// How much of the newest mail is downloaded to tell how long all of it will take.
const (
	sampleMessages = 200
	sampleTime     = 3 * time.Second
)

// survey shows the mailboxes and how long the first sync will take.
func (s *setup) survey(ctx context.Context, far *imap.Account, a *account) error {
	found, err := far.Survey(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(x, y imap.Found) int { return strings.Compare(inboxFirst(x.Name), inboxFirst(y.Name)) })
	w := tabwriter.NewWriter(s.env.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "messages\tsize\t mailbox\n")
	var messages, octets int64
	largest, known := mailbox.Inbox, true
	most := int64(-1)
	for _, f := range found {
		if f.NoSelect {
			continue
		}
		messages += max(0, f.Messages)
		known = known && f.Octets >= 0
		octets += max(0, f.Octets)
		if f.Messages > most {
			largest, most = f.Name, f.Messages
		}
		fmt.Fprintf(w, "%s\t%s\t %s\n", orUnknown(f.Messages, func(n int64) string { return fmt.Sprint(n) }),
			orUnknown(f.Octets, octetsFor), show(string(f.Name)))
	}
	if !known {
		octets = -1
	}
	fmt.Fprintf(w, "%d\t%s\t %s\n", messages, orUnknown(octets, octetsFor), plural(len(found), "mailbox"))
	if err := w.Flush(); err != nil || messages == 0 {
		return err
	}
	return s.estimate(ctx, far, a, largest, messages, octets)
}

// inboxFirst is what to sort mailboxes by.
func inboxFirst(name mailbox.Name) string {
	if name == mailbox.Inbox {
		return ""
	}
	return string(name)
}

func orUnknown(n int64, text func(int64) string) string {
	if n < 0 {
		return "?"
	}
	return text(n)
}

// estimate downloads a little, and tells how long all would take at that rate over one connection.
func (s *setup) estimate(ctx context.Context, far *imap.Account, a *account, name mailbox.Name, messages, octets int64) error {
	began := time.Now()
	n, got, err := far.Sample(ctx, name, sampleMessages, sampleTime)
	if err != nil || n == 0 || got == 0 {
		return err
	}
	took := time.Since(began)
	whole := time.Duration(float64(took) * float64(messages) / float64(n))
	if octets >= 0 {
		whole = max(whole/4, time.Duration(float64(took)*float64(octets)/float64(got)))
	}
	s.env.print("The first sync will take at most about %s: %s, %s, came in %s over one connection, and it has %d.",
		roughly(whole), plural(n, "message"), octetsFor(got), took.Round(time.Millisecond), max(1, connectionsOf(a)))
	return nil
}

func connectionsOf(a *account) int {
	if a.Connections != nil {
		return *a.Connections
	}
	return imap.DefaultConnections
}

// roughly rounds a time as one would say it.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return plural(int(d.Seconds())+1, "second")
	case d < 2*time.Hour:
		return plural(int(d.Minutes())+1, "minute")
	}
	return plural(int(d.Hours())+1, "hour")
}

// keep stores the password that was typed: in the keyring, or, if there is none and the user wants it, in the
// configuration.
func (s *setup) keep(ctx context.Context) error {
	if s.held != nil {
		return s.keepGrant(ctx)
	}
	if s.secret == "" {
		return nil
	}
	err := s.stow(ctx, s.account, s.secret)
	if errors.Is(err, errNotStowed) {
		err = &imap.PasswordError{Err: fmt.Errorf("%w, so nothing was written", err)}
	}
	return err
}

// errNotStowed means that there was no place for a password.
var errNotStowed = errors.New("it could not be kept")

// stow keeps a password: in the keyring, or, if there is none and the user wants it, in the configuration.
func (s *setup) stow(ctx context.Context, a *account, secret string) error {
	err := s.env.toKeyring(ctx, a, secret)
	if err == nil {
		s.prompt.say("The password of %s is in the keyring now.", show(a.User))
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.config != nil && s.config.mode&0o077 != 0 {
		return fmt.Errorf("%w: the keyring cannot keep it (%w), and %s can be read by others (chmod 600 it, or use --password-command)", errNotStowed, err, s.path)
	}
	s.prompt.say("The keyring cannot keep the password (%s). A program like pass can; then use --password-command.", showLong(err.Error()))
	if !s.prompt.yes("Shall it stand in the configuration, which only you can read?") {
		return errNotStowed
	}
	a.Password = secret
	return nil
}

// write adds the account to the configuration, and says what to do next. Every octet that was there stays.
func (s *setup) write(ctx context.Context) error {
	text, _, err := s.preview()
	if err != nil {
		return err
	}
	s.writing.Store(true)
	if err := writeConfig(s.path, s.config, text); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	s.env.print("%s has the account %s now. Next:", show(s.path), show(s.account.name))
	s.next(show(s.account.name))
	if !s.borrowed {
		return nil
	}
	if _, err := s.env.fromKeyring(ctx, s.account, keyringTime); err != nil {
		s.prompt.say("Mind: the password is in $%s only, which cron does not have. For the line above, set password_command in the configuration first.",
			passwordVariable(s.account.name))
	}
	return nil
}

// next says what to do with the accounts that were written.
func (s *setup) next(accounts string) {
	program, err := os.Executable()
	if err != nil {
		program = "mailtwin"
	}
	s.env.print("    mailtwin sync --dry-run %s   # what would be done?", accounts)
	s.env.print("    mailtwin sync %s             # do it", accounts)
	s.env.print("    */5 * * * *  %s sync   # then, in your crontab", show(program))
}

// writeConfig replaces the configuration in one step. A new one is its owner's alone.
func writeConfig(path string, was *config, text []byte) error {
	mode := os.FileMode(0o600)
	if was != nil {
		mode = was.mode
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a configuration that is kept elsewhere stays there
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".config-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
