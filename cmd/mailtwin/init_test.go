package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mailtwin/imap"
	"mailtwin/imap/imaptest"
)

// A zone answers for the DNS.
type zone map[string]*net.SRV // by "imaps example.org"

func (z zone) LookupSRV(_ context.Context, service, _, name string) (string, []*net.SRV, error) {
	record := z[service+" "+name]
	if record == nil {
		return "", nil, errors.New("no such host")
	}
	return "", []*net.SRV{record}, nil
}

// S12: what is proposed is protected, whatever the DNS says.
func TestS12FindServer(t *testing.T) {
	dns := zone{
		"imaps example.org": {Target: "mail.example.org.", Port: 9993}, "imap example.org": {Target: "mail.example.org.", Port: 143},
		"imap old.example": {Target: "imap.old.example.", Port: 143}, "imaps none.example": {Target: "."},
		"imaps hosted.example": {Target: "imap.provider.net.", Port: 993}, "imaps gmail.com": {Target: "evil.example.", Port: 993},
	}
	for domain, want := range map[string]preset{
		"Gmail.com": {host: "imap.gmail.com", port: 993, tls: imap.Implicit}, "me.com": {host: "imap.mail.me.com", port: 993, tls: imap.Implicit},
		"pm.me":          {host: "127.0.0.1", port: 1143, tls: imap.StartTLS},
		"example.org":    {host: "mail.example.org", port: 9993, tls: imap.Implicit},
		"old.example":    {host: "imap.old.example", port: 143, tls: imap.StartTLS},
		"none.example":   {host: "imap.none.example", port: 993, tls: imap.Implicit},
		"hosted.example": {host: "imap.provider.net", port: 993, tls: imap.Implicit, alien: true},
		"silent.example": {host: "imap.silent.example", port: 993, tls: imap.Implicit},
	} {
		got := findServer(t.Context(), dns, domain)
		got.note = ""
		want.known = want.host == "imap.gmail.com" || want.host == "imap.mail.me.com"
		if got != want {
			t.Errorf("%s: %+v, want %+v", domain, got, want)
		}
	}
	for domain := range presets {
		if p := findServer(t.Context(), dns, domain); p.tls == imap.Plain || p.port == 143 {
			t.Errorf("%s: %+v", domain, p)
		}
	}
}

// initWorld is a home directory and a Dovecot with some mail.
type initWorld struct {
	*testing.T
	home   string
	server *imaptest.Server
	user   string
	ring   ring
	vars   map[string]string

	stdout, stderr string
}

