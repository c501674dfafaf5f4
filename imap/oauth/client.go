package oauth

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// A Provider is who gives tokens.
type Provider struct {
	Name      string // as users call it
	AuthURL   string // where the user consents
	TokenURL  string
	DeviceURL string // empty if there is no way without a browser on this machine
	Scopes    []string
	Mail      string            // the scope without which IMAP stays shut
	Loopback  string            // the name of this machine in a redirect: "127.0.0.1" or "localhost"
	Extra     map[string]string // what else the request for consent says
	Secret    bool              // its clients for the desktop have a client_secret
	Trial     time.Duration     // how long a grant to a client in testing lives; 0 if there is no such limit
}

// A Client is a program as a provider knows it.
type Client struct {
	Provider Provider
	ID       string
	Secret   string       // empty for a public client
	HTTP     *http.Client // nil: one that follows no redirect and waits half a minute
	Now      func() time.Time
}

const httpTime = 30 * time.Second

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) config(redirect string) *oauth2.Config {
	p := c.Provider
	return &oauth2.Config{
		ClientID: c.ID, ClientSecret: c.Secret, RedirectURL: redirect, Scopes: p.Scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL: p.AuthURL, TokenURL: p.TokenURL, DeviceAuthURL: p.DeviceURL, AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// A call is one conversation with the provider. It remembers how far its clock is from ours.
type call struct {
	next http.RoundTripper
	now  func() time.Time
	skew time.Duration
}

// RoundTrip implements http.RoundTripper.
func (c *call) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		c.skew = c.now().Sub(date).Round(time.Second)
	}
	return response, nil
}

// begin makes a context in which package oauth2 talks to the provider in our way. A secret goes to the address that was
// named and to no other, so a redirect is an error.
func (c *Client) begin(ctx context.Context) (context.Context, *call) {
	client := http.Client{Timeout: httpTime}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	heard := &call{next: client.Transport, now: c.now}
	client.Transport = heard
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return context.WithValue(ctx, oauth2.HTTPClient, &client), heard
}

// refresh gets an access token for a grant. The grant that it returns is to be kept from now on, for the provider may
// have replaced the refresh token.
func (c *Client) refresh(ctx context.Context, g *Grant) (Token, *Grant, error) {
	within, heard := c.begin(ctx)
	got, err := c.config("").TokenSource(within, &oauth2.Token{RefreshToken: g.Refresh}).Token()
	if err != nil {
		return Token{}, nil, c.explain(ctx, err, heard.skew, g)
	}
	if err := checkToken(got); err != nil {
		return Token{}, nil, err
	}
	next := *g
	if got.RefreshToken != "" && got.RefreshToken != g.Refresh {
		next.Refresh, next.Renewed = got.RefreshToken, c.now()
	}
	return c.token(got, heard.skew), &next, nil
}

// token is what the provider gave, measured with our own clock: expires_in counts from now, whatever time it is there.
func (c *Client) token(got *oauth2.Token, skew time.Duration) Token {
	t := Token{Access: got.AccessToken, Expiry: got.Expiry, Skew: skew}
	if scope, ok := got.Extra("scope").(string); ok {
		t.Scopes = strings.Fields(scope)
	}
	return t
}

// Covers tells whether a token opens the mail, as far as the provider said what it is for. Microsoft has several names for
// one server, or leaves it out.
func (p Provider) Covers(t Token) bool {
	what := path.Base(p.Mail)
	return len(t.Scopes) == 0 || slices.ContainsFunc(t.Scopes, func(s string) bool {
		return strings.EqualFold(s, p.Mail) || !strings.HasSuffix(p.Mail, "/") && strings.EqualFold(path.Base(s), what)
	})
}
