package syncer

import (
	"context"

	"mailtwin/mailbox"
)

// virtual tells whether a far mailbox shows messages that lie in others: what is removed there is removed where it lies.
//
// Source: RFC 6154, section 2, \All and \Flagged.
func (v *view) virtual(name mailbox.Name) bool {
	role := v.infos[Far][name].Role
	return role == mailbox.RoleAll || role == mailbox.RoleFlagged
}

// shown settles the fate of a message that the near side removed. From a virtual mailbox it was not removed as long as the
// near side has it where it lies: it comes back.
func (d *decision) shown(ctx context.Context, name mailbox.Name, c Change) (fate, error) {
	f := goes
	if !d.view.virtual(name) || c.Moved || c.Pair.Digest.IsZero() {
		return f, nil
	}
	for l, err := range d.byHint(ctx, c.Pair.Hint) {
		if err != nil {
			return f, err
		}
		place := mailbox.Place{Mailbox: l.Mailbox, ID: l.Far}
		paired := l.Digest == c.Pair.Digest && l.Far != "" && l.Near != "" && !d.gone[place]
		switch {
		case !paired || l.Mailbox == d.view.trash || d.view.virtual(l.Mailbox):
		case !d.leaving[place]:
			return returns, nil
		default:
			f = follows
		}
	}
	return f, nil
}

// removeShown deals with what comes back or goes along with something else, and returns what is to be removed.
func (a *applier) removeShown(ctx context.Context, j *job, part []Change) ([]Change, error) {
	by := a.byFate(j, part)
	return by[goes], a.bringBack(ctx, j, by[returns])
}
