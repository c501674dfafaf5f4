package mailbox

import "time"

// An Outcome is what became of one run, or of several in a row that had nothing to do.
type Outcome struct {
	Run          uint64 // its number, from 1, which it keeps; 0 before it is on record
	Command      string // what was run, as "sync" or "undo 12"; empty in records of earlier versions
	Began, Ended time.Time
	Whole        bool   // it looked at everything that the configuration chooses, and held nothing back
	Error        string // why it ended early, or what it held back; empty if neither
	Status       int    // exit status
	Downloaded   int
	Uploaded     int
	Removed      [2]int // by side, far first
	Left         int    // troubles that stand

	First     time.Time // when the first of the runs began that it stands for; zero if it stands for one
	Times     int       // how many runs it stands for; 0 is one
	Mailboxes []Counts  // those in which something happened
	Changes   int       // how many of its changes are on record one by one
}

// Finished tells whether the run came to its end; one that did not is at work, or was killed.
func (o Outcome) Finished() bool { return !o.Ended.IsZero() }

// Idle tells whether the run went well and had nothing to do.
func (o Outcome) Idle() bool {
	did := o.Downloaded + o.Uploaded + o.Removed[0] + o.Removed[1] + len(o.Mailboxes) + o.Changes
	return o.Finished() && o.Status == 0 && o.Error == "" && o.Left == 0 && did == 0
}

// After joins an idle run with an idle one before it, and tells whether that can be done.
func (o Outcome) After(before Outcome) (joined Outcome, ok bool) {
	if !o.Idle() || !before.Idle() || o.Command != before.Command || o.Whole != before.Whole {
		return o, false
	}
	o.Run, o.First, o.Times = before.Run, before.First, max(before.Times, 1)+1
	if o.First.IsZero() {
		o.First = before.Began
	}
	return o, true
}

// Counts says what happened in one mailbox, in messages unless it says otherwise.
type Counts struct {
	Mailbox        Name
	Downloaded     int
	DownloadedSize int64 // octets
	Uploaded       int
	UploadedSize   int64  // octets
	Adopted        int    // found on both sides and paired without a transfer
	Copied         [2]int // by side, far first, within that side, into this mailbox
	Moved          [2]int // by side, within that side, into this mailbox
	Flagged        [2]int // by side, whose flags were changed there
	Removed        [2]int // by side
	Unlabelled     int    // of those removed on the far side, how many are still in other mailboxes there
	Trashed        int    // of those removed on the far side, how many lie in its Trash now
	Left           int    // gone on the far side, and kept on the near side, in a backup or a transfer
	NotChosen      int    // on the far side, and not what the transfer is about
	Kept           int    // removed on the near side, and kept on the far side
	Marked         int    // marked \Deleted on the far side, because the server cannot remove them alone
	Created        [2]bool
	Deleted        [2]bool // the mailbox itself
	Renamed        Name    // the name it had before; empty if it was not renamed
}

// A ChangeKind says what a Change is.
type ChangeKind uint8

// What a run takes away or alters.
const (
	// MessageRemoved: a side lost it, because the other side had lost it.
	MessageRemoved ChangeKind = iota + 1
	// MessageGone: both sides had lost it; the run, or one before it that died, may have done that on one of them.
	MessageGone
	// MessageKept: the near side lost it, and the far side has it still, marked or not.
	MessageKept
	// MessageSurplus: the near side had a second copy in a mailbox that can hold it only once, and lost that.
	MessageSurplus
	// MessageMoved: it went from one mailbox to another.
	MessageMoved
	// FlagsChanged: it carries others.
	FlagsChanged
	// MailboxRemoved: the mailbox itself went.
	MailboxRemoved
	// MailboxRenamed: it has another name.
	MailboxRenamed
)

// A Change is one thing that a run took away or altered, with what it takes to bring it back. What was added needs no
// such record: it is there.
type Change struct {
	Kind    ChangeKind
	On      [2]bool // by side, far first: where the run did it; on neither side if it found it done on both
	Mailbox Name    // where the message was; the mailbox itself by its name before
	// To is where it went: the mailbox it moved to, the far Trash if its removal was a move to there, or may have been, or
	// the new name.
	To        Name
	Far, Near ID    // of the message in To, as far as they were told
	Pair      Pair  // the message as it was before: its IDs in Mailbox, flags, date, digest
	Flags     Flags // what it carries afterwards, if it is still there
	// Rest is how many messages of the same content the near side had left in the mailbox, if it lost one. The ledger fills
	// it in.
	Rest int
}

// Lost tells whether the near side has the message no longer, in any mailbox.
func (c Change) Lost() bool {
	return c.Kind == MessageRemoved || c.Kind == MessageGone || c.Kind == MessageKept
}

// A Source is where a message lies on the near side: in a mailbox, or in the attic.
type Source struct {
	Place
	Day string // of the attic, as 2006-01-02, where Place is what it was before; empty if it is in the mailbox itself
}

// A Return is a message that is to be put into a mailbox of the near side, from which it was taken.
type Return struct {
	From         Source
	Stay         bool  // it stays where it is, too
	As           ID    // that it is to have
	Flags        Flags // that it is to carry
	Digest       Digest
	InternalDate time.Time // that it is to have, if it stays where it is, too
}
