package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mailtwin/syncer"
)

// settingAtWork is there while a run is at work, and stays after one that was killed or cut.
const settingAtWork = "at work"

// lateness is how long servers are given for what such a run sent them last. They have it in their buffers, and do it after
// its end: what they store once the next run has looked, that one would copy again. Dovecot 2.3 was seen to, under load. Tests
// do not wait that long.
var lateness = 10 * time.Second

// begin notes that this run is at work. If the one before was killed or cut, it lets the servers end that first.
func (m *migration) begin(ctx context.Context) error {
	settings, err := m.ledger.Settings()
	if err != nil || m.o.dryRun {
		return err
	}
	if settings[settingAtWork] == "" {
		return m.ledger.PutSettings(map[string]string{settingAtWork: "yes"})
	}
	m.teller.note(fmt.Sprintf("the last run was cut off, and what it sent may still be at work on a server, so this one begins in %v", lateness))
	timer := time.NewTimer(lateness)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end notes that nothing of this run is under way any more, unless an error ended it before its time.
func (m *migration) end(err error) error {
	if m.o.dryRun || err != nil && !heldBack(err) && !errors.As(err, new(*syncer.QuotaError)) {
		return nil
	}
	return m.ledger.PutSettings(map[string]string{settingAtWork: ""})
}
