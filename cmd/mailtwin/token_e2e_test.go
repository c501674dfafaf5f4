package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/oauth"
)

// consent has the provider give a grant, as it was given a while ago.
func (w *tokenWorld) consent(age time.Duration) {
	w.Helper()
	w.mu.Lock()
	w.refresh = tokenMark + ".refresh-0"
	w.mu.Unlock()
	g := &oauth.Grant{Refresh: w.refresh, ClientID: "me", Made: time.Now().Add(-age)}
	text, err := g.Text()
	if err != nil {
		w.Fatal(err)
	}
	w.ring["mailtwin oauth2:"+w.user()+"@127.0.0.1"] = string(text)
}

// S17: no token is in anything that was printed or written, but where it is kept.
func (w *tokenWorld) wantSecret() {
	w.Helper()
	if strings.Contains(w.stdout+w.stderr, tokenMark) || strings.Contains(w.stdout+w.stderr, "hush-hush") {
		w.Errorf("a secret shows:\n%s%s", w.stdout, w.stderr)
	}
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".token") {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), tokenMark) {
			w.Errorf("a token is in %s", path)
		}
		return err
	})
	if err != nil {
		w.Error(err)
	}
}

// auth wants mailtwin auth to end with a status, and to say this among other things.
func (w *tokenWorld) auth(status int, stdout, stderr string, args ...string) {
	w.Helper()
	got := w.run(append([]string{"auth"}, args...)...)
	if got != status || !strings.Contains(w.stdout, stdout) || !strings.Contains(w.stderr, stderr) {
		w.Fatalf("mailtwin auth %q: got %d\n%s%s\nwant %d %q %q", args, got, w.stdout, w.stderr, status, stdout, stderr)
	}
	w.wantSecret()
}

func (w *tokenWorld) messages() int {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(w.maildir(), "INBOX", "*", "*"))
	if err != nil {
		w.Fatal(err)
	}
	return len(files)
}

func TestSyncWithToken(t *testing.T) {
	w := newTokenWorld(t, 5)
	w.want(exitAuth, "", "hint: run: mailtwin auth work", "sync", "-q")
	w.consent(time.Hour)
	w.want(exitDone, "5 downloaded", "", "sync", "-v", "--debug-imap", filepath.Join(w.dir, "trace"))
	w.wantSecret()
	if w.given != 1 || w.messages() != 5 {
		t.Errorf("%d tokens for one run, %d messages", w.given, w.messages())
	}
}

// The server ends session and token again and again in the middle of a download. Nothing is lost, nothing is doubled, and
// nobody is asked.
func TestTokenEndsInADownload(t *testing.T) {
	w := newTokenWorld(t, 40)
	w.consent(time.Hour)
	w.rotates, w.most = true, 100e3
	w.want(exitDone, "", "", "sync", "-q")
	w.most = 0
	w.want(exitDone, "work: nothing to do", "", "sync", "-n")
	if n := w.messages(); n != 40 || w.given < 3 {
		t.Errorf("%d of 40 messages, %d tokens", n, w.given)
	}
	w.wantSecret()
}

// A token that is said to last a minute is replaced before it is of no use.
func TestTokenLastsAMinute(t *testing.T) {
	w := newTokenWorld(t, 3)
	w.consent(time.Hour)
	w.lasts = 30
	w.want(exitDone, "3 downloaded", "", "sync", "-v")
}

