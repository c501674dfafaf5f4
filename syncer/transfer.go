package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"mailtwin/mailbox"
)

// A batch of downloads is made durable and recorded at once; one of uploads shares the record of its intents.
const (
	downloadCount  = 500
	downloadOctets = 16 << 20
	uploadCount    = 250
	uploadOctets   = 4 << 20
)

var (
	errNotDelivered = errors.New("the server did not hand it over")
	errGone         = errors.New("it was gone before it could be downloaded")
)

// transfer downloads and uploads what only one side has. Downloads come first: what turns out to be the twin of a
// message that waits to be uploaded need not be.
func (a *applier) transfer(ctx context.Context, jobs []*job) error {
	a.phase("transfer")
	a.announce(jobs)
	t := &transfers{applier: a, fresh: map[mailbox.Name]map[mailbox.Digest][]mailbox.Pair{}, done: map[*job]int{}}
	t.await(jobs)
	if err := t.run(ctx, jobs, t.downloads); err != nil {
		return err
	}
	if err := t.link(ctx, jobs); err != nil {
		return err
	}
	a.withhold(jobs)
	return t.run(ctx, jobs, t.uploads)
}

func (a *applier) announce(jobs []*job) {
	if a.opts.Events == nil {
		return
	}
	var messages int
	var octets int64
	for _, j := range jobs {
		for _, list := range [][]Arrival{j.steps.Download, j.steps.Upload} {
			messages += len(list)
			for _, arrival := range list {
				octets += arrival.Size
			}
		}
	}
	if messages > 0 {
		a.opts.Events.Planned(messages, octets)
	}
}

type transfers struct {
	*applier
	done    map[*job]int // how many downloads a mailbox had before the links; what follows could not be linked
	mu      sync.Mutex
	fresh   map[mailbox.Name]map[mailbox.Digest][]mailbox.Pair // what was downloaded where uploads wait
	claimed map[mailbox.Place]bool                             // what only the near side had, and turned out to be what was downloaded
	landed  map[string]*landing                                // what was downloaded that other mailboxes wait for, by its account-wide id
}

// A load is one batch of one mailbox.
type load func(context.Context) error

