package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mailtwin/mailbox"
	"mailtwin/state"
	"mailtwin/syncer"
	"mailtwin/undo"
)

func historyCommand(env *environment) *cobra.Command {
	o := &common{}
	cmd := &cobra.Command{
		Use:   "history [RUN] [ACCOUNT]",
		Short: "List the runs of an account, or what one of them changed",
		Long: `History lists the runs of an account, the last one first: its number, when it began, how long it took, its
exit status, and what it did. Runs in a row that had nothing to do are one line. With the number of a
run it lists what that run removed, moved or flagged, one by one; mailtwin undo takes that back.

It asks no server and changes nothing. A sync may be at work meanwhile.

Exit status:
  0    it was told
  1    the state cannot be read, or has no such run
  64   the command line or the configuration is wrong`,
		Example: `  mailtwin history
  mailtwin history 14
  mailtwin history --json 14 work`,
		ValidArgsFunction: env.completeAccounts,
		Args:              runAndAccount(false),
		RunE:              func(cmd *cobra.Command, args []string) error { return env.runHistory(cmd.Context(), *o, args) },
	}
	o.sourceFlags(cmd)
	return cmd
}

func (env *environment) runHistory(ctx context.Context, o common, args []string) error {
	c, err := env.loadConfig(o.config)
	if err != nil {
		return err
	}
	run, names, one := runNumber(args)
	if one {
		a, err := c.one(names)
		if err != nil {
			return err
		}
		return env.historyOf(ctx, o, a, run)
	}
	accounts, err := c.choose(names)
	if err != nil {
		return err
	}
	var first error
	for _, a := range accounts {
		if err := env.historyOf(ctx, o, a, 0); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// historyOf tells the history of an account, or of one run, and what keeps it from that.
func (env *environment) historyOf(ctx context.Context, o common, a *account, run uint64) (err error) {
	defer func() {
		if err != nil {
			env.complain(a.name, err)
			err = &reported{err}
		}
	}()
	ledger, err := openToRead(ctx, a)
	if errors.Is(err, fs.ErrNotExist) && run == 0 {
		if !o.json {
			env.print("%s: no run yet", show(a.name))
		}
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("run %d: %w: there was none yet", run, undo.ErrNoRun)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	runs, err := ledger.Runs(ctx)
	if err != nil {
		return err
	}
	if run == 0 {
		return env.printRuns(o, a, runs, ledger.Writer())
	}
	for i, r := range runs {
		if r.Run == run {
			h := &runHistory{env: env, o: o, account: a, ledger: ledger}
			return h.print(ctx, r, i == 0 && ledger.Writer() != 0)
		}
	}
	return fmt.Errorf("run %d: %w", run, undo.ErrNoRun)
}

// printRuns lists runs.
func (env *environment) printRuns(o common, a *account, runs []mailbox.Outcome, writer int) error {
	env.writing.Lock()
	defer env.writing.Unlock()
	if o.json {
		for i, run := range runs {
			line, err := jsonLine(runFields(a, run, i == 0 && writer != 0))
			if err != nil {
				return err
			}
			fmt.Fprintln(env.stdout, line)
		}
		return nil
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s:\trun\tbegan\ttook\tstatus\twhat it did\n", show(a.name))
	for i, run := range runs {
		began, took, status := when(run.Began), run.Ended.Sub(run.Began).String(), fmt.Sprint(run.Status)
		if !run.Finished() {
			took, status = "", ""
		}
		if run.Times > 1 {
			began = when(run.First)
			took = ""
		}
		fmt.Fprintf(w, "\t%d\t%s\t%s\t%s\t%s\n", run.Run, began, took, status, runWords(run, i == 0 && writer != 0))
	}
	return w.Flush()
}

// runWords says what a run, or several that had nothing to do, came to.
func runWords(run mailbox.Outcome, working bool) string {
	var words []string
	if run.Command != "" && run.Command != "sync" {
		words = append(words, show(run.Command))
	}
	switch did := countWords(run); {
	case run.Times > 1:
		words = append(words, fmt.Sprintf("%s with nothing to do, the last one %s", plural(run.Times, "run"), when(run.Began)))
	case did != "":
		words = append(words, did)
	case run.Idle():
		words = append(words, "nothing to do")
	}
	switch {
	case !run.Finished() && working:
		words = append(words, "at work")
	case !run.Finished():
		words = append(words, "did not come to its end")
	case run.Error != "":
		words = append(words, showLong(usersWords.Replace(strings.ReplaceAll(run.Error, "\n", "; "))))
	case run.Left > 0:
		words = append(words, fmt.Sprintf("%d left behind", run.Left))
	}
	return strings.Join(words, ": ")
}

// countWords says what a run did, over all mailboxes.
func countWords(run mailbox.Outcome) string {
	total := syncer.Counts{Downloaded: run.Downloaded, Uploaded: run.Uploaded, Removed: run.Removed}
	if len(run.Mailboxes) > 0 {
		report := syncer.Report{}
		for _, c := range run.Mailboxes {
			one := syncer.Counts(c)
			report.Mailboxes = append(report.Mailboxes, &one)
		}
		total = report.Total()
	}
	words := []string{}
	if text := (&teller{}).words(total); text != "" {
		words = append(words, text)
	}
	var made, removed, renamed int
	for _, c := range run.Mailboxes {
		made += count(c.Created[0] || c.Created[1])
		removed += count(c.Deleted[0] || c.Deleted[1])
		renamed += count(c.Renamed != "")
	}
	for _, n := range []struct {
		n    int
		what string
	}{{made, "made"}, {removed, "removed"}, {renamed, "renamed"}} {
		if n.n > 0 {
			words = append(words, fmt.Sprintf("%s %s", plural(n.n, "mailbox"), n.what))
		}
	}
	return strings.Join(words, ", ")
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// runFields is a run for programs.
func runFields(a *account, run mailbox.Outcome, working bool) map[string]any {
	mailboxes := []map[string]any{}
	for _, c := range run.Mailboxes {
		mailboxes = append(mailboxes, countFields(syncer.Counts(c)))
	}
	fields := map[string]any{
		"event": "run", "account": a.name, "run": run.Run, "command": run.Command, "runs": max(run.Times, 1), "at_work": working && !run.Finished(),
		"began": moment(run.Began), "first_began": moment(run.First), "ended": moment(run.Ended), "exit_status": run.Status, "whole": run.Whole,
		"downloaded": run.Downloaded, "uploaded": run.Uploaded, "removed": bySide(run.Removed), "left_behind": run.Left,
		"mailboxes": mailboxes, "changes": run.Changes,
	}
	if run.Error != "" {
		fields["error"] = usersWords.Replace(run.Error)
	}
	if !run.Finished() {
		fields["exit_status"] = nil
	}
	return fields
}

// A runHistory tells what one run did.
type runHistory struct {
	env     *environment
	o       common
	account *account
	ledger  *state.DB
}

func (h *runHistory) print(ctx context.Context, run mailbox.Outcome, working bool) error {
	name := show(h.account.name)
	if h.o.json {
		line, err := jsonLine(runFields(h.account, run, working))
		if err != nil {
			return err
		}
		h.env.print("%s", line)
	} else {
		h.env.print("%s: run %d, %s: %s", name, run.Run, when(run.Began), runWords(run, working))
		for _, c := range run.Mailboxes {
			if words := (&teller{}).words(syncer.Counts(c)); words != "" { // records of earlier versions may lack a number
				h.env.print("%s: %s: %s", name, show(string(c.Mailbox)), words)
			}
		}
	}
	return h.changes(ctx, run.Run, func(c mailbox.Change, mail headline) error {
		if h.o.json {
			return h.printJSON(run.Run, c, mail)
		}
		h.env.print("  %s: %s", show(string(c.Mailbox)), changeWords(c, mail))
		return nil
	})
}

func (h *runHistory) printJSON(run uint64, c mailbox.Change, mail headline) error {
	fields := changeFields(c)
	fields["event"], fields["account"], fields["run"] = "change", h.account.name, run
	if mail.read {
		fields["subject"], fields["from"] = mail.subject, mail.from
	}
	line, err := jsonLine(fields)
	if err != nil {
		return err
	}
	h.env.print("%s", line)
	return nil
}

// changeKinds are the names of changes for programs.
var changeKinds = map[mailbox.ChangeKind]string{
	mailbox.MessageRemoved: "message_removed", mailbox.MessageGone: "message_gone", mailbox.MessageKept: "message_kept",
	mailbox.MessageSurplus: "second_copy_removed", mailbox.MessageMoved: "message_moved", mailbox.FlagsChanged: "flags_changed",
	mailbox.MailboxRemoved: "mailbox_removed", mailbox.MailboxRenamed: "mailbox_renamed",
}

// changeFields is a change for programs.
func changeFields(c mailbox.Change) map[string]any {
	fields := map[string]any{"kind": changeKinds[c.Kind], "on": bySide(c.On), "mailbox": string(c.Mailbox)}
	if c.To != "" {
		fields["to"] = string(c.To)
	}
	if c.Kind == mailbox.MailboxRemoved || c.Kind == mailbox.MailboxRenamed {
		return fields
	}
	fields["uid"], fields["file"] = string(c.Pair.Far), string(c.Pair.Near)
	fields["date"], fields["size"] = moment(c.Pair.InternalDate), c.Pair.Size
	fields["flags"] = flagList(c.Pair.Flags)
	if !c.Pair.Digest.IsZero() {
		fields["sha256"] = c.Pair.Digest.String()
	}
	if c.Kind == mailbox.MessageMoved || c.Kind == mailbox.FlagsChanged {
		fields["flags_after"] = flagList(c.Flags)
	}
	return fields
}

func flagList(f mailbox.Flags) []string {
	list := []string{}
	for _, flag := range f.All() {
		list = append(list, string(flag))
	}
	return list
}

// changeWords says what was changed, and about which message.
func changeWords(c mailbox.Change, mail headline) string {
	where := "on both sides"
	switch c.On {
	case [2]bool{true, false}:
		where = sideNames[syncer.Far]
	case [2]bool{false, true}:
		where = sideNames[syncer.Near]
	}
	switch c.Kind {
	case mailbox.MessageRemoved:
		if c.To != "" {
			return mail.after("moved to the Trash "+where, c)
		}
		return mail.after("removed "+where, c)
	case mailbox.MessageGone:
		return mail.after("gone on both sides", c)
	case mailbox.MessageKept:
		if c.On[syncer.Far] {
			return mail.after("removed in the Maildir, marked as deleted on the server", c)
		}
		return mail.after("removed in the Maildir, kept on the server", c)
	case mailbox.MessageSurplus:
		return mail.after("second copy removed in the Maildir", c)
	case mailbox.MessageMoved:
		return mail.after(fmt.Sprintf("moved to %s %s", show(string(c.To)), where), c)
	case mailbox.FlagsChanged:
		return mail.after(flagsChanged(c)+" "+where, c)
	case mailbox.MailboxRemoved:
		return "mailbox removed " + where
	case mailbox.MailboxRenamed:
		return fmt.Sprintf("mailbox renamed to %s %s", show(string(c.To)), where)
	}
	return ""
}

// flagsChanged says which flags came and which went.
func flagsChanged(c mailbox.Change) string {
	var words []string
	for _, flag := range c.Flags.Minus(c.Pair.Flags).All() {
		words = append(words, "+"+show(string(flag)))
	}
	for _, flag := range c.Pair.Flags.Minus(c.Flags).All() {
		words = append(words, "-"+show(string(flag)))
	}
	return strings.Join(words, " ")
}

// after adds to what was done which message that was done to.
func (m headline) after(what string, c mailbox.Change) string {
	if !m.read {
		return what + ": " + nameOf(c)
	}
	return fmt.Sprintf("%s: \"%s\" from %s, %s", what, show(m.subject), show(m.from), c.Pair.InternalDate.Local().Format(time.DateOnly))
}
