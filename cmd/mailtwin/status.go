package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/state"
)

func statusCommand(env *environment) *cobra.Command {
	o := &common{}
	cmd := &cobra.Command{
		Use:   "status [ACCOUNT...]",
		Short: "Tell what is known of the accounts, without asking the server",
		Long: `Status tells when an account was last synced and what came of it, how many messages each mailbox
has on both sides, what waits and why, and what the attic holds. It asks no server and changes
nothing. A sync may be at work meanwhile.

Exit status:
  0    it was told
  1    the state cannot be read
  64   the command line or the configuration is wrong`,
		Example: `  mailtwin status
  mailtwin status --json work`,
		ValidArgsFunction: env.completeAccounts,
		RunE:              func(cmd *cobra.Command, args []string) error { return env.runStatus(cmd.Context(), *o, args) },
	}
	o.sourceFlags(cmd)
	return cmd
}

func (env *environment) runStatus(ctx context.Context, o common, names []string) error {
	c, err := env.loadConfig(o.config)
	if err != nil {
		return err
	}
	accounts, err := c.choose(names)
	if err != nil {
		return err
	}
	var first error
	for _, a := range accounts {
		k, err := readKnown(ctx, a)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = env.printStatus(o, a, k)
		} else {
			env.complain(a.name, err)
			err = &reported{err}
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// A known is what the ledger of an account knows.
type known struct {
	twins    []mailbox.Twin
	troubles []mailbox.Trouble
	runs     []mailbox.Outcome       // the last one first
	writer   int                     // the process that is syncing the account, 0 if none is
	chosen   func(mailbox.Name) bool // what the configuration chooses, and chose for the last run

	shelved int   // messages in the attic
	octets  int64 // that they take

	traffic string // of the day on which it was last counted
}

// openToRead opens the ledger to look at it, or, while a sync has it, what that has put down so far.
func openToRead(ctx context.Context, a *account) (*state.DB, error) {
	ledger, err := state.OpenReadOnly(a.State)
	if errors.As(err, new(*state.LockedError)) {
		ledger, err = state.OpenSnapshot(ctx, a.State)
	}
	return ledger, err
}

// readKnown reads the ledger.
func readKnown(ctx context.Context, a *account) (k known, err error) {
	ledger, err := openToRead(ctx, a)
	if err != nil {
		return known{}, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	k.writer = ledger.Writer()
	if k.twins, err = ledger.Mailboxes(ctx); err != nil {
		return k, err
	}
	if k.troubles, err = ledger.Troubles(ctx); err != nil {
		return k, err
	}
	if k.runs, err = ledger.Runs(ctx); err != nil {
		return k, err
	}
	settings, err := ledger.Settings()
	if err != nil {
		return k, err
	}
	k.traffic = settings[settingTraffic]
	before, err := lastMailboxes(ledger)
	if err != nil {
		return k, err
	}
	k.chosen = chosen(a.Mailboxes, before)
	k.shelved, k.octets, err = maildir.Attic(a.attic())
	return k, err
}

// last is the run that ended last.
func (k known) last() (run mailbox.Outcome, ok bool) {
	i := slices.IndexFunc(k.runs, mailbox.Outcome.Finished)
	if i < 0 {
		return run, false
	}
	return k.runs[i], true
}

// agreed is when both sides of a mailbox were last seen in agreement: when it was last looked into, or when a whole run
// that went well found that there was no need to.
func (k known) agreed(t mailbox.Twin) time.Time {
	for _, trouble := range k.troubles {
		if trouble.Mailbox == t.Name {
			return t.Synced
		}
	}
	if !k.chosen(t.Name) {
		return t.Synced
	}
	for _, run := range k.runs {
		if run.Whole && run.Status == exitDone && !t.Synced.IsZero() && run.Began.After(t.Synced) {
			return run.Began
		}
	}
	return t.Synced
}

// waiting counts the messages of a mailbox that wait to be brought to the other side: those of the server, which the
// ledger has, and those of the Maildir, which it knows only as troubles. A UID in a trouble is one of the former.
func (k known) waiting(t mailbox.Twin) int {
	n := t.Open
	for _, trouble := range k.troubles {
		if _, err := strconv.ParseUint(string(trouble.ID), 10, 32); err != nil && trouble.Mailbox == t.Name && trouble.ID != "" {
			n++
		}
	}
	return n
}

func (env *environment) printStatus(o common, a *account, k known) error {
	if o.json {
		return env.printStatusJSON(a, k)
	}
	env.writing.Lock()
	defer env.writing.Unlock()
	name := show(a.name)
	_, ran := k.last()
	if len(k.twins) == 0 && k.writer == 0 && !ran {
		_, err := fmt.Fprintf(env.stdout, "%s: never synced; run mailtwin %s %s\n", name, a.verb(), name)
		return err
	}
	fmt.Fprintf(env.stdout, "%s: %s\n", name, show(a.Maildir))
	fmt.Fprintf(env.stdout, "%s: state %s\n", name, show(a.State))
	if k.writer != 0 {
		fmt.Fprintf(env.stdout, "%s: a sync is at work, process %d\n", name, k.writer)
	}
	env.printRun(name, k)
	env.printQuota(name, a, k)
	if k.shelved > 0 {
		fmt.Fprintf(env.stdout, "%s: attic %s: %s, %s\n", name, show(a.attic()), plural(k.shelved, "message"), octetsFor(k.octets))
	}
	if err := env.printMailboxes(k); err != nil {
		return err
	}
	return env.printTroubles(name, k)
}

// printRun tells of the last run, and since when none went well.
func (env *environment) printRun(name string, k known) {
	run, ok := k.last()
	if !ok {
		return
	}
	result := fmt.Sprintf("%d downloaded, %d uploaded, %d removed on the server, %d in the Maildir",
		run.Downloaded, run.Uploaded, run.Removed[0], run.Removed[1])
	switch {
	case run.Error != "":
		result = showLong(usersWords.Replace(run.Error))
	case run.Left > 0:
		result += fmt.Sprintf(", %d left behind", run.Left)
	}
	fmt.Fprintf(env.stdout, "%s: last run %s, exit status %d: %s\n", name, when(run.Ended), run.Status, result)
	if run.Status == exitDone {
		return
	}
	for _, good := range k.runs {
		if good.Finished() && good.Status == exitDone {
			fmt.Fprintf(env.stdout, "%s: last run that went well %s\n", name, when(good.Ended))
			return
		}
	}
}

// printQuota tells how much of what it may have in a day an account had, if there is a limit.
func (env *environment) printQuota(name string, a *account, k known) {
	today := readTraffic(k.traffic, env.clock())
	limits := a.limits(today.gmail)
	if k.traffic == "" || limits == [2]int64{} {
		return
	}
	var parts []string
	for i, verb := range []string{"received", "sent"} {
		part := octetsFor(today.had[i])
		if limits[i] > 0 {
			part += " of " + octetsFor(limits[i])
		}
		parts = append(parts, part+" "+verb)
	}
	fmt.Fprintf(env.stdout, "%s: today %s; the next day begins %s\n", name, strings.Join(parts, ", "), when(tomorrow(env.clock())))
}

func (env *environment) printMailboxes(k known) error {
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "messages\twaiting\tlast in agreement\t mailbox\n")
	pairs, waiting := 0, 0
	for _, t := range k.twins {
		pairs += t.Pairs - t.Open
		waiting += k.waiting(t)
		fmt.Fprintf(w, "%d\t%d\t%s\t %s\n", t.Pairs-t.Open, k.waiting(t), when(k.agreed(t)), show(string(t.Name)))
	}
	fmt.Fprintf(w, "%d\t%d\t\t %s\n", pairs, waiting, plural(len(k.twins), "mailbox"))
	return w.Flush()
}

// shownAlike is how many troubles of one mailbox and one reason are shown one by one.
const shownAlike = 5

// printTroubles tells what waits, why, and until when.
func (env *environment) printTroubles(name string, k known) error {
	alike := map[string]int{}
	for _, t := range k.troubles {
		key := string(t.Mailbox) + "\x00" + t.Reason
		if alike[key]++; alike[key] > shownAlike {
			continue
		}
		what := show(string(t.Mailbox))
		if t.ID != "" {
			what += ", message " + show(string(t.ID))
		}
		next := "in the next run"
		if t.Next.After(time.Now()) {
			next = when(t.Next)
		}
		fmt.Fprintf(env.stdout, "%s: %s: %s\n", name, what, showLong(usersWords.Replace(t.Reason)))
		fmt.Fprintf(env.stdout, "%s:   since %s, tried %s, again %s\n", name, when(t.Since), times(t.Tries), next)
	}
	for _, key := range slices.Sorted(maps.Keys(alike)) {
		if more := alike[key] - shownAlike; more > 0 {
			box, reason, _ := strings.Cut(key, "\x00")
			fmt.Fprintf(env.stdout, "%s: %s, %d more: %s (--json lists them)\n", name, show(box), more, showLong(usersWords.Replace(reason)))
		}
	}
	if len(k.troubles) > 0 {
		_, err := fmt.Fprintf(env.stdout, "%s: to try everything now: mailtwin sync --retry %s\n", name, name)
		return err
	}
	return nil
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// octetsFor is a number of octets for people.
func octetsFor(octets int64) string {
	for _, unit := range []struct {
		octets int64
		name   string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if octets >= unit.octets {
			return fmt.Sprintf("%.1f %s", float64(octets)/float64(unit.octets), unit.name)
		}
	}
	return fmt.Sprintf("%d B", octets)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
