package syncer

import (
	"fmt"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// A mailbox that another program named in its own way gets its name, unless it may be another one.
func TestMisspelt(t *testing.T) {
	for _, tt := range []struct{ name, far, near, known, want string }{
		{name: "as on the wire", far: "Ü/R&D", near: "&ANw-/R&-D", want: "&ANw-/R&-D > Ü/R&D"},
		{name: "with dots", far: "Work Work/2024", near: "Work Work.2024", want: "Work.2024 > Work/2024"},
		{name: "with dots, as on the wire", far: "Ü/R&D", near: "&ANw-.R&-D", want: "&ANw-.R&-D > Ü/R&D"},
		{name: "with dots, as people read it", far: "Ü/R&D", near: "Ü.R&D", want: "Ü.R&D > Ü/R&D"},
		{name: "below INBOX", far: "INBOX/a", near: "INBOX.a", want: "INBOX.a > INBOX/a"},
		{name: "both names exist in the Maildir", far: "Work/2024", near: "Work.2024 Work/2024"},
		{name: "both names exist on the server", far: "Work.2024 Work/2024", near: "Work.2024"},
		{name: "a name for the mailboxes below", far: "Work/2024", near: "Work.2024 (Work/2024)"},
		{name: "only for the mailboxes below on the server", far: "(Work/2024)", near: "Work.2024"},
		{name: "fits two", far: "a/b.c a.b/c", near: "a.b.c"},
		{name: "known", far: "Work/2024", near: "Work.2024", known: "Work/2024"},
		{name: "known by the other name", far: "Work/2024", near: "Work.2024", known: "Work.2024"},
		{name: "nothing like it", far: "Work/2024", near: "Work2024"},
	} {
		v := &view{twins: map[mailbox.Name]mailbox.Twin{}}
		v.infos[Far], v.infos[Near] = infosOf(tt.far), infosOf(tt.near)
		for _, name := range strings.Fields(tt.known) {
			v.twins[mailbox.Name(name)] = mailbox.Twin{Name: mailbox.Name(name)}
		}
		v.sort()
		var got []string
		for _, n := range v.misspelt() {
			got = append(got, fmt.Sprintf("%s > %s", n.from, n.to))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// infosOf lists mailboxes; one in brackets is only there for those below it.
func infosOf(names string) map[mailbox.Name]mailbox.Info {
	wire := strings.NewReplacer("Ü", "&ANw-", "&", "&-")
	infos := map[mailbox.Name]mailbox.Info{}
	for _, text := range strings.Fields(names) {
		name := mailbox.Name(strings.Trim(text, "()"))
		infos[name] = mailbox.Info{Name: name, Raw: wire.Replace(string(name)), NoSelect: text != string(name)}
	}
	return infos
}
