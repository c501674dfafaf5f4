package syncer

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"

	"golang.org/x/sync/errgroup"

	"mailtwin/mailbox"
)

// A part of a mailbox is read at once: of the far side as much as one download, of the near side more, and one part after
// the other, for a Maildir reads the names of all files for each part.
const nearCount = 10_000

// A reading is what is to be read of one mailbox.
type reading struct {
	*Verified
	doubtful []mailbox.Pair // of the near side, unless all of it is read
	looked   [2]bool        // by Side: it was listed
	// rewritten are far messages that need not be compared, for they are known to have other bytes.
	rewritten map[mailbox.ID]bool
}

// readAll compares bytes: of what is doubtful or, if Deep, all of the near side, and of the choice on the far side.
func (v *verifier) readAll(ctx context.Context) error {
	v.phase("read")
	if err := v.announce(ctx); err != nil {
		return err
	}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(max(1, v.opts.Workers))
	read := func(r *reading, side Side, part []mailbox.Pair) error {
		return v.tolerate(r.Mailbox, v.read(working, r, side, part))
	}
	var failed error
	for _, r := range v.reads {
		absent := r.absent()
		group.Go(func() error { return v.nearParts(working, r, absent, read) })
		failed = v.farParts(working, r, absent, func(r *reading, side Side, part []mailbox.Pair) error {
			group.Go(func() error { return read(r, side, part) })
			return working.Err()
		})
		if failed != nil {
			break
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if v.over > 0 {
		v.problem(fmt.Errorf("%w for today: %d messages were not read from the far side again", mailbox.ErrQuota, v.over))
	}
	return failed
}

// announce tells how much is to be read.
func (v *verifier) announce(ctx context.Context) error {
	if v.opts.Events == nil {
		return nil
	}
	var messages int
	var octets int64
	count := func(_ *reading, _ Side, part []mailbox.Pair) error {
		messages += len(part)
		for _, p := range part {
			octets += p.Size
		}
		return nil
	}
	for _, r := range v.reads {
		absent := r.absent()
		if err := errors.Join(v.nearParts(ctx, r, absent, count), v.farParts(ctx, r, absent, count)); err != nil {
			return err
		}
	}
	clear(v.done)
	if messages > 0 {
		v.opts.Events.Planned(messages, octets)
	}
	return nil
}

// absent are the messages that need not be read: they are missing on either side, or known to have other bytes.
func (r *reading) absent() map[mailbox.ID]bool {
	absent := map[mailbox.ID]bool{}
	maps.Copy(absent, r.rewritten)
	for _, d := range r.Differences {
		if d.Kind == Absent {
			absent[d.ID()] = true
		}
	}
	return absent
}

// A partly does something with a part of what is to be read.
type partly func(r *reading, side Side, part []mailbox.Pair) error

// nearParts cuts what is to be read of a mailbox on the near side into parts.
func (v *verifier) nearParts(ctx context.Context, r *reading, absent map[mailbox.ID]bool, do partly) error {
	switch {
	case !r.looked[Near]:
	case v.opts.Deep:
		choose := func(p mailbox.Pair) bool { return p.Near != "" && !absent[p.Near] }
		return v.parts(ctx, r, Near, choose, nearCount, 1<<62, do)
	case len(r.doubtful) > 0:
		return do(r, Near, r.doubtful)
	}
	return nil
}

// farParts does the same with the far side.
func (v *verifier) farParts(ctx context.Context, r *reading, absent map[mailbox.ID]bool, do partly) error {
	if !r.looked[Far] || v.opts.Percent == 0 {
		return nil
	}
	choose, err := v.choice(ctx, r.Mailbox, absent)
	if err != nil {
		return err
	}
	return v.parts(ctx, r, Far, choose, downloadCount, downloadOctets, do)
}

// parts cuts the pairs that are chosen into parts of at most so many messages and octets.
func (v *verifier) parts(ctx context.Context, r *reading, side Side, choose func(mailbox.Pair) bool, count int, octets int64, do partly) error {
	var part []mailbox.Pair
	var size int64
	for pair, err := range v.ledger.Pairs(ctx, r.Mailbox) {
		if err != nil {
			return err
		}
		if !choose(pair) {
			continue
		}
		if len(part) == count || len(part) > 0 && size+pair.Size > octets {
			if err := do(r, side, part); err != nil {
				return err
			}
			part, size = nil, 0
		}
		part, size = append(part, pair), size+pair.Size
	}
	if len(part) == 0 {
		return nil
	}
	return do(r, side, part)
}

// readable tells whether the far side has a message whose bytes are known.
func readable(p mailbox.Pair, absent map[mailbox.ID]bool) bool {
	return has(Far, p) && p.Parked != mailbox.Pending && !p.Digest.IsZero() && !absent[p.Far]
}

// choice chooses so many messages of a mailbox that they are at least the share that is asked for, each as likely as
// any other. One that the far side has in several mailboxes is read in one of them.
func (v *verifier) choice(ctx context.Context, name mailbox.Name, absent map[mailbox.ID]bool) (func(mailbox.Pair) bool, error) {
	left := 0
	for pair, err := range v.ledger.Pairs(ctx, name) {
		if err != nil {
			return nil, err
		}
		if readable(pair, absent) {
			left++
		}
	}
	wanted := (left*min(v.opts.Percent, 100) + 99) / 100
	sum := fnv.New64a()
	sum.Write([]byte(name))
	rng := rand.New(rand.NewPCG(v.opts.Seed, sum.Sum64()))
	return func(p mailbox.Pair) bool {
		if !readable(p, absent) {
			return false
		}
		chosen := rng.IntN(left) < wanted
		left--
		if !chosen {
			return false
		}
		wanted--
		if hint := mailbox.AccountHint(p.AccountID); hint != 0 {
			chosen = !v.done[hint]
			v.done[hint] = true
		}
		return chosen
	}, nil
}

// read reads messages of one side and compares them with what last knows of their bytes.
func (v *verifier) read(ctx context.Context, r *reading, side Side, part []mailbox.Pair) error {
	if side == Far {
		done, ok := v.afford(part)
		if !ok {
			return nil
		}
		defer done()
	}
	buffer := make([]byte, 32<<10) // one for all: there are many small messages
	contents, failed := map[mailbox.ID]mailbox.Content{}, map[mailbox.ID]error{}
	err := v.side[side].Fetch(ctx, r.Mailbox, sideIDs(side, part), func(id mailbox.ID, body io.Reader) error {
		sum := mailbox.NewSummer()
		delete(failed, id)
		if _, unread := io.CopyBuffer(sum, &counter{r: body, progress: v.opts.Events}, buffer); unread != nil {
			failed[id] = unread // of a file; a line that broke is mended, and the body comes once more
			return nil          //nolint:nilerr // it is told of this message, and the others are read
		}
		contents[id] = sum.Content()
		if v.opts.Events != nil {
			v.opts.Events.Transferred(1, 0)
		}
		return nil
	}, func(id mailbox.ID, err error) { failed[id] = err })
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	var found []Difference
	var lost []mailbox.Pair
	for _, p := range part {
		id := idOn(side, p)
		content, ok := contents[id]
		d := Difference{Kind: Unreadable, Side: side, Mailbox: r.Mailbox, Pair: p, Err: failed[id]}
		switch {
		case ok:
			same, err := v.judge(ctx, &d, content)
			if err != nil {
				return err
			}
			if same {
				continue
			}
		case d.Err == nil:
			lost = append(lost, p)
			continue
		}
		found = append(found, d)
	}
	return v.note(ctx, r, side, len(contents), found, lost)
}

func sideIDs(side Side, part []mailbox.Pair) []mailbox.ID {
	list := make([]mailbox.ID, len(part))
	for i, p := range part {
		list[i] = idOn(side, p)
	}
	return list
}

// judge tells whether a message has the bytes that it should have, and if not, what is wrong.
func (v *verifier) judge(ctx context.Context, d *Difference, content mailbox.Content) (same bool, err error) {
	want := d.Pair.Digest
	if d.Side == Far && !d.Pair.FarDigest.IsZero() {
		want = d.Pair.FarDigest
	}
	if content.Digest == want || want.IsZero() {
		return true, nil
	}
	if d.Side == Far && d.Pair.Near != "" {
		if same, err = v.restyled(ctx, d.Mailbox, d.Pair.Near, content.Digest); same || err != nil {
			return same, err
		}
	}
	d.read = true
	d.Kind, d.Size, d.Want = WrongBytes, content.Size, d.Pair.Size
	if content.Size != d.Pair.Size {
		d.Kind = WrongSize
	}
	return false, nil
}

// restyled tells whether the near message is the far one as mbsync or offlineimap stored it.
func (v *verifier) restyled(ctx context.Context, name mailbox.Name, near mailbox.ID, far mailbox.Digest) (same bool, err error) {
	err = v.side[Near].Fetch(ctx, name, []mailbox.ID{near}, func(_ mailbox.ID, body io.Reader) error {
		plain := mailbox.NewPlainer()
		_, unread := io.Copy(plain, body)
		digests := plain.Digests()
		same = unread == nil && (digests[0] == far || digests[1] == far)
		return nil // what cannot be read is not the same; a look at this side names it
	}, func(mailbox.ID, error) {})
	if errors.Is(err, mailbox.ErrNoMailbox) {
		err = nil
	}
	return same, err
}

// note records what came of reading a part. Messages that were listed and are gone when they are to be read are missing,
// if that is certain.
func (v *verifier) note(ctx context.Context, r *reading, side Side, read int, found []Difference, lost []mailbox.Pair) error {
	if len(lost) > 0 {
		missing, err := v.side[side].Missing(ctx, r.Mailbox, sideIDs(side, lost))
		if err != nil {
			return err
		}
		gone := set(missing)
		for _, p := range lost {
			if gone[idOn(side, p)] {
				found = append(found, Difference{Kind: Absent, Side: side, Mailbox: r.Mailbox, Pair: p, Flags: [2]mailbox.Flags{p.Flags, p.Flags}})
			}
		}
		if doubt := len(lost) - len(missing); doubt > 0 {
			v.problem(unseen(r.Mailbox, doubt))
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	r.Read[side] += read
	r.Differences = append(r.Differences, found...)
	return nil
}

// afford tells whether the budget has room for a part.
func (v *verifier) afford(part []mailbox.Pair) (done func(), ok bool) {
	if v.opts.Budget == nil {
		return func() {}, true
	}
	var octets int64
	for _, p := range part {
		octets += p.Size + PerMessage
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if octets > v.opts.Budget.Left(Far)-v.underWay {
		v.over += len(part)
		return nil, false
	}
	v.underWay += octets
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.underWay -= octets
	}, true
}
