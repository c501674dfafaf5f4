package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"mailtwin/imap/imaptest"
)

func demoCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show a sync on made-up mail, without any account",
		Long: `Demo starts a mail server inside this program, fills an account with made-up mail, syncs it into
a temporary Maildir, changes something on either side, and syncs again. It needs no network and
touches nothing of yours. The Maildir stays, to be looked at.

Exit status:
  0    it worked
  1    it did not, see the messages
  64   the command line is wrong: demo takes no arguments
  130  stopped by Ctrl-C (143: by SIGTERM), cleanly`,
		Example: "  mailtwin demo",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), env) },
	}
}

// demoBoxes are the mailboxes of the demo and how many messages each gets.
var demoBoxes = []struct {
	name  string
	count int
}{{"INBOX", 120}, {"Sent", 60}, {"Archive/2024", 80}, {"Archive/2025", 60}, {"Lists & News", 40}, {"Räkningar", 15}, {"Drafts", 5}}

// A demo is one showing.
type demo struct {
	env     *environment
	account *imaptest.Account // what another device sees
	tree    imaptest.Tree
	config  *account
}

func runDemo(ctx context.Context, env *environment) (err error) {
	began := time.Now()
	server, err := imaptest.NewMemory()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	watcher, err := imaptest.OpenAccount(server.Addr, server.User, server.Password)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, watcher.Close()) }()
	d, err := newDemo(env, server, watcher)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.fill, d.first, d.change, d.second} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.farewell(time.Since(began))
	return nil
}

func newDemo(env *environment, server *imaptest.MemoryServer, watcher *imaptest.Account) (*demo, error) {
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mailtwin-demo-")
	if err != nil {
		return nil, err
	}
	tree := imaptest.Tree{Root: filepath.Join(dir, "Mail")}
	return &demo{env: env, account: watcher, tree: tree, config: &account{
		name: "demo", Host: host, Port: &number, TLS: "none", User: server.User, Password: server.Password,
		Maildir: tree.Root, State: filepath.Join(dir, "state.db"),
	}}, nil
}

// fill puts made-up mail into the account.
func (d *demo) fill(ctx context.Context) error {
	total := 0
	for _, box := range demoBoxes {
		total += box.count
	}
	sample := imaptest.Sample(total, 7, imaptest.CorpusOptions{MaxSize: 200e3})
	for _, box := range demoBoxes {
		if box.name != "INBOX" {
			if err := d.account.Create(box.name); err != nil {
				return err
			}
		}
		for _, m := range sample[:box.count] {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := d.account.Append(box.name, m); err != nil {
				return err
			}
		}
		sample = sample[box.count:]
	}
	d.env.print("A mail server with made-up mail runs inside this program: %d messages in %d mailboxes.", total, len(demoBoxes))
	return nil
}

func (d *demo) sync(ctx context.Context) error {
	o := syncOptions{}
	bar := d.env.progress(o.common)
	t := d.env.teller(o.common, d.config.name, false, bar)
	began := time.Now()
	report, err := (&accountRun{env: d.env, o: o, account: d.config, teller: t}).run(ctx)
	bar.stop()
	if err != nil {
		return err
	}
	for _, c := range report.Mailboxes {
		if words := t.words(*c); words != "" {
			d.env.print("  %-14s %s", show(string(c.Mailbox)), words)
		}
	}
	d.env.print("  done in %s", time.Since(began).Round(time.Millisecond))
	if len(report.Problems) > 0 {
		return errors.Join(report.Problems...)
	}
	return nil
}

func (d *demo) first(ctx context.Context) error {
	d.env.print("\nFirst sync, everything is new:")
	return d.sync(ctx)
}

// change reads a message here and stars another one there.
func (d *demo) change(context.Context) error {
	d.env.print("\nNow a message is read in the Maildir, another is starred on the server:")
	local, err := d.tree.Messages("INBOX")
	if err != nil {
		return err
	}
	remote, err := d.account.Messages("INBOX")
	if err != nil {
		return err
	}
	for _, m := range local {
		if m.Flags == "" {
			path, err := d.tree.Flag(m, []string{`\Seen`}, nil)
			if err != nil {
				return err
			}
			d.env.print("  read here:     %s", show(filepath.Base(path)))
			break
		}
	}
	for _, m := range remote {
		if m.Flags == `\seen` {
			d.env.print("  starred there: UID %d of INBOX", m.UID)
			return d.account.Flag("INBOX", []uint32{m.UID}, []string{`\Flagged`}, nil)
		}
	}
	return errors.New("the demo's own mail has no message that was read and not starred")
}

// second syncs again and compares both sides with eyes that share nothing with the sync.
func (d *demo) second(ctx context.Context) error {
	d.env.print("\nSecond sync, only what changed:")
	if err := d.sync(ctx); err != nil {
		return err
	}
	far, err := d.account.View()
	if err != nil {
		return err
	}
	near, err := d.tree.View()
	if err != nil {
		return err
	}
	if diff := imaptest.Diff(far, near); len(diff) > 0 {
		return fmt.Errorf("both sides differ: %v", diff)
	}
	d.env.print("\nBoth sides agree: %d messages in %d mailboxes, compared by content and flags.", len(far.Copies), len(far.Mailboxes))
	return nil
}

func (d *demo) farewell(took time.Duration) {
	d.env.print(`
The Maildir is yours to look at (%s so far):
  %s
  mutt -f %s
For your own mail:
  mailtwin init
and then:
  mailtwin sync --dry-run
  mailtwin sync`, took.Round(10*time.Millisecond), d.tree.Root, filepath.Join(d.tree.Root, "INBOX"))
}
