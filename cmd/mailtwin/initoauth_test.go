package main

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// An account that wants a token is set up on one go: client, consent, login, and only then the configuration.
func TestInitWithOAuth(t *testing.T) {
	w := newTokenWorld(t, 3)
	w.browse = w.yes
	port, ca := w.gateWithTLS()
	w.config = filepath.Join(w.dir, "new", "config.toml")
	args := []string{
		"init", "new", "--user", w.user(), "--host", "localhost", "--port", port, "--tls-ca", ca, "--maildir", filepath.Join(w.dir, "New"), "--oauth2",
	}
	inner := w.prepare
	w.prepare = func(env *environment) { inner(env); env.asks = true }
	w.answers = "me\n" // and no secret
	w.want(exitUsage, "", "no answer", args...)
	w.answers = "me\nwrong\n"
	w.want(exitAuth, "", "check client_id and client_secret", args...)
	w.answers, w.closed = "me\nhush-hush\n", true
	w.want(exitAuth, "", "hint: was the consent given by the user whose mail this is", args...)
	w.absent(w.config)
	if len(w.ring) > 0 {
		t.Error("a consent was kept that is of no use")
	}
	w.closed = false
	w.want(exitDone, "has the account new now", "The consent is kept in the keyring.", args...)
	text, err := os.ReadFile(w.config)
	if err != nil || !strings.Contains(string(text), "auth = \"oauth2\"\nclient_id = \"me\"\nclient_secret = \"hush-hush\"\n") {
		t.Errorf("%s, %v", text, err)
	}
	w.want(exitDone, "3 downloaded", "", "sync", "-v", "new")
	w.config = filepath.Join(w.dir, "third", "config.toml")
	w.want(exitDone, "has the account new now", "Logged in", append(args[:len(args)-1], "--token-command", "echo "+w.anyToken(), "--maildir", filepath.Join(w.dir, "Third"))...)
}

func (w *tokenWorld) anyToken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.good[tokenMark] = true
	return tokenMark
}

// gateWithTLS is another gate, and the file of its certificate authority.
func (w *tokenWorld) gateWithTLS() (port, file string) {
	w.Helper()
	ca, err := imaptest.NewCA()
	if err != nil {
		w.Fatal(err)
	}
	cert, err := ca.Issue(imaptest.CertRequest{})
	if err != nil {
		w.Fatal(err)
	}
	gate, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = gate.Close() })
	go w.serve(gate)
	file = filepath.Join(w.dir, "ca.pem")
	if err := os.WriteFile(file, ca.PEM, 0o600); err != nil {
		w.Fatal(err)
	}
	_, port, err = net.SplitHostPort(gate.Addr().String())
	if err != nil {
		w.Fatal(err)
	}
	return port, file
}
