package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailtwin/imap"
	"mailtwin/imap/gmail"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
	"mailtwin/state"
	"mailtwin/syncer"
)

// A migration is one run of a migration.
type migration struct {
	env     *environment
	o       migrateOptions
	choice  choice
	account [2]*account // source and destination
	trace   *wire.TraceWriter
	teller  *teller
	state   string

	ledger   *state.DB
	traffic  [2]wire.Traffic // by syncer.Side, as what follows
	bytes    [2]*byteLedger
	mapping  *mapping
	leftOut  []mailbox.Name // at the source, with mail in them
	balances []syncer.Balance
	left     error // why it is not complete
}

// run copies, and counts afterwards.
func (m *migration) run(ctx context.Context) (report *syncer.Report, err error) {
	path := m.state
	if _, err := os.Lstat(path); m.o.dryRun && errors.Is(err, fs.ErrNotExist) {
		scratch, err := os.MkdirTemp("", "mailtwin-dry-run-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(scratch) }() // what is left is in the system's temporary directory
		path = filepath.Join(scratch, "state.db")
	}
	if m.ledger, err = state.Open(ctx, path, state.Options{}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.ledger.Close()) }()
	if err := m.sameMigration(ctx); err != nil {
		return nil, err
	}
	if err := m.openBytes(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(m.explain(err), m.closeBytes(ctx)) }()
	if err := m.spent(); err != nil {
		return nil, err
	}
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	var sides [2]*imap.Account
	for i, a := range m.account {
		options := m.env.imapOptions(a, m.trace, m.teller.note)
		options.Traffic, options.ReadOnly = &m.traffic[i], i == 0 || m.o.dryRun
		if sides[i], err = imap.Open(ctx, options); err != nil {
			return nil, fmt.Errorf("account %q: %w", a.name, err)
		}
		defer func() { err = errors.Join(err, sides[i].Close()) }()
		m.bytes[i].learn(sides[i].Has(gmail.Capability))
	}
	return m.copy(ctx, sides)
}

// settingRules are the rules for names, one a line: "--map" shows them in one.
const settingRules = "map rules"

// sameMigration makes sure that the state is that of these two accounts, and that mail goes where it went before: what was
// copied elsewhere would look removed there.
func (m *migration) sameMigration(ctx context.Context) error {
	was, err := m.ledger.Settings()
	if err != nil {
		return err
	}
	is := map[string]string{
		"source": m.account[0].source(), "destination": m.account[1].source(), "--map": strings.Join(m.o.maps, " "), "--labels": m.o.labels,
	}
	for _, key := range []string{"source", "destination", "--map", "--labels"} {
		before, told := was[key]
		if !told || before == is[key] {
			continue
		}
		renamed := false
		if key == "--map" {
			if renamed, err = m.rename(ctx, was); err != nil {
				return err
			}
		}
		if !renamed {
			return &otherMigration{changedError{state: m.state, key: key, was: before, is: is[key]}}
		}
	}
	if m.o.dryRun {
		return nil
	}
	is[settingRules] = strings.Join(m.o.maps, "\n")
	return m.ledger.PutSettings(is)
}

// rename lets mailboxes have other names of which nothing was copied yet, and forgets what is known of them. It returns
// false, and does nothing, if others would have another name, too.
func (m *migration) rename(ctx context.Context, was map[string]string) (bool, error) {
	lines, told := was[settingRules]
	if !told && was["--map"] != "" { // the state is of an earlier version
		return false, nil
	}
	var before []mapRule
	for line := range strings.SplitSeq(lines, "\n") {
		if rule, err := parseMapRule(line); err == nil {
			before = append(before, rule)
		}
	}
	twins, err := m.ledger.Mailboxes(ctx)
	if err != nil {
		return false, err
	}
	var updates []mailbox.Update
	for _, t := range twins {
		old, applied := ruled(before, t.Name)
		if to, applies := ruled(m.choice.rules, t.Name); to == old && applies == applied {
			continue
		}
		if copied, err := m.hasCopied(ctx, t.Name); copied || err != nil {
			return false, err
		}
		updates = append(updates, mailbox.Update{Mailbox: t.Name, Reset: true})
	}
	if m.o.dryRun || len(updates) == 0 {
		return true, nil
	}
	return true, m.ledger.Commit(ctx, updates...)
}

