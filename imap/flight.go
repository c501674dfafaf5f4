package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// appendWindow is how much of a batch may be on its way, in octets, before the server has answered: over a round trip of
// 40 ms that brings 25 MB in a second. A message that is larger travels alone, and the server is asked before, so that it
// can refuse it without having had it.
const appendWindow = 1 << 20

// smallLiteral is how many octets a server with LITERAL- takes without being asked.
//
// Source: RFC 7888, section 5.
const smallLiteral = 4096

// dateTime is the form of a date behind APPEND.
//
// Source: RFC 9051, section 9, date-time.
const dateTime = "_2-Jan-2006 15:04:05 -0700"

// A letter is a message that is to be stored. Its text is in memory, or else comes from body.
type letter struct {
	id    mailbox.ID
	flags mailbox.Flags
	date  time.Time
	size  int64
	body  io.Reader
	text  []byte
}

// A parcel is one APPEND on its way, with one letter or several.
type parcel struct {
	letters []letter
	octets  int64
	before  uint32 // the highest UID that was taken when it left
	wait    func(context.Context) (wire.Status, error)
}

// send brings letters on their way in one command, as soon as there is room for them.
//
// Source: RFC 9051, section 6.3.12; RFC 3502.
func (b *Batch) send(ctx context.Context, letters ...letter) error {
	p := parcel{letters: letters}
	for _, l := range letters {
		p.octets += l.size
	}
	if err := b.hear(ctx, appendWindow-p.octets); err != nil {
		return err
	}
	if err := b.connect(ctx); err != nil {
		return err
	}
	p.before = b.account.given(b.name)
	wait, err := b.session.conn.StartLiterals(ctx, b.command(letters))
	if err != nil {
		return b.doubt(err, letters)
	}
	p.wait = wait
	b.flight = append(b.flight, p)
	b.octets += p.octets
	return nil
}

func (b *Batch) command(letters []letter) *wire.Command {
	b.account.mu.Lock()
	keeps := b.account.keeps[b.name]
	b.account.mu.Unlock()
	cmd := wire.Cmd("APPEND").Mailbox(b.target)
	for _, l := range letters {
		if flags := storable(l.flags, keeps); !flags.Empty() {
			cmd.Flags(words(flags)...)
		}
		if !l.date.IsZero() {
			cmd.String(l.date.Format(dateTime))
		}
		body := l.body
		if l.text != nil {
			body = bytes.NewReader(l.text)
		}
		cmd.Literal(body, l.size, !b.session.takesUnasked(l.size))
	}
	return cmd
}

func words(flags mailbox.Flags) []string {
	var list []string
	for _, flag := range flags.All() {
		list = append(list, string(flag))
	}
	return list
}

// takesUnasked tells whether a literal is sent without asking for leave.
func (s *session) takesUnasked(size int64) bool {
	return size <= appendWindow && s.caps["LITERAL+"] || size <= smallLiteral && s.caps["LITERAL-"]
}

// hear takes answers until at most so many octets are on their way; with room for none, or less, until all is answered.
func (b *Batch) hear(ctx context.Context, room int64) error {
	for len(b.flight) > 0 && (b.octets > room || room <= 0) {
		p := b.flight[0]
		status, err := p.wait(ctx)
		if err != nil {
			return b.doubt(err, nil)
		}
		b.flight, b.octets = slices.Delete(b.flight, 0, 1), b.octets-p.octets
		if err := b.conclude(ctx, p, status); err != nil {
			return err
		}
	}
	return nil
}

// doubt deals with a session that the server ended, as it may at any moment, and said so: of what was on its way nobody knows
// whether it is stored, and what follows goes over another session. Any other error is returned.
func (b *Batch) doubt(err error, sending []letter) error {
	if !errors.Is(err, wire.ErrBye) || !again(b.account.pace.verdict(err)) {
		return err
	}
	for _, p := range b.flight {
		sending = append(p.letters, sending...)
	}
	for _, l := range sending {
		b.stored = append(b.stored, mailbox.Stored{Source: l.id, Unsure: true})
	}
	b.disconnect()
	return nil
}

// conclude notes what became of the messages of a command. One message that is refused refuses the whole command, so that
// then each is sent again, alone.
func (b *Batch) conclude(ctx context.Context, p parcel, status wire.Status) error {
	refused := refusedStatus(status)
	switch {
	case status.Kind == "OK":
		for i, id := range b.arrivals(p, status) {
			b.stored = append(b.stored, mailbox.Stored{Source: p.letters[i].id, ID: id})
		}
	case status.Code == "TRYCREATE":
		return &mailbox.MailboxError{Mailbox: b.name, Err: fmt.Errorf("append: %w: %w", mailbox.ErrNoMailbox, refused)}
	case len(p.letters) > 1:
		b.alone = true
		for _, l := range p.letters {
			if err := b.send(ctx, l); err != nil {
				return err
			}
		}
	default:
		if err := b.account.pace.quota(); err != nil {
			return err
		}
		b.stored = append(b.stored, mailbox.Stored{Source: p.letters[0].id, Refused: refused})
	}
	return nil
}

// arrivals reads an APPENDUID and returns the ID of each letter; none if nobody knows it. UIDs that are not above those
// that this batch was told are those of something else.
func (b *Batch) arrivals(p parcel, status wire.Status) []mailbox.ID {
	ids := make([]mailbox.ID, len(p.letters))
	validity, uids := status.AppendUID()
	if uids.Count() != uint64(len(ids)) || uids[0].First <= b.last {
		return ids
	}
	i := 0
	each(uids, func(uid uint32) {
		if ids[i] = b.account.arrival(b.name, validity, uid, p.before); ids[i] != "" {
			b.last = uid
		}
		i++
	})
	return ids
}
