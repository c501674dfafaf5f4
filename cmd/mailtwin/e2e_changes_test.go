package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"mailtwin/imap/imaptest"
)

// hostile are mailbox names that Dovecot takes and that are hard to store.
var hostile = []string{
	"INBOX", "Work", "Work/2024", "Work/2024/Q1", "R&D", "Größe & mehr", "日本語", "with  two spaces", "a.b.c", "100%",
	"50%2F50", "x~tilde", "#hash", "it's", `back\slash`, `say "hi"`, "INBOX/child", "cur", "Lists/new", "tmp", ".hidden",
	"[Gmail]/x", "UPPER", "upper", "trailing ", " leading", "star*", "🎉 party", "-", "...", "a:b;c", "{5}", "(paren)",
}

// changes keeps an account of random changes on both sides. No message and no mailbox is touched on both sides between
// two syncs, except for flags, so that it is known what must come of it.
type changes struct {
	*twin
	rng             *rand.Rand
	fresh           func() imaptest.Message
	flags, keywords []string // that are turned over
}

func newChanges(w *twin, seed uint64) *changes {
	next, _ := iter.Pull(imaptest.Corpus(seed, imaptest.CorpusOptions{MaxSize: 200_000}))
	return &changes{twin: w, rng: rand.New(rand.NewPCG(seed, 1)), flags: someFlags, keywords: someKeywords, fresh: func() imaptest.Message {
		m, _ := next()
		return m
	}}
}

