package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// A shelf is a near side that tells sizes as a Maildir does, and can put other bytes in the place of a message's.
type shelf struct {
	*memory
	bad map[mailbox.ID]error // what is no message
}

func (s shelf) Inspect(_ context.Context, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error) {
	b, err := s.box(name)
	if err != nil {
		return nil, err
	}
	scan := &mailbox.Scan{Settled: true, Unread: map[mailbox.ID]error{}}
	for id, msg := range b.messages {
		if why := s.bad[id]; why != nil {
			scan.Unread[id] = why
			continue
		}
		found(mailbox.Message{ID: id, Flags: msg.flags, Content: mailbox.Content{Stored: int64(len(msg.raw) - strings.Count(msg.raw, "\r"))}})
	}
	return scan, nil
}

func (s shelf) Mend(_ context.Context, name mailbox.Name, id mailbox.ID, m mailbox.Message, body io.Reader) (mailbox.Content, error) {
	if err := s.refusal("mend", id); err != nil {
		return mailbox.Content{}, &mailbox.MessageError{Mailbox: name, ID: id, Err: err}
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return mailbox.Content{}, err
	}
	msg := s.boxes[name].messages[id]
	msg.raw, msg.date = string(raw), m.InternalDate
	s.boxes[name].messages[id] = msg
	content := sum(msg.raw)
	content.Stored = int64(len(raw) - strings.Count(msg.raw, "\r"))
	return content, nil
}

// Generation and After make memory a Recaller: the memo of its cursors is the generation, and its mark tells the next UID.
func (m *memory) Generation(c mailbox.Cursor) string { return c.Memo }

func (m *memory) After(c mailbox.Cursor, id mailbox.ID) bool {
	words := strings.Fields(c.Mark)
	if len(words) < 2 {
		return true
	}
	next, _ := strconv.Atoi(words[1])
	uid, err := strconv.Atoi(string(id))
	return err == nil && uid >= next
}

// A mirror is a world in agreement: five messages each in INBOX and Work, one of them starred.
type mirror struct {
	*world
	shelf
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	w := newWorld()
	w.far.make("Work")
	for range 5 {
		for _, name := range []mailbox.Name{mailbox.Inbox, "Work"} {
			msg := w.write()
			msg.raw += strings.Repeat("text\r\n", 9)
			w.far.put(name, msg)
		}
	}
	w.change("far", mailbox.Inbox, "1", func(msg *message) { msg.flags = mailbox.MakeFlags(mailbox.Flagged) })
	w.mustSync(t)
	w.wantAgreement(t)
	for name, pairs := range w.ledger.pairs {
		for id, p := range pairs { // memory tells no sizes, as a Maildir does
			msg := w.near.boxes[name].messages[p.Near]
			p.Stored = int64(len(msg.raw) - strings.Count(msg.raw, "\r"))
			pairs[id] = p
		}
	}
	return &mirror{w, shelf{w.near, map[mailbox.ID]error{}}}
}

// change does something to a message; without one it is taken away.
func (w *world) change(side string, name mailbox.Name, id mailbox.ID, do func(*message)) {
	b := map[string]*memory{"far": w.far, "near": w.near}[side].boxes[name]
	msg := b.messages[id]
	b.version++
	if do == nil {
		delete(b.messages, id)
		return
	}
	do(&msg)
	b.messages[id] = msg
}

// id is the near ID of a message of Work.
func (m *mirror) id(far mailbox.ID) mailbox.ID { return m.ledger.pairs["Work"][far].Near }

