package main

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"mailtwin/imap"
	"mailtwin/rcfile"
)

// connect takes over how OfflineIMAP reaches the server and logs in.
func (m *offlineimap) connect(a *offlineimapAccount) {
	for _, key := range []string{"preauthtunnel", "transporttunnel"} {
		if o, ok := m.value(a, a.far, key); ok {
			m.refuse(a.takeover, o, "mailtwin opens its connections itself, and there is nothing like it. Let the command listen on a port of this machine, "+
				"as ssh -L does, and write the account down by hand with host, port and tls")
		}
	}
	for _, key := range []string{"remotehosteval", "remoteusereval", "remoteporteval"} {
		if o, ok := m.value(a, a.far, key); ok {
			m.refuse(a.takeover, o, "it is Python, which mailtwin does not understand. Write what it comes to as %s here, and try again", strings.TrimSuffix(key, "eval"))
		}
	}
	host, hasHost := m.value(a, a.far, "remotehost")
	a.account.Host = host.Value()
	if a.gmail && !hasHost {
		a.account.Host = "imap.gmail.com"
	}
	if a.account.Host == "" {
		m.lacks(a.takeover, a.far, "there is no remotehost")
	}
	user, _ := m.value(a, a.far, "remoteuser")
	if a.account.User = user.Value(); a.account.User == "" {
		m.lacks(a.takeover, a.far, "there is no remoteuser")
	}
	m.security(a)
	m.certificates(a)
	m.numbers(a)
	if !m.token(a) {
		m.password(a)
	}
}

// security takes over how the connection is protected.
func (m *offlineimap) security(a *offlineimapAccount) {
	ssl, is := m.yes(a, a.far, "ssl", true)
	starttls, starts := m.yes(a, a.far, "starttls", true)
	usual := 993
	switch {
	case is:
	case starts:
		usual, a.account.TLS = 143, string(imap.StartTLS)
		m.say(ssl, `tls = "starttls": OfflineIMAP goes on without protection if the server does not know STARTTLS; mailtwin does not`)
	default:
		usual, a.account.TLS = 143, string(imap.Plain)
		if !isLoopback(a.account.Host) {
			m.refuse(a.takeover, starttls, "OfflineIMAP sends the password over the network for everybody to read. Try without this line; if the server knows no "+
				`protection at all, write the account down by hand, with tls = "none" and insecure = true`)
		}
	}
	o, ok := m.value(a, a.far, "remoteport")
	if !ok {
		return
	}
	n, err := strconv.Atoi(o.Value())
	if err != nil {
		m.refuse(a.takeover, o, "%q is not a number", o.Value())
	}
	if n != usual {
		a.account.Port = &n
	}
}

// certificates takes over whom OfflineIMAP trusts.
func (m *offlineimap) certificates(a *offlineimapAccount) {
	if a.account.TLS == string(imap.Plain) {
		return
	}
	pins, hasPins := m.value(a, a.far, "cert_fingerprint")
	if hasPins {
		m.pins(a, pins)
	}
	o, ok := m.value(a, a.far, "sslcacertfile")
	if !ok || o.Value() == "OS-DEFAULT" {
		return
	}
	path, err := m.path(o)
	switch {
	case err != nil:
		m.refuse(a.takeover, o, "%v", err)
	case slices.Contains(bundles, path):
	case len(a.account.TLSFingerprint) > 0:
		m.say(o, "cert_fingerprint names the certificate, and mailtwin takes no other, whoever signed it")
	default:
		a.account.TLSCA = path
	}
}

// pins takes over the fingerprints that are SHA-256; others cannot be turned into one.
func (m *offlineimap) pins(a *offlineimapAccount, o rcfile.Option) {
	for _, text := range strings.Split(o.Value(), ",") {
		text = strings.TrimSpace(text)
		if pin, err := imap.ParseFingerprint("sha256:" + text); err == nil {
			a.account.TLSFingerprint = append(a.account.TLSFingerprint, pin.String())
		}
	}
	if len(a.account.TLSFingerprint) > 0 {
		return
	}
	port := 993
	if a.account.Port != nil {
		port = *a.account.Port
	}
	m.say(o, "mailtwin wants a SHA-256, which cannot be made of this. A certificate that your system trusts needs none. For another one, compare what "+
		"openssl s_client -connect %s:%d </dev/null | openssl x509 -noout -fingerprint prints with -sha1 and with -sha256, and write the latter as tls_fingerprint = [\"sha256:...\"]",
		a.account.Host, port)
}

