package syncer

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

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
		{name: "below a prefix, without it", far: "INBOX:Ü/a", near: "&ANw-/a", want: "&ANw-/a > Ü/a"},
		{name: "below a prefix, without it, with dots", far: "INBOX:Ü/a", near: "&ANw-.a", want: "&ANw-.a > Ü/a"},
		{name: "below a prefix, with it", far: "INBOX:Ü", near: "INBOX.&ANw-", want: "INBOX.&ANw- > Ü"},
		{name: "not below a prefix", far: "a:Ü", near: "&ANw-"},
		{name: "nothing like it", far: "Work/2024", near: "Work2024"},
	} {
		v := &view{twins: map[mailbox.Name]mailbox.Twin{}}
		v.infos[Far], v.infos[Near] = infosOf(tt.far), infosOf(tt.near)
		for _, name := range strings.Fields(tt.known) {
			v.twins[mailbox.Name(name)] = mailbox.Twin{Name: mailbox.Name(name)}
		}
		v.sort(compareNames)
		var got []string
		for _, n := range v.misspelt() {
			got = append(got, fmt.Sprintf("%s > %s", n.from, n.to))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// infosOf lists mailboxes; one in brackets is only there for those below it. What stands before a colon is only on the
// wire.
func infosOf(names string) map[mailbox.Name]mailbox.Info {
	wire := strings.NewReplacer("Ü", "&ANw-", "&", "&-")
	infos := map[mailbox.Name]mailbox.Info{}
	for _, text := range strings.Fields(names) {
		plain := strings.Trim(text, "()")
		prefix, rest, found := strings.Cut(plain, ":")
		if !found {
			prefix, rest = "", plain
		}
		name := mailbox.Name(rest)
		infos[name] = mailbox.Info{Name: name, Raw: path.Join(prefix, wire.Replace(rest)), NoSelect: text != plain}
	}
	return infos
}

// A rename that one side refuses does not end the run. The messages move one by one; if there is no place for them, they
// stay, and what is named, until there is.
func TestR18RefusedRename(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		for _, refused := range []string{"rename", "rename create"} {
			w := newWorld()
			renamer, refuser := []*memory{w.far, w.near}[side], []*memory{w.far, w.near}[side.Other()]
			w.far.make("Old")
			w.far.make("Old/below")
			for range 3 {
				w.far.put("Old", w.write())
				w.far.put("Old/below", w.write())
			}
			w.mustSync(t)
			before := w.far.content()
			bodies := w.far.bodies
			renamer.rename("Old", "Busy")
			renamer.put(mailbox.Inbox, w.write())
			refuser.refuses = func(verb string, id mailbox.ID) error {
				if strings.Contains(refused, verb) && (id == "Old" || id == "Busy") {
					return errRefused
				}
				return nil
			}
			r, err := w.sync(Options{})
			if err != nil || (len(r.Problems) > 0) != (refused != "rename") {
				t.Errorf("%s refused on the %v side: %v, %v", refused, side.Other(), err, r.Problems)
			}
			if n := len(refuser.boxes[mailbox.Inbox].messages); n != 1 {
				t.Errorf("%s refused on the %v side: INBOX was not synced", refused, side.Other())
			}
			if refused != "rename" {
				for name := range before {
					if strings.HasPrefix(name, "Old ") && refuser.content()[name] != 1 {
						t.Errorf("%s refused on the %v side: %q went away", refused, side.Other(), name)
					}
				}
			}
			refuser.refuses = nil
			w.mustSync(t)
			if w.far.bodies+w.far.appends > bodies+1 {
				t.Errorf("%s refused on the %v side: %d bodies, %d appends", refused, side.Other(), w.far.bodies-bodies, w.far.appends)
			}
			if refuser.boxes["Busy"] == nil || len(refuser.boxes["Busy"].messages) != 3 || len(refuser.boxes["Busy/below"].messages) != 3 || refuser.boxes["Old"] != nil {
				t.Errorf("%s refused on the %v side: %v", refused, side.Other(), refuser.content())
			}
			w.wantAgreement(t)
		}
	}
}

// A mailbox that was renamed, and another one made in its place, on one side: nothing is doubled, and nothing transferred.
func TestRenamedAndMadeAnew(t *testing.T) {
	for _, side := range []Side{Far, Near} {
		w := newWorld()
		w.far.make("Old")
		for range 3 {
			w.far.put("Old", w.write())
		}
		w.mustSync(t)
		bodies := w.far.bodies
		renamer := []*memory{w.far, w.near}[side]
		renamer.rename("Old", "New")
		renamer.make("Old")
		renamer.put("Old", w.write())
		w.mustSync(t)
		for _, m := range []*memory{w.far, w.near} {
			if len(m.boxes["Old"].messages) != 1 || len(m.boxes["New"].messages) != 3 {
				t.Errorf("%v side: %v", side, m.content())
			}
		}
		if w.far.bodies+w.far.appends > bodies+1 {
			t.Errorf("%v side: %d bodies, %d appends", side, w.far.bodies-bodies, w.far.appends)
		}
		w.wantAgreement(t)
	}
}

// A copy that the server refuses to make is uploaded.
func TestRefusedCopy(t *testing.T) {
	w := newWorld()
	m := w.write()
	w.far.put(mailbox.Inbox, m)
	w.mustSync(t)
	w.near.put(mailbox.Inbox, m)
	w.far.refuses = func(verb string, _ mailbox.ID) error {
		if verb == "copy" {
			return errRefused
		}
		return nil
	}
	w.mustSync(t)
	if w.far.appends != 1 || w.far.tries != 1 {
		t.Errorf("%d appends, %d tries to copy", w.far.appends, w.far.tries)
	}
	w.wantAgreement(t)
}

// What another program named in its own way is chosen by the name that it is to have, and left alone if that is not
// chosen.
func TestMisspeltAndChosen(t *testing.T) {
	for _, tt := range []struct{ name, chosen, spelt, near string }{
		{name: "all", chosen: "*", spelt: "Work.2024 Work.2025", near: "Work.2024 Work.2025"},
		{name: "by its name", chosen: "Work/2024", spelt: "Work.2024", near: "Work.2024"},
		{name: "all but one", chosen: "* !Work/2025", spelt: "Work.2024", near: "Work.2024"},
		{name: "as it is spelt", chosen: "Work.2024"},
	} {
		v := &view{twins: map[mailbox.Name]mailbox.Twin{}}
		v.infos[Far], v.infos[Near] = infosOf("Work/2024 Work/2025"), infosOf("Work.2024 Work.2025")
		v.sort(compareNames)
		v.spelt = v.misspelt()
		v.narrow(mailbox.Patterns(strings.Fields(tt.chosen)).Match)
		var spelt []string
		for _, n := range v.spelt {
			spelt = append(spelt, string(n.from))
		}
		var near []string
		for _, name := range slices.Sorted(maps.Keys(v.infos[Near])) {
			near = append(near, string(name))
		}
		if strings.Join(spelt, " ") != tt.spelt || strings.Join(near, " ") != tt.near {
			t.Errorf("%s: %q are spelt in another way, %q are left", tt.name, spelt, near)
		}
	}
}

// A move that the server refuses is put on record. Both mailboxes are synced as ever, the message stays where it is on the
// server, and it is moved once the server lets that be done.
func TestRefusedMove(t *testing.T) {
	for _, policy := range []Removal{Trash, Expunge, Never} {
		w := newWorld()
		w.far.make("Work")
		m := w.write()
		w.far.put(mailbox.Inbox, m)
		w.mustSync(t)
		clear(w.near.boxes[mailbox.Inbox].messages)
		w.near.boxes[mailbox.Inbox].version++
		w.near.put("Work", m)
		w.far.refuses = func(verb string, id mailbox.ID) error {
			if verb == "move" && id == "Work" {
				return errRefused
			}
			return nil
		}
		now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		for n := range 4 {
			for _, name := range []mailbox.Name{mailbox.Inbox, "Work"} {
				w.far.put(name, w.write())
				w.near.put(name, w.write())
			}
			r, err := w.sync(Options{Now: func() time.Time { return now }, DeleteRemote: policy})
			if err != nil {
				t.Fatal(err)
			}
			if first := n < 2; len(r.Problems) == 1 != first || len(r.Waiting) == 1 == first || len(w.ledger.troubles) != 1 {
				t.Errorf("%s, run %d: %v, waiting %v, on record %v", policy, n, r.Problems, r.Waiting, w.ledger.troubles)
			}
			for _, name := range []mailbox.Name{mailbox.Inbox, "Work"} {
				far, near := len(w.far.boxes[name].messages), len(w.near.boxes[name].messages)
				if name == mailbox.Inbox && far != 2*n+3 || name == "Work" && near != 2*n+3 || far+near != 4*n+5 {
					t.Errorf("%s, run %d: %d messages of %s on the far side, %d on the near side", policy, n, far, name, near)
				}
			}
		}
		w.far.refuses = nil
		if r, err := w.sync(Options{Retry: true, DeleteRemote: policy}); err != nil || len(r.Problems)+len(w.ledger.troubles) > 0 {
			t.Errorf("%s: %v, %v, on record %v", policy, err, r.Problems, w.ledger.troubles)
		}
		if n := len(w.far.boxes["Work"].messages); n != 9 || w.far.appends != 8 {
			t.Errorf("%s: %d messages of Work on the far side, %d uploads", policy, n, w.far.appends)
		}
		w.wantAgreement(t)
	}
}

// A move that fails for now is done in the next run.
func TestFailedMove(t *testing.T) {
	w := newWorld()
	w.far.make("Work")
	m := w.write()
	w.far.put(mailbox.Inbox, m)
	w.far.put(mailbox.Inbox, w.write())
	w.mustSync(t)
	for id, have := range w.near.boxes[mailbox.Inbox].messages {
		if have.raw == m.raw {
			delete(w.near.boxes[mailbox.Inbox].messages, id)
		}
	}
	w.near.boxes[mailbox.Inbox].version++
	w.near.put("Work", m)
	w.far.refuses = func(verb string, _ mailbox.ID) error {
		if verb == "move" {
			return fmt.Errorf("%w: NO [INUSE] later", mailbox.ErrTemporary)
		}
		return nil
	}
	if r, err := w.sync(Options{}); err != nil || len(r.Problems) != 1 || len(w.far.boxes[mailbox.Inbox].messages) != 2 {
		t.Errorf("%v, %v, %d messages on the far side", err, r.Problems, len(w.far.boxes[mailbox.Inbox].messages))
	}
	w.far.refuses = nil
	r, err := w.sync(Options{})
	if err != nil || r.Total().Moved[Far] != 1 || w.far.appends > 0 {
		t.Errorf("%v %s", err, describe(r))
	}
	w.wantAgreement(t)
}
