package imap

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// What stands before all of the user's own mailboxes is left out of their names, and put before new ones.
func TestPrefix(t *testing.T) {
	const none = `* NAMESPACE (("" ".")) NIL NIL` + "\r\n%s OK\r\n"
	const own = `* NAMESPACE (("INBOX." ".")) NIL (("shared." "."))` + "\r\n%s OK\r\n"
	text := func(s string) *string { return &s }
	for _, tt := range []struct {
		name, list, namespace, want, created string
		known                                *string
		asked                                int
		after                                string // what is known afterwards
	}{
		{"below INBOX", "INBOX INBOX.Work INBOX.Work.2024", own, "INBOX Work Work/2024", "INBOX.new.one", nil, 1, "INBOX."},
		{"nothing but INBOX", "INBOX", own, "INBOX", "INBOX.new.one", nil, 1, "INBOX."},
		{"shared mailboxes beside", "INBOX INBOX.Work shared.a", own, "INBOX Work shared/a", "INBOX.new.one", nil, 1, "INBOX."},
		{"INBOX twice", "INBOX inbox.INBOX INBOX.INBOX.a", own, "INBOX INBOX/INBOX INBOX/a", "INBOX.new.one", nil, 1, "INBOX."},
		{"no prefix, by chance", "INBOX INBOX.Work", none, "INBOX INBOX/Work", "new.one", nil, 1, ""},
		{"shared mailboxes and nothing else", "INBOX shared.a", own, "INBOX shared/a", "INBOX.new.one", nil, 1, "INBOX."},
		{"not known to the server", "INBOX INBOX.Work", "%s BAD\r\n", "INBOX INBOX/Work", "new.one", nil, 1, ""},
		{"refused", "INBOX INBOX.Work", "%s NO [SERVERBUG] later\r\n", "NO [SERVERBUG] later", "", nil, 1, "unknown"},
		{"refused, and nothing hangs on it", "INBOX Work", "%s NO\r\n", "INBOX Work", "new.one", nil, 1, "unknown"},
		{"nonsense", "INBOX INBOX.Work", "* NAMESPACE ((\r\n%s OK\r\n", "INBOX INBOX/Work", "new.one", nil, 1, ""},
		{"known", "INBOX INBOX.Work", own, "INBOX Work", "INBOX.new.one", text("INBOX."), 0, "INBOX."},
		{"known that there is none", "INBOX INBOX.Work", own, "INBOX INBOX/Work", "new.one", text(""), 0, ""},
		{"known, and another now", "INBOX Work", none, "INBOX Work", "new.one", text("INBOX."), 1, ""},
		{"known, and refused", "INBOX Work", "%s NO\r\n", "INBOX Work", "INBOX.new.one", text("INBOX."), 1, "INBOX."},
	} {
		var list strings.Builder
		for name := range strings.FieldsSeq(tt.list) {
			list.WriteString("* LIST () \".\" " + name + "\r\n")
		}
		f := newFake(t, map[string]string{
			"AUTHENTICATE": "%s OK [CAPABILITY IMAP4rev1 NAMESPACE] in\r\n", "LIST": list.String() + "%s OK\r\n", "NAMESPACE": tt.namespace,
		})
		a := f.start().account()
		if tt.known != nil {
			a.setPrefix(*tt.known)
		}
		infos, err := a.Mailboxes(t.Context())
		after, known := a.Prefix()
		if !known {
			after = "unknown"
		}
		if n := len(f.sent("NAMESPACE")); err == nil && n != tt.asked || after != tt.after {
			t.Errorf("%s: asked %d times, known is %q", tt.name, n, after)
		}
		if tt.created == "" {
			if !errors.Is(err, mailbox.ErrTemporary) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
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
