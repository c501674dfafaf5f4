package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/oauth"
)

// A tokenWorld is a world with a provider of tokens, and a gate before the server that opens for its access tokens only.
type tokenWorld struct {
	*world
	server *imaptest.MemoryServer
	ring   ring
	gate   net.Listener
	giver  *httptest.Server

	mu       sync.Mutex
	page     url.Values // the consent that was asked for last
	refresh  string     // the refresh token that is good; empty: none is
	given    int        // access tokens
	good     map[string]bool
	logins   int
	closed   bool  // the gate opens for nobody
	lasts    int   // how long a token is said to last, in seconds
	most     int64 // octets that a connection may bring before its token ends; 0 is no limit
	skew     time.Duration
	scope    string
	rotates  bool
	requests []url.Values
	answers  string // typed, or pasted
	browse   func(page string) error
}

const (
	tokenMark = "ya29.mArKeD" // begins all tokens
	mailScope = "https://mail.example.org/"
)

func newTokenWorld(t *testing.T, messages int) *tokenWorld {
	t.Helper()
	memory, server := memoryWorld(t, messages)
	gate, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &tokenWorld{world: newWorld(t, gate.Addr().String(), memory.user(), ""), server: server, ring: ring{}, gate: gate, good: map[string]bool{}, lasts: 3600, scope: mailScope}
	w.giver = httptest.NewServer(http.HandlerFunc(w.give))
	t.Cleanup(func() { w.giver.Close(); _ = gate.Close() })
	go w.serve(gate)
	w.set("auth", "oauth2")
	w.set("client_id", "me")
	w.set("client_secret", "hush-hush")
	w.prepare = func(env *environment) {
		env.keyring = w.ring
		env.browse = func(_ context.Context, page string) error { return w.browse(page) }
		env.stdin = strings.NewReader(w.answers)
		env.provider = func(string) (oauth.Provider, bool) {
			return oauth.Provider{
				Name: "Example", AuthURL: w.giver.URL + "/auth", TokenURL: w.giver.URL + "/token", DeviceURL: w.giver.URL + "/device",
				Scopes: []string{mailScope}, Mail: mailScope, Loopback: "127.0.0.1", Secret: true, Trial: 7 * 24 * time.Hour,
			}, true
		}
	}
	return w
}

// user is the one of the configuration.
func (w *world) user() string {
	for _, line := range w.keys {
		var name string
		if _, err := fmt.Sscanf(line, "user = %q", &name); err == nil {
			return name
		}
	}
	return ""
}

// give answers as a provider does.
func (w *tokenWorld) give(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = r.ParseForm()
	w.requests = append(w.requests, r.PostForm)
	out.Header().Set("Content-Type", "application/json")
	out.Header().Set("Date", time.Now().Add(-w.skew).UTC().Format(http.TimeFormat))
	say := func(status int, what map[string]any) {
		out.WriteHeader(status)
		_ = json.NewEncoder(out).Encode(what)
	}
	if r.URL.Path == "/device" {
		say(http.StatusOK, map[string]any{"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": "https://go.example.org", "expires_in": 60, "interval": 1})
		return
	}
	what := map[string]any{"token_type": "Bearer", "expires_in": w.lasts, "scope": w.scope}
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case r.PostForm.Get("client_secret") != "hush-hush":
		say(http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	case r.PostForm.Get("grant_type") == "refresh_token" && (w.refresh == "" || r.PostForm.Get("refresh_token") != w.refresh),
		r.PostForm.Get("grant_type") == "authorization_code" && base64.RawURLEncoding.EncodeToString(sum[:]) != w.page.Get("code_challenge"):
		say(http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
		return
	}
	if r.PostForm.Get("grant_type") != "refresh_token" || w.rotates {
		w.refresh = fmt.Sprintf("%s.refresh-%d", tokenMark, len(w.requests))
		what["refresh_token"] = w.refresh
	}
	w.given++
	access := fmt.Sprintf("%s.access-%d", tokenMark, w.given)
	w.good[access], what["access_token"] = true, access
	say(http.StatusOK, what)
}

// yes is a user who consents in the browser.
func (w *tokenWorld) yes(page string) error {
	back, err := w.consented(page)
	go visit(back)
	return err
}

// visit is a browser, which takes its time.
func visit(page string) {
	if response, err := http.Get(page); err == nil { //nolint:noctx // a test
		_ = response.Body.Close()
	}
}

func (w *tokenWorld) consented(page string) (string, error) {
	u, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	w.mu.Lock()
	w.page = u.Query()
	w.mu.Unlock()
	return u.Query().Get("redirect_uri") + "/?" + url.Values{"code": {"c0de"}, "state": {u.Query().Get("state")}}.Encode(), nil
}

// serve opens the gate for who shows a good token.
func (w *tokenWorld) serve(gate net.Listener) {
	for {
		conn, err := gate.Accept()
		if err != nil {
			return
		}
		go w.pass(conn)
	}
}

func (w *tokenWorld) pass(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	_, _ = io.WriteString(conn, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=PLAIN] hello\r\n")
	line, err := in.ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) != 4 {
		return
	}
	plain, err := base64.StdEncoding.DecodeString(words[3])
	_, token, _ := strings.Cut(strings.Trim(string(plain), "\x01"), "Bearer ")
	w.mu.Lock()
	good, most := w.good[token] && !w.closed, w.most
	w.logins++
	w.mu.Unlock()
	if err != nil || !good {
		_, _ = io.WriteString(conn, "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")
		_, _ = in.ReadString('\n')
		_, _ = io.WriteString(conn, words[0]+" NO [AUTHENTICATIONFAILED] Invalid credentials for "+token+"\r\n")
		return
	}
	behind, err := net.Dial("tcp", w.server.Addr) //nolint:noctx // a test
	if err != nil {
		return
	}
	defer func() { _ = behind.Close() }()
	out := bufio.NewReader(behind)
	if _, err := out.ReadString('\n'); err != nil {
		return
	}
	_, _ = fmt.Fprintf(behind, "%s LOGIN %s %s\r\n", words[0], w.server.User, w.server.Password)
	go func() { _, _ = io.Copy(behind, in) }()
	if most == 0 {
		_, _ = io.Copy(conn, out)
		return
	}
	_, _ = io.CopyN(conn, out, most)
	w.mu.Lock()
	delete(w.good, token) // the server counts the hour by its own clock
	w.mu.Unlock()
	_, _ = io.WriteString(conn, "\r\n* BYE Session expired, please login again.\r\n")
}