// hasCopied tells whether anything of a mailbox was copied, or found at the destination, or is on its way there.
func (m *migration) hasCopied(ctx context.Context, name mailbox.Name) (bool, error) {
	intents, err := m.ledger.Intents(ctx, name)
	if err != nil || len(intents) > 0 {
		return true, err
	}
	for pair, err := range m.ledger.Pairs(ctx, name) {
		if err != nil || pair.Far != "" && (pair.Near != "" || pair.Parked == mailbox.Kept) {
			return true, err
		}
	}
	return false, nil
}

// An otherMigration says that a migration of the same accounts was begun in another way.
type otherMigration struct{ changedError }

func (e *otherMigration) Error() string {
	return fmt.Sprintf("%s was %q when this migration began, and is %q now", e.key, e.was, e.is)
}

func (e *otherMigration) Unwrap() error { return &e.changedError }

func (e *otherMigration) hint(string) string {
	return fmt.Sprintf("nothing was changed. Go on as it began (only mailboxes of which nothing was copied yet may get another name); or move %s away, and the migration begins anew and recognises what is there already",
		show(e.state))
}

func (m *migration) copy(ctx context.Context, sides [2]*imap.Account) (*syncer.Report, error) {
	since, err := m.position()
	if err != nil {
		return nil, err
	}
	far, gmailFar := m.side(sides[0], gmail.Options{Ledger: m.ledger, Since: since})
	near, _ := m.side(sides[1], gmail.Options{Ledger: noLedger{}})
	unasked := func(name mailbox.Name) bool { return gmailFar != nil && gmailFar.Unasked(name) }
	infos, err := far.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	there, err := near.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	m.mapping = newMapping(infos, there, m.choice.rules)
	names, roles := []mailbox.Name{}, map[mailbox.Name]mailbox.Role{}
	for _, info := range infos {
		names, roles[info.Name] = append(names, info.Name), info.Role
	}
	patterns := chosen(m.account[0].Mailboxes, m.o.mailboxes)
	all := len(m.account[0].Mailboxes)+len(m.o.mailboxes) > 0
	options := syncer.Options{
		Direction: syncer.Transfer, DryRun: m.o.dryRun, AllowDelete: m.o.again, MaxDelete: m.account[1].most, Retry: m.o.retry, Events: m.teller,
		Budget: copyBudget(m.bytes), Now: m.env.clock,
		Choose: m.choice.chooses(), Once: sides[1].Has(gmail.Capability),
		OneCopy:   sides[0].Has(gmail.Capability) && m.o.labels == labelsFirst,
		Mailboxes: func(name mailbox.Name) bool { return patterns(name) && (all || !unasked(name)) },
		Before: func(a, b mailbox.Name) int {
			return cmp.Or(rank(a, roles[a])-rank(b, roles[b]), strings.Compare(string(a), string(b)))
		},
	}
	if !slices.ContainsFunc(names, options.Mailboxes) {
		return nil, &usageError{errors.New("no mailbox of the source has such a name; see mailboxes in the configuration, and --mailbox")}
	}
	m.leftOut = leftOut(infos, options.Mailboxes)
	as := syncer.NewAs(near, names, m.mapping.to)
	report, err := syncer.Run(ctx, far, as, m.ledger, options)
	tellLimit(m.teller, far)
	tellLimit(m.teller, near)
	err = errors.Join(m.held(err), m.end(err))
	if gmailFar != nil && (err == nil || errors.As(err, new(*syncer.QuotaError))) {
		err = errors.Join(err, m.keepPosition(gmailFar.Position(nil), report))
	}
	if err != nil || m.o.dryRun {
		return report, err
	}
	return report, m.count(ctx, sides, names, options, report)
}

