package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/syncer"
	"mailtwin/undo"
)

type undoOptions struct {
	common
	dryRun    bool
	yes       bool
	debugIMAP string
}

func undoCommand(env *environment) *cobra.Command {
	o := &undoOptions{}
	cmd := &cobra.Command{
		Use:   "undo RUN [ACCOUNT]",
		Short: "Take back what a run removed, moved or flagged",
		Long: `Undo brings back, on both sides, the messages and mailboxes that a run removed, and takes back the moves,
flags and names that it carried over. It shows what it is about to do, and asks. What was changed again
since then is left alone. mailtwin history lists the runs; without an account, there must be only one.

It puts the mail back in the Maildir, from the attic, from the Trash or from another mailbox, and then
syncs. It may be stopped at any moment, and run again. It is itself a run, and can be undone; but what it
brought back as new mail stays then.

` + exitStatuses,
		Example: `  mailtwin history work          # which run was it?
  mailtwin undo --dry-run 14 work
  mailtwin undo 14 work`,
		ValidArgsFunction: env.completeAccounts,
		Args:              runAndAccount(true),
		RunE:              func(cmd *cobra.Command, args []string) error { return env.runUndo(cmd.Context(), *o, args) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "tell what would be done, and change nothing")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.StringVar(&o.debugIMAP, "debug-imap", "", "write what goes over the wire to this `file`, without passwords")
	return cmd
}

// runAndAccount checks the arguments of verbs that take the number of a run, which may be left out, and an account.
func runAndAccount(must bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		_, rest, ok := runNumber(args)
		if must && !ok {
			return &usageError{fmt.Errorf("%s takes the number of a run, as mailtwin history lists them", cmd.CommandPath())}
		}
		if len(rest) > 1 {
			return &usageError{fmt.Errorf("%s takes one account, but was given %q", cmd.CommandPath(), rest)}
		}
		return nil
	}
}

// runNumber takes the number of a run off the arguments.
func runNumber(args []string) (run uint64, rest []string, ok bool) {
	if len(args) == 0 {
		return 0, nil, false
	}
	run, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil || run == 0 {
		return 0, args, false
	}
	return run, args[1:], true
}

// one returns the account that is named, or the only one that there is.
func (c *config) one(names []string) (*account, error) {
	accounts, err := c.choose(names)
	if err == nil && len(accounts) > 1 {
		err = &usageError{errors.New("which account? There are several, and each counts its runs")}
	}
	if err != nil {
		return nil, err
	}
	return accounts[0], nil
}

func (env *environment) runUndo(ctx context.Context, o undoOptions, args []string) (err error) {
	run, names, _ := runNumber(args)
	c, err := env.loadConfig(o.config)
	if err != nil {
		return err
	}
	a, err := c.one(names)
	if err != nil {
		return err
	}
	if a.Mode == modeBackup {
		return &usageError{errors.New("a backup takes nothing away, so that there is nothing to undo; mailtwin restore brings mail back to a server")}
	}
	if !env.asks && !o.yes && !o.dryRun {
		return &usageError{errors.New("there is no terminal to ask on; see what would be done with --dry-run, and then do it with --yes")}
	}
	trace, closeTrace, err := openTrace(o.debugIMAP)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTrace()) }()
	bar := env.progress(o.common)
	defer bar.stop()
	t := env.teller(o.common, a.name, o.dryRun, bar)
	if err := env.undo(ctx, o, a, run, trace, t); err != nil {
		return &reported{err}
	}
	return nil
}

var errDeclined = errors.New("not confirmed; nothing was changed")

