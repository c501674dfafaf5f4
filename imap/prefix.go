package imap

import (
	"context"
	"fmt"
	"strings"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// learnPrefix asks, unless it is known, what stands before the names of the user's own mailboxes: at Courier, and at
// many a Cyrus and Dovecot, it is "INBOX.", and nothing can be made beside it. In the names that a person reads it is
// left out. All names hang on the answer, so one that is not given now is worth waiting for.
//
// Source: RFC 2342.
func (s *session) learnPrefix(ctx context.Context, entries []wire.List) error {
	prefix, known := s.account.Prefix()
	inbox := string(mailbox.Inbox) + delimiter(entries)
	below, beside := places(entries, inbox)
	if known && (prefix == "" || below || !beside) {
		return nil
	}
	if s.caps["NAMESPACE"] {
		own, answer, err := s.namespace(ctx)
		switch {
		case err != nil:
			return err
		case answer.Kind == "NO" && (known || beside && !below):
			return nil // it may be asked again, and nothing hangs on it yet
		case answer.Kind == "NO":
			return fmt.Errorf("where the own mailboxes lie: %w: %w", &wire.StatusError{Status: answer}, mailbox.ErrTemporary)
		case strings.EqualFold(own, inbox):
			s.account.setPrefix(own)
			return nil
		}
	}
	s.account.setPrefix("")
	return nil
}

// namespace returns the first of the user's own namespaces. One that cannot be read is no prefix.
func (s *session) namespace(ctx context.Context) (own string, answer wire.Status, err error) {
	answers, err := s.conn.Exec(ctx, func(r *wire.Response) error {
		if r.Kind == "NAMESPACE" {
			own, _ = r.Namespace()
		}
		return nil
	}, wire.Cmd("NAMESPACE"))
	if err != nil {
		return "", answer, err
	}
	return own, answers[0], nil
}

// Prefix returns what stands before the names of the user's own mailboxes on the wire, if that is known: after
// Mailboxes, or from the Options.
func (a *Account) Prefix() (prefix string, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.prefix, a.prefixKnown
}

func (a *Account) setPrefix(prefix string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.prefix, a.prefixKnown = prefix, true
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

// places tells whether there are mailboxes below INBOX, and beside it.
func places(entries []wire.List, inbox string) (below, beside bool) {
	for _, entry := range entries {
		switch {
		case hasPrefixFold(entry.Name, inbox):
			below = true
		case !strings.EqualFold(entry.Name, string(mailbox.Inbox)):
			beside = true
		}
	}
	return below, beside
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
