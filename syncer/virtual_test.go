package syncer

import (
	"context"
	"maps"
	"slices"
	"testing"

	"mailtwin/mailbox"
)

// An overview is a far side with a virtual mailbox, All, that shows the messages of all others but the Trash.
type overview struct {
	*memory
	shows map[mailbox.ID]mailbox.Place // by ID in All
}

func newOverview() (*world, *overview) {
	w := newWorld()
	w.far.make("All")
	return w, &overview{w.far, map[mailbox.ID]mailbox.Place{}}
}

// refresh lets All show what is there now.
func (o *overview) refresh() {
	all := o.boxes["All"]
	shown := map[mailbox.Place]bool{}
	for id, place := range o.shows {
		m, there := o.boxes[place.Mailbox].messages[place.ID]
		if !there {
			delete(o.shows, id)
			delete(all.messages, id)
			all.version++
			continue
		}
		shown[place], all.messages[id] = true, m
	}
	for name, b := range o.boxes {
		for id, m := range b.messages {
			place := mailbox.Place{Mailbox: name, ID: id}
			if name != "All" && name != "Trash" && !shown[place] {
				o.shows[o.put("All", m)] = place
			}
		}
	}
}

func (o *overview) Mailboxes(ctx context.Context) ([]mailbox.Info, error) {
	o.refresh()
	infos, err := o.memory.Mailboxes(ctx)
	for i := range infos {
		if infos[i].Name == "All" {
			infos[i].Role = mailbox.RoleAll
		}
	}
	return infos, err
}

// lies tells where messages lie that are named by their place in a mailbox.
func (o *overview) lies(name mailbox.Name, doomed []mailbox.Doomed) map[mailbox.Name][]mailbox.Doomed {
	where := map[mailbox.Name][]mailbox.Doomed{}
	for _, d := range doomed {
		place := mailbox.Place{Mailbox: name, ID: d.ID}
		if name == "All" {
			place = o.shows[d.ID]
		}
		where[place.Mailbox] = append(where[place.Mailbox], mailbox.Doomed{ID: place.ID})
	}
	return where
}

func (o *overview) Move(ctx context.Context, from mailbox.Name, doomed []mailbox.Doomed, to mailbox.Name) (mailbox.Moved, error) {
	moved := mailbox.Moved{To: map[mailbox.ID]mailbox.ID{}}
	for name, list := range o.lies(from, doomed) {
		if _, err := o.memory.Move(ctx, name, list, to); err != nil {
			return moved, err
		}
	}
	for _, d := range doomed {
		moved.To[d.ID] = ""
	}
	return moved, nil
}

func (o *overview) Remove(ctx context.Context, from mailbox.Name, doomed []mailbox.Doomed) (gone, kept []mailbox.ID, err error) {
	for name, list := range o.lies(from, doomed) {
		if _, _, err := o.memory.Remove(ctx, name, list); err != nil {
			return nil, nil, err
		}
	}
	for _, d := range doomed {
		gone = append(gone, d.ID)
	}
	return gone, nil, nil
}

// What is removed from a mailbox that shows it, and not from where it lies, comes back without a transfer. What is removed
// from where it lies, from there alone or from both, is removed.
func TestRemovedFromVirtualMailbox(t *testing.T) {
	for _, tt := range []struct {
		name    string
		removed []mailbox.Name
		policy  Removal
		want    []mailbox.Name
	}{
		{"from All", []mailbox.Name{"All"}, Trash, []mailbox.Name{"All", "INBOX"}},
		{"from All, expunge", []mailbox.Name{"All"}, Expunge, []mailbox.Name{"All", "INBOX"}},
		{"from INBOX", []mailbox.Name{"INBOX"}, Trash, []mailbox.Name{"Trash"}},
		{"from INBOX, expunge", []mailbox.Name{"INBOX"}, Expunge, nil},
		{"from both", []mailbox.Name{"All", "INBOX"}, Trash, []mailbox.Name{"Trash"}},
		{"from both, expunge", []mailbox.Name{"All", "INBOX"}, Expunge, nil},
		{"the mailbox", nil, Expunge, []mailbox.Name{"All", "INBOX"}},
	} {
		w, far := newOverview()
		m := w.write()
		w.far.put("INBOX", m)
		w.far.put("INBOX", w.write())
		run := func(dry bool) *Report {
			r, err := Run(t.Context(), far, w.near, w.ledger, Options{DeleteRemote: tt.policy, Workers: 1, DryRun: dry})
			if err != nil || len(r.Problems) > 0 {
				t.Fatalf("%s: %v %s", tt.name, err, describe(r))
			}
			return r
		}
		run(false)
		bodies := w.far.bodies
		for _, name := range tt.removed {
			for id, have := range maps.Clone(w.near.boxes[name].messages) {
				if have.raw == m.raw {
					delete(w.near.boxes[name].messages, id)
					w.near.boxes[name].version++
				}
			}
		}
		if tt.removed == nil {
			delete(w.near.boxes, "All")
		}
		plan, did := run(true).Total(), run(false).Total()
		if plan.Trashed != did.Trashed || plan.Removed[Far] != did.Removed[Far] {
			t.Errorf("%s: planned\n%+v, did\n%+v", tt.name, plan, did)
		}
		run(false)
		if r := run(false); !r.Idle() || !r.Settled {
			t.Errorf("%s: not idle: %s", tt.name, describe(r))
		}
		if got := (&labelled{memory: w.far}).has(m.raw); !slices.Equal(got, tt.want) {
			t.Errorf("%s: the far side has it in %q, want %q", tt.name, got, tt.want)
		}
		if extra := len(tt.want) % 2; w.far.bodies > bodies+extra || w.far.appends > 0 { // what lies in the Trash is downloaded
			t.Errorf("%s: %d bodies, %d appends", tt.name, w.far.bodies-bodies, w.far.appends)
		}
		if !maps.Equal(w.far.content(), w.near.content()) {
			t.Errorf("%s:\nfar  %v\nnear %v", tt.name, w.far.content(), w.near.content())
		}
	}
}
