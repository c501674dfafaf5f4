package main

import (
	"cmp"
	"errors"
	"time"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// fields are what programs are told of a difference.
func (v *verifyRun) fields(d *syncer.Difference, about heading) map[string]any {
	words := wordingOf(v.account.name, v.backup, d)
	fields := map[string]any{
		"kind": d.Kind.String(), "side": [2]string{"server", "maildir"}[d.Side], "mailbox": string(d.Mailbox),
		"text": words.text, "hint": words.hint, "counts": v.counts(d),
	}
	for key, value := range map[string]string{
		"uid": string(d.Pair.Far), "file": string(d.Pair.Near), "from": about.from, "date": about.date, "subject": about.subject,
		"message_id": about.messageID,
	} {
		if value != "" {
			fields[key] = value
		}
	}
	switch d.Kind {
	case syncer.WrongFlags:
		fields["flags"] = bySide([2][]string{wordList(d.Flags[syncer.Far]), wordList(d.Flags[syncer.Near])})
		fields["last_flags"] = wordList(d.Pair.Flags)
	case syncer.WrongSize:
		fields["bytes"], fields["wanted_bytes"] = d.Size, d.Want
	case syncer.MailboxMissing, syncer.MailboxUnknown, syncer.Renumbered:
		fields["messages"] = d.Messages
	case syncer.Absent, syncer.Unknown, syncer.WrongBytes, syncer.Unreadable:
	}
	if v.opts.repair {
		fields["repair"] = repairWord(d)
	}
	if err := cmp.Or(d.Failed, d.Err); err != nil {
		fields["error"] = usersWords.Replace(err.Error())
	}
	return fields
}

func repairWord(d *syncer.Difference) string {
	switch {
	case d.Mended:
		return "mended"
	case d.Waits:
		return "next sync"
	}
	return "left"
}

func wordList(f mailbox.Flags) []string {
	words := []string{}
	for _, flag := range f.All() {
		words = append(words, string(flag))
	}
	return words
}

func (v *verifyRun) finishJSON(err error) {
	var sum syncer.Verified
	problems := 0
	if v.found != nil {
		for _, m := range v.found.Mailboxes {
			sum.Add(m)
			var counted verifyCounts
			for i := range m.Differences {
				counted.add(v, &m.Differences[i])
			}
			fields := verifiedFields(m, counted)
			fields["mailbox"] = string(m.Mailbox)
			v.teller.event("mailbox", fields)
		}
		problems = len(v.found.Problems)
	}
	fields := verifiedFields(&sum, v.shown)
	fields["problems"], fields["seconds"], fields["exit_status"] = problems, time.Since(v.teller.began).Seconds(), exitStatus(err)
	fields["received_bytes"], fields["sent_bytes"] = v.teller.traffic.Octets()
	if v.opts.percent > 0 {
		fields["seed"] = v.opts.seed
	}
	if v.writer != 0 {
		fields["process"] = v.writer
	}
	if err != nil && !errors.Is(err, errDifferences) {
		fields["error"] = usersWords.Replace(err.Error())
		if hint := hintFor(v.account.name, err); hint != "" {
			fields["hint"] = hint
		}
	}
	v.teller.event("summary", fields)
}

func verifiedFields(m *syncer.Verified, counted verifyCounts) map[string]any {
	return map[string]any{
		"messages": bySide(m.Messages), "pairs": m.Pairs, "pending": m.Pending, "kept": m.Kept, "left": m.Left, "rewritten": m.Rewritten, "read": bySide(m.Read),
		"differences": counted.differences, "waiting": counted.waiting, "mended": counted.mended,
	}
}
