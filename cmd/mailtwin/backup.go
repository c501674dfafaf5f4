package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mailtwin/syncer"
)

func backupCommand(env *environment) *cobra.Command {
	o := &syncOptions{backup: true}
	cmd := &cobra.Command{
		Use:   "backup [ACCOUNT...]",
		Short: "Copy an account into its Maildir, and take nothing away",
		Long: `Backup copies an account into its Maildir. It only reads on the server. In the Maildir it removes
nothing: what vanished on the server stays where it is, what moved there moves here, what is missing
here is fetched again, and flags that were changed here are put back. It is made for cron: it says
nothing if all is well. Without an account it takes all that have mode = "backup".

` + exitStatuses,
		Example: `  mailtwin backup                  # all accounts that have mode = "backup"
  mailtwin backup --dry-run work   # what would be done about this one?
  mailtwin backup --json work      # for a program to read`,
		ValidArgsFunction: env.completeAccounts,
		RunE:              func(cmd *cobra.Command, args []string) error { return runSync(cmd.Context(), *o, args, env) },
	}
	o.runFlags(cmd)
	cmd.Flags().BoolVar(&o.prune, "prune", false, "remove what keep_deleted says also if that is much of the account that is named")
	cmd.Flags().BoolVar(&o.allowDelete, "refill", false, "go on although the Maildir is empty, or many flags are gone on the server, in the account that is named")
	return cmd
}

// backups returns the accounts that are to be backed up.
func (c *config) backups() ([]string, error) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(c.Accounts)), func(name string) bool { return c.Accounts[name].Mode != modeBackup })
	if len(names) == 0 {
		return nil, &usageError{fmt.Errorf("%s: no account has mode = \"backup\"; name one: mailtwin backup ACCOUNT", c.path)}
	}
	return names, nil
}

// settingMode is what a state was last used for: modeSync if it is missing and there is mail.
const settingMode = "mode"

// sameMode makes sure that nobody turns a backup into a sync by the way, or a sync into a backup: the one writes to the
// server, the other puts back what was changed in the Maildir. The configuration can say that it is meant.
func (r *accountRun) sameMode() error {
	settings, err := r.ledger.Settings()
	if err != nil {
		return err
	}
	was, is := settings[settingMode], modeSync
	if r.isBackup() {
		is = modeBackup
	}
	if was == "" && r.known > 0 {
		was = modeSync
	}
	if was == is {
		return nil
	}
	if was != "" && r.account.Mode != is {
		return &usageError{fmt.Errorf("the state of this account is that of a %s; if it is to be a %s from now on, set mode = %q in the configuration", was, is, is)}
	}
	switch was {
	case modeSync:
		r.teller.warn(errors.New("it is a backup from now on: nothing is written to the server, and what is changed in the Maildir is put back"))
	case modeBackup:
		r.teller.warn(errors.New("it is synced both ways from now on; what only the backup has stays here, and mailtwin restore brings it back to the server"))
	}
	if r.o.dryRun {
		return nil
	}
	return r.ledger.PutSettings(map[string]string{settingMode: is})
}

func (r *accountRun) isBackup() bool { return r.o.backup || r.account.Mode == modeBackup }

// verb is the command that brings the account up to date.
func (a *account) verb() string {
	if a.Mode == modeBackup {
		return "backup"
	}
	return "sync"
}

func (r *accountRun) direction() syncer.Direction {
	if r.isBackup() {
		return syncer.Backup
	}
	return syncer.BothWays
}

// A heldBackup is a brake that stopped a backup.
type heldBackup struct{ error }

func (e *heldBackup) Unwrap() error { return e.error }

