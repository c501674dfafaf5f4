package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/state"
	"mailtwin/syncer"
)

type syncOptions struct {
	common
	dryRun      bool
	allowDelete bool
	mailboxes   []string
	debugIMAP   string
}

func syncCommand(env *environment) *cobra.Command {
	o := &syncOptions{}
	cmd := &cobra.Command{
		Use:   "sync [ACCOUNT...]",
		Short: "Bring server and Maildir in agreement, both ways",
		Long: `Sync brings an account and its Maildir in agreement: new mail, flags, moves, removals and
mailboxes travel both ways. Without an account it takes all that the configuration has, one after
the other. It may be stopped at any moment; the next run goes on where this one was.

` + exitStatuses,
		Example: `  mailtwin sync                  # all accounts
  mailtwin sync --dry-run work   # what would be done about this one?
  mailtwin sync -m INBOX work    # its new mail, quickly`,
		RunE: func(cmd *cobra.Command, args []string) error { return runSync(cmd.Context(), *o, args, env) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "tell what would be done, and change nothing")
	f.BoolVar(&o.allowDelete, "allow-delete", false, "let removals pass that look like an accident")
	f.StringArrayVarP(&o.mailboxes, "mailbox", "m", nil, "only these mailboxes: a `pattern` as in the configuration; may be given again")
	f.StringVar(&o.debugIMAP, "debug-imap", "", "write what goes over the wire to this `file`, without passwords")
	return cmd
}

// runSync syncs the accounts that are named. One that fails does not keep the others from being synced; the exit status
// is that of the first that failed.
func runSync(ctx context.Context, o syncOptions, names []string, env *environment) (err error) {
	if err := mailbox.Patterns(o.mailboxes).Check(); err != nil {
		return &usageError{fmt.Errorf("--mailbox: %w", err)}
	}
	c, err := env.loadConfig(o.config)
	if err != nil {
		return err
	}
	accounts, err := c.choose(names)
	if err != nil {
		return err
	}
	trace, closeTrace, err := openTrace(o.debugIMAP)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTrace()) }()
	var first error
	for _, a := range accounts {
		err := env.syncAccount(ctx, o, a, trace)
		if err != nil && first == nil {
			first = &reported{err}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return first
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

// syncAccount syncs one account and tells the user how it went.
func (env *environment) syncAccount(ctx context.Context, o syncOptions, a *account, trace *wire.TraceWriter) error {
	t := env.teller(o.common, a.name, o.dryRun)
	report, err := env.sync(ctx, o, a, trace, t)
	var cause stopped
	if err != nil && errors.As(context.Cause(ctx), &cause) {
		err = cause
	}
	if err == nil && report.Looked == 0 {
		err = &usageError{errors.New("no mailbox has such a name; see mailboxes in the configuration, and --mailbox")}
	}
	t.finish(report, err)
	if err == nil {
		err = leftBehind(report.Problems)
	}
	return err
}

// leftBehind sums up the problems of a run that went to its end. If all of them may pass by themselves, so may it.
func leftBehind(problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	for _, problem := range problems {
		if !errors.Is(problem, mailbox.ErrTemporary) {
			return errProblems
		}
	}
	return fmt.Errorf("%w: %w", errProblems, mailbox.ErrTemporary)
}

func (env *environment) sync(
	ctx context.Context, o syncOptions, a *account, trace *wire.TraceWriter, t *teller,
) (report *syncer.Report, err error) {
	scratch := ""
	if o.dryRun {
		if scratch, err = os.MkdirTemp("", "mailtwin-dry-run-"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	}
	ledger, err := state.Open(ctx, stage(a.State, scratch), state.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	if err := sameSettings(ledger, a, o); err != nil {
		return nil, err
	}
	near, err := openNear(ctx, a, ledger, scratch)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, near.Close()) }()
	far, err := imap.Open(ctx, env.imapOptions(a, trace, t))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, far.Close()) }()
	return syncer.Run(ctx, farSide{far}, nearSide{near}, ledger, syncer.Options{
		DryRun: o.dryRun, AllowDelete: o.allowDelete, Mailboxes: chosen(a.Mailboxes, o.mailboxes), MaxDelete: a.most, DeleteRemote: syncer.Removal(a.DeleteRemote), Events: t,
	})
}

// chosen tells of a mailbox whether the configuration and the command line both want it.
func chosen(configured, asked mailbox.Patterns) func(mailbox.Name) bool {
	return func(name mailbox.Name) bool { return configured.Match(name) && asked.Match(name) }
}

// stage names a place in the scratch directory for what is not there yet and may not be made, because this is a dry
// run. Without a scratch directory it is the path itself.
func stage(path, scratch string) string {
	if scratch == "" {
		return path
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return path
	}
	return filepath.Join(scratch, filepath.Base(path))
}

// openNear opens the Maildir, and makes it on the first run only: one that was there and is gone is more likely a disk
// that is not mounted.
func openNear(ctx context.Context, a *account, ledger *state.DB, scratch string) (*maildir.Tree, error) {
	twins, err := ledger.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	options := maildir.Options{Root: a.Maildir, Source: a.User + "@" + a.Host}
	if len(twins) == 0 {
		options.Root, options.Create = stage(a.Maildir, scratch), true
	}
	near, err := maildir.Open(options)
	if len(twins) > 0 && errors.Is(err, fs.ErrNotExist) {
		return nil, &syncer.BrakeError{Side: syncer.Near, Err: err}
	}
	return near, err
}

func (env *environment) imapOptions(a *account, trace *wire.TraceWriter, t *teller) imap.Options {
	options := imap.Options{
		Host: a.Host, Security: imap.Security(a.TLS), RootCAs: a.roots, User: a.User,
		Password: env.password(a), Timeout: a.silence, Trace: trace, Report: t.note,
	}
	if a.Port != nil {
		options.Port = *a.Port
	}
	if a.Connections != nil {
		options.Connections = *a.Connections
	}
	return options
}
