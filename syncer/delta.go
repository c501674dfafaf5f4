package syncer

import "mailtwin/mailbox"

// A Side is one of the two replicas.
type Side uint8

// The two sides.
const (
	Far  Side = iota // the server, or the source
	Near             // the Maildir, or the destination
)

// Other returns the opposite side.
func (s Side) Other() Side { return 1 - s }

func (s Side) String() string { return [...]string{"far", "near"}[s] }

// idOn returns the ID that a pair has on a side.
func idOn(side Side, p mailbox.Pair) mailbox.ID {
	if side == Far {
		return p.Far
	}
	return p.Near
}

// A Delta is what happened to one mailbox since last. It holds what changed, not what exists.
type Delta struct {
	Mailbox mailbox.Name
	Pairs   []Change     // pairs that something happened to
	New     [2][]Arrival // by Side: messages that last does not know
}

// A Change is a pair and what became of it on each side. Flags of a side that cannot hold a flag are those of last.
type Change struct {
	Pair  mailbox.Pair
	Gone  [2]bool          // by Side
	Flags [2]mailbox.Flags // by Side, as they are now
	// Hidden means that the far side does not show the message, and may have it.
	Hidden bool
	// Held lists, for a backup, the pairs that have the content of one that is gone on the near side.
	Held []mailbox.Located
	// Moved, in a removal, means that the far message is what an interrupted move left behind: the message is in
	// another mailbox of both sides already.
	Moved bool
	// Told means that the history is told of that move; of others it is told as of a removal. To is the Trash, if that has it.
	Told bool
	To   mailbox.Name
	// Stays, in a removal, means that the far side shows the message in another mailbox, too, where both sides keep it.
	Stays bool
}

// An Arrival is a message that last does not know.
type Arrival struct {
	ID    mailbox.ID
	Flags mailbox.Flags
	Size  int64 // octets of the canonical form, 0 if unknown
	Date  int64 // INTERNALDATE in seconds since 1970
	Hint  mailbox.Hint
	// AccountID is the far side's own name for the message, the same in all its mailboxes; empty if it has none.
	AccountID string
	Evidence  *Evidence
	// OnRecord means that the ledger has it just so, as mailbox.Pending.
	OnRecord bool
	// Beyond means that it is older than all that the other side shows of the mailbox, and may be there.
	Beyond bool
	// Waits means that it is not tried in this run. It only accounts for what it is: a message that its side lost
	// elsewhere was moved here, not removed.
	Waits bool
}

// Evidence is what is known of an Arrival's content; nil if nothing is.
type Evidence struct {
	Content mailbox.Content // its Digest is zero if the content was not proven
	// Same is the message of the other side, in the same mailbox, that this one is: told by the name that a download
	// gave its file, or by an intent.
	Same mailbox.ID
	// Held lists the pairs, of whatever mailbox, that have the same content.
	Held []mailbox.Located
	// Undecided says of a near message that a far one of the same mailbox may be it, which only a download can tell.
	Undecided bool
}

func (a Arrival) digest() mailbox.Digest {
	if a.Evidence == nil {
		return mailbox.Digest{}
	}
	return a.Evidence.Content.Digest
}

// bare is the digest of the content without what other programs put into it.
func (a Arrival) bare() mailbox.Digest {
	if a.Evidence == nil {
		return mailbox.Digest{}
	}
	return a.Evidence.Content.Bare()
}

// stored is how many octets a near message takes where it lies; 0 if that is unknown.
func (a Arrival) stored() int64 {
	if a.Evidence == nil {
		return 0
	}
	return a.Evidence.Content.Stored
}

func (a Arrival) held() []mailbox.Located {
	if a.Evidence == nil {
		return nil
	}
	return a.Evidence.Held
}
