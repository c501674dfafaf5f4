package gimap

import (
	"errors"
	"fmt"
	"strings"
)

// What Gmail says when it has had enough.
const (
	sessionOver = "* BYE Session expired, please login again."
	quotaBye    = "* BYE [OVERQUOTA] Account exceeded command or bandwidth limits."
	quotaNo     = "NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)"
	quotaLogin  = "NO [ALERT] Account exceeded command or bandwidth limits. (Failure)"
	badState    = "BAD Command received in Invalid state."
	badCommand  = "BAD Could not parse command"
)

// A verb is a command that the server knows.
type verb struct {
	need int // 0 any time, 1 logged in, 2 with a mailbox open
	do   func(*session, *command) string
	uid  bool // it has a form with UIDs
}

var verbs map[string]verb

func init() { //nolint:gochecknoinits // the table names functions that look into it
	verbs = map[string]verb{
		"CAPABILITY": {0, (*session).capability, false}, "NOOP": {0, (*session).noop, false}, "ID": {0, (*session).id, false},
		"LOGIN": {0, (*session).login, false}, "AUTHENTICATE": {0, (*session).authenticate, false},
		"NAMESPACE": {1, (*session).namespace, false}, "ENABLE": {1, (*session).enable, false}, "COMPRESS": {1, (*session).deflate, false},
		"GETQUOTAROOT": {1, (*session).quota, false}, "GETQUOTA": {1, (*session).quota, false},
		"LIST": {1, (*session).list, false}, "XLIST": {1, (*session).list, false}, "LSUB": {1, (*session).list, false}, "STATUS": {1, (*session).status, false},
		"SELECT": {1, (*session).open, false}, "EXAMINE": {1, (*session).open, false},
		"CREATE": {1, (*session).create, false}, "DELETE": {1, (*session).delete, false}, "RENAME": {1, (*session).rename, false},
		"SUBSCRIBE": {1, (*session).success, false}, "UNSUBSCRIBE": {1, (*session).success, false},
		"APPEND": {1, (*session).append, false}, "IDLE": {1, (*session).idle, false},
		"UNSELECT": {2, (*session).unselect, false}, "CLOSE": {2, (*session).close, false}, "CHECK": {2, (*session).noop, false},
		"FETCH": {2, (*session).fetch, true}, "SEARCH": {2, (*session).search, true}, "STORE": {2, (*session).store, true},
		"COPY": {2, (*session).copy, true}, "MOVE": {2, (*session).copy, true}, "EXPUNGE": {2, (*session).expunge, true},
	}
}

// handle answers one command. An error ends the session.
func (c *session) handle(cmd *command) error {
	c.s.mu.Lock()
	if !c.welcome(cmd) {
		c.s.mu.Unlock()
		_ = c.send()
		_ = c.flush()
		return errClosed
	}
	c.now = c.s.fault(c, cmd)
	c.s.mu.Unlock()
	if cmd.verb == "LOGOUT" {
		c.say("* BYE LOGOUT Requested")
		c.say("%s OK 73 good day (Success)", cmd.tag)
		return errors.Join(c.send(), c.flush(), errClosed)
	}
	fault := c.now
	if fault == nil {
		return c.carryOut(cmd, &Fault{})
	}
	c.pause(fault.Delay)
	if fault.Before != "" {
		c.say("%s", fault.Before)
	}
	if err := c.meet(fault, AtCommand); err != nil {
		return err
	}
	if fault.Answer != "" {
		c.say("%s %s%s", cmd.tag, fault.Answer, fault.Suffix)
		return nil
	}
	return c.carryOut(cmd, fault)
}

// welcome counts a command, and tells whether the session goes on. The lock is held.
func (c *session) welcome(cmd *command) bool {
	c.s.count.noteCommand(cmd.verb, fmt.Appendf(nil, "%s%s", map[bool]string{true: "UID "}[cmd.uid], verbAndRest(cmd)), cmd.fresh)
	c.settleCounts()
	if c.ends() {
		c.say("%s", c.over)
		return false
	}
	return true
}

