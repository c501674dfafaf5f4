package gimap

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

type systemFolder struct {
	name, use string
	validity  uint32
}

// localNames are All Mail, Drafts, Important, Sent, Spam, Starred and Trash as Gmail calls them.
var localNames = map[string][7]string{
	"en":    {"All Mail", "Drafts", "Important", "Sent Mail", "Spam", "Starred", "Trash"},
	"en-GB": {"All Mail", "Drafts", "Important", "Sent Mail", "Spam", "Starred", "Bin"},
	"de":    {"Alle Nachrichten", "Entwürfe", "Wichtig", "Gesendet", "Spam", "Markiert", "Papierkorb"},
	"pl":    {"Wszystkie", "Wersje robocze", "Ważne", "Wysłane", "Spam", "Oznaczone gwiazdką", "Kosz"},
	"ja":    {"すべてのメール", "下書き", "重要", "送信済みメール", "迷惑メール", "スター付き", "ゴミ箱"},
}

// systemFolders are the mailboxes of a fresh account.
func systemFolders(o *Options) []systemFolder {
	names, ok := localNames[o.Locale]
	if !ok {
		names = localNames["en"]
	}
	at := func(i int) string { return o.Prefix + "/" + names[i] }
	folders := []systemFolder{
		{"INBOX", `\Inbox`, 1},
		{at(0), `\All`, 11},
		{at(1), `\Drafts`, 6},
		{at(2), `\Important`, 9},
		{at(3), `\Sent`, 5},
		{at(4), `\Junk`, 3},
		{at(5), `\Flagged`, 4},
		{at(6), `\Trash`, 2},
	}
	if o.Chats > 0 {
		folders = append(folders, systemFolder{o.Prefix + "/Chats", `\Chats`, 10})
	}
	for i, name := range o.More {
		folders = append(folders, systemFolder{o.Prefix + "/" + name, `\` + name, uint32(12 + i)})
	}
	return folders
}

var utf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// toUTF7 writes a name in modified UTF-7 (RFC 3501, section 5.1.3).
func toUTF7(name string) string {
	var b strings.Builder
	var run []rune
	end := func() {
		if len(run) == 0 {
			return
		}
		var octets []byte
		for _, u := range utf16.Encode(run) {
			octets = append(octets, byte(u>>8), byte(u))
		}
		b.WriteString("&" + utf7.EncodeToString(octets) + "-")
		run = nil
	}
	for _, r := range name {
		switch {
		case r < ' ' || r > '~':
			run = append(run, r)
			continue
		case r == '&':
			end()
			b.WriteString("&-")
		default:
			end()
			b.WriteRune(r)
		}
	}
	end()
	return b.String()
}

// fromUTF7 reads it; ok is false if it is none.
func fromUTF7(name string) (text string, ok bool) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(name, "&")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		code, after, closed := strings.Cut(rest, "-")
		if !closed {
			return "", false
		}
		name = after
		if code == "" {
			b.WriteByte('&')
			continue
		}
		octets, err := utf7.DecodeString(code)
		if err != nil || len(octets)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(octets)/2)
		for i := range units {
			units[i] = uint16(octets[2*i])<<8 | uint16(octets[2*i+1])
		}
		b.WriteString(string(utf16.Decode(units)))
	}
}
