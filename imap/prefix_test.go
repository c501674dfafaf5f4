package imap

import (
	"slices"
	"strings"
	"testing"
)

// What stands before all of the user's own mailboxes is left out of their names, and put before new ones.
func TestPrefix(t *testing.T) {
	const own = `* NAMESPACE (("INBOX." ".")) NIL (("shared." "."))` + "\r\n%s OK\r\n"
	for _, tt := range []struct{ name, list, namespace, want, created string }{
		{"below INBOX", "INBOX INBOX.Work INBOX.Work.2024", own, "INBOX Work Work/2024", "INBOX.new.one"},
		{"nothing but INBOX", "INBOX", own, "INBOX", "INBOX.new.one"},
		{"shared mailboxes beside", "INBOX INBOX.Work shared.a", own, "INBOX Work shared/a", "INBOX.new.one"},
		{"INBOX twice", "INBOX inbox.INBOX INBOX.INBOX.a", own, "INBOX INBOX/INBOX INBOX/a", "INBOX.new.one"},
		{"no prefix, by chance", "INBOX INBOX.Work", `* NAMESPACE (("" ".")) NIL NIL` + "\r\n%s OK\r\n", "INBOX INBOX/Work", "new.one"},
		{"refused", "INBOX INBOX.Work", "%s NO\r\n", "INBOX INBOX/Work", "new.one"},
		{"nonsense", "INBOX INBOX.Work", "* NAMESPACE ((\r\n%s OK\r\n", "INBOX INBOX/Work", "new.one"},
		{"beside INBOX: not even asked", "INBOX Work", own, "INBOX Work", "new.one"},
	} {
		var list strings.Builder
		for name := range strings.FieldsSeq(tt.list) {
			list.WriteString("* LIST () \".\" " + name + "\r\n")
		}
		f := newFake(t, map[string]string{
			"AUTHENTICATE": "%s OK [CAPABILITY IMAP4rev1 NAMESPACE] in\r\n", "LIST": list.String() + "%s OK\r\n", "NAMESPACE": tt.namespace,
		})
		a := f.start().account()
		infos, err := a.Mailboxes(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []string
		for _, info := range infos {
			got = append(got, string(info.Name))
		}
		if slices.Sort(got); strings.Join(got, " ") != tt.want {
			t.Errorf("%s: mailboxes %q, want %s", tt.name, got, tt.want)
		}
		if err := a.Create(t.Context(), "new/one"); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if sent := f.sent("CREATE"); len(sent) == 0 || !strings.Contains(sent[0], tt.created) {
			t.Errorf("%s: made with %q, want %s", tt.name, sent, tt.created)
		}
	}
}
