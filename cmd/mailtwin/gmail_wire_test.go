package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A gmailConn is one connection to a gmailFake.
type gmailConn struct {
	g        *gmailFake
	r        *bufio.Reader
	w        *bufio.Writer
	selected *gmailFolder
	lastTag  string
}

var gmLiteral = regexp.MustCompile(`\{(\d+)(\+?)\}\r\n$`)

func (c *gmailConn) line() (string, error) {
	var text strings.Builder
	for {
		part, err := c.r.ReadString('\n')
		if err != nil {
			return "", err
		}
		text.WriteString(part)
		m := gmLiteral.FindStringSubmatch(part)
		if m == nil {
			return strings.TrimSuffix(text.String(), "\r\n"), nil
		}
		if m[2] == "" {
			c.say("+ go ahead")
			if err := c.w.Flush(); err != nil {
				return "", err
			}
		}
		n, _ := strconv.Atoi(m[1])
		b := make([]byte, n)
		if _, err := io.ReadFull(c.r, b); err != nil {
			return "", err
		}
		text.Write(b)
	}
}

func (c *gmailConn) say(format string, args ...any) {
	n, _ := fmt.Fprintf(c.w, format+"\r\n", args...)
	c.g.down.Add(int64(n))
}

const gmCaps = "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS ENABLE MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584"

func (g *gmailFake) serve(nc net.Conn) {
	defer func() { _ = nc.Close() }()
	c := &gmailConn{g: g, r: bufio.NewReader(nc), w: bufio.NewWriter(nc)}
	c.say("* OK Gimap ready for requests from 127.0.0.1 x")
	for {
		if c.w.Flush() != nil {
			return
		}
		line, err := c.line()
		if err != nil {
			return
		}
		tag, rest, _ := strings.Cut(line, " ")
		c.lastTag = tag
		g.mu.Lock()
		if !strings.HasPrefix(rest, "AUTHENTICATE") {
			g.commands = append(g.commands, rest)
		}
		answer := c.do(rest)
		g.mu.Unlock()
		c.say("%s %s", tag, answer)
	}
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, `"`) {
		s = strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
		return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s)
	}
	return s
}

func (c *gmailConn) do(cmd string) string {
	g := c.g
	verb, args, _ := strings.Cut(cmd, " ")
	if strings.EqualFold(verb, "UID") {
		verb, args, _ = strings.Cut(args, " ")
	}
	switch strings.ToUpper(verb) {
	case "CAPABILITY":
		c.say("* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 AUTH=PLAIN")
		return "OK Thats all she wrote!"
	case "AUTHENTICATE", "LOGIN":
		c.say("* CAPABILITY %s", gmCaps)
		return "OK me@gmail.com authenticated (Success)"
	case "NAMESPACE":
		c.say(`* NAMESPACE (("" "/")) NIL NIL`)
		return "OK Success"
	case "ENABLE", "NOOP", "ID", "SUBSCRIBE", "UNSUBSCRIBE":
		return "OK Success"
	case "UNSELECT", "CLOSE":
		c.selected = nil
		return "OK Returned to authenticated state. (Success)"
	case "LIST":
		for _, f := range g.folders {
			if g.hidden && f.role == `\All` {
				continue
			}
			attrs := `\HasNoChildren`
			if f.role != "" {
				attrs += " " + f.role
			}
			c.say(`* LIST (%s) "/" "%s"`, attrs, f.name)
			if f.role != `\Noselect` {
				c.say(`* STATUS "%s" (HIGHESTMODSEQ %d MESSAGES %d UIDNEXT %d UIDVALIDITY %d)`, f.name, g.highest(f), len(f.uids), f.next, f.validity)
			}
		}
		return "OK Success"
	case "SELECT", "EXAMINE":
		name := unquote(strings.TrimSuffix(args, " (CONDSTORE)"))
		f := g.folder(name)
		if f == nil || f.role == `\Noselect` {
			c.selected = nil
			return "NO [NONEXISTENT] Unknown Mailbox: " + name + " (now in authenticated state) (Failure)"
		}
		c.selected = f
		c.say(`* FLAGS (\Answered \Flagged \Draft \Deleted \Seen $NotPhishing $Phishing)`)
		c.say(`* OK [PERMANENTFLAGS (\Answered \Flagged \Draft \Deleted \Seen $NotPhishing $Phishing \*)] Flags permitted.`)
		c.say("* OK [UIDVALIDITY %d] UIDs valid.", f.validity)
		c.say("* %d EXISTS", len(f.uids))
		c.say("* 0 RECENT")
		c.say("* OK [UIDNEXT %d] Predicted next UID.", f.next)
		c.say("* OK [HIGHESTMODSEQ %d]", g.highest(f))
		return "OK [READ-WRITE] " + name + " selected. (Success)"
	case "CREATE":
		g.label(unquote(args))
		return "OK Success"
	case "DELETE":
		name := unquote(args)
		for _, m := range g.msgs {
			if m.labels[name] {
				delete(m.labels, name)
				g.settle(m)
			}
		}
		g.folders = slices.DeleteFunc(g.folders, func(f *gmailFolder) bool { return f.name == name })
		return "OK Success"
	case "RENAME":
		parts := strings.SplitN(args, `" "`, 2)
		from, to := unquote(parts[0]+`"`), unquote(`"`+parts[1])
		f := g.folder(from)
		if f == nil {
			return "NO [NONEXISTENT] x"
		}
		f.name = to
		for _, m := range g.msgs {
			if m.labels[from] {
				delete(m.labels, from)
				m.labels[to] = true
			}
		}
		return "OK Success"
	case "APPEND":
		return c.append(args)
	}
	if c.selected == nil {
		return "BAD Command received in Invalid state."
	}
	set, rest, _ := strings.Cut(args, " ")
	switch strings.ToUpper(verb) {
	case "FETCH":
		return c.fetch(set, rest)
	case "SEARCH":
		return c.search(args)
	case "STORE":
		return c.store(set, rest)
	case "COPY", "MOVE":
		return c.move(set, unquote(rest), strings.ToUpper(verb) == "MOVE")
	case "EXPUNGE":
		var gone []uint64
		for _, m := range c.members(set) {
			if c.selected.role == `\Trash` || c.selected.role == `\Junk` {
				gone = append(gone, m.id)
			}
		}
		for _, id := range gone {
			delete(c.selected.uids, id)
			delete(g.msgs, id)
			g.mod += 9
		}
		return "OK Success"
	}
	return "BAD Unknown command"
}

