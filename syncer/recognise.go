package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mailtwin/mailbox"
)

// In a transfer the near side may be a server, which tells the digest of no message without handing it over. So the
// messages of both sides are compared by Message-ID, size and header, and where that fits more than two messages, by
// their bodies.

// identifyTransfer finds out which messages of the far side the near side has already.
func (r *run) identifyTransfer(ctx context.Context, jobs []*job) error {
	lookup, lost := r.newLookup(nil), map[mailbox.Place]*Change{}
	for _, j := range jobs {
		for i, c := range j.delta.Pairs {
			if c.Gone[Near] {
				lookup.gone[mailbox.Place{Mailbox: j.name, ID: c.Pair.Near}] = true
			} else if c.Gone[Far] && c.Pair.Near != "" {
				lost[mailbox.Place{Mailbox: j.name, ID: c.Pair.Near}] = &j.delta.Pairs[i]
			}
		}
	}
	recognitions := make([]*recognition, len(jobs))
	for i, j := range jobs {
		recognitions[i] = &recognition{run: r, job: j, lookup: lookup}
	}
	err := r.each(ctx, jobs, func(ctx context.Context, j *job) error {
		t := recognitions[slices.Index(jobs, j)]
		for _, step := range []func(context.Context) error{t.measure, t.choose, t.known, t.compare, t.intended} {
			if err := step(ctx); err != nil {
				return fmt.Errorf("mailbox %q: compare with what is there: %w", string(j.name), err)
			}
		}
		return nil
	})
	for _, t := range recognitions {
		if err == nil {
			err = t.moved(ctx, lost)
		}
	}
	if err != nil || !r.opts.Once {
		return err
	}
	return r.shareContent(ctx, recognitions)
}

// A recognition compares what is new on both sides of one mailbox.
type recognition struct {
	*run
	job    *job
	lookup *lookup
	paired map[mailbox.ID]bool // far IDs that were found
}

func (t *recognition) fars() []Arrival  { return t.job.delta.New[Far] }
func (t *recognition) nears() []Arrival { return t.job.delta.New[Near] }

// measure completes what a side did not tell in its scan: of a Maildir all of it.
func (t *recognition) measure(ctx context.Context) error {
	t.paired = map[mailbox.ID]bool{}
	for _, side := range []Side{Far, Near} {
		list := t.job.delta.New[side]
		var ids []mailbox.ID
		for i, a := range list {
			if a.Evidence == nil && side == Near {
				list[i].Evidence = &Evidence{}
			}
			if a.Size == 0 || a.Hint == 0 {
				ids = append(ids, a.ID)
			}
		}
		read, err := t.contents(ctx, side, ids)
		if err != nil {
			return err
		}
		kept := list[:0]
		for _, a := range list {
			if c, ok := read[a.ID]; ok {
				a.Size, a.Hint, a.Evidence = c.Size, c.Hint(), &Evidence{Content: c}
			} else if a.Size == 0 && side == Far {
				t.leave(t.job, Far, a.ID, errUnreadable)
				continue
			}
			kept = append(kept, a)
		}
		t.job.delta.New[side] = kept
	}
	return nil
}

func (t *recognition) contents(ctx context.Context, side Side, ids []mailbox.ID) (map[mailbox.ID]mailbox.Content, error) {
	read := map[mailbox.ID]mailbox.Content{}
	if len(ids) == 0 {
		return read, nil
	}
	err := t.side[side].Identify(ctx, t.job.name, ids, func(id mailbox.ID, c mailbox.Content) { read[id] = c })
	if errors.Is(err, mailbox.ErrNoMailbox) {
		err = nil
	}
	return read, err
}

// known finds the messages of which the far side itself says that they are the same as others.
func (t *recognition) known(ctx context.Context) error {
	for i := range t.fars() {
		if _, err := t.byAccount(ctx, t.job, &t.fars()[i], t.lookup); err != nil {
			return err
		}
	}
	return nil
}

