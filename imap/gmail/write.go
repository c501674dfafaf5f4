package gmail

import (
	"context"
	"strings"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// Move moves messages. Out of All Mail nothing can be moved but to Spam and Trash: there a message only gets a label
// more, and stays.
func (a *Account) Move(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (mailbox.Moved, error) {
	if from == a.Whole() && !a.bins(to) {
		arrived, err := a.Copy(ctx, from, messages, to)
		return mailbox.Moved{To: arrived}, err
	}
	return a.Account.Move(ctx, from, messages, to)
}

// Copy copies messages. What is copied to Spam or Trash would leave all other mailboxes: none is, which is
// mailbox.ErrCannotLink, and it has to be uploaded instead.
func (a *Account) Copy(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (map[mailbox.ID]mailbox.ID, error) {
	if a.shows(from) && a.bins(to) {
		return nil, mailbox.ErrCannotLink
	}
	return a.Account.Copy(ctx, from, messages, to)
}

// Elsewhere tells which messages of a mailbox are in further mailboxes than those named, which its owner does not sync.
func (a *Account) Elsewhere(ctx context.Context, name mailbox.Name, ids []mailbox.ID, but []mailbox.Name) (map[mailbox.ID]bool, error) {
	own := map[string]bool{`\important`: true, `\starred`: true, `\muted`: true} // which keep no message where it is
	for _, n := range but {
		label, err := a.label(n)
		if err != nil {
			return nil, err
		}
		own[strings.ToLower(label)] = true
	}
	elsewhere := map[mailbox.ID]bool{}
	var questions []string
	for _, set := range imap.Sets(ids) {
		questions = append(questions, set+" (UID X-GM-LABELS)")
	}
	_, err := a.Ask(ctx, name, imap.Question{
		Fetch: questions,
		Begin: func() { clear(elsewhere) },
		Take: func(m *wire.Fetch, _ []byte) {
			for _, label := range m.Labels {
				if !own[strings.ToLower(label)] {
					elsewhere[imap.IDOf(m.UID)] = true
				}
			}
		},
	})
	return elsewhere, err
}

// Discard removes messages for good, wherever they are: to the Trash first, and there by their new UIDs.
func (a *Account) Discard(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed, trash mailbox.Name) (gone []mailbox.ID, err error) {
	if !a.shows(name) {
		gone, _, err = a.Remove(ctx, name, messages)
		return gone, err
	}
	moved, err := a.Account.Move(ctx, name, messages, trash)
	if err != nil {
		return nil, err
	}
	gone = moved.Gone
	var doomed []mailbox.Doomed
	for _, m := range messages {
		if id, ok := moved.To[m.ID]; ok {
			gone = append(gone, m.ID)
			if id != "" { // else it lies in the Trash until Gmail empties it
				m.ID = id
				doomed = append(doomed, m)
			}
		}
	}
	if len(doomed) == 0 {
		return gone, nil
	}
	_, _, err = a.Remove(ctx, trash, doomed)
	return gone, err
}
