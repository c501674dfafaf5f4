package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// A teller tells the user how the run of one account goes: with a bar on a terminal, as JSON, or, from cron, only what
// went wrong. It implements syncer.Events.
type teller struct {
	env     *environment
	o       common
	account string
	dryRun  bool
	began   time.Time
	bar     *progress
	traffic wire.Traffic
	wording *strings.Replacer // what the sides are called, if they are no server and no Maildir

	mu    sync.Mutex
	alike map[string]int // problems of one mailbox and one reason
	hints map[string]bool
}

var _ syncer.Events = (*teller)(nil)

func (env *environment) teller(o common, account string, dryRun bool, bar *progress) *teller {
	return &teller{env: env, o: o, account: account, dryRun: dryRun, began: time.Now(), bar: bar, alike: map[string]int{}, hints: map[string]bool{}}
}

// progress is the bar of a run, shown on a terminal.
func (env *environment) progress(o common) *progress {
	return &progress{env: env, shown: env.terminal && !o.quiet && !o.json}
}

// loud tells whether results are printed for a person.
func (t *teller) loud() bool {
	return !t.o.json && !t.o.quiet && (t.env.terminal || t.o.verbose || t.dryRun)
}

// event writes one JSON object.
func (t *teller) event(name string, fields map[string]any) {
	if !t.o.json {
		return
	}
	fields["event"], fields["account"] = name, t.account
	line, err := jsonLine(fields)
	if err != nil {
		panic(err) // the fields are ours, and can all be written
	}
	t.env.print("%s", line)
}

// Phase announces what comes next.
func (t *teller) Phase(name string) {
	t.event("phase", map[string]any{"phase": name})
	if t.o.verbose && !t.o.json {
		t.env.print("%s: %s", show(t.account), name)
	}
}

// Planned tells how much is to be transferred.
func (t *teller) Planned(messages int, octets int64) {
	t.event("planned", map[string]any{"messages": messages, "bytes": octets})
	t.bar.plan(t.account, messages, octets)
}

// Transferred tells that so much more is done.
func (t *teller) Transferred(messages int, octets int64) { t.bar.add(messages, octets) }

// A worded error is told in other words.
type worded struct {
	error
	wording *strings.Replacer
}

func (w *worded) Error() string { return w.wording.Replace(w.error.Error()) }
func (w *worded) Unwrap() error { return w.error }

func (w *worded) hint(account string) string { return w.wording.Replace(hintFor(account, w.error)) }

// inWords puts an error into the words for the sides of this run.
func (t *teller) inWords(err error) error {
	if t.wording == nil || err == nil {
		return err
	}
	return &worded{err, t.wording}
}

// Problem tells of something that was left behind, at once. Of many that are alike, a few are enough for a person.
func (t *teller) Problem(err error) {
	err = t.inWords(err)
	t.event("problem", problemFields(err))
	if t.o.json {
		return
	}
	t.mu.Lock()
	key := alikeKey(err)
	t.alike[key]++
	many := t.alike[key] > shownAlike
	t.mu.Unlock()
	if !many || t.o.verbose {
		t.complain(err)
	}
}

// alikeKey is the mailbox and the reason of a problem with one message; other problems are each of their own.
func alikeKey(err error) string {
	var message *mailbox.MessageError
	if !errors.As(err, &message) {
		return err.Error()
	}
	return fmt.Sprintf("mailbox %q: %v", string(message.Mailbox), message.Err)
}

// more tells how many problems were not told one by one.
func (t *teller) more() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(t.alike)) {
		if n := t.alike[key] - shownAlike; n > 0 && !t.o.verbose {
			t.env.complain(t.account, fmt.Errorf("%s: and %d more messages; mailtwin status lists them", key, n))
		}
	}
}

// note tells, if asked to tell more, of what was skipped on the wire.
func (t *teller) note(text string) {
	t.event("note", map[string]any{"text": text})
	if t.o.verbose && !t.o.json {
		t.complain(errors.New("note: " + text))
	}
}

// warn tells of something that its owner should know, and that keeps nothing from being done.
func (t *teller) warn(err error) {
	t.event("warning", map[string]any{"error": err.Error()})
	if !t.o.json {
		t.bar.aside(func() { t.env.say(t.account, err) })
	}
}