// run works through the loads of all mailboxes in order, several at once, so that one huge mailbox keeps all workers
// busy too. Once the quota is used up none is begun, and those that are under way may end: what is on its way to them has
// been paid for.
func (t *transfers) run(ctx context.Context, jobs []*job, loads func(*job) []load) error {
	group, loading := errgroup.WithContext(ctx)
	group.SetLimit(max(1, t.opts.Workers))
	var spent atomic.Pointer[error]
	over := func() bool { return loading.Err() != nil || spent.Load() != nil }
	for _, j := range jobs {
		if j.failed[Far] || j.failed[Near] {
			continue
		}
		for _, load := range loads(j) {
			if over() {
				break
			}
			group.Go(func() error {
				if over() { // while it waited for a worker
					return nil
				}
				err := t.tolerate(j, load(loading))
				if errors.Is(err, mailbox.ErrQuota) {
					spent.Store(&err)
					return nil
				}
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := spent.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

// downloads splits what a mailbox is to get into loads, the newest messages first.
func (t *transfers) downloads(j *job) []load {
	due := j.steps.Download[t.done[j]:]
	slices.SortFunc(due, func(a, b Arrival) int { return compareIDs(b.ID, a.ID) })
	t.mu.Lock() // loads of mailboxes before this one are running
	if len(j.steps.Upload) > 0 && t.fresh[j.name] == nil {
		t.fresh[j.name] = map[mailbox.Digest][]mailbox.Pair{}
	}
	t.mu.Unlock()
	var loads []load
	for _, part := range portions(due, downloadCount, downloadOctets) {
		loads = append(loads, func(ctx context.Context) error { return t.download(ctx, j, part) })
	}
	return loads
}

func (t *transfers) uploads(j *job) []load {
	waiting := j.steps.Upload
	var loads []load
	if same := t.fresh[j.name]; len(same) > 0 {
		var twins []twin
		twins, waiting = arrivedMeanwhile(waiting, same)
		loads = append(loads, func(ctx context.Context) error { return t.unite(ctx, j, twins) })
	}
	for _, part := range portions(waiting, uploadCount, uploadOctets) {
		loads = append(loads, func(ctx context.Context) error { return t.upload(ctx, j, part) })
	}
	return loads
}

// compareIDs orders decimal IDs by number and others as text.
func compareIDs(a, b mailbox.ID) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// portions cuts a list into parts of at most count messages and, as far as sizes are known, octets.
func portions(list []Arrival, count int, octets int64) [][]Arrival {
	var parts [][]Arrival
	for len(list) > 0 {
		n, size := 0, int64(0)
		for n < len(list) && n < count && (n == 0 || size+list[n].Size <= octets) {
			size += list[n].Size
			n++
		}
		parts, list = append(parts, list[:n]), list[n:]
	}
	return parts
}

// download brings one load to the near side.
func (t *transfers) download(ctx context.Context, j *job, part []Arrival) (err error) {
	part, over, large, room := t.allow(j, Far, part)
	defer room.end()
	if err := t.putOff(ctx, j, over, large); err != nil || len(part) == 0 {
		return err
	}
	intents, err := t.beginTransfer(ctx, j, part)
	if err != nil {
		return err
	}
	batch, err := t.side[Near].Append(ctx, j.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, batch.Close()) }()
	c := t.carrier(j, Far, batch, part)
	c.room = room
	broken := t.side[Far].Fetch(ctx, j.name, ids(part), c.into(ctx), c.problem)
	if broken != nil && !errors.Is(broken, mailbox.ErrTemporary) && ctx.Err() == nil {
		return fmt.Errorf("download: %w", broken)
	}
	if t.opts.Direction != Transfer { // what came before the line broke, or the run was stopped, need not come again
		ctx = context.WithoutCancel(ctx)
	}
	stored, err := batch.Flush(ctx)
	if err != nil {
		broken = errors.Join(broken, fmt.Errorf("store what was downloaded: %w", err))
	}
	update := c.arrived(stored, intents)
	for _, pair := range update.Put {
		t.remember(j, pair)
	}
	if broken != nil {
		if len(stored) > 0 {
			err = t.ledger.Commit(context.WithoutCancel(ctx), update)
		}
		return errors.Join(fmt.Errorf("download: %w", broken), err)
	}
	arrived := slices.Clone(update.Put)
	gone, broken := t.goneMeanwhile(ctx, j, slices.Collect(maps.Keys(c.byID)))
	for id, arrival := range c.byID {
		reason := c.left[id]
		if gone[id] {
			reason = errGone
		}
		update.Put = append(update.Put, c.postponed(c.job, arrival, reason))
		update.End = append(update.End, begun(intents, id)...)
	}
	return errors.Join(t.ledger.Commit(ctx, update), t.reunite(ctx, j, arrived), broken)
}

// goneMeanwhile tells which messages that did not come the far side has no longer: that they did not is no trouble then. What
// is kept of them goes with the next look at the mailbox.
func (t *transfers) goneMeanwhile(ctx context.Context, j *job, ids []mailbox.ID) (map[mailbox.ID]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	missing, err := t.side[Far].Missing(ctx, j.name, ids)
	if err != nil && !errors.Is(err, mailbox.ErrNoMailbox) {
		return nil, fmt.Errorf("look for what did not come: %w", err)
	}
	if len(missing) > 0 {
		t.soilJob(j, Far)
	}
	return set(missing), nil
}

func byID(part []Arrival) map[mailbox.ID]Arrival {
	m := make(map[mailbox.ID]Arrival, len(part))
	for _, a := range part {
		m[a.ID] = a
	}
	return m
}

func ids(part []Arrival) []mailbox.ID {
	list := make([]mailbox.ID, len(part))
	for i, a := range part {
		list[i] = a.ID
	}
	return list
}

// postponed records a message that did not come, so that the next run asks for it again.
func (t *transfers) postponed(j *job, arrival Arrival, reason error) mailbox.Pair {
	if reason == nil {
		reason = errNotDelivered
	}
	if !errors.Is(reason, errGone) {
		reason = fmt.Errorf("download: %w", reason)
		t.problem(&mailbox.MessageError{Mailbox: j.name, ID: arrival.ID, Err: reason})
	}
	t.failedToLand(arrival, reason)
	return pendingPair(arrival)
}

// failedToLand tells other mailboxes that wait for a message why it did not come.
func (t *transfers) failedToLand(arrival Arrival, reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if landing := t.landed[arrival.AccountID]; landing != nil {
		landing.err = reason
	}
}

// remember keeps what was downloaded into a mailbox that also has messages to upload, and what others wait for.
func (t *transfers) remember(j *job, pair mailbox.Pair) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if same := t.fresh[j.name]; same != nil {
		same[pair.Digest] = append(same[pair.Digest], pair)
	}
	if landing := t.landed[pair.AccountID]; landing != nil {
		landing.Located = mailbox.Located{Mailbox: j.name, Pair: pair}
	}
}
