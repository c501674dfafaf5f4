package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// settingUntold is there from before a run first changes anything until on_change has been run for it, so that no change
// goes untold if the run or the command dies.
const settingUntold = "untold"

// hookTime is how long an on_change may take.
const hookTime = 10 * time.Minute

// maxNames is how many octets of names of mailboxes an on_change is told; a variable can hold only so much.
const maxNames = 64 << 10

// A hookError says that a command failed that was to be told of changes. The mail is where it belongs all the same.
type hookError struct {
	key string // that names the command
	err error
}

func (e *hookError) Error() string { return e.key + ": " + e.err.Error() }
func (e *hookError) Unwrap() error { return e.err }

func (e *hookError) advice() string {
	if e.key != keyOnChange {
		return "it is about the command only, which is not run again for these changes"
	}
	return "it is about the command only, which the next sync runs again"
}

// A change is what a run changed in the Maildir of an account.
type change struct {
	account, maildir string
	mailboxes        []mailbox.Name
	counts           [len(changeCounts)]int
}

// changeCounts are the variables that tell how many messages.
var changeCounts = [...]string{"DOWNLOADED", "COPIED", "MOVED", "FLAGGED", "REMOVED"}

// changeOf returns what a run changed in the Maildir, or nil.
func (r *accountRun) changeOf(report *syncer.Report) *change {
	c := &change{account: r.account.name, maildir: r.account.Maildir}
	if report != nil {
		for _, m := range report.Mailboxes {
			n := m.Downloaded + m.Adopted + m.Copied[syncer.Near] + m.Moved[syncer.Near] + m.Flagged[syncer.Near] + m.Removed[syncer.Near]
			if n > 0 || m.Created[syncer.Near] || m.Deleted[syncer.Near] || m.Renamed != "" {
				c.mailboxes = append(c.mailboxes, m.Mailbox)
			}
		}
		t := report.Total()
		c.counts = [...]int{t.Downloaded, t.Copied[syncer.Near], t.Moved[syncer.Near], t.Flagged[syncer.Near], t.Removed[syncer.Near] + r.pruned}
	}
	if len(c.mailboxes) == 0 && r.pruned == 0 && !r.untold {
		return nil
	}
	return c
}

// tellChange runs the account's on_change if something changed in the Maildir, now or in a run that could not tell.
func (r *accountRun) tellChange(ctx context.Context, report *syncer.Report) error {
	r.change = r.changeOf(report)
	switch {
	case !r.account.OnChange.given():
		return nil
	case ctx.Err() != nil:
		return nil //nolint:nilerr // the run says so, and the next one tells
	case r.change == nil && r.marked && report != nil: // what was changed was the server
		return r.untell("")
	case r.change == nil:
		return nil
	case !r.marked && !r.untold:
		if err := r.untell("1"); err != nil {
			return err
		}
	}
	if err := r.env.runHook(ctx, keyOnChange, r.account.OnChange, []*change{r.change}); err != nil {
		return stoppedBy(ctx, err)
	}
	return r.untell("")
}

func (r *accountRun) untell(text string) error {
	return r.ledger.PutSettings(map[string]string{settingUntold: text})
}

// tellRun runs the command of --on-change once, if something changed in one of the accounts.
func (env *environment) tellRun(ctx context.Context, o syncOptions, changes []*change) error {
	changes = slices.DeleteFunc(changes, func(c *change) bool { return c == nil })
	if o.onChange == "" || len(changes) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // each account has said so
	}
	err := stoppedBy(ctx, env.runHook(ctx, "--on-change", command{line: o.onChange}, changes))
	if err != nil {
		env.complain("", err)
	}
	return err
}

// variables tell a command what happened in Maildirs. Names of mailboxes are foreign, so they are never part of a command
// line (S30), and one of them is one line.
func variables(changes []*change) (all []string) {
	var accounts, maildirs, names []string
	var counts [len(changeCounts)]int
	length := 0
	for _, c := range changes {
		accounts, maildirs = append(accounts, escape(c.account, maxNames)), append(maildirs, c.maildir)
		for i, n := range c.counts {
			counts[i] += n
		}
		for _, name := range c.mailboxes {
			text := escape(string(name), maxNames)
			if length += len(text) + 1; length > maxNames {
				break
			}
			names = append(names, text)
		}
	}
	say := func(name, value string) { all = append(all, "MAILTWIN_"+name+"="+value) }
	say("ACCOUNT", strings.Join(accounts, "\n"))
	say("MAILDIR", strings.Join(maildirs, "\n"))
	say("MAILBOXES", strings.Join(names, "\n"))
	for i, name := range changeCounts {
		say(name, fmt.Sprint(counts[i]))
	}
	return all
}

// runHook tells a command of changes, without anybody's password. What it prints is told only if it fails. Commands of one
// run come one after the other: most of them have a database that is locked, as notmuch does.
func (env *environment) runHook(parent context.Context, key string, c command, changes []*change) error {
	env.hooks.Lock()
	defer env.hooks.Unlock()
	patience := cmp.Or(env.hookTime, hookTime)
	ctx, cancel := context.WithTimeout(parent, patience)
	defer cancel()
	words := c.argv()
	printed := &beginning{left: commandOutput}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the user's own command
	cmd.Env = append(env.childEnvironment(), variables(changes)...)
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.WaitDelay = time.Second
	inGroup(cmd)
	err := cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it ended well, and what it left running has its output
		return nil
	case parent.Err() != nil:
		err = parent.Err()
	case ctx.Err() != nil:
		err = fmt.Errorf("it did not end within %s", patience)
	case printed.kept.Len() > 0:
		err = fmt.Errorf("%w: %s", err, showLines(printed.kept.String()))
	}
	return &hookError{key, err}
}

// beginning keeps so much of what is written to it, and lets go of the rest.
type beginning struct {
	kept bytes.Buffer
	left int
}

func (b *beginning) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	b.kept.Write(p[:n])
	return len(p), nil
}
