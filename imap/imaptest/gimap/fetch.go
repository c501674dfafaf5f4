package gimap

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// numbered is a member and its sequence number.
type numbered struct {
	member
	seq int
}

// named returns the messages that the first argument of a command names, from low to high.
func (c *session) named(cmd *command) ([]numbered, error) {
	if len(cmd.args) == 0 {
		return nil, errParse
	}
	last := uint32(len(c.view))
	if cmd.uid {
		last = 0
		if len(c.view) > 0 {
			last = c.view[len(c.view)-1].uid
		}
	}
	set, err := parseSet(cmd.args[0].text, last)
	if err != nil {
		return nil, err
	}
	in := make([]bool, len(c.view))
	for _, r := range set {
		from, to := int(r.from)-1, int(r.to)
		if cmd.uid {
			at := func(uid uint32) int {
				i, _ := slices.BinarySearchFunc(c.view, uid, func(e member, uid uint32) int {
					return int(int64(e.uid) - int64(uid))
				})
				return i
			}
			from, to = at(r.from), at(r.to)
			if to < len(c.view) && c.view[to].uid == r.to {
				to++
			}
		}
		for i := max(from, 0); i < min(to, len(c.view)); i++ {
			in[i] = true
		}
	}
	var all []numbered
	for i, e := range c.view {
		if in[i] {
			all = append(all, numbered{e, i + 1})
		}
	}
	return all, nil
}

// here is what the session sees of a message: what it was, if the mailbox was open before it changed and the change is young.
func (c *session) here(m *message) version {
	if c.lags(m) {
		return *m.was
	}
	return version{mod: m.mod, flagMod: m.flagMod, flags: m.flags, labels: m.labels}
}

func (c *session) lags(m *message) bool {
	return m.was != nil && c.opened.Before(m.was.changed) && c.s.o.Now().Before(m.was.changed.Add(c.s.o.Lag))
}

// flagsOf are the flags of a message in the open mailbox.
func (c *session) flagsOf(e member) []string {
	m := c.here(e.m)
	words := slices.Sorted(maps.Keys(m.flags))
	for k := range c.selected.keywords[e.m.id] {
		words = append(words, k)
	}
	if m.labels[`\Draft`] && c.selected.use == `\Drafts` {
		words = append(words, `\Draft`)
	}
	deleted := c.selected.deleted[e.m.id]
	if c.s.o.SeesDeleted && !deleted {
		deleted = slices.ContainsFunc(c.s.store.folders, func(f *folder) bool { return f.deleted[e.m.id] })
	}
	if deleted {
		words = append(words, `\Deleted`)
	}
	return words
}

// labelsOf are the labels of a message as the open mailbox shows them: without its own.
func (c *session) labelsOf(e member) string {
	m := c.here(e.m)
	var words []string
	for _, l := range slices.Sorted(maps.Keys(m.labels)) {
		if l != c.selected.label() {
			words = append(words, labelWord(c.encode(l)))
		}
	}
	if m.flags[`\Flagged`] && c.selected.use != `\Flagged` {
		words = append(words, `"\\Starred"`)
	}
	return strings.Join(words, " ")
}

// labelWord writes a label as Gmail does: bare where it can be an atom, be it a number or NIL.
func labelWord(l string) string {
	for i := range len(l) {
		if l[i] <= ' ' || l[i] >= 0x7f || strings.IndexByte(`(){%*"\]`, l[i]) >= 0 {
			return quote(l)
		}
	}
	if l == "" {
		return `""`
	}
	return l
}

// The items of a FETCH, in the order in which Gmail answers.
var itemOrder = []string{"X-GM-THRID", "X-GM-MSGID", "X-GM-LABELS", "UID", "RFC822.SIZE", "MODSEQ", "INTERNALDATE", "FLAGS", "ENVELOPE", "BODYSTRUCTURE"}

// A fetching is what a FETCH asks for.
type fetching struct {
	items  map[string]bool
	bodies []bodyItem
	since  uint64
}

