package mailbox

import "time"

// A Twin is one mailbox as both sides have it.
type Twin struct {
	Name      Name
	Far, Near Half
	Pairs     int // how many pairs the ledger has of it, those with one side too
	Open      int // how many of them wait for something, so that the mailbox is looked at in every run
	Synced    time.Time
}

// A Half is one side of a Twin.
type Half struct {
	Cursor   Cursor
	Identity string
}

// Located is a pair and the mailbox it belongs to.
type Located struct {
	Mailbox Name
	Pair
}

// An Intent says that a message of the near side is about to be stored on the far side, so that a run that finds it
// can tell whether that was done.
type Intent struct {
	Near      ID
	Digest    Digest
	MessageID string
	Size      int64
	Attempts  int // how often the server said that it is stored, and then did not show it
}

// An Update is a set of changes to one mailbox of the ledger that belong together.
type Update struct {
	Mailbox Name
	// Reset forgets all pairs, cursors and intents first.
	Reset bool
	// Put replaces the pair of the same Far (or, with no Far, of the same Near).
	Put []Pair
	// Drop forgets pairs, named like Put's.
	Drop []Pair
	// Far and Near, if not nil, replace what is known of that side.
	Far, Near *Half
	// Begin and End add and remove intents, by Near.
	Begin []Intent
	End   []ID
	// Rename gives the mailbox, with its pairs, another name.
	Rename Name
	// Forget drops the mailbox and all that belongs to it.
	Forget bool
	// Synced, if not zero, is when the mailbox was last seen in agreement.
	Synced time.Time
	// Tally, if not nil, is added to what was removed on that day.
	Tally *Tally
	// Log is what was taken away or altered, for the history of runs. Its mailboxes need not be this one.
	Log []Change
}

// A Trouble is what a run had to leave behind, as it stands on record until it is mended.
type Trouble struct {
	Mailbox Name
	ID      ID        // the message, by its ID on the side that has it; empty if it concerns the whole mailbox
	Reason  string    // what went wrong, in the server's or the system's words
	Since   time.Time // when it first went wrong
	Last    time.Time // when it was tried last
	Tries   int
	Next    time.Time // it is not tried again before; zero means in the next run
	// Temporary tells whether it was ErrTemporary.
	Temporary bool
}

// A Tally counts the messages that were removed on one day.
type Tally struct {
	Day     string // as 2006-01-02, in UTC
	Removed [2]int // by side, far first
}