func newInitWorld(t *testing.T) *initWorld {
	t.Helper()
	w := &initWorld{T: t, home: t.TempDir(), server: imaptest.Dovecot(t, imaptest.DovecotOptions{Password: "S3cret-marker"}), ring: ring{}}
	w.user = w.server.NewUser()
	w.vars = map[string]string{"HOME": w.home}
	account := imaptest.NewAccount(t, w.server.Addr, w.user, w.server.Password)
	for _, m := range imaptest.Sample(30, 5, imaptest.CorpusOptions{MaxSize: 20e3}) {
		if _, err := account.Append("INBOX", m); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *initWorld) config() string {
	return filepath.Join(w.home, ".config", "mailtwin", "config.toml")
}

// run executes a command; answers, if there are any, make a terminal.
func (w *initWorld) run(answers string, args ...string) int {
	w.Helper()
	env, stdout, stderr := testEnv(w.vars)
	env.keyring, env.stdin, env.asks = w.ring, strings.NewReader(answers), answers != ""
	status := run(w.Context(), env, args)
	w.stdout, w.stderr = stdout.String(), stderr.String()
	if strings.Contains(w.stdout+w.stderr, w.server.Password) {
		w.Errorf("the password shows:\n%s%s", w.stdout, w.stderr)
	}
	return status
}

func (w *initWorld) want(status int, words string, answers string, args ...string) {
	w.Helper()
	if got := w.run(answers, args...); got != status || !strings.Contains(w.stdout+w.stderr, words) {
		w.Fatalf("mailtwin %s\n got %d\n%s%s\nwant %d %q", strings.Join(args, " "), got, w.stdout, w.stderr, status, words)
	}
}

func (w *initWorld) tlsPort() int {
	_, port, err := net.SplitHostPort(w.server.TLSAddr)
	if err != nil {
		w.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// With flags alone, as a script would; and then a second account beside the first one.
func TestInitByFlags(t *testing.T) {
	w := newInitWorld(t)
	server := []string{"--host", "localhost", "--port", strconv.Itoa(w.tlsPort()), "--user", w.user, "--tls-ca", w.server.CAFile}
	secret := filepath.Join(w.home, "secret")
	if err := os.WriteFile(secret, []byte(w.server.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	password := []string{"--password-command", "cat " + secret}
	all := append(append([]string{"init", "work"}, server...), password...)

	w.want(exitUsage, "there is no terminal to ask on, and --address is missing", "", "init")
	w.want(exitUsage, "give --password-command, or set $MAILTWIN_PASSWORD_WORK", "", all[:len(all)-2]...)
	w.want(exitAuth, "login refused", "", append(append([]string{"init", "work"}, server...), "--password-command", "echo wrong")...)
	w.want(exitUsage, "init sets up protected connections only", "", append(all, "--tls", "none")...)
	w.want(1, "signed by an authority that is not known", "", append(append([]string{"init", "work"}, server[:6]...), password...)...)
	w.want(1, "give --tls-fingerprint sha256:", "", append(append([]string{"init", "work"}, server[:6]...), password...)...)
	if _, err := os.Stat(w.config()); err == nil {
		t.Error("something was written")
	}
	w.want(exitDone, "     30  ", "", all...)
	if info, err := os.Stat(w.config()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	w.want(exitDone, "", "", "sync")
	w.want(exitDone, "work: nothing to do", "", "sync", "-n")

	before, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.want(exitUsage, `has an account "work" already`, "", all...)
	w.want(exitUsage, "maildir", "", append(append([]string{"init", "two", "--maildir", "~/Mail/work"}, server...), password...)...)
	w.want(exitDone, "has the account two now", "", append(append([]string{"init", "two"}, server...), password...)...)
	after, err := os.ReadFile(w.config())
	if err != nil || !strings.HasPrefix(string(after), string(before)) {
		t.Errorf("what was there was changed: %s, %v", after, err)
	}
	w.vars["MAILTWIN_PASSWORD_THREE"] = w.server.Password
	w.want(exitDone, "Mind: the password is in $MAILTWIN_PASSWORD_THREE only, which cron does not have.", "", append([]string{"init", "three"}, server...)...)
	w.vars["MAILTWIN_PASSWORD_FOUR"] = w.server.Password
	if w.want(exitDone, "", "", append(append([]string{"init", "four"}, server...), password...)...); strings.Contains(w.stdout+w.stderr, "Mind") {
		t.Errorf("a warning that is not true: %s", w.stdout+w.stderr)
	}
	w.want(exitDone, "two: INBOX: new mailbox in the Maildir, 30 to download", "", "sync", "-n", "work", "two", "-v")
}

// With answers on a terminal: the certificate is shown and confirmed, the password goes to the keyring.
func TestInitByAnswers(t *testing.T) {
	w := newInitWorld(t)
	answers := func(lines ...string) string { return strings.Join(lines, "\n") + "\n" }
	flags := []string{"init", "--user", w.user, "--maildir", "~/Post", "--host", "localhost", "--port", strconv.Itoa(w.tlsPort())}
	w.want(1, "Its fingerprint is sha256:", answers("work", w.server.Password, "no"), flags...)
	w.want(exitUsage, "no answer; nothing was written", "work", flags...)
	w.want(exitDone, "The password of "+w.user+" is in the keyring now.", answers("work", w.server.Password, "yes"), flags...)
	if w.ring["mailtwin "+w.user+"@localhost"] != w.server.Password {
		t.Errorf("the keyring has %v", w.ring)
	}
	text, err := os.ReadFile(w.config())
	if err != nil || strings.Contains(string(text), w.server.Password) || !strings.Contains(string(text), "tls_fingerprint = [\"sha256:") {
		t.Errorf("%s, %v", text, err)
	}
	w.want(exitDone, "30 downloaded", "", "sync", "-v")

	// A password that is wrong, in the keyring or typed, may be typed again; the account gets a name that is free.
	w.ring["mailtwin "+w.user+"@localhost"] = "old"
	again := append(slices.Clone(flags), "--maildir", "~/Other", "--address", "me@work.example")
	w.want(exitDone, "has the account work2 now", answers("", "yes", "wrong", w.server.Password), again...)
	if w.ring["mailtwin "+w.user+"@localhost"] != w.server.Password {
		t.Error("the keyring keeps the old password")
	}

	// Where there is no keyring, the file may keep it, if the user says so.
	w.ring = nil
	w.home = t.TempDir()
	w.vars["HOME"] = w.home
	w.want(exitAuth, "it could not be kept, so nothing was written", answers("work", w.server.Password, "yes", "no"), flags...)
	w.want(exitDone, "Shall it stand in the configuration", answers("work", w.server.Password, "yes", "yes"), flags...)
	w.want(exitDone, "30 downloaded", "", "sync", "-v")

	// Not in a file that others can read.
	w.home = t.TempDir()
	w.vars["HOME"] = w.home
	if err := errors.Join(os.MkdirAll(filepath.Dir(w.config()), 0o700), os.WriteFile(w.config(), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	w.want(exitAuth, "can be read by others", answers("work", w.server.Password, "yes", "yes"), flags...)
}

// A server that only the DNS names, and that belongs to somebody else, is not asked for the mail unless that is said.
func TestInitAlienServer(t *testing.T) {
	env, _, stderr := testEnv(map[string]string{"HOME": t.TempDir()})
	env.asks = false
	o := initOptions{address: "me@hosted.example", dns: zone{"imaps hosted.example": {Target: "imap.provider.net.", Port: 993}}}
	err := env.runInit(t.Context(), o, []string{"work"})
	if exitStatus(err) != exitUsage || !strings.Contains(err.Error(), "give --host imap.provider.net") {
		t.Errorf("%v, %s", err, stderr)
	}
	o.address = "me@outlook.com"
	if err := env.runInit(t.Context(), o, []string{"work"}); exitStatus(err) != exitUsage || !strings.Contains(err.Error(), "--client-id is missing") ||
		!strings.Contains(stderr.String(), "only OAuth") {
		t.Errorf("%v, %s", err, stderr)
	}
}

func TestTOMLText(t *testing.T) {
	for _, name := range []string{"work", "wörk", `a "b" \c`, "x.y", "<&>", "tab\t"} {
		a := &account{name: name, Host: "h", User: name, Maildir: "/m" + name, PasswordCommand: command{line: name}}
		env, _, _ := testEnv(map[string]string{"HOME": "/home/me"})
		c := &config{path: "c", text: []byte(a.table()), mode: 0o600}
		if err := c.parse(env); err != nil {
			t.Errorf("%q: %v\n%s", name, err, c.text)
			continue
		}
		if got := c.Accounts[name]; got == nil || got.User != name || got.Maildir != "/m"+name || got.PasswordCommand.line != name {
			t.Errorf("%q: %+v", name, got)
		}
	}
}

// What is typed for the server, when there is no address to find it by, may name a port.
func TestServerAsTyped(t *testing.T) {
	for answer, want := range map[string]preset{
		"mail.example.org": {host: "mail.example.org"}, "mail.example.org:1993": {host: "mail.example.org", port: 1993}, "[::1]:993": {host: "::1", port: 993},
	} {
		var p preset
		if err := p.read(answer); err != nil || p.host != want.host || p.port != want.port {
			t.Errorf("%q: %+v, %v", answer, p, err)
		}
	}
	for _, answer := range []string{"::1", "mail.example.org:imap"} {
		if err := new(preset).read(answer); err == nil {
			t.Errorf("%q was taken", answer)
		}
	}
}
