package main

import (
	"slices"
	"strings"

	"mailtwin/rcfile"
	"mailtwin/syncer"
)

// The ways that a channel of mbsync takes: what travels to which side.
type mbsyncWays struct{ pull, push map[string]bool }

// oneWay tells whether nothing travels to the far side.
func (w mbsyncWays) oneWay() bool { return len(w.push) == 0 && len(w.pull) > 0 }

// backupWords is what to say where another program changes nothing on the server.
const backupWords = `mode = "backup": nothing is changed on the server, and nothing that vanished there is removed in the Maildir; flags that you change here are put back`

// mbsyncTypes are what can travel, by all the names that it has had.
var mbsyncTypes = map[string]string{"new": "new", "delete": "delete", "gone": "delete", "flags": "flags", "renew": "renew", "upgrade": "renew", "old": "old"}

// readWays reads the values of Sync.
//
// Source: mbsync(1), Sync.
func readWays(values []string) mbsyncWays {
	w := mbsyncWays{map[string]bool{}, map[string]bool{}}
	sides := map[string][]map[string]bool{"pull": {w.pull}, "push": {w.push}}
	var ways, types []string
	single := false // one way and one type in one word
	for _, v := range values {
		v = strings.ToLower(v)
		way, kind := v[:min(4, len(v))], mbsyncTypes[v[min(4, len(v)):]]
		switch {
		case v == "all", v == "full":
			types = append(types, "new", "delete", "flags", "renew")
		case sides[v] != nil:
			ways = append(ways, v)
		case mbsyncTypes[v] != "":
			types = append(types, mbsyncTypes[v])
		case sides[way] != nil && kind != "":
			sides[way][0][kind] = true
			single = true
		}
	}
	every := []string{"new", "delete", "flags", "renew"}
	set := func(ways, types []string) {
		for _, way := range ways {
			for _, kind := range types {
				sides[way][0][kind] = true
			}
		}
	}
	both := []string{"pull", "push"}
	switch {
	case single:
		set(ways, every)
		set(both, types)
	case len(ways)+len(types) == 0: // None
	case len(ways) == 0:
		set(both, types)
	case len(types) == 0:
		set(ways, every)
	default:
		set(ways, types)
	}
	return w
}

// setting is a key of a channel, else the one before all sections.
func (m *mbsync) setting(c *mbsyncChannel, key string) (rcfile.Option, bool) {
	if o, ok := c.section.Get(key); ok {
		return o, true
	}
	return m.global.Get(key)
}

// ways takes over what mbsync brings to which side, and what of it goes away. Where channels differ, the account gets what
// takes least away.
func (m *mbsync) ways(p *mbsyncAccount) {
	least := map[syncer.Removal]int{"": 0, syncer.Expunge: 1, syncer.Trash: 2, syncer.Never: 3}
	remove := syncer.Removal("")
	oneWay := 0
	for _, c := range p.channels {
		m.amounts(p, c)
		if o, ok := m.setting(c, "sync"); ok && readWays(o.Values).oneWay() {
			oneWay++
			m.say(o, "%s", backupWords)
			continue
		}
		if r := m.removal(p, c); least[r] > least[remove] {
			remove = r
		}
		m.mailboxes(c)
	}
	switch oneWay {
	case 0:
	case len(p.channels):
		p.account.Mode = modeBackup
		return
	default:
		m.lacks(p.takeover, p.near, "some of its channels change nothing on the server, and others do; mailtwin goes one way or both for a whole account")
	}
	if p.account.DeleteRemote = string(remove); remove == syncer.Trash {
		p.account.DeleteRemote = "" // which is how it is anyway
	}
}

