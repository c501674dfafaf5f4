package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"mailtwin/state"
)

// hold keeps syncs of the account and other restores away until release: two runs at once do not see what the other one
// uploads, and mail would be there twice. The state of the account, if there is one, is open from here on; none is made. A
// dry run keeps nobody away.
func (r *restoration) hold(ctx context.Context) (release func() error, err error) {
	_, err = os.Stat(r.account.State)
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.o.dryRun:
		return func() error { return nil }, nil
	case errors.Is(err, fs.ErrNotExist):
		return r.holdNothing()
	case err != nil:
		return nil, err
	case r.o.dryRun:
		r.ledger, err = state.OpenSnapshot(ctx, r.account.State)
	default:
		r.ledger, err = state.Open(ctx, r.account.State, state.Options{})
	}
	if errors.Is(err, state.ErrDamaged) && !r.o.dryRun && r.selection.vanished.IsZero() {
		r.teller.warn(fmt.Errorf("%w; a restore goes without it", err))
		return r.holdNothing()
	}
	if err != nil {
		return nil, err
	}
	return r.ledger.Close, nil
}

// holdNothing holds a state that does not exist or cannot be read.
func (r *restoration) holdNothing() (release func() error, err error) {
	hold, err := state.TakeHold(r.account.State)
	if err != nil {
		return nil, err
	}
	return hold.Release, nil
}
