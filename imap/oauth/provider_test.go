package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

const mailScope = "https://mail.example.org/"

// A giver is a provider that checks what a real one checks.
type giver struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	asked    []url.Values // token requests
	consents map[string]url.Values
	refresh  string             // the refresh token that is good now
	rotates  bool               // each use of a refresh token replaces it
	answers  []http.HandlerFunc // said instead, one request each
	extra    map[string]any
	ahead    time.Duration // of its clock
	pending  int           // how often the device is told to wait
}

func newGiver(t *testing.T) *giver {
	t.Helper()
	g := &giver{t: t, consents: map[string]url.Values{}, refresh: "refresh-0", extra: map[string]any{"expires_in": 3600, "scope": mailScope}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", g.token)
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, http.StatusOK, map[string]any{"device_code": "dev", "user_code": "ABCD", "verification_uri": "https://go.example.org", "expires_in": 60, "interval": 1})
	})
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	return g
}

func tell(w http.ResponseWriter, status int, what map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what)
}

func refuses(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tell(w, status, map[string]any{"error": code, "error_description": "no, " + r.FormValue("refresh_token")})
	}
}

func (g *giver) token(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		g.t.Error(err)
	}
	g.asked = append(g.asked, r.PostForm)
	w.Header().Set("Date", time.Now().Add(g.ahead).UTC().Format(http.TimeFormat))
	if len(g.answers) > 0 {
		say := g.answers[0]
		g.answers = g.answers[1:]
		say(w, r)
		return
	}
	if r.PostForm.Get("client_id") != "me" || r.PostForm.Get("client_secret") != "hush-hush" {
		tell(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		g.redeem(w, r.PostForm)
	case "refresh_token":
		if r.PostForm.Get("refresh_token") != g.refresh {
			refuses(http.StatusBadRequest, "invalid_grant")(w, r)
			return
		}
		if g.rotates {
			g.refresh = fmt.Sprintf("refresh-%d", len(g.asked))
		}
		g.give(w, g.rotates)
	default: // the device's
		if g.pending--; g.pending >= 0 {
			tell(w, http.StatusBadRequest, map[string]any{"error": "authorization_pending"})
			return
		}
		g.give(w, true)
	}
}

// redeem checks that the code comes from whom the consent was given to (PKCE).
func (g *giver) redeem(w http.ResponseWriter, form url.Values) {
	asked, known := g.consents[form.Get("code")]
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if !known || asked.Get("code_challenge_method") != "S256" || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) ||
		asked.Get("redirect_uri") != form.Get("redirect_uri") {
		tell(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	delete(g.consents, form.Get("code"))
	g.give(w, true)
}

func (g *giver) give(w http.ResponseWriter, refresh bool) {
	what := map[string]any{"access_token": fmt.Sprintf("access-%d", len(g.asked)), "token_type": "Bearer"}
	for key, value := range g.extra {
		what[key] = value
	}
	if refresh {
		what["refresh_token"] = g.refresh
	}
	tell(w, http.StatusOK, what)
}

// consent is the user with a browser: it says yes, and returns the address that the browser is sent back to.
func (g *giver) consent(page string) string {
	g.t.Helper()
	u, err := url.Parse(page)
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	code := fmt.Sprintf("code-%d", len(g.consents))
	g.consents[code] = u.Query()
	return u.Query().Get("redirect_uri") + "/?" + url.Values{"state": {u.Query().Get("state")}, "code": {code}}.Encode()
}

func (g *giver) client() *Client {
	return &Client{ID: "me", Secret: "hush-hush", Provider: Provider{
		Name: "Example", AuthURL: "https://example.org/auth", TokenURL: g.URL + "/token", DeviceURL: g.URL + "/device",
		Scopes: []string{mailScope, "offline"}, Mail: mailScope, Loopback: "127.0.0.1", Trial: 7 * 24 * time.Hour,
		Extra: map[string]string{"prompt": "consent"},
	}}
}

func (g *giver) requests() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.asked)
}

// next has one request answered in another way.
func (g *giver) next(say ...http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers = append(g.answers, say...)
}

// memory is a store.
type memory struct {
	mu    sync.Mutex
	grant *Grant
	saved int
	err   error
}

func (m *memory) Load(context.Context) (*Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.grant == nil {
		return nil, ErrNone
	}
	g := *m.grant
	return &g, nil
}

func (m *memory) Save(_ context.Context, g *Grant) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.grant, m.saved = g, m.saved+1
	return nil
}

func kept() *memory {
	return &memory{grant: &Grant{Refresh: "refresh-0", ClientID: "me", Made: time.Now().Add(-time.Hour)}}
}
