package gmail

import (
	"context"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// Trashed tells which messages lie in the Trash, by their account-wide IDs, and under which IDs there. Trash is empty if it
// is not shown over IMAP.
func (a *Account) Trashed(ctx context.Context) (trash mailbox.Name, there map[string]mailbox.ID, err error) {
	listed, err := a.List(ctx)
	if err != nil {
		return "", nil, err
	}
	a.learn(listed)
	there = map[string]mailbox.ID{}
	for _, l := range listed {
		if l.Role != roleTrash || l.NoSelect {
			continue
		}
		trash = l.Name
		if l.Count == 0 {
			continue
		}
		_, err = a.Ask(ctx, l.Name, imap.Question{
			Fetch: []string{"1:* (UID X-GM-MSGID)"},
			Begin: func() { clear(there) },
			Take: func(m *wire.Fetch, _ []byte) {
				if m.GmailID != "" {
					there[m.GmailID] = imap.IDOf(m.UID)
				}
			},
		})
	}
	return trash, there, err
}
