package undo

import (
	"context"
	"errors"
	"iter"

	"mailtwin/mailbox"
)

// A Ledger has the history, and what both sides agree on.
type Ledger interface {
	// Runs returns the runs on record, the last one first.
	Runs(ctx context.Context) ([]mailbox.Outcome, error)
	// Changes yields what a run took away or altered, in the order in which it did.
	Changes(ctx context.Context, run uint64) iter.Seq2[mailbox.Change, error]
	Mailboxes(ctx context.Context) ([]mailbox.Twin, error)
	Pairs(ctx context.Context, name mailbox.Name) iter.Seq2[mailbox.Pair, error]
	// ByHint yields every pair, of whatever mailbox, that has the hint.
	ByHint(ctx context.Context, hint mailbox.Hint) iter.Seq2[mailbox.Located, error]
}

// A Maildir is the near side.
type Maildir interface {
	Mailboxes(ctx context.Context) ([]mailbox.Info, error)
	Scan(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error)
	Identify(ctx context.Context, name mailbox.Name, ids []mailbox.ID, found func(mailbox.ID, mailbox.Content)) error
	// Shelved tells which of these messages the attic has, by their mailbox and Near ID, and where.
	Shelved(ctx context.Context, wanted []mailbox.Located) (map[mailbox.Place]mailbox.Source, error)
	// Create makes a mailbox. One that exists is no error.
	Create(ctx context.Context, name mailbox.Name) error
	Rename(ctx context.Context, from, to mailbox.Name) error
	SetFlags(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error
	// Return puts messages, all from one place, into a mailbox. What is done already is no error.
	Return(ctx context.Context, to mailbox.Name, messages []mailbox.Return, problem func(mailbox.ID, error)) error
}

// A Server is the far side.
type Server interface {
	// Create makes a mailbox. One that exists is no error.
	Create(ctx context.Context, name mailbox.Name) error
	Move(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (mailbox.Moved, error)
	SetFlags(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error
}

// A Binner is a Server that knows its messages by a name that is the same in all mailboxes, and can tell which of them lie in
// its Trash or Spam, and where.
type Binner interface {
	Binned(ctx context.Context) (byAccountID map[string]mailbox.Place, err error)
}

// ErrNoRun means that a run is not, or no longer, in the history.
var ErrNoRun = errors.New("it is not in the history")
