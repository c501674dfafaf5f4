package imap

import (
	"context"
	"strings"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// learnPrefix asks what stands before the names of the user's own mailboxes, where a listing lets one guess that
// something does: at Courier, and at many a Cyrus and Dovecot, it is "INBOX.", and nothing can be made beside it. In the
// names that a person reads it is left out.
//
// Source: RFC 2342.
func (s *session) learnPrefix(ctx context.Context, entries []wire.List) error {
	prefix := s.account.prefixed()
	inbox := string(mailbox.Inbox) + delimiter(entries)
	if prefix == "" && s.caps["NAMESPACE"] && likelyPrefix(entries, inbox) {
		_, err := s.conn.Exec(ctx, func(r *wire.Response) error {
			if r.Kind != "NAMESPACE" {
				return nil
			}
			if own, err := r.Namespace(); err == nil && strings.EqualFold(own, inbox) {
				prefix = own
			}
			return nil // what cannot be read is no prefix
		}, wire.Cmd("NAMESPACE"))
		if err != nil {
			return err
		}
	}
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	s.account.prefix = prefix
	return nil
}

// prefixed returns the prefix, if it is known: it stays the same.
func (a *Account) prefixed() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.prefix
}

// delimiter returns the first one of a listing, for servers may give none for INBOX alone.
func delimiter(entries []wire.List) string {
	for _, entry := range entries {
		if entry.Delim != "" {
			return entry.Delim
		}
	}
	return ""
}

// likelyPrefix tells whether it is worth to ask: on most servers an idle run is to cost no second question.
func likelyPrefix(entries []wire.List, inbox string) bool {
	below, beside := false, false
	for _, entry := range entries {
		switch {
		case hasPrefixFold(entry.Name, inbox):
			below = true
		case !strings.EqualFold(entry.Name, string(mailbox.Inbox)):
			beside = true
		}
	}
	return !beside || below && strings.HasSuffix(inbox, ".")
}

func hasPrefixFold(name, prefix string) bool {
	return len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// withoutPrefix returns the wire name without the prefix. "INBOX.INBOX" keeps it: INBOX is another mailbox.
func (a *Account) withoutPrefix(name string) string {
	if a.prefix == "" || !hasPrefixFold(name, a.prefix) {
		return name
	}
	if rest := name[len(a.prefix):]; !strings.EqualFold(rest, string(mailbox.Inbox)) {
		return rest
	}
	return name
}
