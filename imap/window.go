package imap

import (
	"context"
	"errors"

	"mailtwin/mailbox"
)

// Gmail can be set to show only the newest messages of each mailbox. What is older is there, and no command reaches it: it
// leaves the mailbox as if it were expunged, and comes back when newer messages go. Nothing says that it is so but the
// number of messages, which is then never higher than the limit.
//
// Source: https://developers.google.com/gmail/api/reference/rest/v1/ImapSettings

// windows are the limits that Gmail's setting offers.
var windows = map[uint32]bool{1000: true, 2000: true, 5000: true, 10000: true}

// IsWindow tells whether a mailbox of so many messages may show but its newest ones.
func IsWindow(messages uint32) bool { return windows[messages] }

// Narrow tells that mailboxes show only so many of their newest messages; 0 means all.
func (a *Account) Narrow(messages uint32) { a.window.Store(messages) }

// narrows tells whether a mailbox that shows so many messages may have older ones.
func (a *Account) narrows(messages uint32) bool {
	limit := a.window.Load()
	return limit > 0 && messages >= limit
}

// narrowed tells whether the selected mailbox may have older messages than it shows.
func (s *session) narrowed() bool { return s.data != nil && s.account.narrows(s.data.NumMessages) }

var errNotShown = errors.New("the server shows only the newest messages of the mailbox")

// notShown tells which messages the selected mailbox has, perhaps, and does not show.
func (s *session) notShown(ctx context.Context, ids []mailbox.ID) (map[mailbox.ID]error, error) {
	if !s.narrowed() {
		return nil, nil
	}
	absent, err := s.certainlyGone(ctx, ids)
	if err != nil || len(absent) == 0 {
		return nil, err
	}
	refused := make(map[mailbox.ID]error, len(absent))
	for _, id := range absent {
		refused[id] = errNotShown
	}
	return refused, nil
}
