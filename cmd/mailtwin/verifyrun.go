package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"mailtwin/imap"
	"mailtwin/imap/gmail"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/state"
	"mailtwin/syncer"
)

// A verifyRun is the verification of one account.
type verifyRun struct {
	*accountRun
	opts   verifyOptions
	backup bool // the account is backed up, not synced
	writer int  // the process that is syncing the account, 0 if none is
	found  *syncer.Verification
	near   *maildir.Tree // while it is open
	shown  verifyCounts
}

// run opens what is needed, and looks: twice where something seems to differ. A ledger that is only read is a snapshot, so
// that no sync has to wait.
func (v *verifyRun) run(ctx context.Context) (err error) {
	if err := v.openLedger(ctx); err != nil {
		return err
	}
	defer func() {
		if v.ledger != nil {
			err = errors.Join(err, v.ledger.Close())
		}
	}()
	twins, err := v.ledger.Mailboxes(ctx)
	if err != nil {
		return err
	}
	for _, t := range twins {
		v.known += t.Pairs
	}
	if len(twins) == 0 {
		return &neverSynced{v.account.verb()}
	}
	settings, err := v.ledger.Settings()
	if err != nil {
		return err
	}
	v.backup = v.isBackup() || v.account.Mode == "" && settings[settingMode] == modeBackup
	v.o.backup = v.backup // so that a brake is told in the words of a backup
	if v.near, err = v.openSame(ctx, false); err != nil {
		return v.held(err)
	}
	defer func() { err = errors.Join(err, v.near.Close()) }()
	bytes, err := v.openBytes()
	if err != nil {
		return err
	}
	bytes.put = func(string) error { return nil } // added up in the end, for a sync may write meanwhile
	if err := bytes.spent(); err != nil {
		return err
	}
	far, err := v.openFar(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, far.Close()) }()
	bytes.learn(far.Has(gmail.Capability))
	return errors.Join(v.compare(ctx, far, bytes), v.countBytes(ctx, bytes))
}

// openLedger opens the ledger: to be changed by a repair, or a copy of it.
func (v *verifyRun) openLedger(ctx context.Context) (err error) {
	if v.opts.repair {
		if _, err := os.Stat(v.account.State); err != nil {
			return err // it is not to be made
		}
		v.ledger, err = state.Open(ctx, v.account.State, state.Options{})
		return err
	}
	ledger, err := state.OpenReadOnly(v.account.State)
	var locked *state.LockedError
	switch {
	case errors.As(err, &locked):
		v.writer = locked.PID
	case err != nil:
		return err
	default:
		if err := ledger.Close(); err != nil {
			return err
		}
	}
	v.ledger, err = state.OpenSnapshot(ctx, v.account.State)
	return err
}

func (v *verifyRun) openFar(ctx context.Context) (*imap.Account, error) {
	options := v.env.imapOptions(v.account, v.trace, v.teller.note)
	options.Traffic, options.ReadOnly = &v.teller.traffic, true
	var err error
	if options.Prefix, err = v.prefix(); err != nil {
		return nil, err
	}
	return imap.Open(ctx, options)
}

// compare looks, looks again where something seems to differ, and repairs.
func (v *verifyRun) compare(ctx context.Context, account *imap.Account, bytes *byteLedger) error {
	var far syncer.Replica = farSide{account}
	wanted := chosen(v.account.Mailboxes, v.opts.mailboxes)
	if account.Has(gmail.Capability) {
		g := gmail.New(account, gmail.Options{Ledger: unknowing{}, Report: v.teller.note})
		far, wanted = gmailSide{g}, v.asked(g, wanted)
	}
	o := syncer.VerifyOptions{
		Mailboxes: wanted, Deep: v.opts.deep, Percent: v.opts.percent, Seed: v.opts.seed, Budget: bytes, Events: quietly{v.teller},
	}
	var err error
	if v.found, err = syncer.Verify(ctx, far, nearSide{v.near}, v.ledger, o); err != nil {
		return err
	}
	if len(v.found.Mailboxes) == 0 {
		return &usageError{errors.New("no mailbox has such a name; see mailboxes in the configuration, and --mailbox")}
	}
	tellLimit(v.teller, far)
	if doubtful := v.found.Doubtful(); len(doubtful) > 0 {
		if err := v.lookAgain(ctx, far, doubtful); err != nil {
			return err
		}
	}
	if v.opts.repair {
		err := syncer.Repair(ctx, far, nearSide{v.near}, v.markedLedger(v.near), v.found, syncer.RepairOptions{Budget: bytes, Events: v.teller})
		if err != nil {
			return fmt.Errorf("repair: %w", err)
		}
	}
	for _, err := range v.found.Problems {
		v.teller.Problem(err)
	}
	return v.tellDifferences(ctx)
}

// lookAgain leaves only the differences that a second look finds, too, with what the ledger knows by now.
func (v *verifyRun) lookAgain(ctx context.Context, far syncer.Replica, doubtful map[mailbox.Name]bool) error {
	if !v.opts.repair {
		if err := v.ledger.Close(); err != nil {
			return err
		}
		if err := v.openLedger(ctx); err != nil {
			return err
		}
	}
	o := syncer.VerifyOptions{Mailboxes: func(name mailbox.Name) bool { return doubtful[name] }, Events: quietly{v.teller}}
	again, err := syncer.Verify(ctx, far, nearSide{v.near}, v.ledger, o)
	if err == nil {
		v.found.Confirm(again)
	}
	return err
}

// quietly keeps problems back that a second look may not find any more.
type quietly struct{ *teller }

func (quietly) Problem(error) {}

// countBytes adds what came and went to what the account has had today, if that is limited.
func (v *verifyRun) countBytes(ctx context.Context, bytes *byteLedger) error {
	if bytes.limit == [2]int64{} {
		return nil
	}
	ledger := v.ledger
	if !v.opts.repair {
		var err error
		ledger, err = state.Open(ctx, v.account.State, state.Options{})
		if errors.As(err, new(*state.LockedError)) {
			v.teller.note("a sync is at work, so what verify received is not counted for today's quota")
			return nil
		}
		if err != nil {
			return err
		}
		defer ledger.Close() //nolint:errcheck // what was put is on disk
	}
	if err := bytes.rebase(ledger); err != nil {
		return err
	}
	return bytes.close()
}
