package syncer

import (
	"context"
	"errors"
	"io"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// An odd server is one that does what servers have been seen to do. Each field is asked at every call; nil is a good
// server.
type odd struct {
	*memory
	list     func([]mailbox.Info) []mailbox.Info                          // what a listing brings
	scanned  func(mailbox.Name) error                                     // whether a mailbox can be opened; called again when it was
	withheld func(mailbox.ID) error                                       // whether a body is handed over
	refused  func(mailbox.Message) error                                  // whether a message is stored
	stored   func(box mailbox.Name, raw string, id mailbox.ID) mailbox.ID // the ID that it is said to have got
	unset    func(mailbox.FlagChange) error                               // whether flags are set
	reading  func()                                                       // called before a body is handed over
}

func (o *odd) Mailboxes(ctx context.Context) ([]mailbox.Info, error) {
	infos, err := o.memory.Mailboxes(ctx)
	if o.list != nil {
		infos = o.list(infos)
	}
	return infos, err
}

func (o *odd) Scan(ctx context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	if o.scanned != nil {
		if err := o.scanned(req.Name); err != nil {
			return nil, err
		}
	}
	return o.memory.Scan(ctx, req)
}

func (o *odd) Fetch(ctx context.Context, name mailbox.Name, ids []mailbox.ID, body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error)) error {
	var handed []mailbox.ID
	for _, id := range ids {
		if o.reading != nil {
			o.reading()
		}
		if o.withheld != nil {
			if err := o.withheld(id); err != nil {
				problem(id, err)
				continue
			}
		}
		handed = append(handed, id)
	}
	return o.memory.Fetch(ctx, name, handed, body, problem)
}

