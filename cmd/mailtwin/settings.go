package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"mailtwin/state"
)

// A changedError says that a state was made for another account or another Maildir than the configuration names. What
// the state knows would then look removed, on one side or the other.
type changedError struct{ state, key, was, is string }

func (e *changedError) Error() string {
	return fmt.Sprintf("%s was %q when the state was made, and is %q now", e.key, e.was, e.is)
}

func (e *changedError) hint() string {
	return fmt.Sprintf("nothing was changed. Is this other mail? Then set a state of its own. If it is the same mail in another "+
		"place, move %s away, and the next sync pairs it anew; or run once with --allow-delete", show(e.state))
}

// settings are what a state is made for.
func (a *account) settings() map[string]string {
	return map[string]string{"host": strings.ToLower(a.Host), "user": a.User, "maildir": filepath.Clean(a.Maildir)}
}

// sameSettings makes sure that the state was made for this account, and remembers the account in a new one.
func sameSettings(ledger *state.DB, a *account, o syncOptions) error {
	was, err := ledger.Settings()
	if err != nil {
		return err
	}
	is := a.settings()
	fresh := false
	for _, key := range []string{"host", "user", "maildir"} {
		switch {
		case was[key] == is[key]:
		case was[key] == "" || o.allowDelete:
			fresh = true
		default:
			return &changedError{state: a.State, key: key, was: was[key], is: is[key]}
		}
	}
	if !fresh || o.dryRun {
		return nil
	}
	return ledger.PutSettings(is)
}