func (m *mirror) verify(t *testing.T, opts VerifyOptions) *Verification {
	t.Helper()
	v, err := Verify(t.Context(), m.far, m.shelf, m.ledger, opts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// words writes all that was found, by mailbox, each message by its far ID, and one that last does not know as new.
func (m *mirror) words(v *Verification) string {
	var words []string
	for _, box := range v.Mailboxes {
		for _, d := range box.Differences {
			far := d.Pair.Far
			if d.Pair.Far == "" && d.Pair.Near != "" {
				far = "new"
			}
			for id, p := range m.ledger.pairs[d.Mailbox] {
				if p.Near == d.Pair.Near && p.Near != "" {
					far = id
				}
			}
			word := fmt.Sprintf("%s %s %s %s", box.Mailbox, d.Kind, d.Side, far)
			if far == "" {
				word += strconv.Itoa(d.Messages)
			}
			switch {
			case d.Mended:
				word += " mended"
			case d.Waits:
				word += " waits"
			}
			words = append(words, word)
		}
	}
	for _, err := range v.Problems {
		words = append(words, err.Error())
	}
	return strings.Join(words, "; ")
}

func cut(msg *message)  { msg.raw = msg.raw[:len(msg.raw)-5] }
func flip(msg *message) { msg.raw = strings.Replace(msg.raw, "text", "tExt", 1) }
func star(msg *message) { msg.flags = mailbox.MakeFlags(mailbox.Flagged) }

// damages are what may be wrong with a mirror, alone, and what Verify and Repair make of it. What Repair mends, or leaves
// to the next run, a second look does not find.
var damages = []struct {
	name         string
	deep         bool
	percent      int
	do           func(m *mirror)
	want, mended string // empty: as wanted, and mended
}{
	{name: "nothing", do: func(*mirror) {}},
	{name: "nothing, read in full", deep: true, percent: 100, do: func(*mirror) {}},
	{name: "a missing file", do: func(m *mirror) { m.change("near", "Work", m.id("3"), nil) }, want: "Work missing near 3"},
	{name: "a truncated file", do: func(m *mirror) { m.change("near", "Work", m.id("3"), cut) }, want: "Work size near 3"},
	{name: "one flipped byte", deep: true, do: func(m *mirror) { m.change("near", "Work", m.id("3"), flip) }, want: "Work bytes near 3"},
	{name: "one flipped byte, of unknown size", do: func(m *mirror) {
		m.change("near", "Work", m.id("3"), flip)
		m.edit("Work", "3", func(p *mailbox.Pair) { p.Stored = 0 })
	}, want: "Work bytes near 3"},
	{name: "a size that was put down wrongly", do: func(m *mirror) { m.edit("Work", "3", func(p *mailbox.Pair) { p.Stored++ }) }},
	{name: "a wrong flag here", do: func(m *mirror) { m.change("near", "Work", m.id("3"), star) }, want: "Work flags near 3"},
	{name: "a wrong flag there", do: func(m *mirror) { m.change("far", "Work", "3", star) }, want: "Work flags far 3"},
	{name: "a flag and a byte", deep: true, do: func(m *mirror) {
		m.change("near", "Work", m.id("3"), func(msg *message) { star(msg); flip(msg) })
	}, want: "Work flags near 3; Work bytes near 3"},
	{name: "an extra file", do: func(m *mirror) { m.near.put("Work", message{raw: "x"}) }, want: "Work unknown near new", mended: "as it is"},
	{name: "a file that waits to be uploaded", do: func(m *mirror) {
		id := m.near.put("Work", message{raw: "x"})
		m.ledger.troubles = append(m.ledger.troubles, mailbox.Trouble{Mailbox: "Work", ID: id, Reason: "NO too large"})
	}, want: "Work unknown near new waits", mended: "as it is"},
	{name: "missing on the server", do: func(m *mirror) { m.change("far", "Work", "3", nil) }, want: "Work missing far 3", mended: "as it is"},
	{name: "missing on both", do: func(m *mirror) {
		m.change("near", "Work", m.id("3"), nil)
		m.change("far", "Work", "3", nil)
	}, want: "Work missing far 3; Work missing near 3", mended: "as it is"},
	{name: "arrived since", do: func(m *mirror) { m.far.put("Work", m.write()) }, want: "Work unknown far 6 waits", mended: "as it is"},
	{name: "forgotten by last", do: func(m *mirror) {
		m.near.Remove(context.Background(), "Work", []mailbox.Doomed{{ID: m.id("3")}}) //nolint:errcheck // in memory
		delete(m.ledger.pairs["Work"], "3")
	}, want: "Work unknown far 3", mended: "Work unknown far 3 waits"},
	{name: "other bytes on the server", percent: 100, do: func(m *mirror) { m.change("far", "Work", "3", flip) }, want: "Work bytes far 3", mended: "as it is"},
	{name: "another size on the server", do: func(m *mirror) { m.change("far", "Work", "3", cut) }, want: "Work size far 3", mended: "as it is"},
	{name: "stored in another form by the server", percent: 100, do: func(m *mirror) {
		m.change("far", "Work", "3", func(msg *message) { msg.raw = "X-Stamp: 1\r\n" + msg.raw })
		m.edit("Work", "3", func(p *mailbox.Pair) { p.FarDigest = mailbox.Digest{} })
	}},
	{name: "another message in place of an upload", do: func(m *mirror) {
		m.change("far", "Work", "3", func(msg *message) { msg.raw = "Message-ID: <other@x>\r\n\r\n" })
		m.edit("Work", "3", func(p *mailbox.Pair) { p.FarDigest = mailbox.Digest{} })
	}, want: "Work size far 3", mended: "as it is"},
	{name: "renumbered", do: func(m *mirror) { m.far.boxes["Work"].gen++ }, want: "Work renumbered far 5", mended: "as it is"},
	{name: "renumbered, and a file is missing", do: func(m *mirror) {
		m.far.boxes["Work"].gen++
		m.change("near", "Work", m.id("3"), nil)
	}, want: "Work renumbered far 5; Work missing near 3", mended: "as it is"},
	{name: "renumbered, and a file is truncated", do: func(m *mirror) {
		m.far.boxes["Work"].gen++
		m.change("near", "Work", m.id("3"), cut)
	}, want: "Work renumbered far 5; Work size near 3", mended: "as it is"},
	{name: "renumbered, and a wrong flag here", do: func(m *mirror) {
		m.far.boxes["Work"].gen++
		m.change("near", "Work", m.id("3"), star)
	}, want: "Work renumbered far 5; Work flags near 3", mended: "as it is"},
	{name: "renumbered, and missing here", do: func(m *mirror) {
		m.far.boxes["Work"].gen++
		delete(m.near.boxes, "Work")
	}, want: "Work renumbered far 5; Work mailbox_missing near 5", mended: "as it is"},
	{name: "a missing file, and other bytes there", do: func(m *mirror) {
		m.change("far", "Work", "3", flip)
		m.change("near", "Work", m.id("3"), nil)
	}, want: "Work missing near 3", mended: "as it is"},
	{name: "a flipped byte, and other bytes there", deep: true, do: func(m *mirror) {
		m.change("far", "Work", "3", func(msg *message) { msg.raw = strings.Replace(msg.raw, "text", "teXt", 1) })
		m.change("near", "Work", m.id("3"), flip)
	}, want: "Work bytes near 3", mended: "as it is"},
	{name: "a missing file that the server stored in another form", do: func(m *mirror) {
		m.change("far", "Work", "3", func(msg *message) { msg.raw = "X-Stamp: 1\r\n" + msg.raw })
		m.change("near", "Work", m.id("3"), nil)
		m.edit("Work", "3", func(p *mailbox.Pair) { p.FarDigest = mailbox.Digest{} })
	}, want: "Work missing near 3"},
	{name: "a missing file of another program's form", do: func(m *mirror) {
		m.change("near", "Work", m.id("3"), nil)
		m.edit("Work", "3", func(p *mailbox.Pair) { p.Digest = sum("as mbsync stored it").Digest })
	}, want: "Work missing near 3"},
	{name: "a missing file, and another message in place of an upload", do: func(m *mirror) {
		m.change("far", "Work", "3", func(msg *message) { msg.raw = "Message-ID: <other@x>\r\n\r\n" })
		m.change("near", "Work", m.id("3"), nil)
		m.edit("Work", "3", func(p *mailbox.Pair) { p.FarDigest = mailbox.Digest{} })
	}, want: "Work missing near 3", mended: "as it is"},
	{name: "a missing file in a mailbox that is missing there", do: func(m *mirror) {
		delete(m.far.boxes, "Work")
		m.change("near", "Work", m.id("3"), nil)
	}, want: "Work mailbox_missing far 5; Work missing near 3", mended: "as it is"},
	{name: "a wrong flag in a mailbox that is missing there", do: func(m *mirror) {
		delete(m.far.boxes, "Work")
		m.change("near", "Work", m.id("3"), star)
	}, want: "Work mailbox_missing far 5; Work flags near 3", mended: "as it is"},
	{name: "a mailbox is missing here, and a flag changed there", do: func(m *mirror) {
		delete(m.near.boxes, "Work")
		m.change("far", "Work", "3", star)
	}, want: "Work mailbox_missing near 5; Work flags far 3", mended: "Work mailbox_missing near 5 mended"},
	{name: "no file can be read", do: func(m *mirror) { m.bad[m.id("3")] = errors.New("not a regular file") }, want: "Work unreadable near 3", mended: "as it is"},
	{name: "a mailbox is missing here", do: func(m *mirror) { delete(m.near.boxes, "Work") }, want: "Work mailbox_missing near 5"},
	{name: "a mailbox is missing there", do: func(m *mirror) { delete(m.far.boxes, "Work") }, want: "Work mailbox_missing far 5", mended: "as it is"},
	{name: "a mailbox is missing on both", do: func(m *mirror) {
		delete(m.far.boxes, "Work")
		delete(m.near.boxes, "Work")
	}, want: "Work mailbox_missing far 5; Work mailbox_missing near 5", mended: "as it is"},
	{name: "a new mailbox there", do: func(m *mirror) {
		m.far.make("New")
		m.far.put("New", m.write())
	}, want: "New mailbox_unknown far 1 waits", mended: "as it is"},
	{name: "a new mailbox here", do: func(m *mirror) { m.near.make("New") }, want: "New mailbox_unknown near 0 waits", mended: "as it is"},
	{name: "a new mailbox with mail here", do: func(m *mirror) {
		m.near.make("New")
		m.near.put("New", m.write())
	}, want: "New mailbox_unknown near 1", mended: "as it is"},
	{name: "kept here on purpose", do: func(m *mirror) {
		m.change("far", "Work", "3", nil)
		m.edit("Work", "3", func(p *mailbox.Pair) { p.Parked = mailbox.Left })
	}},
	{name: "a whole mailbox kept here on purpose", do: func(m *mirror) {
		delete(m.far.boxes, "Work")
		for id := range m.ledger.pairs["Work"] {
			m.edit("Work", id, func(p *mailbox.Pair) { p.Parked = mailbox.Left })
		}
	}},
	{name: "kept here on purpose, and lost", do: func(m *mirror) {
		m.change("far", "Work", "3", nil)
		m.change("near", "Work", m.id("3"), nil)
		m.edit("Work", "3", func(p *mailbox.Pair) { p.Parked = mailbox.Left })
	}, want: "Work missing near 3", mended: "as it is"},
}

func (m *mirror) edit(name mailbox.Name, far mailbox.ID, do func(*mailbox.Pair)) {
	p := m.ledger.pairs[name][far]
	do(&p)
	m.ledger.pairs[name][far] = p
}

func TestVerify(t *testing.T) {
	for _, tt := range damages {
		m := newMirror(t)
		tt.do(m)
		v := m.verify(t, VerifyOptions{Deep: tt.deep, Percent: tt.percent})
		if m.words(v) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, m.words(v), tt.want)
			continue
		}
		farBefore, bodies := fmt.Sprint(m.far.content()), m.far.bodies
		if err := Repair(t.Context(), m.far, m.shelf, m.ledger, v, RepairOptions{}); err != nil {
			t.Errorf("%s: repair: %v", tt.name, err)
		}
		mended := strings.ReplaceAll(strings.ReplaceAll(tt.want, ";", " mended;")+" mended", "mended mended", "mended")
		switch tt.mended {
		case "":
			if tt.want == "" {
				mended = ""
			}
		case "as it is":
			mended = tt.want
		default:
			mended = tt.mended
		}
		if m.words(v) != mended {
			t.Errorf("%s: repaired to %q, want %q", tt.name, m.words(v), mended)
		}
		if after := fmt.Sprint(m.far.content()); after != farBefore {
			t.Errorf("%s: the repair changed the far side", tt.name)
		}
		if tt.name == "a mailbox is missing here" && m.far.bodies != bodies+5 {
			t.Errorf("%s: %d messages were fetched", tt.name, m.far.bodies-bodies)
		}
		again := m.verify(t, VerifyOptions{Deep: true, Percent: tt.percent})
		left := ""
		if tt.mended != "" && !strings.HasSuffix(mended, " mended") {
			left = mended
		}
		if m.words(again) != left {
			t.Errorf("%s: after the repair there is %q, want %q", tt.name, m.words(again), left)
		}
	}
}

