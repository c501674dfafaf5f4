package main

import (
	"context"
	"time"

	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/state"
)

// A datedSide is the account's own Maildir, whose messages bear the dates that they had on the server: those of the files
// go when these are copied or touched.
type datedSide struct {
	nearSide
	ledger *state.DB // of the account; nil if it has none
}

// Scan lists a mailbox with the dates that the ledger has, else with those that the names of the files tell.
func (d datedSide) Scan(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	scan, err := d.nearSide.Scan(ctx, req)
	if err != nil || len(scan.Present) == 0 {
		return scan, err
	}
	dates, err := d.dates(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	for i := range scan.Present {
		m := &scan.Present[i]
		date := dates[m.ID]
		if date.IsZero() {
			date = maildir.NamedDate(m.ID)
		}
		if !date.IsZero() {
			m.InternalDate = date
		}
	}
	return scan, nil
}

// dates are those on record of the messages of a mailbox, by the IDs that they have here.
func (d datedSide) dates(ctx context.Context, name mailbox.Name) (map[mailbox.ID]time.Time, error) {
	dates := map[mailbox.ID]time.Time{}
	if d.ledger == nil {
		return dates, nil
	}
	for pair, err := range d.ledger.Pairs(ctx, name) {
		if err != nil {
			return nil, err
		}
		if pair.Near != "" {
			dates[pair.Near] = pair.InternalDate
		}
	}
	return dates, nil
}