// undo undoes a run of an account, and tells the user how it went.
func (env *environment) undo(ctx context.Context, o undoOptions, a *account, run uint64, trace *wire.TraceWriter, t *teller) error {
	u := &undoing{run: run, o: o, absent: map[mailbox.Digest]bool{}, accountRun: &accountRun{
		env: env, o: syncOptions{common: o.common}, account: a, trace: trace, teller: t, command: fmt.Sprintf("undo %d", run),
	}}
	u.work, u.before = u.rounds, u.carryOut
	err := u.show(ctx)
	if err == nil && (o.dryRun || u.shown.Empty()) {
		return lostOf(u.shown)
	}
	if err == nil && !o.yes && !env.prompt().yes(fmt.Sprintf("Undo run %d of %s?", run, show(a.name))) {
		err = errDeclined
	}
	if err != nil {
		env.complain(a.name, err)
		return err
	}
	report, err := u.once(ctx)
	err = stoppedBy(ctx, err)
	t.finish(report, err)
	if err != nil && !heldBack(err) {
		return err
	}
	u.tellEnd()
	if err == nil {
		err = leftBehind(report)
	}
	if err == nil {
		err = lostOf(u.last)
	}
	return err
}

// An undoing is one run of mailtwin undo.
type undoing struct {
	*accountRun
	run uint64
	o   undoOptions

	shown *undo.Plan // as the user saw it
	last  *undo.Plan // as it is now; nil as long as nothing was done

	absent map[mailbox.Digest]bool
}

// errLost means that something cannot be brought back.
var errLost = errors.New("some mail cannot be brought back")

func lostOf(p *undo.Plan) error {
	for _, l := range p.Left {
		if l.Lost {
			return errLost
		}
	}
	return nil
}

// show makes the plan without holding up others, and shows it.
func (u *undoing) show(ctx context.Context) (err error) {
	ledger, err := openToRead(ctx, u.account)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("run %d: %w: there was none yet", u.run, undo.ErrNoRun)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	near, err := u.openNear(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, near.Close()) }()
	if u.shown, err = undo.Make(ctx, ledger, near, u.run, nil); err != nil {
		return err
	}
	u.tellPlan(u.shown)
	return nil
}

// maxRounds is how many plans are carried out at most. The second one puts copies of what the server gave back, once it
// came, where they belong.
const maxRounds = 3

var errNotDone = errors.New("not undone yet; run it again, and see above what went wrong")

// rounds carries out plans, each with a sync, until there is nothing more to do.
func (u *undoing) rounds(ctx context.Context) (total *syncer.Report, err error) {
	for range maxRounds {
		var report *syncer.Report
		u.known = 0
		report, err = u.sync(ctx)
		if total != nil && report != nil {
			report.Include(total)
		}
		total = report
		if err != nil && !heldBack(err) {
			return total, err
		}
		if failed := u.look(ctx); failed != nil {
			return total, errors.Join(err, failed)
		}
		if u.last.Steps() == 0 {
			return total, err
		}
	}
	problem := fmt.Errorf("%s of run %d: %w", plural(u.last.Steps(), "change"), u.run, errNotDone)
	u.teller.Problem(problem)
	total.Problems = append(total.Problems, problem)
	return total, err
}

// look makes the plan for what is left to be done.
func (u *undoing) look(ctx context.Context) (err error) {
	near, err := u.openNear(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, near.Close()) }()
	u.last, err = undo.Make(ctx, u.ledger, near, u.run, u.absent)
	return err
}

var errOther = fmt.Errorf("something changed while you were asked, nothing is undone yet; run it again: %w", mailbox.ErrTemporary)

// carryOut makes the plan anew, now that nobody else is at work, and carries it out. What it is about no brake holds back.
func (u *undoing) carryOut(ctx context.Context, near *maildir.Tree, far undo.Server, ledger markedLedger) (func(mailbox.Name, mailbox.ID) bool, error) {
	plan, err := undo.Make(ctx, ledger, near, u.run, u.absent)
	if err != nil {
		return nil, err
	}
	first := u.last == nil
	if first && !u.o.yes && !slices.Equal(planLines(plan), planLines(u.shown)) {
		return nil, errOther
	}
	u.last = plan
	doing := undo.Doing{Near: near, Far: far, First: first, Commit: ledger.Commit, Absent: u.absent, Problem: u.teller.Problem}
	return plan.Meant, doing.Do(ctx, plan)
}
