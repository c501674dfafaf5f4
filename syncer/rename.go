package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mailtwin/mailbox"
)

// A rename is a mailbox that last knows and that one side now has under another name.
type rename struct {
	side     Side // the side that renamed it
	from, to mailbox.Name
}

// renames carries the renames of one side over to the other, those nearest to the root first, and tells whether
// there were any. A mailbox counts as renamed if what a side says of its identity is the same and the messages agree;
// anything less is a removal and a creation, whose messages are found again one by one.
func (r *run) renames(ctx context.Context, v *view) (bool, error) {
	found, err := r.findRenames(ctx, v)
	found = slices.DeleteFunc(found, func(n rename) bool { return r.stuck[n.from] })
	if err != nil || len(found) == 0 {
		return false, err
	}
	if r.opts.DryRun {
		for _, n := range found {
			r.report.rename(n)
			r.pretend(v, n)
		}
		v.sort(r.opts.Before)
		return false, nil
	}
	depth := shallowest(found)
	for _, n := range found {
		if strings.Count(string(n.from), "/") != depth {
			continue
		}
		err := r.carry(ctx, v, n)
		if errors.As(err, new(*mailbox.MailboxError)) {
			r.stuck[n.from] = true // then its messages are moved one by one
			continue
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// pretend lets a dry run go on as if the near side had given a mailbox, of which nothing is known yet, its name.
func (r *run) pretend(v *view, n rename) {
	near, ok := r.side[Near].(Pretender)
	info, spelt := v.infos[Near][n.from]
	if !ok || !spelt || !slices.Contains(v.spelt, n) {
		return
	}
	near.Pretend(n.from, n.to)
	delete(v.infos[Near], n.from)
	info.Name = n.to
	v.infos[Near][n.to] = info
}

func shallowest(found []rename) int {
	depth := strings.Count(string(found[0].from), "/")
	for _, n := range found {
		depth = min(depth, strings.Count(string(n.from), "/"))
	}
	return depth
}

func (r *run) findRenames(ctx context.Context, v *view) ([]rename, error) {
	found := slices.Clone(v.spelt)
	sides := []Side{Far, Near}
	if r.opts.Direction != BothWays {
		sides = []Side{Far}
	}
	taken := map[mailbox.Name]bool{}
	for _, name := range v.names {
		twin, known := v.twins[name]
		if !known || twin.Pairs == 0 || name == mailbox.Inbox {
			continue
		}
		for _, side := range sides {
			to, err := r.renamedTo(ctx, v, twin, side)
			if err != nil {
				return nil, err
			}
			if to != "" && !taken[to] {
				taken[to] = true
				found = append(found, rename{side: side, from: name, to: to})
				break // the other side follows, also if it was renamed there too
			}
		}
	}
	return found, nil
}

// misspelt finds mailboxes of the near side that are Misspelt, where nothing is known of either name yet.
func (v *view) misspelt() []rename {
	var found []rename
	names := Misspelt(v.infos[Far], v.infos[Near])
	for _, from := range slices.SortedFunc(maps.Keys(names), compareNames) {
		_, before := v.twins[from]
		_, known := v.twins[names[from]]
		if !before && !known {
			found = append(found, rename{side: Far, from: from, to: names[from]})
		}
	}
	return found
}

// Misspelt finds mailboxes of a Maildir whose names another program wrote down in its own way: as they go over the wire, as
// mbsync does, or with dots between the levels, as offlineimap does. It returns what the server calls them. A spelling that
// fits two mailboxes fits none.
func Misspelt(server, local map[mailbox.Name]mailbox.Info) map[mailbox.Name]mailbox.Name {
	meant := map[mailbox.Name][]mailbox.Name{}
	for _, info := range server {
		if info.NoSelect {
			continue
		}
		for _, from := range spellings(info.Name, info.Raw) {
			_, taken := server[from]
			if near, here := local[from]; here && !near.NoSelect && !taken {
				meant[from] = append(meant[from], info.Name)
			}
		}
	}
	names := map[mailbox.Name]mailbox.Name{}
	for from, all := range meant {
		if _, here := local[all[0]]; len(all) == 1 && !here {
			names[from] = all[0]
		}
	}
	return names
}

// spellings returns what other programs may call a mailbox that goes over the wire as raw, with or without the prefix
// INBOX that all mailboxes of some servers have.
func spellings(name mailbox.Name, raw string) []mailbox.Name {
	if raw == "" {
		raw = string(name)
	}
	short := raw
	if prefix, rest, _ := strings.Cut(raw, "/"); strings.EqualFold(prefix, string(mailbox.Inbox)) && !name.Under(mailbox.Inbox) && rest != "" {
		short = rest
	}
	var all []mailbox.Name
	for _, text := range []string{
		raw, short, strings.ReplaceAll(raw, "/", "."), strings.ReplaceAll(short, "/", "."), strings.ReplaceAll(string(name), "/", "."),
	} {
		if s := mailbox.Name(text); s != name && s != mailbox.Inbox && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// renamedTo returns the name that a mailbox has now on a side, or none if it was not renamed there. Another one may have
// been made in its place since.
func (r *run) renamedTo(ctx context.Context, v *view, twin mailbox.Twin, side Side) (mailbox.Name, error) {
	identity := half(twin, side).Identity
	if now := v.infos[side][twin.Name]; identity == "" || v.has(side, twin.Name) && (now.Identity == "" || now.Identity == identity) {
		return "", nil
	}
	var to mailbox.Name
	for name, info := range v.infos[side] {
		if _, known := v.twins[name]; known || info.NoSelect || info.Identity != identity {
			continue
		}
		same, err := r.sameMessages(ctx, twin.Name, name, side)
		if err != nil {
			return "", err
		}
		if same && to != "" {
			return "", nil // two of them: nobody can tell
		}
		if same {
			to = name
		}
	}
	return to, nil
}

func half(twin mailbox.Twin, side Side) mailbox.Half {
	if side == Far {
		return twin.Far
	}
	return twin.Near
}

// sameMessages tells whether at least half of what last knows of one mailbox is in the other under the same IDs, and
// nothing contradicts it. Identities alone do not prove it: inodes and UIDVALIDITYs are used again.
func (r *run) sameMessages(ctx context.Context, name, other mailbox.Name, side Side) (bool, error) {
	scan, err := r.side[side].Scan(ctx, mailbox.ScanRequest{Name: other, Known: known{}})
	if err != nil {
		return false, fmt.Errorf("scan the %s side: %w", side, err)
	}
	present := make(map[mailbox.ID]mailbox.Message, len(scan.Present))
	for _, m := range scan.Present {
		present[m.ID] = m
	}
	var total, same int
	for pair, err := range r.ledger.Pairs(ctx, name) {
		if err != nil {
			return false, err
		}
		id := idOn(side, pair)
		if id == "" {
			continue
		}
		total++
		m, ok := present[id]
		if !ok {
			continue
		}
		if side == Far && (m.Size != pair.Size || !m.InternalDate.Equal(pair.InternalDate)) {
			return false, nil
		}
		same++
	}
	return total > 0 && 2*same >= total, nil
}

// carry renames a mailbox on the other side too, and in the ledger. What lay below it went along; its own records
// follow in the next round.
func (r *run) carry(ctx context.Context, v *view, n rename) error {
	other := n.side.Other()
	if err := r.follow(ctx, v, n, other); err != nil {
		return err
	}
	if _, known := v.twins[n.from]; known {
		if err := r.ledger.Commit(ctx, mailbox.Update{Mailbox: n.from, Rename: n.to, Log: n.log()}); err != nil {
			return err
		}
	}
	r.count(n.to, func(c *Counts) { c.Renamed = n.from })
	return nil
}

func (r *run) follow(ctx context.Context, v *view, n rename, other Side) error {
	from := n.from
	if !v.has(other, from) {
		return nil // it went along with a mailbox above it, or is gone there: the next listing tells
	}
	if v.has(other, n.to) {
		return nil // both names exist there: the messages will be found one by one
	}
	if other == Far {
		r.touch(n.to)
	}
	if err := r.side[other].Rename(ctx, from, n.to); err != nil {
		return fmt.Errorf("rename mailbox %q to %q on the %s side: %w", string(from), string(n.to), other, err)
	}
	return nil
}
