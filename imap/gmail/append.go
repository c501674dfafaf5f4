package gmail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// A Batch stores messages in one mailbox. Gmail may answer that it stored a message, and make it one with another that it
// has: what came of each is looked at.
type Batch struct {
	batch   *imap.Batch
	account *Account
	name    mailbox.Name
	sums    map[mailbox.ID]*mailbox.Summer
}

// errAstray means that nobody can tell whether what is to be uploaded is on the server already.
var errAstray = fmt.Errorf("the server numbered its mailboxes anew, and All Mail does not tell what they hold; the next run tries again: %w", mailbox.ErrTemporary)

// Append opens a batch.
func (a *Account) Append(ctx context.Context, name mailbox.Name) (*Batch, error) {
	if a.isAstray() {
		return nil, &mailbox.MailboxError{Mailbox: name, Err: errAstray}
	}
	batch, err := a.Account.Append(ctx, name)
	if err != nil {
		return nil, err
	}
	return &Batch{batch: batch, account: a, name: name, sums: map[mailbox.ID]*mailbox.Summer{}}, nil
}

// isAstray tells whether All Mail was numbered anew and does not tell what it has.
func (a *Account) isAstray() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.forgone || a.since.Validity == 0 {
		return false
	}
	for _, l := range a.folders {
		if l.Role == roleAll && l.Validity != 0 {
			return l.Validity != a.since.Validity
		}
	}
	return false
}

// Add sends one message. One that is marked \Deleted would be taken away at once, so that mark stays behind.
func (b *Batch) Add(ctx context.Context, m mailbox.Message, body io.Reader) error {
	m.Flags = held(m.Flags)
	sum := mailbox.NewSummer()
	b.sums[m.ID] = sum
	return b.batch.Add(ctx, m, io.TeeReader(body, sum))
}

// Close drops what was not flushed.
func (b *Batch) Close() error { return b.batch.Close() }

// Flush tells where the messages are, and what Gmail calls them.
func (b *Batch) Flush(ctx context.Context) ([]mailbox.Stored, error) {
	stored, broken := b.batch.Flush(ctx)
	found, err := b.look(ctx, stored)
	if err != nil {
		return nil, errors.Join(broken, err)
	}
	settled := map[string]mailbox.Digest{} // by X-GM-MSGID
	for i := range stored {
		s := &stored[i]
		if s.Refused != nil {
			continue
		}
		s.Content = b.sums[s.Source].Content()
		there, ok := found[s.ID]
		if ok && b.isUpload(s, there) {
			err = b.accept(ctx, s, there.id, settled)
		} else {
			err = b.merged(ctx, s, settled)
		}
		if err != nil {
			return nil, errors.Join(broken, err)
		}
	}
	return stored, broken
}

type upload struct {
	id   string
	size int64
}

// isUpload tells whether what is there is what was uploaded. Without a Message-ID nothing is merged: then a message of
// another size is the upload, too, with line ends that Gmail changed.
func (b *Batch) isUpload(s *mailbox.Stored, there upload) bool {
	if there.size == s.Content.Size {
		return true
	}
	if s.Content.MessageID != "" {
		return false
	}
	b.account.options.Report(fmt.Sprintf("mailbox %q, message %s: Gmail keeps %d octets of the %d that were uploaded",
		string(b.name), s.Source, there.size, s.Content.Size))
	return true
}

// look asks for the messages that were stored.
func (b *Batch) look(ctx context.Context, stored []mailbox.Stored) (map[mailbox.ID]upload, error) {
	var ids []mailbox.ID
	for _, s := range stored {
		if s.ID != "" {
			ids = append(ids, s.ID)
		}
	}
	found := map[mailbox.ID]upload{}
	if len(ids) == 0 {
		return found, nil
	}
	var questions []string
	for _, set := range imap.Sets(ids) {
		questions = append(questions, set+" (UID X-GM-MSGID RFC822.SIZE)")
	}
	_, err := b.account.Ask(ctx, b.name, imap.Question{
		Fetch: questions,
		Begin: func() { clear(found) },
		Take: func(m *wire.Fetch, _ []byte) {
			if m.GmailID != "" {
				found[imap.IDOf(m.UID)] = upload{m.GmailID, m.Size}
			}
		},
	})
	return found, err
}

// accept takes a message of the server for the upload, unless the mailbox has it already as another one's twin: Gmail
// made them one, and there can be no second.
func (b *Batch) accept(ctx context.Context, s *mailbox.Stored, id string, settled map[string]mailbox.Digest) error {
	other, taken := settled[id]
	for l, err := range b.account.options.Ledger.ByHint(ctx, mailbox.AccountHint(id)) {
		if err != nil {
			return err
		}
		if l.AccountID == id && l.Mailbox == b.name && l.Far != "" && l.Near != "" {
			other, taken = l.Digest, true
		}
	}
	if taken {
		s.ID, s.Merged = "", other != s.Content.Digest
		return nil
	}
	settled[id] = s.Content.Digest
	s.Content.AccountID = id
	return nil
}

// merged deals with a message of which Gmail said that it stored it, and that is not there, or is another one: it made it
// one with a message that it has. That one gets the label, if it can be found, and is what the upload came to.
func (b *Batch) merged(ctx context.Context, s *mailbox.Stored, settled map[string]mailbox.Digest) error {
	told := s.ID != ""
	s.ID = ""
	if s.Content.MessageID == "" { // then nothing is merged
		return nil
	}
	here, err := b.named(ctx, b.name, s.Content.MessageID)
	if err != nil {
		return err
	}
	if len(here) == 0 {
		if here, err = b.labelled(ctx, s.Content.MessageID); err != nil {
			return err
		}
	}
	if len(here) != 1 {
		s.Merged = told || len(here) > 1
		return nil
	}
	found, err := b.look(ctx, []mailbox.Stored{{ID: here[0]}})
	if err != nil || found[here[0]].id == "" {
		return err
	}
	s.ID = here[0]
	if err := b.accept(ctx, s, found[here[0]].id, settled); err != nil || s.ID == "" {
		return err
	}
	if found[here[0]].size != s.Content.Size {
		b.account.options.Report(fmt.Sprintf("mailbox %q, message %s: Gmail made it one with a message that it has, and keeps that one's text", string(b.name), s.Source))
	}
	return nil
}

// labelled gives the label of the mailbox to the one message in All Mail that has a Message-ID, and returns where it is
// then.
func (b *Batch) labelled(ctx context.Context, messageID string) ([]mailbox.ID, error) {
	all := b.account.Whole()
	if all == "" || all == b.name || !b.account.shows(b.name) {
		return nil, nil
	}
	label, err := b.account.label(b.name)
	if err != nil {
		return nil, err
	}
	twins, err := b.named(ctx, all, messageID)
	if err != nil || len(twins) != 1 {
		return nil, err
	}
	if err := b.account.StoreLabels(ctx, all, twins, "+", label); err != nil {
		return nil, err
	}
	return b.named(ctx, b.name, messageID)
}

// named finds the messages of a mailbox that have a Message-ID. SEARCH HEADER looks for words, and finds none in some
// Message-IDs.
func (b *Batch) named(ctx context.Context, name mailbox.Name, messageID string) ([]mailbox.ID, error) {
	if strings.ContainsAny(messageID, " \t") {
		return b.account.Find(ctx, name, "HEADER MESSAGE-ID", messageID)
	}
	return b.account.Find(ctx, name, "X-GM-RAW", "rfc822msgid:"+messageID)
}
