package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Command is built from its verb on: Cmd("UID FETCH").Set(uids).Raw("(UID FLAGS)"). Whatever could end the line or
// the word early makes Exec refuse it before anything is sent.
type Command struct {
	text     strings.Builder
	literals []literal // in order
	err      error
	tag      string
}

// Tag returns the tag that Exec gave the command; empty before that.
func (c *Command) Tag() string { return c.tag }

// Cmd begins a command.
func Cmd(verb string) *Command {
	c := &Command{}
	c.text.WriteString(verb)
	return c
}

var (
	errAtom   = errors.New("cannot be sent as an atom")
	errString = errors.New("cannot be sent as a quoted string")
)

// Atom adds a word, which must be an IMAP atom.
func (c *Command) Atom(s string) *Command {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`(){%"\`, s[i]) >= 0 {
			c.err = errAtom
		}
	}
	if s == "" {
		c.err = errAtom
	}
	return c.raw(s)
}

// String adds a quoted string. It must be printable ASCII.
func (c *Command) String(s string) *Command {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			c.err = errString
		}
	}
	return c.raw(`"` + quoter.Replace(s) + `"`)
}

// Labels adds a list of Gmail's labels: those of the system, which begin with a backslash, as words, others as strings.
//
// Source: Gmail's X-GM-EXT-1.
func (c *Command) Labels(labels ...string) *Command {
	words := make([]string, len(labels))
	for i, label := range labels {
		inner := Cmd("")
		if name, system := strings.CutPrefix(label, `\`); system {
			inner.Atom(name)
			words[i] = label
		} else {
			inner.String(label)
			words[i] = strings.TrimPrefix(inner.text.String(), " ")
		}
		c.err = errors.Join(c.err, inner.err)
	}
	return c.raw("(" + strings.Join(words, " ") + ")")
}

// Flags adds a list of flags, each of which must be a word, behind a backslash or not.
func (c *Command) Flags(flags ...string) *Command {
	for _, flag := range flags {
		inner := Cmd("").Atom(strings.TrimPrefix(flag, `\`))
		c.err = errors.Join(c.err, inner.err)
	}
	return c.raw("(" + strings.Join(flags, " ") + ")")
}

// Literal adds a string of size octets that are read from body when the command is sent, which StartLiterals does. The
// server is not asked before, unless waits is set.
//
// Source: RFC 9051, section 4.3; RFC 7888.
func (c *Command) Literal(body io.Reader, size int64, waits bool) *Command {
	mark := "+"
	if waits {
		mark = ""
	}
	c.raw(fmt.Sprintf("{%d%s}", size, mark))
	c.literals = append(c.literals, literal{at: c.text.Len(), size: size, body: body, waits: waits})
	return c
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Mailbox adds a mailbox name as it goes over the wire: modified UTF-7, quoted.
func (c *Command) Mailbox(name string) *Command { return c.String(name) }

// Set adds a set of UIDs, which must not be empty.
func (c *Command) Set(uids UIDSet) *Command {
	if len(uids) == 0 {
		c.err = errUIDSet
	}
	return c.raw(uids.String())
}

// Raw adds constant text of our own.
func (c *Command) Raw(s string) *Command { return c.raw(s) }

func (c *Command) raw(s string) *Command {
	c.text.WriteByte(' ')
	c.text.WriteString(s)
	return c
}

// line returns the command without its tag, or why it cannot be sent.
func (c *Command) line() (string, error) {
	line := c.text.String()
	if c.err == nil && strings.ContainsAny(line, "\r\n\x00") {
		c.err = errString
	}
	return line, c.err
}
