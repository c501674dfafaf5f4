package syncer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mailtwin/mailbox"
)

// A mortal dies at one of its effects: before it, or just after it, when the effect is done and nobody hears of it.
type mortal struct {
	mu     sync.Mutex
	diesAt int // 0: never
	after  bool
	step   int
	dead   bool
}

var errDied = errors.New("died")

func (m *mortal) effect(do func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errDied
	}
	m.step++
	m.dead = m.step == m.diesAt
	if m.dead && !m.after {
		return errDied
	}
	do()
	if m.dead {
		return errDied
	}
	return nil
}

type message struct {
	raw   string
	flags mailbox.Flags
	date  time.Time
}

type box struct {
	identity string
	gen      int
	next     int
	version  int // counts changes
	messages map[mailbox.ID]message
}

// memory is a replica in memory. far counts UIDs, near invents names, as the real ones do.
type memory struct {
	*mortal
	far   bool
	boxes map[mailbox.Name]*box
	count int // names and identities given so far

	noMarks  bool // cannot tell by a mark whether a mailbox changed, as IMAP without CONDSTORE
	noUIDs   bool // does not tell the ID of what it stored, as IMAP without UIDPLUS
	marksOff bool // cannot remove just one message, as IMAP without UIDPLUS
	rewrites bool // stores something else than it was given
	lies     bool // about sizes
	names    bool // has a name for a message that is the same in all mailboxes
	sealed   bool // is not to be changed
	refuses  func(verb string, id mailbox.ID) error

	tries   int // of what was refused
	bodies  int // fetched
	appends int
	scans   int
}

var errSealed = errors.New("changed, and is only to be read")

func (m *memory) effect(do func()) error {
	if m.sealed {
		return errSealed
	}
	return m.mortal.effect(do)
}

func newMemory(far bool) *memory {
	m := &memory{mortal: &mortal{}, far: far, boxes: map[mailbox.Name]*box{}}
	m.make(mailbox.Inbox)
	if far {
		m.make("Trash")
	}
	return m
}

func (m *memory) make(name mailbox.Name) {
	m.count++
	m.boxes[name] = &box{identity: fmt.Sprint("box", m.count), gen: m.count, next: 1, messages: map[mailbox.ID]message{}}
}

func (m *memory) put(name mailbox.Name, msg message) mailbox.ID {
	b := m.boxes[name]
	id := mailbox.ID(strconv.Itoa(b.next))
	if !m.far {
		m.count++
		id = mailbox.ID(fmt.Sprintf("key%d", m.count))
	}
	b.next++
	b.version++
	b.messages[id] = msg
	return id
}

func (b *box) mark() string {
	return fmt.Sprintf("%d %d %d %d", b.gen, b.next, len(b.messages), b.version)
}

