package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mailtwin/imap"
	"mailtwin/imap/gmail"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/state"
	"mailtwin/syncer"
	"mailtwin/undo"
)

// An accountRun is one run of one account.
type accountRun struct {
	env     *environment
	o       syncOptions
	account *account
	trace   *wire.TraceWriter
	teller  *teller
	command string // for the history
	// work, if not nil, is done in place of one sync. before, if not nil, is called just before a sync begins, when both sides
	// are open; what it returns becomes syncer.Options.Meant.
	work   func(ctx context.Context) (*syncer.Report, error)
	before beforeSync

	scratch string // a directory for what a dry run must not make in its place
	ledger  *state.DB
	known   int       // how many messages the ledger has
	edition uint64    // of the Maildir
	marked  bool      // this run has begun it
	written time.Time // when the run before last put anything on record
	untold  bool      // on_change was not run for what an earlier run changed
	pruned  int       // messages that a backup removed because they were kept for long enough
	change  *change
	bytes   *byteLedger

	began       time.Time      // stays that of the first try if the state was damaged
	earlier     *syncer.Report // what was done before the state turned out to be damaged
	files       []string       // that want the numbers of the run, and do not have them yet
	success     time.Time      // when a run of all mailboxes last went well, if that is to be told; zero: none is known
	quarantined int            // as in measures
}

type beforeSync func(ctx context.Context, near *maildir.Tree, far undo.Server, ledger markedLedger) (meant func(mailbox.Name, mailbox.ID) bool, err error)

// A farReplica is a server, as the engine and as undo want it.
type farReplica interface {
	syncer.Replica
	undo.Server
}

// run syncs the account. A state that is damaged is set aside, whenever that shows, and the mail is paired anew by its
// content (R30).
func (r *accountRun) run(ctx context.Context) (*syncer.Report, error) {
	report, err := r.once(ctx)
	if !errors.Is(err, state.ErrDamaged) || r.o.dryRun {
		return report, err
	}
	aside, failed := state.SetAside(r.account.State)
	if failed != nil {
		return report, errors.Join(err, failed)
	}
	r.teller.warn(fmt.Errorf("%w; it was set aside as %s, and all mail is paired anew by its content. "+
		"What was removed on one side only since the last run comes back", err, aside))
	r.earlier = report
	return r.once(ctx)
}

// once opens what the engine needs and lets it run.
func (r *accountRun) once(ctx context.Context) (report *syncer.Report, err error) {
	r.known, r.scratch, r.edition, r.marked, r.pruned, r.quarantined = 0, "", 0, false, 0, -1
	if r.o.dryRun {
		if r.scratch, err = os.MkdirTemp("", "mailtwin-dry-run-"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(r.scratch)) }()
	}
	r.written = lastWritten(r.account.State)
	r.ledger, err = state.Open(ctx, r.stage(r.account.State), state.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.ledger.Close()) }()
	settings, err := r.ledger.Settings()
	if err != nil {
		return nil, err
	}
	r.untold = settings[settingUntold] != ""
	began := r.env.clock()
	r.ledger.BeginRun(mailbox.Outcome{Command: r.command, Began: began})
	work := r.sync
	if r.work != nil {
		work = r.work
	}
	report, err = work(ctx)
	err = r.held(stoppedBy(ctx, err))
	if err == nil && report.Looked == 0 {
		err = &usageError{errors.New("no mailbox has such a name; see mailboxes in the configuration, and --mailbox")}
	}
	if report != nil && r.earlier != nil {
		report.Include(r.earlier)
	}
	if r.o.dryRun || errors.Is(err, state.ErrDamaged) {
		return report, err
	}
	err = errors.Join(err, r.tellChange(ctx, report))
	return report, errors.Join(err, r.conclude(ctx, began, report, err))
}

// stoppedBy returns the signal instead of the error that it led to.
func stoppedBy(ctx context.Context, err error) error {
	var cause stopped
	if err != nil && errors.As(context.Cause(ctx), &cause) {
		return cause
	}
	return err
}

func (r *accountRun) sync(ctx context.Context) (report *syncer.Report, err error) {
	twins, err := r.ledger.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range twins {
		r.known += t.Pairs
	}
	if err := r.letUploadsEnd(ctx, twins); err != nil {
		return nil, err
	}
	near, err := r.openSame(ctx, len(twins) == 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, near.Close()) }()
	if err := r.sameMode(); err != nil {
		return nil, err
	}
	if err := r.narrowed(twins); err != nil {
		return nil, err
	}
	bytes, err := r.openBytes()
	if err != nil {
		return nil, err
	}
	r.bytes = bytes
	defer func() { err = errors.Join(bytes.explain(err), bytes.close()) }()
	if err := bytes.spent(); err != nil {
		return nil, err
	}
	options := r.env.imapOptions(r.account, r.trace, r.teller.note)
	options.Traffic, options.ReadOnly = &r.teller.traffic, r.isBackup()
	if options.Prefix, err = r.prefix(); err != nil {
		return nil, err
	}
	far, err := imap.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.keepPrefix(options.Prefix, far), far.Close()) }()
	o := syncer.Options{
		DryRun: r.o.dryRun, AllowDelete: r.o.allowDelete, Retry: r.o.retry, MaxDelete: r.account.most,
		Mailboxes:    chosen(r.account.Mailboxes, r.o.mailboxes),
		DeleteRemote: syncer.Removal(r.account.DeleteRemote), Events: r.teller, Budget: bytes, Direction: r.direction(), Now: r.env.clock,
	}
	bytes.learn(far.Has(gmail.Capability))
	if far.Has(gmail.Capability) {
		report, err = r.syncGmail(ctx, far, near, o)
	} else {
		report, err = r.syncWith(ctx, farSide{far}, near, o)
	}
	return report, r.afterBackup(ctx, nearSide{near}, report, err)
}

