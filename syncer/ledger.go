package syncer

import (
	"context"
	"iter"

	"mailtwin/mailbox"
)

// A Ledger remembers what both sides agreed on, and what could not be brought in agreement. Its methods may be called
// from several goroutines. What a method changed is on disk when it returns.
type Ledger interface {
	Journal
	// Mailboxes returns all mailboxes that the ledger knows, sorted by name.
	Mailboxes(ctx context.Context) ([]mailbox.Twin, error)
	// Pairs yields the pairs of one mailbox in the order of their far IDs (numerically, where they are numbers). The
	// ledger must not be changed by the consumer while it iterates.
	Pairs(ctx context.Context, name mailbox.Name) iter.Seq2[mailbox.Pair, error]
	// ByHint yields every pair, of whatever mailbox, that has the hint.
	ByHint(ctx context.Context, hint mailbox.Hint) iter.Seq2[mailbox.Located, error]
	// Intents returns what was under way in a mailbox when a run ended.
	Intents(ctx context.Context, name mailbox.Name) ([]mailbox.Intent, error)
	// Commit applies all of these updates or nothing of them.
	Commit(ctx context.Context, updates ...mailbox.Update) error
}

// A Journal remembers what runs came upon.
type Journal interface {
	// Removed returns how many messages were removed on a day, as Update.Tally put it down.
	Removed(ctx context.Context, day string) (mailbox.Tally, error)
	// Troubles returns what was left behind and stands on record.
	Troubles(ctx context.Context) ([]mailbox.Trouble, error)
	// PutTroubles replaces them.
	PutTroubles(ctx context.Context, troubles []mailbox.Trouble) error
}