// plain has no keyword set, nor come with a message.
func (c *changes) plain() {
	isKeyword := func(flag string) bool { return !strings.HasPrefix(flag, `\`) }
	c.flags = slices.DeleteFunc(slices.Clone(c.flags), isKeyword)
	c.keywords = c.flags
	any := c.fresh
	c.fresh = func() imaptest.Message {
		m := any()
		m.Flags = slices.DeleteFunc(slices.Clone(m.Flags), isKeyword)
		return m
	}
}

// A side of a twin, as the changes see it.
type editor struct {
	name   string
	append func(mailbox string, m imaptest.Message) error
	flag   func(c imaptest.Copy, add, take []string) error
	move   func(c imaptest.Copy, to string) error
	copy   func(c imaptest.Copy, to string) error
	remove func(c imaptest.Copy) error
	create func(mailbox string) error
	rename func(from, to string) error
	delete func(mailbox string) error
}

func (w *twin) far() editor {
	a := w.account
	return editor{
		name:   "far",
		append: func(mailbox string, m imaptest.Message) error { _, err := a.Append(mailbox, m); return err },
		flag: func(c imaptest.Copy, add, take []string) error {
			return a.Flag(c.Mailbox, []uint32{c.UID}, add, take)
		},
		move:   func(c imaptest.Copy, to string) error { return a.Move(c.Mailbox, to, c.UID) },
		copy:   func(c imaptest.Copy, to string) error { return a.Copy(c.Mailbox, to, c.UID) },
		remove: func(c imaptest.Copy) error { return a.Expunge(c.Mailbox, c.UID) },
		create: a.Create, rename: a.Rename, delete: a.Delete,
	}
}

func (w *twin) near() editor {
	t := w.tree
	return editor{
		name:   "near",
		append: func(mailbox string, m imaptest.Message) error { _, err := t.Deliver(mailbox, m); return err },
		flag:   func(c imaptest.Copy, add, take []string) error { _, err := t.Flag(c, add, take); return err },
		move:   func(c imaptest.Copy, to string) error { _, err := t.Move(c, to, c.Sum[1]%2 == 0); return err },
		copy:   func(c imaptest.Copy, to string) error { _, err := t.Copy(c, to); return err },
		remove: t.Remove, create: t.Create, rename: t.Rename, delete: t.Delete,
	}
}

var (
	someFlags    = []string{`\Seen`, `\Flagged`, `\Answered`, `$Forwarded`, `\Draft`}
	someKeywords = []string{"work", "todo", "$Label1", "later"}
)

// both changes n messages, half of them on each side.
func (c *changes) both(n int) {
	c.Helper()
	far, near := c.views()
	c.some(c.far(), split(far, 0), n/2)
	c.some(c.near(), split(near, 1), n-n/2)
}

// split returns the copies that a side may touch: no message is touched on both sides, and none in a mailbox that
// goes or moves.
func split(v imaptest.View, side byte) imaptest.View {
	var own []imaptest.Copy
	for _, c := range v.Copies {
		if c.Sum[0]%2 == side && !passing(c.Mailbox) {
			own = append(own, c)
		}
	}
	return imaptest.View{Mailboxes: v.Mailboxes, Copies: own}
}

// some makes n changes on one side, each to another message.
func (c *changes) some(e editor, v imaptest.View, n int) {
	c.Helper()
	c.rng.Shuffle(len(v.Copies), func(i, j int) { v.Copies[i], v.Copies[j] = v.Copies[j], v.Copies[i] })
	for i := range n {
		if i >= len(v.Copies) || c.rng.IntN(5) == 0 {
			c.add(e, c.anywhere(v))
			continue
		}
		c.change(e, v.Copies[i], c.anywhere(v))
	}
}

func (c *changes) anywhere(v imaptest.View) string {
	for {
		name := v.Mailboxes[c.rng.IntN(len(v.Mailboxes))]
		if name != "Trash" && !passing(name) {
			return name
		}
	}
}

func passing(mailbox string) bool {
	return strings.HasPrefix(mailbox, "moving ") || strings.HasPrefix(mailbox, "going ")
}

func (c *changes) add(e editor, mailbox string) {
	c.Helper()
	m := c.fresh()
	c.must(e.append(mailbox, m))
	c.expected[m.Sum()]++
}

// change does one thing to a message.
func (c *changes) change(e editor, m imaptest.Copy, to string) {
	c.Helper()
	switch kind := c.rng.IntN(20); {
	case kind < 8:
		c.must(c.flag(e, m, c.flags[c.rng.IntN(len(c.flags))]))
	case kind < 11:
		c.must(c.flag(e, m, c.keywords[c.rng.IntN(len(c.keywords))]))
	case kind < 14 && to != m.Mailbox:
		c.must(e.move(m, to))
	case kind < 16 && to != m.Mailbox:
		c.must(e.copy(m, to))
		c.expected[m.Sum]++
	case kind < 19:
		c.must(e.remove(m))
		c.expected[m.Sum]--
	default:
		c.must(c.flag(e, m, `\Seen`))
	}
}

// flag turns a flag over.
func (c *changes) flag(e editor, m imaptest.Copy, flag string) error {
	if strings.Contains(" "+m.Flags+" ", " "+strings.ToLower(flag)+" ") {
		return e.flag(m, nil, []string{flag})
	}
	return e.flag(m, []string{flag}, nil)
}

// prepareMailboxes makes on both sides the mailboxes that mailboxes will change.
func (c *changes) prepareMailboxes(round int) {
	c.Helper()
	for _, e := range []editor{c.far(), c.near()} {
		for _, name := range []string{"moving", "going"} {
			name = fmt.Sprintf("%s %s %d", name, e.name, round)
			c.must(e.create(name))
			for range 3 {
				c.add(e, name)
			}
		}
	}
}

// mailboxes creates, renames and removes a mailbox on each side.
func (c *changes) mailboxes(round int) {
	c.Helper()
	far, near := c.views()
	for _, side := range []struct {
		editor
		view imaptest.View
	}{{c.far(), far}, {c.near(), near}} {
		e := side.editor
		fresh := fmt.Sprintf("Made by %s/%d", e.name, round)
		c.must(e.create(fresh))
		c.add(e, fresh)
		c.must(e.rename(fmt.Sprintf("moving %s %d", e.name, round), fmt.Sprintf("Moved/%s & %d", e.name, round)))
		going := fmt.Sprintf("going %s %d", e.name, round)
		for _, m := range side.view.In(going) {
			c.expected[m.Sum]--
		}
		c.must(e.delete(going))
	}
}
