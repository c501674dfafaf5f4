package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// finish tells what came of it.
func (m *migration) finish(report *syncer.Report, err error) {
	if report == nil {
		report = &syncer.Report{}
	}
	t := m.teller
	if t.o.json {
		m.finishJSON(report, err)
		return
	}
	t.bar.aside(func() {
		t.more()
		if !t.o.quiet && !errors.As(err, new(*syncer.BrakeError)) { // that stopped it before it had a plan
			m.tell(report)
		}
		if err == nil {
			err = m.left
		}
		if err == nil {
			return
		}
		for _, e := range each(err) {
			t.env.complain(t.account, t.inWords(e))
		}
	})
}

func (m *migration) tell(report *syncer.Report) {
	if m.o.dryRun && m.mapping != nil {
		m.tellPlan(report)
		return
	}
	if m.balances == nil {
		if total := report.Total(); total.Downloaded > 0 {
			m.env.print("%s copied, %s; not counted on both servers yet", plural(total.Downloaded, "message"), octetsFor(total.DownloadedSize))
		}
		return
	}
	counts := byName(report)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "found\tcopied\tthere already\tleft out\tleft behind\t  mailbox")
	var sum [5]int
	for _, b := range m.balances {
		row := m.row(b, counts[b.Mailbox])
		for i, n := range row {
			sum[i] += n
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t  %s\n", row[0], row[1], row[2], row[3], row[4], m.names(b.Mailbox))
	}
	fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t  %s\n", sum[0], sum[1], sum[2], sum[3], sum[4], plural(len(m.balances), "mailbox"))
	_ = w.Flush() // a Builder takes everything
	m.env.print("%s", strings.TrimSuffix(table.String(), "\n"))
	m.tellMissing()
	if m.left == nil {
		m.env.print("complete: %s has what %s has%s, as counted on both servers", show(m.account[1].name), show(m.account[0].name), m.butFor())
	}
}

// butFor is what a complete migration does without.
func (m *migration) butFor() string {
	removed, notChosen := m.without()
	var but []string
	if removed > 0 {
		but = append(but, plural(removed, "message")+" removed there since")
	}
	if notChosen > 0 {
		but = append(but, plural(notChosen, "message")+" not asked for")
	}
	if n := len(m.leftOut); n > 0 {
		but = append(but, fmt.Sprintf("%s left out (%s)", plural(n, "mailbox"), aFew(m.leftOut)))
	}
	if len(but) == 0 {
		return ""
	}
	return " but for " + strings.Join(but, " and ")
}

// without counts the messages of the chosen mailboxes that the destination is to be without.
func (m *migration) without() (removed, notChosen int) {
	for _, b := range m.balances {
		removed, notChosen = removed+b.Removed, notChosen+b.NotChosen
	}
	return removed, notChosen
}

