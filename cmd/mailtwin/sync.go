package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
	"mailtwin/syncer"
)

type syncOptions struct {
	common
	dryRun      bool
	allowDelete bool
	retry       bool
	mailboxes   []string
	debugIMAP   string
	healthcheck string
	metrics     string
	onChange    string
	backup      bool // whatever mode says
	prune       bool // of a backup, whatever max_delete says
}

func syncCommand(env *environment) *cobra.Command {
	o := &syncOptions{}
	cmd := &cobra.Command{
		Use:   "sync [ACCOUNT...]",
		Short: "Bring server and Maildir in agreement, both ways",
		Long: `Sync brings an account and its Maildir in agreement: new mail, flags, moves, removals and
mailboxes travel both ways. Without an account it takes all that the configuration has, side by side.
It may be stopped at any moment; the next run goes on where this one was.

An account that has mode = "backup" is backed up instead, see mailtwin backup.

` + exitStatuses,
		Example: `  mailtwin sync                  # all accounts
  mailtwin sync --dry-run work   # what would be done about this one?
  mailtwin sync -m INBOX work    # its new mail, quickly`,
		ValidArgsFunction: env.completeAccounts,
		RunE:              func(cmd *cobra.Command, args []string) error { return runSync(cmd.Context(), *o, args, env) },
	}
	o.runFlags(cmd)
	cmd.Flags().BoolVar(&o.allowDelete, "allow-delete", false, "let removals pass that look like an accident, in the account that is named")
	return cmd
}

// runFlags are the flags of all that syncs.
func (o *syncOptions) runFlags(cmd *cobra.Command) {
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "tell what would be done, and change nothing")
	f.BoolVar(&o.retry, "retry", false, "try now what was refused before, instead of when its time comes")
	f.StringArrayVarP(&o.mailboxes, "mailbox", "m", nil, "only these mailboxes: a `pattern` as in the configuration; may be given again")
	f.StringVar(&o.debugIMAP, "debug-imap", "", "write what goes over the wire to this `file`, without passwords")
	f.StringVar(&o.healthcheck, "healthcheck", "", "tell this `address` when the run begins and how it ends")
	f.StringVar(&o.metrics, "metrics", "", "put the numbers of the run into this `file`, for Prometheus")
	f.StringVar(&o.onChange, "on-change", "", "run this `command` at the end if something changed in a Maildir")
}

// runSync syncs the accounts that are named, and tells who watches over the run.
func runSync(ctx context.Context, o syncOptions, names []string, env *environment) error {
	if o.healthcheck != "" {
		if _, err := parsePing(o.healthcheck); err != nil {
			return &usageError{fmt.Errorf("--healthcheck %w", err)}
		}
	}
	o.metrics = env.expand(o.metrics) // no shell does so after a "="
	var watch *pinger
	if !o.dryRun {
		watch = env.ping(ctx, o.healthcheck, func(err error) { env.say("", err) })
	}
	err := env.syncAll(ctx, o, names)
	watch.done(ctx, exitStatus(err))
	return err
}

// syncAll syncs the accounts that are named, side by side. One that fails does not keep the others from being synced.
func (env *environment) syncAll(ctx context.Context, o syncOptions, names []string) (err error) {
	if err := mailbox.Patterns(o.mailboxes).Check(); err != nil {
		return &usageError{fmt.Errorf("--mailbox: %w", err)}
	}
	c, err := env.loadConfig(o.config)
	if err != nil {
		return err
	}
	if o.backup && len(names) == 0 {
		if names, err = c.backups(); err != nil {
			return err
		}
	}
	accounts, err := c.choose(names)
	if err != nil {
		return err
	}
	if (o.allowDelete || o.prune) && len(names) == 0 && len(accounts) > 1 {
		flag := "--allow-delete"
		switch {
		case o.prune:
			flag = "--prune"
		case o.backup:
			flag = "--refill"
		}
		return &usageError{fmt.Errorf("%s needs the name of the account that it is meant for", flag)}
	}
	trace, closeTrace, err := openTrace(o.debugIMAP)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTrace()) }()
	bar := env.progress(o.common)
	defer bar.stop()
	failed, changes := make([]error, len(accounts)), make([]*change, len(accounts))
	var wg sync.WaitGroup
	for i, a := range accounts {
		wg.Go(func() {
			changes[i], failed[i] = env.syncAccount(ctx, o, a, trace, env.teller(o.common, a.name, o.dryRun, bar))
		})
	}
	wg.Wait()
	if err := worst(append(failed, env.tellRun(ctx, o, changes))); err != nil {
		return &reported{err}
	}
	return nil
}

