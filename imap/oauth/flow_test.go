package oauth

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

func TestCodeExchange(t *testing.T) {
	g := newGiver(t)
	g.extra["refresh_token_expires_in"] = 604799
	f := g.client().Begin("http://127.0.0.1:1", "me@example.org")
	page, err := url.Parse(f.URL())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"login_hint": "me@example.org", "prompt": "consent", "scope": mailScope + " offline", "response_type": "code", "client_id": "me",
	} {
		if got := page.Query().Get(key); got != want {
			t.Errorf("%s is %q", key, got)
		}
	}
	if strings.Contains(f.URL(), f.verifier) || strings.Contains(f.URL(), "hush-hush") {
		t.Error("the page is told a secret")
	}
	code, err := f.Pasted("  " + g.consent(f.URL()) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	grant, token, err := f.Redeem(t.Context(), code)
	if err != nil || grant.Refresh != "refresh-0" || token.Access != "access-1" || grant.ClientID != "me" {
		t.Fatalf("%+v %+v %v", grant, token, err)
	}
	if left := time.Until(grant.Ends); left < 6*24*time.Hour || left > 8*24*time.Hour {
		t.Errorf("it ends in %s", left)
	}
	if _, _, err := f.Redeem(t.Context(), code); !errors.Is(err, mailbox.ErrAuth) {
		t.Errorf("the code once more: %v", err)
	}
}

// A code that another flow asked for is of no use (PKCE).
func TestS15CodeOfAnotherFlow(t *testing.T) {
	g := newGiver(t)
	mine, other := g.client().Begin("http://127.0.0.1:1", "me"), g.client().Begin("http://127.0.0.1:1", "me")
	back, err := url.Parse(g.consent(other.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Code(back.Query()); !errors.Is(err, errForeign) {
		t.Error(err)
	}
	if _, _, err := mine.Redeem(t.Context(), back.Query().Get("code")); !errors.Is(err, mailbox.ErrAuth) {
		t.Error(err)
	}
}

func TestPastedNonsense(t *testing.T) {
	f := newGiver(t).client().Begin("http://127.0.0.1:1", "me")
	for _, text := range []string{"", "4/0AbCd", "http://127.0.0.1:1/", "%", "http://127.0.0.1:1/?code=x", "http://127.0.0.1:1/?state=" + f.state} {
		if code, err := f.Pasted(text); err == nil {
			t.Errorf("%q: %q", text, code)
		}
	}
	var refused *Refusal
	if _, err := f.Pasted("http://127.0.0.1:1/?error=access_denied&state=" + f.state); !errors.As(err, &refused) || refused.Code != "access_denied" {
		t.Error(err)
	}
}

func TestGrantsThatWouldNotDo(t *testing.T) {
	g := newGiver(t)
	g.extra["scope"] = "openid email"
	f := g.client().Begin("http://127.0.0.1:1", "me")
	code, err := f.Pasted(g.consent(f.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Redeem(t.Context(), code); !errors.As(err, new(*ScopeError)) || !errors.Is(err, mailbox.ErrAuth) {
		t.Errorf("the user did not tick the mail: %v", err)
	}
	g.next(func(w http.ResponseWriter, _ *http.Request) {
		tell(w, http.StatusOK, map[string]any{"access_token": "x"})
	})
	if _, _, err := f.Redeem(t.Context(), code); !errors.Is(err, mailbox.ErrAuth) {
		t.Errorf("no refresh token: %v", err)
	}
}

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		mail, got string
		want      bool
	}{
		{"https://mail.google.com/", "https://mail.google.com/ openid", true},
		{"https://mail.google.com/", "https://www.googleapis.com/auth/gmail.modify", false},
		{"https://mail.google.com/", "https://mail.google.com", false},
		{"https://outlook.office.com/IMAP.AccessAsUser.All", "https://outlook.office365.com/imap.AccessAsUser.All", true},
		{"https://outlook.office.com/IMAP.AccessAsUser.All", "IMAP.AccessAsUser.All", true},
		{"https://outlook.office.com/IMAP.AccessAsUser.All", "https://outlook.office.com/SMTP.Send offline_access", false},
		{"https://mail.google.com/", "", true},
	} {
		if got := (Provider{Mail: tt.mail}).Covers(Token{Scopes: strings.Fields(tt.got)}); got != tt.want {
			t.Errorf("%s covers %s: %v", tt.got, tt.mail, got)
		}
	}
}

func TestDevice(t *testing.T) {
	g := newGiver(t)
	g.pending = 1
	var shown []string
	grant, _, err := g.client().Device(t.Context(), func(address, code string) { shown = append(shown, address, code) })
	if err != nil || grant.Refresh != "refresh-0" || strings.Join(shown, " ") != "https://go.example.org ABCD" {
		t.Errorf("%+v %v %v", grant, shown, err)
	}
	g.next(refuses(http.StatusBadRequest, "access_denied"))
	if _, _, err := g.client().Device(t.Context(), func(string, string) {}); !errors.Is(err, mailbox.ErrAuth) {
		t.Error(err)
	}
}

// waiting is a loopback at work.
type waiting struct {
	*Loopback
	flow *Flow
	done chan arrival
}

func wait(ctx context.Context, t *testing.T) *waiting {
	t.Helper()
	l, err := Listen(ctx, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	w := &waiting{l, newGiver(t).client().Begin(l.URL(), "me"), make(chan arrival, 1)}
	go func() {
		code, err := l.Wait(ctx, w.flow)
		w.done <- arrival{code, err}
	}()
	return w
}

func (w *waiting) ask(t *testing.T, method, path, host string) (status int, page string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Error("the page tells others where it is")
	}
	return response.StatusCode, string(text)
}

// Whatever is not the one redirect that is waited for is turned away, and changes nothing.
func TestS15LoopbackTakesOneAnswer(t *testing.T) {
	w := wait(t.Context(), t)
	good := "/?code=c0de&state=" + w.flow.state
	for _, tt := range []struct {
		method, path, host string
		status             int
	}{
		{"GET", "/?code=evil", "", 400},
		{"GET", "/?code=evil&state=wrong", "", 400},
		{"GET", "/?error=access_denied", "", 400},
		{"GET", "/?state=" + w.flow.state, "", 400},
		{"GET", "/other" + good, "", 404},
		{"GET", good, "evil.example.org", 404},
		{"POST", good, "", 405},
		{"GET", good, "", 200},
	} {
		status, page := w.ask(t, tt.method, tt.path, tt.host)
		if status != tt.status || strings.Contains(page, "c0de") {
			t.Errorf("%s %s (%s): %d %q", tt.method, tt.path, tt.host, status, page)
		}
	}
	if a := <-w.done; a.code != "c0de" || a.err != nil {
		t.Errorf("%+v", a)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL(), "http://")); err == nil {
		t.Error("it still listens", conn.Close())
	}
}

func TestS15LoopbackBounds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := wait(ctx, t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
	answer, _ := io.ReadAll(conn)
	if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 431") {
		t.Errorf("%q", answer)
	}
	cancel() // Ctrl-C
	if a := <-w.done; !errors.Is(a.err, context.Canceled) {
		t.Errorf("%+v", a)
	}
}

func TestLoopbackHearsANo(t *testing.T) {
	w := wait(t.Context(), t)
	w.ask(t, "GET", "/?error=access_denied&state="+w.flow.state, "")
	var refused *Refusal
	if a := <-w.done; !errors.As(a.err, &refused) || refused.Code != "access_denied" {
		t.Errorf("%+v", a)
	}
}
