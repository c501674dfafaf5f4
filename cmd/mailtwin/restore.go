package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

type restoreOptions struct {
	common
	dryRun     bool
	from       string
	to         string
	mailboxes  []string
	maps       []string
	since      string
	before     string
	vanished   string
	messageIDs []string
	debugIMAP  string
}

func restoreCommand(env *environment) *cobra.Command {
	o := &restoreOptions{}
	cmd := &cobra.Command{
		Use:   "restore ACCOUNT",
		Short: "Bring mail of a Maildir back to a server",
		Long: `Restore uploads mail to an account: that of its own Maildir, or of any other, whoever made it. It
brings flags, keywords and dates along, and puts messages into the mailboxes that they lie in here.
What the server has already is recognised and not doubled, so that a restore may be stopped and run
again. Nothing is changed in the Maildir, and nothing is removed on the server.

` + exitStatuses,
		Example: `  mailtwin restore --dry-run work                              # what is missing there?
  mailtwin restore --vanished-since 2026-11-20 work            # what a backup kept since
  mailtwin restore --from ~/old/Mail --to Restored work        # another Maildir, below a mailbox
  mailtwin restore --message-id '<1234@example.org>' work      # one message`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{errors.New("restore needs the account to bring mail to: mailtwin restore ACCOUNT")}
			}
			return nil
		},
		ValidArgsFunction: env.completeAccounts,
		RunE:              func(cmd *cobra.Command, args []string) error { return runRestore(cmd.Context(), *o, args[0], env) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "list what would be brought back, and change nothing")
	f.StringVar(&o.from, "from", "", "the `Maildir` to take mail from (default: that of the account)")
	f.StringVar(&o.to, "to", "", "put all of it below this `mailbox`")
	f.StringArrayVarP(&o.mailboxes, "mailbox", "m", nil, "only these mailboxes of the Maildir: a `pattern` as in the configuration; may be given again")
	f.StringArrayVar(&o.maps, "map", nil, "a `rule` for names, OLD=NEW, with a \"*\" for any text on both sides; may be given again")
	f.StringVar(&o.since, "since", "", "only messages that arrived on this `day` or later, as 2006-01-02")
	f.StringVar(&o.before, "before", "", "only messages that arrived before this `day`")
	f.StringArrayVar(&o.messageIDs, "message-id", nil, "only messages with this `Message-ID`; may be given again")
	f.StringVar(&o.vanished, "vanished-since", "", "only messages that vanished on the server on this `day` or later: what a backup kept, and what the attic has")
	f.StringVar(&o.debugIMAP, "debug-imap", "", "write what goes over the wire to this `file`, without passwords")
	return cmd
}

// A selection is what a restore brings back.
type selection struct {
	rules    []mapRule
	since    time.Time // zero is any
	before   time.Time // zero is any
	vanished time.Time // zero is all mail, vanished or not
	ids      []string  // Message-IDs; none is any
	seen     *sync.Map // those of them that were found
}

func (o restoreOptions) selection() (s selection, err error) {
	s.seen = &sync.Map{}
	if err := mailbox.Patterns(o.mailboxes).Check(); err != nil {
		return s, fmt.Errorf("--mailbox: %w", err)
	}
	for _, text := range o.maps {
		rule, err := parseMapRule(text)
		if err != nil {
			return s, fmt.Errorf("--map: %w", err)
		}
		s.rules = append(s.rules, rule)
	}
	for _, day := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", o.since, &s.since}, {"before", o.before, &s.before}, {"vanished-since", o.vanished, &s.vanished}} {
		if day.text == "" {
			continue
		}
		if *day.to, err = readDay(day.text); err != nil {
			return s, fmt.Errorf("--%s: %w", day.flag, err)
		}
	}
	for _, id := range o.messageIDs {
		s.ids = append(s.ids, strings.Trim(strings.TrimSpace(id), "<>"))
	}
	if !s.vanished.IsZero() && o.from != "" {
		return s, errors.New("--vanished-since is about the account's own Maildir, so that --from makes no sense with it")
	}
	return s, nil
}

// chooses tells whether a message is among those. among, if not nil, are the only files that are.
func (s selection) chooses(among map[mailbox.Place]bool) func(mailbox.Name, syncer.Arrival) bool {
	return func(name mailbox.Name, a syncer.Arrival) bool {
		switch {
		case !s.since.IsZero() && a.Date < s.since.Unix(), !s.before.IsZero() && a.Date >= s.before.Unix():
			return false
		case among != nil && !among[mailbox.Place{Mailbox: name, ID: a.ID}]:
			return false
		case len(s.ids) == 0:
			return true
		}
		if a.Evidence == nil {
			return false
		}
		id := strings.Trim(a.Evidence.Content.MessageID, "<>")
		chosen := slices.Contains(s.ids, id)
		if chosen {
			s.seen.Store(id, true)
		}
		return chosen
	}
}

// found is an error if a message that was asked for is not there.
func (s selection) found() error {
	var missing []string
	for _, id := range s.ids {
		if _, ok := s.seen.Load(id); !ok {
			missing = append(missing, show(id))
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("no message that was chosen from has the Message-ID %s", strings.Join(missing, ", nor "))
}

func runRestore(ctx context.Context, o restoreOptions, name string, env *environment) (err error) {
	selected, err := o.selection()
	if err != nil {
		return &usageError{err}
	}
	c, err := env.loadConfig(o.config)
	if err != nil {
		return err
	}
	accounts, err := c.named([]string{name})
	if err != nil {
		return err
	}
	if o.from == "" && accounts[0].Maildir == "" {
		return &usageError{c.wrong(accounts[0], "maildir", "is missing; name the Maildir to take mail from with --from")}
	}
	trace, closeTrace, err := openTrace(o.debugIMAP)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTrace()) }()
	bar := env.progress(o.common)
	defer bar.stop()
	t := env.teller(o.common, name, o.dryRun, bar)
	t.wording = strings.NewReplacer(
		"on the far side", "in the Maildir", "on the near side", "on the server", "the far side", "the Maildir", "the near side", "the server",
		"download: ", "upload: ", "; rename the mailbox", giveName, "; rename it", giveName,
	)
	r := &restoration{env: env, o: o, selection: selected, account: accounts[0], trace: trace, teller: t}
	err = stoppedBy(ctx, r.run(ctx))
	if err = r.finish(err); err != nil {
		return &reported{err}
	}
	return nil
}
