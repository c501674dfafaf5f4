package syncer

import (
	"context"
	"errors"
	"fmt"

	"mailtwin/mailbox"
)

// A route is where relocations of one kind lead: they go in one command.
type route struct {
	side Side
	from mailbox.Name
	move bool
}

// relocate copies and moves messages within a side, over the whole account first all copies: a move takes away what a
// copy may be made from. A copy that turns out impossible becomes a transfer; a move that does is left for the next run.
func (a *applier) relocate(ctx context.Context, jobs []*job) error {
	for _, moves := range []bool{false, true} {
		err := a.every(ctx, jobs, func(ctx context.Context, j *job) error { return a.relocateAll(ctx, j, j.steps.Relocate, moves) })
		if err != nil {
			return err
		}
	}
	return nil
}

// relocateAll makes the copies, or the moves, of a list into a mailbox.
func (a *applier) relocateAll(ctx context.Context, j *job, list []Relocation, moves bool) error {
	routes := map[route][]Relocation{}
	var order []route
	for _, m := range list {
		key := route{m.Side, m.From.Mailbox, m.Pair != nil}
		if key.move != moves {
			continue
		}
		if routes[key] == nil {
			order = append(order, key)
		}
		routes[key] = append(routes[key], m)
	}
	for _, key := range order {
		if err := a.route(ctx, j, key, routes[key]); err != nil {
			a.stay(list)
			return err
		}
	}
	return nil
}

// stay notes that messages may not have left where they lie.
func (a *applier) stay(list []Relocation) {
	for _, m := range list {
		a.soil(m.From.Mailbox, Far)
		a.soil(m.From.Mailbox, Near)
	}
}

func (a *applier) route(ctx context.Context, j *job, key route, relocations []Relocation) error {
	for len(relocations) > 0 {
		var part, rest []Relocation
		taken := map[mailbox.ID]bool{} // one command makes one copy of a message
		for _, m := range relocations {
			if len(part) == chunk || taken[m.From.ID] {
				rest = append(rest, m)
				continue
			}
			taken[m.From.ID] = true
			part = append(part, m)
		}
		if err := a.routeChunk(ctx, j, key, part); err != nil {
			return err
		}
		relocations = rest
	}
	return nil
}

func (a *applier) routeChunk(ctx context.Context, j *job, key route, part []Relocation) error {
	part, err := a.confirmed(ctx, j, key, part)
	if err != nil || len(part) == 0 {
		return err
	}
	arrived, kept, err := a.carryOut(ctx, j, key, part)
	if box := (*mailbox.MailboxError)(nil); !key.move && key.side == Far && a.once() && errors.As(err, &box) && errors.Is(err, mailbox.ErrTemporary) {
		a.leaveAll(j, key, part, box.Err) // an upload in its place would double it
		return nil
	}
	never := errors.Is(err, mailbox.ErrCannotLink)
	transferable := !key.move && errors.As(err, new(*mailbox.MailboxError))
	if err != nil && !never && !transferable {
		return err
	}
	var agreements []Agreement
	for _, m := range part {
		id, ok := arrived[m.From.ID]
		if !ok && !never && a.beyondReach(j, m) {
			continue
		}
		if !ok && m.Pair == nil && key.side == Far && !never && a.mayShow() {
			a.soilJob(j, Near)
			a.touch(j.name)
			continue
		}
		if !ok {
			a.refused(j, m)
			continue
		}
		a.count(j.name, func(c *Counts) { c.relocated(key) })
		g := m.agreement(key, id, kept[m.From.ID])
		g.Moved = m.moved(key, j.name, g.Pair)
		if g.Back = key.move && key.side == Far && a.staysIn(key.from); g.Back {
			g.Drop.Flags = m.Have
		}
		agreements = append(agreements, g)
	}
	known, unknown := split(agreements, key.side)
	if err := a.settle(ctx, j, known); err != nil {
		return err
	}
	return a.lostTrack(ctx, j, unknown)
}

// confirmed leaves only the moves on the far side whose near file is certainly gone from where it was: one more look
// just before something is taken away.
func (a *applier) confirmed(ctx context.Context, j *job, key route, part []Relocation) ([]Relocation, error) {
	from := a.jobs[key.from]
	if !key.move || key.side == Near || (from != nil && from.missing[Near]) {
		return part, nil
	}
	ids := make([]mailbox.ID, len(part))
	for i, m := range part {
		ids[i] = m.Pair.Near
	}
	missing, err := a.side[Near].Missing(ctx, key.from, ids)
	if err != nil {
		return nil, err
	}
	gone := set(missing)
	var sure []Relocation
	for _, m := range part {
		if gone[m.Pair.Near] {
			sure = append(sure, m)
		} else {
			a.refused(j, m)
		}
	}
	return sure, nil
}

func (a *applier) carryOut(ctx context.Context, j *job, key route, part []Relocation) (map[mailbox.ID]mailbox.ID, map[mailbox.ID]bool, error) {
	mover, ok := a.side[key.side].(Mover)
	if !ok {
		return nil, nil, nil
	}
	doomed := make([]mailbox.Doomed, len(part))
	for i, m := range part {
		doomed[i] = mailbox.Doomed{ID: m.From.ID}
		switch {
		case m.Pair != nil:
			doomed[i].Pair = *m.Pair
		case m.Arrival.Evidence != nil:
			doomed[i].MessageID = m.Arrival.Evidence.Content.MessageID
		}
	}
	if key.side == Far || a.opts.Direction == Transfer {
		a.touch(j.name)
		a.touch(key.from)
	}
	var done mailbox.Moved
	var err error
	if key.move {
		done, err = mover.Move(ctx, key.from, doomed, j.name)
	} else {
		done.To, err = mover.Copy(ctx, key.from, doomed, j.name)
	}
	if errors.Is(err, mailbox.ErrCannotLink) {
		return nil, nil, err
	}
	if reason := refusal(err); key.move && reason != nil {
		a.leaveAll(j, key, part, reason)
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s from %q: %w", key, string(key.from), err)
	}
	return done.To, set(done.Kept), nil
}