// complain writes to where the bar is. A hint is given once.
func (t *teller) complain(err error) {
	t.bar.aside(func() {
		hint := hintFor(t.account, err)
		t.env.say(t.account, err)
		t.mu.Lock()
		defer t.mu.Unlock()
		if !t.hints[hint] {
			t.hints[hint] = true
			t.env.hint(hint)
		}
	})
}

func problemFields(err error) map[string]any {
	fields := map[string]any{"error": usersWords.Replace(err.Error())}
	var message *mailbox.MessageError
	var box *mailbox.MailboxError
	switch {
	case errors.As(err, &message):
		fields["mailbox"], fields["message"] = string(message.Mailbox), string(message.ID)
	case errors.As(err, &box):
		fields["mailbox"] = string(box.Mailbox)
	}
	return fields
}

// finish tells what came of the run.
func (t *teller) finish(report *syncer.Report, err error) {
	if report == nil {
		report = &syncer.Report{}
	}
	if t.o.json {
		t.finishJSON(report, err)
		return
	}
	t.bar.aside(func() {
		t.more()
		if t.loud() {
			t.lines(report, err)
		}
		if err != nil {
			t.env.complain(t.account, err)
		}
	})
}

func (t *teller) lines(report *syncer.Report, err error) {
	for _, c := range report.Mailboxes {
		if words := t.words(*c); words != "" {
			t.env.print("%s: %s: %s", show(t.account), show(string(c.Mailbox)), words)
		}
	}
	if end := t.end(report, err); end != "" {
		t.env.print("%s: %s", show(t.account), end)
	}
	if in, _ := t.traffic.Octets(); t.o.verbose && in > 0 {
		t.env.print("%s: %s", show(t.account), t.octets())
	}
}

// end sums a run up; an error that ended it early speaks for itself.
func (t *teller) end(report *syncer.Report, err error) string {
	took := time.Since(t.began).Round(10 * time.Millisecond)
	var but []string
	waits := errors.As(err, new(*syncer.QuotaError))
	switch {
	case heldBack(err):
		but = append(but, "what was held back")
	case err != nil && !waits:
		return ""
	}
	if waits {
		but = append(but, "what waits for another day")
	}
	if n := len(report.Problems); n > 0 {
		but = append(but, plural(n, "problem"))
	}
	if n := len(report.Waiting); n > 0 {
		but = append(but, plural(n, "message")+" to be tried again later (see mailtwin status)")
	}
	switch {
	case t.dryRun && report.Idle() && err == nil:
		return "nothing to do"
	case t.dryRun:
		return "dry run, nothing was changed"
	case len(but) > 0:
		return fmt.Sprintf("done but for %s, in %s", strings.Join(but, " and "), took)
	}
	return fmt.Sprintf("up to date, in %s", took)
}

// octets says how much came and went.
func (t *teller) octets() string {
	in, out := t.traffic.Octets()
	text := fmt.Sprintf("%s received, %s sent", octetsFor(in), octetsFor(out))
	if wireIn, wireOut := t.traffic.OnWire(); wireIn != in {
		text += fmt.Sprintf("; compressed: %s and %s", octetsFor(wireIn), octetsFor(wireOut))
	}
	return text
}

// heldBack tells whether a run did everything but some removals.
func heldBack(err error) bool {
	var brake *syncer.BrakeError
	return errors.As(err, &brake) && brake.Of > 0
}

// words says what happened in one mailbox, or what would.
func (t *teller) words(c syncer.Counts) string {
	var parts []string
	say := func(n int, done, todo string) {
		switch {
		case n == 0:
		case t.dryRun:
			parts = append(parts, fmt.Sprintf("%d to %s", n, todo))
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, done))
		}
	}
	if c.Renamed != "" {
		parts = append(parts, t.tense("renamed from ", "to be renamed from ")+show(string(c.Renamed)))
	}
	for side, where := range sideNames {
		if c.Created[side] {
			parts = append(parts, "new mailbox "+where)
		}
	}
	say(c.Downloaded, "downloaded", "download")
	say(c.Uploaded, "uploaded", "upload")
	say(c.Adopted, "found on both sides", "pair without a transfer")
	for side, where := range sideNames {
		say(c.Copied[side], "copied "+where, "copy "+where)
		say(c.Moved[side], "moved here "+where, "move here "+where)
		say(c.Flagged[side], "flagged "+where, "flag "+where)
	}
	say(c.Unlabelled, "taken out here on the server", "take out here on the server")
	say(c.Trashed, "moved to the Trash on the server", "move to the Trash on the server")
	say(c.Left, "gone on the server, kept here", "keep here, gone on the server")
	say(c.Kept, "removed in the Maildir, kept on the server", "keep on the server, removed in the Maildir")
	say(c.Marked, "marked as deleted on the server", "mark as deleted on the server")
	say(c.Removed[syncer.Far]-c.Trashed-c.Unlabelled, "removed on the server", "remove on the server")
	say(c.Removed[syncer.Near], "removed in the Maildir", "remove in the Maildir")
	for side, where := range sideNames {
		if c.Deleted[side] {
			parts = append(parts, t.tense("mailbox removed ", "mailbox to be removed ")+where)
		}
	}
	return strings.Join(parts, ", ")
}