// count counts both accounts anew, and finds out whether all is there.
func (m *migration) count(ctx context.Context, sides [2]*imap.Account, names []mailbox.Name, o syncer.Options, report *syncer.Report) (err error) {
	if err := m.mayCount(); err != nil {
		return err
	}
	far, _ := m.side(sides[0], gmail.Options{Ledger: m.ledger}) // which knows nothing of what was seen so far
	near, _ := m.side(sides[1], gmail.Options{Ledger: noLedger{}})
	m.balances, err = syncer.Reconcile(ctx, far, syncer.NewAs(near, names, m.mapping.to), m.ledger, o)
	if err != nil {
		return fmt.Errorf("count both accounts anew: %w", err)
	}
	m.left = m.verdict(report)
	return nil
}

// side is an account as the engine sees it; the second result is nil unless it is Gmail's.
func (m *migration) side(a *imap.Account, options gmail.Options) (syncer.Replica, *gmail.Account) {
	if !a.Has(gmail.Capability) {
		return farSide{a}, nil
	}
	options.Report, options.Identify = m.teller.note, true
	g := gmail.New(a, options)
	return gmailSide{g}, g
}

// settingChosen is which mailboxes the configuration chose when settingGmail was put down.
const settingChosen = "gmail mailboxes"

// position is how far a source at Gmail is known; nothing if that does not hold for the mailboxes that are chosen now.
func (m *migration) position() (string, error) {
	settings, err := m.ledger.Settings()
	if err != nil || len(m.o.mailboxes) > 0 || settings[settingChosen] != strings.Join(m.account[0].Mailboxes, "\n") {
		return "", err
	}
	return settings[settingGmail], nil
}

// keepPosition remembers how far a source at Gmail is known, if nothing was left undone of what happened there.
func (m *migration) keepPosition(position string, report *syncer.Report) error {
	if m.o.dryRun || !report.Settled || len(m.o.mailboxes) > 0 {
		return nil
	}
	return m.ledger.PutSettings(map[string]string{settingGmail: position, settingChosen: strings.Join(m.account[0].Mailboxes, "\n")})
}

// rank orders mailboxes: what has several labels goes where its owner looks for it first, and into the archive last.
func rank(name mailbox.Name, role mailbox.Role) int {
	order := []mailbox.Role{"Sent", "Drafts", "", "Archive", "Junk", mailbox.RoleTrash, "Flagged", "Important", "All"}
	if name == mailbox.Inbox {
		return -1
	}
	if i := slices.Index(order, role); i >= 0 {
		return i
	}
	return slices.Index(order, "")
}

// noLedger is the ledger of a Gmail account of which nothing is known.
type noLedger struct{}

func (noLedger) Mailboxes(context.Context) ([]mailbox.Twin, error) { return nil, nil }

func (noLedger) ByHint(context.Context, mailbox.Hint) iter.Seq2[mailbox.Located, error] {
	return func(func(mailbox.Located, error) bool) {}
}

// verdict is nil if all that the migration is about is at the destination.
func (m *migration) verdict(report *syncer.Report) error {
	missing := 0
	for _, b := range m.balances {
		missing += len(b.Missing)
	}
	if missing > 0 {
		return errors.Join(fmt.Errorf("not complete: %s left behind", plural(missing, "message")), leftBehind(report))
	}
	return leftBehind(report)
}

// A heldMigration is a brake that stopped a migration.
type heldMigration struct {
	error
	from, to, state string
}

func (e *heldMigration) Unwrap() error { return e.error }

func (e *heldMigration) hint(string) string {
	return fmt.Sprintf("nothing was changed. Was it removed in %s on purpose? To go on without that mail: mailtwin migrate --again %s %s. "+
		"To have it copied again, move %s away, and the migration begins anew and recognises what is there (max_delete of %s is the limit)",
		show(e.to), show(e.from), show(e.to), show(e.state), show(e.to))
}

// held tells of a brake in the words of a migration.
func (m *migration) held(err error) error {
	if errors.As(err, new(*syncer.BrakeError)) {
		return &heldMigration{err, m.account[0].name, m.account[1].name, m.state}
	}
	return err
}
