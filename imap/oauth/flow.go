package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"mailtwin/mailbox"
)

// A Flow is one asking of a user for consent. Its code is good only together with what the flow keeps to itself (PKCE,
// S15).
type Flow struct {
	client   *Client
	redirect string
	user     string
	state    string
	verifier string
}

// Begin begins a flow that ends at an address on this machine.
func (c *Client) Begin(redirect, user string) *Flow {
	return &Flow{client: c, redirect: redirect, user: user, state: rand.Text(), verifier: oauth2.GenerateVerifier()}
}

// URL is the page on which the user consents.
func (f *Flow) URL() string {
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(f.verifier), oauth2.SetAuthURLParam("login_hint", f.user)}
	for key, value := range f.client.Provider.Extra {
		options = append(options, oauth2.SetAuthURLParam(key, value))
	}
	return f.client.config(f.redirect).AuthCodeURL(f.state, options...)
}

var (
	errForeign = errors.New("this is no answer to the question that was asked: its state is missing or another one")
	errNoCode  = errors.New("there is no code in it")
)

// Code takes the code out of a redirect. A redirect of somebody else is refused before anything in it is believed.
func (f *Flow) Code(query url.Values) (string, error) {
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(f.state)) != 1 {
		return "", errForeign
	}
	if code := query.Get("error"); code != "" {
		return "", &Refusal{Provider: f.client.Provider, Code: code, Text: query.Get("error_description")}
	}
	if query.Get("code") == "" {
		return "", errNoCode
	}
	return query.Get("code"), nil
}

// Pasted takes the code out of the address that a browser on another machine was sent to.
func (f *Flow) Pasted(text string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.RawQuery == "" {
		return "", errors.New("this is not the whole address, which begins with " + f.redirect)
	}
	return f.Code(u.Query())
}

// Redeem makes a grant of a code.
func (f *Flow) Redeem(ctx context.Context, code string) (*Grant, Token, error) {
	within, heard := f.client.begin(ctx)
	got, err := f.client.config(f.redirect).Exchange(within, code, oauth2.VerifierOption(f.verifier))
	if err != nil {
		return nil, Token{}, f.client.explain(ctx, err, heard.skew, nil)
	}
	return f.client.grant(got, heard)
}

// grant makes a grant of the first answer, if it holds all that is needed.
func (c *Client) grant(got *oauth2.Token, heard *call) (*Grant, Token, error) {
	if err := checkToken(got); err != nil {
		return nil, Token{}, err
	}
	token := c.token(got, heard.skew)
	if got.RefreshToken == "" {
		return nil, token, refusal(c.Provider.Name + " gave a token for an hour and none to renew it")
	}
	if !c.Provider.Covers(token) {
		return nil, token, &ScopeError{Provider: c.Provider, Got: token.Scopes}
	}
	g := &Grant{Refresh: got.RefreshToken, ClientID: c.ID, Made: c.now()}
	if left := lifetime(got.Extra("refresh_token_expires_in")); left > 0 {
		g.Ends = g.Made.Add(left)
	}
	return g, token, nil
}

// A ScopeError means that a token does not open the mail. It is a kind of mailbox.ErrAuth.
type ScopeError struct {
	Provider Provider
	Got      []string
}

func (e *ScopeError) Error() string {
	return fmt.Sprintf("the token is not for IMAP: it lacks the scope %s (it has %s)", e.Provider.Mail, strings.Join(e.Got, " "))
}

// Unwrap returns mailbox.ErrAuth.
func (e *ScopeError) Unwrap() error { return mailbox.ErrAuth }

// Device asks for consent without a browser on this machine: show is told where the user is to go with another one, and
// the code to type there.
//
// Source: RFC 8628.
func (c *Client) Device(ctx context.Context, show func(address, code string)) (*Grant, Token, error) {
	within, heard := c.begin(ctx)
	config := c.config("")
	asked, err := config.DeviceAuth(within)
	if err != nil {
		return nil, Token{}, c.explain(ctx, err, heard.skew, nil)
	}
	show(asked.VerificationURI, asked.UserCode)
	got, err := config.DeviceAccessToken(within, asked)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, Token{}, ErrLate
	}
	if err != nil {
		return nil, Token{}, c.explain(ctx, err, heard.skew, nil)
	}
	return c.grant(got, heard)
}
