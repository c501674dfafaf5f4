package undo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mailtwin/mailbox"
)

// chunk is how many messages one command is about.
const chunk = 500

// A Doing carries plans out.
type Doing struct {
	Near Maildir
	Far  Server
	// First means that this is the first plan. What it leaves undone another one does, after a sync.
	First bool
	// Commit changes the ledger, as syncer.Ledger does.
	Commit func(ctx context.Context, updates ...mailbox.Update) error
	// Absent is filled with those messages that were looked for in a Trash of the server and not found.
	Absent map[mailbox.Digest]bool
	// Problem is told of a message with which something went wrong. The next plan has it again.
	Problem func(error)
}

// Do carries out a plan. Each step may be done again without harm, and nothing that is on record is needed to go on: after
// a step that died, another plan is made. The sync that carries it to the server is up to the caller.
//
// What the server is to give back comes first, for what it gives back need not be put back here.
func (d Doing) Do(ctx context.Context, p *Plan) error {
	recalls, returns, err := d.binned(ctx, p)
	if err != nil {
		return err
	}
	if err := d.recall(ctx, recalls, p.Create); err != nil {
		return err
	}
	if err := d.download(ctx, p.Download); err != nil {
		return err
	}
	if err := d.rename(ctx, p.Rename); err != nil {
		return err
	}
	for _, name := range p.Create {
		if err := d.Near.Create(ctx, p.there(name)); err != nil {
			return err
		}
	}
	if err := d.putBack(ctx, p, returns); err != nil {
		return err
	}
	return d.setFlags(ctx, p)
}

// binned finds out what the server has in its Trash still, or in another mailbox that is not synced, if it can tell that of
// each message. What it has is moved back there, into one of its mailboxes, rather than put back here and sent to it: so it
// stays the same message to it. What it does not have there may be back in its mailboxes already, by an attempt that died.
// So what the attic has of it waits for the second plan, which comes after a sync.
func (d Doing) binned(ctx context.Context, p *Plan) ([]Recall, []Return, error) {
	b, returns := bin{recalled: map[string]bool{}}, slices.Clone(p.Return)
	if server, can := d.Far.(Binner); can && d.First && p.asks() {
		var err error
		if b.there, err = server.Binned(ctx); err != nil {
			return nil, nil, err
		}
		maps.DeleteFunc(b.there, func(_ string, place mailbox.Place) bool { return p.synced[place.Mailbox] })
		returns = slices.DeleteFunc(returns, func(r Return) bool { return r.removed() && (b.take(r.Change, r.To) || r.From.Day != "") })
	}
	for _, r := range p.Recall {
		switch {
		case b.take(r.Change, r.To):
		case b.there == nil && r.From.ID != "":
			b.recalls = append(b.recalls, r)
		default:
			d.Absent[r.Change.Pair.Digest] = true
		}
	}
	return b.recalls, returns, nil
}

// asks tells whether the server's Trash matters.
func (p *Plan) asks() bool {
	return len(p.Recall) > 0 || slices.ContainsFunc(p.Return, Return.removed)
}

// removed tells whether the message was removed, and goes by a name that is the same in all mailboxes.
func (r Return) removed() bool {
	kind := r.Change.Kind
	return (kind == mailbox.MessageRemoved || kind == mailbox.MessageGone) && r.Change.Pair.AccountID != ""
}

// A bin is what lies in mailboxes of a server that are not synced.
type bin struct {
	there    map[string]mailbox.Place // by account-wide ID
	recalled map[string]bool
	recalls  []Recall
}

// take has a message moved back if it is in the bin, once, and tells whether it is.
func (b *bin) take(c mailbox.Change, to mailbox.Name) bool {
	place, is := b.there[c.Pair.AccountID]
	if is && !b.recalled[c.Pair.AccountID] {
		b.recalled[c.Pair.AccountID] = true
		b.recalls = append(b.recalls, Recall{place, to, c})
	}
	return is
}

