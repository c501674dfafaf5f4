package main

import (
	"context"
	"time"

	"mailtwin/imap/oauth"
)

// wrongClock is how far a clock may be off before --check tells of it.
const wrongClock = time.Minute

// checkAccess tells how long consent and access last, and tries the login. It changes nothing but what any login may: the
// provider may replace the refresh token.
func (env *environment) checkAccess(ctx context.Context, a *account) error {
	if a.TokenCommand.given() {
		token, err := env.runTokenCommand(ctx, a)
		if err != nil {
			return err
		}
		env.print("%s: token_command printed an access token of %s.", show(a.name), plural(len(token), "octet"))
		return env.checkLogin(ctx, a, env.token(a))
	}
	g, err := grants{env, a}.Load(ctx)
	if err != nil {
		return err
	}
	env.print("%s: consent was given %s.", show(a.name), when(g.Made))
	env.warnOfEnd(a, g)
	source := env.source(a)
	token, err := source.Renew(ctx)
	if err != nil {
		return err
	}
	env.tellToken(a, source.Client.Provider, token)
	if !source.Client.Provider.Covers(token) {
		return &oauth.ScopeError{Provider: source.Client.Provider, Got: token.Scopes}
	}
	return env.checkLogin(ctx, a, source.Token)
}

func (env *environment) tellToken(a *account, p oauth.Provider, t oauth.Token) {
	lasts := "for as long as the provider likes"
	if !t.Expiry.IsZero() {
		lasts = "for " + time.Until(t.Expiry).Round(time.Second).String()
	}
	env.print("%s: %s gave an access token; it is good %s, and renewed by itself.", show(a.name), p.Name, lasts)
	if t.Skew.Abs() > wrongClock {
		env.print("%s: mind: %s; set it.", show(a.name), clockWords(p.Name, t.Skew))
	}
}

func (env *environment) checkLogin(ctx context.Context, a *account, token func(context.Context, string) (string, error)) error {
	if err := env.tryToken(ctx, a, token); err != nil {
		return err
	}
	env.print("%s: logged in to %s as %s.", show(a.name), show(a.Host), show(a.User))
	return nil
}
