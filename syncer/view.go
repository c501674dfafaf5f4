package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"mailtwin/mailbox"
)

// A view is what both sides and the ledger say about all mailboxes.
type view struct {
	infos [2]map[mailbox.Name]mailbox.Info
	twins map[mailbox.Name]mailbox.Twin
	names []mailbox.Name // all of them, INBOX first
	trash mailbox.Name   // on the far side, also if the run is not about it
	bin   bool           // it exists

	spelt  []rename // mailboxes of the near side that another program named in its own way
	beyond [2]bool  // by Side: it has known mail in mailboxes that the run is not about
	paired int      // messages that both sides have, also in mailboxes that the run is not about
}

// knows tells whether last has messages at all.
func (v *view) knows() bool {
	for _, t := range v.twins {
		if t.Pairs > 0 {
			return true
		}
	}
	return false
}

// list asks both sides for their mailboxes and carries renames over. After a rename both sides are listed again, for
// the names below it are others now.
func (r *run) list(ctx context.Context) (*view, error) {
	r.phase("list")
	for range maxRenames {
		v, err := r.look(ctx)
		if err != nil {
			return nil, err
		}
		renamed, err := r.renames(ctx, v)
		if err != nil {
			return nil, err
		}
		if !renamed {
			return v, nil
		}
	}
	return nil, fmt.Errorf("mailboxes are renamed faster than they can be followed: %w", mailbox.ErrTemporary)
}

// maxRenames bounds how many rounds of renames one pass follows. A round carries all renames of one depth.
const maxRenames = 20

func (r *run) look(ctx context.Context) (*view, error) {
	v := &view{twins: map[mailbox.Name]mailbox.Twin{}}
	twins, err := r.ledger.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range twins {
		v.twins[t.Name] = t
		v.paired += t.Pairs - t.Open
	}
	var failed [2]error
	group, ctx := errgroup.WithContext(ctx)
	for _, side := range []Side{Far, Near} {
		group.Go(func() error {
			v.infos[side], failed[side] = index(r.side[side].Mailboxes(ctx))
			return failed[side]
		})
	}
	err = group.Wait()
	if failed[Near] != nil && !errors.Is(failed[Near], context.Canceled) && v.knows() {
		return nil, &BrakeError{Side: Near, Err: failed[Near]}
	}
	if err != nil {
		return nil, err
	}
	v.trash = trashOf(v.infos[Far])
	v.bin = v.has(Far, v.trash)
	v.sort(r.opts.Before)
	if r.opts.Direction != Transfer {
		v.spelt = v.misspelt()
	}
	v.narrow(r.opts.Mailboxes)
	v.sort(r.opts.Before)
	return v, nil
}

// narrow takes out the mailboxes that the run is not about. One that another program named in its own way is chosen by
// the name that it is to have: else it would be taken for another mailbox, or its mail would be transferred once more.
func (v *view) narrow(chosen func(mailbox.Name) bool) {
	meant := map[mailbox.Name]mailbox.Name{}
	for _, n := range v.spelt {
		meant[n.from] = n.to
	}
	v.spelt = slices.DeleteFunc(v.spelt, func(n rename) bool { return !chosen(n.to) })
	for name, twin := range v.twins {
		for _, side := range []Side{Far, Near} {
			if !chosen(name) && twin.Pairs > twin.Open && v.has(side, name) {
				v.beyond[side] = true
			}
		}
	}
	maps.DeleteFunc(v.twins, func(name mailbox.Name, _ mailbox.Twin) bool { return !chosen(name) })
	maps.DeleteFunc(v.infos[Far], func(name mailbox.Name, _ mailbox.Info) bool { return !chosen(name) })
	maps.DeleteFunc(v.infos[Near], func(name mailbox.Name, _ mailbox.Info) bool {
		if to, ok := meant[name]; ok {
			name = to
		}
		return !chosen(name)
	})
}

func index(infos []mailbox.Info, err error) (map[mailbox.Name]mailbox.Info, error) {
	byName := make(map[mailbox.Name]mailbox.Info, len(infos))
	for _, info := range infos {
		byName[info.Name] = info
	}
	return byName, err
}

// sort fills names.
func (v *view) sort(before func(a, b mailbox.Name) int) {
	all := map[mailbox.Name]bool{}
	for name := range v.twins {
		all[name] = true
	}
	for _, infos := range v.infos {
		for name := range infos {
			all[name] = true
		}
	}
	v.names = slices.SortedFunc(maps.Keys(all), before)
}

// compareNames puts INBOX first, for it is what its owner waits for.
func compareNames(a, b mailbox.Name) int {
	switch {
	case a == b:
		return 0
	case a == mailbox.Inbox:
		return -1
	case b == mailbox.Inbox:
		return 1
	case a < b:
		return -1
	}
	return 1
}

// trashNames are tried where no mailbox says that it is the Trash. The first one is made when there is none.
var trashNames = []mailbox.Name{"Trash", "INBOX/Trash", "Deleted Items", "Deleted Messages"}

func trashOf(infos map[mailbox.Name]mailbox.Info) mailbox.Name {
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		if infos[name].Role == mailbox.RoleTrash && !infos[name].NoSelect {
			return name
		}
	}
	for _, name := range trashNames {
		if info, ok := infos[name]; ok && !info.NoSelect {
			return name
		}
	}
	return trashNames[0]
}

// has tells whether a side has the mailbox and can store messages in it.
func (v *view) has(side Side, name mailbox.Name) bool {
	info, ok := v.infos[side][name]
	return ok && !info.NoSelect
}
