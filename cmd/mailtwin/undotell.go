package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mailtwin/mailbox"
	"mailtwin/undo"
)

// tellPlan shows what an undo is about to do.
func (u *undoing) tellPlan(p *undo.Plan) {
	switch {
	case u.o.json:
		u.teller.event("plan", planJSON(p))
		return
	case u.o.quiet:
		return
	}
	name := show(u.account.name)
	for _, line := range planLines(p) {
		u.env.print("%s: %s", name, line)
	}
	if words := countWords(added(p)); words != "" {
		u.env.print("%s: what came with run %d stays: %s", name, p.Run, words)
	}
	for _, line := range leftLines(p) {
		u.env.print("%s: %s", name, line)
	}
	switch {
	case p.Unsynced && p.Steps() == 0:
		u.env.print("%s: what was put back is to be synced", name)
	case p.Empty() && p.Settled > 0:
		u.env.print("%s: nothing to undo: all that can be is as it was before run %d", name, p.Run)
	case p.Empty():
		u.env.print("%s: nothing to undo in run %d", name, p.Run)
	}
	if u.o.dryRun && !p.Empty() {
		u.env.print("%s: dry run, nothing was changed", name)
	}
}

// tellEnd says what came of it.
func (u *undoing) tellEnd() {
	if u.o.json {
		u.teller.event("undone", map[string]any{"run": u.run, "undone": u.last.Steps() == 0, "not_done": u.last.Steps(), "left_alone": len(u.last.Left)})
		return
	}
	if u.o.quiet {
		return
	}
	news := *u.last
	news.Left = slices.DeleteFunc(slices.Clone(news.Left), func(l undo.Left) bool { return slices.Contains(u.shown.Left, l) })
	for _, line := range leftLines(&news) {
		u.env.print("%s: %s", show(u.account.name), line)
	}
	if u.last.Steps() > 0 {
		return
	}
	but := ""
	if n := len(u.last.Left); n > 0 {
		but = fmt.Sprintf(" but for %s that %s left alone", plural(n, "change"), map[bool]string{true: "was", false: "were"}[n == 1])
	}
	if countWords(added(u.last)) != "" {
		but += "; what came with it stays"
	}
	u.env.print("%s: run %d is undone%s", show(u.account.name), u.run, but)
}

// added is what the run of a plan brought back, if that was an undo: to undo it takes nothing away again. What a sync
// brought into the Trash an undo may move.
func added(p *undo.Plan) mailbox.Outcome {
	if !strings.HasPrefix(p.Record.Command, "undo ") {
		return mailbox.Outcome{}
	}
	came := mailbox.Outcome{Downloaded: p.Record.Downloaded, Uploaded: p.Record.Uploaded}
	for _, c := range p.Record.Mailboxes {
		came.Mailboxes = append(came.Mailboxes, mailbox.Counts{
			Mailbox: c.Mailbox, Downloaded: c.Downloaded, Uploaded: c.Uploaded, Copied: c.Copied, Created: c.Created,
		})
	}
	return came
}

// planLines says what a plan does: a line for each mailbox.
func planLines(p *undo.Plan) []string {
	var lines []string
	for _, name := range p.Create {
		lines = append(lines, fmt.Sprintf("%s: mailbox to make again", show(string(name))))
	}
	steps := stepsByMailbox(p)
	for _, name := range slices.Sorted(maps.Keys(steps)) {
		lines = append(lines, fmt.Sprintf("%s: %s", show(string(name)), strings.Join(steps[name].words(), ", ")))
	}
	for _, r := range p.Rename {
		lines = append(lines, fmt.Sprintf("%s: to be renamed to %s again", show(string(r.From)), show(string(r.To))))
	}
	return lines
}

// What a plan does in one mailbox, by kind, in the order in which it is told.
const (
	putBack   = "to put back from the attic"
	moveBack  = "to move back from "
	copyBack  = "to copy back from "
	moveThere = "to move back on the server from "
	follow    = "to put back as soon as they are on the server again"
	flagBack  = "to flag as before"
	download  = "to download again"
)

// stepCounts counts the messages of one mailbox by what is to be done with them.
type stepCounts map[string]int

