package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/zalando/go-keyring"

	"mailtwin/imap/oauth"
	"mailtwin/mailbox"
)

// grants keeps the grant of an account in the keyring or, where that does not work, in a file beside the state. What is
// renewed stays where it is; if the keyring does not take it any more, it goes to the file, which therefore counts first.
type grants struct {
	env     *environment
	account *account
}

func (g grants) file() oauth.File { return oauth.File{Path: g.account.beside(".token")} }

// user is the name under which the grant lies in the keyring, apart from a password.
func (g grants) user() string { return "oauth2:" + g.account.keyringUser() }

// An unaskedError means that there is no grant in the file, and that the keyring, where one may lie, cannot be asked: a run from
// cron finds none before anybody has logged in. It is a kind of mailbox.ErrAuth.
type unaskedError struct{ err error }

func (e *unaskedError) Error() string {
	return fmt.Sprintf("the keyring, where the consent for this account may lie, cannot be asked (%s)", e.err)
}

func (e *unaskedError) Unwrap() []error { return []error{mailbox.ErrAuth, e.err} }

func (e *unaskedError) hint(account string) string {
	return "if the consent lies there, log in to the desktop once, so that the keyring is there and unlocked, and run again. If not, " +
		"or if nobody logs in there, give consent in a session without a keyring, as here, which keeps it in a file: mailtwin auth " + account
}

// Load implements oauth.Store.
func (g grants) Load(ctx context.Context) (*oauth.Grant, error) {
	kept, err := g.file().Load(ctx)
	if !errors.Is(err, oauth.ErrNone) {
		return kept, err
	}
	var text string
	err = patiently(ctx, keyringTime, func() (err error) {
		text, err = g.env.keys().Get(keyringService, g.user())
		return err
	})
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return nil, oauth.ErrNone
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, &unaskedError{err}
	}
	return oauth.Parse([]byte(text))
}

// Save implements oauth.Store.
func (g grants) Save(ctx context.Context, grant *oauth.Grant) error {
	if _, err := g.file().Load(ctx); !errors.Is(err, oauth.ErrNone) {
		return g.file().Save(ctx, grant)
	}
	_, err := g.keep(ctx, grant)
	return err
}

// keep stores a grant, in the keyring if possible, and tells where.
func (g grants) keep(ctx context.Context, grant *oauth.Grant) (where string, err error) {
	text, err := grant.Text()
	if err != nil {
		return "", err
	}
	if patiently(ctx, keyringTime, func() error { return g.env.keys().Set(keyringService, g.user(), string(text)) }) == nil {
		return "the keyring", g.file().Remove()
	}
	return g.file().Path, g.file().Save(ctx, grant)
}

// replace stores a new grant while no run renews the old one.
func (g grants) replace(ctx context.Context, grant *oauth.Grant) (where string, err error) {
	unlock, err := g.lock(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return g.keep(ctx, grant)
}

func (g grants) lock(ctx context.Context) (func() error, error) {
	return oauth.Lock(ctx, g.account.beside(".token.lock"))
}

// beside names a file beside the state.
func (a *account) beside(suffix string) string {
	return strings.TrimSuffix(filepath.Clean(a.State), ".db") + suffix
}
