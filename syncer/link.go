package syncer

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"mailtwin/mailbox"
)

// A landing is what became of a download that other mailboxes wait for.
type landing struct {
	mailbox.Located       // the Near ID is empty if it did not come
	err             error // why it did not
}

// errUntold means that a download was stored, the near side not telling where. The next pass finds it.
var errUntold = errors.New("stored somewhere")

// await notes which messages are downloaded into one mailbox and belong into others, too.
func (t *transfers) await(jobs []*job) {
	t.landed = map[string]*landing{}
	for _, j := range jobs {
		for _, a := range j.steps.Link {
			t.landed[a.AccountID] = &landing{err: errNotDelivered}
		}
	}
}

// link copies on the near side what the far side shows in several mailboxes and what was downloaded into one of them.
// Where a copy is not possible, it is downloaded once more.
func (t *transfers) link(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		t.done[j] = len(j.steps.Download)
	}
	if err := t.every(ctx, jobs, t.linkInto); err != nil {
		return err
	}
	return t.run(ctx, jobs, t.downloads)
}

func (t *transfers) linkInto(ctx context.Context, j *job) error {
	if len(j.steps.Link) == 0 {
		return nil
	}
	gone, err := t.goneHere(ctx, j)
	if err != nil {
		return err
	}
	slices.SortStableFunc(j.steps.Link, func(a, b Arrival) int { // what lies in one mailbox goes in one command
		return cmp.Compare(t.landed[a.AccountID].Mailbox, t.landed[b.AccountID].Mailbox)
	})
	for part := range slices.Chunk(j.steps.Link, linkChunk) {
		if err := t.linkPart(ctx, j, part, gone); err != nil {
			return err
		}
	}
	return nil
}

// linkChunk is how many links are made of what they need at once: of an account's labels there may be millions.
const linkChunk = 2 * chunk

func (t *transfers) linkPart(ctx context.Context, j *job, part []Arrival, gone map[mailbox.ID]bool) error {
	left := mailbox.Update{Mailbox: j.name}
	var links []Relocation
	for _, a := range part {
		source := t.landed[a.AccountID]
		if errors.Is(source.err, errGone) && !gone[a.ID] { // it left that mailbox only
			j.steps.Download = append(j.steps.Download, a)
			continue
		}
		if source.Near == "" {
			if !errors.Is(source.err, mailbox.ErrQuota) && !errors.Is(source.err, errUntold) && !errors.Is(source.err, errGone) {
				t.problem(&mailbox.MessageError{Mailbox: j.name, ID: a.ID, Err: source.err})
			}
			if !a.OnRecord {
				left.Put = append(left.Put, pendingPair(a))
			}
			continue
		}
		a.Hint = source.Hint
		a.Evidence = &Evidence{Content: mailbox.Content{Digest: source.Digest, Size: source.Size, Stored: source.Stored}}
		links = append(links, Relocation{
			Side: Near, From: mailbox.Place{Mailbox: source.Mailbox, ID: source.Near}, Arrival: a, Have: source.Flags, Want: a.Flags,
		})
	}
	if len(left.Put) > 0 {
		if err := t.ledger.Commit(ctx, left); err != nil {
			return err
		}
	}
	return t.relocateAll(ctx, j, links, false)
}

// goneHere tells which messages are gone from this mailbox, too, of those that were gone from the one they were to be
// downloaded from.
func (t *transfers) goneHere(ctx context.Context, j *job) (map[mailbox.ID]bool, error) {
	var ids []mailbox.ID
	for _, a := range j.steps.Link {
		if errors.Is(t.landed[a.AccountID].err, errGone) {
			ids = append(ids, a.ID)
		}
	}
	return t.goneMeanwhile(ctx, j, ids)
}

// pendingPair is the record of a message that is still to be downloaded.
func pendingPair(a Arrival) mailbox.Pair {
	return mailbox.Pair{
		Far: a.ID, Flags: a.Flags, Size: a.Size, InternalDate: unix(a.Date), Hint: a.Hint, AccountID: a.AccountID, Parked: mailbox.Pending,
	}
}
