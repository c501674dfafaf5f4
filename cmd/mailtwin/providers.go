package main

import (
	"strings"
	"time"

	"mailtwin/imap/oauth"
)

// What a login is done with: the values of auth.
const (
	authPassword = "password"
	authOAuth2   = "oauth2"
)

// google wants a client of the user's own; mailtwin has none, see docs/oauth.md.
//
// Source: https://developers.google.com/identity/protocols/oauth2/native-app
var google = oauth.Provider{
	Name: "Google", AuthURL: "https://accounts.google.com/o/oauth2/v2/auth", TokenURL: "https://oauth2.googleapis.com/token",
	Scopes: []string{"https://mail.google.com/"}, Mail: "https://mail.google.com/", Loopback: "127.0.0.1", Secret: true,
	// Without these a second consent brings no refresh token.
	Extra: map[string]string{"access_type": "offline", "prompt": "consent"},
	Trial: 7 * 24 * time.Hour,
}

// microsoft matches the port of "http://localhost" loosely, that of an address not.
//
// Source: https://learn.microsoft.com/entra/identity-platform/reply-url
var microsoft = oauth.Provider{
	Name: "Microsoft", AuthURL: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
	TokenURL:  "https://login.microsoftonline.com/common/oauth2/v2.0/token",
	DeviceURL: "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
	Scopes:    []string{"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"},
	Mail:      "https://outlook.office.com/IMAP.AccessAsUser.All", Loopback: "localhost",
}

// providers are known by the IMAP server, which many a domain shares. Whom a token is asked of and to whom it is shown
// is thus decided here and not by the DNS.
var providers = map[string]oauth.Provider{
	"imap.gmail.com": google, "imap.googlemail.com": google,
	"outlook.office365.com": microsoft, "outlook.office.com": microsoft, "imap-mail.outlook.com": microsoft,
}

func (env *environment) providerOf(host string) (oauth.Provider, bool) {
	if env.provider != nil {
		return env.provider(host)
	}
	p, known := providers[strings.ToLower(host)]
	return p, known
}

// checkAuth makes sure that there is a way to a token, and that no key is meant for another way.
func (c *config) checkAuth(env *environment, a *account) error {
	given := []struct {
		key   string
		given bool
	}{
		{"client_id", a.ClientID != ""},
		{"client_secret", a.ClientSecret != ""},
		{keyTokenCommand, a.TokenCommand.given()},
		{"password", a.Password != ""},
		{keyPasswordCommand, a.PasswordCommand.given()},
	}
	others := given[:3]
	switch a.Auth {
	case "", authPassword:
		a.Auth = authPassword
	case authOAuth2:
		others = given[3:]
	default:
		return c.wrong(a, "auth", `is "password" or "oauth2", not %q`, a.Auth)
	}
	for _, other := range others {
		if other.given {
			return c.wrong(a, other.key, "makes no sense with auth = %q; which one is it?", a.Auth)
		}
	}
	if a.Auth == authPassword {
		return nil
	}
	return c.checkClient(env, a)
}

func (c *config) checkClient(env *environment, a *account) error {
	p, known := env.providerOf(a.Host)
	switch {
	case a.TokenCommand.given() && a.ClientID+a.ClientSecret != "":
		return c.wrong(a, keyTokenCommand, "and client_id are both there; which one is it?")
	case a.TokenCommand.given():
		return nil
	case !known:
		return c.wrong(a, "auth", "= %q without token_command is for Gmail and Microsoft; for %s name a program that prints an access token",
			a.Auth, a.Host)
	case a.ClientID == "":
		return c.wrong(a, "client_id", "is missing; docs/oauth.md tells how to get one from %s", p.Name)
	case p.Secret && a.ClientSecret == "":
		return c.wrong(a, "client_secret", "is missing; %s shows it where it shows the client_id", p.Name)
	}
	return nil
}
