package syncer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"mailtwin/mailbox"
)

// untilRead is what follows from a near message whose content nobody knows: it may be one that was moved, and what is
// gone elsewhere may be that message.
const untilRead = "until it can be read, or is gone, no removal is carried over to the far side"

var errUnreadable = errors.New("cannot be read; " + untilRead)

// identify finds out which arrivals are messages that are known already: on the near side by reading them, on the far
// side, whose bodies are not to be transferred for it, by size and header of what they might be.
func (r *run) identify(ctx context.Context, v *view, jobs []*job) error {
	r.anew = map[mailbox.Name]bool{}
	for _, j := range jobs {
		if j.reset {
			r.anew[j.name] = true
		}
	}
	if r.opts.Direction == Transfer {
		return r.identifyTransfer(ctx, jobs)
	}
	err := r.each(ctx, jobs, func(ctx context.Context, j *job) error { return r.identifyNear(ctx, j) })
	if err != nil {
		return err
	}
	if !r.knowing {
		return nil
	}
	lookup := r.newLookup(jobs)
	if r.opts.Direction == Backup {
		if err := r.holdLost(ctx, jobs, lookup); err != nil {
			return err
		}
	}
	return r.each(ctx, jobs, func(ctx context.Context, j *job) error {
		if err := r.identifyFar(ctx, j, lookup); err != nil {
			return fmt.Errorf("mailbox %q: %w", string(j.name), err)
		}
		if j.name == v.trash {
			if err := r.identifyTrashed(ctx, j, lookup); err != nil {
				return fmt.Errorf("mailbox %q: %w", string(j.name), err)
			}
		}
		return r.intents(ctx, j)
	})
}

// identifyNear reads what is new on the near side and finds the pairs that have the same content.
func (r *run) identifyNear(ctx context.Context, j *job) error {
	var unread []mailbox.ID
	for _, a := range j.delta.New[Near] {
		if a.digest().IsZero() {
			unread = append(unread, a.ID)
		}
	}
	read := map[mailbox.ID]mailbox.Content{}
	if len(unread) > 0 {
		err := r.side[Near].Identify(ctx, j.name, unread, func(id mailbox.ID, c mailbox.Content) { read[id] = c })
		if err != nil {
			return fmt.Errorf("mailbox %q: read what is new: %w", string(j.name), err)
		}
	}
	kept := j.delta.New[Near][:0]
	for _, a := range j.delta.New[Near] {
		if a.digest().IsZero() {
			c, ok := read[a.ID]
			if !ok {
				r.leave(j, Near, a.ID, errUnreadable)
				j.unread = true
				continue
			}
			a.Evidence = &Evidence{Content: c}
		}
		c := a.Evidence.Content
		a.Size, a.Hint = c.Size, c.Hint()
		held, err := r.held(ctx, c)
		if err != nil {
			return err
		}
		a.Evidence.Held = held
		kept = append(kept, a)
	}
	j.delta.New[Near] = kept
	return nil
}

// byHint yields the pairs that have the hint, in mailboxes that the run is about: what is known of others may be old.
func (r *run) byHint(ctx context.Context, hint mailbox.Hint) iter.Seq2[mailbox.Located, error] {
	return func(yield func(mailbox.Located, error) bool) {
		for l, err := range r.ledger.ByHint(ctx, hint) {
			if (err != nil || r.opts.Mailboxes(l.Mailbox)) && !yield(l, err) {
				return
			}
		}
	}
}

// held returns the pairs whose content is proven to be the same. What is known of a mailbox that the far side started anew
// is void: its IDs are those of other messages now.
func (r *run) held(ctx context.Context, c mailbox.Content) ([]mailbox.Located, error) {
	var held []mailbox.Located
	for l, err := range r.byHint(ctx, c.Hint()) {
		if err != nil {
			return nil, err
		}
		if l.Digest == c.Digest && (!r.anew[l.Mailbox] || l.Parked == mailbox.Left) {
			held = append(held, l)
		}
	}
	return held, nil
}

// leave records that one message is left behind in this run.
func (r *run) leave(j *job, side Side, id mailbox.ID, err error) {
	r.problem(&mailbox.MessageError{Mailbox: j.name, ID: id, Err: err})
	r.mu.Lock()
	defer r.mu.Unlock()
	j.dirty[side] = true
}

// A lookup finds what a new far message might be.
type lookup struct {
	near map[mailbox.Hint][]*newcomer // what is new on the near side
	gone map[mailbox.Place]bool       // near places whose message is gone
}

// A newcomer is a new near message that far ones may be.
type newcomer struct {
	mailbox.Content
	mailbox  mailbox.Name
	evidence *Evidence
	taken    bool // a far one of its mailbox is this one
}

