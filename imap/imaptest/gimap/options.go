package gimap

import (
	"crypto/tls"
	"slices"
	"strings"
	"time"
)

// Options are what may differ from account to account, and what nobody knows of Gmail. The zero value is a fresh account
// in English.
type Options struct {
	Addr string      // to listen on; empty is a free port of 127.0.0.1
	TLS  *tls.Config // nil is plain text

	User, Password string // empty: "me@gmail.com" and "app password"
	Profile        string // "2024" (empty), "2016", "appendlimit150"
	Locale         string // of the system mailboxes: "en" (empty), "en-GB", "de", "pl", "ja"
	Prefix         string // "[Gmail]" (empty) or "[Google Mail]"

	FolderModSeq bool     // HIGHESTMODSEQ is the mailbox's own, not one of the account
	Step         uint64   // by which a change moves the MODSEQ; 0 is 9
	SilentLabels bool     // a change of labels moves no MODSEQ
	Limit        int      // so many of the newest messages are shown in each mailbox; 0 is all
	Chats        int      // STATUS of Chats counts so many that SELECT does not show
	More         []string // further mailboxes below the prefix, without a special use: "Snoozed", "Scheduled"

	KeepDeleted  bool          // Auto-Expunge is off: \Deleted waits for EXPUNGE
	Behaviour    Behaviour     // what an expunge in the last visible mailbox does
	AllMailTrash bool          // an expunge in All Mail moves to the Trash; otherwise nothing happens
	Dedupe       Dedupe        // what becomes of an upload that is there already
	OwnLabel     bool          // the label of the selected mailbox can be taken away there
	PlainTrash   bool          // storing \Trash or \Spam as a label does nothing
	SetsSent     bool          // \Sent and \Draft can be stored as labels
	FreshUID     bool          // what is copied or moved out of All Mail to where it is already gets a new UID
	AllMailMove  AllMailMove   // what a MOVE from All Mail to a label shows in All Mail
	MendsLines   bool          // in an upload a bare CR or LF becomes CRLF, and the last line gets an end
	BoxKeywords  bool          // keywords are of a message in a mailbox, not of the message
	SeesDeleted  bool          // \Deleted shows in the other mailboxes, too
	SameValidity bool          // a label that is made again has the UIDVALIDITY that it had
	EarlyCopyUID bool          // COPYUID comes before the EXPUNGEs of a MOVE
	NoCompress   bool          // COMPRESS is not offered: Go cannot read what zlib sends with Z_PARTIAL_FLUSH, as mbsync 1.4 does, until more comes
	UseUnasked   bool          // an extended LIST shows special uses unasked, as a plain one does
	UseAlone     bool          // a LIST that asks for special uses and STATUS at once is refused
	LabelLength  int           // the longest label, in characters; 0 is 225
	Labels       int           // how many there may be; 0 is 10,000
	LongLiterals bool          // {n+} is taken for more than 4096 octets, too
	BearerError  string        // the JSON that OAUTHBEARER gets for a token that is no good; empty is what XOAUTH2 gets
	DropKeywords []string      // these are not kept, without a word
	KeywordSize  int           // nor are those that are longer, in octets; 0 is no end
	Keywords     int           // nor more than so many on a message
	ExtraFlags   []string      // words, legal or not, at the end of every FLAGS list of a mailbox
	NoStatus     []string      // LIST gives no STATUS for these mailboxes
	ModSeqAhead  uint64        // HIGHESTMODSEQ is so much more than it should be
	ModSeqBehind uint64        // or less
	ZeroModSeq   bool          // a message's MODSEQ is 0
	AppendLimit  int64         // in octets; 0 is what the profile says
	Connections  int           // at once; 0 is 15
	SessionLife  time.Duration // after which a session is ended; 0 never
	IdleLife     time.Duration // after which an IDLE ends with the session; 0 never
	IdleDeaf     bool          // or it goes on, and tells of nothing any more
	Lag          time.Duration // until a session that has a mailbox open sees what others did in it
	QuotaDown    int64         // octets until the account is locked; 0 is no end
	QuotaUp      int64
	QuotaPlain   bool // what COMPRESS saves counts, too
	QuotaAnswer  QuotaAnswer
	QuotaCuts    bool          // the octet that would exceed QuotaDown is not sent: the connection drops there
	SMTPSize     int           // the largest message that can be sent, in octets; 0 is 35882577
	Recipients   int           // to whom mail can be sent on a day; 0 is 500
	SMTPDelay    time.Duration // until a message that was sent appears in Sent

	Now func() time.Time // nil is time.Now
}

// A Behaviour is what happens to a message that was taken out of the last mailbox that shows it over IMAP.
type Behaviour int

// What Gmail's settings offer.
const (
	Archive Behaviour = iota
	ToTrash
	DeleteForever
)

// A Dedupe tells what becomes of an upload that Gmail thinks it has.
type Dedupe int

// What was reported, by several people at several times.
const (
	NoDedupe     Dedupe = iota
	DedupeExact         // the same octets are the same message
	DedupeHeader        // the same Message-ID and Date are: the old octets and date stay, and it comes out of the Trash
	DedupeGhost         // the same, and the upload is nowhere, though OK and a UID were said
)

// An AllMailMove is what All Mail shows when a message is moved out of it to a label, though it stays.
type AllMailMove int

// What may be.
const (
	MoveStays     AllMailMove = iota // nothing
	MoveRenumbers                    // an EXPUNGE, and it comes back with a new UID
	MoveHides                        // an EXPUNGE, though it keeps its UID
)

// A QuotaAnswer is how a spent quota is said.
type QuotaAnswer int

// What was seen.
const (
	QuotaBye QuotaAnswer = iota
	QuotaNo
)

func (o *Options) fill() {
	set := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	set(&o.Addr, "127.0.0.1:0")
	set(&o.User, "me@gmail.com")
	set(&o.Password, "app password")
	set(&o.Profile, "2024")
	set(&o.Locale, "en")
	set(&o.Prefix, "[Gmail]")
	if o.Step == 0 {
		o.Step = 9
	}
	if o.LabelLength == 0 {
		o.LabelLength = 225
	}
	if o.Labels == 0 {
		o.Labels = 10_000
	}
	if o.Connections == 0 {
		o.Connections = 15
	}
	if o.AppendLimit == 0 {
		o.AppendLimit = map[string]int64{"2016": 35882577, "appendlimit150": 157286400}[o.Profile]
	}
	if o.AppendLimit == 0 {
		o.AppendLimit = 35651584
	}
	if o.SMTPSize == 0 {
		o.SMTPSize = 35882577
	}
	if o.Recipients == 0 {
		o.Recipients = 500
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// keeps tells whether a keyword is kept on a message that has others. System flags always are.
func (o *Options) keeps(word string, others ...map[string]bool) bool {
	if strings.HasPrefix(word, `\`) {
		return true
	}
	n := 0
	for _, set := range others {
		for other := range set {
			if other == word {
				return true
			}
			if !strings.HasPrefix(other, `\`) {
				n++
			}
		}
	}
	return !slices.Contains(o.DropKeywords, word) && (o.KeywordSize == 0 || len(word) <= o.KeywordSize) && (o.Keywords == 0 || n < o.Keywords)
}
