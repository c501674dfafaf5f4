package gmail

import (
	"context"
	"fmt"
	"io"

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

// Append opens a batch.
func (a *Account) Append(ctx context.Context, name mailbox.Name) (*Batch, error) {
	batch, err := a.Account.Append(ctx, name)
	if err != nil {
		return nil, err
	}
	return &Batch{batch: batch, account: a, name: name, sums: map[mailbox.ID]*mailbox.Summer{}}, nil
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
	stored, err := b.batch.Flush(ctx)
	if err != nil {
		return nil, err
	}
	found, err := b.look(ctx, stored)
	if err != nil {
		return nil, err
	}
	for i := range stored {
		s := &stored[i]
		s.Content = b.sums[s.Source].Content()
		if there, ok := found[s.ID]; ok && (there.size == s.Content.Size || s.Content.MessageID == "") {
			s.Content.AccountID = there.id
			continue
		}
		if err := b.merged(ctx, s); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

type upload struct {
	id   string
	size int64
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

// merged deals with a message of which Gmail said that it stored it, and that is not there: it made it one with a message
// that it has. That one gets the label, if it can be found, and is what the upload came to.
func (b *Batch) merged(ctx context.Context, s *mailbox.Stored) error {
	s.ID = ""
	all, id := b.account.Whole(), s.Content.MessageID
	if all == "" || id == "" || !b.account.isView(b.name) {
		return nil
	}
	b.account.options.Report(fmt.Sprintf("mailbox %q, message %s: Gmail made it one with a message that it has", string(b.name), s.Source))
	label, err := b.account.label(b.name)
	if err != nil {
		return err
	}
	twins, err := b.account.Find(ctx, all, "HEADER MESSAGE-ID", id)
	if err != nil || len(twins) != 1 {
		return err
	}
	if b.name != all {
		if err := b.account.StoreLabels(ctx, all, twins, "+", label); err != nil {
			return err
		}
	}
	here, err := b.account.Find(ctx, b.name, "HEADER MESSAGE-ID", id)
	if err != nil || len(here) != 1 {
		return err
	}
	found, err := b.look(ctx, []mailbox.Stored{{ID: here[0]}})
	if err == nil && found[here[0]].id != "" {
		s.ID, s.Content.AccountID = here[0], found[here[0]].id
	}
	return err
}
