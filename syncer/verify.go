package syncer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"mailtwin/mailbox"
)

// An Inspector is a Replica that can list a mailbox without changing anything in it, at less cost than a Scan. It tells
// found of each message once: its flags, and its Size or, in Content.Stored, how many octets it takes where it lies. The
// Scan that it returns has no message. What it leaves out may be there all the same; Missing is proof.
type Inspector interface {
	Inspect(ctx context.Context, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error)
}

// A Recaller is a Replica that can tell, without asking anybody, what a cursor remembers.
type Recaller interface {
	// Generation of the IDs when the cursor was taken; empty if it does not say.
	Generation(c mailbox.Cursor) string
	// After tells whether an ID of the same generation may have been given after the cursor was taken.
	After(c mailbox.Cursor, id mailbox.ID) bool
}

// VerifyOptions say how much is verified.
type VerifyOptions struct {
	// Mailboxes tells which mailboxes are looked at; nil means all.
	Mailboxes func(mailbox.Name) bool
	// Deep reads every message of the near side. Otherwise only those are read whose size cannot be told to be right.
	Deep bool
	// Percent of the messages of each mailbox, chosen by chance and rounded up, are read from the far side again.
	Percent int
	// Seed of the choice: the same seed chooses the same ones among the same messages.
	Seed uint64
	// Budget, if not nil, limits what comes from the far side. What is more is left out, and a problem says so.
	Budget Budget
	// Workers is how many mailboxes, or parts of one, are worked on at once; by default as many as the replicas say they
	// can serve.
	Workers int
	Events  Events // may be nil
}

// A Verification is what a look at both sides found.
type Verification struct {
	Mailboxes []*Verified // all that were looked at, INBOX first
	Problems  []error     // what could not be looked at
}

// Verify compares both sides with what last has of them and so with each other, anew and without trust in any cursor. It
// changes nothing, on either side and in the ledger. Far is listed with one Scan for each mailbox; bodies are read as the
// options say.
//
// Sides and ledger are not seen at one moment: what a run, or a mail program, does meanwhile may look like a difference.
// Confirm leaves only those that a second look finds, too.
func Verify(ctx context.Context, far, near Replica, ledger Ledger, opts VerifyOptions) (*Verification, error) {
	v := &verifier{
		side: [2]Replica{far, near}, ledger: ledger, opts: opts, found: &Verification{}, troubles: map[mailbox.Place]mailbox.Trouble{},
		twins: map[mailbox.Name]mailbox.Twin{}, done: map[mailbox.Hint]bool{},
	}
	v.defaults()
	if err := v.list(ctx); err != nil {
		return nil, err
	}
	v.phase("compare")
	if err := v.each(ctx, v.names, v.examine); err != nil {
		return nil, err
	}
	slices.SortFunc(v.found.Mailboxes, func(a, b *Verified) int { return compareNames(a.Mailbox, b.Mailbox) })
	if err := v.readAll(ctx); err != nil {
		return nil, err
	}
	return v.found, ctx.Err()
}

// Differences yields all that was found, INBOX's first.
func (v *Verification) Differences() iter.Seq[*Difference] {
	return func(yield func(*Difference) bool) {
		for _, m := range v.Mailboxes {
			for i := range m.Differences {
				if !yield(&m.Differences[i]) {
					return
				}
			}
		}
	}
}

// Doubtful returns the mailboxes that are worth a second look: where something differs, or could not be looked at.
func (v *Verification) Doubtful() map[mailbox.Name]bool {
	names := map[mailbox.Name]bool{}
	for d := range v.Differences() {
		names[d.Mailbox] = names[d.Mailbox] || !d.Waits
	}
	for _, err := range v.Problems {
		if place, ok := placeOf(err); ok {
			names[place.Mailbox] = true
		}
	}
	maps.DeleteFunc(names, func(_ mailbox.Name, is bool) bool { return !is })
	return names
}

