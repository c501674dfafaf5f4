package oauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A Store keeps the grant of one account.
type Store interface {
	// Load returns ErrNone if there is none.
	Load(ctx context.Context) (*Grant, error)
	// Save replaces what is kept, in one step, and is durable when it returns.
	Save(ctx context.Context, g *Grant) error
}

// A Source gives access tokens for the grant in a store, and keeps the store up to date. Its methods may be called from
// several goroutines at once.
type Source struct {
	Client *Client
	Store  Store
	// Lock makes this the only process that refreshes, for a provider may take back a refresh token that is used twice
	// (S16). nil: there is no other.
	Lock func(context.Context) (unlock func() error, err error)

	mu    sync.Mutex
	token Token
}

// Token returns an access token that should open the mail. refused is one that the server did not take, or empty: it is
// not returned again.
func (s *Source) Token(ctx context.Context, refused string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Access != refused && s.token.fresh(s.Client.now()) {
		return s.token.Access, nil
	}
	if err := s.renew(ctx); err != nil {
		return "", err
	}
	return s.token.Access, nil
}

// Use has the source begin with a token that was given together with the grant.
func (s *Source) Use(t Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = t
}

// Renew gets a new access token, whatever there is.
func (s *Source) Renew(ctx context.Context) (Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.renew(ctx)
	return s.token, err
}

// renew reads the grant anew each time: another process may have replaced it.
func (s *Source) renew(ctx context.Context) (err error) {
	if s.Lock != nil {
		unlock, failed := s.Lock(ctx)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	was, err := s.Store.Load(ctx)
	if err != nil {
		return err
	}
	if was.ClientID != s.Client.ID {
		return fmt.Errorf("%w (the one that is kept was given to another client_id)", ErrNone)
	}
	token, is, err := s.Client.refresh(ctx, was)
	if err != nil {
		return err
	}
	if is.Refresh != was.Refresh {
		// The old one may be dead already, so not even the end of the run may come in between.
		if err := s.Store.Save(context.WithoutCancel(ctx), is); err != nil {
			return fmt.Errorf("keep the new refresh token: %w", err)
		}
	}
	s.token = token
	return nil
}