// held tells of a brake in the words of a backup.
func (r *accountRun) held(err error) error {
	if r.isBackup() && errors.As(err, new(*syncer.BrakeError)) && !errors.As(err, new(*heldPrune)) {
		return &heldBackup{err}
	}
	return err
}

// syncWith lets the engine run, after what is to be done before.
func (r *accountRun) syncWith(ctx context.Context, far farReplica, near *maildir.Tree, o syncer.Options) (report *syncer.Report, err error) {
	ledger := r.markedLedger(near)
	if r.before != nil {
		if o.Meant, err = r.before(ctx, near, far, ledger); err != nil {
			return nil, err
		}
	}
	return syncer.Run(ctx, far, nearSide{near}, ledger, o)
}

// stage names a place in the scratch directory for what is not there yet and may not be made, because this is a dry
// run. Otherwise it is the path itself.
func (r *accountRun) stage(path string) string {
	if r.scratch == "" {
		return path
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return path
	}
	return filepath.Join(r.scratch, filepath.Base(path))
}

// openNear opens the Maildir, and makes it on the first run only: one that was there and is gone is more likely a disk
// that is not mounted.
func (r *accountRun) openNear(first bool) (*maildir.Tree, error) {
	options := maildir.Options{
		Root: r.account.Maildir, Source: r.account.source(), Create: first,
		Layout: maildir.Layout(r.account.Layout),
	}
	if r.account.keep > 0 {
		options.Attic = r.account.attic()
	}
	if options.Create {
		options.Root = r.stage(r.account.Maildir)
	}
	near, err := maildir.Open(options)
	if !first && errors.Is(err, fs.ErrNotExist) {
		return nil, &syncer.BrakeError{Side: syncer.Near, Err: err}
	}
	if err == nil && first {
		err = r.sameLayout(near)
	}
	return near, err
}

// sameLayout refuses a Maildir that is laid out in another way than the configuration says, before anything is made in
// it: all its mail would be overlooked, and downloaded again beside it.
func (r *accountRun) sameLayout(near *maildir.Tree) error {
	other, err := near.OtherLayout()
	if err != nil {
		return errors.Join(err, near.Close())
	}
	if !other {
		return nil
	}
	layout := maildir.PlusPlus
	if maildir.Layout(r.account.Layout) == layout {
		layout = maildir.Nested
	}
	return errors.Join(&usageError{fmt.Errorf("%s holds mail in the way of layout = %q; say so in the configuration, or name another maildir",
		r.account.Maildir, layout)}, near.Close())
}

// leastHistory is how many days runs are remembered, also if the attic keeps mail for less.
const leastHistory = 7

// conclude tells those who watch, and then puts down what became of the run, so that the history has the status that its
// user sees. It forgets what the attic has forgotten.
func (r *accountRun) conclude(ctx context.Context, began time.Time, report *syncer.Report, err error) error {
	outcome := r.outcome(began, report, err)
	failed := errors.Join(r.clearAttic(began), r.standing(ctx, outcome))
	failed = errors.Join(failed, r.publish(ctx, outcome.Ended, report, errors.Join(err, failed)))
	if failed = stoppedBy(ctx, failed); failed != nil {
		outcome = r.outcome(began, report, errors.Join(err, failed))
	}
	return errors.Join(failed, r.ledger.PutRun(outcome, began.AddDate(0, 0, -max(r.account.keep, leastHistory))))
}

// outcome is what became of a run that ends now.
func (r *accountRun) outcome(began time.Time, report *syncer.Report, err error) mailbox.Outcome {
	outcome := mailbox.Outcome{Command: r.command, Began: began, Ended: r.env.clock(), Status: exitStatus(err)}
	if err != nil {
		outcome.Error = strings.TrimSpace(err.Error())
	}
	if report != nil {
		total := report.Total()
		outcome.Downloaded, outcome.Uploaded, outcome.Removed = total.Downloaded, total.Uploaded, total.Removed
		outcome.Left = len(report.Problems) + len(report.Waiting)
		for _, c := range report.Mailboxes {
			if !c.Idle() {
				outcome.Mailboxes = append(outcome.Mailboxes, mailbox.Counts(*c))
			}
		}
		if err == nil {
			outcome.Status = exitStatus(leftBehind(report))
			outcome.Whole = len(r.o.mailboxes) == 0
		}
	}
	return outcome
}

// clearAttic lets go of what has been in the attic for long enough.
func (r *accountRun) clearAttic(now time.Time) error {
	return maildir.ClearAttic(r.account.attic(), now.AddDate(0, 0, -r.account.keep))
}

// source names the account.
func (a *account) source() string { return a.User + "@" + strings.ToLower(a.Host) }

// attic is the directory, beside the state, that keeps what a sync removed in the Maildir.
func (a *account) attic() string {
	return a.beside(".attic")
}
