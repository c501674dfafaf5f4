package imap

import (
	"context"
	"errors"
	"maps"
	"slices"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// SetFlags changes flags with one command for each distinct change, all in one flight. A flag that the mailbox cannot
// store is left out.
//
// Source: RFC 9051, section 6.4.6.
func (a *Account) SetFlags(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error {
	if err := a.mayChange(name, "set flags"); err != nil {
		return err
	}
	var refused map[mailbox.ID]error
	err := a.repeat(ctx, name, func(s *session) (err error) {
		if err = s.use(ctx, name); err == nil {
			refused, err = s.setFlags(ctx, changes)
		}
		return err
	})
	if err != nil {
		return named(name, "set flags", err)
	}
	for id, err := range refused {
		problem(id, err)
	}
	return nil
}

// setFlags changes flags in the selected mailbox. Of a message that it does not show a server would change none, and say OK.
func (s *session) setFlags(ctx context.Context, changes []mailbox.FlagChange) (refused map[mailbox.ID]error, err error) {
	ids := make([]mailbox.ID, len(changes))
	for i, c := range changes {
		ids[i] = c.ID
	}
	hidden, err := s.notShown(ctx, ids)
	if err != nil {
		return nil, err
	}
	if len(hidden) > 0 {
		changes = slices.DeleteFunc(slices.Clone(changes), func(c mailbox.FlagChange) bool { return hidden[c.ID] != nil })
	}
	refused, err = s.storeAll(ctx, grouped(changes, s.holds(s.data)))
	if refused == nil {
		return hidden, err
	}
	maps.Copy(refused, hidden)
	return refused, err
}

// A store is one STORE command in the making.
type store struct {
	op    goimap.StoreFlagsOp
	flags mailbox.Flags
	set   wire.UIDSet
}

// grouped puts messages with the same change together, in the order in which the changes come first.
func grouped(changes []mailbox.FlagChange, holds func(mailbox.Flag) bool) []store {
	type change struct {
		op    goimap.StoreFlagsOp
		flags mailbox.Flags
	}
	var order []change
	ids := map[change][]mailbox.ID{}
	add := func(op goimap.StoreFlagsOp, flags mailbox.Flags, id mailbox.ID) {
		flags = storable(flags, holds)
		if flags.Empty() {
			return
		}
		c := change{op, flags}
		if ids[c] == nil {
			order = append(order, c)
		}
		ids[c] = append(ids[c], id)
	}
	for _, c := range changes {
		add(goimap.StoreFlagsAdd, c.Add, c.ID)
		add(goimap.StoreFlagsDel, c.Take, c.ID)
	}
	var stores []store
	for _, c := range order {
		for _, set := range uidSet(ids[c]).Split(maxSet) {
			stores = append(stores, store{c.op, c.flags, set})
		}
	}
	return stores
}

func storable(flags mailbox.Flags, holds func(mailbox.Flag) bool) mailbox.Flags {
	if holds == nil {
		return flags
	}
	for _, flag := range flags.All() {
		if !holds(flag) {
			flags = flags.Without(flag)
		}
	}
	return flags
}

func goFlags(flags mailbox.Flags) []goimap.Flag {
	var list []goimap.Flag
	for _, flag := range flags.All() {
		list = append(list, goimap.Flag(flag))
	}
	return list
}

// storeAll sends all STOREs. What is refused is tried again message by message, so that only the bad ones stay behind;
// those that are not even there any more are no trouble.
func (s *session) storeAll(ctx context.Context, stores []store) (refused map[mailbox.ID]error, err error) {
	errs, err := s.send(ctx, stores)
	if err != nil {
		return nil, err
	}
	var alone []store
	for i, st := range stores {
		if errs[i] != nil {
			each(st.set, func(uid uint32) { alone = append(alone, store{st.op, st.flags, wire.UIDSetOf(uid)}) })
		}
	}
	if err := s.account.pace.quota(); err != nil || len(alone) == 0 {
		return nil, err
	}
	if errs, err = s.send(ctx, alone); err != nil {
		return nil, err
	}
	refused = map[mailbox.ID]error{}
	for i, st := range alone {
		if errs[i] != nil {
			refused[idOf(st.set[0].First)] = errs[i]
		}
	}
	return refused, s.forgive(ctx, refused)
}

// forgive takes messages that are gone out of those that were refused.
func (s *session) forgive(ctx context.Context, refused map[mailbox.ID]error) error {
	var ids []mailbox.ID
	for id := range refused {
		ids = append(ids, id)
	}
	gone, err := s.certainlyGone(ctx, ids)
	for _, id := range gone {
		delete(refused, id)
	}
	return err
}

// send sends STOREs in one flight and returns for each why it was refused, or nil.
func (s *session) send(ctx context.Context, stores []store) (refused []error, err error) {
	for part := range slices.Chunk(stores, flight) {
		err := s.do(ctx, func() error {
			cmds := make([]*imapclient.FetchCommand, len(part))
			for i, st := range part {
				flags := &goimap.StoreFlags{Op: st.op, Silent: true, Flags: goFlags(st.flags)}
				cmds[i] = s.client.Store(numSet(st.set), flags, nil)
			}
			for _, cmd := range cmds {
				err := cmd.Close()
				var no *goimap.Error
				switch {
				case errors.As(err, &no):
					refused = append(refused, refusedText(no))
				case err != nil:
					return err
				default:
					refused = append(refused, nil)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return refused, nil
}

// numSet is a set as go-imap takes it, as ranges.
func numSet(set wire.UIDSet) goimap.UIDSet {
	out := make(goimap.UIDSet, len(set))
	for i, r := range set {
		out[i] = goimap.UIDRange{Start: goimap.UID(r.First), Stop: goimap.UID(r.Last)}
	}
	return out
}
