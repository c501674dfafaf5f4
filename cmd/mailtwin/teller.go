package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// A teller tells the user how a run goes: with a bar on a terminal, as JSON, or, from cron, only what went wrong. It
// implements syncer.Events.
type teller struct {
	env     *environment
	o       common
	account string
	dryRun  bool
	began   time.Time

	mu       sync.Mutex
	bar      *progressbar.ProgressBar
	messages int
	planned  int
	octets   int64 // planned
	done     int64 // octets of them
}

var _ syncer.Events = (*teller)(nil)

func (env *environment) teller(o common, account string, dryRun bool) *teller {
	return &teller{env: env, o: o, account: account, dryRun: dryRun, began: time.Now()}
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
	t.mu.Lock()
	defer t.mu.Unlock()
	t.planned += messages
	t.octets += octets
	if !t.env.terminal || t.o.quiet || t.o.json {
		return
	}
	if t.bar == nil {
		t.bar = progressbar.NewOptions64(t.octets,
			progressbar.OptionSetWriter(t.env.stderr), progressbar.OptionSetDescription(t.description()),
			progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth())
	}
	t.bar.ChangeMax64(t.octets)
	t.bar.Describe(t.description())
}

// description is what stands before the bar. t.mu is held.
func (t *teller) description() string {
	return fmt.Sprintf("%s: %d of %d messages", show(t.account), t.messages, t.planned)
}

// Transferred tells that so much more is done.
func (t *teller) Transferred(messages int, octets int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages += messages
	if t.bar == nil {
		return
	}
	if messages > 0 {
		t.bar.Describe(t.description())
	}
	octets = min(octets, t.octets-t.done) // a size may have been announced wrongly, which the bar does not forgive
	t.done += octets
	if t.done < t.octets { // a full bar takes itself away, and cannot come back when more is planned
		_ = t.bar.Add64(octets) // it only draws
	}
}

// Problem tells of something that was left behind, at once.
func (t *teller) Problem(err error) {
	t.event("problem", problemFields(err))
	if !t.o.json {
		t.complain(err)
	}
}

// note tells, if asked to tell more, of what was skipped on the wire.
func (t *teller) note(text string) {
	t.event("note", map[string]any{"text": text})
	if t.o.verbose && !t.o.json {
		t.complain(errors.New("note: " + text))
	}
}

// complain writes to where the bar is, which is drawn again as it goes on.
func (t *teller) complain(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar != nil {
		_ = t.bar.Clear() // it only draws
	}
	t.env.complain(t.account, err)
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
	t.stopBar()
	if report == nil {
		report = &syncer.Report{}
	}
	if t.o.json {
		t.finishJSON(report, err)
		return
	}
	if t.loud() {
		t.lines(report, err)
	}
	if err != nil {
		t.env.complain(t.account, err)
	}
}

// stopBar takes the bar away.
func (t *teller) stopBar() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar != nil {
		_ = errors.Join(t.bar.Clear(), t.bar.Exit()) // they only draw
		t.bar = nil
	}
}

func (t *teller) lines(report *syncer.Report, err error) {
	for _, c := range report.Mailboxes {
		if words := t.words(*c); words != "" {
			t.env.print("%s: %s: %s", show(t.account), show(string(c.Mailbox)), words)
		}
	}
	took := time.Since(t.began).Round(10 * time.Millisecond)
	switch {
	case err != nil:
	case t.dryRun && report.Idle():
		t.env.print("%s: nothing to do", show(t.account))
	case t.dryRun:
		t.env.print("%s: dry run, nothing was changed", show(t.account))
	case len(report.Problems) > 0:
		t.env.print("%s: done but for %s, in %s", show(t.account), plural(len(report.Problems), "problem"), took)
	default:
		t.env.print("%s: up to date, in %s", show(t.account), took)
	}
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
		parts = append(parts, "renamed from "+show(string(c.Renamed)))
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
		say(c.Removed[side], "removed "+where, "remove "+where)
	}
	for side, where := range sideNames {
		if c.Deleted[side] {
			parts = append(parts, "mailbox removed "+where)
		}
	}
	return strings.Join(parts, ", ")
}

// sideNames are the user's words, by syncer.Side.
var sideNames = [2]string{"on the server", "in the Maildir"}

func (t *teller) finishJSON(report *syncer.Report, err error) {
	for _, c := range report.Mailboxes {
		if c.Idle() {
			continue
		}
		t.event("mailbox", map[string]any{
			"mailbox": string(c.Mailbox), "downloaded": c.Downloaded, "uploaded": c.Uploaded, "adopted": c.Adopted,
			"copied": bySide(c.Copied), "moved": bySide(c.Moved), "flagged": bySide(c.Flagged), "removed": bySide(c.Removed),
			"created": bySide(c.Created), "deleted": bySide(c.Deleted), "renamed_from": string(c.Renamed),
		})
	}
	total := report.Total()
	fields := map[string]any{
		"downloaded": total.Downloaded, "downloaded_bytes": total.DownloadedSize, "uploaded": total.Uploaded,
		"uploaded_bytes": total.UploadedSize, "adopted": total.Adopted, "copied": bySide(total.Copied), "moved": bySide(total.Moved),
		"flagged": bySide(total.Flagged), "removed": bySide(total.Removed), "problems": len(report.Problems),
		"dry_run": t.dryRun, "seconds": time.Since(t.began).Seconds(),
	}
	fields["exit_status"] = exitStatus(err)
	if err == nil {
		fields["exit_status"] = exitStatus(leftBehind(report.Problems))
	}
	if err != nil {
		fields["error"] = usersWords.Replace(err.Error())
		if hint := hintFor(err); hint != "" {
			fields["hint"] = hint
		}
	}
	t.event("summary", fields)
}

func bySide[T any](values [2]T) map[string]T {
	return map[string]T{"server": values[syncer.Far], "maildir": values[syncer.Near]}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
