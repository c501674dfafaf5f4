package syncer

import (
	"cmp"
	"context"
	"fmt"

	"mailtwin/mailbox"
)

// A Balance is what a transfer came to in one mailbox of the far side, counted anew on both sides.
type Balance struct {
	Mailbox   mailbox.Name
	Found     int                    // messages on the far side now
	There     int                    // of those, how many the near side has
	Elsewhere int                    // it has in another mailbox, as was asked for
	Removed   int                    // it had, and were removed there since
	NotChosen int                    // the transfer is not about
	Missing   map[mailbox.ID]Missing // all others
}

// Missing says why a message of the far side is not on the near side.
type Missing struct {
	Kind   MissingKind
	Reason string // what went wrong, as a mailbox.Trouble has it; empty if nothing did
}

// A MissingKind is a kind of reason.
type MissingKind uint8

// The kinds.
const (
	Unseen  MissingKind = iota // it came after the far side was looked at
	Waiting                    // it or its mailbox was refused, or the budget had no room for it
	Lost                       // the near side has it no longer, or never had it, although it said that it stored it
)

// Complete tells whether all that the transfer is about is on the near side, or was there.
func (b Balance) Complete() bool { return len(b.Missing) == 0 }

// Reconcile counts both sides anew and compares them with the ledger: for each chosen mailbox of the far side, what became
// of each message. It changes nothing.
func Reconcile(ctx context.Context, far, near Replica, ledger Ledger, opts Options) ([]Balance, error) {
	r := &run{side: [2]Replica{far, near}, ledger: ledger, opts: opts, before: map[mailbox.Place]mailbox.Trouble{}}
	r.defaults()
	if err := r.recall(ctx); err != nil {
		return nil, err
	}
	v, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	var balances []Balance
	for _, name := range v.names {
		if !v.has(Far, name) {
			continue
		}
		b, err := r.balance(ctx, v, name)
		if err != nil {
			return nil, fmt.Errorf("count mailbox %q: %w", string(name), err)
		}
		balances = append(balances, b)
	}
	return balances, nil
}

func (r *run) balance(ctx context.Context, v *view, name mailbox.Name) (Balance, error) {
	b := Balance{Mailbox: name, Missing: map[mailbox.ID]Missing{}}
	fars, err := r.present(ctx, v, Far, name)
	if err != nil {
		return b, err
	}
	nears, err := r.present(ctx, v, Near, name)
	if err != nil {
		return b, err
	}
	b.Found = len(fars)
	refused := r.before[mailbox.Place{Mailbox: name}].Reason // the mailbox itself
	for pair, err := range r.ledger.Pairs(ctx, name) {
		if err != nil {
			return b, err
		}
		m, there := fars[pair.Far]
		if !there {
			continue
		}
		_, arrived := nears[pair.Near]
		delete(fars, pair.Far)
		switch {
		case pair.Parked == mailbox.Paired && arrived:
			b.There++
		case pair.Parked == mailbox.Paired:
			b.Missing[pair.Far] = Missing{Kind: Lost}
		case pair.Parked == mailbox.Kept && r.isElsewhere(ctx, pair):
			b.Elsewhere++
		case pair.Parked == mailbox.Kept:
			b.Removed++
		case r.opts.Choose != nil && !r.opts.Choose(name, m):
			b.NotChosen++
		default:
			b.Missing[pair.Far] = Missing{Waiting, cmp.Or(r.before[mailbox.Place{Mailbox: name, ID: pair.Far}].Reason, refused)}
		}
	}
	for id, m := range fars {
		switch {
		case r.opts.Choose != nil && !r.opts.Choose(name, m):
			b.NotChosen++
		case refused != "":
			b.Missing[id] = Missing{Waiting, refused}
		default:
			b.Missing[id] = Missing{Kind: Unseen}
		}
	}
	return b, nil
}

// present lists all messages of a mailbox, by a look that trusts nothing that is known.
func (r *run) present(ctx context.Context, v *view, side Side, name mailbox.Name) (map[mailbox.ID]Arrival, error) {
	all := map[mailbox.ID]Arrival{}
	if !v.has(side, name) {
		return all, nil
	}
	scan, err := r.side[side].Scan(ctx, mailbox.ScanRequest{Name: name, Known: known{}})
	if err != nil {
		return nil, fmt.Errorf("on the %s side: %w", side, err)
	}
	for _, m := range scan.Present {
		all[m.ID] = arrival(m)
	}
	return all, nil
}

// isElsewhere tells whether the near side has a message in another mailbox than this one.
func (r *run) isElsewhere(ctx context.Context, pair mailbox.Pair) bool {
	for held, err := range r.ledger.ByHint(ctx, mailbox.AccountHint(pair.AccountID)) {
		if err == nil && pair.AccountID != "" && held.AccountID == pair.AccountID && held.Far != "" && held.Near != "" {
			return true
		}
	}
	return false
}