// What a repair made is what a run finds in order.
func TestRepairAgrees(t *testing.T) {
	for _, tt := range damages {
		if tt.mended != "" || tt.percent > 0 {
			continue
		}
		m := newMirror(t)
		tt.do(m)
		v := m.verify(t, VerifyOptions{Deep: true})
		if err := Repair(t.Context(), m.far, m.shelf, m.ledger, v, RepairOptions{}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		bodies, appends := m.far.bodies, m.far.appends
		m.mustSync(t)
		if strings.Contains(tt.name, "kept") { // which only a run in one direction leaves alone
			continue
		}
		if m.far.bodies != bodies || m.far.appends != appends {
			t.Errorf("%s: a run after the repair transferred something", tt.name)
		}
		m.wantAgreement(t)
	}
}

// A mailbox that is made again is mended only if all that was in it is there.
func TestRepairNotAll(t *testing.T) {
	for _, tt := range []struct {
		name, want, why, after string
		do                     func(m *mirror)
	}{
		{
			name: "one is missing there", do: func(m *mirror) { m.change("far", "Work", "3", nil) },
			want: "Work mailbox_missing near 5; Work missing far 3; Work missing near 3", why: errNotMended.Error(),
			after: "Work missing far 3; Work missing near 3",
		},
		{
			name: "one has other bytes there", do: func(m *mirror) { m.change("far", "Work", "3", flip) },
			want: "Work mailbox_missing near 5; Work missing near 3", why: ErrOther.Error(), after: "Work missing near 3",
		},
		{name: "one is refused", do: func(m *mirror) {
			m.far.refuses = func(verb string, id mailbox.ID) error {
				if verb == "fetch" && id == "3" {
					return errNotDelivered
				}
				return nil
			}
		}, want: "Work mailbox_missing near 5; Work missing near 3", why: errNotDelivered.Error(), after: "Work missing near 3"},
	} {
		m := newMirror(t)
		delete(m.near.boxes, "Work")
		tt.do(m)
		v := m.verify(t, VerifyOptions{})
		if err := Repair(t.Context(), m.far, m.shelf, m.ledger, v, RepairOptions{}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if m.words(v) != tt.want {
			t.Errorf("%s: repaired to %q, want %q", tt.name, m.words(v), tt.want)
		}
		for d := range v.Differences() {
			if d.isAbout(MailboxMissing, Near) && !errors.Is(d.Failed, ErrNotAll) || d.isAbout(Absent, Near) && d.Failed.Error() != tt.why {
				t.Errorf("%s: %s, because %v", tt.name, d.Kind, d.Failed)
			}
		}
		if after := m.words(m.verify(t, VerifyOptions{})); after != tt.after {
			t.Errorf("%s: after the repair there is %q, want %q", tt.name, after, tt.after)
		}
	}
}

// What could not be looked at in a mailbox that was made again is told, and the mailbox is not mended.
func TestRepairUnseen(t *testing.T) {
	m := newMirror(t)
	delete(m.near.boxes, "Work")
	v := m.verify(t, VerifyOptions{})
	if err := Repair(t.Context(), unlisted{m.far}, m.shelf, m.ledger, v, RepairOptions{}); err != nil {
		t.Error(err)
	}
	if got := m.words(v); got != `Work mailbox_missing near 5; on the far side: mailbox "Work": not listed, but it is there; look again later: temporary failure` {
		t.Error(got)
	}
}

// unlisted leaves a mailbox out of its list.
type unlisted struct{ *memory }

func (u unlisted) Mailboxes(ctx context.Context) ([]mailbox.Info, error) {
	infos, err := u.memory.Mailboxes(ctx)
	return slices.DeleteFunc(infos, func(i mailbox.Info) bool { return i.Name == "Work" }), err
}

// A repair that dies anywhere, and is begun anew, comes to the same.
func TestRepairDies(t *testing.T) {
	for step, died := 1, true; died; step++ {
		m := newMirror(t)
		want := fmt.Sprint(m.far.content())
		m.change("near", "Work", m.id("1"), star)
		m.change("near", "Work", m.id("3"), nil)
		m.change("near", "Work", m.id("4"), cut)
		v := m.verify(t, VerifyOptions{})
		m.near.mortal, m.ledger.mortal = &mortal{diesAt: step, after: step%2 == 0}, m.near.mortal
		m.ledger.mortal = m.near.mortal
		died = Repair(t.Context(), m.far, m.shelf, m.ledger, v, RepairOptions{}) != nil
		m.near.mortal, m.ledger.mortal = &mortal{}, &mortal{}
		v = m.verify(t, VerifyOptions{})
		if err := Repair(t.Context(), m.far, m.shelf, m.ledger, v, RepairOptions{}); err != nil {
			t.Fatal(err)
		}
		for d := range v.Differences() {
			if !d.Mended && d.Kind != Unknown { // what was stored and not put on record
				t.Errorf("step %d: %s", step, m.words(v))
			}
		}
		if got := fmt.Sprint(m.far.content()); got != want {
			t.Errorf("step %d: the far side was changed", step)
		}
	}
}

// A second look leaves out what was only passing, and keeps what was found by reading.
func TestConfirm(t *testing.T) {
	m := newMirror(t)
	m.change("near", "Work", m.id("1"), flip)
	m.change("near", "Work", m.id("2"), star)
	m.change("far", "Work", "3", nil)
	passing := m.near.put("Work", message{raw: "x"})
	first := m.verify(t, VerifyOptions{Deep: true})
	if got := m.words(first); got != "Work flags near 2; Work missing far 3; Work unknown near new; Work bytes near 1" {
		t.Fatal(got)
	}
	m.change("near", "Work", passing, nil)
	m.change("near", "Work", m.id("4"), star) // new since
	doubtful := first.Doubtful()
	if len(doubtful) != 1 || !doubtful["Work"] {
		t.Errorf("doubtful: %v", doubtful)
	}
	first.Confirm(m.verify(t, VerifyOptions{Mailboxes: func(name mailbox.Name) bool { return doubtful[name] }}))
	if got := m.words(first); got != "Work flags near 2; Work missing far 3; Work bytes near 1" {
		t.Error(got)
	}
	if len(first.Mailboxes) != 3 || first.Mailboxes[2].Messages != [2]int{4, 5} || first.Mailboxes[2].Read[Near] != 5 {
		t.Errorf("%+v", first.Mailboxes)
	}
}

// What is missing from one look, and there in the next, is no difference, but a reason to look again later.
func TestVerifyBesideChanges(t *testing.T) {
	m := newMirror(t)
	id := m.id("3")
	v, err := Verify(t.Context(), m.far, hiding{m.shelf, id}, m.ledger, VerifyOptions{})
	if err != nil || m.words(v) != `mailbox "Work": 1 messages were moved or renamed meanwhile, and could not be looked at: temporary failure` {
		t.Errorf("%q, %v", m.words(v), err)
	}
	if !errors.Is(v.Problems[0], mailbox.ErrTemporary) || !v.Doubtful()["Work"] {
		t.Errorf("%v", v.Problems)
	}
}

// hiding leaves one message out of its listings.
type hiding struct {
	shelf
	id mailbox.ID
}

func (h hiding) Inspect(ctx context.Context, name mailbox.Name, found func(mailbox.Message)) (*mailbox.Scan, error) {
	return h.shelf.Inspect(ctx, name, func(m mailbox.Message) {
		if m.ID != h.id {
			found(m)
		}
	})
}

// As many messages are read again as the share says, rounded up, the same ones for the same seed.
func TestVerifyPercent(t *testing.T) {
	chosen := map[string]int{}
	for percent, want := range map[int]int{0: 0, 1: 2, 20: 2, 21: 4, 100: 10, 1000: 10} {
		m := newMirror(t)
		for seed := range uint64(20) {
			asked := ""
			m.far.refuses = func(verb string, id mailbox.ID) error {
				if verb == "fetch" {
					asked += string(id) + " "
				}
				return nil
			}
			for range 2 {
				asked += "| "
				v := m.verify(t, VerifyOptions{Percent: percent, Seed: seed, Workers: 1})
				read := 0
				for _, box := range v.Mailboxes {
					read += box.Read[Far]
				}
				if read != want {
					t.Errorf("%d percent: %d of 10", percent, read)
				}
			}
			if halves := strings.Split(asked, "| "); halves[1] != halves[2] {
				t.Errorf("seed %d chose %q, then %q", seed, halves[1], halves[2])
			} else if percent == 20 {
				chosen[halves[1]]++
			}
		}
	}
	if len(chosen) < 5 {
		t.Errorf("20 seeds came to %v", chosen)
	}
}

// What the budget has no room for is left out, and said.
func TestVerifyBudget(t *testing.T) {
	m := newMirror(t)
	v := m.verify(t, VerifyOptions{Percent: 100, Budget: &purse{day: 100}})
	if got := m.words(v); !strings.Contains(got, "quota is used up for today: 10 messages were not read from the far side again") || !errors.Is(v.Problems[0], mailbox.ErrQuota) {
		t.Error(got)
	}
}

// A message that the far side has in several mailboxes is read again in one of them.
func TestVerifyReadsOnce(t *testing.T) {
	m := newMirror(t)
	for _, name := range []mailbox.Name{mailbox.Inbox, "Work"} {
		for id := range m.ledger.pairs[name] {
			m.edit(name, id, func(p *mailbox.Pair) { p.AccountID = string("account" + id) })
		}
	}
	before := m.far.bodies
	if v := m.verify(t, VerifyOptions{Percent: 100}); m.words(v) != "" || m.far.bodies != before+5 {
		t.Errorf("%q, %d messages were read", m.words(v), m.far.bodies-before)
	}
}

// A message that mbsync stored with a line of its own is the same on both sides, and another byte in it shows.
func TestVerifyForeignForm(t *testing.T) {
	m := newMirror(t)
	for _, far := range []mailbox.ID{"2", "3"} {
		m.change("near", "Work", m.id(far), func(msg *message) { msg.raw = "X-TUID: abcdefghijkl\r\n" + msg.raw })
		m.edit("Work", far, func(p *mailbox.Pair) { p.Digest = sum(m.near.boxes["Work"].messages[p.Near].raw).Digest })
	}
	m.change("far", "Work", "3", flip)
	if got := m.words(m.verify(t, VerifyOptions{Deep: true, Percent: 100})); got != "Work bytes far 3" {
		t.Error(got)
	}
}
