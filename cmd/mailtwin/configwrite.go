package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// table is an account as it stands in a configuration.
func (a *account) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[accounts.%s]\n", tomlKey(a.name))
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s = %s\n", key, tomlText(value))
		}
	}
	line("address", a.Address)
	line("host", a.Host)
	if a.Port != nil {
		fmt.Fprintf(&b, "port = %d\n", *a.Port)
	}
	line("tls", a.TLS)
	line("tls_ca", a.TLSCA)
	for _, pin := range a.TLSFingerprint {
		fmt.Fprintf(&b, "tls_fingerprint = [%s]\n", tomlText(pin))
	}
	if a.User != a.Address {
		line("user", a.User)
	}
	line("auth", a.Auth)
	line("client_id", a.ClientID)
	line("client_secret", a.ClientSecret)
	line("token_command", a.TokenCommand.line)
	line("password_command", a.PasswordCommand.line)
	line("password", a.Password)
	line("maildir", a.Maildir)
	line("layout", a.Layout)
	return b.String()
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func tomlKey(name string) string {
	if bareKey.MatchString(name) {
		return name
	}
	return tomlText(name)
}

// tomlText writes a text in quotes. What JSON escapes, TOML reads in the same way.
func tomlText(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic(err) // a string can always be written
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}
