package oauth

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mailtwin/mailbox"
)

// A Grant is a user's consent that a client reads the mail, as it is kept.
type Grant struct {
	Refresh  string    `json:"refresh_token"`
	ClientID string    `json:"client_id"` // whom it was given to
	Made     time.Time `json:"made"`      // when the user consented
	Renewed  time.Time `json:"renewed,omitzero"`
	Ends     time.Time `json:"ends,omitzero"` // when it dies; zero if the provider did not say
}

// A Token opens the mail for a while.
type Token struct {
	Access string
	Expiry time.Time // zero: nobody knows
	Scopes []string  // what it is for; empty if the provider did not say
	Skew   time.Duration
}

// early is how long before its end a token is not used any more: a login takes time, too.
const early = time.Minute

// fresh tells whether a token will do for a login now.
func (t Token) fresh(now time.Time) bool {
	return t.Access != "" && (t.Expiry.IsZero() || now.Add(early).Before(t.Expiry))
}

var errNotToken = fmt.Errorf("%w: the answer of the provider holds no usable token", mailbox.ErrTemporary)

// checkToken refuses what could not be sent in a line of IMAP.
//
// Source: RFC 6750, section 2.1.
func checkToken(t *oauth2.Token) error {
	for _, text := range []string{t.AccessToken, t.RefreshToken} {
		if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return errNotToken
		}
	}
	if t.AccessToken == "" {
		return errNotToken
	}
	return nil
}

// lifetime reads how many seconds a refresh token lives; 0 if that was not said. Google says it, in no standard way, for
// clients in testing.
func lifetime(extra any) time.Duration {
	seconds, _ := extra.(float64)
	const years = 10 * 366 * 24 * 3600
	if seconds <= 0 || seconds > years {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
