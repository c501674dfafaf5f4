// Package gmail is the side of a Gmail account. There a message is one thing that shows in several mailboxes, its labels:
// with UIDs of its own in each, and the same flags in all. All Mail shows every message that is not in Spam or Trash, so
// one look there tells what happened to the flags of the whole account, and each mailbox is asked for UIDs only.
//
// The package imports imap, never the reverse. Where All Mail is hidden from IMAP, or a server is none of Google's, imap
// alone does it: right as well, but each mailbox is then asked for everything.
package gmail

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"mailtwin/imap"
	"mailtwin/mailbox"
)

// A Ledger tells where the messages of the account are.
type Ledger interface {
	Mailboxes(ctx context.Context) ([]mailbox.Twin, error)
	ByHint(ctx context.Context, hint mailbox.Hint) iter.Seq2[mailbox.Located, error]
}

// Options say what is known of an account.
type Options struct {
	Ledger Ledger
	// Since is what Position returned after the last run that went to its end; empty asks for everything.
	Since string
	// Identify asks for the Message-IDs of all mail in the first look, for mail on the other side is to be recognised.
	Identify bool
	// Report is told what its owner should know.
	Report func(string)
}

// Capability is what tells that a server is Gmail.
const Capability = "X-GM-EXT-1"

// An Account is a Gmail account. It may be used from several goroutines.
type Account struct {
	*imap.Account
	options Options

	mu      sync.Mutex
	folders map[mailbox.Name]imap.Listed
	all     mailbox.Name          // empty if it is hidden
	forgone bool                  // it does not tell what changed
	limit   uint32                // each mailbox shows only so many of its newest messages; 0 is all
	known   []mailbox.Twin        // what the ledger has
	since   position              // up to where the ledger knows everything, but for what is behind
	behind  map[mailbox.Name]bool // what the last run left undone something in
	asked   position              // up to where this run has asked
	due     map[mailbox.Name]bool // everything was asked for, and this mailbox was not compared with it yet
	said    map[string]*saying
	changed map[mailbox.Name]*changes // of known messages
	marks   map[mailbox.Name]uint64   // the highest MODSEQ of what changed there in this run
}

// New makes a Gmail account of an IMAP account.
func New(a *imap.Account, options Options) *Account {
	g := &Account{
		Account: a, options: options, said: map[string]*saying{},
		changed: map[mailbox.Name]*changes{}, marks: map[mailbox.Name]uint64{},
	}
	last := readPosition(options.Since)
	g.since, g.asked, g.behind = last.position, last.position, map[mailbox.Name]bool{}
	for _, name := range last.Behind {
		g.behind[name] = true
	}
	return g
}

// Whole returns the mailbox that has every message but those in Spam and Trash; empty if it cannot be seen.
func (a *Account) Whole() mailbox.Name {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all
}

// Forgone tells whether All Mail is done without in this run for it did not tell what changed, though it is shown.
func (a *Account) Forgone() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.forgone
}

// Unasked tells whether a mailbox is left out unless its owner asks for it: what is in Important and Starred is in All
// Mail, and what is in Spam and Trash is of little use.
func (a *Account) Unasked(name mailbox.Name) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, ok := a.folders[name]
	if !ok {
		return false
	}
	if slices.Contains([]mailbox.Role{roleSpam, roleTrash, roleImportant, roleStarred}, l.Role) {
		return true
	}
	all := a.folders[a.all]
	return l.Role == "" && string(name) == parent(all.Name)+"Chats" && name != "Chats"
}

// The special uses that matter here.
const (
	roleAll       mailbox.Role = mailbox.RoleAll
	roleSpam      mailbox.Role = "Junk"
	roleTrash     mailbox.Role = mailbox.RoleTrash
	roleDrafts    mailbox.Role = "Drafts"
	roleSent      mailbox.Role = "Sent"
	roleStarred   mailbox.Role = mailbox.RoleFlagged
	roleImportant mailbox.Role = "Important"
)