// ends tells whether the server ends the session now. The lock is held.
func (c *session) ends() bool {
	life := c.s.o.SessionLife
	switch {
	case c.over != "":
	case life > 0 && c.s.o.Now().Sub(c.began) > life:
		c.over = sessionOver
	case c.user && c.s.spent() && c.s.o.QuotaAnswer == QuotaBye:
		c.over = quotaBye
	}
	return c.over != ""
}

func verbAndRest(cmd *command) string {
	if len(cmd.rest) == 0 {
		return cmd.verb
	}
	return cmd.verb + " " + string(cmd.rest)
}

// carryOut does a command and says how it went.
func (c *session) carryOut(cmd *command, fault *Fault) error {
	c.s.mu.Lock()
	answer := c.do(cmd)
	c.s.mu.Unlock()
	if answer == "" { // the command spoke for itself
		return nil
	}
	if fault.Bare {
		answer = bare(answer)
	}
	if err := c.meet(fault, AfterDoing); err != nil {
		return err
	}
	c.say("%s %s%s", cmd.tag, answer, fault.Suffix)
	if answer == byeLiteral {
		c.out = []chunk{{text: []byte("* " + byeLiteral + "\r\n")}}
		return errors.Join(c.send(), c.flush(), errClosed)
	}
	return c.after()
}

// bare takes the code in brackets out of an answer.
func bare(answer string) string {
	before, rest, ok := strings.Cut(answer, "[")
	_, after, closed := strings.Cut(rest, "] ")
	if !ok || !closed {
		return answer
	}
	return before + after
}

// do does a command; the lock is held. It returns the tagged answer.
func (c *session) do(cmd *command) string {
	v, ok := verbs[cmd.verb]
	switch {
	case !ok || cmd.uid && !v.uid:
		return "BAD Unknown command " + id
	case v.need > 0 && !c.user, v.need > 1 && c.selected == nil:
		return badState
	case c.user && c.s.spent() && c.s.o.QuotaAnswer == QuotaNo:
		return quotaNo
	case cmd.bad != nil:
		return badCommand
	}
	return v.do(c, cmd)
}

// after does what can be done only when the answer is out.
func (c *session) after() error {
	if !c.packs || c.pack != nil {
		return nil
	}
	if err := c.send(); err != nil {
		return err
	}
	return c.compress()
}

func (c *session) success(*command) string { return "OK Success" }

func (c *session) noop(*command) string {
	c.tell(true)
	return "OK Success"
}

func (c *session) id(*command) string {
	c.say(`* ID ("name" "GImap" "vendor" "Google, Inc." "support-url" "http://support.google.com/mail" "remote-host" "127.0.0.1")`)
	return "OK Success"
}

func (c *session) namespace(*command) string {
	c.say(`* NAMESPACE (("" "/")) NIL NIL`)
	return "OK Success"
}

func (c *session) enable(cmd *command) string {
	enabled := ""
	for _, a := range cmd.args {
		switch {
		case a.is("UTF8=ACCEPT"):
			c.utf8 = true
			enabled += " UTF8=ACCEPT"
		case a.is("CONDSTORE"):
			c.condense = true
			enabled += " CONDSTORE"
		}
	}
	c.say("* ENABLED%s", enabled)
	return "OK Success"
}

func (c *session) deflate(cmd *command) string {
	if len(cmd.args) != 1 || !cmd.args[0].is("DEFLATE") || c.pack != nil || c.s.o.NoCompress {
		return badCommand
	}
	c.packs = true
	return "OK Success"
}

func (c *session) quota(cmd *command) string {
	if cmd.verb == "GETQUOTAROOT" && len(cmd.args) == 1 {
		c.say(`* QUOTAROOT %s ""`, quote(cmd.args[0].text))
	}
	c.say(`* QUOTA "" (STORAGE 10 15728640)`)
	return "OK Success"
}
