package syncer

import (
	"context"
	"iter"
	"time"

	"mailtwin/mailbox"
)

// A Ledger remembers what both sides agreed on. Its methods may be called from several goroutines. What a method
// changed is on disk when it returns.
type Ledger interface {
	// Mailboxes returns all mailboxes that the ledger knows, sorted by name.
	Mailboxes(ctx context.Context) ([]Twin, error)
	// Pairs yields the pairs of one mailbox in the order of their far IDs (numerically, where they are numbers). The
	// ledger must not be changed by the consumer while it iterates.
	Pairs(ctx context.Context, name mailbox.Name) iter.Seq2[mailbox.Pair, error]
	// ByFar returns the pairs of these far IDs; those that it does not know are left out.
	ByFar(ctx context.Context, name mailbox.Name, ids []mailbox.ID) ([]mailbox.Pair, error)
	// ByHint yields every pair, of whatever mailbox, that has the hint.
	ByHint(ctx context.Context, hint mailbox.Hint) iter.Seq2[Located, error]
	// Intents returns what was under way in a mailbox when a run ended.
	Intents(ctx context.Context, name mailbox.Name) ([]Intent, error)
	// Commit applies all of these updates or nothing of them.
	Commit(ctx context.Context, updates ...Update) error
}

// A Twin is one mailbox as both sides have it.
type Twin struct {
	Name      mailbox.Name
	Far, Near Half
	Pairs     int // how many pairs the ledger has of it, those with one side too
	Open      int // how many of them wait for something, so that the mailbox is looked at in every run
	Synced    time.Time
}

// A Half is one side of a Twin.
type Half struct {
	Cursor   mailbox.Cursor
	Identity string
}

// Located is a pair and the mailbox it belongs to.
type Located struct {
	Mailbox mailbox.Name
	mailbox.Pair
}

// An Intent says that a message of the near side is about to be stored on the far side, so that a run that finds it
// can tell whether that was done.
type Intent struct {
	Near      mailbox.ID
	Digest    mailbox.Digest
	MessageID string
	Size      int64
	Attempts  int // how often the upload was begun and its end never seen
}

// An Update is a set of changes to one mailbox of the ledger that belong together.
type Update struct {
	Mailbox mailbox.Name
	// Reset forgets all pairs, cursors and intents first.
	Reset bool
	// Put replaces the pair of the same Far (or, with no Far, of the same Near).
	Put []mailbox.Pair
	// Drop forgets pairs, named like Put's.
	Drop []mailbox.Pair
	// Far and Near, if not nil, replace what is known of that side.
	Far, Near *Half
	// Begin and End add and remove intents, by Near.
	Begin []Intent
	End   []mailbox.ID
	// Rename gives the mailbox, with its pairs, another name.
	Rename mailbox.Name
	// Forget drops the mailbox and all that belongs to it.
	Forget bool
	// Synced, if not zero, is when the mailbox was last seen in agreement.
	Synced time.Time
}