// Confirm takes over what a second look at the Doubtful mailboxes found, and leaves only those differences that both
// found. What was found by reading stays: a second look need not read again.
func (v *Verification) Confirm(again *Verification) {
	type key struct {
		kind Kind
		side Side
		mailbox.Place
	}
	keyOf := func(d *Difference) key { return key{d.Kind, d.Side, mailbox.Place{Mailbox: d.Mailbox, ID: d.ID()}} }
	doubtful, first, second := v.Doubtful(), map[key]bool{}, map[key]bool{}
	for d := range v.Differences() {
		first[keyOf(d)] = true
	}
	looks := map[mailbox.Name]*Verified{}
	for _, m := range again.Mailboxes {
		m.Differences = slices.DeleteFunc(m.Differences, func(d Difference) bool { return !first[keyOf(&d)] })
		for i := range m.Differences {
			second[keyOf(&m.Differences[i])] = true
		}
		looks[m.Mailbox] = m
	}
	kept := v.Mailboxes[:0]
	for _, m := range v.Mailboxes {
		look := looks[m.Mailbox]
		switch {
		case !doubtful[m.Mailbox]:
		case look == nil: // it is on neither side any more
			continue
		default:
			for _, d := range m.Differences {
				if d.read && !second[keyOf(&d)] {
					look.Differences = append(look.Differences, d)
				}
			}
			look.Read = m.Read
			m = look
		}
		kept = append(kept, m)
	}
	v.Mailboxes = kept
	v.Problems = slices.DeleteFunc(v.Problems, func(err error) bool { _, ok := placeOf(err); return ok })
	v.Problems = append(v.Problems, again.Problems...)
}

type verifier struct {
	side   [2]Replica
	ledger Ledger
	opts   VerifyOptions

	names    []mailbox.Name
	infos    [2]map[mailbox.Name]mailbox.Info
	twins    map[mailbox.Name]mailbox.Twin
	troubles map[mailbox.Place]mailbox.Trouble

	mu       sync.Mutex // guards what follows
	found    *Verification
	reads    []*reading
	done     map[mailbox.Hint]bool // account-wide ids of messages that were chosen to be read from the far side
	underWay int64                 // octets that are being read from there
	over     int                   // messages that the budget had no room for
}

func (v *verifier) defaults() {
	if v.opts.Mailboxes == nil {
		v.opts.Mailboxes = func(mailbox.Name) bool { return true }
	}
	if v.opts.Workers == 0 {
		v.opts.Workers = runtime.GOMAXPROCS(0)
		if pool, ok := v.side[Far].(Pool); ok {
			v.opts.Workers = pool.Parallel()
		}
	}
}

func (v *verifier) phase(name string) {
	if v.opts.Events != nil {
		v.opts.Events.Phase(name)
	}
}

// list asks both sides and the ledger for their mailboxes.
func (v *verifier) list(ctx context.Context) error {
	v.phase("list")
	group, listing := errgroup.WithContext(ctx)
	for side := range v.side {
		group.Go(func() (err error) {
			v.infos[side], err = index(v.side[side].Mailboxes(listing))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	twins, err := v.ledger.Mailboxes(ctx)
	if err != nil {
		return err
	}
	troubles, err := v.ledger.Troubles(ctx)
	if err != nil {
		return err
	}
	for _, t := range troubles {
		v.troubles[mailbox.Place{Mailbox: t.Mailbox, ID: t.ID}] = t
	}
	all := map[mailbox.Name]bool{}
	for _, t := range twins {
		v.twins[t.Name], all[t.Name] = t, true
	}
	for _, infos := range v.infos {
		for name, info := range infos {
			all[name] = all[name] || !info.NoSelect
		}
	}
	maps.DeleteFunc(all, func(name mailbox.Name, is bool) bool { return !is || !v.opts.Mailboxes(name) })
	v.names = slices.SortedFunc(maps.Keys(all), compareNames)
	return nil
}

// each calls do for every mailbox, several at once. What concerns one mailbox alone does not keep the others.
func (v *verifier) each(ctx context.Context, names []mailbox.Name, do func(context.Context, mailbox.Name) error) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(max(1, v.opts.Workers))
	for _, name := range names {
		group.Go(func() error { return v.tolerate(name, do(working, name)) })
	}
	return group.Wait()
}

// tolerate turns an error that concerns one mailbox into a problem.
func (v *verifier) tolerate(name mailbox.Name, err error) error {
	var one *mailbox.MailboxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &one):
		v.problem(err)
		return nil
	case errors.Is(err, mailbox.ErrNoMailbox), errors.Is(err, mailbox.ErrUIDValidity), errors.Is(err, mailbox.ErrHalf):
		v.problem(&mailbox.MailboxError{Mailbox: name, Err: err})
		return nil
	}
	return fmt.Errorf("mailbox %q: %w", string(name), err)
}

func (v *verifier) problem(err error) {
	v.mu.Lock()
	v.found.Problems = append(v.found.Problems, err)
	v.mu.Unlock()
	if v.opts.Events != nil {
		v.opts.Events.Problem(err)
	}
}

// exists tells whether a side has the mailbox and can store messages in it.
func (v *verifier) exists(side Side, name mailbox.Name) bool {
	info, ok := v.infos[side][name]
	return ok && !info.NoSelect
}

