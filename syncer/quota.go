package syncer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"mailtwin/mailbox"
)

// A Budget limits what a run transfers, in octets, by the side that it comes from: Far for downloads, Near for uploads. Its
// methods may be called from several goroutines.
type Budget interface {
	// Left is how much may still be transferred. What came and went so far, it has counted by itself.
	Left(from Side) int64
	// Most is how large a message may be for which there will ever be room.
	Most(from Side) int64
}

// ErrTooLarge means that there will never be room for a message in the budget.
var ErrTooLarge = errors.New("larger than what may be transferred in a whole day")

// A QuotaError says how many messages wait because there is no room for them in the budget. It is a kind of
// mailbox.ErrQuota.
type QuotaError struct {
	Waiting [2]int // by the Side that has them
}

func (e *QuotaError) Error() string {
	var parts []string
	for side, verb := range []string{"downloaded", "uploaded"} {
		switch n := e.Waiting[side]; {
		case n == 1:
			parts = append(parts, "1 message waits to be "+verb)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d messages wait to be %s", n, verb))
		}
	}
	return strings.Join(parts, ", ")
}

// Unwrap makes it a mailbox.ErrQuota.
func (e *QuotaError) Unwrap() error { return mailbox.ErrQuota }

// A quota keeps transfers that are under way within the budget.
type quota struct {
	mu       sync.Mutex
	underWay [2]int64               // octets that the budget has not counted yet, by the side that they come from
	over     map[mailbox.Place]Side // what waits, and which side has it
}

// err is a QuotaError if something waits.
func (q *quota) err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.over) == 0 {
		return nil
	}
	e := &QuotaError{}
	for _, side := range q.over {
		e.Waiting[side]++
	}
	return e
}

// PerMessage is what a message costs beside its own octets, in octets, about.
const PerMessage = 150

// A grant is the room that one load has in the budget.
type grant struct {
	quota  *quota
	from   Side
	octets int64
}

// arrived gives back the room of a message that the budget has counted by now.
func (g *grant) arrived(a Arrival) {
	g.quota.mu.Lock()
	defer g.quota.mu.Unlock()
	octets := min(a.Size+PerMessage, g.octets)
	g.octets -= octets
	g.quota.underWay[g.from] -= octets
}

// end gives back what is left.
func (g *grant) end() {
	g.quota.mu.Lock()
	defer g.quota.mu.Unlock()
	g.quota.underWay[g.from] -= g.octets
	g.octets = 0
}

// allow divides what one side is to hand over into what there is room for in the budget, what there is none for now, and
// what there will never be any for. A large message keeps no smaller one from being transferred; as the order of a list is
// the same each day, it has its turn when a new day begins.
func (r *run) allow(j *job, from Side, list []Arrival) (fit, over, large []Arrival, g *grant) {
	q := &r.quota
	g = &grant{quota: q, from: from}
	if r.opts.Budget == nil {
		return list, nil, nil, g
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	left, most := r.opts.Budget.Left(from)-q.underWay[from], r.opts.Budget.Most(from)
	if q.over == nil {
		q.over = map[mailbox.Place]Side{}
	}
	for _, a := range list {
		place, octets := mailbox.Place{Mailbox: j.name, ID: a.ID}, a.Size+PerMessage
		switch {
		case a.Size > most:
			large = append(large, a)
		case g.octets+octets > left:
			over = append(over, a)
			q.over[place] = from
		default:
			fit = append(fit, a)
			g.octets += octets
			delete(q.over, place) // it may have waited in a pass before
		}
	}
	q.underWay[from] += g.octets
	return fit, over, large, g
}

// reserve takes room for so many octets of both sides, or for none.
func (r *run) reserve(octets [2]int64, room [2]*grant) bool {
	q := &r.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	for side, n := range octets {
		if n > r.opts.Budget.Left(Side(side))-q.underWay[side] {
			return false
		}
	}
	for side, n := range octets {
		room[side].octets += n
		q.underWay[side] += n
	}
	return true
}

// putOver notes far messages that wait for room.
func (r *run) putOver(j *job, ids map[mailbox.ID]bool) {
	r.quota.mu.Lock()
	defer r.quota.mu.Unlock()
	if r.quota.over == nil {
		r.quota.over = map[mailbox.Place]Side{}
	}
	for id := range ids {
		r.quota.over[mailbox.Place{Mailbox: j.name, ID: id}] = Far
	}
}

// putOff records downloads for which there is no room, so that another run begins with them and nothing has to be listed
// again for it. Those for which there will never be any are named.
func (t *transfers) putOff(ctx context.Context, j *job, over, large []Arrival) error {
	update := mailbox.Update{Mailbox: j.name}
	for _, a := range over {
		if !a.OnRecord {
			update.Put = append(update.Put, pendingPair(a))
		}
		t.failedToLand(a, mailbox.ErrQuota)
	}
	for _, a := range large {
		update.Put = append(update.Put, t.postponed(j, a, tooLarge(a)))
	}
	if len(update.Put) == 0 {
		return nil
	}
	return t.ledger.Commit(ctx, update)
}

func tooLarge(a Arrival) error { return fmt.Errorf("%w: %d octets", ErrTooLarge, a.Size) }
