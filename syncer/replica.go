package syncer

import (
	"context"
	"io"

	"mailtwin/mailbox"
)

// A Replica is one side of a pair: an IMAP account, a Maildir. Its methods may be called from several goroutines at
// once, for the same mailbox too. A message is named by its mailbox and its ID there. An error that says nothing else
// concerns the whole call; *mailbox.MessageError concerns one message, and errors.Is(err, mailbox.ErrTemporary) says
// that it is worth trying again.
type Replica interface {
	// Mailboxes lists all mailboxes, those too that hold only other mailboxes. It changes nothing. On IMAP it costs
	// one round trip.
	Mailboxes(ctx context.Context) ([]mailbox.Info, error)

	// Vanished looks once more, in another way, whether a mailbox that a listing left out is really gone. Any doubt
	// is false.
	Vanished(ctx context.Context, name mailbox.Name) (bool, error)

	// Scan looks for what changed in a mailbox.
	Scan(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error)

	// Identify completes the Content of messages as far as this side can without a transfer of bodies: in a Maildir
	// all of it, on IMAP size, Message-ID and the digest of the header. found is called once for each message that
	// could be read, from one goroutine.
	Identify(ctx context.Context, name mailbox.Name, ids []mailbox.ID, found func(mailbox.ID, mailbox.Content)) error

	// Missing tells which of these messages are certainly no longer there, by a fresh look. Any doubt leaves an ID
	// out.
	Missing(ctx context.Context, name mailbox.Name, ids []mailbox.ID) ([]mailbox.ID, error)

	// Fetch hands over the bodies of messages in canonical form, in any order, as streams that are valid only during
	// the call of body. body is called from one goroutine; an error that it returns ends Fetch and is returned. A
	// message that the side does not hand over is left out, and the reason, if any, is told to problem.
	Fetch(ctx context.Context, name mailbox.Name, ids []mailbox.ID,
		body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error)) error

	// Append opens a batch of messages to be stored in a mailbox that exists.
	Append(ctx context.Context, name mailbox.Name) (Batch, error)

	// SetFlags changes flags. Flags that the mailbox cannot hold are left out, and messages that are gone are no
	// error. What could not be changed is told to problem.
	SetFlags(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error

	// Remove takes messages away for good: only these, and only if each still is the message that is meant. gone are
	// those that are no longer there; kept are those that the side marked but has no means to take away alone. What
	// is in neither was not touched.
	Remove(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed) (gone, kept []mailbox.ID, err error)

	// Create makes a mailbox, and what lies above it if need be. One that exists is no error.
	Create(ctx context.Context, name mailbox.Name) error
	// Rename gives a mailbox another name, and with it those below it.
	Rename(ctx context.Context, from, to mailbox.Name) error
	// Delete removes a mailbox that holds no messages but those that Remove or Move kept there, marked;
	// mailbox.ErrNotEmpty means that it holds others, and nothing was done. One that does not exist is no error.
	Delete(ctx context.Context, name mailbox.Name, kept []mailbox.ID) error
}

// A Batch takes messages for one mailbox. It is used from one goroutine.
type Batch interface {
	// Add takes one message: m tells the ID and Size that it has where it comes from, its Flags and InternalDate. A
	// *mailbox.MessageError concerns only this message: it was not stored, and the batch goes on. Any other error
	// ends the batch.
	Add(ctx context.Context, m mailbox.Message, body io.Reader) error
	// Flush makes all that was added durable, then visible, and tells where it is now, or why it was refused. After an
	// error of it, or of Add, only what it tells of may be recorded: the rest is stored or not. The batch may not be used
	// again then.
	Flush(ctx context.Context) ([]mailbox.Stored, error)
	// Close drops what was not flushed. It may be called after Flush.
	Close() error
}

// A Mover is a Replica that can copy and move messages between its own mailboxes without a transfer. The result maps
// each message to its ID in the other mailbox; a zero ID means that it went there, but the side could not tell under
// which ID. What is not in the result was not touched. The other mailbox exists.
type Mover interface {
	Copy(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (map[mailbox.ID]mailbox.ID, error)
	Move(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (mailbox.Moved, error)
}

// A Labeler is a Replica on which one message can be in several mailboxes at once, and only once in each, as on Gmail. A
// message has the same account-wide ID in all of them.
type Labeler interface {
	// Whole is the mailbox that has every message, wherever else it is; empty if there is none. A message cannot be
	// taken out of it alone.
	Whole() mailbox.Name
	// Unlabel takes messages out of one mailbox and leaves them in the others. gone are those that are no longer there.
	Unlabel(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed) (gone []mailbox.ID, err error)
	// Elsewhere tells which messages of a mailbox are in further mailboxes than it, Whole and those named.
	Elsewhere(ctx context.Context, name mailbox.Name, ids []mailbox.ID, but []mailbox.Name) (map[mailbox.ID]bool, error)
	// Discard removes messages for good, from all mailboxes. gone are those that are no longer there.
	Discard(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed, trash mailbox.Name) (gone []mailbox.ID, err error)
}

// A Pool is a Replica that says how many calls are worth making at once.
type Pool interface{ Parallel() int }

// A Namer is a Replica that tells, before a mailbox is made, how its name goes over the wire, or why it cannot have it.
type Namer interface {
	WireName(name mailbox.Name) (string, error)
}

// A Pretender is a Replica that answers, until it lists its mailboxes again, as if one of them had another name. A dry run
// looks at a mailbox in this way that a run would rename.
type Pretender interface{ Pretend(from, to mailbox.Name) }