// tense chooses between what was done and what would be.
func (t *teller) tense(done, todo string) string {
	if t.dryRun {
		return todo
	}
	return done
}

// sideNames are the user's words, by syncer.Side.
var sideNames = [2]string{"on the server", "in the Maildir"}

func (t *teller) finishJSON(report *syncer.Report, err error) {
	for _, c := range report.Mailboxes {
		if c.Idle() {
			continue
		}
		t.event("mailbox", countFields(*c))
	}
	total := report.Total()
	fields := map[string]any{
		"downloaded": total.Downloaded, "downloaded_bytes": total.DownloadedSize, "uploaded": total.Uploaded,
		"uploaded_bytes": total.UploadedSize, "adopted": total.Adopted, "copied": bySide(total.Copied), "moved": bySide(total.Moved),
		"flagged": bySide(total.Flagged), "removed": bySide(total.Removed), "unlabelled": total.Unlabelled, "trashed": total.Trashed, "kept": total.Kept, "left": total.Left, "marked": total.Marked,
		"problems": len(report.Problems), "waiting": len(report.Waiting),
		"dry_run": t.dryRun,
	}
	t.brakes(err)
	t.outcome(fields, err)
	if err == nil {
		fields["exit_status"] = exitStatus(leftBehind(report))
	}
	t.event("summary", fields)
}

// outcome adds to a summary what passed over the wire, and how the run ended.
func (t *teller) outcome(fields map[string]any, err error) {
	in, out := t.traffic.Octets()
	wireIn, wireOut := t.traffic.OnWire()
	fields["received_bytes"], fields["sent_bytes"], fields["received_on_wire"], fields["sent_on_wire"] = in, out, wireIn, wireOut
	fields["seconds"], fields["exit_status"] = time.Since(t.began).Seconds(), exitStatus(err)
	if err != nil {
		fields["error"] = usersWords.Replace(t.inWords(err).Error())
		if hint := hintFor(t.account, err); hint != "" {
			fields["hint"] = hint
		}
	}
}

// countFields is what happened in one mailbox, for programs.
func countFields(c syncer.Counts) map[string]any {
	return map[string]any{
		"mailbox": string(c.Mailbox), "downloaded": c.Downloaded, "uploaded": c.Uploaded, "adopted": c.Adopted,
		"copied": bySide(c.Copied), "moved": bySide(c.Moved), "flagged": bySide(c.Flagged), "removed": bySide(c.Removed),
		"unlabelled": c.Unlabelled, "trashed": c.Trashed, "kept": c.Kept, "left": c.Left, "marked": c.Marked,
		"created": bySide(c.Created), "deleted": bySide(c.Deleted), "renamed_from": string(c.Renamed),
	}
}

// brakes tells programs what was held back.
func (t *teller) brakes(err error) {
	for _, e := range each(err) {
		var brake *syncer.BrakeError
		if errors.As(e, &brake) {
			t.event("brake", map[string]any{
				"side": [2]string{"server", "maildir"}[brake.Side], "mailbox": string(brake.Mailbox), "lost": brake.Lost,
				"of": brake.Of, "earlier": brake.Earlier, "flags": brake.Flags, "error": usersWords.Replace(brake.Error()),
			})
		}
	}
}

func bySide[T any](values [2]T) map[string]T {
	return map[string]T{"server": values[syncer.Far], "maildir": values[syncer.Near]}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "x") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
