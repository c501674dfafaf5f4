package syncer

import (
	"context"
	"fmt"
	"sync"

	"mailtwin/mailbox"
)

// A QuotaError says what waits because the account's allowance of octets is used up. It is a kind of mailbox.ErrQuota.
type QuotaError struct {
	Downloads, Uploads int
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("%d downloads and %d uploads wait, for the account's quota of today is nearly used up", e.Downloads, e.Uploads)
}

// Unwrap makes it a mailbox.ErrQuota.
func (e *QuotaError) Unwrap() error { return mailbox.ErrQuota }

// A quota keeps transfers that are under way within the allowance.
type quota struct {
	mu       sync.Mutex
	underWay [2]int64               // octets, by the side that they come from
	over     map[mailbox.Place]Side // what waits, and which side has it
}

func (q *quota) err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.over) == 0 {
		return nil
	}
	e := &QuotaError{}
	for _, side := range q.over {
		if side == Far {
			e.Downloads++
		} else {
			e.Uploads++
		}
	}
	return e
}

// perMessage is what a message costs beside its own octets, about.
const perMessage = 100

// allow divides what one side is to hand over into what there is an allowance for, and the rest. done is to be called when
// the transfer is over.
func (r *run) allow(j *job, from Side, list []Arrival) (fit, over []Arrival, done func()) {
	if r.opts.Allowance == nil {
		return list, nil, func() {}
	}
	q := &r.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	down, up := r.opts.Allowance()
	left := [2]int64{Far: down, Near: up}[from] - q.underWay[from]
	var size int64
	for len(fit) < len(list) && size+list[len(fit)].Size+perMessage <= left {
		size += list[len(fit)].Size + perMessage
		fit = list[:len(fit)+1]
	}
	over = list[len(fit):]
	for _, a := range over {
		if q.over == nil {
			q.over = map[mailbox.Place]Side{}
		}
		q.over[mailbox.Place{Mailbox: j.name, ID: a.ID}] = from
	}
	q.underWay[from] += size
	return fit, over, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.underWay[from] -= size
	}
}

// putOff records downloads for which there is no allowance, so that another run begins with them and nothing has to be
// listed again for it.
func (t *transfers) putOff(ctx context.Context, j *job, over []Arrival) error {
	if len(over) == 0 {
		return nil
	}
	update := mailbox.Update{Mailbox: j.name}
	t.mu.Lock()
	for _, a := range over {
		update.Put = append(update.Put, pendingPair(a))
		if landing := t.landed[a.AccountID]; landing != nil {
			landing.err = mailbox.ErrQuota
		}
	}
	t.mu.Unlock()
	return t.ledger.Commit(ctx, update)
}
