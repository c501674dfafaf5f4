package main

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"mailtwin/imap"
)

// A preset is where the mail of a provider is to be found.
type preset struct {
	host  string
	port  int // 0: the usual one
	tls   imap.Security
	note  string // what its users should know, or empty
	oauth bool   // it takes no password
	known bool   // it is compiled in, and has a certificate that everybody can check
	alien bool   // the host belongs to another domain, and nobody but the DNS says so
}

const appPassword = "it wants an app password, which you make in the security settings of your account; the password of the web page is refused"

// presets are compiled in: what comes over the network in clear could name any server (S12).
var presets = map[string]preset{
	"gmail.com":      {host: "imap.gmail.com", note: "Gmail: " + appPassword + " (https://myaccount.google.com/apppasswords)"},
	"outlook.com":    {host: "outlook.office365.com", oauth: true, note: "Microsoft takes no passwords over IMAP any more, only OAuth; docs/oauth.md tells how to get a client_id"},
	"fastmail.com":   {host: "imap.fastmail.com", note: "Fastmail: " + appPassword},
	"icloud.com":     {host: "imap.mail.me.com", note: "iCloud: " + appPassword},
	"yahoo.com":      {host: "imap.mail.yahoo.com", note: "Yahoo: " + appPassword},
	"aol.com":        {host: "imap.aol.com", note: "AOL: " + appPassword},
	"gmx.net":        {host: "imap.gmx.net", note: "GMX: allow IMAP in the settings on the web first"},
	"gmx.com":        {host: "imap.gmx.com", note: "GMX: allow IMAP in the settings on the web first"},
	"web.de":         {host: "imap.web.de", note: "WEB.DE: allow IMAP in the settings on the web first"},
	"mailbox.org":    {host: "imap.mailbox.org"},
	"posteo.de":      {host: "posteo.de"},
	"t-online.de":    {host: "secureimap.t-online.de", note: "Telekom: it wants the mail password, not that of the customer centre"},
	"zoho.com":       {host: "imap.zoho.com", note: "Zoho: allow IMAP in the settings on the web first"},
	"yandex.com":     {host: "imap.yandex.com", note: "Yandex: " + appPassword},
	"mail.ru":        {host: "imap.mail.ru", note: "Mail.ru: " + appPassword},
	"proton.me":      {host: "127.0.0.1", port: 1143, tls: imap.StartTLS, note: "Proton: start Proton Mail Bridge; it shows the password to use"},
	"runbox.com":     {host: "mail.runbox.com"},
	"migadu.com":     {host: "imap.migadu.com"},
	"dreamhost.com":  {host: "imap.dreamhost.com"},
	"purelymail.com": {host: "imap.purelymail.com"},
}

// sameAs are the other domains of these providers.
var sameAs = map[string]string{
	"googlemail.com": "gmail.com", "hotmail.com": "outlook.com", "live.com": "outlook.com", "msn.com": "outlook.com",
	"fastmail.fm": "fastmail.com", "messagingengine.com": "fastmail.com", "me.com": "icloud.com", "mac.com": "icloud.com",
	"ymail.com": "yahoo.com", "gmx.de": "gmx.net", "gmx.at": "gmx.net", "gmx.ch": "gmx.net", "posteo.net": "posteo.de",
	"ya.ru": "yandex.com", "yandex.ru": "yandex.com", "protonmail.com": "proton.me", "pm.me": "proton.me", "protonmail.ch": "proton.me",
}

// A resolver looks for SRV records.
type resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

const lookupTime = 5 * time.Second

// findServer proposes a server for the mail of a domain: from the presets, else from its SRV records, else by the name
// that most have. Clear text is never proposed.
//
// Source: RFC 6186; RFC 8314.
func findServer(ctx context.Context, dns resolver, domain string) preset {
	domain = strings.ToLower(domain)
	if other, ok := sameAs[domain]; ok {
		domain = other
	}
	p, ok := presets[domain]
	p.known = ok && p.host != "127.0.0.1"
	if !ok {
		p, ok = fromSRV(ctx, dns, domain)
	}
	if !ok {
		p = preset{host: "imap." + domain}
	}
	if p.tls == "" {
		p.tls = imap.Implicit
	}
	if p.port == 0 {
		p.port = 993
	}
	return p
}

// fromSRV asks for the services that a domain announces. "." announces that there is none.
func fromSRV(ctx context.Context, dns resolver, domain string) (preset, bool) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	for _, service := range []struct {
		name string
		tls  imap.Security
	}{{"imaps", imap.Implicit}, {"imap", imap.StartTLS}} {
		_, records, err := dns.LookupSRV(ctx, service.name, "tcp", domain)
		if err != nil || len(records) == 0 || records[0].Target == "." {
			continue
		}
		host := strings.ToLower(strings.TrimSuffix(records[0].Target, "."))
		alien := host != domain && !strings.HasSuffix(host, "."+domain)
		return preset{host: host, port: int(records[0].Port), tls: service.tls, alien: alien}, true
	}
	return preset{}, false
}

func (p preset) String() string { return net.JoinHostPort(p.host, strconv.Itoa(p.port)) }
