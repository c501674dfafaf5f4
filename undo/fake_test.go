package undo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"mailtwin/mailbox"
)

// A world is a ledger, a Maildir with an attic, and a server, in memory. A message is its text.
type world struct {
	runs   [][]mailbox.Change // from run 1 on
	pairs  map[mailbox.Name][]mailbox.Pair
	near   map[mailbox.Name]map[mailbox.ID]message
	attic  map[mailbox.Source]string
	far    map[mailbox.Name]map[mailbox.ID]string
	trash  mailbox.Name // that the server can tell of; empty if it cannot
	broken int          // how many effects are left before it dies; 0 is never
	log    []string     // effects on the server
}

type message struct {
	text  string
	flags mailbox.Flags
}

var errDied = errors.New("died")

// effect counts down to death.
func (w *world) effect(do func()) error {
	if w.broken == 1 {
		return errDied
	}
	if w.broken > 0 {
		w.broken--
	}
	do()
	return nil
}

func newWorld() *world {
	return &world{
		pairs: map[mailbox.Name][]mailbox.Pair{}, near: map[mailbox.Name]map[mailbox.ID]message{}, attic: map[mailbox.Source]string{},
		far: map[mailbox.Name]map[mailbox.ID]string{},
	}
}

func digest(text string) mailbox.Digest { return sha256.Sum256([]byte(text)) }

// pair is the pair of a message: "12=a,S text" has the far ID 12, the near ID a, and is read.
func pair(s string) mailbox.Pair {
	ids, text, _ := strings.Cut(s, " ")
	ids, letters, _ := strings.Cut(ids, ",")
	farID, nearID, _ := strings.Cut(ids, "=")
	p := mailbox.Pair{Far: mailbox.ID(farID), Near: mailbox.ID(nearID), Flags: mailbox.Letters(letters), Digest: digest(text), Hint: mailbox.MakeHint(text, 1)}
	if id, numbered := strings.CutPrefix(text, "G"); numbered {
		p.AccountID = id
	}
	return p
}

// synced puts messages into a mailbox of both sides.
func (w *world) synced(name mailbox.Name, messages ...string) *world {
	w.local(name)
	if w.pairs[name] == nil {
		w.pairs[name] = []mailbox.Pair{}
	}
	for _, s := range messages {
		p := pair(s)
		_, text, _ := strings.Cut(s, " ")
		w.pairs[name] = append(w.pairs[name], p)
		w.near[name][p.Near] = message{text, p.Flags}
	}
	return w
}

// called gives a mailbox another name in the Maildir only.
func (w *world) called(name, before mailbox.Name) *world {
	if err := (tree{w}).Rename(context.Background(), before, name); err != nil {
		panic(err)
	}
	return w
}

// kept puts messages into a mailbox of the server that the Maildir no longer has.
func (w *world) kept(name mailbox.Name, messages ...string) *world {
	w.synced(name)
	for _, s := range messages {
		p := pair(s)
		p.Near, p.Parked = "", mailbox.Kept
		w.pairs[name] = append(w.pairs[name], p)
	}
	return w
}

// local puts messages, "a,S text", into a mailbox of the Maildir only.
func (w *world) local(name mailbox.Name, messages ...string) *world {
	if w.near[name] == nil {
		w.near[name] = map[mailbox.ID]message{}
	}
	for _, s := range messages {
		p := pair("=" + s)
		_, text, _ := strings.Cut(s, " ")
		w.near[name][p.Near] = message{text, p.Flags}
	}
	return w
}

// shelved puts a message, "a text", into the attic.
func (w *world) shelved(name mailbox.Name, s string) *world {
	id, text, _ := strings.Cut(s, " ")
	w.attic[mailbox.Source{Place: mailbox.Place{Mailbox: name, ID: mailbox.ID(id)}, Day: "2026-11-23"}] = text
	return w
}

// binned puts a message, "9 text", into a Trash of the server.
func (w *world) binned(name mailbox.Name, s string) *world {
	id, text, _ := strings.Cut(s, " ")
	if w.far[name] == nil {
		w.far[name] = map[mailbox.ID]string{}
	}
	w.far[name][mailbox.ID(id)] = text
	return w
}

// The ledger.

func (w *world) Runs(context.Context) ([]mailbox.Outcome, error) {
	var runs []mailbox.Outcome
	for i := range w.runs {
		runs = append(runs, mailbox.Outcome{Run: uint64(len(w.runs) - i)})
	}
	return runs, nil
}

