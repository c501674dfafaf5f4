package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"mailtwin/mailbox"
)

// A Mender is a Replica that can put other bytes in the place of those of a message, which keeps its ID. What was there is
// kept elsewhere, if removed mail is. m tells the InternalDate. A *mailbox.MessageError concerns only this message: it is
// as it was.
type Mender interface {
	Mend(ctx context.Context, name mailbox.Name, id mailbox.ID, m mailbox.Message, body io.Reader) (mailbox.Content, error)
}

// RepairOptions say how a repair is to go.
type RepairOptions struct {
	// Budget, if not nil, limits what comes from the far side.
	Budget Budget
	Events Events // may be nil
}

// Repair mends what Verify found, as far as that can be done from what the far side has, and notes in each Difference what
// became of it. It changes the near side and the ledger: a message that is missing or has other bytes is fetched again,
// flags become those of the far side, a mailbox is made. It changes nothing on the far side, and takes no message away. What
// comes and is not what last has on record is not stored. What could not be looked at on the way is added to the Problems.
func Repair(ctx context.Context, far, near Replica, ledger Ledger, v *Verification, opts RepairOptions) error {
	r := &repair{side: [2]Replica{far, near}, ledger: ledger, opts: opts}
	defer func() { v.Problems = append(v.Problems, r.problems...) }()
	for _, m := range v.Mailboxes {
		if err := r.mailbox(ctx, m); err != nil {
			return fmt.Errorf("mailbox %q: %w", string(m.Mailbox), err)
		}
	}
	return nil
}

type repair struct {
	side   [2]Replica
	ledger Ledger
	opts   RepairOptions

	problems []error
}

// Why something could not be mended.
var (
	// ErrAnew means that the mailbox is Renumbered: what the far side has under an ID now is another message.
	ErrAnew = errors.New("the far side has numbered the mailbox anew; sync first")
	// ErrOther means that the far side handed over a message that is not the one on record.
	ErrOther = errors.New("what the far side has is not what was synced, and was not stored")
	// ErrNotAll means that a mailbox was made, and not all that was in it came.
	ErrNotAll = errors.New("it was made again, but not all that was in it came")

	errNotMended = errors.New("the far side does not have it")
)

func (r *repair) mailbox(ctx context.Context, m *Verified) error {
	if err := r.make(ctx, m); err != nil {
		return err
	}
	flags, fetch, anew := sortOut(m)
	if err := r.flag(ctx, m.Mailbox, flags); err != nil {
		return err
	}
	reflagged := map[mailbox.ID]mailbox.Flags{} // what is fetched is recorded with these
	for _, d := range flags {
		if d.Mended {
			reflagged[d.Pair.Far] = d.Pair.Flags
		}
	}
	for _, d := range fetch {
		if f, ok := reflagged[d.Pair.Far]; ok {
			d.Pair.Flags = f
		}
	}
	if err := r.fetchAll(ctx, m.Mailbox, fetch); err != nil {
		return err
	}
	if anew {
		return r.lookAnew(ctx, m.Mailbox)
	}
	return nil
}

// sortOut finds out which differences need flags, which need bytes, and whether the next run has to look at everything.
func sortOut(m *Verified) (flags, fetch []*Difference, anew bool) {
	missing := m.has(MailboxMissing, Far)
	for i := range m.Differences {
		d := &m.Differences[i]
		switch {
		case d.isAbout(Unknown, Far) && !d.Waits:
			d.Waits, anew = true, true
		case !d.mendable():
		case d.Anew:
			d.Failed = ErrAnew
		case missing:
			d.Failed = errNotMended
		case d.Kind == WrongFlags:
			flags = append(flags, d)
		case d.Pair.Far == "" || d.Pair.Parked == mailbox.Left || d.Gone:
			d.Failed = errNotMended
		default:
			fetch = append(fetch, d)
		}
	}
	return flags, fetch, anew
}

// mendable tells whether the message can be mended if the far side has it.
func (d *Difference) mendable() bool {
	switch d.Kind {
	case WrongFlags:
		return true
	case Absent, WrongSize, WrongBytes:
		return d.Side == Near
	case Unknown, Unreadable, MailboxMissing, MailboxUnknown, Renumbered:
	}
	return false
}

// make makes a mailbox that the near side lacks, and mends what is missing in it then. Of that only those messages are
// listed one by one that cannot be mended.
func (r *repair) make(ctx context.Context, m *Verified) error {
	at := slices.IndexFunc(m.Differences, func(d Difference) bool { return d.isAbout(MailboxMissing, Near) })
	switch {
	case at < 0:
		return nil
	case m.Differences[at].Anew:
		m.Differences[at].Failed = ErrAnew
		return nil
	case m.Differences[at].Gone:
		m.Differences[at].Failed = errNotMended
		return nil
	}
	if err := r.side[Near].Create(ctx, m.Mailbox); err != nil {
		return fmt.Errorf("make it again: %w", err)
	}
	// Flags that the far side changed come with the messages.
	m.Differences = slices.DeleteFunc(m.Differences, func(d Difference) bool { return d.Kind == WrongFlags })
	only := func(name mailbox.Name) bool { return name == m.Mailbox }
	again, err := Verify(ctx, r.side[Far], r.side[Near], r.ledger, VerifyOptions{Mailboxes: only})
	if err != nil {
		return err
	}
	r.problems = append(r.problems, again.Problems...)
	all := len(again.Problems) == 0
	for _, inside := range again.Mailboxes {
		if err := r.mailbox(ctx, inside); err != nil {
			return err
		}
		left := slices.DeleteFunc(inside.Differences, func(d Difference) bool { return d.Mended })
		all = all && !slices.ContainsFunc(left, func(d Difference) bool { return !d.Waits })
		m.include(left)
	}
	for i := range m.Differences {
		if d := &m.Differences[i]; d.isAbout(MailboxMissing, Near) {
			if d.Mended = all; !all {
				d.Failed = ErrNotAll
			}
		}
	}
	return nil
}

