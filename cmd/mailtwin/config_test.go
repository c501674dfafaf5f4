package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"mailtwin/imap"
)

// testEnv is an environment of variables alone.
func testEnv(vars map[string]string) (env *environment, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	return &environment{
		stdout: stdout, stderr: stderr,
		getenv: func(name string) string { return vars[name] },
		environ: func() []string {
			var all []string
			for name, value := range vars {
				all = append(all, name+"="+value)
			}
			return append(all, "PATH="+os.Getenv("PATH"))
		},
		keyring: ring{},
	}, stdout, stderr
}

// A ring is a keyring in memory. One that is nil does not work.
type ring map[string]string

func (r ring) Get(service, user string) (string, error) {
	if r == nil {
		return "", errNoKeyring
	}
	secret, ok := r[service+" "+user]
	if !ok {
		return "", keyring.ErrNotFound
	}
	return secret, nil
}

func (r ring) Set(service, user, secret string) error {
	if r == nil {
		return errNoKeyring
	}
	r[service+" "+user] = secret
	return nil
}

// parse reads a configuration, which only its owner can read.
func parse(t *testing.T, text string) (*config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env, _, _ := testEnv(map[string]string{"HOME": "/home/me"})
	c, err := env.loadConfig(path)
	if err != nil {
		if !errors.As(err, new(*usageError)) {
			t.Errorf("%v is no usage error", err)
		}
		err = errors.New(strings.ReplaceAll(err.Error(), path, "FILE"))
	}
	return c, err
}

const work = "[accounts.work]\nhost = \"imap.example.org\"\nuser = \"me\"\nmaildir = \"~/Mail\"\n" // four lines

func TestConfigDefaults(t *testing.T) {
	c, err := parse(t, work)
	if err != nil {
		t.Fatal(err)
	}
	a := c.Accounts["work"]
	if a.TLS != "implicit" || a.Maildir != "/home/me/Mail" || a.State != "/home/me/.local/state/mailtwin/work.db" {
		t.Errorf("%+v", a)
	}
}

func TestConfigValues(t *testing.T) {
	c, err := parse(t, `accounts.b = {address = "me@example.org", host = "localhost", tls = "none", maildir = "/b"}
[accounts."a.b"]
host = "imap.example.org"
port = 1993
tls = "starttls"
address = "me@example.org"
user = "you"
password_command = ["pass", "show", "a b"]
on_change = ["~/bin/told", "~/x"]
metrics = "~/x.prom"
maildir = "/a"
state = "/s"
layout = "nested"
delete_remote = "never"
max_delete = "30%"
connections = 2
timeout = "1m30s"
`)
	if err != nil {
		t.Fatal(err)
	}
	if b := c.Accounts["b"]; b.User != "me@example.org" {
		t.Errorf("user is %q", b.User)
	}
	a := c.Accounts["a.b"]
	if *a.Port != 1993 || a.User != "you" || *a.Connections != 2 || a.silence != 90*time.Second || a.DeleteRemote != "never" || a.most != 30 ||
		!slices.Equal(a.PasswordCommand.words, []string{"pass", "show", "a b"}) || a.State != "/s" ||
		!slices.Equal(a.OnChange.words, []string{"/home/me/bin/told", "~/x"}) || a.Metrics != "/home/me/x.prom" {
		t.Errorf("%+v", a)
	}
	for _, tt := range []struct{ names, want []string }{{nil, []string{"a.b", "b"}}, {[]string{"b"}, []string{"b"}}} {
		chosen, err := c.choose(tt.names)
		var got []string
		for _, a := range chosen {
			got = append(got, a.name)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("choose(%q) = %q, %v", tt.names, got, err)
		}
	}
	if _, err := c.choose([]string{"c"}); exitStatus(err) != exitUsage || !strings.Contains(err.Error(), `no account "c"`) {
		t.Errorf("an unknown account: %v", err)
	}
}

// S13: compression is what the configuration says, and where it says nothing, what is best.
func TestConfigCompress(t *testing.T) {
	env, _, _ := testEnv(nil)
	for line, want := range map[string]imap.Compression{
		"": imap.CompressAfar, "compress = true\n": imap.CompressOn, "compress = false\n": imap.CompressNever,
	} {
		c, err := parse(t, work+line)
		if err != nil {
			t.Fatal(err)
		}
		if got := env.imapOptions(c.Accounts["work"], nil, nil).Compress; got != want {
			t.Errorf("%q means %q, want %q", line, got, want)
		}
	}
}

const gmailToken = "[accounts.g]\nhost = \"IMAP.gmail.com\"\nuser = \"me\"\nmaildir = \"~/Mail\"\nauth = \"oauth2\"\n"