// compare pairs messages that have the same Message-ID, size and header. The near side is asked only about those that a
// message of the far side may be.
func (t *recognition) compare(ctx context.Context) error {
	byHint := map[mailbox.Hint][]*Arrival{}
	for i, a := range t.fars() {
		byHint[a.Hint] = append(byHint[a.Hint], &t.fars()[i])
	}
	var ids [2][]mailbox.ID
	asked := map[mailbox.ID]bool{}
	for _, near := range t.nears() {
		if len(byHint[near.Hint]) == 0 {
			continue
		}
		ids[Near] = append(ids[Near], near.ID)
		for _, far := range byHint[near.Hint] {
			if !asked[far.ID] {
				asked[far.ID] = true
				ids[Far] = append(ids[Far], far.ID)
			}
		}
	}
	var contents [2]map[mailbox.ID]mailbox.Content
	for side := range contents {
		var err error
		if contents[side], err = t.contents(ctx, Side(side), ids[side]); err != nil {
			return err
		}
	}
	m := matching{far: contents[Far], near: contents[Near], fits: map[mailbox.ID][]mailbox.ID{}, wanted: map[mailbox.ID]int{}}
	for i, near := range t.nears() {
		if _, read := m.near[near.ID]; read {
			m.candidates(&t.nears()[i], byHint[near.Hint])
		}
	}
	return t.pair(ctx, m)
}

// A matching is which far messages each near message may be.
type matching struct {
	far, near map[mailbox.ID]mailbox.Content
	fits      map[mailbox.ID][]mailbox.ID // by near ID
	wanted    map[mailbox.ID]int          // how many near messages a far one may be
}

func (m matching) candidates(near *Arrival, fars []*Arrival) {
	c := m.near[near.ID]
	for _, far := range fars {
		if f, read := m.far[far.ID]; read && (f.HasHeader(c.Header, c.Size) || c.HasHeader(f.Header, f.Size)) {
			m.fits[near.ID] = append(m.fits[near.ID], far.ID)
			m.wanted[far.ID]++
		}
	}
}

// pair settles what fits. Where one fits several, their bodies tell.
func (t *recognition) pair(ctx context.Context, m matching) error {
	var unsure [2][]mailbox.ID
	listed := map[mailbox.ID]bool{}
	for i, near := range t.nears() {
		fits := m.fits[near.ID]
		if len(fits) == 1 && m.wanted[fits[0]] == 1 {
			t.take(i, fits[0])
			continue
		}
		if len(fits) > 0 {
			unsure[Near] = append(unsure[Near], near.ID)
		}
		for _, id := range fits {
			if !listed[id] {
				listed[id] = true
				unsure[Far] = append(unsure[Far], id)
			}
		}
	}
	if len(unsure[Near]) == 0 {
		return nil
	}
	unsure, room := t.affordable(unsure)
	defer room[Far].end()
	defer room[Near].end()
	var bodies [2]map[mailbox.ID]mailbox.Content
	for side := range bodies {
		var err error
		if bodies[side], err = t.bodies(ctx, Side(side), t.job.name, unsure[side]); err != nil {
			return err
		}
	}
	for i, near := range t.nears() {
		body := bodies[Near][near.ID].Bare()
		at := slices.IndexFunc(m.fits[near.ID], func(far mailbox.ID) bool {
			return !t.paired[far] && !body.IsZero() && bodies[Far][far].Bare() == body
		})
		if at >= 0 && near.Evidence.Same == "" {
			t.take(i, m.fits[near.ID][at])
		}
	}
	return nil
}

// take notes that the i-th near message is a far one.
func (t *recognition) take(i int, far mailbox.ID) {
	t.nears()[i].Evidence.Same = far
	t.paired[far] = true
}

// intended finds what a run before sent and heard nothing of. The server may have stored it in another form: then its
// Message-ID, with the date that was sent along, tells. What was sent too often is left alone.
func (t *recognition) intended(ctx context.Context) error {
	intents, err := t.ledger.Intents(ctx, t.job.name)
	if err != nil || len(intents) == 0 {
		return err
	}
	begun := map[mailbox.ID]int{}
	for _, intent := range intents {
		begun[intent.Near] = intent.Attempts
	}
	type sent struct {
		hint mailbox.Hint
		date int64
	}
	free := map[sent][]int{}
	for i, near := range t.nears() {
		if near.Evidence.Same == "" && near.Date != 0 {
			free[sent{near.Hint, near.Date}] = append(free[sent{near.Hint, near.Date}], i)
		}
	}
	kept := t.job.delta.New[Far][:0]
	for _, a := range t.fars() {
		attempts, is := begun[a.ID]
		key := sent{a.Hint, a.Date}
		switch {
		case is && !t.paired[a.ID] && len(free[key]) > 0:
			t.take(free[key][0], a.ID)
			free[key] = free[key][1:]
		case is && !t.paired[a.ID] && attempts >= maxAttempts && !a.Waits && !t.opts.Retry:
			t.leave(t.job, Far, a.ID, errLostUploads)
			continue
		}
		kept = append(kept, a)
	}
	t.job.delta.New[Far] = kept
	return nil
}

