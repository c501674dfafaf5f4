package gmail

import (
	"context"
	"maps"
	"slices"
	"strings"

	"mailtwin/imap"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// SetFlags changes flags. \Deleted is left out but in Spam and Trash: elsewhere it would take the message out of its
// mailbox at once. Keywords are changed in All Mail, too, for it is there that they are read, and nobody knows whether they
// belong to the message or to the mailbox.
func (a *Account) SetFlags(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error {
	if a.shows(name) {
		changes = slices.Clone(changes)
		for i, c := range changes {
			changes[i].Add, changes[i].Take = held(c.Add), held(c.Take)
		}
	}
	if err := a.Account.SetFlags(ctx, name, changes, problem); err != nil || !a.isView(name) || name == a.Whole() {
		return err
	}
	return a.setKeywords(ctx, name, changes)
}

func held(flags mailbox.Flags) mailbox.Flags {
	return flags.Without(mailbox.Deleted).Without(mailbox.Draft)
}

// setKeywords makes those of the changes in All Mail that concern keywords.
func (a *Account) setKeywords(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange) error {
	wanted := map[mailbox.ID]mailbox.FlagChange{}
	var ids []mailbox.ID
	for _, c := range changes {
		if c.Add, c.Take = keywords(c.Add), keywords(c.Take); !c.Add.Empty() || !c.Take.Empty() {
			wanted[c.ID] = c
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	there, err := a.inAll(ctx, name, ids)
	if err != nil {
		return err
	}
	var same []mailbox.FlagChange
	for id, other := range there {
		c := wanted[id]
		c.ID = other
		same = append(same, c)
	}
	return a.Account.SetFlags(ctx, a.Whole(), same, func(mailbox.ID, error) {}) // they are where they were asked for
}

func keywords(flags mailbox.Flags) mailbox.Flags {
	for _, flag := range flags.All() {
		if strings.HasPrefix(string(flag), `\`) {
			flags = flags.Without(flag)
		}
	}
	return flags
}

// inAll returns the UIDs in All Mail of messages of another mailbox.
func (a *Account) inAll(ctx context.Context, name mailbox.Name, ids []mailbox.ID) (map[mailbox.ID]mailbox.ID, error) {
	accountIDs := map[mailbox.ID]string{}
	err := a.accountIDs(ctx, name, ids, accountIDs)
	if err != nil {
		return nil, err
	}
	there, left, all := map[mailbox.ID]mailbox.ID{}, map[string]mailbox.ID{}, a.Whole()
	for id, accountID := range accountIDs {
		for l, err := range a.options.Ledger.ByHint(ctx, mailbox.AccountHint(accountID)) {
			if err != nil {
				return nil, err
			}
			if l.AccountID == accountID && l.Mailbox == all {
				there[id] = l.Far
			}
		}
		if there[id] == "" { // All Mail is not synced
			left[accountID] = id
		}
	}
	found, err := a.findInAll(ctx, slices.Sorted(maps.Keys(left)))
	for other, accountID := range found {
		if id, ok := left[accountID]; ok {
			there[id] = other
		}
	}
	return there, err
}

// findInAll looks for messages in All Mail, and asks those that it finds who they are.
func (a *Account) findInAll(ctx context.Context, accountIDs []string) (map[mailbox.ID]string, error) {
	if len(accountIDs) == 0 {
		return nil, nil
	}
	all, found := a.Whole(), map[mailbox.ID]string{}
	ids, err := a.Find(ctx, all, "X-GM-MSGID", accountIDs...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return found, a.accountIDs(ctx, all, ids, found)
}

// accountIDs asks for the account-wide IDs of messages.
func (a *Account) accountIDs(ctx context.Context, name mailbox.Name, ids []mailbox.ID, found map[mailbox.ID]string) error {
	var questions []string
	for _, set := range imap.Sets(ids) {
		questions = append(questions, set+" (UID X-GM-MSGID)")
	}
	_, err := a.Ask(ctx, name, imap.Question{
		Fetch: questions,
		Begin: func() { clear(found) },
		Take: func(m *wire.Fetch, _ []byte) {
			if m.GmailID != "" {
				found[imap.IDOf(m.UID)] = m.GmailID
			}
		},
	})
	return err
}