func (c *gmailConn) members(set string) []*gmailMessage {
	var all []*gmailMessage
	last := uint32(0)
	for _, u := range c.selected.uids {
		last = max(last, u)
	}
	number := func(s string) uint32 {
		if s == "*" {
			return last
		}
		n, _ := strconv.ParseUint(s, 10, 32)
		return uint32(n)
	}
	for id, u := range c.selected.uids {
		for _, part := range strings.Split(set, ",") {
			a, b, is := strings.Cut(part, ":")
			if !is {
				b = a
			}
			x, y := number(a), number(b)
			if x > y {
				x, y = y, x
			}
			if u >= x && u <= y {
				all = append(all, c.g.msgs[id])
				break
			}
		}
	}
	slices.SortFunc(all, func(x, y *gmailMessage) int { return int(c.selected.uids[x.id]) - int(c.selected.uids[y.id]) })
	return all
}

func (m *gmailMessage) flagList() string { return strings.Join(slices.Sorted(maps.Keys(m.flags)), " ") }

var gmSince = regexp.MustCompile(`CHANGEDSINCE (\d+)`)

func (c *gmailConn) fetch(set, rest string) string {
	since := uint64(0)
	if m := gmSince.FindStringSubmatch(rest); m != nil {
		since, _ = strconv.ParseUint(m[1], 10, 64)
	}
	up := strings.ToUpper(rest)
	for i, m := range c.members(set) {
		if m.mod <= since {
			continue
		}
		var items []string
		if strings.Contains(up, "X-GM-MSGID") {
			items = append(items, fmt.Sprintf("X-GM-MSGID %d", m.id))
		}
		if strings.Contains(up, "X-GM-LABELS") {
			var ls []string
			for _, l := range slices.Sorted(maps.Keys(m.labels)) {
				if l != c.selected.name && (l != `\Inbox` || c.selected.name != "INBOX") {
					ls = append(ls, strconv.Quote(l))
				}
			}
			items = append(items, "X-GM-LABELS ("+strings.Join(ls, " ")+")")
		}
		items = append(items, fmt.Sprintf("UID %d", c.selected.uids[m.id]))
		if strings.Contains(up, "RFC822.SIZE") {
			items = append(items, fmt.Sprintf("RFC822.SIZE %d", len(m.raw)))
		}
		items = append(items, fmt.Sprintf("MODSEQ (%d)", m.mod))
		if strings.Contains(up, "INTERNALDATE") {
			items = append(items, `INTERNALDATE "`+m.date.Format("02-Jan-2006 15:04:05 -0700")+`"`)
		}
		if strings.Contains(up, "FLAGS") {
			items = append(items, "FLAGS ("+m.flagList()+")")
		}
		if strings.Contains(up, "HEADER.FIELDS") {
			h := ""
			for _, l := range strings.Split(m.raw, "\r\n") {
				if strings.HasPrefix(strings.ToLower(l), "message-id:") {
					h = l + "\r\n"
				}
			}
			h += "\r\n"
			items = append(items, fmt.Sprintf("BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s", len(h), h))
		} else if strings.Contains(up, "BODY.PEEK[HEADER]") {
			h, _, _ := strings.Cut(m.raw, "\r\n\r\n")
			h += "\r\n\r\n"
			items = append(items, fmt.Sprintf("BODY[HEADER] {%d}\r\n%s", len(h), h))
		}
		if strings.Contains(up, "BODY.PEEK[]") {
			c.g.bodies[m.id]++
			items = append(items, fmt.Sprintf("BODY[] {%d}\r\n%s", len(m.raw), m.raw))
		}
		c.say("* %d FETCH (%s)", i+1, strings.Join(items, " "))
	}
	return "OK Success"
}