// An examination is the look at one mailbox.
type examination struct {
	*verifier
	name    mailbox.Name
	twin    mailbox.Twin
	known   bool // last has the mailbox
	sides   [2]*listing
	differs []Difference // but those that compare finds
}

func (v *verifier) examine(ctx context.Context, name mailbox.Name) error {
	e := &examination{verifier: v, name: name}
	e.twin, e.known = v.twins[name]
	for side := range v.side {
		if err := e.look(ctx, Side(side)); err != nil {
			return fmt.Errorf("on the %s side: %w", Side(side), err)
		}
	}
	seen, err := e.view(ctx)
	if err != nil {
		return err
	}
	found, doubtful, err := compare(name, e.pairs(ctx), e.sides)
	if err != nil {
		return err
	}
	found.Differences = e.inView(seen, found.Differences)
	found.Differences = e.explained(found.Differences)
	rewritten, err := e.rewritten(ctx, &found)
	if err != nil {
		return err
	}
	if found.Differences, err = e.confirmed(ctx, found.Differences); err != nil {
		return err
	}
	found.Differences = append(e.differs, found.Differences...)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found.Mailboxes = append(v.found.Mailboxes, &found)
	v.reads = append(v.reads, &reading{Verified: &found, doubtful: doubtful, rewritten: rewritten, looked: [2]bool{e.sides[Far] != nil, e.sides[Near] != nil}})
	return nil
}

// pairs are those of last. Of a mailbox that it does not know there are none.
func (e *examination) pairs(ctx context.Context) iter.Seq2[mailbox.Pair, error] {
	if !e.known {
		return func(func(mailbox.Pair, error) bool) {}
	}
	return e.ledger.Pairs(ctx, e.name)
}

// look lists one side, or tells that it lacks the mailbox.
func (e *examination) look(ctx context.Context, side Side) error {
	if !e.exists(side, e.name) {
		return e.absent(ctx, side)
	}
	err := e.list(ctx, side)
	if errors.Is(err, mailbox.ErrHalf) {
		return e.lacks(ctx, side, err)
	}
	if err != nil || e.known || e.exists(side.Other(), e.name) {
		return err
	}
	here := e.sides[side].count()
	e.sides[side] = nil
	e.differs = append(e.differs, Difference{
		Kind: MailboxUnknown, Side: side, Mailbox: e.name, Messages: here, Waits: side == Far || here == 0,
	})
	return nil
}

var errUnlisted = fmt.Errorf("not listed, but it is there; look again later: %w", mailbox.ErrTemporary)

// absent makes sure that a mailbox that a listing left out is not there.
func (e *examination) absent(ctx context.Context, side Side) error {
	if !e.known {
		return nil
	}
	gone, err := e.side[side].Vanished(ctx, e.name)
	if errors.Is(err, mailbox.ErrHalf) {
		return e.lacks(ctx, side, err)
	}
	if err == nil && !gone {
		err = &mailbox.MailboxError{Mailbox: e.name, Err: errUnlisted}
	}
	if err != nil {
		return err
	}
	return e.lacks(ctx, side, nil)
}

// lacks tells that a side lacks the mailbox, or a part of it, unless last has nothing there.
func (e *examination) lacks(ctx context.Context, side Side, why error) error {
	var box *mailbox.MailboxError
	if errors.As(why, &box) {
		why = box.Err
	}
	all, here := 0, 0
	for pair, err := range e.pairs(ctx) {
		if err != nil {
			return err
		}
		all++
		if has(side, pair) {
			here++
		}
	}
	if all == 0 || here > 0 || why != nil {
		e.differs = append(e.differs, Difference{Kind: MailboxMissing, Side: side, Mailbox: e.name, Messages: here, Err: why})
	}
	return nil
}

func (e *examination) list(ctx context.Context, side Side) error {
	l := &listing{messages: map[mailbox.ID]listed{}}
	found := func(m mailbox.Message) {
		l.messages[m.ID] = listed{flags: m.Flags, size: m.Size, stored: m.Content.Stored}
	}
	scan, err := inspect(ctx, e.side[side], e.name, found)
	if err != nil {
		return err
	}
	for id, why := range scan.Unread {
		e.differs = append(e.differs, Difference{Kind: Unreadable, Side: side, Mailbox: e.name, Pair: pairOf(side, id), Err: why})
	}
	l.holds, l.window = scan.Holds, scan.Window
	if e.renumbered(side, scan.Generation) {
		e.differs = append(e.differs, Difference{Kind: Renumbered, Side: side, Mailbox: e.name, Messages: len(l.messages)})
	} else {
		e.sides[side] = l
	}
	if !scan.Settled {
		e.problem(&mailbox.MailboxError{Mailbox: e.name, Err: errUnsettled})
	}
	return nil
}