func stepsByMailbox(p *undo.Plan) map[mailbox.Name]stepCounts {
	all := map[mailbox.Name]stepCounts{}
	add := func(name mailbox.Name, what string) {
		if all[name] == nil {
			all[name] = stepCounts{}
		}
		all[name][what]++
	}
	for _, r := range p.Return {
		switch {
		case r.From.Day != "":
			add(r.To, putBack)
		case r.Stay:
			add(r.To, copyBack+show(string(r.From.Mailbox)))
		default:
			add(r.To, moveBack+show(string(r.From.Mailbox)))
		}
	}
	for _, f := range p.Flags {
		add(f.Mailbox, flagBack)
	}
	for _, r := range p.Recall {
		add(r.To, moveThere+show(string(r.From.Mailbox)))
	}
	for _, c := range p.Follow {
		add(c.Mailbox, follow)
	}
	for _, w := range p.Download {
		add(w.Mailbox, download)
	}
	return all
}

func (s stepCounts) words() []string {
	var words []string
	for _, kind := range []string{putBack, moveBack, copyBack, moveThere, follow, flagBack, download} {
		for _, what := range slices.Sorted(maps.Keys(s)) {
			if strings.HasPrefix(what, kind) {
				words = append(words, fmt.Sprintf("%d %s", s[what], what))
			}
		}
	}
	return words
}

// leftLines says what is left alone, and why. Of many alike, a few are told one by one.
func leftLines(p *undo.Plan) []string {
	type alike struct {
		name   mailbox.Name
		reason string
	}
	groups := map[alike][]mailbox.Change{}
	var order []alike
	for _, l := range p.Left {
		key := alike{l.Mailbox, l.Reason}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], l.Change)
	}
	var lines []string
	for _, key := range order {
		changes := groups[key]
		lines = append(lines, fmt.Sprintf("%s: %d left alone: %s", show(string(key.name)), len(changes), showLong(key.reason)))
		for i, c := range changes {
			if i == shownAlike {
				lines = append(lines, fmt.Sprintf("  and %d more; mailtwin history %d lists them", len(changes)-i, p.Run))
				break
			}
			if c.Kind != mailbox.MailboxRemoved && c.Kind != mailbox.MailboxRenamed {
				lines = append(lines, "  "+nameOf(c))
			}
		}
	}
	return lines
}

// nameOf names a message that cannot be read.
func nameOf(c mailbox.Change) string {
	if c.Pair.Far == "" || c.Pair.InternalDate.IsZero() {
		return "message " + show(string(c.Pair.Near))
	}
	return fmt.Sprintf("message %s of %s, %s", show(string(c.Pair.Far)), c.Pair.InternalDate.Local().Format(time.DateOnly), octetsFor(c.Pair.Size))
}

// planJSON is the plan for programs.
func planJSON(p *undo.Plan) map[string]any {
	created, renamed, left := []string{}, []map[string]string{}, []map[string]any{}
	for _, name := range p.Create {
		created = append(created, string(name))
	}
	for _, r := range p.Rename {
		renamed = append(renamed, map[string]string{"from": string(r.From), "to": string(r.To)})
	}
	for _, l := range p.Left {
		fields := changeFields(l.Change)
		fields["reason"], fields["lost"] = l.Reason, l.Lost
		left = append(left, fields)
	}
	mailboxes := []map[string]any{}
	steps := stepsByMailbox(p)
	for _, name := range slices.Sorted(maps.Keys(steps)) {
		of := func(kinds ...string) (n int) {
			for what, count := range steps[name] {
				if slices.ContainsFunc(kinds, func(kind string) bool { return strings.HasPrefix(what, kind) }) {
					n += count
				}
			}
			return n
		}
		mailboxes = append(mailboxes, map[string]any{
			"mailbox": string(name), "put_back": of(putBack), "moved_back": of(moveBack), "copied_back": of(copyBack, follow),
			"moved_back_on_server": of(moveThere), "flagged": of(flagBack), "downloaded": of(download),
		})
	}
	return map[string]any{
		"run": p.Run, "mailboxes": mailboxes, "stays": countWords(added(p)), "created": created, "renamed": renamed, "left_alone": left, "settled": p.Settled,
	}
}