func (r *run) newLookup(jobs []*job) *lookup {
	l := &lookup{near: map[mailbox.Hint][]*newcomer{}, gone: map[mailbox.Place]bool{}}
	for _, j := range jobs {
		for _, a := range j.delta.New[Near] {
			l.near[a.Hint] = append(l.near[a.Hint], &newcomer{Content: a.Evidence.Content, mailbox: j.name, evidence: a.Evidence})
		}
		for _, c := range j.delta.Pairs {
			if c.Gone[Near] {
				l.gone[mailbox.Place{Mailbox: j.name, ID: c.Pair.Near}] = true
			}
		}
	}
	return l
}

// A candidate is a far arrival and what it might be.
type candidate struct {
	arrival *Arrival
	near    []*newcomer
	held    []mailbox.Located
}

// identifyFar compares new far messages with what is known, by size and header. Where one header fits two different
// messages, nothing is taken for granted and the body is transferred.
func (r *run) identifyFar(ctx context.Context, j *job, l *lookup) error {
	candidates, ids, err := r.candidates(ctx, j, l)
	if err != nil || len(candidates) == 0 {
		return err
	}
	headers := map[mailbox.ID]mailbox.Content{}
	err = r.side[Far].Identify(ctx, j.name, ids, func(id mailbox.ID, c mailbox.Content) { headers[id] = c })
	if err != nil {
		return fmt.Errorf("compare with the server: %w", err)
	}
	locals, err := r.localContents(ctx, candidates)
	if err != nil {
		return err
	}
	for _, c := range candidates {
		if header, ok := headers[c.arrival.ID]; ok {
			c.settle(j.name, header, locals)
		}
	}
	return nil
}

func (r *run) candidates(ctx context.Context, j *job, l *lookup) (found []candidate, ids []mailbox.ID, err error) {
	for i := range j.delta.New[Far] {
		a := &j.delta.New[Far][i]
		known, err := r.byAccount(ctx, j, a, l)
		if err != nil {
			return nil, nil, err
		}
		if known || a.Hint == 0 {
			continue
		}
		c, err := r.candidate(ctx, a, l)
		if err != nil {
			return nil, nil, err
		}
		if len(c.near)+len(c.held) > 0 {
			found = append(found, c)
			ids = append(ids, a.ID)
		}
	}
	return found, ids, nil
}

func (r *run) candidate(ctx context.Context, a *Arrival, l *lookup) (candidate, error) {
	c := candidate{arrival: a}
	for _, near := range l.near[a.Hint] {
		if near.HasSize(a.Size) {
			c.near = append(c.near, near)
		}
	}
	for held, err := range r.byHint(ctx, a.Hint) {
		if err != nil {
			return c, err
		}
		gone := l.gone[mailbox.Place{Mailbox: held.Mailbox, ID: held.Near}]
		if held.Size == a.Size && held.Near != "" && !gone {
			c.held = append(c.held, held)
		}
	}
	return c, nil
}

// byAccount finds the pairs of which the far side itself says that they are the same message, also in mailboxes that the run
// is not about: a near file that is no longer there is not copied, and then the message is transferred. Of the other mailboxes
// one is held, to copy from: a million messages may be in ten each.
func (r *run) byAccount(ctx context.Context, j *job, a *Arrival, l *lookup) (known bool, err error) {
	if a.AccountID == "" {
		return false, nil
	}
	elsewhere := false
	for held, err := range r.ledger.ByHint(ctx, mailbox.AccountHint(a.AccountID)) {
		if err != nil {
			return false, err
		}
		if held.AccountID != a.AccountID || held.Digest.IsZero() && !r.unread(held) {
			continue
		}
		if a.Evidence == nil {
			a.Hint, a.Evidence = held.Hint, &Evidence{Content: mailbox.Content{Digest: held.Digest, Size: held.Size, Stored: held.Stored}}
		}
		here := held.Mailbox == j.name
		void := here && j.reset && held.Parked != mailbox.Left
		if held.Near != "" && !void && (here || !elsewhere) && !l.gone[mailbox.Place{Mailbox: held.Mailbox, ID: held.Near}] {
			a.Evidence.Held = append(a.Evidence.Held, held)
			elsewhere = elsewhere || !here
		}
	}
	return a.Evidence != nil, nil
}

// unread tells whether a pair was made of what both sides had, in a transfer: by their headers, so that nobody knows the
// digest. It is there all the same.
func (r *run) unread(held mailbox.Located) bool {
	return r.opts.Direction == Transfer && held.Far != "" && held.Near != ""
}

