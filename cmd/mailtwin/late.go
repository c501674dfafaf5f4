package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// settingAtWork is there while a migration is at work, and stays after one that was killed or cut.
const settingAtWork = "at work"

// lateness is how long servers are given for what a run that was killed or cut sent them last. They have it in their buffers,
// and do it after its end: what they store once the next run has looked, that one would store again. Dovecot 2.3 was seen to,
// under load. Tests do not wait that long.
var lateness = 10 * time.Second

// letEnd waits until a server has done what a run that was cut off sent it. left is for how long it may still be at work.
func (t *teller) letEnd(ctx context.Context, left time.Duration) error {
	if left <= 0 {
		return nil
	}
	t.note(fmt.Sprintf("the last run was cut off, and what it sent may still be at work on a server, so this one begins in %v", left.Round(time.Millisecond)))
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin notes that this run is at work. If the one before was killed or cut, it lets the servers end that first.
func (m *migration) begin(ctx context.Context) error {
	settings, err := m.ledger.Settings()
	if err != nil || m.o.dryRun {
		return err
	}
	if settings[settingAtWork] == "" {
		return m.ledger.PutSettings(map[string]string{settingAtWork: "yes"})
	}
	return m.teller.letEnd(ctx, lateness)
}

// end notes that nothing of this run is under way any more, unless an error ended it before its time.
func (m *migration) end(err error) error {
	if m.o.dryRun || !ended(err) {
		return nil
	}
	return m.ledger.PutSettings(map[string]string{settingAtWork: ""})
}

// ended tells whether a run came to its end, so that nothing that it sent is under way any more.
func ended(err error) bool {
	return err == nil || heldBack(err) || errors.As(err, new(*syncer.QuotaError))
}

// letUploadsEnd lets the server end what a restore sent it that was killed or cut off just now.
func (r *restoration) letUploadsEnd(ctx context.Context) error {
	left := lateness - time.Since(lastWritten(filepath.Join(r.own(), scratchState)))
	if r.o.dryRun || left > lateness { // that clock is of another day
		return nil
	}
	return r.teller.letEnd(ctx, left)
}

// lastWritten is when a run last put anything on record.
func lastWritten(state string) time.Time {
	info, err := os.Stat(state)
	if err != nil { // none has
		return time.Time{}
	}
	return info.ModTime()
}

// letUploadsEnd lets the server end the uploads of a run that was cut off, if there are any and that was just now.
func (r *accountRun) letUploadsEnd(ctx context.Context, twins []mailbox.Twin) error {
	left := lateness - time.Since(r.written)
	r.written = time.Time{}                         // undo syncs several times
	if r.o.dryRun || left <= 0 || left > lateness { // that clock is of another day
		return nil
	}
	for _, t := range twins {
		intents, err := r.ledger.Intents(ctx, t.Name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(intents, func(i mailbox.Intent) bool { return i.Attempts == 0 }) { // of others the answer came
			return r.teller.letEnd(ctx, left)
		}
	}
	return nil
}
