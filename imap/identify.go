package imap

import (
	"context"
	"crypto/sha256"
	"io"
	"slices"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// headerChunk is how many headers one command asks for.
const headerChunk = 200

// maxHeader is how much of a header counts, in octets; as much as mailbox.Summer looks at.
const maxHeader = 64 << 10

// Identify tells size, Message-ID and the digest of the header of messages, without their bodies. What the server does
// not hand over whole is left out.
func (a *Account) Identify(ctx context.Context, name mailbox.Name, ids []mailbox.ID, found func(mailbox.ID, mailbox.Content)) error {
	contents := map[mailbox.ID]mailbox.Content{}
	err := a.repeat(ctx, name, func(s *session) error {
		if err := s.squeeze(ctx, int64(len(ids))*headerOctets); err != nil {
			return err
		}
		if err := s.use(ctx, name); err != nil {
			return err
		}
		return s.headers(ctx, ids, contents)
	})
	if err != nil {
		return named(name, "read headers", err)
	}
	for _, id := range ids {
		if c, ok := contents[id]; ok {
			found(id, c)
			delete(contents, id) // once, however often it was asked for
		}
	}
	return nil
}

func (s *session) headers(ctx context.Context, ids []mailbox.ID, contents map[mailbox.ID]mailbox.Content) error {
	var cmds []*wire.Command
	for part := range slices.Chunk(ids, headerChunk) {
		cmds = append(cmds, wire.Cmd("UID FETCH").Set(uidSet(part)).Raw("(UID RFC822.SIZE BODY.PEEK[HEADER])"))
	}
	_, err := s.exec(ctx, func(r *wire.Response) error {
		if r.Kind != "FETCH" {
			return nil
		}
		c := mailbox.Content{}
		m, err := r.Fetch(func(_ *wire.Fetch, _ string, size int64, body io.Reader) error {
			header, err := io.ReadAll(io.LimitReader(body, min(size, maxHeader)))
			c.Header, c.MessageID = sha256.Sum256(header), mailbox.MessageID(header)
			return err
		})
		if err == nil && m.UID != 0 && m.Size >= 0 && !c.Header.IsZero() {
			c.Size = m.Size
			contents[idOf(m.UID)] = c
		}
		return err
	}, cmds)
	return err
}
