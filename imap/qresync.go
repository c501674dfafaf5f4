package imap

import (
	"context"

	"mailtwin/imap/wire"
)

// enable asks for QRESYNC, in the flight of the first SELECT of a connection, which is the last moment. Whether the
// server agreed shows in how it answers a question that needs it.
//
// Source: RFC 7162, section 3.2.3; RFC 5161, section 3.1.
func (s *session) enable(ctx context.Context) error {
	if s.asked {
		return nil
	}
	s.asked = true
	if !s.caps["QRESYNC"] || s.account.noVanished.Load() {
		return nil
	}
	s.resyncs = true
	_, err := s.conn.Start(ctx, nil, wire.Cmd("ENABLE QRESYNC"))
	return err
}

// vanishes is the modifier that makes the answer to a question about changes name what is gone, too.
//
// Source: RFC 7162, section 3.2.6.
func (v *survey) vanishes() string {
	if v.session.resyncs {
		return " VANISHED"
	}
	return ""
}

// hear keeps what a server says of messages. What it says to have vanished just now came behind the SELECT: the next look
// asks from there, and hears it again.
func (v *survey) hear(r *wire.Response) error {
	if r.Kind != "VANISHED" {
		return v.seen.take(r)
	}
	uids, earlier, err := r.Vanished()
	if err == nil && earlier {
		v.vanished = append(v.vanished, uids)
	}
	return err
}

// distrustVanished has the account do without QRESYNC, for the server does not answer as it must.
func (v *survey) distrustVanished() {
	v.session.account.noVanished.Store(true)
	v.session.resyncs = false
}

// saidGone returns the known messages that the server says to be gone.
func (v *survey) saidGone() map[uint32]bool {
	gone := map[uint32]bool{}
	if len(v.vanished) == 0 || v.knownCount() == 0 {
		return gone
	}
	for id := range v.req.Known.All() {
		uid := uidOf(id)
		if v.seen.of(uid) != nil { // said to be there, too
			continue
		}
		for _, set := range v.vanished {
			if set.Contains(uid) {
				gone[uid] = true
				break
			}
		}
	}
	return gone
}
