package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// A Batch stores messages in one mailbox, each with an APPEND of its own. It holds no connection between two of them.
type Batch struct {
	account *Account
	name    mailbox.Name
	target  string
	stored  []mailbox.Stored
}

// Append opens a batch.
func (a *Account) Append(_ context.Context, name mailbox.Name) (*Batch, error) {
	if err := a.mayChange(name, "append"); err != nil {
		return nil, err
	}
	target, err := a.utf8Name(name)
	if err != nil {
		return nil, err
	}
	return &Batch{account: a, name: name, target: target}, nil
}

var errChanged = errors.New("it changed while it was read")

// Add sends one message. m.Size must be its size in canonical form, to the octet. What the server refuses is a
// *mailbox.MessageError with its words. After a lost answer (mailbox.ErrTemporary) the message may be stored or not. If it
// was the server that ended the session, Flush tells so of the message, and others may follow.
//
// Source: RFC 9051, section 6.3.12.
func (b *Batch) Add(ctx context.Context, m mailbox.Message, body io.Reader) error {
	before := b.account.given(b.name)
	var data *goimap.AppendData
	var unread error
	sent := false
	err := b.account.once(ctx, b.name, func(s *session) (err error) {
		if err = b.learnFlags(ctx, s, m.Flags); err == nil {
			sent = true
			data, unread, err = b.send(ctx, s, m, body)
		}
		return err
	})
	var refused *goimap.Error
	switch {
	case errors.As(err, &refused) && refused.Code == goimap.ResponseCodeTryCreate:
		return &mailbox.MailboxError{Mailbox: b.name, Err: fmt.Errorf("append: %w: %w", mailbox.ErrNoMailbox, refusedText(refused))}
	case errors.As(err, &refused):
		return &mailbox.MessageError{Mailbox: b.name, ID: m.ID, Err: refusedText(refused)}
	case unread != nil && ctx.Err() == nil:
		return &mailbox.MessageError{Mailbox: b.name, ID: m.ID, Err: unread}
	case errors.Is(err, wire.ErrBye) && sent && again(err):
		b.stored = append(b.stored, mailbox.Stored{Source: m.ID, Unsure: true})
		return nil
	case err != nil:
		return fmt.Errorf("append to %q: %w", string(b.name), err)
	}
	id := b.account.arrival(b.name, data.UIDValidity, uint32(data.UID), before)
	b.stored = append(b.stored, mailbox.Stored{Source: m.ID, ID: id})
	return nil
}

// learnFlags finds out which keywords the mailbox can store, if that matters: some servers refuse a message for a
// keyword, and others drop the keyword in silence.
func (b *Batch) learnFlags(ctx context.Context, s *session, flags mailbox.Flags) error {
	isKeyword := func(flag mailbox.Flag) bool { return !strings.HasPrefix(string(flag), `\`) }
	b.account.mu.Lock()
	_, known := b.account.keeps[b.name]
	b.account.mu.Unlock()
	for _, flag := range flags.All() {
		if !known && isKeyword(flag) {
			return s.use(ctx, b.name)
		}
	}
	return nil
}

// isValid tells whether UIDs of this validity are those that are known of the mailbox.
func (a *Account) isValid(name mailbox.Name, validity uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.validity[name]
	if !ok {
		a.validity[name] = validity
	}
	return !ok || known == validity
}

// send writes the message. A body that cannot be read, or is shorter or longer than announced (unread), cannot be
// mended on this connection, which is closed before the server could take the message for whole.
func (b *Batch) send(ctx context.Context, s *session, m mailbox.Message, body io.Reader) (data *goimap.AppendData, unread, err error) {
	b.account.mu.Lock()
	keeps := b.account.keeps[b.name]
	b.account.mu.Unlock()
	options := &goimap.AppendOptions{Flags: goFlags(storable(m.Flags, keeps)), Time: m.InternalDate}
	err = s.do(ctx, func() error {
		cmd := s.client.Append(b.target, m.Size, options)
		w := &watched{r: body}
		n, copyErr := io.Copy(cmd, io.LimitReader(w, m.Size))
		switch {
		case w.err != nil:
			unread = w.err
		case copyErr == nil && (n != m.Size || more(w)):
			unread = errChanged
		}
		if unread != nil {
			s.conn.Close() //nolint:errcheck // closing it is what stops the server
		}
		closeErr := cmd.Close()
		data, err = cmd.Wait()
		var refused *goimap.Error
		if errors.As(err, &refused) {
			return err // the rest is only the consequence
		}
		return errors.Join(err, copyErr, closeErr)
	})
	return data, unread, err
}

func more(r io.Reader) bool {
	var one [1]byte
	n, _ := io.ReadFull(r, one[:]) // whatever the error is, nothing more came
	return n > 0
}

// Flush tells what was stored: an APPEND that was answered is on the server's disk.
func (b *Batch) Flush(context.Context) ([]mailbox.Stored, error) {
	stored := b.stored
	b.stored = nil
	return stored, nil
}

// Close does nothing: what was added cannot be taken back.
func (b *Batch) Close() error { return nil }
