package gmail

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"mailtwin/mailbox"
)

// systemLabels are the labels of mailboxes with a special use, by what that is.
var systemLabels = map[mailbox.Role]string{
	roleDrafts: `\Draft`, roleImportant: `\Important`, roleSent: `\Sent`, roleStarred: `\Starred`,
}

// label is the label that a mailbox stands for.
func (a *Account) label(name mailbox.Name) (string, error) {
	a.mu.Lock()
	label := systemLabels[a.folders[name].Role]
	a.mu.Unlock()
	switch {
	case name == mailbox.Inbox:
		return `\Inbox`, nil
	case label != "":
		return label, nil
	}
	return a.WireName(name)
}

// Unlabel takes messages out of one mailbox and leaves them in the others: by moving them to where they are anyway, All
// Mail, or, if that is hidden, by taking the label away in another mailbox that has them. gone are those that are no longer
// in the mailbox.
func (a *Account) Unlabel(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed) (gone []mailbox.ID, err error) {
	all := a.Whole()
	if all == name {
		return nil, &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("messages cannot be taken out of %q alone", string(all))}
	}
	if all == "" {
		return a.unlabelElsewhere(ctx, name, messages)
	}
	moved, err := a.Account.Move(ctx, name, messages, all)
	return slices.AppendSeq(moved.Gone, maps.Keys(moved.To)), err
}

// unlabelElsewhere takes the label of a mailbox away in other mailboxes: Gmail takes none away in its own.
func (a *Account) unlabelElsewhere(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed) (gone []mailbox.ID, err error) {
	label, err := a.label(name)
	if err != nil {
		return nil, err
	}
	siblings, err := a.siblings(ctx, name, messages)
	if err != nil {
		return nil, err
	}
	for _, where := range slices.Sorted(maps.Keys(siblings)) {
		left := slices.DeleteFunc(siblings[where], func(s sibling) bool { return slices.Contains(gone, s.of) })
		some, err := a.takeLabel(ctx, where, left, label)
		if err != nil {
			return gone, err
		}
		gone = append(gone, some...)
	}
	return gone, nil
}

// A sibling is a message in another mailbox.
type sibling struct {
	id        mailbox.ID // there
	accountID string
	of        mailbox.ID // in the mailbox that it is to be taken out of
}

// siblings finds messages in all other mailboxes. One of them may be about to lose the message, too.
func (a *Account) siblings(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed) (map[mailbox.Name][]sibling, error) {
	all := map[mailbox.Name][]sibling{}
	for _, m := range messages {
		for l, err := range a.options.Ledger.ByHint(ctx, mailbox.AccountHint(m.Pair.AccountID)) {
			if err != nil {
				return nil, err
			}
			if l.AccountID == m.Pair.AccountID && l.Mailbox != name && l.Far != "" && a.shows(l.Mailbox) && !a.Hidden(l.Mailbox) {
				all[l.Mailbox] = append(all[l.Mailbox], sibling{l.Far, l.AccountID, m.ID})
			}
		}
	}
	return all, nil
}

// takeLabel takes a label away from those messages that are what they should be.
func (a *Account) takeLabel(ctx context.Context, where mailbox.Name, siblings []sibling, label string) (gone []mailbox.ID, err error) {
	if len(siblings) == 0 {
		return nil, nil
	}
	ids, found := make([]mailbox.ID, len(siblings)), map[mailbox.ID]string{}
	for i, s := range siblings {
		ids[i] = s.id
	}
	if err := a.accountIDs(ctx, where, ids, found); err != nil {
		return nil, err
	}
	ids = nil
	for _, s := range siblings {
		if found[s.id] == s.accountID {
			ids, gone = append(ids, s.id), append(gone, s.of)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return gone, a.StoreLabels(ctx, where, ids, "-", label)
}
