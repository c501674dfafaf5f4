package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
)

// demoUser and demoPassword open the account of the demo.
const demoUser, demoPassword = "demo@example.org", "demo"

func demoCommand(env *environment) *cobra.Command {
	serve := ""
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a sync with a made-up Gmail, without any account",
		Long: `Demo starts a server inside this program that behaves as Gmail's IMAP does, fills an account with
made-up mail, syncs it into a temporary Maildir, changes something on either side, and syncs again.
It needs no network and touches nothing of yours. The Maildir stays, to be looked at.

With --serve the server waits for other mail programs instead, until Ctrl-C. It is plain text, and
what they change is gone afterwards. An address without a host is one of this machine only.

Exit status:
  0    it worked
  1    it did not, see the messages
  64   the command line is wrong
  130  stopped by Ctrl-C (143: by SIGTERM), cleanly`,
		Example: "  mailtwin demo\n  mailtwin demo --serve 127.0.0.1:1143",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("serve") {
				return serveDemo(cmd.Context(), env, serve)
			}
			return runDemo(cmd.Context(), env)
		},
	}
	cmd.Flags().StringVar(&serve, "serve", "", "serve the made-up Gmail on `host:port`; port 0 is any that is free")
	return cmd
}

// A demo is one showing.
type demo struct {
	env    *environment
	server *gimap.Server
	tree   imaptest.Tree
	config *account
	mail   madeUp
}

func runDemo(ctx context.Context, env *environment) (err error) {
	began := time.Now()
	server, err := gimap.New(gimap.Options{User: demoUser, Password: demoPassword})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	d, err := newDemo(env, server)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.first, d.change, d.second, d.compare} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.farewell(time.Since(began))
	return nil
}

func newDemo(env *environment, server *gimap.Server) (*demo, error) {
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
	return &demo{env: env, server: server, tree: tree, mail: deliverMadeUp(server), config: &account{
		name: "demo", Host: host, Port: &number, TLS: "none", User: server.User, Password: server.Password,
		Maildir: tree.Root, State: filepath.Join(dir, "state.db"),
	}}, nil
}

// sync syncs, tells what happened to each mailbox, and returns how many octets came.
func (d *demo) sync(ctx context.Context) (received int64, err error) {
	o := syncOptions{}
	bar := d.env.progress(o.common)
	t := d.env.teller(o.common, d.config.name, false, bar)
	began := time.Now()
	report, err := (&accountRun{env: d.env, o: o, account: d.config, teller: t}).run(ctx)
	bar.stop()
	if err != nil {
		return 0, err
	}
	for _, c := range report.Mailboxes {
		if words := t.words(*c); words != "" {
			d.env.print("  %-18s %s", show(string(c.Mailbox)), words)
		}
	}
	received, _ = t.traffic.Octets()
	d.env.print("  done in %s", time.Since(began).Round(time.Millisecond))
	return received, errors.Join(report.Problems...)
}

// first syncs a Maildir that is empty, and tells what that cost.
func (d *demo) first(ctx context.Context) error {
	d.env.print("A server that behaves as Gmail's runs inside this program, with made-up mail: %d messages, %s.\n"+
		"Its mailboxes are labels. With All Mail, the %d messages show %d times.", d.mail.messages, octetsFor(d.mail.octets), d.mail.messages, d.mail.showings)
	d.env.print("\nFirst sync, everything is new:")
	received, err := d.sync(ctx)
	if err != nil {
		return err
	}
	files, err := readFiles(d.tree)
	if err != nil {
		return err
	}
	d.env.print("\nEach message was downloaded once: %s came for %s of mail.", octetsFor(received), octetsFor(d.mail.octets))
	d.env.print("On disk each is one file, with a name in each mailbox: %d files, %d names. This one has %d:",
		len(files.names), files.count, len(files.most()))
	for _, name := range files.most() {
		d.env.print("  %s", show(name))
	}
	return nil
}

// second syncs what changed on both sides.
func (d *demo) second(ctx context.Context) error {
	d.env.print("\nSecond sync, only what changed:")
	d.server.ResetCounters()
	received, err := d.sync(ctx)
	if err != nil {
		return err
	}
	counted := d.server.Counters()
	d.env.print("  %s came, %s downloaded, %s uploaded", octetsFor(received), plural(len(counted.Bodies), "message"), plural(counted.Verbs["APPEND"], "message"))
	return nil
}

// unsynced are the special uses that a sync leaves out unless it is told otherwise.
var unsynced = []string{`\Important`, `\Flagged`, `\Junk`, `\Trash`}

// compare compares both sides with eyes that share nothing with the sync.
func (d *demo) compare(context.Context) (err error) {
	account, err := imaptest.OpenAccount(d.server.Addr, d.server.User, d.server.Password)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, account.Close()) }()
	far, err := account.View()
	if err != nil {
		return err
	}
	near, err := d.tree.View()
	if err != nil {
		return err
	}
	left := func(mailbox string) bool {
		return slices.ContainsFunc(unsynced, func(use string) bool { return mailbox == d.server.Role(use) })
	}
	far.Mailboxes = slices.DeleteFunc(far.Mailboxes, left)
	far.Copies = slices.DeleteFunc(far.Copies, func(c imaptest.Copy) bool { return left(c.Mailbox) })
	if diff := imaptest.Diff(far, near); len(diff) > 0 {
		return fmt.Errorf("both sides differ: %s", strings.Join(diff, "; "))
	}
	d.env.print("\nBoth sides agree: %d messages, shown %d times in %d mailboxes, compared by content and flags\nby a part of this program that shares nothing with the sync.",
		len(far.Count()), len(far.Copies), len(far.Mailboxes))
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
