package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"mailtwin/imap"
	"mailtwin/rcfile"
)

// connect takes over how mbsync reaches the server and logs in.
func (m *mbsync) connect(p *mbsyncAccount) {
	if o, ok := p.login.Get("tunnel"); ok {
		m.refuse(p.takeover, o, "mailtwin opens its connections itself, and there is nothing like it. Let the command listen on a port of this "+
			"machine, as ssh -L does, and write the account down by hand with host, port and tls")
	}
	m.host(p)
	m.user(p)
	if o, ok := p.login.Get("port"); ok {
		n, err := strconv.Atoi(o.Value())
		if err != nil {
			m.refuse(p.takeover, o, "%q is not a number", o.Value())
		}
		if p.account.Port = &n; n == map[string]int{"": 993, string(imap.StartTLS): 143, string(imap.Plain): 143}[p.account.TLS] {
			p.account.Port = nil
		}
	}
	m.certificates(p)
	m.password(p)
	if o, ok := p.login.Get("timeout"); ok {
		switch n, err := strconv.Atoi(o.Value()); {
		case err != nil:
			m.refuse(p.takeover, o, "%q is not a number", o.Value())
		case n > 0:
			p.account.Timeout = strconv.Itoa(n) + "s"
		default:
			m.say(o, "mailtwin does not wait for ever: it waits for a minute; timeout sets it")
		}
	}
}

// host finds the server and how the connection is protected.
func (m *mbsync) host(p *mbsyncAccount) {
	o, ok := p.login.Get("host")
	if !ok {
		m.lacks(p.takeover, p.login, "there is no Host")
		return
	}
	security := m.security(p.login)
	host := o.Value()
	if rest, ok := strings.CutPrefix(host, "imaps:"); ok { // as mbsync once wrote it
		host, security = rest, imap.Implicit
	}
	host = strings.TrimPrefix(strings.TrimPrefix(host, "imap:"), "//")
	if security == imap.Plain && !isLoopback(host) {
		where, ok := p.login.Get("ssltype")
		if newer, is := p.login.Get("tlstype"); is || !ok {
			where = newer
		}
		if where.Line == 0 {
			where = o
		}
		m.refuse(p.takeover, where, "mbsync sends the password over the network for everybody to read. If the server knows STARTTLS or IMAPS, say so here, "+
			`and try again; if it does not, write the account down by hand, with tls = "none" and insecure = true`)
	}
	p.account.Host = host
	if security != imap.Implicit {
		p.account.TLS = string(security)
	}
}

// security reads the keys of now and of before mbsync 1.2 that say how a connection is protected.
func (m *mbsync) security(s *rcfile.Section) imap.Security {
	for _, key := range []string{"tlstype", "ssltype"} {
		o, ok := s.Get(key)
		if !ok {
			continue
		}
		switch strings.ToLower(o.Value()) {
		case "imaps":
			return imap.Implicit
		case "none":
			return imap.Plain
		}
		return imap.StartTLS
	}
	if o, ok := s.Get("useimaps"); ok && mbsyncYes(o) {
		return imap.Implicit
	}
	require, ok := s.Get("requiressl")
	if tls, has := s.Get("usetlsv1"); ok && !mbsyncYes(require) && has && !mbsyncYes(tls) {
		return imap.Plain
	}
	if ok && !mbsyncYes(require) {
		m.say(require, "mailtwin goes on only if the connection is protected (STARTTLS)")
	}
	return imap.StartTLS
}

func mbsyncYes(o rcfile.Option) bool {
	return slices.Contains([]string{"yes", "true", "on", "1"}, strings.ToLower(o.Value()))
}

func (m *mbsync) user(p *mbsyncAccount) {
	o, ok := p.login.Get("user")
	if ok {
		p.account.User = o.Value()
		return
	}
	if o, ok := p.login.Get("usercmd"); ok {
		m.refuse(p.takeover, o, "mailtwin has no command for the name. Write User and the name here, and try again")
		return
	}
	m.lacks(p.takeover, p.login, "there is no User")
}

// certificates takes over whom mbsync trusts.
func (m *mbsync) certificates(p *mbsyncAccount) {
	o, ok := p.login.Get("certificatefile")
	system, has := p.login.Get("systemcertificates")
	if has && !mbsyncYes(system) && !ok {
		m.refuse(p.takeover, system, "then no certificate at all is good, but for those in a CertificateFile, and there is none")
	}
	if !ok || p.account.TLS == string(imap.Plain) {
		return
	}
	path, err := m.env.absolute(o.Value())
	if err == nil && slices.Contains(bundles, path) {
		return // which is what everybody trusts
	}
	text := ""
	if err == nil {
		text, err = p.trust(path)
	}
	if err != nil {
		m.refuse(p.takeover, o, "%v", err)
		return
	}
	m.say(o, "%s", text)
}

// password takes over how mbsync comes to the password, or to an access token.
func (m *mbsync) password(p *mbsyncAccount) {
	token := m.mechanisms(p)
	if o, ok := p.login.Get("usekeychain"); ok && mbsyncYes(o) {
		p.account.PasswordCommand = command{words: []string{"security", "find-internet-password", "-r", "imap", "-s", p.account.Host, "-a", p.account.User, "-w"}}
		m.say(o, "password_command asks the macOS Keychain for it, by the program security")
		return
	}
	if o, ok := p.login.Get("passcmd"); ok {
		c := command{line: strings.TrimPrefix(o.Value(), "+")}
		if !c.given() {
			m.refuse(p.takeover, o, "it is empty")
		}
		if token {
			p.account.TokenCommand = c
		} else {
			p.account.PasswordCommand = c
		}
		return
	}
	o, ok := p.login.Get("pass")
	switch {
	case token:
		m.lacks(p.takeover, p.login, "the server wants an access token, and there is no PassCmd that prints one; see docs/oauth.md")
	case ok:
		p.secret = o.Value()
	default:
		p.asks = true
	}
}

// mechanisms tells whether the login is done with an access token.
func (m *mbsync) mechanisms(p *mbsyncAccount) (token bool) {
	var named []string
	var at rcfile.Option
	for _, o := range p.login.Options {
		if o.Key == "authmech" || o.Key == "authmechs" {
			at = o
			for _, v := range o.Values {
				named = append(named, strings.ToUpper(v))
			}
		}
	}
	if o, ok := p.login.Get("requirecram"); ok && mbsyncYes(o) {
		at, named = o, append(named, "CRAM-MD5")
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(named, func(n string) bool { return slices.Contains(names, n) })
	}
	switch {
	case len(named) == 0 || has("*", "PLAIN", "LOGIN"):
		return false
	case has("XOAUTH2", "OAUTHBEARER"):
		p.account.Auth = authOAuth2
		return true
	}
	m.say(at, "mailtwin logs in with the password itself (PLAIN, LOGIN), within TLS; if the server takes only %s, the login fails", strings.Join(named, " "))
	return false
}

var errNotDirectory = errors.New("it is the beginning of names, and no directory: mbsync wants a slash at its end")