func (m *memory) Mailboxes(context.Context) ([]mailbox.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return nil, errDied
	}
	var infos []mailbox.Info
	for name, b := range m.boxes {
		info := mailbox.Info{Name: name, Mark: b.mark(), Identity: b.identity}
		if m.noMarks {
			info.Mark = ""
		}
		if name == "Trash" && m.far {
			info.Role = mailbox.RoleTrash
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (m *memory) Vanished(_ context.Context, name mailbox.Name) (bool, error) {
	return m.boxes[name] == nil, nil
}

func (m *memory) box(name mailbox.Name) (*box, error) {
	if b := m.boxes[name]; b != nil {
		return b, nil
	}
	return nil, mailbox.ErrNoMailbox
}

func (m *memory) Scan(_ context.Context, req mailbox.ScanRequest) (*mailbox.Scan, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.box(req.Name)
	if err != nil {
		return nil, err
	}
	m.scans++
	s := &mailbox.Scan{Cursor: mailbox.Cursor{Mark: b.mark(), Memo: strconv.Itoa(b.gen)}, Full: true, Settled: true, Generation: strconv.Itoa(b.gen)}
	s.Start.Memo = s.Cursor.Memo
	known := req.Known
	if m.far && req.Since.Memo != "" && req.Since.Memo != s.Cursor.Memo {
		s.Reset, known = true, nil
	}
	for id, msg := range b.messages {
		entry := mailbox.Message{ID: id, Flags: msg.flags, InternalDate: msg.date}
		if known == nil || !known.Has(id) {
			c := sum(msg.raw)
			entry.Size = m.size(c)
			if m.names {
				entry.Content.AccountID = c.Digest.String()
			}
			if req.Identify {
				entry.Content.MessageID = c.MessageID
				entry.Content.Size = m.size(c)
			}
		}
		s.Present = append(s.Present, entry)
	}
	slices.SortFunc(s.Present, func(a, b mailbox.Message) int { return compareIDs(a.ID, b.ID) })
	if known != nil {
		for id := range known.All() {
			if _, there := b.messages[id]; !there {
				s.Gone = append(s.Gone, id)
			}
		}
	}
	return s, nil
}

func sum(raw string) mailbox.Content {
	s := mailbox.NewSummer()
	_, _ = s.Write([]byte(raw)) // a Summer never fails
	return s.Content()
}

func (m *memory) Identify(_ context.Context, name mailbox.Name, ids []mailbox.ID, found func(mailbox.ID, mailbox.Content)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.box(name)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if msg, ok := b.messages[id]; ok && m.refusal("identify", id) == nil {
			c := sum(msg.raw)
			if m.far {
				c.Digest, c.Size = mailbox.Digest{}, m.size(c)
			}
			found(id, c)
		}
	}
	return nil
}

// size is what the side says of the size of a message.
func (m *memory) size(c mailbox.Content) int64 {
	if m.lies {
		return 3 * c.Size
	}
	return c.Size
}

func (m *memory) Missing(_ context.Context, name mailbox.Name, ids []mailbox.ID) ([]mailbox.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var missing []mailbox.ID
	for _, id := range ids {
		if b := m.boxes[name]; b == nil {
			missing = append(missing, id)
		} else if _, ok := b.messages[id]; !ok {
			missing = append(missing, id)
		}
	}
	return missing, nil
}

func (m *memory) Fetch(_ context.Context, name mailbox.Name, ids []mailbox.ID, body func(mailbox.ID, io.Reader) error, problem func(mailbox.ID, error)) error {
	for _, id := range ids {
		if err := m.refusal("fetch", id); err != nil {
			problem(id, err)
			continue
		}
		m.mu.Lock()
		b, err := m.box(name)
		if err != nil || m.dead {
			m.mu.Unlock()
			return errors.Join(err, errDied)
		}
		msg, ok := b.messages[id]
		m.bodies++
		m.mu.Unlock()
		if !ok {
			continue
		}
		if err := body(id, strings.NewReader(msg.raw)); err != nil {
			return err
		}
	}
	return nil
}

// refusal asks refuses, which may be nil.
func (m *memory) refusal(verb string, id mailbox.ID) error {
	if m.refuses == nil {
		return nil
	}
	err := m.refuses(verb, id)
	if err != nil {
		m.tries++
	}
	return err
}

type memoryBatch struct {
	m     *memory
	name  mailbox.Name
	held  []mailbox.Message
	raws  []string
	ready []mailbox.Stored
}

func (m *memory) Append(_ context.Context, name mailbox.Name) (Batch, error) {
	return &memoryBatch{m: m, name: name}, nil
}

// Add stores at once on the far side, as APPEND does, and what is refused there is told by Flush; the near side waits for
// Flush.
func (b *memoryBatch) Add(_ context.Context, msg mailbox.Message, body io.Reader) error {
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(body); err != nil {
		return err
	}
	if err := b.m.refusal("append", msg.ID); err != nil {
		if b.m.far {
			b.ready = append(b.ready, mailbox.Stored{Source: msg.ID, Refused: err})
			return nil
		}
		return &mailbox.MessageError{Mailbox: b.name, ID: msg.ID, Err: err}
	}
	b.held = append(b.held, msg)
	b.raws = append(b.raws, buf.String())
	if b.m.far {
		return b.store(len(b.held) - 1)
	}
	return nil
}

func (b *memoryBatch) store(i int) error {
	msg, raw := b.held[i], b.raws[i]
	return b.m.effect(func() {
		b.m.appends++
		if b.m.boxes[b.name] == nil {
			return
		}
		stored := raw
		if b.m.rewrites {
			stored = "X-Stamp: 1\r\n" + raw
		}
		s := mailbox.Stored{Source: msg.ID, Content: sum(raw)}
		id := b.m.put(b.name, message{stored, msg.Flags, msg.InternalDate})
		if !b.m.noUIDs {
			s.ID = id
		}
		b.ready = append(b.ready, s)
	})
}

func (b *memoryBatch) Flush(context.Context) ([]mailbox.Stored, error) {
	if !b.m.far {
		for i := range b.held {
			if err := b.store(i); err != nil {
				return nil, err
			}
		}
	}
	return b.ready, nil
}

func (b *memoryBatch) Close() error { return nil }

func (m *memory) SetFlags(_ context.Context, name mailbox.Name, changes []mailbox.FlagChange, problem func(mailbox.ID, error)) error {
	for _, c := range changes {
		if err := m.refusal("flags", c.ID); err != nil {
			problem(c.ID, err)
			continue
		}
		err := m.effect(func() {
			if b := m.boxes[name]; b != nil {
				if msg, ok := b.messages[c.ID]; ok {
					msg.flags = msg.flags.Union(c.Add).Minus(c.Take)
					b.messages[c.ID] = msg
					b.version++
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Remove(_ context.Context, name mailbox.Name, doomed []mailbox.Doomed) (gone, kept []mailbox.ID, err error) {
	for _, d := range doomed {
		err := m.effect(func() {
			b := m.boxes[name]
			if b == nil {
				gone = append(gone, d.ID)
				return
			}
			b.version++
			msg, ok := b.messages[d.ID]
			if ok && m.marksOff {
				msg.flags = msg.flags.With(mailbox.Deleted)
				b.messages[d.ID] = msg
				kept = append(kept, d.ID)
				return
			}
			delete(b.messages, d.ID)
			gone = append(gone, d.ID)
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return gone, kept, nil
}

func (m *memory) Copy(_ context.Context, from mailbox.Name, doomed []mailbox.Doomed, to mailbox.Name) (map[mailbox.ID]mailbox.ID, error) {
	if err := m.refusal("copy", mailbox.ID(to)); err != nil {
		return nil, &mailbox.MailboxError{Mailbox: from, Err: err}
	}
	arrived := map[mailbox.ID]mailbox.ID{}
	for _, d := range doomed {
		if err := m.effect(func() { m.copyOne(from, d.ID, to, arrived) }); err != nil {
			return nil, err
		}
	}
	return arrived, nil
}

func (m *memory) copyOne(from mailbox.Name, id mailbox.ID, to mailbox.Name, arrived map[mailbox.ID]mailbox.ID) {
	b := m.boxes[from]
	if b == nil || m.boxes[to] == nil {
		return
	}
	if msg, ok := b.messages[id]; ok {
		arrived[id] = m.put(to, msg)
		if m.noUIDs {
			arrived[id] = ""
		}
	}
}

func (m *memory) Move(ctx context.Context, from mailbox.Name, doomed []mailbox.Doomed, to mailbox.Name) (moved mailbox.Moved, err error) {
	if m.marksOff {
		if moved.To, err = m.Copy(ctx, from, doomed, to); err != nil {
			return moved, err
		}
		moved.Gone, moved.Kept, err = m.Remove(ctx, from, doomed)
		return moved, err
	}
	if err := m.refusal("move", mailbox.ID(to)); err != nil {
		return moved, &mailbox.MailboxError{Mailbox: from, Err: err}
	}
	moved.To = map[mailbox.ID]mailbox.ID{}
	for _, d := range doomed {
		err := m.effect(func() {
			b := m.boxes[from]
			if b == nil || b.messages[d.ID].raw == "" {
				moved.Gone = append(moved.Gone, d.ID)
				return
			}
			m.copyOne(from, d.ID, to, moved.To)
			delete(b.messages, d.ID)
			b.version++
		})
		if err != nil {
			return mailbox.Moved{}, err
		}
	}
	return moved, nil
}

func (m *memory) Create(_ context.Context, name mailbox.Name) error {
	if err := m.refusal("create", mailbox.ID(name)); err != nil {
		return &mailbox.MailboxError{Mailbox: name, Err: err}
	}
	return m.effect(func() {
		if m.boxes[name] == nil {
			m.make(name)
		}
	})
}

func (m *memory) Rename(_ context.Context, from, to mailbox.Name) error {
	if err := m.refusal("rename", mailbox.ID(from)); err != nil {
		return &mailbox.MailboxError{Mailbox: from, Err: err}
	}
	return m.effect(func() { m.rename(from, to) })
}

func (m *memory) rename(from, to mailbox.Name) {
	for _, name := range slices.Collect(maps.Keys(m.boxes)) {
		if name == from || name.Under(from) {
			m.boxes[to+name[len(from):]] = m.boxes[name]
			delete(m.boxes, name)
		}
	}
}

func (m *memory) Delete(_ context.Context, name mailbox.Name, kept []mailbox.ID) (err error) {
	died := m.effect(func() {
		if b := m.boxes[name]; b != nil && len(b.messages) > len(kept) {
			err = mailbox.ErrNotEmpty
			return
		}
		delete(m.boxes, name)
	})
	return errors.Join(died, err)
}

// notebook is a ledger in memory.
type notebook struct {
	*mortal
	twins   map[mailbox.Name]*mailbox.Twin
	pairs   map[mailbox.Name]map[mailbox.ID]mailbox.Pair
	intents map[mailbox.Name]map[mailbox.ID]mailbox.Intent

	tallies  map[string][2]int
	troubles []mailbox.Trouble
	log      []mailbox.Change
}

func newNotebook() *notebook {
	return &notebook{
		mortal: &mortal{}, twins: map[mailbox.Name]*mailbox.Twin{}, pairs: map[mailbox.Name]map[mailbox.ID]mailbox.Pair{},
		intents: map[mailbox.Name]map[mailbox.ID]mailbox.Intent{}, tallies: map[string][2]int{},
	}
}

func (n *notebook) Removed(_ context.Context, day string) (mailbox.Tally, error) {
	return mailbox.Tally{Day: day, Removed: n.tallies[day]}, nil
}

func (n *notebook) Troubles(context.Context) ([]mailbox.Trouble, error) { return n.troubles, nil }

func (n *notebook) PutTroubles(_ context.Context, troubles []mailbox.Trouble) error {
	return n.effect(func() { n.troubles = troubles })
}

func (n *notebook) Mailboxes(context.Context) ([]mailbox.Twin, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var twins []mailbox.Twin
	for name, t := range n.twins {
		twin := *t
		twin.Name = name
		twin.Pairs, twin.Open = len(n.pairs[name]), 0
		for _, p := range n.pairs[name] {
			if p.Parked == mailbox.Pending {
				twin.Open++
			}
		}
		twins = append(twins, twin)
	}
	return twins, nil
}

func (n *notebook) Pairs(_ context.Context, name mailbox.Name) iter.Seq2[mailbox.Pair, error] {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := slices.Collect(maps.Values(n.pairs[name]))
	slices.SortFunc(list, func(a, b mailbox.Pair) int { return compareIDs(a.Far, b.Far) })
	return func(yield func(mailbox.Pair, error) bool) {
		for _, p := range list {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func (n *notebook) ByHint(_ context.Context, hint mailbox.Hint) iter.Seq2[mailbox.Located, error] {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []mailbox.Located
	for name, pairs := range n.pairs {
		for _, p := range pairs {
			if slices.Contains(p.Hints(), hint) {
				list = append(list, mailbox.Located{Mailbox: name, Pair: p})
			}
		}
	}
	slices.SortFunc(list, func(a, b mailbox.Located) int {
		if c := strings.Compare(string(a.Mailbox), string(b.Mailbox)); c != 0 {
			return c
		}
		return compareIDs(a.Far, b.Far)
	})
	return func(yield func(mailbox.Located, error) bool) {
		for _, l := range list {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func (n *notebook) Intents(_ context.Context, name mailbox.Name) ([]mailbox.Intent, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Values(n.intents[name])), nil
}

func (n *notebook) Commit(_ context.Context, updates ...mailbox.Update) error {
	return n.effect(func() {
		for _, u := range updates {
			n.apply(u)
		}
	})
}

func (n *notebook) apply(u mailbox.Update) {
	n.log = append(n.log, u.Log...)
	if u.Tally != nil {
		sum := n.tallies[u.Tally.Day]
		sum[Far], sum[Near] = sum[Far]+u.Tally.Removed[Far], sum[Near]+u.Tally.Removed[Near]
		n.tallies[u.Tally.Day] = sum
	}
	if u.Forget || u.Reset {
		delete(n.pairs, u.Mailbox)
		delete(n.intents, u.Mailbox)
		delete(n.twins, u.Mailbox)
		if u.Forget {
			return
		}
	}
	if u.Rename != "" {
		n.twins[u.Rename], n.pairs[u.Rename], n.intents[u.Rename] = n.twins[u.Mailbox], n.pairs[u.Mailbox], n.intents[u.Mailbox]
		delete(n.twins, u.Mailbox)
		delete(n.pairs, u.Mailbox)
		delete(n.intents, u.Mailbox)
		return
	}
	if n.twins[u.Mailbox] == nil {
		n.twins[u.Mailbox] = &mailbox.Twin{}
		n.pairs[u.Mailbox] = map[mailbox.ID]mailbox.Pair{}
		n.intents[u.Mailbox] = map[mailbox.ID]mailbox.Intent{}
	}
	for _, p := range u.Drop {
		delete(n.pairs[u.Mailbox], pairKey(p))
	}
	for _, p := range u.Put {
		n.pairs[u.Mailbox][pairKey(p)] = p
	}
	for _, i := range u.Begin {
		n.intents[u.Mailbox][i.Near] = i
	}
	for _, id := range u.End {
		delete(n.intents[u.Mailbox], id)
	}
	if u.Far != nil {
		n.twins[u.Mailbox].Far = *u.Far
	}
	if u.Near != nil {
		n.twins[u.Mailbox].Near = *u.Near
	}
}

// pairKey is the far ID, or the near one where there is none.
func pairKey(p mailbox.Pair) mailbox.ID {
	if p.Far == "" {
		return "near " + p.Near
	}
	return p.Far
}

// content is what both sides shall agree on: how often each message with its flags is in each mailbox.
func (m *memory) content() map[string]int {
	all := map[string]int{}
	for name, b := range m.boxes {
		all[string(name)] += 0
		for _, msg := range b.messages {
			if m.far && m.marksOff && msg.flags.Has(mailbox.Deleted) {
				continue // marked, for want of a way to remove it
			}
			raw := strings.TrimPrefix(msg.raw, "X-Stamp: 1\r\n")
			all[fmt.Sprintf("%s %x %s", name, sha256.Sum256([]byte(raw)), msg.flags)]++
		}
	}
	return all
}
