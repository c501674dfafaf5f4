package main

import (
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// infos reads mailboxes as "Name:Role".
func infos(list string) []mailbox.Info {
	var all []mailbox.Info
	for _, word := range strings.Split(list, ", ") {
		name, role, _ := strings.Cut(word, ":")
		all = append(all, mailbox.Info{Name: mailbox.Name(name), Role: mailbox.Role(role)})
	}
	return all
}

func TestMapping(t *testing.T) {
	const (
		gmail   = "INBOX, [Gmail]/All Mail:All, [Gmail]/Sent Mail:Sent, [Gmail]/Papierkorb:Trash, [Gmail]/Chats, Work"
		dovecot = "INBOX, Archive:Archive, Sent Items:Sent, Trash:Trash, Work/2024"
		bare    = "INBOX, Sent, Old/a/b, Sub"
	)
	for _, tt := range []struct{ from, to, rules, want string }{
		{bare, bare, "", "INBOX=INBOX, Sent=Sent, Old/a/b=Old/a/b, Sub=Sub"},
		{bare, bare, "Old/*=Archive/*", "Old/a/b=Archive/a/b"},
		{bare, bare, "Old/*=Archive", "Old/a/b=Archive"},
		{bare, bare, "*=Import/*", "INBOX=Import/INBOX, Sub=Import/Sub"},
		{bare, bare, "Sub=Other Old/*=X/* Old/a/*=Y/*", "Sub=Other, Old/a/b=X/a/b"},
		{bare, dovecot, "", "Sent=Sent Items, Old/a/b=Old/a/b"},
		{dovecot, bare, "", "Sent Items=Sent, Archive=Archive, Trash=Trash"},
		{gmail, dovecot, "", "[Gmail]/All Mail=Archive, [Gmail]/Sent Mail=Sent Items, [Gmail]/Papierkorb=Trash, [Gmail]/Chats=Chats, Work=Work"},
		{dovecot, gmail, "", "Archive=[Gmail]/All Mail, Sent Items=[Gmail]/Sent Mail, Work/2024=Work/2024"},
		{gmail, gmail, "", "[Gmail]/All Mail=[Gmail]/All Mail, Work=Work"},
		{gmail, bare, "", "[Gmail]/All Mail=Archive, [Gmail]/Sent Mail=Sent"},
		{"INBOX, Archive", gmail, "", "Archive=[Gmail]/All Mail"},
		{"Sent, Archive", "Sent, Sent Items:Sent, Archive, Archives:Archive", "", "Sent=Sent, Archive=Archive"},
		{"Sent, Sent Items:Sent", "Sent, Sent Items:Sent", "", "Sent=Sent, Sent Items=Sent Items"},
		{gmail + ", [Gmail]/Spam:Junk, Junk", "INBOX, [Gmail]/All Mail:All, [Gmail]/Spam:Junk", "", "Junk=Junk"},
	} {
		var rules []mapRule
		for text := range strings.FieldsSeq(tt.rules) {
			rule, err := parseMapRule(text)
			if err != nil {
				t.Fatal(err)
			}
			rules = append(rules, rule)
		}
		m := newMapping(infos(tt.from), infos(tt.to), rules)
		for _, pair := range strings.Split(tt.want, ", ") {
			name, want, _ := strings.Cut(pair, "=")
			if got := m.to(mailbox.Name(name)); string(got) != want {
				t.Errorf("%s to %s, %q: %s becomes %s, want %s", tt.from, tt.to, tt.rules, name, got, want)
			}
		}
	}
}

func TestMapRules(t *testing.T) {
	for _, bad := range []string{"", "a", "=b", "a=", "a*b*=c", "a=b*", "a*=b*c*"} {
		if rule, err := parseMapRule(bad); err == nil {
			t.Errorf("%q is a rule: %+v", bad, rule)
		}
	}
}
