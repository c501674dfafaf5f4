package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mailtwin/mailbox"
	"mailtwin/state"
)

func statusCommand(env *environment) *cobra.Command {
	o := &common{}
	cmd := &cobra.Command{
		Use:   "status [ACCOUNT...]",
		Short: "Tell what is known of each account, without asking its server",
		Long: `Status tells, for each mailbox, how many messages both sides have, how many wait, and when it
was last seen in agreement. It reads the state file only, also while a sync is at work.

` + exitStatuses,
		Example: "  mailtwin status\n  mailtwin status --json work",
		RunE:    func(cmd *cobra.Command, args []string) error { return runStatus(cmd.Context(), *o, args, env) },
	}
	o.flags(cmd)
	return cmd
}

func runStatus(ctx context.Context, o common, names []string, env *environment) error {
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
	twins  []mailbox.Twin
	writer int // the process that is syncing the account, 0 if none is
}

// readKnown reads the ledger, or, while a sync has it, what that has put down so far.
func readKnown(ctx context.Context, a *account) (k known, err error) {
	ledger, err := state.OpenReadOnly(a.State)
	if errors.As(err, new(*state.LockedError)) {
		ledger, err = state.OpenSnapshot(ctx, a.State)
	}
	if err != nil {
		return known{}, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	twins, err := ledger.Mailboxes(ctx)
	return known{twins, ledger.Writer()}, err
}

func (env *environment) printStatus(o common, a *account, k known) error {
	if o.json {
		return env.printStatusJSON(a, k)
	}
	env.writing.Lock()
	defer env.writing.Unlock()
	if len(k.twins) == 0 && k.writer == 0 {
		_, err := fmt.Fprintf(env.stdout, "%s: never synced; run mailtwin sync %s\n", show(a.name), show(a.name))
		return err
	}
	fmt.Fprintf(env.stdout, "%s: %s\n", show(a.name), show(a.Maildir))
	if k.writer != 0 {
		fmt.Fprintf(env.stdout, "%s: a sync is at work, process %d\n", show(a.name), k.writer)
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "messages\twaiting\tlast in agreement\t mailbox\n")
	pairs, open := 0, 0
	for _, t := range k.twins {
		pairs += t.Pairs - t.Open
		open += t.Open
		fmt.Fprintf(w, "%d\t%d\t%s\t %s\n", t.Pairs-t.Open, t.Open, when(t.Synced), show(string(t.Name)))
	}
	fmt.Fprintf(w, "%d\t%d\t\t %d mailboxes\n", pairs, open, len(k.twins))
	return w.Flush()
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format("2006-01-02 15:04:05")
}

func (env *environment) printStatusJSON(a *account, k known) error {
	type entry struct {
		Mailbox  string     `json:"mailbox"`
		Messages int        `json:"messages"`
		Waiting  int        `json:"waiting"`
		Synced   *time.Time `json:"synced"`
	}
	out := struct {
		Account   string  `json:"account"`
		Maildir   string  `json:"maildir"`
		Process   int     `json:"process,omitempty"`
		Mailboxes []entry `json:"mailboxes"`
	}{Account: a.name, Maildir: a.Maildir, Process: k.writer, Mailboxes: []entry{}}
	for _, t := range k.twins {
		e := entry{Mailbox: string(t.Name), Messages: t.Pairs - t.Open, Waiting: t.Open}
		if !t.Synced.IsZero() {
			e.Synced = &t.Synced
		}
		out.Mailboxes = append(out.Mailboxes, e)
	}
	line, err := jsonLine(out)
	if err != nil {
		return err
	}
	env.print("%s", line)
	return nil
}
