package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// A Found is a mailbox as a survey finds it.
type Found struct {
	mailbox.Info
	Octets int64 // of all its messages; -1 if the server does not say
}

// Survey lists all mailboxes with how much they hold.
//
// Source: RFC 8438.
func (a *Account) Survey(ctx context.Context) ([]Found, error) {
	infos, err := a.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	sizes := map[string]uint64{}
	err = a.repeat(ctx, "", func(s *session) error { return s.sizes(ctx, infos, sizes) })
	if err != nil {
		return nil, fmt.Errorf("ask for the sizes of mailboxes: %w", err)
	}
	found := make([]Found, len(infos))
	for i, info := range infos {
		found[i] = Found{info, -1}
		wireName, err := a.wireName(info.Name)
		if octets, ok := sizes[wireName]; ok && err == nil {
			found[i].Octets = int64(octets)
		}
	}
	return found, nil
}

// sizes asks for the size of each mailbox, all in one flight, if the server knows them.
func (s *session) sizes(ctx context.Context, infos []mailbox.Info, sizes map[string]uint64) error {
	if !s.caps["STATUS=SIZE"] {
		return nil
	}
	if err := s.unselect(ctx); err != nil {
		return err
	}
	var cmds []*wire.Command
	for _, info := range infos {
		if wireName, err := s.account.wireName(info.Name); err == nil && !info.NoSelect {
			cmds = append(cmds, wire.Cmd("STATUS").Mailbox(wireName).Raw("(SIZE)"))
		}
	}
	_, err := s.exec(ctx, func(r *wire.Response) error {
		if r.Kind != "STATUS" {
			return nil
		}
		data, err := r.StatusData()
		if err == nil && data.Size != nil {
			sizes[data.Name] = *data.Size
		}
		return err
	}, cmds) // one that is refused says nothing of its mailbox
	return err
}

// Sample downloads some of the newest messages of a mailbox over one connection, for at most so long, and tells how many
// there were and how much. They are thrown away.
func (a *Account) Sample(ctx context.Context, name mailbox.Name, most int, limit time.Duration) (messages int, octets int64, err error) {
	ids, err := a.newest(ctx, name, most)
	if err != nil {
		return 0, 0, err
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = a.Fetch(limited, name, ids, func(_ mailbox.ID, body io.Reader) error {
		n, err := io.Copy(io.Discard, body)
		octets += n
		if err == nil {
			messages++
		}
		return err
	}, func(mailbox.ID, error) {})
	if errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil // that much there was time for
	}
	return messages, octets, err
}

// newest returns the IDs of some of the last messages of a mailbox.
func (a *Account) newest(ctx context.Context, name mailbox.Name, most int) (ids []mailbox.ID, err error) {
	err = a.repeat(ctx, name, func(s *session) error {
		if err := s.use(ctx, name); err != nil {
			return err
		}
		next := uint32(s.data.UIDNext)
		if next < 2 {
			return nil
		}
		first := uint32(max(1, int64(next)-4*int64(most)))
		there, ok, err := s.search(ctx, wire.UIDSet{{First: first, Last: next - 1}})
		if err != nil || !ok {
			return err
		}
		ids = nil
		for uid := first; uid < next; uid++ {
			if there.Contains(uid) {
				ids = append(ids, idOf(uid))
			}
		}
		return nil
	})
	return ids[max(0, len(ids)-most):], err
}