// removal tells what becomes of mail on the server that was removed in the Maildir.
func (m *mbsync) removal(p *mbsyncAccount, c *mbsyncChannel) syncer.Removal {
	o, ok := m.setting(c, "sync")
	if !ok {
		o.Values = []string{"full"}
	}
	w := readWays(o.Values)
	switch {
	case len(w.push) == 0 && len(w.pull) == 0:
		m.refuse(p.takeover, o, "mbsync syncs nothing here")
	case len(w.pull) == 0:
		m.refuse(p.takeover, o, "mbsync changes nothing in the Maildir. mailtwin sync goes both ways. If that may be, leave Sync out here, and try again")
	case !w.push["delete"]:
		m.say(o, `delete_remote = "never": what you remove in the Maildir stays on the server`)
		if !w.push["new"] || !w.push["flags"] || !w.pull["new"] || !w.pull["flags"] || !w.pull["delete"] {
			m.say(o, "all else goes both ways: new mail, flags, moves, and what is removed on the server")
		}
		return syncer.Never
	case !w.push["new"] || !w.push["flags"] || !w.pull["new"] || !w.pull["flags"] || !w.pull["delete"]:
		m.say(o, "mailtwin brings everything both ways: new mail, flags, moves and removals")
	}
	return m.expunge(p, c)
}

// expunge tells the same of a channel that marks mail as deleted on the server.
func (m *mbsync) expunge(p *mbsyncAccount, c *mbsyncChannel) syncer.Removal {
	far := false
	var at rcfile.Option
	for _, key := range []string{"expunge", "expungesolo"} {
		if o, ok := m.setting(c, key); ok {
			at = o
			far = far || slices.ContainsFunc(o.Values, func(v string) bool {
				return slices.Contains([]string{"far", "both", "master"}, strings.ToLower(v))
			})
		}
	}
	if at.Said == "" {
		at = rcfile.Option{Said: "Channel " + c.section.Name, Line: c.section.Line}
	}
	trash, has := c.far.store.Get("trash")
	switch {
	case !far:
		m.say(at, `delete_remote = "never": without Expunge Far, mbsync only marks mail on the server as deleted. mailtwin leaves it as it is; `+
			`say "trash" or "expunge" if it shall go`)
		return syncer.Never
	case isGmail(p.account.Host):
		return syncer.Trash // with Gmail, neither of the two removes for good what has another label
	case has:
		m.say(trash, `delete_remote = "trash": what you remove goes to the mailbox that the server calls its Trash`)
		return syncer.Trash
	}
	m.say(at, `delete_remote = "expunge": what you remove in the Maildir is gone on the server, as with mbsync; "trash" would move it to the Trash`)
	return syncer.Expunge
}

// amounts refuses what would leave the Maildir with mail that is none.
func (m *mbsync) amounts(p *mbsyncAccount, c *mbsyncChannel) {
	for _, s := range []*rcfile.Section{c.section, c.far.store, c.near.store} {
		if o, ok := s.Get("maxsize"); ok && strings.Trim(strings.ToLower(o.Value()), "kmb") != "0" {
			m.refuse(p.takeover, o, "mbsync stores a placeholder instead of a larger message, and mailtwin would take that for mail and upload it. Set it to 0, "+
				"flag the placeholders, let mbsync fetch the messages (mbsync -N, from 1.5 on mbsync -u), and try again")
		}
	}
	if o, ok := m.setting(c, "maxmessages"); ok && o.Value() != "0" {
		m.say(o, "there is nothing like it, for a Maildir is whole: the next sync downloads the messages that mbsync left out or removed here")
	}
}

// mailboxes says what mailtwin does about mailboxes, if mbsync was told otherwise.
func (m *mbsync) mailboxes(c *mbsyncChannel) {
	for key, text := range map[string]string{
		"create": "mailtwin makes mailboxes on both sides: what you make in the Maildir is made on the server",
		"remove": "mailtwin removes mailboxes on both sides: with a directory in the Maildir goes the mailbox on the server, once all its mail is gone there",
	} {
		if o, ok := m.setting(c, key); ok && !strings.EqualFold(o.Value(), "both") {
			m.say(o, "%s", text)
		}
	}
}
