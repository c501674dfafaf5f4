package main

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A gmailMessage is what all its mailboxes show.
type gmailMessage struct {
	id     uint64
	raw    string
	flags  map[string]bool
	labels map[string]bool
	date   time.Time
	mod    uint64
	bin    string // "", "trash", "spam"
}

// A gmailFolder is a view, with the UIDs of its members.
type gmailFolder struct {
	name, role string
	validity   uint32
	next       uint32
	uids       map[uint64]uint32
	ever       uint64
}

// A gmailFake is as much of Gmail as the tests here need: one store, labels as views with UIDs of their own, one MODSEQ for
// the account, \Deleted that means nothing outside Trash and Spam.
type gmailFake struct {
	mu       sync.Mutex
	addr     string
	mod      uint64
	nextID   uint64
	msgs     map[uint64]*gmailMessage
	folders  []*gmailFolder
	commands []string
	bodies   map[uint64]int
	deleted  int
	down     atomic.Int64
	perBox   bool // HIGHESTMODSEQ is the folder's own
	hidden   bool // All Mail
	bin      bool // the Trash is synced, too
}

// highest is what STATUS and SELECT say.
func (g *gmailFake) highest(f *gmailFolder) uint64 {
	if !g.perBox {
		return g.mod
	}
	for id := range f.uids {
		f.ever = max(f.ever, g.msgs[id].mod)
	}
	return max(f.ever, 1)
}

func newGmail(t *testing.T) *gmailFake {
	g := &gmailFake{mod: 1000, nextID: 1592225494819146101, msgs: map[uint64]*gmailMessage{}, bodies: map[uint64]int{}}
	for i, f := range [][2]string{{"INBOX", ""}, {"[Gmail]", `\Noselect`}, {"[Gmail]/All Mail", `\All`}, {"[Gmail]/Drafts", `\Drafts`}, {"[Gmail]/Important", `\Important`}, {"[Gmail]/Sent Mail", `\Sent`}, {"[Gmail]/Spam", `\Junk`}, {"[Gmail]/Starred", `\Flagged`}, {"[Gmail]/Trash", `\Trash`}} {
		g.folders = append(g.folders, &gmailFolder{name: f[0], role: f[1], validity: uint32(i + 1), next: 1, uids: map[uint64]uint32{}})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = l.Addr().String()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.serve(c)
		}
	}()
	return g
}

func (g *gmailFake) folder(name string) *gmailFolder {
	for _, f := range g.folders {
		if f.name == name || strings.EqualFold(name, "INBOX") && f.name == "INBOX" {
			return f
		}
	}
	return nil
}

func (g *gmailFake) label(name string) {
	if g.folder(name) == nil {
		g.folders = append(g.folders, &gmailFolder{name: name, validity: uint32(100 + len(g.folders)), next: 1, uids: map[uint64]uint32{}})
	}
}

func (g *gmailFake) in(f *gmailFolder, m *gmailMessage) bool {
	switch f.role {
	case `\Noselect`:
		return false
	case `\Trash`:
		return m.bin == "trash"
	case `\Junk`:
		return m.bin == "spam"
	}
	if m.bin != "" {
		return false
	}
	switch f.role {
	case `\All`:
		return true
	case `\Flagged`:
		return m.flags[`\Flagged`]
	case `\Drafts`:
		return m.labels[`\Draft`]
	case `\Important`, `\Sent`:
		return m.labels[f.role]
	}
	if f.name == "INBOX" {
		return m.labels[`\Inbox`]
	}
	return m.labels[f.name]
}

// settle gives the message a new modseq and its UIDs.
func (g *gmailFake) settle(m *gmailMessage) {
	g.mod += 9
	m.mod = g.mod
	for _, f := range g.folders {
		_, had := f.uids[m.id]
		if in := g.in(f, m); in && !had {
			f.uids[m.id] = f.next
			f.next++
		} else if !in && had {
			delete(f.uids, m.id)
		}
	}
}

func (g *gmailFake) deliver(raw string, labels ...string) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.add(raw, labels...).id
}

func (g *gmailFake) add(raw string, labels ...string) *gmailMessage {
	return g.addTo("", raw, labels...)
}

func (g *gmailFake) addTo(bin, raw string, labels ...string) *gmailMessage {
	g.nextID += 7
	m := &gmailMessage{id: g.nextID, raw: raw, flags: map[string]bool{}, labels: map[string]bool{}, date: time.Unix(int64(1700000000+len(g.msgs)), 0).UTC()}
	for _, l := range labels {
		m.labels[l] = true
		if !strings.HasPrefix(l, `\`) {
			g.label(l)
		}
	}
	m.bin = bin
	g.msgs[m.id] = m
	g.settle(m)
	return m
}

func (g *gmailFake) web(id uint64, do func(m *gmailMessage)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	do(g.msgs[id])
	g.settle(g.msgs[id])
}