// localContents reads the near messages that candidates point to.
func (r *run) localContents(ctx context.Context, candidates []candidate) (map[mailbox.Place]mailbox.Content, error) {
	wanted := map[mailbox.Name]map[mailbox.ID]bool{}
	for _, c := range candidates {
		for _, held := range c.held {
			if wanted[held.Mailbox] == nil {
				wanted[held.Mailbox] = map[mailbox.ID]bool{}
			}
			wanted[held.Mailbox][held.Near] = true
		}
	}
	contents := map[mailbox.Place]mailbox.Content{}
	for name, ids := range wanted {
		err := r.side[Near].Identify(ctx, name, slices.Sorted(maps.Keys(ids)), func(id mailbox.ID, c mailbox.Content) {
			contents[mailbox.Place{Mailbox: name, ID: id}] = c
		})
		if err != nil && !errors.Is(err, mailbox.ErrNoMailbox) {
			return nil, fmt.Errorf("read known messages of %q: %w", string(name), err)
		}
	}
	return contents, nil
}

// settle decides whether the arrival is one of the candidates: one that is new in the same mailbox if there is one that no
// other arrival is. Where header and size fit messages that differ, only the body can tell.
func (c candidate) settle(here mailbox.Name, header mailbox.Content, locals map[mailbox.Place]mailbox.Content) {
	own, fits := c.newcomers(here, header)
	var held []mailbox.Located
	for _, h := range c.held {
		if local, ok := locals[mailbox.Place{Mailbox: h.Mailbox, ID: h.Near}]; ok && local.HasHeader(header.Header, header.Size) {
			fits, held = append(fits, local), append(held, h)
		}
	}
	if len(fits) == 0 {
		return
	}
	for _, other := range fits {
		if other.Bare() != fits[0].Bare() {
			c.clash(here, header)
			return
		}
	}
	e := &Evidence{Content: fits[0]}
	if own != nil {
		own.taken, e.Content = true, own.Content
	}
	for _, h := range held { // what is copied is what it is said to be
		if h.Digest == e.Content.Digest {
			e.Held = append(e.Held, h)
		}
	}
	c.arrival.Evidence = e
}

// newcomers are the new near messages that fit, and one of the same mailbox, rather one that no other arrival is; nil if
// there is none.
func (c candidate) newcomers(here mailbox.Name, header mailbox.Content) (own *newcomer, fits []mailbox.Content) {
	for _, near := range c.near {
		if !near.HasHeader(header.Header, header.Size) {
			continue
		}
		fits = append(fits, near.Content)
		if near.mailbox == here && (own == nil || own.taken) {
			own = near
		}
	}
	return own, fits
}

// clash notes which new near messages of the same mailbox the arrival may turn out to be when it has been downloaded.
func (c candidate) clash(here mailbox.Name, header mailbox.Content) {
	for _, near := range c.near {
		if near.mailbox == here && near.HasHeader(header.Header, header.Size) {
			near.evidence.Undecided = true
		}
	}
}

// identifyTrashed finds in the Trash what an interrupted run copied there and did not take away where it was. The near
// side has it no longer, so the two far messages are compared with each other.
func (r *run) identifyTrashed(ctx context.Context, j *job, l *lookup) error {
	for i := range j.delta.New[Far] {
		a := &j.delta.New[Far][i]
		if a.Hint == 0 || !a.digest().IsZero() {
			continue
		}
		for held, err := range r.byHint(ctx, a.Hint) {
			if err != nil {
				return err
			}
			if held.Size != a.Size || held.Digest.IsZero() || !l.gone[mailbox.Place{Mailbox: held.Mailbox, ID: held.Near}] {
				continue
			}
			same, err := r.sameHeader(ctx, placed{Far, mailbox.Place{Mailbox: j.name, ID: a.ID}}, placed{Far, mailbox.Place{Mailbox: held.Mailbox, ID: held.Far}})
			if err != nil {
				return err
			}
			if same {
				a.Evidence = &Evidence{Content: mailbox.Content{Digest: held.Digest, Size: held.Size}}
				break
			}
		}
	}
	return nil
}

// sameHeader compares the headers of two messages.
func (r *run) sameHeader(ctx context.Context, one, other placed) (bool, error) {
	var headers []mailbox.Digest
	for _, place := range []placed{one, other} {
		err := r.side[place.side].Identify(ctx, place.Mailbox, []mailbox.ID{place.ID}, func(_ mailbox.ID, c mailbox.Content) {
			headers = append(headers, c.Header)
		})
		if err != nil && !errors.Is(err, mailbox.ErrNoMailbox) {
			return false, fmt.Errorf("compare with %q: %w", string(other.Mailbox), err)
		}
	}
	return len(headers) == 2 && headers[0] == headers[1], nil
}