// include takes over what was found in a mailbox by another look.
func (v *Verified) include(found []Difference) {
	known := map[topic]bool{}
	for _, d := range v.Differences {
		known[d.topic()] = true
	}
	for _, d := range found {
		if !known[d.topic()] {
			v.Differences = append(v.Differences, d)
		}
	}
}

// flag gives the near messages the flags that the far side has.
func (r *repair) flag(ctx context.Context, name mailbox.Name, list []*Difference) error {
	if len(list) == 0 {
		return nil
	}
	byID := map[mailbox.ID]*Difference{}
	var changes []mailbox.FlagChange
	for _, d := range list {
		byID[d.Pair.Near] = d
		changes = append(changes, flagChange(d.Pair.Near, d.Flags[Near], d.Flags[Far]))
	}
	err := r.side[Near].SetFlags(ctx, name, changes, func(id mailbox.ID, err error) {
		if d := byID[id]; d != nil {
			d.Failed = fmt.Errorf("set flags: %w", err)
		}
	})
	if err != nil {
		return err
	}
	update := mailbox.Update{Mailbox: name}
	for _, d := range list {
		if d.Failed == nil {
			d.Pair.Flags = d.Flags[Far]
			update.Put = append(update.Put, d.Pair)
		}
	}
	if err := r.ledger.Commit(ctx, update); err != nil {
		return err
	}
	for _, d := range list {
		d.Mended = d.Failed == nil
	}
	return nil
}

// lookAnew has the next run look at everything in a mailbox, and take for new what last does not know.
func (r *repair) lookAnew(ctx context.Context, name mailbox.Name) error {
	twins, err := r.ledger.Mailboxes(ctx)
	if err != nil {
		return err
	}
	for _, t := range twins {
		if t.Name == name {
			t.Far.Cursor, t.Near.Cursor = mailbox.Cursor{}, mailbox.Cursor{}
			return r.ledger.Commit(ctx, mailbox.Update{Mailbox: name, Far: &t.Far, Near: &t.Near})
		}
	}
	return nil
}

func (r *repair) fetchAll(ctx context.Context, name mailbox.Name, list []*Difference) error {
	if len(list) == 0 {
		return nil
	}
	generation, err := r.generation(ctx, name)
	if err != nil {
		return err
	}
	for len(list) > 0 {
		n, octets := 0, int64(0)
		for n < len(list) && n < downloadCount && (n == 0 || octets+list[n].Pair.Size <= downloadOctets) {
			octets += list[n].Pair.Size + PerMessage
			n++
		}
		if r.opts.Budget != nil && octets > r.opts.Budget.Left(Far) {
			for _, d := range list {
				d.Failed = mailbox.ErrQuota
			}
			return nil
		}
		if r.opts.Events != nil {
			r.opts.Events.Planned(n, octets)
		}
		if err := r.fetch(ctx, name, generation, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// generation is that of the far IDs, which the names of new files are made from.
func (r *repair) generation(ctx context.Context, name mailbox.Name) (string, error) {
	recaller, ok := r.side[Far].(Recaller)
	twins, err := r.ledger.Mailboxes(ctx)
	for _, t := range twins {
		if ok && t.Name == name {
			return recaller.Generation(t.Far.Cursor), nil
		}
	}
	return "", err
}

// fetch brings messages from the far side: those that are missing into files of their own, the others into those that
// they have.
func (r *repair) fetch(ctx context.Context, name mailbox.Name, generation string, list []*Difference) (err error) {
	batch, err := r.side[Near].Append(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, batch.Close()) }()
	p := &patch{repair: r, name: name, generation: generation, batch: batch, byFar: map[mailbox.ID]*Difference{}}
	var ids []mailbox.ID
	for _, d := range list {
		ids = append(ids, d.Pair.Far)
		p.byFar[d.Pair.Far] = d
		d.Failed = errNotDelivered
	}
	err = r.side[Far].Fetch(ctx, name, ids, func(id mailbox.ID, body io.Reader) error { return p.body(ctx, id, body) }, p.problem)
	if err != nil {
		return fmt.Errorf("fetch again: %w", err)
	}
	stored, err := batch.Flush(ctx)
	if err != nil {
		return err
	}
	for _, s := range stored {
		d := p.byFar[s.Source]
		if s.Refused != nil {
			d.Failed = s.Refused
			continue
		}
		d.Pair.Near, d.Pair.Flags, d.Failed = s.ID, d.Flags[Far], nil
		p.settle(d, s.Content)
	}
	if err := r.ledger.Commit(ctx, mailbox.Update{Mailbox: name, Put: p.put}); err != nil {
		return err
	}
	for _, d := range list {
		d.Mended = d.Failed == nil
	}
	return nil
}
