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
	list := func(key string, texts []string) {
		if len(texts) > 0 {
			fmt.Fprintf(&b, "%s = %s\n", key, tomlList(texts))
		}
	}
	list("tls_fingerprint", a.TLSFingerprint)
	if a.User != a.Address {
		line("user", a.User)
	}
	line("auth", a.Auth)
	line("client_id", a.ClientID)
	line("client_secret", a.ClientSecret)
	line("token_command", a.TokenCommand.line)
	list("token_command", a.TokenCommand.words)
	line("password_command", a.PasswordCommand.line)
	list("password_command", a.PasswordCommand.words)
	line("password", a.Password)
	line("maildir", a.Maildir)
	line("layout", a.Layout)
	list("mailboxes", a.Mailboxes)
	line("mode", a.Mode)
	line("delete_remote", a.DeleteRemote)
	if a.Connections != nil {
		fmt.Fprintf(&b, "connections = %d\n", *a.Connections)
	}
	line("timeout", a.Timeout)
	line("on_change", a.OnChange.line)
	list("on_change", a.OnChange.words)
	if a.Compress != nil {
		fmt.Fprintf(&b, "compress = %t\n", *a.Compress)
	}
	return b.String()
}

func tomlList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = tomlText(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
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
