package syncer

import (
	"context"
	"io"

	"mailtwin/mailbox"
)

// As is a replica whose mailboxes go by the names of the other side, as far as they have one there. The others are not
// shown. It may be used from several goroutines.
type As struct {
	Replica
	names []mailbox.Name                  // of the other side
	to    func(mailbox.Name) mailbox.Name // what the replica calls a mailbox of the other side
}

// NewAs gives a replica the names of the other side. to must always say the same of a name.
func NewAs(inner Replica, names []mailbox.Name, to func(mailbox.Name) mailbox.Name) *As {
	return &As{Replica: inner, names: names, to: to}
}

// Mailboxes lists those that have a name on the other side; one that has several is listed for each.
func (a *As) Mailboxes(ctx context.Context) ([]mailbox.Info, error) {
	infos, err := index(a.Replica.Mailboxes(ctx))
	if err != nil {
		return nil, err
	}
	var shown []mailbox.Info
	for _, name := range a.names {
		if info, ok := infos[a.to(name)]; ok {
			info.Name, info.Identity = name, ""
			shown = append(shown, info)
		}
	}
	return shown, nil
}

// Vanished implements Replica.
func (a *As) Vanished(ctx context.Context, name mailbox.Name) (bool, error) {
	return a.Replica.Vanished(ctx, a.to(name))
}

// Scan implements Replica.
func (a *As) Scan(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	req.Name = a.to(req.Name)
	return a.Replica.Scan(ctx, req)
}

// Identify implements Replica.
func (a *As) Identify(ctx context.Context, name mailbox.Name, ids []mailbox.ID, found func(mailbox.ID, mailbox.Content)) error {
	return a.Replica.Identify(ctx, a.to(name), ids, found)
}

// Missing implements Replica.
func (a *As) Missing(ctx context.Context, name mailbox.Name, ids []mailbox.ID) ([]mailbox.ID, error) {
	return a.Replica.Missing(ctx, a.to(name), ids)
}

// Fetch implements Replica.
func (a *As) Fetch(ctx context.Context, name mailbox.Name, ids []mailbox.ID,
	body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error),
) error {
	return a.Replica.Fetch(ctx, a.to(name), ids, body, problem)
}

// Append implements Replica.
func (a *As) Append(ctx context.Context, name mailbox.Name) (Batch, error) {
	return a.Replica.Append(ctx, a.to(name))
}

// SetFlags implements Replica.
func (a *As) SetFlags(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error {
	return a.Replica.SetFlags(ctx, a.to(name), changes, problem)
}

// Remove implements Replica.
func (a *As) Remove(ctx context.Context, name mailbox.Name, messages []mailbox.Doomed) (gone, kept []mailbox.ID, err error) {
	return a.Replica.Remove(ctx, a.to(name), messages)
}

// Create implements Replica.
func (a *As) Create(ctx context.Context, name mailbox.Name) error {
	return a.Replica.Create(ctx, a.to(name))
}

// WireName implements Namer, for a replica that is one.
func (a *As) WireName(name mailbox.Name) (string, error) {
	if namer, ok := a.Replica.(Namer); ok {
		return namer.WireName(a.to(name))
	}
	return string(a.to(name)), nil
}

// Rename implements Replica. Where the replica's own name stays, there is nothing to do.
func (a *As) Rename(ctx context.Context, from, to mailbox.Name) error {
	if a.to(from) == a.to(to) {
		return nil
	}
	return a.Replica.Rename(ctx, a.to(from), a.to(to))
}

// Delete implements Replica.
func (a *As) Delete(ctx context.Context, name mailbox.Name, kept []mailbox.ID) error {
	return a.Replica.Delete(ctx, a.to(name), kept)
}

// Copy implements Mover, for a replica that is one. Between two names of one mailbox nothing is copied.
func (a *As) Copy(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (map[mailbox.ID]mailbox.ID, error) {
	mover, ok := a.Replica.(Mover)
	if !ok {
		return nil, mailbox.ErrCannotLink
	}
	if a.to(from) == a.to(to) {
		return same(messages), nil
	}
	return mover.Copy(ctx, a.to(from), messages, a.to(to))
}

// Move implements Mover.
func (a *As) Move(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (mailbox.Moved, error) {
	mover, ok := a.Replica.(Mover)
	if !ok {
		return mailbox.Moved{}, mailbox.ErrCannotLink
	}
	if a.to(from) == a.to(to) {
		return mailbox.Moved{To: same(messages)}, nil
	}
	return mover.Move(ctx, a.to(from), messages, a.to(to))
}

func same(messages []mailbox.Doomed) map[mailbox.ID]mailbox.ID {
	to := map[mailbox.ID]mailbox.ID{}
	for _, m := range messages {
		to[m.ID] = m.ID
	}
	return to
}
