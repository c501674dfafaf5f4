package mailbox

import (
	"errors"
	"fmt"
	"iter"
)

// A ScanRequest asks one side about one mailbox.
type ScanRequest struct {
	Name Name
	// Since is the cursor of the last run that finished; zero asks for everything.
	Since Cursor
	// Known holds the IDs of this side that the ledger has, whether both sides have the message or not.
	Known Known
	// Generation of the other side's IDs, if known: a Maildir needs it to tell from a file's name what it once was.
	Generation string
	// Identify asks for the Content of new messages as far as the side can tell it in the same round trip: on IMAP
	// the Message-ID.
	Identify bool
}

// Known is the set of IDs that the ledger has of one side of one mailbox.
type Known interface {
	Len() int
	Has(id ID) bool
	// All yields every ID, in any order: what is gone can only be named by asking for each.
	All() iter.Seq[ID]
}

// Nothing is a Known that has no ID.
type Nothing struct{}

// Len implements Known.
func (Nothing) Len() int { return 0 }

// Has implements Known.
func (Nothing) Has(ID) bool { return false }

// All implements Known.
func (Nothing) All() iter.Seq[ID] { return func(func(ID) bool) {} }

// A Place names one message of one side.
type Place struct {
	Mailbox Name
	ID      ID
}

// A FlagChange is relative, so that it may be repeated without harm.
type FlagChange struct {
	ID        ID
	Add, Take Flags
}

// A Doomed message is one to be removed or moved away, with what tells it from another message that got its ID.
type Doomed struct {
	ID        ID
	Size      int64 // octets, as this side reported them; 0 if unknown
	MessageID string
	Pair      Pair
}

// Moved tells what became of messages that were to be moved. What is in none of its parts was not touched.
type Moved struct {
	To   map[ID]ID // the ID of each in the other mailbox; zero if it went there, but the side could not tell under which ID
	Kept []ID      // those that the side could only copy and mark, not take away
	Gone []ID      // those that were no longer there
}

// Stored tells what became of a message that was added to a mailbox.
type Stored struct {
	Source  ID      // the ID that the message had where it came from
	ID      ID      // its ID here; zero if it was stored, but this side could not tell under which ID
	Content Content // of the bytes that were added; zero if they were not read
	Merged  bool    // this side made it one with another message that it has, and there is no ID for it: it is not to be sent again
	Refused error   // why it was not stored; nil if it was
	Unsure  bool    // there is no ID for it, and it may not be stored at all: a fresh look tells
}

// Errors of a side that the engine acts on.
var (
	// ErrNotEmpty means that a mailbox holds messages or other mailboxes.
	ErrNotEmpty = errors.New("mailbox is not empty")
	// ErrCannotLink means that two places cannot share one copy of a message.
	ErrCannotLink = errors.New("cannot link")
	// ErrHalf means that a part of a mailbox is missing, as after an accident: its messages may have been in it.
	ErrHalf = errors.New("a part of it is missing")
	// ErrNoMailbox means that a mailbox does not exist.
	ErrNoMailbox = errors.New("no such mailbox")
	// ErrUIDValidity means that a mailbox started anew, so that nothing known about its IDs still holds.
	ErrUIDValidity = errors.New("UIDVALIDITY changed")
	// ErrTemporary marks what may go well later: a cut line, a server that is busy, a limit that was reached.
	ErrTemporary = errors.New("temporary failure")
	// ErrQuota means that the account has had what the server allows it, or would have. It is a kind of ErrTemporary that no
	// try in the same run mends.
	ErrQuota = fmt.Errorf("%w: the account's quota is used up", ErrTemporary)
	// ErrAuth means that the server refused the login.
	ErrAuth = errors.New("login refused")
)

// A MessageError concerns one message: the run goes on without it.
type MessageError struct {
	Mailbox Name
	ID      ID
	Err     error
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("mailbox %q, message %s: %v", string(e.Mailbox), e.ID, e.Err)
}

// Unwrap returns the reason.
func (e *MessageError) Unwrap() error { return e.Err }

// A MailboxError concerns one mailbox: the run goes on with the others.
type MailboxError struct { //nolint:revive // it stands beside MessageError, and says which of the two it is
	Mailbox Name
	Err     error
}

func (e *MailboxError) Error() string { return fmt.Sprintf("mailbox %q: %v", string(e.Mailbox), e.Err) }

// Unwrap returns the reason.
func (e *MailboxError) Unwrap() error { return e.Err }