func TestTokensThatEndARun(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		age        time.Duration
		change     func(*tokenWorld)
	}{
		{"revoked", "hint: run: mailtwin auth work", time.Hour, func(w *tokenWorld) { w.refresh = "" }},
		{"testing", "ends after seven days; publish it", 7*24*time.Hour + time.Hour, func(w *tokenWorld) { w.refresh = "" }},
		{"the clock", "is 1h0m0s behind that of Example; set it", time.Hour, func(w *tokenWorld) { w.refresh, w.skew = "", -time.Hour }},
		{"client", "check client_id and client_secret", time.Hour, func(w *tokenWorld) { w.set("client_secret", "other") }},
		{"another client", "there is no consent for this account yet", time.Hour, func(w *tokenWorld) { w.set("client_id", "you") }},
		{"another user", "mailtwin auth --check work", time.Hour, func(w *tokenWorld) { w.closed = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newTokenWorld(t, 1)
			w.consent(tt.age)
			tt.change(w)
			w.want(exitAuth, "", tt.want, "sync", "-q")
			w.wantSecret()
			if w.messages() != 0 || w.logins > 2 || len(w.requests) > 2 {
				t.Errorf("%d logins, %d requests", w.logins, len(w.requests))
			}
			w.auth(exitAuth, "", tt.want, "--check", "work")
			w.wantSecret()
		})
	}
}

// S16: without a keyring, and when the keyring takes no more, the file keeps the newest token.
func TestS16RotatedTokenIsKept(t *testing.T) {
	w := newTokenWorld(t, 1)
	w.consent(time.Hour)
	w.rotates = true
	w.want(exitDone, "", "", "sync", "-q")
	if !strings.Contains(w.ring["mailtwin oauth2:"+w.user()+"@127.0.0.1"], w.refresh) {
		t.Error("the keyring has not the newest token")
	}
	w.absent(strings.TrimSuffix(w.state(), ".db") + ".token")
	g := grants{&environment{keyring: ring(nil)}, &account{State: w.state()}}
	if err := g.Save(t.Context(), &oauth.Grant{Refresh: w.refresh, ClientID: "me"}); err != nil {
		t.Fatal(err)
	}
	w.ring = nil
	w.want(exitDone, "", "", "sync", "-q")
	w.ring = ring{}
	w.want(exitDone, "", "", "sync", "-q")
	if len(w.ring) > 0 {
		t.Error("the grant moved")
	}
}

// Where the keyring cannot be asked, as in a run from cron before anybody has logged in, nobody knows that there is no consent.
func TestConsentInAKeyringOutOfReach(t *testing.T) {
	w := newTokenWorld(t, 1)
	w.browse = w.yes
	w.want(exitAuth, "", "there is no consent for this account yet", "sync", "-q")
	w.consent(time.Hour)
	kept := w.ring
	w.ring = nil
	for _, want := range []string{
		"the keyring, where the consent for this account may lie, cannot be asked (there is no keyring in this session)",
		"hint: if the consent lies there, log in", "keeps it in a file: mailtwin auth work",
	} {
		w.want(exitAuth, "", want, "sync", "-q")
		w.auth(exitAuth, "", want, "--check", "work")
	}
	if strings.Contains(w.stderr, "no consent") {
		t.Errorf("nobody knows that there is none: %s", w.stderr)
	}
	w.ring = kept
	w.want(exitDone, "", "", "sync", "-q")
	w.ring = nil
	w.auth(exitDone, "kept in "+strings.TrimSuffix(w.state(), ".db")+".token", "", "work")
	w.want(exitDone, "", "", "sync", "-q")
}

func TestTokenCommand(t *testing.T) {
	w := newTokenWorld(t, 2)
	w.keys = w.keys[:len(w.keys)-2] // client_id and client_secret
	w.good = map[string]bool{tokenMark: true}
	w.set("token_command", "echo "+tokenMark)
	w.want(exitDone, "2 downloaded", "", "sync", "-v")
	w.want(exitDone, "logged in to 127.0.0.1", "", "auth", "--check", "work")
	w.want(exitUsage, "", "has a token_command", "auth", "work")
	for command, want := range map[string]string{
		"echo old; echo " + tokenMark + " >/dev/null": "Invalid credentials for ***", "echo helper is locked >&2; exit 1": "token_command: exit status 1: helper is locked", "true": "printed nothing",
	} {
		w.set("token_command", command)
		w.want(exitAuth, "", want, "sync", "-q")
	}
}