// Each mistake is named with its line. "+" puts the text behind the four lines of a good account.
func TestConfigMistakes(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "FILE: no account"},
		{"x", "FILE:1: "},
		{"accounts = 3", "FILE:1: accounts is a table"},
		{"+mailbox = [\"*\"]", `FILE:5: there is no key "accounts.work.mailbox"`},
		{"+mailboxes = \"*\"", `FILE:5: accounts.work.mailboxes is a list of texts, each in quotes: [`},
		{"+mailboxes = [INBOX]", `FILE:5: mailboxes is a list of texts`},
		{"+address = me@example.org", `FILE:5: address is a text, in quotes: "..."`},
		{"+password = secret", `FILE:5: password is a text, in quotes: "..."`},
		{"+state = ~/x", `FILE:5: state is a text, in quotes: "..."`},
		{"+timeout = 60s", `FILE:5: timeout is a text, in quotes: "..."`},
		{"+max_delete = 25%", `FILE:5: max_delete is a text, in quotes: "..."`},
		{"+port = 99x", `FILE:5: port is a number, without quotes`},
		{"+insecure = yes", `FILE:5: insecure is true or false, without quotes`},
		{"+password_command = pass show x", `FILE:5: password_command is a text, or a list of texts, in quotes: "..."`},
		{"accounts.work.host = imap.example.org", `FILE:1: host is a text, in quotes: "..."`},
		{"+state = \"x", `FILE:5: state: unterminated basic string`},
		{"+x = y", `FILE:5: unexpected character`},
		{"+mailboxes = [\"*\", \"!\"]", `FILE:5: account "work": mailboxes makes no sense: an empty pattern`},
		{"+quota = 3\nkeep = \"1d\"", "FILE:5: there is no key \"accounts.work.quota\"\nFILE:6: there is no key \"accounts.work.keep\""},
		{"+mode = \"mirror\"", `FILE:5: account "work": mode is "sync" or "backup", not "mirror"`},
		{"+keep_deleted = \"0d\"", `FILE:5: account "work": keep_deleted is "forever" or a number of days`},
		{"+auth = \"oauth\"", `FILE:5: account "work": auth is "password" or "oauth2", not "oauth"`},
		{"+auth = \"oauth2\"", `FILE:5: account "work": auth = "oauth2" without token_command is for Gmail and Microsoft; for imap.example.org name`},
		{"+auth = \"oauth2\"\npassword = \"x\"", `FILE:6: account "work": password makes no sense with auth = "oauth2"`},
		{"+client_id = \"x\"", `FILE:5: account "work": client_id makes no sense with auth = "password"`},
		{"+token_command = \"x\"", `FILE:5: account "work": token_command makes no sense with auth = "password"`},
		{"+auth = \"oauth2\"\ntoken_command = []", `FILE:6: account "work": token_command is a text, or a list`},
		{"+auth = \"oauth2\"\ntoken_command = \"x\"\nclient_id = \"y\"", `FILE:6: account "work": token_command and client_id are both there`},
		{gmailToken, `FILE:1: account "g": client_id is missing; docs/oauth.md tells how to get one from Google`},
		{gmailToken + "client_id = \"x\"", `FILE:1: account "g": client_secret is missing; Google shows it`},
		{"+[acounts.home]\nhost = \"h\"", "FILE:5: there is no key \"acounts"},
		{"+host = \"again\"", "FILE:5: "},
		{"+port = \"993\"", "FILE:5: accounts.work.port is a number, without quotes"},
		{"+port = 0", `FILE:5: account "work": port is a number from 1 to 65535, not 0`},
		{"+port = 65536", "FILE:5: account \"work\": port"},
		{"+insecure = \"no\"", "FILE:5: accounts.work.insecure is true or false"},
		{"+password = 1234", `FILE:5: accounts.work.password is a text, in quotes`},
		{"+password = \"a\"\npassword_command = \"b\"", "FILE:6: account \"work\": password_command and password are both there"},
		{"+password_command = 3", "FILE:5: account \"work\": password_command is a text, or a list"},
		{"+password_command = []", "FILE:5: account \"work\": password_command is a text, or a list"},
		{"+password_command = [\"pass\", 3]", "FILE:5: account \"work\": password_command is a text, or a list"},
		{"+password_command = [\"\"]", "FILE:5: account \"work\": password_command is a text, or a list"},
		{"+\n\ntls = \"ssl\"", `FILE:7: account "work": tls is "implicit", "starttls" or "none", not "ssl"`},
		{"+tls = \"none\"", `FILE:5: account "work": tls = "none" would send the password`},
		{"+tls_ca = \"/does/not/exist\"", "FILE:5: account \"work\": tls_ca cannot be read"},
		{"+tls_ca = \"/dev/null\"", "FILE:5: account \"work\": tls_ca holds no certificate"},
		{"+tls_fingerprint = [\"sha256:12\"]", `FILE:5: account "work": tls_fingerprint names certificates: "sha256:12" is not sha256: and 64 hexadecimal digits`},
		{"+tls_ca = \"/x\"\ntls_fingerprint = [\"sha256:" + strings.Repeat("00", 32) + "\"]", `FILE:6: account "work": tls_fingerprint takes the place of tls_ca`},
		{"+layout = \"flat\"", `FILE:5: account "work": layout is "nested" or "maildir++", not "flat"`},
		{"+max_delete = \"25\"", `FILE:5: account "work": max_delete is a share from "1%" to "100%", not "25"`},
		{"+max_delete = \"0%\"", `FILE:5: account "work": max_delete is a share from "1%" to "100%", not "0%"`},
		{"+delete_remote = \"yes\"", `FILE:5: account "work": delete_remote is "trash", "expunge" or "never", not "yes"`},
		{"+connections = 0", "FILE:5: account \"work\": connections is a number from 1 to 100, not 0"},
		{"+timeout = \"60\"", "FILE:5: account \"work\": timeout is a time like \"60s\""},
		{"+timeout = \"1ms\"", "FILE:5: account \"work\": timeout"},
		{"+state = \"work.db\"", "FILE:5: account \"work\": state is no absolute path"},
		{"[accounts.a]\nuser = \"u\"\nmaildir = \"/m\"", `FILE:1: account "a": host is missing`},
		{"[accounts.a]\nmaildir = \"/m\"\nuser = \"u\"\nhost = \"h:993\"", `FILE:4: account "a": host is a name or an address alone, not "h:993"; write the port as port = 993`},
		{"[accounts.a]\nmaildir = \"/m\"\nuser = \"u\"\nhost = \"imaps://h\"", `FILE:4: account "a": host is a name like "imap.example.org", without "imaps://" and "/"`},
		{"[accounts.a]\nmaildir = \"/m\"\nuser = \"u\"\nhost = \"h \"", `FILE:4: account "a": host is a name like "imap.example.org", without blanks`},
		{"[accounts.a]\nmaildir = \"/m\"\nuser = \"u\"\nhost = \"[::1]\"", `FILE:4: account "a": host is a name or an address alone`},
		{"[accounts.a]\nmaildir = \"/m\"\nuser = \"u\"\nhost = \"::1\"\nport = 0", `FILE:5: account "a": port`},
		{"[accounts.a]\nhost = \"h\"\nmaildir = \"/m\"", `FILE:1: account "a": user is missing, and so is address`},
		{"[accounts.a]\nhost = \"h\"\nuser = \"u\"\nmaildir = \"m\"", `FILE:4: account "a": maildir is no absolute path`},
		{"[accounts.\"a/b\"]\nhost = \"h\"\nuser = \"u\"\nmaildir = \"/m\"", `FILE:1: account "a/b": state is missing, and no file can be named`},
		{"[accounts]\na = {host = \"h\", user = \"u\", maildir = \"/m\", port = -1}", `FILE:2: account "a": port`},
		{"accounts.a.host = \"h\"\naccounts.a.user = \"u\"\naccounts.a.maildir = \"/m\"\naccounts.a.tls = \"x\"", `FILE:4: account "a": tls`},
		{"+[accounts.x]\nhost = \"h\"\nuser = \"u\"\nmaildir = \"/home/me/Mail/x\"", `FILE:8: account "x": maildir lies within the one of account "work"`},
		{"+[accounts.x]\nhost = \"h\"\nuser = \"u\"\nmaildir = \"/x\"\nstate = \"~/.local/state/mailtwin/work.db\"", `FILE:9: account "x": state belongs to account "work"`},
		{"+tls_ca = \"\"\"\n\"\"\"\nport = -1", "FILE:7: account \"work\": port"},
	} {
		text, more := strings.CutPrefix(tt.text, "+")
		if more {
			text = work + text
		}
		_, err := parse(t, text)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

// A password may lie in a file that nobody else can read, and nowhere else.
func TestConfigReadableByOthers(t *testing.T) {
	for _, tt := range []struct {
		mode     os.FileMode
		password string
		refused  bool
	}{
		{0o600, "secret", false},
		{0o400, "secret", false},
		{0o640, "secret", true},
		{0o604, "secret", true},
		{0o644, "", false},
	} {
		path := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(path, []byte(work+"password = \""+tt.password+"\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		env, _, _ := testEnv(map[string]string{"HOME": "/home/me"})
		_, err := env.loadConfig(path)
		if refused := err != nil; refused != tt.refused {
			t.Errorf("mode %o, password %q: %v", tt.mode, tt.password, err)
		}
		if tt.refused && (!strings.Contains(err.Error(), ":5: ") || !strings.Contains(err.Error(), "chmod 600")) {
			t.Errorf("the error does not help: %v", err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestConfigPlace(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, ".config", "mailtwin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".config", "mailtwin", "config.toml"), []byte(work), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		vars map[string]string
		want string // of the error
	}{
		{map[string]string{"HOME": dir}, ""},
		{map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, ".config"), "HOME": "/home/me"}, ""},
		{map[string]string{"HOME": "/home/me"}, "there is no configuration at /home/me/.config/mailtwin/config.toml"},
		{nil, "neither HOME nor XDG_CONFIG_HOME"},
	} {
		env, _, _ := testEnv(tt.vars)
		_, err := env.loadConfig("")
		if (err == nil) != (tt.want == "") || (err != nil && !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%v: got %v, want %q", tt.vars, err, tt.want)
		}
	}
}
