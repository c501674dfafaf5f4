package oauth

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mailtwin/mailbox"
)

func wantToken(t *testing.T, s *Source, refused, want string) {
	t.Helper()
	if got, err := s.Token(t.Context(), refused); got != want || err != nil {
		t.Errorf("the token is %q, want %q; %v", got, want, err)
	}
}

// A token is used until it is about to end, or until the server does not take it.
func TestTokenIsKeptWhileItIsGood(t *testing.T) {
	g, now := newGiver(t), time.Now()
	s := &Source{Client: g.client(), Store: kept()}
	s.Client.Now = func() time.Time { return now }
	wantToken(t, s, "", "access-1")
	wantToken(t, s, "", "access-1")
	wantToken(t, s, "access-1", "access-2")
	wantToken(t, s, "access-1", "access-2") // another connection got the same answer
	now = now.Add(time.Hour - early/2)
	wantToken(t, s, "", "access-3")
}

func TestS16RotationIsStored(t *testing.T) {
	g, store := newGiver(t), kept()
	g.rotates = true
	s := &Source{Client: g.client(), Store: store}
	wantToken(t, s, "", "access-1")
	wantToken(t, s, "access-1", "access-2")
	if store.grant.Refresh != "refresh-2" || store.saved != 2 || store.grant.Made.IsZero() {
		t.Errorf("kept is %+v, saved %d times", store.grant, store.saved)
	}
	store.err = errors.New("disk full")
	if _, err := s.Renew(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("a token that cannot be kept: %v", err)
	}
}

// Several runs, each of which reads the store anew: none may use a refresh token that another has replaced.
func TestS16RunsRefreshOneAtATime(t *testing.T) {
	g := newGiver(t)
	g.rotates = true
	dir := t.TempDir()
	file := File{filepath.Join(dir, "a", "token")}
	if err := file.Save(t.Context(), kept().grant); err != nil {
		t.Fatal(err)
	}
	lock := func(ctx context.Context) (func() error, error) { return Lock(ctx, filepath.Join(dir, "a", "lock")) }
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s := &Source{Client: g.client(), Store: file, Lock: lock}
			if _, err := s.Token(t.Context(), ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if kept, err := file.Load(t.Context()); err != nil || kept.Refresh != g.refresh {
		t.Errorf("kept is %v, %v; good is %s", kept, err, g.refresh)
	}
}

func TestRefusals(t *testing.T) {
	says := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		}
	}
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
	}
	for _, tt := range []struct {
		name string
		say  http.HandlerFunc
		kind error
		want string
	}{
		{"revoked", refuses(http.StatusBadRequest, "invalid_grant"), mailbox.ErrAuth, "was revoked, or has expired"},
		{"not our client", refuses(http.StatusUnauthorized, "invalid_client"), mailbox.ErrAuth, "invalid_client"},
		{"busy", refuses(http.StatusServiceUnavailable, "whatever"), mailbox.ErrTemporary, "503"},
		{"too many requests", refuses(http.StatusTooManyRequests, "slow_down"), mailbox.ErrTemporary, "429"},
		{"later", refuses(http.StatusBadRequest, "temporarily_unavailable"), mailbox.ErrTemporary, "400"},
		{"the page of a hotel", says(http.StatusOK, "<html>Welcome to the hotel</html>"), mailbox.ErrTemporary, "ask Example for a token"},
		{"nothing", says(http.StatusOK, "{}"), mailbox.ErrTemporary, "ask Example for a token"},
		{"no words", says(http.StatusBadRequest, "oh refresh-0"), mailbox.ErrTemporary, "400"},
		{"two lines", says(http.StatusOK, `{"access_token":"a\r\nb LOGOUT"}`), mailbox.ErrTemporary, "ask Example for a token"},
		{"elsewhere", elsewhere, mailbox.ErrTemporary, "307"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, mailbox.ErrTemporary, "ask Example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGiver(t)
			g.next(tt.say)
			_, err := (&Source{Client: g.client(), Store: kept()}).Token(t.Context(), "")
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "refresh-0") || strings.Contains(err.Error(), "hush-hush")) {
				t.Errorf("S17: a secret is in %q", err)
			}
			if g.requests() != 1 {
				t.Errorf("%d requests", g.requests())
			}
		})
	}
}

// A provider that does not answer is given up with the run, and after a while anyway.
func TestSlowProvider(t *testing.T) {
	g := newGiver(t)
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	g.next(hang, hang)
	s := &Source{Client: g.client(), Store: kept()}
	s.Client.HTTP = &http.Client{Timeout: 50 * time.Millisecond}
	if _, err := s.Token(t.Context(), ""); !errors.Is(err, mailbox.ErrTemporary) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s.Client.HTTP = nil
	if _, err := s.Token(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestWhyAGrantIsDead(t *testing.T) {
	for _, tt := range []struct {
		name         string
		age          time.Duration
		ahead        time.Duration
		trial, clock bool
	}{
		{name: "young", age: time.Hour},
		{name: "seven days", age: 7*24*time.Hour + time.Hour, trial: true},
		{name: "old", age: 300 * 24 * time.Hour},
		{name: "the clock is slow", age: time.Hour, ahead: time.Hour, clock: true},
		{name: "the clock is fast", age: time.Hour, ahead: -time.Hour, clock: true},
	} {
		g, store := newGiver(t), kept()
		g.ahead, store.grant.Made = tt.ahead, time.Now().Add(-tt.age)
		g.next(refuses(http.StatusBadRequest, "invalid_grant"))
		_, err := (&Source{Client: g.client(), Store: store}).Renew(t.Context())
		var r *Refusal
		if !errors.As(err, &r) || r.OnTrial() != tt.trial || r.WrongClock() != tt.clock || !r.Dead() {
			t.Errorf("%s: %v %+v", tt.name, err, r)
		}
	}
}

func TestGrantOfAnotherClient(t *testing.T) {
	g, store := newGiver(t), kept()
	store.grant.ClientID = "somebody"
	if _, err := (&Source{Client: g.client(), Store: store}).Token(t.Context(), ""); !errors.Is(err, ErrNone) || g.requests() != 0 {
		t.Errorf("%v, %d requests", err, g.requests())
	}
}
