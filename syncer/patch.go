package syncer

import (
	"context"
	"errors"
	"io"

	"mailtwin/mailbox"
)

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
	wrong := &mailbox.MessageError{Mailbox: p.name, ID: id, Err: ErrOther}
	counted := &proof{r: &counter{r: body, progress: p.opts.Events}, sum: mailbox.NewSummer(), pair: d.Pair, wrong: wrong}
	var err error
	if d.Kind == Absent {
		err = p.batch.Add(ctx, m, counted)
	} else {
		err = p.mend(ctx, d, m, counted)
	}
	var one *mailbox.MessageError
	if errors.As(err, &one) {
		d.Failed = one.Err
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
		d.Failed = nil
		p.settle(d, content)
	}
	return err
}

// A proof reads a message and fails at its end, so that it is not stored, if it is not the one on record.
type proof struct {
	r     io.Reader
	sum   *mailbox.Summer
	pair  mailbox.Pair
	wrong error
}

func (p *proof) Read(buffer []byte) (int, error) {
	n, err := p.r.Read(buffer)
	p.sum.Write(buffer[:n]) //nolint:errcheck // a Summer never fails
	if errors.Is(err, io.EOF) && !isOnRecord(p.pair, p.sum.Content()) {
		err = p.wrong
	}
	return n, err
}

// isOnRecord tells whether a message of the far side is what last has of it. What it made of an upload was never read, and
// may have a form of its own: then the Message-ID is all that there is to compare.
func isOnRecord(p mailbox.Pair, c mailbox.Content) bool {
	switch {
	case p.Digest.IsZero() && p.FarDigest.IsZero():
		return true
	case c.Digest == p.Digest || c.Digest == p.FarDigest:
		return true
	}
	return p.FarDigest.IsZero() && c.MessageID != "" && c.Hint() == p.Hint
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
		d.Failed = err
	}
}
