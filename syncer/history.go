package syncer

import "mailtwin/mailbox"

// What the history of runs is told of what a run took away or altered. It is put down together with the effect.

// log is what the history is told of an agreement: nothing of what is new, or as it was.
func (a Agreement) log(name mailbox.Name) []mailbox.Change {
	switch {
	case a.Moved != nil:
		return []mailbox.Change{*a.Moved}
	case !a.Known || a.Last.Same(a.Pair.Flags):
		return nil
	}
	c := mailbox.Change{
		Kind: mailbox.FlagsChanged, On: [2]bool{a.changes(Far), a.changes(Near)}, Mailbox: name, Pair: a.Pair, Flags: a.Pair.Flags,
	}
	c.Pair.Flags = a.Last
	return []mailbox.Change{c}
}

// movedTo tells that a message is in another mailbox, as a pair of that.
func movedTo(was mailbox.Located, to mailbox.Name, is mailbox.Pair) *mailbox.Change {
	return &mailbox.Change{
		Kind: mailbox.MessageMoved, Mailbox: was.Mailbox, Pair: was.Pair, To: to, Far: is.Far, Near: is.Near, Flags: is.Flags,
	}
}

// moved is the same for a relocation that was done; nil if that is a copy.
func (m Relocation) moved(key route, to mailbox.Name, is mailbox.Pair) *mailbox.Change {
	if m.Pair == nil {
		return nil
	}
	c := movedTo(mailbox.Located{Mailbox: key.from, Pair: *m.Pair}, to, is)
	c.On[key.side] = true
	return c
}

// removal tells that a side lost a message, with the flags that it had there. What was only left behind by a move is no
// removal, and what somebody else took away meanwhile is not ours.
func (a *applier) removal(name mailbox.Name, side Side, c Change, o outcome) []mailbox.Change {
	if c.Moved {
		return nil
	}
	change := mailbox.Change{Kind: mailbox.MessageRemoved, Mailbox: name, Pair: c.Pair}
	change.On[side] = true
	change.Pair.Flags = c.Flags[side]
	id, binned := o.bin[idOn(side, c.Pair)]
	switch {
	case binned:
		change.To, change.Far = a.view.trash, id
	case o.bin != nil:
		change.Kind, change.On, change.To = mailbox.MessageGone, [2]bool{}, a.view.trash
	}
	return []mailbox.Change{change}
}

// keeping tells that the far side keeps a message that the near side lost; it may be marked there, with a copy in the Trash.
func (a *applier) keeping(name mailbox.Name, c Change, o outcome) []mailbox.Change {
	if c.Moved {
		return nil
	}
	change := mailbox.Change{Kind: mailbox.MessageKept, Mailbox: name, Pair: c.Pair, Flags: c.Flags[Far]}
	change.Pair.Flags = c.Flags[Far]
	if a.opts.DeleteRemote != Never {
		change.Flags, change.On[Far] = change.Flags.With(mailbox.Deleted), true
	}
	if id, binned := o.bin[c.Pair.Far]; binned {
		change.To, change.Far = a.view.trash, id
	}
	return []mailbox.Change{change}
}

// goneFrom tells of messages that both sides had lost. They may lie in the Trash, for nobody knows who removed them.
func (a *applier) goneFrom(name mailbox.Name, pairs []mailbox.Pair) []mailbox.Change {
	changes := make([]mailbox.Change, len(pairs))
	for i, p := range pairs {
		changes[i] = mailbox.Change{Kind: mailbox.MessageGone, Mailbox: name, Pair: p, To: a.view.trash}
		if name == a.view.trash {
			changes[i].To = ""
		}
	}
	return changes
}

// surplus tells of second copies that the near side lost.
func surplus(name mailbox.Name, messages []mailbox.Doomed) []mailbox.Change {
	changes := make([]mailbox.Change, len(messages))
	for i, m := range messages {
		changes[i] = mailbox.Change{Kind: mailbox.MessageSurplus, On: [2]bool{Near: true}, Mailbox: name, Pair: m.Pair}
	}
	return changes
}

// mailboxRemoved tells that a mailbox was removed on these sides.
func mailboxRemoved(name mailbox.Name, sides ...Side) []mailbox.Change {
	c := mailbox.Change{Kind: mailbox.MailboxRemoved, Mailbox: name}
	for _, side := range sides {
		c.On[side] = true
	}
	return []mailbox.Change{c}
}

func (n rename) log() []mailbox.Change {
	c := mailbox.Change{Kind: mailbox.MailboxRenamed, Mailbox: n.from, To: n.to}
	c.On[n.side.Other()] = true
	return []mailbox.Change{c}
}
