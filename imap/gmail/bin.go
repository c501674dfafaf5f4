package gmail

import (
	"context"
	"fmt"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// Binned tells which messages lie in Trash and Spam, by their account-wide IDs, and where.
func (a *Account) Binned(ctx context.Context) (map[string]mailbox.Place, error) {
	listed, err := a.List(ctx)
	if err != nil {
		return nil, err
	}
	a.learn(listed)
	binned := map[string]mailbox.Place{}
	for _, l := range listed {
		if (l.Role != roleTrash && l.Role != roleSpam) || l.NoSelect || l.Count == 0 {
			continue
		}
		there := map[string]mailbox.Place{}
		_, err := a.Ask(ctx, l.Name, imap.Question{
			Fetch: []string{"1:* (UID X-GM-MSGID)"},
			Begin: func() { clear(there) },
			Take: func(m *wire.Fetch, _ []byte) {
				if m.GmailID != "" {
					there[m.GmailID] = mailbox.Place{Mailbox: l.Name, ID: imap.IDOf(m.UID)}
				}
			},
		})
		if err != nil {
			return nil, fmt.Errorf("look into %q: %w", string(l.Name), err)
		}
		for id, place := range there {
			binned[id] = place
		}
	}
	return binned, nil
}
