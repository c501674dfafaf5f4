package mailbox

import (
	"time"
)

// An ID names a message inside one mailbox of one side, for as long as that side does not start anew: on IMAP the
// decimal UID, in a Maildir the base name of the file (what stands before ":2,"). The zero value means that there is
// no message on that side.
type ID string

// A UID names a message inside one IMAP mailbox for as long as its UIDVALIDITY lasts: 32 bits, ascending, never
// reused. Zero means unknown.
//
// Source: RFC 9051, section 2.3.1.1.
type UID uint32

// A UIDValidity tells one generation of UIDs from the next. Zero means unknown.
//
// Source: RFC 9051, section 2.3.1.1.
type UIDValidity uint32

// A ModSeq counts the changes of a mailbox: 63 bits. Zero means that the server gives none, and equals nothing.
//
// Source: RFC 7162, section 3.1.
type ModSeq uint64

// A Message is what one side tells of a message without handing over its body.
type Message struct {
	ID           ID
	Flags        Flags
	Size         int64     // octets of the canonical form as that side reports them; 0 if it did not say
	InternalDate time.Time // to the second; zero if that side did not say
	Content      Content   // what is known of the content; its Digest is zero until the bytes were read
	Generation   string    // of ID where it comes from: IDs of another generation name other messages; on IMAP the UIDVALIDITY
	Origin       ID        // in a Maildir: the far ID from which this very file was once downloaded, proven by content
}

// A Pair is one message that both sides have, or had: the two IDs and what was last agreed. It belongs to one
// mailbox.
type Pair struct {
	Far, Near    ID // one of them may be zero, see Parked
	Flags        Flags
	Size         int64 // octets of the canonical form
	InternalDate time.Time
	Digest       Digest // of the near side's canonical form
	Stored       int64  // octets that the near side's copy takes where it lies, see Content; 0 if unknown
	FarDigest    Digest // of what the server holds; zero if never read, or equal to Digest when it is the same
	Hint         Hint
	AccountID    string // the far side's own name for the message, see Content; empty if it has none
	Parked       Parked
	Since        time.Time // of a pair that is Left: when the far side was first seen without it; zero if it was never seen with it
}

// Hints returns the search keys of the pair.
func (p Pair) Hints() []Hint {
	var hints []Hint
	for _, hint := range []Hint{p.Hint, AccountHint(p.AccountID)} {
		if hint != 0 {
			hints = append(hints, hint)
		}
	}
	return hints
}

// Parked says why a pair has only one side.
type Parked uint8

const (
	// Paired means that both sides have it.
	Paired Parked = iota
	// Pending means that it was seen on the far side, to be downloaded, or refused so far.
	Pending
	// Kept means that it was removed on the near side; the far side keeps it, because delete_remote says so or because the server has
	// no way to remove just this message. It is not downloaded again.
	Kept
	// Left means that only the near side has it and keeps it, because a copy in one direction takes nothing away: it
	// vanished on the far side, or never was there.
	Left
)

// A Cursor says what a mailbox of one side looked like at one moment. Mark can be compared with the Mark of a later
// listing: equal and not empty means that nothing changed since. An empty Mark equals nothing. Memo is the replica's
// own notebook, opaque to everybody else.
type Cursor struct {
	Mark string
	Memo string
}

// Unchanged tells whether a listing that reports mark proves that nothing happened since c was taken.
func (c Cursor) Unchanged(mark string) bool { return mark != "" && c.Mark == mark }

// Info is what a side tells of a mailbox when it lists them all.
type Info struct {
	Name     Name
	Mark     string // see Cursor; empty when only a look inside can tell
	Raw      string // on IMAP how the name goes over the wire, levels separated by "/"; empty if that is the same
	Identity string // survives a rename, as far as the side can tell; empty if it cannot
	Messages int64  // how many it holds; -1 if it did not say
	Role     Role
	NoSelect bool // holds other mailboxes but no messages
	Window   bool // shows its newest messages only, see Scan
}

// A Role is the special use of a mailbox, as its attribute is spelled, without the backslash: "Trash".
//
// Source: RFC 6154, section 2.
type Role string

const (
	// RoleTrash marks the mailbox that removed mail goes to.
	RoleTrash Role = "Trash"
	// RoleAll marks a mailbox that shows all messages, which lie in others.
	RoleAll Role = "All"
	// RoleFlagged marks a mailbox that shows those that are flagged.
	RoleFlagged Role = "Flagged"
)

// A Scan is what a look into one mailbox brought.
type Scan struct {
	// Cursor describes the moment just before the look. It may be stored once everything below it is.
	Cursor Cursor
	// Start tells of which generation the IDs are, and nothing of what was seen: it may be stored before anything else,
	// so that IDs of a run that never came to its Cursor are not taken for those of another generation.
	Start Cursor
	// Generation of the IDs: on IMAP the UIDVALIDITY in decimal, in a Maildir empty.
	Generation string
	// Full means that Present lists every message; otherwise it holds the new ones and those whose flags may differ.
	Full    bool
	Present []Message
	// Gone lists known messages that are proven to be no longer there. With Settled false there may be more that
	// cannot be proven yet: whatever Full leaves out is then no evidence.
	Gone    []ID
	Settled bool
	// Window means that the side may show only the newest messages of the mailbox. What is older than those is no proof of
	// anything: it may have left the view, be in Gone, and still be there.
	Window bool
	// Holds tells which flags this side can store in this mailbox; nil means all.
	Holds func(Flag) bool
	// Reset means that the side started anew: no known ID holds any more (on IMAP: UIDVALIDITY changed).
	Reset bool
	// Unread names messages that are there but could not be looked at, with the reason.
	Unread map[ID]error
}