func (w *world) Changes(_ context.Context, run uint64) iter.Seq2[mailbox.Change, error] {
	return func(yield func(mailbox.Change, error) bool) {
		for _, c := range w.runs[run-1] {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (w *world) Pairs(_ context.Context, name mailbox.Name) iter.Seq2[mailbox.Pair, error] {
	return func(yield func(mailbox.Pair, error) bool) {
		for _, p := range w.pairs[name] {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func (w *world) ByHint(_ context.Context, hint mailbox.Hint) iter.Seq2[mailbox.Located, error] {
	return func(yield func(mailbox.Located, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(w.pairs)) {
			for _, p := range w.pairs[name] {
				if p.Hint == hint && !yield(mailbox.Located{Mailbox: name, Pair: p}, nil) {
					return
				}
			}
		}
	}
}

func (w *world) commit(_ context.Context, updates ...mailbox.Update) error {
	return w.effect(func() {
		for _, u := range updates {
			for _, p := range u.Put {
				w.log = append(w.log, fmt.Sprintf("pending %s/%s", u.Mailbox, p.Far))
			}
		}
	})
}

// twins is the ledger's list of mailboxes; the Maildir has another method of that name.
type ledger struct{ *world }

func (l ledger) Mailboxes(context.Context) ([]mailbox.Twin, error) {
	var twins []mailbox.Twin
	for name := range l.pairs {
		twins = append(twins, mailbox.Twin{Name: name})
	}
	return twins, nil
}

// The Maildir.

type tree struct{ *world }

func (w tree) Mailboxes(context.Context) ([]mailbox.Info, error) {
	var infos []mailbox.Info
	for name := range w.near {
		infos = append(infos, mailbox.Info{Name: name})
	}
	return infos, nil
}

func (w tree) Scan(_ context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	s := &mailbox.Scan{Full: true, Settled: true}
	for _, id := range slices.Sorted(maps.Keys(w.near[req.Name])) {
		s.Present = append(s.Present, mailbox.Message{ID: id, Flags: w.near[req.Name][id].flags})
	}
	return s, nil
}

func (w tree) Identify(_ context.Context, name mailbox.Name, ids []mailbox.ID, found func(mailbox.ID, mailbox.Content)) error {
	for _, id := range ids {
		found(id, mailbox.Content{Digest: digest(w.near[name][id].text)})
	}
	return nil
}

func (w tree) Shelved(_ context.Context, wanted []mailbox.Located) (map[mailbox.Place]mailbox.Source, error) {
	found := map[mailbox.Place]mailbox.Source{}
	for _, l := range wanted {
		place := mailbox.Place{Mailbox: l.Mailbox, ID: l.Near}
		if source := (mailbox.Source{Place: place, Day: "2026-11-23"}); w.attic[source] != "" {
			found[place] = source
		}
	}
	return found, nil
}

func (w tree) Create(_ context.Context, name mailbox.Name) error {
	return w.effect(func() { w.local(name) })
}

func (w tree) Rename(_ context.Context, from, to mailbox.Name) error {
	return w.effect(func() {
		for name, box := range maps.Clone(w.near) {
			if name == from || name.Under(from) {
				w.near[to+name[len(from):]] = box
				delete(w.near, name)
			}
		}
	})
}

func (w tree) SetFlags(_ context.Context, name mailbox.Name, changes []mailbox.FlagChange, _ func(mailbox.ID, error)) error {
	for _, c := range changes {
		err := w.effect(func() {
			m := w.near[name][c.ID]
			w.near[name][c.ID] = message{m.text, m.flags.Union(c.Add).Minus(c.Take)}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var errTaken = errors.New("taken")

func (w tree) Return(_ context.Context, to mailbox.Name, messages []mailbox.Return, problem func(mailbox.ID, error)) error {
	for _, r := range messages {
		text, there := w.attic[r.From], w.near[to][r.As]
		if r.From.Day == "" {
			text = w.near[r.From.Mailbox][r.From.ID].text
		}
		switch {
		case there.text != "" && digest(there.text) == r.Digest:
			continue
		case there.text != "" || digest(text) != r.Digest:
			problem(r.As, errTaken)
			continue
		}
		err := w.effect(func() {
			w.near[to][r.As] = message{text, r.Flags}
			if r.From.Day == "" && !r.Stay {
				delete(w.near[r.From.Mailbox], r.From.ID)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// The server.

type server struct{ *world }

func (w server) Create(context.Context, mailbox.Name) error { return nil }

func (w server) Move(_ context.Context, from mailbox.Name, messages []mailbox.Doomed, to mailbox.Name) (mailbox.Moved, error) {
	moved := mailbox.Moved{To: map[mailbox.ID]mailbox.ID{}}
	for _, m := range messages {
		text, there := w.far[from][m.ID]
		if !there {
			moved.Gone = append(moved.Gone, m.ID)
			continue
		}
		err := w.effect(func() {
			delete(w.far[from], m.ID)
			w.binned(to, string(m.ID)+" "+text)
			w.log = append(w.log, fmt.Sprintf("move %s/%s to %s", from, m.ID, to))
			moved.To[m.ID] = m.ID
		})
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

func (w server) SetFlags(_ context.Context, name mailbox.Name, changes []mailbox.FlagChange, _ func(mailbox.ID, error)) error {
	return w.effect(func() {
		for _, c := range changes {
			w.log = append(w.log, fmt.Sprintf("take %s of %s/%s", c.Take, name, c.ID))
		}
	})
}

// A binner is a server that knows its messages by name.
type binner struct{ server }

func (w binner) Binned(context.Context) (map[string]mailbox.Place, error) {
	there := map[string]mailbox.Place{}
	for id, text := range w.far[w.trash] {
		there[strings.TrimPrefix(text, "G")] = mailbox.Place{Mailbox: w.trash, ID: id}
	}
	return there, nil
}
