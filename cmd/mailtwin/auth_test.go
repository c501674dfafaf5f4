package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func (w *tokenWorld) tokenFile() string { return filepath.Join(filepath.Dir(w.state()), "work.token") }

func TestAuthByBrowser(t *testing.T) {
	w := newTokenWorld(t, 2)
	w.browse = w.yes
	w.auth(exitDone, "work: consent is given, and kept in the keyring.\nwork: logged in to 127.0.0.1", "on this page of Example", "work")
	if w.page.Get("login_hint") != w.user() || w.page.Get("code_challenge_method") != "S256" || len(w.page.Get("state")) < 20 {
		t.Errorf("the page was asked for with %v", w.page)
	}
	w.want(exitDone, "2 downloaded", "", "sync", "-v")
	w.auth(exitDone, "it is good for 1h0m0s", "", "--check", "work")
	w.skew = 2 * time.Hour
	w.auth(exitDone, "the clock of this machine is 2h0m0s ahead of that of Example; set it", "", "--check", "work")

	// Without a keyring a file keeps it, for its owner's eyes only. Once there is a keyring again, a new one goes there.
	w.ring, w.skew = nil, 0
	w.auth(exitDone, "kept in "+w.tokenFile(), "", "work")
	if info, err := os.Stat(w.tokenFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	w.want(exitDone, "", "", "sync", "-q")
	if err := os.Chmod(w.tokenFile(), 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(exitAuth, "", "can be read by others", "sync", "-q")
	w.ring = ring{}
	w.auth(exitDone, "kept in the keyring", "", "work")
	w.absent(w.tokenFile())
}

// The browser runs on another machine: the address that it ends on is typed, or comes on stdin.
func TestAuthByPaste(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		w := newTokenWorld(t, 1)
		// The user types what the other browser shows only once the page was asked for, so the browser answers here.
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		w.browse = func(page string) error {
			back, err := w.consented(page)
			_, failed := writer.WriteString("\nhello\n" + back + "\n")
			return errors.Join(err, failed, errors.New("no screen"))
		}
		before := w.prepare
		w.prepare = func(env *environment) { before(env); env.stdin, env.asks = reader, terminal }
		if terminal {
			w.auth(exitDone, "kept in the keyring", "no screen); open the page yourself", "work")
			if !strings.Contains(w.stderr, "Paste it here") || !strings.Contains(w.stderr, "Paste the whole address") {
				t.Error(w.stderr)
			}
			continue
		}
		_ = writer.Close()
		w.auth(exitUsage, "", "no address was pasted", "--paste", "work")
	}
}

func TestAuthByDevice(t *testing.T) {
	w := newTokenWorld(t, 1)
	w.auth(exitDone, "kept in the keyring", "Open https://go.example.org in any browser, and type the code ABCD-EFGH there", "--device", "work")
}

// What does not lead to a login is not kept.
func TestAuthThatFails(t *testing.T) {
	w := newTokenWorld(t, 1)
	w.consent(time.Hour)
	kept := w.ring["mailtwin oauth2:"+w.user()+"@127.0.0.1"]
	no := func(page string) error {
		back, err := w.consented(page)
		go visit(strings.Replace(back, "code=c0de", "error=access_denied", 1))
		return err
	}
	for _, tt := range []struct {
		name   string
		want   string
		change func()
	}{
		{"the user says no", "access_denied", func() { w.browse = no }},
		{"somebody else consents", "the consent was not kept", func() { w.browse, w.closed = w.yes, true }},
		{"the mail was not ticked", "tick that mail may be read", func() { w.closed, w.scope = false, "openid" }},
	} {
		tt.change()
		w.auth(exitAuth, "", tt.want, "work")
		if w.ring["mailtwin oauth2:"+w.user()+"@127.0.0.1"] != kept {
			t.Errorf("%s: the old consent is gone", tt.name)
		}
	}
	w.scope = mailScope
	_ = w.gate.Close() // the server is away: the consent is good all the same
	w.auth(exitTemporary, "kept in the keyring", "temporary failure", "work")
}

func TestAuthMistakes(t *testing.T) {
	w := newTokenWorld(t, 1)
	w.want(exitUsage, "", "name one account", "auth")
	w.want(exitUsage, "", `there is no account "home"`, "auth", "home")
	w.want(exitUsage, "", "only one of", "auth", "--check", "--paste", "work")
	w.want(exitAuth, "", "hint: run: mailtwin auth work", "auth", "--check", "work")
	m, _ := memoryWorld(t, 1)
	m.want(exitUsage, "", `set auth = "oauth2"`, "auth", "work")
}
