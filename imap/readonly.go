package imap

import (
	"errors"
	"fmt"

	"mailtwin/mailbox"
)

// ErrReadOnly means that a change was asked of an account that was opened to be read only.
var ErrReadOnly = errors.New("the account was opened to be read only, so nothing was sent")

// mayChange is the error of what would change something, if the account is only to be read.
func (a *Account) mayChange(name mailbox.Name, verb string) error {
	if a.options.ReadOnly {
		return fmt.Errorf("%s: mailbox %q: %w", verb, string(name), ErrReadOnly)
	}
	return nil
}