// numbers takes over how many connections there are, and how long they may be silent.
func (m *offlineimap) numbers(a *offlineimapAccount) {
	if o, ok := m.value(a, a.far, "maxconnections"); ok {
		n, err := strconv.Atoi(o.Value())
		if err != nil {
			m.refuse(a.takeover, o, "%q is not a number", o.Value())
		}
		a.account.Connections = &n
	}
	if o, ok := m.value(a, m.general, "socktimeout"); ok && o.Value() != "0" {
		a.account.Timeout = o.Value() + "s"
	}
	if o, is := m.yes(a, a.far, "usecompression", true); !is {
		off := false
		a.account.Compress = &off
		m.say(o, "compress = false")
	}
}

// token takes over a login with an access token, and tells whether there is one.
func (m *offlineimap) token(a *offlineimapAccount) bool {
	o, ok := m.value(a, a.far, "oauth2_access_token_eval")
	if ok {
		a.account.Auth = authOAuth2
		a.account.TokenCommand = m.python(a, o, "token_command")
		return true
	}
	for _, key := range []string{"oauth2_refresh_token", "oauth2_refresh_token_eval", "oauth2_access_token"} {
		if o, ok = m.value(a, a.far, key); ok {
			m.refuse(a.takeover, o, "tokens are not taken over: write the account down by hand with auth = \"oauth2\" and the client_id and client_secret that stand here, "+
				"then run mailtwin auth; see docs/oauth.md")
			return true
		}
	}
	return false
}

// password takes over how OfflineIMAP comes to the password, in the order in which it looks.
func (m *offlineimap) password(a *offlineimapAccount) {
	if o, ok := m.value(a, a.far, "remotepasseval"); ok {
		if text, plain := rcfile.ParseText(o.Value()); plain {
			a.secret = text
			return
		}
		a.account.PasswordCommand = m.python(a, o, "password_command")
		return
	}
	if o, ok := m.value(a, a.far, "remotepass"); ok {
		a.secret = o.Value()
		return
	}
	if o, ok := m.value(a, a.far, "remotepassfile"); ok {
		path, err := m.path(o)
		if err != nil {
			m.refuse(a.takeover, o, "%v", err)
		}
		a.account.PasswordCommand = command{words: []string{"head", "-n", "1", path}}
		return
	}
	a.asks = true
}

// pythonScript evaluates an expression with the names of a file, as OfflineIMAP does, and prints what it comes to.
const pythonScript = "import runpy, sys; v = eval(sys.argv[2], runpy.run_path(sys.argv[1])); sys.stdout.write(v.decode() if isinstance(v, bytes) else v)"

// python has Python call a function of the user's own file. Anything else might hold a secret, which then stood in the
// configuration and in the list of processes, and is left to the user.
func (m *offlineimap) python(a *offlineimapAccount, o rcfile.Option, key string) command {
	file, ok := m.value(a, m.general, "pythonfile")
	function, is := rcfile.ParseCall(o.Value())
	if !ok || !is {
		m.refuse(a.takeover, o, "it is Python, and no plain call of a function in your pythonfile. Write a program that prints the same, and the account by hand, with %s", key)
		return command{}
	}
	path, err := m.path(file)
	if err != nil {
		m.refuse(a.takeover, file, "%v", err)
	}
	if _, err := exec.LookPath("python3"); err != nil {
		m.refuse(a.takeover, o, "it is Python, and there is no python3 here: %v", err)
	}
	m.say(o, "%s has python3 call %s in %s, as OfflineIMAP did", key, function, path)
	return command{words: []string{"python3", "-c", pythonScript, path, o.Value()}}
}
