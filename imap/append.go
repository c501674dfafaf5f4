package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// With MULTIAPPEND (RFC 3502) messages up to smallMessage octets share a command, as many as groupCount and groupOctets
// allow. That saves no round trip, but the server a lock and a sync for each: where four connections fill one mailbox of
// Dovecot 2.3, a message takes 1 to 2 ms in place of 30 in a Maildir, and 1 in place of 4 in sdbox.
const (
	smallMessage = 64 << 10
	groupCount   = 32
	groupOctets  = 256 << 10
)

// A Batch stores messages in one mailbox. Its commands follow each other without a wait: what became of each message is
// heard later. Where the server wants to be asked before each literal (it has no LITERAL+), a message costs one round trip.
// From the first message to Flush or Close a batch has a connection to itself.
type Batch struct {
	account *Account
	name    mailbox.Name
	target  string   // as it goes over the wire
	session *session // nil if there is none
	group   []letter // to be sent in one command
	alone   bool     // a group was refused, so each message gets a command of its own
	flight  []parcel // sent and not answered, in order
	octets  int64    // of those
	last    uint32   // the highest UID that this batch was told
	stored  []mailbox.Stored
	broken  bool // Add has said that nothing more can be stored
}

// Append opens a batch.
func (a *Account) Append(_ context.Context, name mailbox.Name) (*Batch, error) {
	if err := a.mayChange(name, "append"); err != nil {
		return nil, err
	}
	target, err := a.wireName(name)
	if err != nil {
		return nil, err
	}
	return &Batch{account: a, name: name, target: target}, nil
}

// Add takes one message. m.Size must be its size in canonical form, to the octet; a body of another size, or one that
// cannot be read, is a *mailbox.MessageError. After a lost connection (mailbox.ErrTemporary) nobody knows of messages
// that were not answered whether they are stored.
func (b *Batch) Add(ctx context.Context, m mailbox.Message, body io.Reader) error {
	err := b.connect(ctx)
	if err == nil {
		err = b.learnFlags(ctx, b.session, m.Flags)
	}
	if err == nil {
		err = b.take(ctx, letter{id: m.ID, flags: m.Flags, date: m.InternalDate, size: m.Size, body: body})
	}
	var spoilt *wire.BodyError
	if errors.As(err, &spoilt) && ctx.Err() == nil {
		if err = b.withdraw(ctx, spoilt); err == nil {
			return &mailbox.MessageError{Mailbox: b.name, ID: m.ID, Err: spoilt.Err}
		}
	}
	err = b.named(err)
	b.broken = err != nil
	return err
}

// named names the error that ends a batch.
func (b *Batch) named(err error) error {
	var box *mailbox.MailboxError
	if err = b.account.pace.verdict(err); err == nil || errors.As(err, &box) {
		return err
	}
	return fmt.Errorf("append to %q: %w", string(b.name), err)
}

// connect gets a connection, if the batch has none. Only connecting is tried again, for then nothing was done.
func (b *Batch) connect(ctx context.Context) error {
	a := b.account
	if b.session != nil {
		return a.pace.wait(ctx)
	}
	return a.retry(ctx, func() (err error) {
		b.session, err = a.acquire(ctx, b.name)
		return err
	})
}

// disconnect gives the connection back. One on which answers are still to come is of no use to anybody.
func (b *Batch) disconnect() {
	if b.session == nil {
		return
	}
	if len(b.flight) > 0 {
		b.session.conn.Close() //nolint:errcheck // it is given up
	}
	b.account.release(b.session)
	b.session, b.group, b.flight, b.octets = nil, nil, nil, 0
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

// take keeps a small message until its group is whole, and sends others at once.
func (b *Batch) take(ctx context.Context, l letter) error {
	if b.alone || !b.session.caps["MULTIAPPEND"] || l.size > smallMessage || l.size == 0 { // an empty literal takes a group back
		if err := b.sendGroup(ctx); err != nil {
			return err
		}
		return b.send(ctx, l)
	}
	if err := l.read(); err != nil {
		return err
	}
	var octets int64
	for _, other := range b.group {
		octets += other.size
	}
	if len(b.group) == groupCount || octets+l.size > groupOctets {
		if err := b.sendGroup(ctx); err != nil {
			return err
		}
	}
	b.group = append(b.group, l)
	return nil
}

func (b *Batch) sendGroup(ctx context.Context) error {
	group := b.group
	if b.group = nil; len(group) == 0 {
		return nil
	}
	return b.send(ctx, group...)
}

// read takes the body into memory. One that is not as long as was said changed meanwhile.
func (l *letter) read() error {
	var text bytes.Buffer
	text.Grow(int(l.size) + bytes.MinRead)
	n, err := text.ReadFrom(io.LimitReader(l.body, l.size+1))
	if err == nil && n != l.size {
		err = wire.ErrLength
	}
	if err != nil {
		return &wire.BodyError{Err: err}
	}
	l.text = text.Bytes()
	return nil
}

// withdraw makes sure that a message whose body was not what it was said to be is not stored. If a part of it was sent,
// the connection is given up as soon as the server has answered what came before.
func (b *Batch) withdraw(ctx context.Context, spoilt *wire.BodyError) error {
	if !spoilt.Begun {
		return nil
	}
	err := b.hear(ctx, 0)
	b.session.conn.Close() //nolint:errcheck // closing it is what stops the server
	b.disconnect()
	return err
}

// Flush waits for all answers and tells what became of each message. An APPEND that was answered is on the server's disk,
// whatever the error says of others. What Add has said already is not said again.
func (b *Batch) Flush(ctx context.Context) ([]mailbox.Stored, error) {
	var err error
	if !b.broken {
		err = b.sendGroup(ctx)
	}
	if heard := b.hear(ctx, 0); err == nil {
		err = heard
	}
	b.disconnect()
	stored := b.stored
	b.stored = nil
	if b.broken {
		return stored, nil
	}
	return stored, b.named(err)
}

// Close gives the connection back: what was added cannot be taken back.
func (b *Batch) Close() error {
	b.disconnect()
	return nil
}
