package oauth

import (
	"context"
	"sync"
)

// Held keeps a grant in memory alone, until it is known to be of use.
type Held struct {
	mu    sync.Mutex
	grant *Grant
}

// Hold begins with a grant.
func Hold(g *Grant) *Held { return &Held{grant: g} }

// Load implements Store.
func (h *Held) Load(context.Context) (*Grant, error) { return h.Grant(), nil }

// Save implements Store.
func (h *Held) Save(_ context.Context, g *Grant) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.grant = g
	return nil
}

// Grant is the newest one.
func (h *Held) Grant() *Grant {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := *h.grant
	return &g
}
