package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"

	"mailtwin/mailbox"
)

// A PasswordError means that there was no password to log in with; the server has not been asked. It is a kind of
// mailbox.ErrAuth.
type PasswordError struct{ Err error }

func (e *PasswordError) Error() string   { return "no password: " + e.Err.Error() }
func (e *PasswordError) Unwrap() []error { return []error{mailbox.ErrAuth, e.Err} }

// A TokenError means that the server does not take an access token, nor a newer one. It is a kind of mailbox.ErrAuth.
type TokenError struct {
	Err   error
	token string
}

func (e *TokenError) Error() string { return e.Err.Error() }

// Unwrap returns what the server said.
func (e *TokenError) Unwrap() error { return e.Err }

// A credential is what a login is done with. One kind is never tried as the other (S14).
type credential struct {
	token  bool // secret is an access token, not a password
	user   string
	secret string
	host   string
	port   int
}

var errSameToken = errors.New("there is no other token than the one that was refused")

func (a *Account) credential(ctx context.Context, refused string) (*credential, error) {
	o := &a.options
	c := &credential{token: o.Token != nil, user: o.User, host: o.Host, port: o.Port}
	if !c.token {
		password, err := o.Password(ctx)
		if err != nil {
			return nil, &PasswordError{err}
		}
		c.secret = password
		return c, nil
	}
	token, err := o.Token(ctx, refused)
	switch {
	case err != nil:
		return nil, err
	case token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, fmt.Errorf("%w: what should be an access token is none", mailbox.ErrAuth)
	case token == refused:
		return nil, errSameToken
	}
	c.secret = token
	return c, nil
}

// check refuses a login for which the server offers no way.
func (c *credential) check(caps map[string]bool) error {
	switch {
	case c.token && c.mechanism(caps) == nil:
		return fmt.Errorf("%w: the server takes no access token on this connection (it offers neither OAUTHBEARER nor XOAUTH2)", mailbox.ErrAuth)
	case !c.token && caps["LOGINDISABLED"] && c.mechanism(caps) == nil:
		return fmt.Errorf("%w: the server takes no password on this connection (LOGINDISABLED)", mailbox.ErrAuth)
	}
	return nil
}

// mechanism is the best of those that the server offers; nil if there is none, where a password may still do with LOGIN.
func (c *credential) mechanism(caps map[string]bool) sasl.Client {
	switch {
	case c.token && caps["AUTH=OAUTHBEARER"]:
		return &bearer{name: "OAUTHBEARER", initial: c.oauthbearer(), farewell: "\x01"}
	case c.token && caps["AUTH=XOAUTH2"]:
		return &bearer{name: "XOAUTH2", initial: c.xoauth2()}
	case !c.token && caps["AUTH=PLAIN"]:
		return sasl.NewPlainClient("", c.user, c.secret)
	}
	return nil
}

// oauthbearer is what the login says.
//
// Source: RFC 7628, section 3.1; the name is written as in RFC 5801, section 4.
func (c *credential) oauthbearer() string {
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(c.user)
	return "n,a=" + name + ",\x01host=" + c.host + "\x01port=" + strconv.Itoa(c.port) + "\x01auth=Bearer " + c.secret + "\x01\x01"
}

// xoauth2 is what the login says.
//
// Source: https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
func (c *credential) xoauth2() string {
	return "user=" + c.user + "\x01auth=Bearer " + c.secret + "\x01\x01"
}

// forms are all that the secret may look like on the wire, the longest first.
func (c *credential) forms() []string {
	encode := base64.StdEncoding.EncodeToString
	if c.token {
		return []string{encode([]byte(c.oauthbearer())), encode([]byte(c.xoauth2())), encode([]byte(c.secret))}
	}
	return []string{encode([]byte("\x00" + c.user + "\x00" + c.secret)), strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.secret)}
}

// A bearer shows a token. A server that does not take it says why in a challenge, and says no only once that was
// answered.
type bearer struct {
	name, initial, farewell string
	answered                bool
}

// Start implements sasl.Client.
func (b *bearer) Start() (mechanism string, initial []byte, err error) {
	return b.name, []byte(b.initial), nil
}

var errAsksOn = errors.New("the server asks on and on instead of taking the access token or not")

// Next implements sasl.Client.
func (b *bearer) Next([]byte) ([]byte, error) {
	if b.answered {
		return nil, errAsksOn
	}
	b.answered = true
	return []byte(b.farewell), nil
}
