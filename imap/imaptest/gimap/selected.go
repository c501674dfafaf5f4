package gimap

import (
	"fmt"
	"slices"
	"strings"
)

// open answers SELECT and EXAMINE.
func (c *session) open(cmd *command) string {
	if len(cmd.args) == 0 || len(cmd.args) > 2 {
		return badCommand
	}
	if len(cmd.args) == 2 {
		if words := cmd.args[1].words(); len(words) != 1 || !strings.EqualFold(words[0], "CONDSTORE") {
			return badCommand
		}
		c.condense = true
	}
	name := cmd.args[0].text
	f := c.s.store.shown(c.decode(name))
	c.selected, c.view = nil, nil
	if f == nil {
		return "NO [NONEXISTENT] Unknown Mailbox: " + name + " (now in authenticated state) (Failure)"
	}
	c.selected, c.readOnly, c.opened = f, cmd.verb == "EXAMINE", c.s.o.Now()
	c.view = slices.Clone(f.visible(c.s.o.Limit))
	c.told, c.top = c.s.store.mod, f.next-1
	flags := `\Answered \Flagged \Draft \Deleted \Seen $NotPhishing $Phishing`
	more := ""
	for _, word := range c.s.o.ExtraFlags {
		more += " " + word
	}
	c.say("* FLAGS (%s%s)", flags, more)
	if c.readOnly {
		c.say("* OK [PERMANENTFLAGS ()] Flags permitted.")
	} else {
		c.say(`* OK [PERMANENTFLAGS (%s%s \*)] Flags permitted.`, flags, more)
	}
	c.say("* OK [UIDVALIDITY %d] UIDs valid.", f.validity)
	c.say("* %d EXISTS", len(c.view))
	c.say("* 0 RECENT")
	c.say("* OK [UIDNEXT %d] Predicted next UID.", f.next)
	c.say("* OK [HIGHESTMODSEQ %d]", c.s.store.highest(f))
	if c.readOnly {
		return "OK [READ-ONLY] " + name + " selected. (Success)"
	}
	return "OK [READ-WRITE] " + name + " selected. (Success)"
}

func (c *session) unselect(*command) string {
	c.selected, c.view = nil, nil
	return "OK Returned to authenticated state. (Success)"
}

// close removes what is marked \Deleted, without a word, unless the mailbox was examined.
func (c *session) close(cmd *command) string {
	if !c.readOnly {
		for _, e := range slices.Clone(c.view) {
			if c.selected.deleted[e.m.id] {
				c.s.store.expunge(c.selected, e.m)
			}
		}
	}
	return c.unselect(cmd)
}

// tell brings the client up to date with the mailbox that it has open: EXPUNGEs from low to high, then EXISTS, and flags
// that others changed.
func (c *session) tell(flags bool) {
	f := c.selected
	if f == nil {
		return
	}
	shown := f.visible(c.s.o.Limit)
	stays := func(e member) bool {
		_, found := slices.BinarySearchFunc(shown, e.uid, func(o member, uid uint32) int { return int(o.uid) - int(uid) })
		return found
	}
	kept := c.view[:0:0]
	gone := 0
	for i, e := range c.view {
		if stays(e) {
			kept = append(kept, e)
			continue
		}
		c.say("* %d EXPUNGE", i+1-gone)
		gone++
	}
	before := len(kept)
	for _, e := range shown {
		if e.uid > c.top {
			kept = append(kept, e)
			c.top = e.uid
		}
	}
	c.view = kept
	if gone > 0 || len(kept) > before {
		c.say("* %d EXISTS", len(kept))
	}
	if flags {
		c.tellFlags()
	}
}

// tellFlags tells of flags that others changed. A change of labels is not told.
func (c *session) tellFlags() {
	lag := false
	for i, e := range c.view {
		lag = lag || c.lags(e.m)
		if m := c.here(e.m); m.flagMod > c.told {
			c.say("* %d FETCH (UID %d%s FLAGS (%s))", i+1, e.uid, c.modSeq(m.mod), strings.Join(c.flagsOf(e), " "))
		}
	}
	if !lag {
		c.told = c.s.store.mod
	}
}

func (c *session) modSeq(n uint64) string {
	if !c.condense {
		return ""
	}
	if c.s.o.ZeroModSeq {
		n = 0
	}
	return fmt.Sprintf(" MODSEQ (%d)", n)
}
