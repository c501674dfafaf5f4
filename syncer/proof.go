package syncer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"mailtwin/mailbox"
)

// Where a transfer compares messages by their bodies, it reads them for that alone, within the budget.

// bodies reads messages as a whole.
func (r *run) bodies(ctx context.Context, side Side, name mailbox.Name, ids []mailbox.ID) (map[mailbox.ID]mailbox.Content, error) {
	bodies := map[mailbox.ID]mailbox.Content{}
	err := r.side[side].Fetch(ctx, name, ids, func(id mailbox.ID, body io.Reader) error {
		sum := mailbox.NewSummer()
		if _, err := io.Copy(sum, body); err != nil {
			return err
		}
		bodies[id] = sum.Content()
		return nil
	}, func(mailbox.ID, error) {}) // then it is not the same as any
	return bodies, err
}

// A likeness is what messages that may be the same have in common, as far as a scan tells.
type likeness struct {
	hint mailbox.Hint
	size int64
}

// provenID begins the account-wide ID of a message whose content is proven.
const provenID = "sha256:"

// likeness returns it; ok is false where the far side itself says what is the same, or nothing is known.
func (a Arrival) likeness() (l likeness, ok bool) {
	named := a.AccountID != "" && !strings.HasPrefix(a.AccountID, provenID)
	return likeness{a.Hint, a.Size}, !named && a.Hint != 0 && a.Size > 0
}

// shareContent finds messages that the far side has several times, for a near side that can have them once in several
// mailboxes. They are read for it: a header alone is no proof.
func (r *run) shareContent(ctx context.Context, recognitions []*recognition) error {
	alike := map[likeness]int{}
	for _, t := range recognitions {
		for _, a := range t.fars() {
			if l, ok := a.likeness(); ok {
				alike[l]++
			}
		}
	}
	for _, t := range recognitions {
		if err := t.prove(ctx, alike); err != nil {
			return fmt.Errorf("mailbox %q: compare what is alike: %w", string(t.job.name), err)
		}
	}
	return nil
}

// prove reads the messages of one mailbox that another one may be the same as. Those that the budget has no room for wait.
func (t *recognition) prove(ctx context.Context, alike map[likeness]int) error {
	var list []Arrival
	for _, a := range t.fars() {
		l, ok := a.likeness()
		if !ok || a.AccountID != "" { // or it is proven, and waits
			continue
		}
		held, err := t.heldAlike(ctx, l)
		if err != nil {
			return err
		}
		if alike[l] > 1 || held {
			list = append(list, a)
		}
	}
	fit, over, _, room := t.allow(t.job, Far, list)
	defer room.end()
	over = slices.DeleteFunc(over, func(a Arrival) bool { return !a.digest().IsZero() }) // it was moved, and is there
	if len(over) > 0 && !t.opts.DryRun {
		t.setAside([2]map[mailbox.ID]bool{Far: set(ids(over))})
	}
	if len(fit) == 0 {
		return nil
	}
	bodies, err := t.bodies(ctx, Far, t.job.name, ids(fit))
	if err != nil {
		return err
	}
	for i, a := range t.fars() {
		if body, read := bodies[a.ID]; read {
			if err := t.proven(ctx, &t.fars()[i], body.Bare()); err != nil {
				return err
			}
		}
	}
	return nil
}

// heldAlike tells whether something that was transferred may be the same.
func (r *run) heldAlike(ctx context.Context, l likeness) (bool, error) {
	for held, err := range r.byHint(ctx, l.hint) {
		if err != nil || held.Size == l.size && held.Near != "" && held.Far != "" {
			return err == nil, err
		}
	}
	return false, nil
}

// proven gives a message that was read a name that is the same wherever the far side has it. If the near side has it in the
// same mailbox, it can be copied from there.
func (t *recognition) proven(ctx context.Context, a *Arrival, digest mailbox.Digest) error {
	a.AccountID = provenID + digest.String()
	if a.Evidence == nil {
		a.Evidence = &Evidence{Content: mailbox.Content{Size: a.Size}}
	}
	a.Evidence.Content.Digest = digest
	for i, near := range t.nears() {
		if near.Evidence.Same == a.ID {
			t.nears()[i].Evidence.Content.Digest = digest
		}
	}
	for held, err := range t.byHint(ctx, a.Hint) {
		if err != nil {
			return err
		}
		if held.Digest == digest && held.Near != "" && held.Far != "" {
			a.Evidence.Held = append(a.Evidence.Held, held)
		}
	}
	return nil
}

// A doubt is about messages of both sides that may be the same.
type doubt struct {
	ids    [2][]mailbox.ID
	octets [2]int64
}

// affordable are those of the messages that the budget has room to read. What may be the same is read together, or waits
// together for another run.
func (t *recognition) affordable(unsure [2][]mailbox.ID) (fit [2][]mailbox.ID, room [2]*grant) {
	room = [2]*grant{{quota: &t.quota, from: Far}, {quota: &t.quota, from: Near}}
	if t.opts.Budget == nil || t.opts.DryRun {
		return unsure, room
	}
	doubts, order := t.doubts(unsure)
	aside := [2]map[mailbox.ID]bool{{}, {}}
	for _, hint := range order {
		d := doubts[hint]
		if t.reserve(d.octets, room) {
			for side, ids := range d.ids {
				fit[side] = append(fit[side], ids...)
			}
			continue
		}
		for side, ids := range d.ids {
			for _, id := range ids {
				aside[side][id] = true
			}
		}
	}
	if len(aside[Far]) > 0 {
		t.putOver(t.job, aside[Far])
		t.setAside(aside)
	}
	return fit, room
}

// doubts groups messages by what they have in common, in the order in which they come.
func (t *recognition) doubts(unsure [2][]mailbox.ID) (doubts map[mailbox.Hint]*doubt, order []mailbox.Hint) {
	doubts = map[mailbox.Hint]*doubt{}
	for side, ids := range unsure {
		asked := set(ids)
		for _, a := range t.job.delta.New[side] {
			if !asked[a.ID] {
				continue
			}
			if doubts[a.Hint] == nil {
				doubts[a.Hint] = &doubt{}
				order = append(order, a.Hint)
			}
			d := doubts[a.Hint]
			d.ids[side] = append(d.ids[side], a.ID)
			d.octets[side] += a.Size + PerMessage
		}
	}
	return doubts, order
}

// setAside leaves messages for another run, and with those of the far side what they were found to be.
func (t *recognition) setAside(aside [2]map[mailbox.ID]bool) {
	j := t.job
	j.delta.New[Far] = slices.DeleteFunc(j.delta.New[Far], func(a Arrival) bool { return aside[Far][a.ID] })
	j.delta.New[Near] = slices.DeleteFunc(j.delta.New[Near], func(a Arrival) bool {
		return aside[Near][a.ID] || a.Evidence != nil && aside[Far][a.Evidence.Same]
	})
	j.dirty = [2]bool{true, true}
}
