package imap

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// rawName is the wire name with "/" between its levels, as other programs write it down.
func rawName(entry wire.List) string {
	if entry.Delim == "" {
		return entry.Name
	}
	return strings.ReplaceAll(entry.Name, entry.Delim, "/")
}

// nameOf decodes a wire name and remembers it. a.mu is held.
func (a *Account) nameOf(entry wire.List) (mailbox.Name, error) {
	levels := []string{entry.Name}
	if entry.Delim != "" {
		levels = strings.Split(a.withoutPrefix(entry.Name), entry.Delim)
	}
	for i, level := range levels {
		decoded, err := decodeUTF7(level)
		if err != nil {
			return "", err
		}
		levels[i] = decoded
	}
	name := mailbox.MakeName(levels...)
	a.wires[name] = entry.Name
	return name, nil
}

// learnDelimiter takes the delimiter for mailboxes to come from a listing. a.mu is held.
func (a *Account) learnDelimiter(entries []wire.List) {
	if len(entries) > 0 {
		a.delim = delimiter(entries)
	}
}

var (
	errNotText = errors.New("its name is not valid UTF-8, so the server cannot have it; rename the mailbox")
	errFlat    = errors.New("the server has no mailboxes inside mailboxes, so it cannot have this one; rename it")
)

// wireName returns the name under which the server knows a mailbox, or would know it.
func (a *Account) wireName(name mailbox.Name) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.wires[name]; ok {
		return known, nil
	}
	levels := name.Levels()
	switch {
	case !utf8.ValidString(string(name)):
		return "", &mailbox.MailboxError{Mailbox: name, Err: errNotText}
	case a.delim == "" && len(levels) > 1:
		return "", &mailbox.MailboxError{Mailbox: name, Err: errFlat}
	}
	for i, level := range levels {
		if level == "" || (a.delim != "" && strings.Contains(level, a.delim)) {
			return "", &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf(
				"the server separates levels with %q, so it cannot have this name; rename the mailbox", a.delim)}
		}
		levels[i] = encodeUTF7(level)
	}
	if name == mailbox.Inbox {
		return string(name), nil
	}
	return a.prefix + strings.Join(levels, a.delim), nil
}

// utf8Name is the wire name as go-imap takes it, which encodes names by itself.
func (a *Account) utf8Name(name mailbox.Name) (string, error) {
	known, err := a.wireName(name)
	if err != nil {
		return "", err
	}
	return decodeUTF7(known)
}
