package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A progress is the bar on a terminal. All accounts of a run share it. The zero value shows nothing.
type progress struct {
	env   *environment
	shown bool

	mu       sync.Mutex
	bar      *progressbar.ProgressBar
	account  string // the only one that has something to transfer
	accounts map[string]bool
	messages int
	planned  int
	octets   int64 // planned
	done     int64 // octets of them
}

// plan adds to what is to be transferred.
func (p *progress) plan(account string, messages int, octets int64) {
	if !p.shown {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.accounts == nil {
		p.accounts = map[string]bool{}
	}
	p.account, p.accounts[account] = account, true
	p.planned += messages
	p.octets += octets
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(p.octets,
			progressbar.OptionSetWriter(p.env.stderr), progressbar.OptionSetDescription(p.description()),
			progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth())
	}
	p.bar.ChangeMax64(p.octets)
	p.bar.Describe(p.description())
}

// description is what stands before the bar. p.mu is held.
func (p *progress) description() string {
	who := show(p.account)
	if len(p.accounts) > 1 {
		who = plural(len(p.accounts), "account")
	}
	return fmt.Sprintf("%s: %d of %d messages", who, p.messages, p.planned)
}

// add tells that so much more is done.
func (p *progress) add(messages int, octets int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages += messages
	if p.bar == nil {
		return
	}
	if messages > 0 {
		p.bar.Describe(p.description())
	}
	octets = min(octets, p.octets-p.done) // a size may have been announced wrongly, which the bar does not forgive
	p.done += octets
	if p.done < p.octets { // a full bar takes itself away, and cannot come back when more is planned
		_ = p.bar.Add64(octets) // it only draws
	}
}

// aside takes the bar away for something to be written. It is drawn again as it goes on.
func (p *progress) aside(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // it only draws
	}
	write()
}

// stop takes the bar away for good.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = errors.Join(p.bar.Clear(), p.bar.Exit()) // they only draw
		p.bar = nil
	}
}
