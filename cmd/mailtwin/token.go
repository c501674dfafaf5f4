package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mailtwin/imap"
	"mailtwin/imap/oauth"
	"mailtwin/mailbox"
)

// token returns how to get an access token for an account: from a program, or with the grant that is kept.
func (env *environment) token(a *account) func(ctx context.Context, refused string) (string, error) {
	if a.TokenCommand.given() {
		return func(ctx context.Context, _ string) (string, error) { return env.runTokenCommand(ctx, a) }
	}
	return env.source(a).Token
}

func (env *environment) source(a *account) *oauth.Source {
	g := grants{env, a}
	return &oauth.Source{Client: env.client(a), Store: g, Lock: g.lock}
}

func (env *environment) client(a *account) *oauth.Client {
	p, _ := env.providerOf(a.Host) // checked with the configuration
	return &oauth.Client{Provider: p, ID: a.ClientID, Secret: a.ClientSecret}
}

// holding is how to log in with a grant that is not kept yet.
func (env *environment) holding(a *account, grant *oauth.Grant, token oauth.Token) (*oauth.Source, *oauth.Held) {
	held := oauth.Hold(grant)
	s := &oauth.Source{Client: env.client(a), Store: held}
	s.Use(token)
	return s, held
}

// A commandError means that a token_command gave no token. It is a kind of mailbox.ErrAuth.
type commandError struct{ err error }

func (e *commandError) Error() string   { return "no access token: " + e.err.Error() }
func (e *commandError) Unwrap() []error { return []error{mailbox.ErrAuth, e.err} }

// runTokenCommand has a program print a token. It is asked at each login, for it knows best when there is a newer one.
func (env *environment) runTokenCommand(ctx context.Context, a *account) (string, error) {
	token, err := env.runCommand(ctx, keyTokenCommand, tokenOutput, a.TokenCommand)
	if err == nil && checkPassword(token) != nil {
		err = errors.New("token_command printed nothing, or more than one line")
	}
	if err != nil && ctx.Err() == nil {
		return "", &commandError{err}
	}
	return token, err
}

// tokenHint says what to do about a token; empty if that is not what is wrong.
func tokenHint(account string, err error) string {
	var refused *oauth.Refusal
	again, check := "run: mailtwin auth "+show(account), "To see what is wrong: mailtwin auth --check "+show(account)+"; to begin anew: mailtwin auth "+show(account)
	if account == "" { // it is being set up
		again, check = "run mailtwin init again", "Then run mailtwin init again"
	}
	switch {
	case errors.As(err, &refused):
		return refusalHint(refused, again)
	case errors.As(err, new(*commandError)):
		return "the server was not asked; run the token_command in a shell to see what it prints"
	case errors.As(err, new(*oauth.ScopeError)):
		return "give consent again, and tick that mail may be read and written; the client must be allowed this scope (docs/oauth.md). Then " + again
	case errors.Is(err, oauth.ErrLate), errors.Is(err, oauth.ErrNone):
		return again
	case errors.As(err, new(*imap.TokenError)):
		return "was the consent given by the user whose mail this is, and is IMAP allowed for the account? " + check
	}
	return ""
}

func refusalHint(r *oauth.Refusal, again string) string {
	switch {
	case r.WrongClock():
		return fmt.Sprintf("%s; set it, and try again. If that does not help, %s", clockWords(r.Provider.Name, r.Skew), again)
	case r.OnTrial():
		return "consent to a client in testing ends after seven days; publish it (docs/oauth.md), then " + again
	case r.Dead() && r.Age > 0:
		return again
	case r.Code == "access_denied":
		return "nothing was kept. If the page did not let you consent, see docs/oauth.md; else " + again
	}
	return "check client_id and client_secret in the configuration; docs/oauth.md tells where they come from"
}

// clockWords tells how wrong the clock is.
func clockWords(provider string, skew time.Duration) string {
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	return fmt.Sprintf("the clock of this machine is %s %s that of %s", skew.Abs().Round(time.Minute), way, provider)
}