// moved finds new messages of the far side that it had in another mailbox before, by what became of them on the near
// side. lost is what the far side no longer has where it was, by its near place.
func (t *recognition) moved(ctx context.Context, lost map[mailbox.Place]*Change) error {
	for i, a := range t.fars() {
		if len(lost) == 0 || t.paired[a.ID] || !a.digest().IsZero() || a.Hint == 0 {
			continue
		}
		digest, err := t.movedFrom(ctx, a, lost)
		if err != nil {
			return err
		}
		if !digest.IsZero() {
			t.fars()[i].Evidence = &Evidence{Content: mailbox.Content{Digest: digest, Size: a.Size}}
		}
	}
	return nil
}

// movedFrom returns the digest of the lost message that a new one is; zero if it is none.
func (t *recognition) movedFrom(ctx context.Context, a Arrival, lost map[mailbox.Place]*Change) (digest mailbox.Digest, err error) {
	for held, err := range t.byHint(ctx, a.Hint) {
		if err != nil {
			return digest, err
		}
		place := mailbox.Place{Mailbox: held.Mailbox, ID: held.Near}
		if held.Size != a.Size || lost[place] == nil {
			continue
		}
		same, err := t.sameHeader(ctx, placed{Far, mailbox.Place{Mailbox: t.job.name, ID: a.ID}}, placed{Near, place})
		if err == nil && same {
			err = t.read(ctx, lost[place], place)
		}
		if err != nil || same {
			return lost[place].Pair.Digest, err
		}
	}
	return digest, nil
}

// read learns the digest of a pair that was made of what both sides had.
func (t *recognition) read(ctx context.Context, c *Change, place mailbox.Place) error {
	if !c.Pair.Digest.IsZero() {
		return nil
	}
	bodies, err := t.bodies(ctx, Near, place.Mailbox, []mailbox.ID{place.ID})
	c.Pair.Digest = bodies[place.ID].Digest
	return err
}

// choose leaves out the messages of the far side that a transfer is not about. The mailbox is then looked at in each run,
// for another one may be about them.
func (t *recognition) choose(context.Context) error {
	j := t.job
	if t.opts.Choose == nil {
		return nil
	}
	before := len(j.delta.New[Far])
	j.delta.New[Far] = slices.DeleteFunc(j.delta.New[Far], func(a Arrival) bool { return !t.opts.Choose(j.name, a) })
	if n := before - len(j.delta.New[Far]); n > 0 {
		j.dirty[Far] = true
		t.count(j.name, func(c *Counts) { c.NotChosen = n })
	}
	return nil
}

// nearReset forgets what is known of a mailbox that the near side renumbered. The next pass pairs the messages anew, by
// content.
func (r *run) nearReset(ctx context.Context, s *sift) error {
	s.job.failed = [2]bool{true, true}
	s.job.delta = Delta{Mailbox: s.job.name}
	*s = sift{job: s.job}
	r.touch(s.job.name)
	return r.ledger.Commit(ctx, mailbox.Update{Mailbox: s.job.name, Reset: true})
}

// beginTransfer puts on record what is about to be sent to a server, for its answer may get lost.
func (t *transfers) beginTransfer(ctx context.Context, j *job, part []Arrival) (map[mailbox.ID]mailbox.Intent, error) {
	if t.opts.Direction != Transfer {
		return nil, nil
	}
	t.touch(j.name)
	attempts, err := t.attempts(ctx, j)
	if err != nil {
		return nil, err
	}
	update := mailbox.Update{Mailbox: j.name}
	intents := map[mailbox.ID]mailbox.Intent{}
	for _, a := range part {
		intent := mailbox.Intent{Near: a.ID, Digest: a.digest(), Size: a.Size, Attempts: attempts[a.ID]}
		intents[a.ID] = intent
		update.Begin = append(update.Begin, intent)
	}
	return intents, t.ledger.Commit(ctx, update)
}

// untold is the record of a message that was stored, the server not telling where: the next pass finds it by content.
func (c *carrier) untold(s mailbox.Stored, intent mailbox.Intent) mailbox.Intent {
	c.soilJob(c.job, Far)
	c.soilJob(c.job, Near)
	c.mu.Lock()
	if landing := c.landed[c.byID[s.Source].AccountID]; landing != nil {
		landing.err = errUntold
	}
	c.mu.Unlock()
	intent.Attempts++
	if s.Merged {
		intent.Attempts = merged
	}
	return intent
}
