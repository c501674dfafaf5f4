package main

import (
	"context"
	"errors"
	"fmt"
)

// secretOf keeps the password that stands in the other program's configuration, or asks for the one that does not: in the
// keyring, or, if the user says so, in our configuration. An error says what is left to be done; the account is written
// all the same.
func (s *setup) secretOf(ctx context.Context, t *takeover) error {
	a := t.account
	if t.secret == "" && !t.asks {
		return nil
	}
	if _, err := s.env.fromKeyring(ctx, a, keyringTime); err == nil {
		s.prompt.say("%s: the keyring has a password of %s.", show(a.name), show(a.keyringUser()))
		return nil
	}
	secret := t.secret
	if t.asks && s.prompt.terminal {
		var err error
		question := fmt.Sprintf("%s: password of %s (it is not shown; empty: later)", show(a.name), show(a.User))
		if secret, err = s.prompt.password(question); err != nil {
			return err
		}
	}
	err := errors.New("the other program asks for it")
	if secret != "" {
		err = checkPassword(secret)
	}
	if secret != "" && err == nil {
		err = s.stow(ctx, a, secret)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("no password was taken over: %w. Set password_command in the configuration, or $%s", err, passwordVariable(a.name))
}