// recall moves messages back on the server, into mailboxes that are made if they are missing.
func (d Doing) recall(ctx context.Context, recalls []Recall, missing []mailbox.Name) error {
	type route struct{ from, to mailbox.Name }
	routes := map[route][]mailbox.Doomed{}
	var order []route
	for _, r := range recalls {
		at := route{r.From.Mailbox, r.To}
		if routes[at] == nil {
			order = append(order, at)
		}
		routes[at] = append(routes[at], mailbox.Doomed{ID: r.From.ID, Size: r.Change.Pair.Size, Pair: r.Change.Pair})
	}
	for _, at := range order {
		if slices.Contains(missing, at.to) {
			if err := d.Far.Create(ctx, at.to); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(routes[at], chunk) {
			if err := d.moveBack(ctx, at.from, part, at.to); err != nil {
				return err
			}
		}
	}
	return nil
}

// moveBack moves messages on the server, and notes which could not be.
func (d Doing) moveBack(ctx context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) error {
	moved, err := d.Far.Move(ctx, from, messages, to)
	if err != nil {
		return fmt.Errorf("move back to %q on the far side: %w", string(to), err)
	}
	for _, m := range messages {
		if _, is := moved.To[m.ID]; !is {
			d.Absent[m.Pair.Digest] = true
		}
	}
	return nil
}

// download has the next sync download what the far side kept.
func (d Doing) download(ctx context.Context, wanted []Wanted) error {
	unmark, pending := map[mailbox.Name][]mailbox.FlagChange{}, map[mailbox.Name]*mailbox.Update{}
	for _, w := range wanted {
		if w.Unmark {
			change := mailbox.FlagChange{ID: w.Far, Take: mailbox.MakeFlags(mailbox.Deleted)}
			unmark[w.Mailbox] = append(unmark[w.Mailbox], change)
		}
		u := pending[w.Mailbox]
		if u == nil {
			u = &mailbox.Update{Mailbox: w.Mailbox}
			pending[w.Mailbox] = u
		}
		pair := w.Pair
		pair.Flags, pair.Parked = w.Change.Pair.Flags, mailbox.Pending
		u.Put = append(u.Put, pair)
	}
	for name, changes := range unmark {
		if err := d.Far.SetFlags(ctx, name, changes, d.problem(name, "take the mark off")); err != nil {
			return err
		}
	}
	for _, u := range pending {
		if err := d.Commit(ctx, *u); err != nil {
			return err
		}
	}
	return nil
}

// problem tells of something that went wrong with one message.
func (d Doing) problem(name mailbox.Name, doing string) func(mailbox.ID, error) {
	return func(id mailbox.ID, err error) {
		d.Problem(&mailbox.MessageError{Mailbox: name, ID: id, Err: fmt.Errorf("%s: %w", doing, err)})
	}
}

// putBack puts messages back on the near side: first those that stay where they are, too.
func (d Doing) putBack(ctx context.Context, p *Plan, returns []Return) error {
	type route struct {
		from mailbox.Name
		day  string
		to   mailbox.Name
		stay bool
	}
	routes := map[route][]mailbox.Return{}
	var order []route
	for _, r := range returns {
		if r.From.Day == "" {
			r.From.Mailbox = p.there(r.From.Mailbox)
		}
		at := route{r.From.Mailbox, r.From.Day, p.there(r.To), r.Stay}
		if routes[at] == nil {
			order = append(order, at)
		}
		routes[at] = append(routes[at], r.Return)
	}
	for _, at := range order {
		for part := range slices.Chunk(routes[at], chunk) {
			err := d.Near.Return(ctx, at.to, part, d.problem(at.to, "put it back"))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (d Doing) setFlags(ctx context.Context, p *Plan) error {
	byMailbox := map[mailbox.Name][]mailbox.FlagChange{}
	for _, f := range p.Flags {
		name := p.there(f.Mailbox)
		byMailbox[name] = append(byMailbox[name], f.FlagChange)
	}
	for name, changes := range byMailbox {
		if err := d.Near.SetFlags(ctx, name, changes, d.problem(name, "set its flags back")); err != nil {
			return err
		}
	}
	return nil
}

// rename gives mailboxes back their names. One that has it already is done.
func (d Doing) rename(ctx context.Context, renames []Rename) error {
	for _, r := range renames {
		infos, err := d.Near.Mailboxes(ctx)
		if err != nil {
			return err
		}
		there := func(name mailbox.Name) bool {
			return slices.ContainsFunc(infos, func(i mailbox.Info) bool { return i.Name == name && !i.NoSelect })
		}
		if !there(r.From) && there(r.To) {
			continue
		}
		err = d.Near.Rename(ctx, r.From, r.To)
		if errors.As(err, new(*mailbox.MailboxError)) {
			d.Problem(err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