func (c *gmailConn) search(args string) string {
	if i := strings.Index(args, "RETURN (ALL COUNT)"); i >= 0 {
		set := strings.TrimSpace(strings.TrimPrefix(args[i+len("RETURN (ALL COUNT)"):], " UID"))
		var uids []string
		for _, m := range c.members(set) {
			uids = append(uids, fmt.Sprint(c.selected.uids[m.id]))
		}
		all := ""
		if len(uids) > 0 {
			all = " ALL " + strings.Join(uids, ",")
		}
		c.say(`* ESEARCH (TAG "%s") UID COUNT %d%s`, c.lastTag, len(uids), all)
		return "OK SEARCH completed (Success)"
	}
	if m := regexp.MustCompile(`HEADER MESSAGE-ID "(.*)"`).FindStringSubmatch(args); m != nil {
		var uids []string
		for _, msg := range c.members("1:*") {
			if strings.Contains(msg.raw, unquote(`"`+m[1]+`"`)) {
				uids = append(uids, fmt.Sprint(c.selected.uids[msg.id]))
			}
		}
		c.say("* SEARCH %s", strings.Join(uids, " "))
		return "OK SEARCH completed (Success)"
	}
	return "BAD Could not parse command"
}

func (c *gmailConn) store(set, rest string) string {
	op, list, _ := strings.Cut(rest, " ")
	words := strings.Fields(strings.Trim(list, "()"))
	for _, m := range c.members(set) {
		for _, w := range words {
			if w == `\Deleted` {
				if c.selected.role != `\Trash` && c.selected.role != `\Junk` {
					c.g.deleted++
				}
				continue
			}
			if strings.HasPrefix(op, "+") {
				m.flags[w] = true
			} else {
				delete(m.flags, w)
			}
		}
		c.g.settle(m)
	}
	return "OK Success"
}

func (c *gmailConn) move(set, to string, move bool) string {
	f := c.g.folder(to)
	if f == nil {
		return "NO [TRYCREATE] No folder " + to
	}
	var from, dest []string
	src := c.selected
	for _, m := range c.members(set) {
		from = append(from, fmt.Sprint(src.uids[m.id]))
		switch f.role {
		case `\Trash`:
			m.bin, m.labels = "trash", map[string]bool{}
		case `\Junk`:
			m.bin, m.labels = "spam", map[string]bool{}
		default:
			m.bin = ""
			if move {
				if src.name == "INBOX" {
					delete(m.labels, `\Inbox`)
				}
				delete(m.labels, src.name)
			}
			switch {
			case f.role == `\All`:
			case f.name == "INBOX":
				m.labels[`\Inbox`] = true
			case f.role != "":
				m.labels[f.role] = true
			default:
				m.labels[f.name] = true
			}
		}
		c.g.settle(m)
		dest = append(dest, fmt.Sprint(f.uids[m.id]))
	}
	return fmt.Sprintf("OK [COPYUID %d %s %s] (Success)", f.validity, strings.Join(from, ","), strings.Join(dest, ","))
}

var gmAppend = regexp.MustCompile(`(?s)^("(?:[^"\\]|\\.)*"|\S+) (?:\(([^)]*)\) )?(?:"([^"]*)" )?\{(\d+)\+?\}\r\n(.*)$`)

func (c *gmailConn) append(args string) string {
	m := gmAppend.FindStringSubmatch(args)
	if m == nil {
		return "BAD Could not parse command"
	}
	f := c.g.folder(unquote(m[1]))
	if f == nil {
		return "NO [TRYCREATE] Folder doesn't exist. (Failure)"
	}
	label := f.name
	switch {
	case f.name == "INBOX":
		label = `\Inbox`
	case f.role == `\All`:
		label = ""
	case f.role != "":
		label = f.role
	}
	bin := map[string]string{`\Trash`: "trash", `\Junk`: "spam"}[f.role]
	msg := c.g.addTo(bin, m[5])
	if label != "" && bin == "" {
		msg.labels[label] = true
	}
	for _, w := range strings.Fields(m[2]) {
		msg.flags[w] = true
	}
	if d, err := time.Parse("02-Jan-2006 15:04:05 -0700", strings.TrimSpace(m[3])); err == nil {
		msg.date = d
	}
	c.g.settle(msg)
	return fmt.Sprintf("OK [APPENDUID %d %d] (Success)", f.validity, f.uids[msg.id])
}
