package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/zalando/go-keyring"
)

const (
	keyringService = "mailtwin"
	keyringTime    = 5 * time.Second // one that nobody unlocks must not hold up a run
	unlockingTime  = 2 * time.Minute // and one that its owner is to unlock now needs a while
)

// A keyStore keeps secrets. The system's is that of the desktop session: Secret Service, macOS Keychain.
type keyStore interface {
	Get(service, user string) (string, error)
	Set(service, user, secret string) error
}

type systemKeyring struct{}

// Get returns a secret.
func (systemKeyring) Get(service, user string) (string, error) {
	if err := sessionBus(); err != nil {
		return "", err
	}
	return keyring.Get(service, user)
}

// Set stores a secret.
func (systemKeyring) Set(service, user, secret string) error {
	if err := sessionBus(); err != nil {
		return err
	}
	return keyring.Set(service, user, secret)
}

var errNoKeyring = errors.New("there is no keyring in this session")

// sessionBus makes sure that there is a bus to ask: the library would start one, which has no keyring. A run from cron
// finds that of the session by its usual place.
func sessionBus() error {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" || os.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return nil
	}
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), filepath.Join("/run/user", strconv.Itoa(os.Getuid()))} {
		bus := filepath.Join(dir, "bus")
		if _, err := os.Stat(bus); dir != "" && err == nil {
			return os.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+bus)
		}
	}
	return errNoKeyring
}

// keyringUser is the name under which the password of an account lies in the keyring.
func (a *account) keyringUser() string { return a.User + "@" + a.Host }

func (env *environment) keys() keyStore {
	if env.keyring != nil {
		return env.keyring
	}
	return systemKeyring{}
}

// fromKeyring asks the keyring for the password of an account.
func (env *environment) fromKeyring(ctx context.Context, a *account, patience time.Duration) (string, error) {
	var secret string
	err := patiently(ctx, patience, func() (err error) {
		secret, err = env.keys().Get(keyringService, a.keyringUser())
		return err
	})
	if errors.Is(err, keyring.ErrNotFound) {
		return "", fmt.Errorf("the keyring has none for %s", a.keyringUser())
	}
	if err != nil {
		return "", fmt.Errorf("the keyring cannot be asked (%w)", err)
	}
	return secret, nil
}

// toKeyring stores the password of an account.
func (env *environment) toKeyring(ctx context.Context, a *account, secret string) error {
	return patiently(ctx, unlockingTime, func() error { return env.keys().Set(keyringService, a.keyringUser(), secret) })
}

var errKeyringSilent = errors.New("it does not answer; is it locked?")

// patiently waits for a keyring, but not for ever. What it is given must not be looked at after an error.
func patiently(ctx context.Context, patience time.Duration, ask func() error) error {
	done := make(chan error, 1)
	go func() { done <- ask() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return errKeyringSilent
	case <-ctx.Done():
		return ctx.Err()
	}
}