// Mailboxes lists all mailboxes. If anything happened to a message anywhere, All Mail is asked what, and the marks of
// those mailboxes change that have the message. If All Mail does not tell, it is as if it was hidden, in this run.
func (a *Account) Mailboxes(ctx context.Context) ([]mailbox.Info, error) {
	listed, err := a.List(ctx)
	if err != nil {
		return nil, err
	}
	a.learn(listed)
	err = a.ask(ctx)
	if errors.As(err, new(*mailbox.MailboxError)) && ctx.Err() == nil && !errors.Is(err, mailbox.ErrQuota) {
		a.options.Report(fmt.Sprintf("each mailbox is asked for everything: %v", err))
		a.forgo()
	} else if err != nil {
		return nil, fmt.Errorf("ask what changed: %w", err)
	}
	before, err := a.before(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.follow(ctx, before); err != nil {
		return nil, err
	}
	infos := make([]mailbox.Info, len(listed))
	for i, l := range listed {
		infos[i] = l.Info
		infos[i].Window = a.Limit() > 0 && l.Count >= a.Limit()
		if !a.isView(l.Name) {
			continue
		}
		infos[i].Mark = a.mark(l.Name, l.Validity, l.Next, l.Count, before[l.Name])
		if a.isDue(l.Name) || a.isBehind(l.Name) {
			infos[i].Mark += " and all flags"
		}
	}
	return infos, nil
}

// forgo does without All Mail from now on.
func (a *Account) forgo() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all, a.forgone, a.due = "", true, nil
}

// isDue tells whether a mailbox is to be compared with what All Mail said of everything.
func (a *Account) isDue(name mailbox.Name) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.due[name]
}

// isBehind tells whether a mailbox may have changes from before those that All Mail is asked for.
func (a *Account) isBehind(name mailbox.Name) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.behind[name]
}

func (a *Account) learn(listed []imap.Listed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.folders, a.all = foldersOf(listed), ""
	for _, l := range listed {
		if l.Role == roleAll && !l.NoSelect && l.Validity != 0 && !a.forgone {
			a.all = l.Name
		}
	}
	a.limit = limitOf(a.folders)
	a.Narrow(a.limit)
}

// isView tells whether a mailbox shows messages of which All Mail tells everything.
func (a *Account) isView(name mailbox.Name) bool {
	return a.Whole() != "" && a.Limit() == 0 && a.shows(name)
}

// shows tells whether a mailbox shows messages by their labels, as all do but Spam and Trash, and as one will that was just
// made and was never listed.
func (a *Account) shows(name mailbox.Name) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.folders[name].NoSelect && !a.isBin(name)
}

// bins tells whether a mailbox is Spam or Trash. One that held only others when it was listed may have been made since.
func (a *Account) bins(name mailbox.Name) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.isBin(name)
}

// isBin tells whether a mailbox is Spam or Trash. a.mu is held.
func (a *Account) isBin(name mailbox.Name) bool {
	role := a.folders[name].Role
	return role == roleSpam || role == roleTrash
}

// before returns how far each mailbox was known, by its mark in the ledger.
func (a *Account) before(ctx context.Context) (map[mailbox.Name]uint64, error) {
	twins, err := a.options.Ledger.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.known = twins
	a.mu.Unlock()
	known := map[mailbox.Name]uint64{}
	for _, t := range twins {
		m, _ := readMark(t.Far.Cursor.Mark) // without one nothing was known before
		known[t.Name] = m.highest
	}
	return known, nil
}

// follow looks anew where the messages are of which something was said, if one of their mailboxes has another name now.
func (a *Account) follow(ctx context.Context, known map[mailbox.Name]uint64) error {
	a.mu.Lock()
	renamed := false
	for name := range a.changed {
		if _, ok := known[name]; !ok {
			renamed = true
		}
	}
	if renamed {
		clear(a.changed)
		clear(a.marks)
	}
	said := a.said
	a.mu.Unlock()
	if !renamed {
		return nil
	}
	return a.locate(ctx, said)
}

// A mark is what must be equal for a mailbox to be unchanged: its own numbers, and the highest MODSEQ that one of its
// messages was last seen to change with. The HIGHESTMODSEQ of the mailbox itself may be one of the whole account, which says nothing.
type mark struct {
	validity, next, count uint32
	highest               uint64
}

const markFormat = "gmail %d %d %d %d"

func (m mark) String() string {
	return fmt.Sprintf(markFormat, m.validity, m.next, m.count, m.highest)
}

func readMark(text string) (m mark, ok bool) {
	n, err := fmt.Sscanf(text, markFormat, &m.validity, &m.next, &m.count, &m.highest)
	return m, err == nil && n == 4
}

func (a *Account) mark(name mailbox.Name, validity, next, count uint32, before uint64) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.changed[name]; validity == 0 || next == 0 {
		if c != nil && !c.told { // it is not to be left out, also where a mailbox without numbers is
			return "changed"
		}
		return ""
	}
	if a.marks[name] != 0 { // which may be lower, if Gmail began to count anew
		before = a.marks[name]
	}
	return mark{validity, next, count, before}.String()
}