// inspect lists a mailbox in the cheapest way that a side knows.
func inspect(ctx context.Context, side Replica, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error) {
	if inspector, ok := side.(Inspector); ok {
		return inspector.Inspect(ctx, name, found)
	}
	scan, err := side.Scan(ctx, mailbox.ScanRequest{Name: name, Known: mailbox.Nothing{}})
	if err != nil {
		return nil, err
	}
	for _, m := range scan.Present {
		found(m)
	}
	return scan, nil
}

var errUnsettled = fmt.Errorf("what was listed does not add up; look again later: %w", mailbox.ErrTemporary)

// renumbered tells whether the IDs of a side are of another generation than those of last.
func (e *examination) renumbered(side Side, generation string) bool {
	recaller, ok := e.side[side].(Recaller)
	if !ok || !e.known {
		return false
	}
	was := recaller.Generation(e.half(side).Cursor)
	return was != "" && generation != "" && was != generation
}

func (e *examination) half(side Side) mailbox.Half {
	if side == Far {
		return e.twin.Far
	}
	return e.twin.Near
}

// explained notes which differences the next run is about to settle. What cannot be read need not be told twice.
func (e *examination) explained(found []Difference) []Difference {
	recaller, recalls := e.side[Far].(Recaller)
	bad := map[mailbox.ID]bool{}
	for _, d := range e.differs {
		bad[d.ID()] = d.Kind == Unreadable
	}
	kept := found[:0]
	for _, d := range found {
		if d.Kind == Absent && bad[d.ID()] {
			continue
		}
		if d.Kind == Unknown && d.Side == Far {
			d.Waits = recalls && recaller.After(e.twin.Far.Cursor, d.Pair.Far)
		}
		if trouble, ok := e.troubles[mailbox.Place{Mailbox: e.name, ID: d.ID()}]; ok && d.Kind == Unknown {
			d.Waits, d.Err = true, errors.New(trouble.Reason)
		}
		kept = append(kept, d)
	}
	return kept
}

// rewritten takes out the far messages that have another size because the far side stored what was uploaded in a form of
// its own: they bear the Message-ID that they should, and their bytes were never read.
func (e *examination) rewritten(ctx context.Context, found *Verified) (map[mailbox.ID]bool, error) {
	suspects := map[mailbox.ID]mailbox.Pair{}
	for _, d := range found.Differences {
		if d.Kind == WrongSize && d.Side == Far && d.Pair.FarDigest.IsZero() {
			suspects[d.Pair.Far] = d.Pair
		}
	}
	if len(suspects) == 0 {
		return nil, nil
	}
	are := map[mailbox.ID]bool{}
	err := e.side[Far].Identify(ctx, e.name, slices.Sorted(maps.Keys(suspects)), func(id mailbox.ID, c mailbox.Content) {
		are[id] = c.MessageID != "" && c.Hint() == suspects[id].Hint
	})
	found.Differences = slices.DeleteFunc(found.Differences, func(d Difference) bool {
		return d.Kind == WrongSize && d.Side == Far && are[d.Pair.Far]
	})
	for _, is := range are {
		if is {
			found.Rewritten++
		}
	}
	return are, err
}

// confirmed leaves of what is missing only what certainly is: one look, and one listing, may leave out what is there.
func (e *examination) confirmed(ctx context.Context, found []Difference) ([]Difference, error) {
	var gone [2]map[mailbox.ID]bool
	for side := range e.side {
		var ids []mailbox.ID
		for _, d := range found {
			if d.Kind == Absent && d.Side == Side(side) {
				ids = append(ids, d.ID())
			}
		}
		if len(ids) == 0 {
			continue
		}
		missing, err := e.side[side].Missing(ctx, e.name, ids)
		if err != nil {
			return nil, err
		}
		gone[side] = set(missing)
		if doubt := len(ids) - len(missing); doubt > 0 {
			e.problem(unseen(e.name, doubt))
		}
	}
	return slices.DeleteFunc(found, func(d Difference) bool { return d.Kind == Absent && !gone[d.Side][d.ID()] }), nil
}

// unseen is the problem with messages that were there and not there.
func unseen(name mailbox.Name, messages int) error {
	return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("%d messages were moved or renamed meanwhile, and could not be looked at: %w", messages, mailbox.ErrTemporary)}
}
