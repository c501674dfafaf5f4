package oauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mailtwin/mailbox"
)

// ErrNone means that no grant is kept: the user has not consented yet. It is a kind of mailbox.ErrAuth.
var ErrNone error = refusal("there is no consent for this account yet")

// A refusal is a kind of mailbox.ErrAuth in words of its own.
type refusal string

func (r refusal) Error() string { return string(r) }
func (r refusal) Unwrap() error { return mailbox.ErrAuth }

// A Refusal is what the provider said instead of giving a token. It is a kind of mailbox.ErrAuth.
type Refusal struct {
	Provider Provider
	Code     string        // as in RFC 6749, section 5.2; foreign
	Text     string        // of the provider, for people; foreign, may be empty
	Skew     time.Duration // how far our clock is ahead of the provider's
	Age      time.Duration // of the grant; 0 if there is none yet
}

// tolerable is how wrong a clock may be.
const tolerable = 5 * time.Minute

// WrongClock tells whether the clock of this machine may be the reason.
func (r *Refusal) WrongClock() bool { return r.Skew.Abs() > tolerable }

// Dead tells whether the grant is of no use any more: it was revoked, or it has expired.
func (r *Refusal) Dead() bool { return r.Code == "invalid_grant" || r.Code == "interaction_required" }

// OnTrial tells whether a dead grant is as old as one to a client in testing can become.
func (r *Refusal) OnTrial() bool {
	day := 24 * time.Hour
	return r.Dead() && r.Provider.Trial > 0 && r.Age > r.Provider.Trial-day && r.Age < r.Provider.Trial+day
}

func (r *Refusal) Error() string {
	said := r.Code
	if r.Text != "" {
		said += ": " + r.Text
	}
	if r.Dead() && r.Age > 0 {
		return fmt.Sprintf("the consent for this account was revoked, or has expired (%s says %s)", r.Provider.Name, said)
	}
	return fmt.Sprintf("%s gives no token (%s)", r.Provider.Name, said)
}

// Unwrap returns mailbox.ErrAuth.
func (r *Refusal) Unwrap() error { return mailbox.ErrAuth }

// explain makes an error of ours of one that package oauth2 returned, which may show a whole answer and with it secrets.
func (c *Client) explain(ctx context.Context, err error, skew time.Duration, g *Grant) error {
	var said *oauth2.RetrieveError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.As(err, &said):
		return fmt.Errorf("%w: ask %s for a token: %s", mailbox.ErrTemporary, c.Provider.Name, c.without(err.Error(), g))
	case said.ErrorCode == "temporarily_unavailable", said.ErrorCode == "server_error", said.ErrorCode == "":
		status := "an answer that makes no sense"
		if said.Response != nil {
			status = said.Response.Status
		}
		return fmt.Errorf("%w: ask %s for a token: %s", mailbox.ErrTemporary, c.Provider.Name, status)
	}
	if said.Response != nil && (said.Response.StatusCode >= 500 || said.Response.StatusCode == 429) {
		return fmt.Errorf("%w: ask %s for a token: %s", mailbox.ErrTemporary, c.Provider.Name, said.Response.Status)
	}
	text, _, _ := strings.Cut(said.ErrorDescription, "\n")
	r := &Refusal{Provider: c.Provider, Code: c.without(said.ErrorCode, g), Text: c.without(text, g), Skew: skew}
	if g != nil && !g.Made.IsZero() {
		r.Age = max(c.now().Sub(g.Made), time.Second)
	}
	return r
}

// without takes the secrets out of a text, should the provider send them back.
func (c *Client) without(text string, g *Grant) string {
	if c.Secret != "" {
		text = strings.ReplaceAll(text, c.Secret, "***")
	}
	if g != nil && g.Refresh != "" {
		text = strings.ReplaceAll(text, g.Refresh, "***")
	}
	return text
}
