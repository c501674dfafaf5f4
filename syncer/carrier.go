package syncer

import (
	"context"
	"errors"
	"io"

	"mailtwin/mailbox"
)

// A carrier hands bodies from one side to a batch of the other.
type carrier struct {
	*transfers
	job   *job
	from  Side
	batch Batch
	byID  map[mailbox.ID]Arrival         // what has not arrived yet
	left  map[mailbox.ID]error           // what will not, with the reason
	taken map[mailbox.ID]int64           // how many octets each of those has that the batch took
	sums  map[mailbox.ID]*mailbox.Summer // of what passes, in a transfer
	room  *grant                         // in the budget
}

func (t *transfers) carrier(j *job, from Side, batch Batch, part []Arrival) *carrier {
	return &carrier{
		transfers: t, job: j, from: from, batch: batch, byID: byID(part),
		left: map[mailbox.ID]error{}, taken: map[mailbox.ID]int64{}, sums: map[mailbox.ID]*mailbox.Summer{},
	}
}

// into returns what takes bodies for the batch.
func (c *carrier) into(ctx context.Context) func(mailbox.ID, io.Reader) error {
	return func(id mailbox.ID, body io.Reader) error { return c.body(ctx, id, body) }
}

func (c *carrier) body(ctx context.Context, id mailbox.ID, body io.Reader) error {
	arrival, ok := c.byID[id]
	if !ok {
		return nil // nobody asked for it
	}
	m := mailbox.Message{ID: id, Flags: arrival.Flags, Size: arrival.Size, InternalDate: unix(arrival.Date), Generation: c.job.generation}
	if c.opts.Direction == Transfer {
		c.sums[id] = mailbox.NewSummer()
		body = io.TeeReader(body, c.sums[id])
	}
	counted := &counter{r: body, progress: c.opts.Events}
	err := c.batch.Add(ctx, m, counted)
	c.room.arrived(arrival)
	var one *mailbox.MessageError
	if errors.As(err, &one) {
		c.left[id] = one.Err
		return nil
	}
	if err != nil {
		return err
	}
	delete(c.left, id)
	c.taken[id] = counted.octets
	if c.opts.Events != nil {
		c.opts.Events.Transferred(1, 0)
	}
	return nil
}

// settled counts what a batch has stored, and keeps the reason of what was refused.
func (c *carrier) settled(all []mailbox.Stored) []mailbox.Stored {
	var stored []mailbox.Stored
	for _, s := range all {
		if s.Refused != nil {
			c.left[s.Source] = s.Refused
			continue
		}
		stored = append(stored, s)
		if !s.Unsure { // the next pass tells, and counts it once it is sure
			c.count(c.job.name, func(n *Counts) { n.transferred(c.from, c.taken[s.Source]) })
		}
	}
	return stored
}

func (c *carrier) problem(id mailbox.ID, err error) { c.left[id] = err }

func (n *Counts) transferred(from Side, octets int64) {
	if from == Far {
		n.Downloaded++
		n.DownloadedSize += octets
	} else {
		n.Uploaded++
		n.UploadedSize += octets
	}
}

// counter tells the progress how many octets went through it.
type counter struct {
	r        io.Reader
	octets   int64
	progress Events
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.octets += int64(n)
	if c.progress != nil && n > 0 {
		c.progress.Transferred(0, int64(n))
	}
	return n, err
}

// downloaded is the record of a message that is now on both sides.
func (c *carrier) downloaded(s mailbox.Stored) mailbox.Pair {
	arrival := c.byID[s.Source]
	if sum := c.sums[s.Source]; sum != nil && s.Content.Digest.IsZero() {
		s.Content = sum.Content()
	}
	size := arrival.Size
	if size == 0 {
		size = s.Content.Size
	}
	return mailbox.Pair{
		Far: s.Source, Near: s.ID, Flags: arrival.Flags, Size: size, InternalDate: unix(arrival.Date),
		Digest: s.Content.Digest, Hint: s.Content.Hint(), AccountID: arrival.AccountID, Stored: s.Content.Stored,
		FarDigest: s.Content.Digest,
	}
}

// arrived is the record of what a batch has stored. It ends the intents of all of which it is known what became of them.
func (c *carrier) arrived(stored []mailbox.Stored, intents map[mailbox.ID]mailbox.Intent) mailbox.Update {
	update := mailbox.Update{Mailbox: c.job.name}
	for _, s := range c.settled(stored) {
		switch {
		case s.ID != "":
			update.Put = append(update.Put, c.downloaded(s))
			update.End = append(update.End, begun(intents, s.Source)...)
		default:
			update.Begin = append(update.Begin, c.untold(s, intents[s.Source]))
		}
		delete(c.byID, s.Source)
	}
	for id := range c.left {
		update.End = append(update.End, begun(intents, id)...)
	}
	return update
}

// begun returns the ID if there is an intent of it.
func begun(intents map[mailbox.ID]mailbox.Intent, id mailbox.ID) []mailbox.ID {
	if _, ok := intents[id]; !ok {
		return nil
	}
	return []mailbox.ID{id}
}