// leftOut are the mailboxes with mail that are not chosen, but for those that only show what lies in others.
func leftOut(infos []mailbox.Info, chosen func(mailbox.Name) bool) []mailbox.Name {
	var names []mailbox.Name
	for _, info := range infos {
		shows := info.Role == mailbox.RoleFlagged || info.Role == "Important"
		if !info.NoSelect && info.Messages != 0 && !shows && !chosen(info.Name) {
			names = append(names, info.Name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// aFew lists some names, and how many more there are.
func aFew[T ~string](all []T) string {
	few := all[:min(len(all), shownAlike)]
	words := make([]string, len(few))
	for i, one := range few {
		words[i] = show(string(one))
	}
	text := strings.Join(words, ", ")
	if n := len(all) - len(few); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// row is what is told of a mailbox: found, copied now, there before, left out on purpose, left behind.
func (m *migration) row(b syncer.Balance, c *syncer.Counts) [5]int {
	copied := 0
	if c != nil {
		copied = c.Downloaded + c.Copied[syncer.Near] + c.Moved[syncer.Near]
	}
	copied = min(copied, b.There)
	return [5]int{b.Found, copied, b.There - copied, b.NotChosen + b.Removed + b.Elsewhere, len(b.Missing)}
}

// names is a mailbox by its name at the source, and by the other one if that differs.
func (m *migration) names(name mailbox.Name) string {
	if to := m.mapping.to(name); to != name {
		return show(string(name)) + " -> " + show(string(to))
	}
	return show(string(name))
}

// whyMissing tells why a message is left behind, in the users' words or the server's.
func (m *migration) whyMissing(one syncer.Missing) string {
	switch {
	case one.Kind == syncer.Unseen:
		return "arrived meanwhile; run again"
	case one.Kind == syncer.Lost:
		return "not found at the destination although it was stored there"
	case one.Reason != "":
		return show(m.teller.wording.Replace(one.Reason))
	}
	return "not copied yet; run again"
}

// tellMissing names what is left behind, a few of each kind.
func (m *migration) tellMissing() {
	for _, b := range m.balances {
		byReason := map[string][]mailbox.ID{}
		for id, one := range b.Missing {
			why := m.whyMissing(one)
			byReason[why] = append(byReason[why], id)
		}
		for _, why := range slices.Sorted(maps.Keys(byReason)) {
			ids := slices.Sorted(slices.Values(byReason[why]))
			m.env.print("%s: UID %s: %s", show(string(b.Mailbox)), aFew(ids), why)
		}
	}
}

// tellPlan tells what would be copied, and how many days that takes where a provider allows only so much a day.
func (m *migration) tellPlan(report *syncer.Report) {
	total := report.Total()
	for _, c := range report.Mailboxes {
		if c.Idle() && c.NotChosen == 0 {
			continue
		}
		var parts []string
		say := func(n int, words string) {
			if n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, words))
			}
		}
		if c.Created[syncer.Near] {
			parts = append(parts, "new mailbox")
		}
		say(c.Downloaded, "to copy")
		say(c.Copied[syncer.Near], "to copy within the destination")
		say(c.Moved[syncer.Near], "to move within the destination")
		say(c.Adopted, "there already")
		say(c.Flagged[syncer.Near], "to flag")
		say(c.NotChosen, "left out")
		m.env.print("%s: %s", m.names(c.Mailbox), strings.Join(parts, ", "))
	}
	m.env.print("%s to copy, %s", plural(total.Downloaded, "message"), octetsFor(total.DownloadedSize))
	if days, slower := m.quotaPlan(total.Downloaded, total.DownloadedSize); slower != nil {
		m.env.print("that takes at least %s: %s, and transfers stop at %d %% of that", plural(int(days), "day"), slower, transferShare)
	}
	if n := len(m.leftOut); n > 0 {
		m.env.print("%s left out: %s", plural(n, "mailbox"), aFew(m.leftOut))
	}
	m.env.print("dry run, nothing was changed")
}

func byName(report *syncer.Report) map[mailbox.Name]*syncer.Counts {
	counts := map[mailbox.Name]*syncer.Counts{}
	for _, c := range report.Mailboxes {
		counts[c.Mailbox] = c
	}
	return counts
}

func (m *migration) finishJSON(report *syncer.Report, err error) {
	t, counts := m.teller, byName(report)
	found, missing := 0, 0
	for _, b := range m.balances {
		row := m.row(b, counts[b.Mailbox])
		left := map[string]string{}
		for id, one := range b.Missing {
			left[string(id)] = m.whyMissing(one)
		}
		found, missing = found+b.Found, missing+len(b.Missing)
		t.event("mailbox", map[string]any{
			"mailbox": string(b.Mailbox), "destination": string(m.mapping.to(b.Mailbox)), "found": row[0], "copied": row[1],
			"there_already": row[2], "left_out": row[3], "left_behind": left,
		})
	}
	total := report.Total()
	removed, notChosen := m.without()
	fields := map[string]any{
		"removed_there": removed, "not_chosen": notChosen, "mailboxes_left_out": len(m.leftOut),
		"found": found, "copied": total.Downloaded, "copied_bytes": total.DownloadedSize, "left_behind": missing,
		"complete": err == nil && m.left == nil && !m.o.dryRun, "dry_run": m.o.dryRun,
	}
	if m.o.dryRun && err == nil {
		m.planFields(fields, total)
	}
	if err == nil {
		err = m.left
	}
	t.outcome(fields, err)
	t.event("summary", fields)
}

// planFields adds to a summary how long the daily limits make the migration, and of which account they are.
func (m *migration) planFields(fields map[string]any, total syncer.Counts) {
	days, slower := m.quotaPlan(total.Downloaded, total.DownloadedSize)
	fields["days"] = days
	if slower != nil {
		fields["slower"], fields["day_bytes"], fields["day_limit"] = slower.account, slower.had, slower.limit
	}
}
