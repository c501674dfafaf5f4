package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/maildir"
	"mailtwin/state"
	"mailtwin/syncer"
)

type syncOptions struct {
	common
	dryRun      bool
	allowDelete bool
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
  mailtwin sync --dry-run work   # what would be done about this one?`,
		RunE: func(cmd *cobra.Command, args []string) error { return runSync(cmd.Context(), *o, args, env) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "tell what would be done, and change nothing")
	f.BoolVar(&o.allowDelete, "allow-delete", false, "let removals pass that look like an accident")
	f.StringVar(&o.debugIMAP, "debug-imap", "", "write what goes over the wire to this `file`, without passwords")
	return cmd
}

// runSync syncs the accounts that are named. One that fails does not keep the others from being synced; the exit status
// is that of the first that failed.
func runSync(ctx context.Context, o syncOptions, names []string, env *environment) (err error) {
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
	t.finish(report, err)
	if err == nil && report != nil && len(report.Problems) > 0 {
		err = errProblems
	}
	return err
}

func (env *environment) sync(ctx context.Context, o syncOptions, a *account, trace *wire.TraceWriter, t *teller) (report *syncer.Report, err error) {
	ledger, err := state.Open(ctx, a.State, state.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	near, err := openNear(ctx, a, ledger, o.dryRun)
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
		DryRun: o.dryRun, AllowDelete: o.allowDelete, DeleteRemote: syncer.Removal(a.DeleteRemote), Events: t,
	})
}

// openNear opens the Maildir, and makes it on the first run only: one that was there and is gone is more likely a disk
// that is not mounted.
func openNear(ctx context.Context, a *account, ledger *state.DB, dryRun bool) (*maildir.Tree, error) {
	twins, err := ledger.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	first := len(twins) == 0
	near, err := maildir.Open(maildir.Options{Root: a.Maildir, Source: a.User + "@" + a.Host, Create: first})
	switch {
	case err == nil:
		return near, nil
	case errors.Is(err, fs.ErrNotExist) && !first:
		return nil, &syncer.BrakeError{Side: syncer.Near, Err: err}
	}
	return nil, err
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