// leaveAll leaves relocations for later.
func (a *applier) leaveAll(j *job, key route, part []Relocation, reason error) {
	verb := "copied"
	if key.move {
		verb = "moved"
	}
	for _, m := range part {
		a.leave(j, key.side.Other(), m.Arrival.ID, fmt.Errorf("%s from %q: %w", verb, string(key.from), reason))
	}
}

// refusal is why a side does not want to do what it was asked for, though nothing is wrong with its mailbox; nil if that
// is not what an error says.
func refusal(err error) error {
	var box *mailbox.MailboxError
	for _, other := range []error{mailbox.ErrNoMailbox, mailbox.ErrUIDValidity, mailbox.ErrTemporary} {
		if errors.Is(err, other) {
			return nil
		}
	}
	if errors.As(err, &box) {
		return box.Err
	}
	return nil
}

// mayShow tells whether another pass may show why a copy was not made, where an upload in its place would double a message.
func (a *applier) mayShow() bool { return a.once() && a.pass < maxPasses }

// once tells whether the far side has a message once, in however many mailboxes it is.
func (a *applier) once() bool {
	_, once := a.side[Far].(Labeler)
	return once
}

func (k route) String() string {
	verb := "copy"
	if k.move {
		verb = "move"
	}
	return verb + " on the " + k.side.String() + " side"
}

func set(ids []mailbox.ID) map[mailbox.ID]bool {
	s := make(map[mailbox.ID]bool, len(ids))
	for _, id := range ids {
		s[id] = true
	}
	return s
}

// refused deals with a relocation that was not done: a copy is transferred instead, a move is left for the next run,
// which will see the truth of it.
func (a *applier) refused(j *job, m Relocation) {
	if m.Pair != nil {
		a.soil(m.From.Mailbox, Far)
		a.soil(m.From.Mailbox, Near)
		a.soilJob(j, m.Side.Other())
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.Side == Near {
		j.steps.Download = append(j.steps.Download, m.Arrival)
	} else {
		j.steps.Upload = append(j.steps.Upload, m.Arrival)
	}
}

// agreement is what a relocation came to: the message now has this ID on its side.
func (m Relocation) agreement(key route, id mailbox.ID, kept bool) Agreement {
	far, near := m.Arrival, m.Arrival
	if key.side == Far {
		far.ID = id
	} else {
		near.ID = id
	}
	pair := newPair(far, near)
	pair.Flags = m.Want
	if pair.AccountID == "" {
		pair.AccountID = m.AccountID
	}
	g := Agreement{Pair: pair, Keep: kept}
	g.Flags[key.side] = flagChange(id, m.Have, m.Want)
	if m.Unsure {
		g.Flags[key.side].Add = m.Want
	}
	g.Flags[key.side.Other()] = flagChange(m.Arrival.ID, m.Arrival.Flags, m.Want)
	if m.Pair != nil {
		g.Drop = &mailbox.Located{Mailbox: key.from, Pair: *m.Pair}
	}
	return g
}

// split separates the agreements on messages whose new ID the side could not tell.
func split(agreements []Agreement, side Side) (known, unknown []Agreement) {
	for _, g := range agreements {
		if idOn(side, g.Pair) == "" {
			unknown = append(unknown, g)
		} else {
			known = append(known, g)
		}
	}
	return known, unknown
}

// lostTrack records that messages left their place for another where the next pass will find them by content.
func (a *applier) lostTrack(ctx context.Context, j *job, agreements []Agreement) error {
	if len(agreements) == 0 {
		return nil
	}
	updates := map[mailbox.Name]*mailbox.Update{}
	attempts, err := a.attempts(ctx, j)
	if err != nil {
		return err
	}
	for _, g := range agreements {
		a.soilJob(j, Far)
		a.soilJob(j, Near)
		if g.Pair.Far == "" {
			u := updates[j.name]
			if u == nil {
				u = &mailbox.Update{Mailbox: j.name}
				updates[j.name] = u
			}
			// It may be hard to recognise, or never be shown, if the server made it one with another message.
			u.Begin = append(u.Begin, mailbox.Intent{Near: g.Pair.Near, Digest: g.Pair.Digest, Size: g.Pair.Size, Attempts: attempts[g.Pair.Near] + 1})
		}
		if g.Drop == nil {
			continue
		}
		u := updates[g.Drop.Mailbox]
		if u == nil {
			u = &mailbox.Update{Mailbox: g.Drop.Mailbox}
			updates[g.Drop.Mailbox] = u
		}
		a.drop(g, u)
		u.Log = append(u.Log, g.log(j.name)...)
	}
	return a.commit(ctx, updates)
}

func (c *Counts) relocated(key route) {
	if key.move {
		c.Moved[key.side]++
	} else {
		c.Copied[key.side]++
	}
}