func (c *session) readFetch(cmd *command) (f fetching, ok bool) {
	f.items = map[string]bool{"UID": cmd.uid}
	if len(cmd.args) < 2 || len(cmd.args) > 3 {
		return f, false
	}
	for _, word := range cmd.args[1].words() {
		up := strings.ToUpper(word)
		if b, is := readBodyItem(up); is {
			f.bodies = append(f.bodies, b)
		} else if slices.Contains(itemOrder, up) {
			f.items[up] = true
		} else {
			return f, false
		}
	}
	if len(cmd.args) == 3 {
		words := cmd.args[2].words()
		if len(words) != 2 || !strings.EqualFold(words[0], "CHANGEDSINCE") {
			return f, false
		}
		n, err := strconv.ParseUint(words[1], 10, 64)
		if err != nil {
			return f, false
		}
		f.since, c.condense = n, true
		f.items["MODSEQ"] = true
	}
	f.items["MODSEQ"] = c.condense || f.items["MODSEQ"]
	return f, true
}

func (c *session) fetch(cmd *command) string {
	f, ok := c.readFetch(cmd)
	all, err := c.named(cmd)
	if !ok || err != nil {
		return badCommand
	}
	fault := c.now
	if fault == nil {
		fault = &Fault{}
	}
	lost := false
	for _, e := range all {
		if c.s.store.messages[e.m.id] == nil || f.since > 0 && c.here(e.m).mod <= f.since {
			continue
		}
		if slices.Contains(fault.Lose, e.uid) {
			lost = true
			continue
		}
		if fault.Noise {
			c.say("* %d FETCH (FLAGS (%s))", e.seq, strings.Join(c.flagsOf(e.member), " "))
		}
		c.answerFetch(e, f, fault)
	}
	if lost {
		return "NO Some messages could not be FETCHed (Failure)"
	}
	if cmd.uid {
		c.tell(true)
	}
	return "OK Success"
}

func (c *session) answerFetch(e numbered, f fetching, fault *Fault) {
	for _, b := range f.bodies {
		if !b.peek && !c.readOnly && !e.m.flags[`\Seen`] {
			c.s.store.change(e.m, func() { e.m.flags[`\Seen`] = true })
		}
	}
	var parts []string
	for _, item := range itemOrder {
		if f.items[item] && !slices.Contains(fault.NoItems, item) {
			parts = append(parts, c.item(item, e.member))
		}
	}
	text := fmt.Sprintf("* %d FETCH (%s", e.seq, strings.Join(parts, " "))
	for _, b := range f.bodies {
		data, whole := b.of(e.m.raw), uint64(0)
		if b.section == "" && !b.partial {
			whole = e.m.id
			switch fault.Body {
			case "absent":
				continue
			case "nil":
				text += " " + b.name() + " NIL"
				continue
			case "empty":
				data, whole = nil, 0
			}
		}
		if !strings.HasSuffix(text, "(") {
			text += " "
		}
		c.out = append(c.out, chunk{text: fmt.Appendf(nil, "%s%s {%d}\r\n", text, b.name(), len(data))}, chunk{text: data, literal: true, body: whole})
		text = ""
	}
	c.out = append(c.out, chunk{text: []byte(text + ")\r\n")})
}

func (c *session) item(item string, e member) string {
	switch item {
	case "X-GM-THRID":
		return item + " " + number(e.m.thread)
	case "X-GM-MSGID":
		return item + " " + number(e.m.id)
	case "X-GM-LABELS":
		return item + " (" + c.labelsOf(e) + ")"
	case "UID":
		return item + " " + number(e.uid)
	case "RFC822.SIZE":
		return item + " " + number(int64(len(e.m.raw))+e.m.sizeOff)
	case "MODSEQ":
		c.condense = true
		return c.modSeq(c.here(e.m).mod)[1:]
	case "INTERNALDATE":
		return item + " " + quote(e.m.date.Format("02-Jan-2006 15:04:05 -0700"))
	case "FLAGS":
		return item + " (" + strings.Join(c.flagsOf(e), " ") + ")"
	case "ENVELOPE":
		return item + " " + envelope(e.m)
	}
	_, body, _ := bytes.Cut(e.m.raw, []byte("\r\n\r\n"))
	return fmt.Sprintf(`%s ("TEXT" "PLAIN" NIL NIL NIL "8BIT" %d %d NIL NIL NIL)`, item, len(body), bytes.Count(body, []byte("\n")))
}
