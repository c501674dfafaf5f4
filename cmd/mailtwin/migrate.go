package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

type migrateOptions struct {
	common
	dryRun    bool
	retry     bool
	again     bool
	mailboxes []string
	maps      []string
	since     string
	maxSize   string
	labels    string
	debugIMAP string
}

func migrateCommand(env *environment) *cobra.Command {
	o := &migrateOptions{}
	cmd := &cobra.Command{
		Use:   "migrate SOURCE DESTINATION",
		Short: "Copy an account to another server",
		Long: `Migrate copies the mail of one account to another one, both of which the configuration has. Nothing
lies on this computer but a state of what was copied. The source is only read. At the destination
nothing is removed, and what is there already is recognised and not doubled.

It may be stopped at any moment. Run again it goes on, and copies what is new. At the end both servers
are counted anew, and "complete" is said only if that adds up.

` + exitStatuses,
		Example: `  mailtwin migrate --dry-run old new                  # what would be copied?
  mailtwin migrate old new                            # do it
  mailtwin migrate --map 'Old/*=Archive/*' old new    # under other names`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return &usageError{errors.New("migrate needs two accounts: mailtwin migrate SOURCE DESTINATION")}
			}
			return nil
		},
		ValidArgsFunction: env.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runMigrate(cmd.Context(), *o, args[0], args[1], env)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "tell what would be copied, and how long that takes at least")
	f.BoolVar(&o.retry, "retry", false, "try now what was refused before, instead of when its time comes")
	f.BoolVar(&o.again, "again", false, "go on although much of what was copied is gone at the destination; it is not copied again")
	f.StringArrayVarP(&o.mailboxes, "mailbox", "m", nil, "only these mailboxes of the source: a `pattern` as in the configuration; may be given again")
	f.StringArrayVar(&o.maps, "map", nil, "a `rule` for names, OLD=NEW, with a \"*\" for any text on both sides; may be given again")
	f.StringVar(&o.since, "since", "", "only messages that arrived on this `day` or later, as 2006-01-02")
	f.StringVar(&o.maxSize, "max-size", "", "only messages up to this `size`, as 20MB")
	f.StringVar(&o.labels, "labels", labelsFirst, "from Gmail: \"first\" copies a message into one mailbox, \"each\" into one for each of its labels")
	f.StringVar(&o.debugIMAP, "debug-imap", "", "write what goes over the wires to this `file`, without passwords")
	return cmd
}

// What becomes of a message that has several labels.
const (
	labelsFirst = "first"
	labelsEach  = "each"
)

// A choice is which messages a run is about.
type choice struct {
	rules []mapRule
	since time.Time // arrived then or later; zero is any
	most  int64     // octets; 0 is any
}

func (o migrateOptions) choice() (c choice, err error) {
	if err := mailbox.Patterns(o.mailboxes).Check(); err != nil {
		return c, fmt.Errorf("--mailbox: %w", err)
	}
	for _, text := range o.maps {
		rule, err := parseMapRule(text)
		if err != nil {
			return c, fmt.Errorf("--map: %w", err)
		}
		c.rules = append(c.rules, rule)
	}
	if o.since != "" {
		if c.since, err = readDay(o.since); err != nil {
			return c, fmt.Errorf("--since: %w", err)
		}
	}
	if o.maxSize != "" {
		n, ok := readOctets(o.maxSize)
		if !ok {
			return c, fmt.Errorf("--max-size is a size as 20MB, not %q", o.maxSize)
		}
		c.most = n
	}
	if o.labels != labelsFirst && o.labels != labelsEach {
		return c, fmt.Errorf(`--labels is "first" or "each", not %q`, o.labels)
	}
	return c, nil
}

// readDay reads a day, which begins at midnight here.
func readDay(text string) (time.Time, error) {
	day, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err != nil {
		return day, fmt.Errorf("a day is written as 2006-01-02, not %q", text)
	}
	return day, nil
}

// chooses tells whether a message is among those, by its date and size; nil if all are.
func (c choice) chooses() func(mailbox.Name, syncer.Arrival) bool {
	if c.since.IsZero() && c.most == 0 {
		return nil
	}
	return func(_ mailbox.Name, a syncer.Arrival) bool {
		return (c.since.IsZero() || a.Date >= c.since.Unix()) && (c.most == 0 || a.Size <= c.most)
	}
}

func runMigrate(ctx context.Context, o migrateOptions, from, to string, env *environment) (err error) {
	chosen, err := o.choice()
	if err != nil {
		return &usageError{err}
	}
	if from == to {
		return &usageError{errors.New("the two accounts are one and the same")}
	}
	c, err := env.loadConfig(o.config)
	if err != nil {
		return err
	}
	accounts, err := c.named([]string{from, to})
	if err != nil {
		return err
	}
	if accounts[0].source() == accounts[1].source() && portText(accounts[0]) == portText(accounts[1]) {
		return &usageError{fmt.Errorf("%s and %s are the same account: %s", from, to, accounts[0].source())}
	}
	trace, closeTrace, err := openTrace(o.debugIMAP)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTrace()) }()
	bar := env.progress(o.common)
	defer bar.stop()
	both := from + " to " + to
	t := env.teller(o.common, both, o.dryRun, bar)
	t.wording = strings.NewReplacer(
		"on the far side", "in "+from, "on the near side", "in "+to, "the far side", from, "the near side", to, "download: ", "",
		"a sync after that", "a run after that",
		"; rename the mailbox", giveName, "; rename it", giveName, "mailtwin sync --retry "+both, "mailtwin migrate --retry "+from+" "+to,
		"mailtwin sync --allow-delete "+both, "mailtwin migrate --again "+from+" "+to,
	)
	m := &migration{env: env, o: o, choice: chosen, account: [2]*account{accounts[0], accounts[1]}, trace: trace, teller: t}
	m.state = filepath.Join(env.stateHome(), "mailtwin", fmt.Sprintf("%s-to-%s.migration.db", from, to))
	report, err := m.run(ctx)
	err = stoppedBy(ctx, err)
	m.finish(report, err)
	if err == nil && !o.dryRun {
		err = m.left
	}
	if err != nil {
		return &reported{err}
	}
	return nil
}

// portText is the port of an account, as far as the configuration names one.
func portText(a *account) string {
	if a.Port == nil {
		return a.TLS
	}
	return strconv.Itoa(*a.Port)
}
