package syncer

import (
	"context"
	"errors"
	"fmt"

	"mailtwin/mailbox"
)

// upload brings one load to the far side. What is about to be sent is on record before the first octet leaves, so
// that a run that comes after a crash looks for it.
func (t *transfers) upload(ctx context.Context, j *job, part []Arrival) (err error) {
	part, over, large, room := t.allow(j, Near, part)
	defer room.end()
	if len(over) > 0 {
		t.soilJob(j, Near)
	}
	for _, a := range large {
		t.leave(j, Near, a.ID, fmt.Errorf("upload: %w", tooLarge(a)))
	}
	if len(part) == 0 {
		return nil
	}
	intents, err := t.begin(ctx, j, part)
	if err != nil {
		return err
	}
	t.touch(j.name)
	batch, err := t.side[Far].Append(ctx, j.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, batch.Close()) }()
	c := t.carrier(j, Near, batch, part)
	c.room = room
	broken := t.side[Near].Fetch(ctx, j.name, ids(part), c.into(ctx), c.problem)
	stored, err := batch.Flush(ctx)
	// What is stored is stored, whatever became of the rest and however the run ends.
	if err := t.ledger.Commit(context.WithoutCancel(ctx), c.uploaded(c.settled(stored), intents)); err != nil {
		return err
	}
	if broken == nil {
		broken = err
	}
	if broken != nil {
		return fmt.Errorf("upload: %w", broken)
	}
	for _, arrival := range c.byID {
		t.leave(j, Near, arrival.ID, fmt.Errorf("upload: %w", c.reason(arrival.ID)))
	}
	return nil
}

var errVanished = errors.New("it is no longer there")

func (c *carrier) reason(id mailbox.ID) error {
	if err := c.left[id]; err != nil {
		return err
	}
	return errVanished
}

// begin writes the intents of a load. One that is there already keeps its count.
func (t *transfers) begin(ctx context.Context, j *job, part []Arrival) ([]mailbox.Intent, error) {
	attempts, err := t.attempts(ctx, j)
	if err != nil {
		return nil, err
	}
	intents := make([]mailbox.Intent, 0, len(part))
	for _, a := range part {
		content := a.Evidence.Content
		intents = append(intents, mailbox.Intent{
			Near: a.ID, Digest: content.Digest, MessageID: content.MessageID, Size: content.Size, Attempts: attempts[a.ID],
		})
	}
	return intents, t.ledger.Commit(ctx, mailbox.Update{Mailbox: j.name, Begin: intents})
}

// attempts tells how often each message of a mailbox was stored without being seen there afterwards.
func (r *run) attempts(ctx context.Context, j *job) (map[mailbox.ID]int, error) {
	before, err := r.ledger.Intents(ctx, j.name)
	attempts := map[mailbox.ID]int{}
	for _, intent := range before {
		attempts[intent.Near] = intent.Attempts
	}
	return attempts, err
}

// uploaded records what is on both sides now, and ends the intents of what was refused. A message whose UID the server
// did not tell keeps its intent, with one attempt more: the next pass finds the message by content.
func (c *carrier) uploaded(stored []mailbox.Stored, intents []mailbox.Intent) mailbox.Update {
	update := mailbox.Update{Mailbox: c.job.name}
	begun := map[mailbox.ID]mailbox.Intent{}
	for _, intent := range intents {
		begun[intent.Near] = intent
	}
	for _, s := range stored {
		arrival := c.byID[s.Source]
		delete(c.byID, s.Source)
		if s.ID == "" {
			c.soilJob(c.job, Near)
			intent := begun[s.Source]
			intent.Attempts++
			if s.Merged {
				intent.Attempts = merged
			}
			update.Begin = append(update.Begin, intent)
			continue
		}
		pair := newPair(Arrival{ID: s.ID, Size: arrival.Size, Date: arrival.Date, AccountID: s.Content.AccountID}, arrival)
		pair.Flags = arrival.Flags
		update.Put = append(update.Put, pair)
		update.End = append(update.End, s.Source)
	}
	for id := range c.left {
		update.End = append(update.End, id)
	}
	return update
}

// A twin is a near message and the pair of the same content that was downloaded beside it.
type twin struct {
	near Arrival
	pair mailbox.Pair
}

// arrivedMeanwhile finds messages that need no upload, because a download turned out to be the same message.
func arrivedMeanwhile(waiting []Arrival, same map[mailbox.Digest][]mailbox.Pair) (twins []twin, rest []Arrival) {
	for _, a := range waiting {
		key := a.digest()
		if len(same[key]) == 0 {
			key = a.bare()
		}
		if pairs := same[key]; len(pairs) > 0 {
			twins = append(twins, twin{a, pairs[0]})
			same[key] = pairs[1:]
			continue
		}
		rest = append(rest, a)
	}
	return twins, rest
}

// unite makes one message of two: the file that was there stays, the one that was downloaded goes.
func (t *transfers) unite(ctx context.Context, j *job, twins []twin) error {
	if len(twins) == 0 {
		return nil
	}
	doomed := make([]mailbox.Doomed, len(twins))
	for i, w := range twins {
		doomed[i] = mailbox.Doomed{ID: w.pair.Near, Pair: w.pair}
	}
	gone, _, err := t.side[Near].Remove(ctx, j.name, doomed)
	if err != nil {
		return err
	}
	removed := set(gone)
	var agreements []Agreement
	for _, w := range twins {
		if !removed[w.pair.Near] {
			continue
		}
		far := w.pair.Flags
		w.pair.Near, w.pair.Stored, w.pair.Digest = w.near.ID, w.near.stored(), w.near.digest()
		g := agree(w.pair, far, w.near.Flags, mailbox.Flags{})
		g.New = true
		agreements = append(agreements, g)
	}
	return t.settle(ctx, j, agreements)
}
