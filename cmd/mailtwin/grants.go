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
	case errors.Is(err, keyring.ErrNotFound), errors.Is(err, errNoKeyring):
		return nil, oauth.ErrNone
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w: the keyring cannot be asked (%w)", mailbox.ErrAuth, err)
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
