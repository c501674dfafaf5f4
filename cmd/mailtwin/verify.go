package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

type verifyOptions struct {
	common
	deep      bool
	remote    string
	percent   int // that remote says
	seed      uint64
	strict    bool
	repair    bool
	mailboxes []string
	debugIMAP string
}

func verifyCommand(env *environment) *cobra.Command {
	o := &verifyOptions{}
	cmd := &cobra.Command{
		Use:   "verify [ACCOUNT...]",
		Short: "Prove that the Maildir equals the server, and name what differs",
		Long: `Verify compares an account and its Maildir, message by message, with each other and with what both had
when they were last synced: which messages there are, their flags, their sizes. It changes nothing: the
server's mailboxes are opened to be read only. A sync may be at work meanwhile. What seems to differ is
looked at a second time before it is told.

With --deep every file is read and compared with its SHA-256. With --remote some messages, or all, are
downloaded again and compared byte for byte.

Mail that came to the server after the last sync is told, but is no difference, unless with --strict.

--repair mends the Maildir from what the server has: files that are missing, short or changed are fetched
again, and flags set to those of the server. What was there is in the attic. What comes is stored only if
it is what was synced. Nothing is changed on the server. What cannot be mended is named.

` + verifyStatuses,
		Example: `  mailtwin verify                      # all accounts, quickly
  mailtwin verify --deep work          # read every file of this one
  mailtwin verify --remote 5% work     # and download a twentieth of its mail again
  mailtwin verify --deep --repair work # mend what can be mended`,
		ValidArgsFunction: env.completeAccounts,
		RunE:              func(cmd *cobra.Command, args []string) error { return runVerify(cmd.Context(), *o, args, env) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.deep, "deep", false, "read every file of the Maildir, and compare its bytes")
	f.StringVar(&o.remote, "remote", "", "download this `share` of the messages again, and compare their bytes: 5%, or all")
	f.Uint64Var(&o.seed, "seed", 0, "choose the messages of --remote by this `number`, as an earlier run did (default: by chance)")
	f.BoolVar(&o.strict, "strict", false, "what was not synced yet is a difference, too")
	f.BoolVar(&o.repair, "repair", false, "mend the Maildir from what the server has")
	f.StringArrayVarP(&o.mailboxes, "mailbox", "m", nil, "only these mailboxes: a `pattern` as in the configuration; may be given again")
	f.StringVar(&o.debugIMAP, "debug-imap", "", "write what goes over the wire to this `file`, without passwords")
	return cmd
}

const verifyStatuses = `Exit status:
  0    there is no difference
  1    there are differences, or something could not be looked at; see the messages
  3    the login was refused, or there is no password
  4    a temporary failure, try again later
  5    the account was never synced, or its Maildir is not there, or not the one that was synced
  6    another run is at work (with --repair)
  64   the command line or the configuration is wrong
  130  stopped by Ctrl-C (143: by SIGTERM), cleanly`

// check reads what the flags say.
func (o *verifyOptions) check() error {
	if err := mailbox.Patterns(o.mailboxes).Check(); err != nil {
		return &usageError{fmt.Errorf("--mailbox: %w", err)}
	}
	number, isShare := strings.CutSuffix(o.remote, "%")
	percent, err := strconv.Atoi(number)
	switch {
	case o.remote == "all":
		o.percent = 100
	case isShare && err == nil && percent > 0 && percent <= 100:
		o.percent = percent
	case o.remote != "":
		return &usageError{fmt.Errorf(`--remote is a share of 1%% to 100%%, or all, not %q`, o.remote)}
	}
	if o.seed != 0 && o.percent == 0 {
		return &usageError{errors.New("--seed is for --remote")}
	}
	if o.seed == 0 {
		o.seed = uint64(rand.Uint32())
	}
	return nil
}

// runVerify verifies the accounts that are named, side by side. The exit status is that of the first one that is not as it
// should be.
func runVerify(ctx context.Context, o verifyOptions, names []string, env *environment) (err error) {
	if err := o.check(); err != nil {
		return err
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
	bar := env.progress(o.common)
	defer bar.stop()
	failed := make([]error, len(accounts))
	var wg sync.WaitGroup
	for i, a := range accounts {
		wg.Go(func() { failed[i] = env.verifyAccount(ctx, o, a, trace, env.teller(o.common, a.name, false, bar)) })
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil {
			return &reported{err}
		}
	}
	return nil
}

var errDifferences = errors.New("the Maildir and the server differ")

// verifyAccount verifies one account and tells the user what was found.
func (env *environment) verifyAccount(ctx context.Context, o verifyOptions, a *account, trace *wire.TraceWriter, t *teller) error {
	if a.keep == 0 && o.repair { // what a repair replaces is kept for a day at least
		shelving := *a
		shelving.keep, a = 1, &shelving
	}
	v := &verifyRun{
		opts: o,
		accountRun: &accountRun{
			env: env, account: a, trace: trace, teller: t,
			o: syncOptions{common: o.common, dryRun: !o.repair, mailboxes: o.mailboxes},
		},
	}
	err := stoppedBy(ctx, v.run(ctx))
	if errors.Is(err, fs.ErrNotExist) && v.ledger == nil {
		err = &neverSynced{v.account.verb()}
	}
	if err == nil {
		err = v.verdict()
	}
	v.finish(err)
	return err
}

// A neverSynced account has no state, so that nothing is known of it.
type neverSynced struct{ verb string }

func (e *neverSynced) Error() string {
	return "it was never synced, so there is nothing to compare with"
}

func (e *neverSynced) hint(account string) string {
	return fmt.Sprintf("do that first: mailtwin %s %s. If it was synced before, its state is gone or lies elsewhere; see state in the configuration", e.verb, account)
}

// verdict is what the run comes to, if it went to its end.
func (v *verifyRun) verdict() error {
	for d := range v.found.Differences() {
		if v.counts(d) {
			return errDifferences
		}
	}
	temporary := len(v.found.Problems) > 0
	for _, problem := range v.found.Problems {
		temporary = temporary && errors.Is(problem, mailbox.ErrTemporary)
	}
	switch {
	case temporary:
		return fmt.Errorf("%w: %w", errUnseen, mailbox.ErrTemporary)
	case len(v.found.Problems) > 0:
		return errUnseen
	}
	return nil
}

// errUnseen means that nothing differs of what was looked at, and that not all was.
var errUnseen = errors.New("some mail could not be looked at")

// unknowing is a ledger that knows nothing, so that a Gmail account is asked for everything.
type unknowing struct{}

func (unknowing) Mailboxes(context.Context) ([]mailbox.Twin, error) { return nil, nil }

func (unknowing) ByHint(context.Context, mailbox.Hint) iter.Seq2[mailbox.Located, error] {
	return func(func(mailbox.Located, error) bool) {}
}
