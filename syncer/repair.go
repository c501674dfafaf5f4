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
// flags become those of the far side, a mailbox is made. It changes nothing on the far side, and takes no message away.
func Repair(ctx context.Context, far, near Replica, ledger Ledger, v *Verification, opts RepairOptions) error {
	r := &repair{side: [2]Replica{far, near}, ledger: ledger, opts: opts}
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
}

var errNotMended = errors.New("the far side does not have it")

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
	gone := map[mailbox.ID]bool{} // on the far side
	for _, d := range m.Differences {
		gone[d.Pair.Far] = gone[d.Pair.Far] || d.Kind == Absent && d.Side == Far
	}
	for i := range m.Differences {
		d := &m.Differences[i]
		switch {
		case d.Kind == WrongFlags:
			flags = append(flags, d)
		case d.Kind == Unknown && d.Side == Far && !d.Waits:
			d.Waits, anew = true, true
		case d.Side == Far || d.Kind != Absent && d.Kind != WrongSize && d.Kind != WrongBytes:
		case d.Pair.Far == "" || d.Pair.Parked == mailbox.Left || gone[d.Pair.Far]:
			d.Err = errNotMended
		default:
			fetch = append(fetch, d)
		}
	}
	return flags, fetch, anew
}

// make makes a mailbox that the near side lacks, and mends what is missing in it then. Of that only those messages are
// listed one by one that cannot be mended.
func (r *repair) make(ctx context.Context, m *Verified) error {
	lacks := func(side Side) int {
		return slices.IndexFunc(m.Differences, func(d Difference) bool { return d.Kind == MailboxMissing && d.Side == side })
	}
	at := lacks(Near)
	if at < 0 {
		return nil
	}
	if lacks(Far) >= 0 {
		m.Differences[at].Err = errNotMended
		return nil
	}
	if err := r.side[Near].Create(ctx, m.Mailbox); err != nil {
		return fmt.Errorf("make it again: %w", err)
	}
	only := func(name mailbox.Name) bool { return name == m.Mailbox }
	again, err := Verify(ctx, r.side[Far], r.side[Near], r.ledger, VerifyOptions{Mailboxes: only})
	if err != nil {
		return err
	}
	for _, inside := range again.Mailboxes {
		if err := r.mailbox(ctx, inside); err != nil {
			return err
		}
		left := slices.DeleteFunc(inside.Differences, func(d Difference) bool { return d.Mended || d.Side == Far })
		m.Differences = append(m.Differences, left...)
	}
	m.Differences[at].Mended = true
	return nil
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
			d.Err = fmt.Errorf("set flags: %w", err)
		}
	})
	if err != nil {
		return err
	}
	update := mailbox.Update{Mailbox: name}
	for _, d := range list {
		if d.Err == nil {
			d.Pair.Flags = d.Flags[Far]
			update.Put = append(update.Put, d.Pair)
		}
	}
	if err := r.ledger.Commit(ctx, update); err != nil {
		return err
	}
	for _, d := range list {
		d.Mended = d.Err == nil
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
				d.Err = mailbox.ErrQuota
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
		d.Err = errNotDelivered
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
			d.Err = s.Refused
			continue
		}
		d.Pair.Near, d.Pair.Flags, d.Err = s.ID, d.Flags[Far], nil
		p.settle(d, s.Content)
	}
	if err := r.ledger.Commit(ctx, mailbox.Update{Mailbox: name, Put: p.put}); err != nil {
		return err
	}
	for _, d := range list {
		d.Mended = d.Err == nil
	}
	return nil
}

// A patch is one batch of messages that are fetched again.
type patch struct {
	*repair
	name       mailbox.Name
	generation string
	batch      Batch
	byFar      map[mailbox.ID]*Difference
	put        []mailbox.Pair
}

var errCannotMend = errors.New("this side cannot put other bytes in its place")

func (p *patch) body(ctx context.Context, id mailbox.ID, body io.Reader) error {
	d := p.byFar[id]
	if d == nil {
		return nil // nobody asked for it
	}
	m := mailbox.Message{ID: id, Flags: d.Flags[Far], Size: d.Pair.Size, InternalDate: d.Pair.InternalDate, Generation: p.generation}
	counted := &counter{r: body, progress: p.opts.Events}
	var err error
	if d.Kind == Absent {
		err = p.batch.Add(ctx, m, counted)
	} else {
		err = p.mend(ctx, d, m, counted)
	}
	var one *mailbox.MessageError
	if errors.As(err, &one) {
		d.Err = one.Err
		return nil
	}
	if err == nil && p.opts.Events != nil {
		p.opts.Events.Transferred(1, 0)
	}
	return err
}

func (p *patch) mend(ctx context.Context, d *Difference, m mailbox.Message, body io.Reader) error {
	mender, ok := p.side[Near].(Mender)
	if !ok {
		return &mailbox.MessageError{Mailbox: p.name, ID: d.Pair.Near, Err: errCannotMend}
	}
	content, err := mender.Mend(ctx, p.name, d.Pair.Near, m, body)
	if err == nil {
		d.Err = nil
		p.settle(d, content)
	}
	return err
}

// settle puts a pair on record with what its near message has now.
func (p *patch) settle(d *Difference, content mailbox.Content) {
	if d.Pair.Digest != content.Digest {
		d.Pair.Size, d.Pair.Hint = content.Size, content.Hint()
	}
	d.Pair.Digest, d.Pair.FarDigest, d.Pair.Stored = content.Digest, content.Digest, content.Stored
	p.put = append(p.put, d.Pair)
}

func (p *patch) problem(id mailbox.ID, err error) {
	if d := p.byFar[id]; d != nil {
		d.Err = err
	}
}
