package gimap

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A storing is what a STORE asks for.
type storing struct {
	op     byte // '+', '-' or '=' for what replaces
	silent bool
	labels bool
	words  []string
	unless uint64
	check  bool
}

func readStore(cmd *command) (st storing, ok bool) {
	args := cmd.args
	if len(args) == 4 && args[1].isList {
		words := args[1].words()
		if len(words) != 2 || !strings.EqualFold(words[0], "UNCHANGEDSINCE") {
			return st, false
		}
		n, err := strconv.ParseUint(words[1], 10, 64)
		if err != nil {
			return st, false
		}
		st.unless, st.check = n, true
		args = append([]node{args[0]}, args[2:]...)
	}
	if len(args) < 3 {
		return st, false
	}
	name := strings.ToUpper(args[1].text)
	st.op = '='
	if name != "" && (name[0] == '+' || name[0] == '-') {
		st.op, name = name[0], name[1:]
	}
	name, st.silent = strings.CutSuffix(name, ".SILENT")
	st.labels = name == "X-GM-LABELS"
	for _, a := range args[2:] {
		st.words = append(st.words, a.words()...)
	}
	return st, st.labels || name == "FLAGS"
}

func (c *session) store(cmd *command) string {
	st, ok := readStore(cmd)
	all, err := c.named(cmd)
	if !ok || err != nil {
		return badCommand
	}
	if c.readOnly {
		return "NO [READ-ONLY] Folder is read only. (Failure)"
	}
	if st.labels {
		if bad := c.refused(st); bad != "" {
			return bad
		}
	}
	c.tellFlags()
	var late []uint32
	for _, e := range all {
		switch {
		case c.s.store.messages[e.m.id] == nil:
		case st.check && e.m.mod > st.unless:
			late = append(late, e.uid)
		default:
			c.storeOne(e, st)
		}
	}
	c.told = c.s.store.mod
	if !st.labels && st.op != '-' && slices.Contains(st.words, `\Deleted`) && !c.s.o.KeepDeleted {
		c.expungeThese(all)
	}
	c.tell(false)
	if late != nil {
		return "OK [MODIFIED " + compact(late) + "] Conditional STORE failed (Success)"
	}
	return "OK Success"
}

func (c *session) storeOne(e numbered, st storing) {
	if st.labels {
		c.storeLabels(e.m, st)
	} else {
		c.storeFlags(e.m, st)
	}
	if !st.silent {
		c.sayStored(e, st)
	}
}

// expungeThese is what Auto-Expunge does.
func (c *session) expungeThese(all []numbered) {
	for _, e := range all {
		if c.selected.deleted[e.m.id] {
			c.s.store.expunge(c.selected, e.m)
		}
	}
}

func (c *session) sayStored(e numbered, st storing) {
	item := "FLAGS (" + strings.Join(c.flagsOf(e.member), " ") + ")"
	if st.labels {
		item = "X-GM-LABELS (" + c.labelsOf(e.member) + ")"
	}
	c.say("* %d FETCH (%s UID %d%s)", e.seq, item, e.uid, c.modSeq(e.m.mod))
}