func (o *odd) SetFlags(ctx context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error {
	var set []mailbox.FlagChange
	for _, c := range changes {
		if o.unset != nil {
			if err := o.unset(c); err != nil {
				problem(c.ID, err)
				continue
			}
		}
		set = append(set, c)
	}
	return o.memory.SetFlags(ctx, name, set, problem)
}

func (o *odd) Append(ctx context.Context, name mailbox.Name) (Batch, error) {
	b, err := o.memory.Append(ctx, name)
	return &oddBatch{b.(*memoryBatch), o}, err
}

type oddBatch struct {
	*memoryBatch
	server *odd
}

func (b *oddBatch) Add(ctx context.Context, m mailbox.Message, body io.Reader) error {
	if b.server.refused != nil {
		if err := b.server.refused(m); err != nil {
			return &mailbox.MessageError{Mailbox: b.name, ID: m.ID, Err: err}
		}
	}
	if err := b.memoryBatch.Add(ctx, m, body); err != nil || b.server.stored == nil {
		return err
	}
	last := &b.ready[len(b.ready)-1]
	last.ID = b.server.stored(b.name, b.raws[len(b.raws)-1], last.ID)
	return nil
}

func (w *world) syncWith(far *odd, opts Options) (*Report, error) {
	far.memory, opts.Workers = w.far, 1
	return Run(context.Background(), far, w.near, w.ledger, opts)
}

// R1: what happens while a run looks and works is found by the next run.
func TestR1ChangeMeanwhile(t *testing.T) {
	for _, when := range []string{"between listing and look", "while bodies are read"} {
		w := newWorld()
		ids := []mailbox.ID{w.far.put(mailbox.Inbox, w.write()), w.far.put(mailbox.Inbox, w.write())}
		w.mustSync(t)
		w.far.put(mailbox.Inbox, w.write())
		done := false
		change := func() {
			if done {
				return
			}
			done = true
			w.far.mustSetFlags(t, mailbox.Inbox, mailbox.FlagChange{ID: ids[0], Add: mailbox.MakeFlags(mailbox.Seen)})
			delete(w.far.boxes[mailbox.Inbox].messages, ids[1])
			w.far.put(mailbox.Inbox, w.write())
		}
		server := &odd{scanned: func(mailbox.Name) error { change(); return nil }}
		if when == "while bodies are read" {
			server = &odd{reading: change}
		}
		if r, err := w.syncWith(server, Options{}); err != nil || len(r.Problems) > 0 || !done {
			t.Fatalf("%s: %v, %v", when, err, r.Problems)
		}
		w.mustSync(t)
		w.wantAgreement(t)
		if n := len(w.near.boxes[mailbox.Inbox].messages); n != 3 {
			t.Errorf("%s: %d messages", when, n)
		}
	}
}

// R5: whatever bodies a server withholds, those messages are named, left where they are, asked for again in every run,
// and arrive when the server hands them over.
func TestR5WithheldBodies(t *testing.T) {
	for subset := range 1 << 4 {
		w := newWorld()
		for range 4 {
			w.far.put(mailbox.Inbox, w.write())
		}
		want := 0
		why := errors.New("NO [UNAVAILABLE] not now")
		server := &odd{withheld: func(id mailbox.ID) error {
			if subset&(1<<(id[0]-'1')) != 0 {
				return why
			}
			return nil
		}}
		for i := range 4 {
			want += subset >> i & 1
		}
		for run := range 3 {
			r, err := w.syncWith(server, Options{Retry: true})
			if err != nil || len(r.Problems) != want || len(w.near.boxes[mailbox.Inbox].messages) != 4-want || len(w.far.boxes[mailbox.Inbox].messages) != 4 {
				t.Fatalf("without %04b, run %d: %v, %v, %d messages arrived", subset, run, err, r.Problems, len(w.near.boxes[mailbox.Inbox].messages))
			}
			for _, problem := range r.Problems {
				var one *mailbox.MessageError
				if !errors.As(problem, &one) || !errors.Is(problem, why) {
					t.Errorf("without %04b: %v names no message", subset, problem)
				}
			}
		}
		w.mustSync(t)
		w.wantAgreement(t)
	}
}

// R15: a listing that is empty or short for once, though the mailboxes are there, removes nothing anywhere.
func TestR15ShortList(t *testing.T) {
	for _, missing := range []string{"INBOX", "Work", "INBOX Work Trash"} {
		w := newWorld()
		w.far.make("Work")
		var here mailbox.ID
		for _, name := range []mailbox.Name{mailbox.Inbox, "Work"} {
			w.far.put(name, w.write())
			here = w.far.put(name, w.write())
		}
		w.mustSync(t)
		delete(w.far.boxes["Work"].messages, here)
		w.far.boxes["Work"].version++
		before, far := w.near.content(), w.far.content()
		short := &odd{list: func(infos []mailbox.Info) []mailbox.Info {
			var kept []mailbox.Info
			for _, info := range infos {
				if !strings.Contains(missing, string(info.Name)) {
					kept = append(kept, info)
				}
			}
			return kept
		}}
		r, err := w.syncWith(short, Options{})
		if err != nil || len(r.Problems) == 0 || !maps.Equal(before, w.near.content()) || !maps.Equal(far, w.far.content()) {
			t.Errorf("without %s: %v, %v\nnear %v", missing, err, r.Problems, w.near.content())
		}
		w.mustSync(t)
		w.wantAgreement(t)
	}
}

// R15: a mailbox that cannot be opened is named, the others are synced, and removals wait.
func TestR15RefusedSelect(t *testing.T) {
	w := newWorld()
	w.far.make("Work")
	w.far.put("Work", w.write())
	ids := []mailbox.ID{w.far.put(mailbox.Inbox, w.write()), w.far.put(mailbox.Inbox, w.write())}
	w.mustSync(t)
	w.far.put("Work", w.write())
	w.far.put(mailbox.Inbox, w.write())
	delete(w.far.boxes[mailbox.Inbox].messages, ids[0])
	server := &odd{scanned: func(name mailbox.Name) error {
		if name == "Work" {
			return &mailbox.MailboxError{Mailbox: name, Err: errors.New("NO it is locked")}
		}
		return nil
	}}
	r, err := w.syncWith(server, Options{})
	if err != nil || len(r.Problems) != 1 || len(w.near.boxes[mailbox.Inbox].messages) != 3 || len(w.near.boxes["Work"].messages) != 1 {
		t.Errorf("%v, %v, %v", err, r.Problems, w.near.content())
	}
	w.mustSync(t)
	w.wantAgreement(t)
}

// R17: a server that stores something else than it was given, does not tell where, tells it wrong, or merges what it
// has already, has each message once after ten runs, and nothing is lost here.
func TestR17OddUploads(t *testing.T) {
	servers := map[string]func(w *world) *odd{
		"good":                   func(*world) *odd { return &odd{} },
		"rewrites":               func(w *world) *odd { w.far.rewrites = true; return &odd{} },
		"tells no UID":           func(w *world) *odd { w.far.noUIDs = true; return &odd{} },
		"lies about sizes":       func(w *world) *odd { w.far.lies = true; return &odd{} },
		"lies, tells no UID":     func(w *world) *odd { w.far.lies, w.far.noUIDs = true, true; return &odd{} },
		"rewrites, tells no UID": func(w *world) *odd { w.far.rewrites, w.far.noUIDs = true, true; return &odd{} },
		"a UID that nothing has": func(*world) *odd {
			wrong := 900
			return &odd{stored: func(mailbox.Name, string, mailbox.ID) mailbox.ID {
				wrong++
				return mailbox.ID(strconv.Itoa(wrong))
			}}
		},
		"merges": func(w *world) *odd {
			return &odd{stored: func(box mailbox.Name, raw string, id mailbox.ID) mailbox.ID {
				for other, m := range w.far.boxes[box].messages {
					if other != id && m.raw == raw {
						delete(w.far.boxes[box].messages, id)
						return other
					}
				}
				return id
			}}
		},
	}
	for name, makeServer := range servers {
		w := newWorld()
		w.far.put(mailbox.Inbox, w.write())
		w.mustSync(t)
		server := makeServer(w)
		w.near.put(mailbox.Inbox, w.write())
		w.near.put(mailbox.Inbox, w.write())
		if !w.far.rewrites { // else nobody could tell what became of it
			bare := message{raw: "Subject: without a Message-ID\r\n\r\n", date: time.Unix(1000, 0)}
			w.near.put(mailbox.Inbox, bare)
			if name != "merges" {
				w.near.put(mailbox.Inbox, bare)
			}
		}
		want := w.near.raws()
		for run := range 10 {
			r, err := w.syncWith(server, Options{})
			if err != nil || len(r.Problems) > 0 {
				t.Errorf("%s, run %d: %v, %v", name, run, err, r.Problems)
			}
		}
		far := map[string]int{}
		for raw, n := range w.far.raws() {
			far[strings.TrimPrefix(raw, "X-Stamp: 1\r\n")] += n
		}
		if near := w.near.raws(); !maps.Equal(near, want) || !maps.Equal(far, want) {
			t.Errorf("%s: far %v\nnear %v\nwant %v", name, far, near, want)
		}
		if r, err := w.syncWith(server, Options{}); err != nil || !r.Idle() {
			t.Errorf("%s: not idle: %v %s", name, err, describe(r))
		}
	}
}

// R17: what was copied or moved by a server that does not tell where it is then, and tells its size wrong, is found by its
// header.
func TestR17OddCopies(t *testing.T) {
	w := newWorld()
	w.far.lies, w.far.noUIDs = true, true
	w.far.make("Work")
	named, bare := w.write(), message{raw: "Subject: without a Message-ID\r\n\r\n", date: time.Unix(1000, 0)}
	for _, m := range []message{named, bare, w.write()} {
		w.far.put(mailbox.Inbox, m)
	}
	w.mustSync(t)
	for id, m := range w.near.boxes[mailbox.Inbox].messages {
		if m.raw != named.raw && m.raw != bare.raw {
			delete(w.near.boxes[mailbox.Inbox].messages, id)
			w.near.put("Work", m)
		}
	}
	w.near.boxes[mailbox.Inbox].version++
	named.date = named.date.Add(time.Hour) // a program that copies a file need not keep it
	w.near.put("Work", named)
	w.near.put("Work", bare)
	bodies := w.far.bodies
	w.mustSync(t)
	if far := w.far.boxes["Work"].messages; len(far) != 3 || w.far.appends > 0 || w.far.bodies > bodies {
		t.Errorf("%d messages, %d uploads, %d downloads", len(far), w.far.appends, w.far.bodies-bodies)
	}
	w.wantAgreement(t)
}

// R19: with the state lost and sizes told wrong, nothing can be recognised before it is downloaded. Then it is, and is not
// uploaded.
func TestR19StateLost(t *testing.T) {
	w := newWorld()
	w.far.lies = true
	bare := message{raw: "Subject: without a Message-ID\r\n\r\n", date: time.Unix(1000, 0)}
	for _, m := range []message{w.write(), bare, bare, w.write()} {
		w.far.put(mailbox.Inbox, m)
	}
	w.mustSync(t)
	w.ledger = newNotebook()
	w.mustSync(t)
	if far, near := len(w.far.boxes[mailbox.Inbox].messages), len(w.near.boxes[mailbox.Inbox].messages); far != 4 || near != 4 || w.far.appends > 0 {
		t.Errorf("%d messages on the far side, %d on the near side, %d uploads", far, near, w.far.appends)
	}
	w.wantAgreement(t)
}

// R18: what the server refuses, of messages or flags, is named, and costs nothing else.
func TestR18TheOther99(t *testing.T) {
	no := errors.New("BAD [TOOBIG] too big")
	w := newWorld()
	w.mustSync(t)
	for range 100 {
		w.near.put(mailbox.Inbox, w.write())
	}
	server := &odd{refused: func(m mailbox.Message) error {
		if m.ID == "key51" {
			return no
		}
		return nil
	}}
	for range 2 {
		r, err := w.syncWith(server, Options{})
		if err != nil || len(r.Problems) != 1 || !errors.Is(r.Problems[0], no) || len(w.far.boxes[mailbox.Inbox].messages) != 99 || len(w.near.boxes[mailbox.Inbox].messages) != 100 {
			t.Fatalf("%v, %v, %d messages", err, r.Problems, len(w.far.boxes[mailbox.Inbox].messages))
		}
	}
	w.mustSync(t)
	var changes []mailbox.FlagChange
	for id := range w.near.boxes[mailbox.Inbox].messages {
		changes = append(changes, mailbox.FlagChange{ID: id, Add: mailbox.MakeFlags("work")})
	}
	w.near.mustSetFlags(t, mailbox.Inbox, changes...)
	server = &odd{unset: func(c mailbox.FlagChange) error {
		if c.ID == "7" {
			return no
		}
		return nil
	}}
	r, err := w.syncWith(server, Options{})
	set := 0
	for _, m := range w.far.boxes[mailbox.Inbox].messages {
		set += len(m.flags.Keywords())
	}
	if err != nil || len(r.Problems) != 1 || set != 99 {
		t.Errorf("%v, %v, %d flags were set", err, r.Problems, set)
	}
	for id, m := range w.near.boxes[mailbox.Inbox].messages {
		if !m.flags.Has("work") {
			t.Errorf("message %s lost its flag here", id)
		}
	}
	w.mustSync(t)
	w.wantAgreement(t)
}

// A merging server keeps one message of those that are the same, and tells of the others no UID.
type merging struct{ *odd }

func (m merging) Copy(context.Context, mailbox.Name, []mailbox.Doomed, mailbox.Name) (map[mailbox.ID]mailbox.ID, error) {
	return map[mailbox.ID]mailbox.ID{"1": ""}, nil
}

// R17: of two files that are the same such a server has one message. The other file stays, is named, and is not sent
// for ever; when the first one is removed, it gets a message of its own.
func TestR17Merged(t *testing.T) {
	w := newWorld()
	w.mustSync(t)
	one := w.write()
	w.near.put(mailbox.Inbox, one)
	w.near.put(mailbox.Inbox, one)
	merge := true
	server := &odd{memory: w.far, stored: func(box mailbox.Name, raw string, id mailbox.ID) mailbox.ID {
		for other, m := range w.far.boxes[box].messages {
			if merge && other != id && m.raw == raw {
				delete(w.far.boxes[box].messages, id)
				return ""
			}
		}
		return id
	}}
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	run := func() *Report {
		r, err := Run(t.Context(), merging{server}, w.near, w.ledger, Options{Workers: 1, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for range 10 {
		run()
	}
	r := run()
	if len(w.near.boxes[mailbox.Inbox].messages) != 2 || len(w.far.boxes[mailbox.Inbox].messages) != 1 || w.far.appends > 4 {
		t.Errorf("far %v, near %v, %d uploads", w.far.raws(), w.near.raws(), w.far.appends)
	}
	if r.Total() != (Counts{}) || len(r.Waiting) != 1 || !strings.Contains(r.Waiting[0].Reason, "never seen there") {
		t.Errorf("%s, %v wait", describe(r), r.Waiting)
	}
	for _, p := range w.ledger.pairs[mailbox.Inbox] {
		delete(w.near.boxes[mailbox.Inbox].messages, p.Near)
		w.near.boxes[mailbox.Inbox].version++
	}
	now = now.AddDate(0, 0, 2)
	run()
	if len(w.near.boxes[mailbox.Inbox].messages) != 1 || len(w.far.boxes[mailbox.Inbox].messages) != 1 {
		t.Errorf("after the removal: far %v, near %v", w.far.raws(), w.near.raws())
	}
}
