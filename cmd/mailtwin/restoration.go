package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mailtwin/imap"
	"mailtwin/imap/gmail"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/state"
	"mailtwin/syncer"
)

// A restoration is one run of a restore. What it did is in no state: what the server has is recognised each time.
type restoration struct {
	env       *environment
	o         restoreOptions
	selection selection
	account   *account
	trace     *wire.TraceWriter
	teller    *teller

	ledger  *state.DB      // of the account; nil if it has none
	infos   []mailbox.Info // of all sources
	unseen  error          // which mailboxes are not looked at
	bytes   *byteLedger
	near    *imap.Account
	mapping *mapping
	spelt   map[mailbox.Name]mailbox.Name // mailboxes whose names another program wrote down in its own way
	report  *syncer.Report
}

func (r *restoration) run(ctx context.Context) (err error) {
	release, err := r.hold(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	sources, err := r.sources(ctx)
	if err != nil {
		return err
	}
	if sources, err = r.look(ctx, sources); err != nil {
		return err
	}
	closeBytes, err := r.openBytes(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(r.explain(err), closeBytes()) }()
	if err := r.spent(); err != nil {
		return err
	}
	if err := r.letUploadsEnd(ctx); err != nil {
		return err
	}
	options := r.env.imapOptions(r.account, r.trace, r.teller.note)
	options.Traffic, options.ReadOnly = &r.teller.traffic, r.o.dryRun
	if r.near, err = imap.Open(ctx, options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.near.Close()) }()
	r.bytes.learn(r.near.Has(gmail.Capability))
	for _, s := range sources {
		report, err := r.bring(ctx, s)
		if r.report != nil && report != nil {
			report.Include(r.report)
		}
		if report != nil {
			r.report = report
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(r.selection.found(), r.unseen)
}

// bring uploads what the server lacks of one Maildir.
func (r *restoration) bring(ctx context.Context, s source) (report *syncer.Report, err error) {
	tree, err := maildir.Open(maildir.Options{Root: s.root, Layout: s.layout})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	scratch, err := r.scratch()
	if err != nil {
		return nil, err
	}
	defer func() {
		if r.o.dryRun || ended(err) {
			err = errors.Join(err, os.RemoveAll(scratch))
		}
	}()
	ledger, err := state.Open(ctx, filepath.Join(scratch, scratchState), state.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	var near syncer.Replica = farSide{r.near}
	if r.near.Has(gmail.Capability) {
		near = gmailSide{gmail.New(r.near, gmail.Options{Ledger: noLedger{}, Report: r.teller.note, Identify: true})}
	}
	infos, err := tree.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	there, err := near.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	if r.mapping = newMapping(r.infos, there, r.selection.rules); r.o.from == "" {
		r.mapping.special = nil // its mailboxes have the server's own names
	} else {
		r.spelt = spelt(there, infos)
	}
	names := make([]mailbox.Name, len(infos))
	for i, info := range infos {
		names[i] = info.Name
	}
	patterns := mailbox.Patterns(r.o.mailboxes)
	defer tellLimit(r.teller, near)
	var from syncer.Replica = nearSide{tree}
	if r.o.from == "" {
		from = datedSide{nearSide{tree}, r.ledger}
	}
	return syncer.Run(ctx, from, syncer.NewAs(near, names, r.to), ledger, syncer.Options{
		Direction: syncer.Transfer, AsFound: true, DryRun: r.o.dryRun, Events: r.teller, Mailboxes: patterns.Match,
		Choose: r.selection.chooses(s.among), Once: r.near.Has(gmail.Capability), Listed: r.list, Workers: r.near.Parallel(),
		Budget: restoreBudget{r.bytes}, Now: r.env.clock, MaxDelete: 100, // its owner may undo what one brought that was killed
	})
}

// to is what the server calls a mailbox of the Maildir.
func (r *restoration) to(name mailbox.Name) mailbox.Name {
	if other, ok := r.spelt[name]; ok {
		name = other
	}
	to := r.mapping.to(name)
	if r.o.to == "" {
		return to
	}
	return mailbox.Name(strings.TrimSuffix(r.o.to, "/")) + "/" + to
}

// spelt finds the names that mailboxes of a Maildir that another program made have on a server, or would have.
func spelt(there, here []mailbox.Info) map[mailbox.Name]mailbox.Name {
	server, local := map[mailbox.Name]mailbox.Info{}, map[mailbox.Name]mailbox.Info{}
	for _, info := range there {
		server[info.Name] = info
	}
	for _, info := range here {
		local[info.Name] = info
	}
	names := syncer.Misspelt(server, local)
	for name := range local {
		plain := mailbox.Name(readable(string(name)))
		_, taken := local[plain]
		if _, known := server[name]; !known && !taken && names[name] == "" {
			names[name] = plain
		}
	}
	return names
}

// list tells of one message that would be brought back.
func (r *restoration) list(name mailbox.Name, a syncer.Arrival) {
	id := "no Message-ID"
	if a.Evidence != nil && a.Evidence.Content.MessageID != "" {
		id = a.Evidence.Content.MessageID
	}
	day := time.Unix(a.Date, 0).Format("2006-01-02 15:04")
	if r.o.json {
		r.teller.event("message", map[string]any{
			"mailbox": string(name), "destination": string(r.to(name)), "file": string(a.ID), "date": day, "bytes": a.Size, "message_id": id,
		})
		return
	}
	if !r.o.quiet {
		r.env.print("%s: %s  %9s  %s", show(string(r.to(name))), day, octetsFor(a.Size), show(id))
	}
}

// finish tells what came of it.
func (r *restoration) finish(err error) error {
	report := r.report
	if report == nil {
		report = &syncer.Report{}
	}
	left := leftBehind(report)
	if err == nil && !r.o.dryRun {
		err = left
	}
	t := r.teller
	total := report.Total()
	if r.o.json {
		fields := map[string]any{
			"restored": total.Downloaded + total.Copied[syncer.Near], "restored_bytes": total.DownloadedSize, "there_already": total.Adopted,
			"problems": len(report.Problems), "dry_run": r.o.dryRun,
		}
		t.outcome(fields, err)
		t.event("summary", fields)
		return err
	}
	t.bar.aside(func() {
		t.more()
		if did := total.Downloaded + total.Copied[syncer.Near] + total.Adopted; !r.o.quiet && (err == nil || did > 0) {
			r.tell(report, total)
		}
		if err != nil {
			for _, e := range each(err) {
				t.env.complain(t.account, t.inWords(e))
			}
		}
	})
	return err
}

func (r *restoration) tell(report *syncer.Report, total syncer.Counts) {
	if r.o.dryRun {
		r.env.print("%s to bring back, %s; %d there already", r.messages(total), octetsFor(total.DownloadedSize), total.Adopted)
		return
	}
	for _, c := range report.Mailboxes {
		if n := c.Downloaded + c.Copied[syncer.Near]; n > 0 {
			r.env.print("%s: %d brought back", show(string(r.to(c.Mailbox))), n)
		}
	}
	r.env.print("%s brought back, %d there already", r.messages(total), total.Adopted)
}

// messages says how many are uploaded, and into how many further mailboxes the server copies them.
func (r *restoration) messages(total syncer.Counts) string {
	text := plural(total.Downloaded, "message")
	if n := total.Copied[syncer.Near]; n > 0 {
		text += fmt.Sprintf(" (and %s on the server)", plural(n, "further place"))
	}
	return text
}