// refused says which label Gmail does not allow.
func (c *session) refused(st storing) string {
	for _, word := range st.words {
		name := c.decode(word)
		switch {
		case strings.HasPrefix(name, `\`):
		case name == "" || reserved(name) || strings.ContainsAny(name, "^\x00") || utf8.RuneCountInString(name) > c.s.o.LabelLength:
			return "BAD Invalid Arguments: Label name is not allowed: " + word
		case spaced(name):
			return "NO [CANNOT] Folder contains excess whitespace (Failure)"
		case c.s.store.full() && c.s.store.folder(name) == nil && st.op != '-':
			return tooMany
		}
	}
	return ""
}

func (c *session) storeLabels(m *message, st storing) {
	s, own := c.s.store, c.selected.label()
	if c.s.o.OwnLabel {
		own = ""
	}
	s.change(m, func() {
		if st.op == '=' {
			for l := range m.labels {
				if l != own && (s.o.SetsSent || l != `\Sent` && l != `\Draft`) {
					delete(m.labels, l)
				}
			}
			delete(m.flags, `\Flagged`)
		}
		for _, word := range st.words {
			c.storeLabel(m, c.decode(word), st.op != '-', own)
		}
	})
}

// storeLabel gives or takes one label. Sent and Draft may not be for clients to change.
func (c *session) storeLabel(m *message, name string, give bool, own string) {
	s := c.s.store
	switch strings.ToLower(name) {
	case `\starred`:
		setTo(m.flags, `\Flagged`, give)
	case `\trash`, `\spam`:
		if give && !c.s.o.PlainTrash {
			m.place = map[string]place{`\trash`: inTrash, `\spam`: inSpam}[strings.ToLower(name)]
			m.labels = map[string]bool{}
		}
	case `\sent`, `\draft`, `\drafts`, `\inbox`, `\important`, `\muted`:
		name = `\` + strings.ToUpper(name[1:2]) + strings.TrimSuffix(strings.ToLower(name[2:]), "s")
		if !s.o.SetsSent && (name == `\Sent` || name == `\Draft`) {
			return
		}
		if give || name != own {
			setTo(m.labels, name, give)
		}
	default:
		if give && !strings.HasPrefix(name, `\`) {
			s.label(m, name)
		} else if name != own {
			delete(m.labels, name)
		}
	}
}

func setTo(set map[string]bool, key string, on bool) {
	if on {
		set[key] = true
	} else {
		delete(set, key)
	}
}

func (c *session) storeFlags(m *message, st storing) {
	f := c.selected
	c.s.store.changeAs(m, true, func() {
		if st.op == '=' {
			clear(m.flags)
			delete(f.deleted, m.id)
			delete(f.keywords, m.id)
		}
		for _, word := range st.words {
			c.setFlag(m, word, st.op != '-')
		}
	})
}

// setFlag sets or clears a flag of a message in the open mailbox.
func (c *session) setFlag(m *message, word string, on bool) {
	f := c.selected
	switch {
	case strings.EqualFold(word, `\Deleted`):
		if on && f.use != `\Trash` && f.use != `\Junk` {
			c.s.noteDeleted()
		}
		if on {
			f.deleted[m.id] = true
		} else {
			delete(f.deleted, m.id)
		}
	case strings.EqualFold(word, `\Recent`), strings.EqualFold(word, `\Draft`), on && !c.s.o.keeps(word, m.flags, f.keywords[m.id]):
	case c.s.o.BoxKeywords && !strings.HasPrefix(word, `\`):
		if f.keywords[m.id] == nil {
			f.keywords[m.id] = map[string]bool{}
		}
		setTo(f.keywords[m.id], word, on)
	default:
		setTo(m.flags, word, on)
	}
}

// expunge answers EXPUNGE and UID EXPUNGE.
func (c *session) expunge(cmd *command) string {
	doomed := map[uint64]bool{}
	if cmd.uid {
		all, err := c.named(cmd)
		if err != nil {
			return badCommand
		}
		for _, e := range all {
			doomed[e.m.id] = true
		}
	}
	for _, e := range slices.Clone(c.view) {
		if c.selected.deleted[e.m.id] && (!cmd.uid || doomed[e.m.id]) {
			c.s.store.expunge(c.selected, e.m)
		}
	}
	c.tell(false)
	return "OK Success"
}

// copy answers COPY and MOVE.
func (c *session) copy(cmd *command) string {
	all, err := c.named(cmd)
	if err != nil || len(cmd.args) != 2 {
		return badCommand
	}
	f := c.s.store.shown(c.decode(cmd.args[1].text))
	if f == nil {
		return "NO [TRYCREATE] No folder " + cmd.args[1].text + " (Failure)"
	}
	c.tellFlags()
	var from, to []uint32
	for _, e := range all {
		if c.s.store.messages[e.m.id] == nil {
			continue
		}
		if c.s.o.FreshUID && c.selected.use == `\All` && f.uids[e.m.id] != 0 && f.label() != "" {
			f.drop(e.m)
		}
		c.put(e.m, f, cmd.verb == "MOVE")
		if cmd.verb == "MOVE" && c.selected.use == `\All` && f.place() == inMail {
			c.movedOn(e)
		}
		from, to = append(from, e.uid), append(to, f.uids[e.m.id])
	}
	c.told = c.s.store.mod
	code := ""
	if len(from) > 0 {
		slices.Sort(to)
		code = "[COPYUID " + number(f.validity) + " " + compact(from) + " " + compact(to) + "] "
	}
	if c.s.o.EarlyCopyUID && code != "" {
		c.say("* OK %s", strings.TrimSpace(code))
		code = ""
	}
	c.tell(false)
	return "OK " + code + "(Success)"
}

// movedOn does to a message of All Mail what a MOVE to a label may do there.
func (c *session) movedOn(e numbered) {
	switch f := c.selected; c.s.o.AllMailMove {
	case MoveStays:
	case MoveRenumbers:
		f.drop(e.m)
		f.add(e.m)
	case MoveHides:
		i := slices.Index(c.view, e.member)
		c.view = slices.Delete(slices.Clone(c.view), i, i+1)
		c.say("* %d EXPUNGE", i+1)
	}
}

// put does what a COPY or a MOVE from the open mailbox into another does to a message.
func (c *session) put(m *message, to *folder, move bool) {
	s, from := c.s.store, c.selected
	switch to.use {
	case `\Trash`:
		s.put(m, inTrash)
		return
	case `\Junk`:
		s.put(m, inSpam)
		return
	}
	s.change(m, func() {
		m.place = inMail
		if move {
			delete(from.deleted, m.id)
			delete(m.labels, from.label())
			if from.use == `\Flagged` {
				delete(m.flags, `\Flagged`)
			}
		}
		switch {
		case to.use == `\Flagged`:
			m.flags[`\Flagged`] = true
		case to.label() != "":
			s.label(m, to.label())
		}
	})
}
