package main

import (
	"context"
	"errors"
	"fmt"
)

// way settles what the login is done with, and asks for the client that OAuth needs.
func (s *setup) way(context.Context) (err error) {
	o := s.o
	s.oauth = s.oauth || o.oauth2 || o.tokenCommand != "" || o.clientID != ""
	if !s.oauth {
		return nil
	}
	s.account.Auth = authOAuth2
	if o.tokenCommand != "" {
		s.account.TokenCommand = command{line: o.tokenCommand}
		return nil
	}
	provider, known := s.env.providerOf(s.account.Host)
	if !known {
		return nil // which the configuration's own rules refuse
	}
	// Its certificate is good, or not to be trusted; nothing may be asked on the terminal once an address is waited for.
	s.known = true
	if s.account.ClientID = o.clientID; s.account.ClientID == "" {
		if s.account.ClientID, err = s.prompt.ask("The client_id for OAuth ("+provider.Name+"; see docs/oauth.md)", "", "--client-id"); err != nil {
			return err
		}
	}
	if !provider.Secret {
		return nil
	}
	if !s.prompt.terminal { // and a flag would show it to everybody (S17)
		return &usageError{errors.New("there is no terminal to ask for the client_secret on; write the account down by hand, see docs/oauth.md")}
	}
	s.account.ClientSecret, err = s.prompt.ask("Its client_secret", "", "")
	return err
}

// consent asks the user for a grant, unless a program gets the tokens.
func (s *setup) consent(ctx context.Context) error {
	if s.account.TokenCommand.given() {
		return nil
	}
	grant, token, err := s.env.consent(ctx, s.prompt, s.account, consentOptions{})
	if err != nil {
		return err
	}
	s.source, s.held = s.env.holding(s.account, grant, token)
	return nil
}

// keepGrant stores what the user consented to, once it has worked.
func (s *setup) keepGrant(ctx context.Context) error {
	_, a, err := s.preview()
	if err != nil {
		return err
	}
	where, err := grants{s.env, a}.replace(ctx, s.held.Grant())
	if err != nil {
		return fmt.Errorf("keep the consent: %w", err)
	}
	s.prompt.say("The consent is kept in %s.", show(where))
	s.env.warnOfEnd(a, s.held.Grant())
	return nil
}