// worst returns the first failure, whose exit status is that of the whole. That another run is at work comes last, for it
// must not hide a failure.
func worst(failed []error) (locked error) {
	for _, err := range failed {
		if err != nil && exitStatus(err) != exitLocked {
			return err
		}
		locked = cmp.Or(locked, err)
	}
	return locked
}

// openTrace opens the file of --debug-imap, which is nobody else's business.
func openTrace(path string) (*wire.TraceWriter, func() error, error) {
	if path == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, nil, &usageError{fmt.Errorf("--debug-imap: %w", err)}
	}
	trace := wire.NewTraceWriter(f)
	return trace, func() error { return errors.Join(trace.Err(), f.Close()) }, nil
}

// syncAccount syncs one account and tells the user how it went, and who watches over it.
func (env *environment) syncAccount(ctx context.Context, o syncOptions, a *account, trace *wire.TraceWriter, t *teller) (*change, error) {
	r := &accountRun{env: env, o: o, account: a, trace: trace, teller: t, command: "sync", began: env.clock(), files: o.measured(a)}
	if r.isBackup() {
		r.command = "backup"
	}
	var watch *pinger
	if !o.dryRun {
		watch = env.ping(ctx, a.Healthcheck, t.warn)
	}
	report, err := r.run(ctx)
	err = stoppedBy(ctx, err)
	if failed := r.publish(ctx, env.clock(), report, err); failed != nil { // of a run that found no state to be put down in
		err = errors.Join(err, failed)
	}
	t.finish(report, err)
	if err == nil {
		err = leftBehind(report)
	}
	watch.done(ctx, exitStatus(err))
	return r.change, err
}

// leftBehind sums up what a run that went to its end left behind, now or before. If all of it may pass by itself, so may
// the run.
func leftBehind(report *syncer.Report) error {
	half, temporary := false, true
	for _, problem := range report.Problems {
		half = half || errors.Is(problem, mailbox.ErrHalf)
		temporary = temporary && errors.Is(problem, mailbox.ErrTemporary)
	}
	for _, t := range report.Waiting {
		temporary = temporary && t.Temporary
	}
	switch {
	case len(report.Problems)+len(report.Waiting) == 0:
		return nil
	case half:
		return fmt.Errorf("%w: %w", errProblems, mailbox.ErrHalf)
	case temporary:
		return fmt.Errorf("%w: %w", errProblems, mailbox.ErrTemporary)
	}
	return errProblems
}

// chosen tells of a mailbox whether the configuration and the command line both want it.
func chosen(configured, asked mailbox.Patterns) func(mailbox.Name) bool {
	return func(name mailbox.Name) bool { return configured.Match(name) && asked.Match(name) }
}

func (env *environment) imapOptions(a *account, trace *wire.TraceWriter, report func(string)) imap.Options {
	options := imap.Options{
		Host: a.Host, Security: imap.Security(a.TLS), RootCAs: a.roots, Fingerprints: a.pins, User: a.User,
		Password: env.password(a), Pause: env.pause, Timeout: a.silence, Trace: trace, Report: report,
	}
	if a.Auth == authOAuth2 {
		options.Token = env.token(a)
	}
	if a.Compress != nil {
		options.Compress = imap.CompressNever
		if *a.Compress {
			options.Compress = imap.CompressOn
		}
	}
	if a.Port != nil {
		options.Port = *a.Port
	}
	if a.Connections != nil {
		options.Connections = *a.Connections
	}
	if env.tune != nil {
		env.tune(&options)
	}
	return options
}
