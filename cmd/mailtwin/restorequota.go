package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"mailtwin/state"
	"mailtwin/syncer"
)

// A restore counts what the account has in a day in the account's state. Without one it does so in a file of its own, for
// a state is not to be made.

// openBytes reads what the account had today.
func (r *restoration) openBytes(ctx context.Context) (done func() error, err error) {
	ledger, closed := r.ledger, func() error { return nil }
	if ledger == nil && !r.o.dryRun {
		if ledger, err = state.Open(ctx, filepath.Join(r.account.desk(), "day.db"), state.Options{}); err != nil {
			return nil, err
		}
		closed = ledger.Close
	}
	settings, put := map[string]string{}, func(string) error { return nil }
	if ledger != nil {
		if settings, err = ledger.Settings(); err != nil {
			return nil, errors.Join(err, closed())
		}
	}
	if !r.o.dryRun {
		put = func(text string) error { return ledger.PutSettings(map[string]string{settingTraffic: text}) }
	}
	r.bytes = r.env.newBytes(r.account, &r.teller.traffic, settings[settingTraffic], put)
	return func() error {
		err := errors.Join(r.bytes.close(), closed())
		if err == nil && !r.o.dryRun && (r.ledger != nil || r.bytes.limit == [2]int64{}) {
			err = os.RemoveAll(r.account.desk())
		}
		return err
	}, nil
}

// spent is an error if so much was had today that the server had better not be asked.
func (r *restoration) spent() error {
	var full []dayUse
	for _, from := range []syncer.Side{syncer.Far, syncer.Near} {
		if u := r.bytes.use(from); u.spent {
			full = append(full, u)
		}
	}
	if full == nil {
		return nil
	}
	return &migrationDayError{text: words(full) + ", so the server was not asked", until: when(tomorrow(r.env.clock()))}
}

// explain adds to what waits how much was had, and until when it waits.
func (r *restoration) explain(err error) error {
	words := func(waits *syncer.QuotaError) string {
		return waiting(waits, "brought back", fullest(r.bytes.use(syncer.Near), r.bytes.use(syncer.Far)))
	}
	return explainDay(err, words, when(tomorrow(r.env.clock())))
}

// A restoreBudget is what an account allows to which a Maildir, the far side, is brought.
type restoreBudget struct{ account *byteLedger }

var _ syncer.Budget = restoreBudget{}

// Left implements syncer.Budget.
func (b restoreBudget) Left(from syncer.Side) int64 { return b.account.Left(from.Other()) }

// Most implements syncer.Budget.
func (b restoreBudget) Most(from syncer.Side) int64 { return b.account.Most(from.Other()) }

// desk is the directory, beside the state, for what a restore has to write down.
func (a *account) desk() string { return a.beside(".restore") }

// scratch makes a directory for what is known during this run only. What a restore left there that was killed, or cut off,
// the next one removes, for it has the account to itself.
func (r *restoration) scratch() (path string, err error) {
	if r.o.dryRun {
		return os.MkdirTemp("", "mailtwin-restore-")
	}
	return r.own(), os.RemoveAll(r.own())
}

// own is the directory for what a restore knows while it runs.
func (r *restoration) own() string { return filepath.Join(r.account.desk(), "run") }

// scratchState is the ledger in it.
const scratchState = "state.db"