func (e *heldBackup) hint(account string) string {
	var brake *syncer.BrakeError
	if errors.As(e.error, &brake) && brake.Side == syncer.Far {
		return "nothing is taken away for it in the Maildir; all else goes on. If the flags were taken away on purpose: mailtwin backup --refill " + account
	}
	const mounted = "is the disk mounted, and is maildir the right folder? Nothing was changed. To fetch all mail again"
	if brake != nil && brake.Err != nil { // the directory itself is not there, and no backup makes it anew by itself
		return mounted + ", make an empty directory there: mailtwin backup --refill " + account
	}
	return mounted + ": mailtwin backup --refill " + account
}

// afterBackup does what follows when a backup is done, or returns its error.
func (r *accountRun) afterBackup(ctx context.Context, near syncer.Replica, report *syncer.Report, err error) error {
	failed := r.warnVanished(ctx, report)
	if err != nil || failed != nil {
		return cmp.Or(err, failed)
	}
	return r.prune(ctx, near)
}

// warnVanished says it if much of an account vanished on the server since the last backup, so that cron mails it. Nothing is
// lost, and the backup is done, but now it may be all that there is.
func (r *accountRun) warnVanished(ctx context.Context, report *syncer.Report) error {
	if !r.isBackup() || report == nil || !syncer.Large(report.Total().Left, 0, 0) {
		return nil
	}
	vanished, there := report.Total().Left, 0
	twins, err := r.ledger.Mailboxes(ctx)
	if err != nil {
		return err
	}
	for _, t := range twins {
		for pair, err := range r.ledger.Pairs(ctx, t.Name) {
			if err != nil {
				return err
			}
			there += count(pair.Far != "")
		}
	}
	if !r.o.dryRun {
		there += vanished // which the ledger does not count as there any more
	}
	if !syncer.Large(vanished, there, r.account.most) {
		return nil
	}
	long := "are kept here"
	if r.account.left > 0 {
		long = "are kept here for " + plural(r.account.left, "day")
	}
	r.teller.warn(fmt.Errorf("%d of %s vanished on the server since the last backup, and %s; mailtwin restore brings them back", vanished, plural(there, "message"), long))
	return nil
}

// A heldPrune says that a backup keeps for longer than keep_deleted what vanished, because it is so much.
type heldPrune struct {
	*syncer.BrakeError
	days int
}

func (e *heldPrune) Error() string {
	return fmt.Sprintf("%d of %d messages of the account are gone on the server for more than %s, and not removed in the Maildir, because they are so many",
		e.Lost, e.Of, plural(e.days, "day"))
}

func (e *heldPrune) Unwrap() error { return e.BrakeError }

func (e *heldPrune) hint(account string) string {
	return "the backup is done. If they are to go: mailtwin backup --prune " + account + "; to keep them, set keep_deleted to more days, or to \"forever\"" + limit
}

// settingPruned is the day on which the backup was last looked through for mail that was kept for long enough.
const settingPruned = "pruned"

// prune removes what vanished on the server longer ago than keep_deleted says, once a day.
func (r *accountRun) prune(ctx context.Context, near syncer.Replica) error {
	now := r.env.clock()
	day := now.UTC().Format(time.DateOnly)
	if !r.isBackup() || r.account.left == 0 || r.o.dryRun {
		return nil
	}
	settings, err := r.ledger.Settings()
	if err != nil || settings[settingPruned] == day {
		return err
	}
	most := r.account.most
	if r.o.prune {
		most = 100
	}
	r.pruned, err = syncer.Prune(ctx, near, r.ledger, now.Add(-time.Duration(r.account.left)*24*time.Hour), most)
	var brake *syncer.BrakeError
	if errors.As(err, &brake) {
		return &heldPrune{brake, r.account.left}
	}
	if err != nil {
		return fmt.Errorf("remove what was kept for %d days: %w", r.account.left, err)
	}
	if r.pruned > 0 {
		r.teller.note(fmt.Sprintf("%s removed in the Maildir: gone on the server for more than %s", plural(r.pruned, "message"), plural(r.account.left, "day")))
	}
	return r.ledger.PutSettings(map[string]string{settingPruned: day})
}
