package gimap

import (
	"bytes"
	"net/mail"
	"slices"
	"strconv"
	"strings"
)

// A bodyItem is a part of a message that a FETCH asks for.
type bodyItem struct {
	section string // "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT"
	said    string // as it stands in the brackets
	legacy  string // RFC822 and its kin
	fields  []string
	peek    bool
	partial bool
	from, n int
}

func readBodyItem(up string) (b bodyItem, ok bool) {
	switch up {
	case "RFC822":
		return bodyItem{legacy: up}, true
	case "RFC822.HEADER":
		return bodyItem{legacy: up, section: "HEADER", peek: true}, true
	case "RFC822.TEXT":
		return bodyItem{legacy: up, section: "TEXT"}, true
	}
	rest, ok := strings.CutPrefix(up, "BODY.PEEK[")
	b.peek = ok
	if !ok {
		if rest, ok = strings.CutPrefix(up, "BODY["); !ok {
			return b, false
		}
	}
	inside, behind, closed := strings.Cut(rest, "]")
	if !closed || !b.readPartial(behind) {
		return b, false
	}
	b.said = inside
	name, fields, _ := strings.Cut(inside, " ")
	b.section = name
	b.fields = strings.Fields(strings.Trim(fields, "()"))
	if b.section == "1" {
		b.section = "TEXT"
	}
	return b, slices.Contains([]string{"", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT"}, b.section)
}

func (b *bodyItem) readPartial(text string) bool {
	if text == "" {
		return true
	}
	b.partial = true
	from, n, ok := strings.Cut(strings.Trim(text, "<>"), ".")
	var err1, err2 error
	b.from, err1 = strconv.Atoi(from)
	b.n, err2 = strconv.Atoi(n)
	return ok && err1 == nil && err2 == nil && b.from >= 0 && b.n >= 0
}

func (b bodyItem) name() string {
	if b.legacy != "" {
		return b.legacy
	}
	name := "BODY[" + b.said + "]"
	if b.partial {
		name += "<" + strconv.Itoa(b.from) + ">"
	}
	return name
}

// of cuts the part out of a message.
func (b bodyItem) of(raw []byte) []byte {
	end := bytes.Index(raw, []byte("\r\n\r\n"))
	head, text := raw, []byte(nil)
	if end >= 0 {
		head, text = raw[:end+4], raw[end+4:]
	}
	data := raw
	switch b.section {
	case "HEADER":
		data = head
	case "TEXT":
		data = text
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		data = pick(head, b.fields, b.section == "HEADER.FIELDS")
	}
	if b.partial {
		from := min(b.from, len(data))
		data = data[from : from+min(b.n, len(data)-from)]
	}
	return data
}

// pick takes some fields of a header, or all others.
func pick(head []byte, fields []string, these bool) []byte {
	var out []byte
	taken := false
	for line := range bytes.SplitAfterSeq(head, []byte("\r\n")) {
		if len(line) == 0 || bytes.Equal(line, []byte("\r\n")) {
			continue
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			taken = slices.Contains(fields, strings.ToUpper(strings.TrimSpace(string(name)))) == these
		}
		if taken {
			out = append(out, line...)
		}
	}
	return append(out, "\r\n"...)
}

// envelope is the ENVELOPE of a message (RFC 3501, section 7.4.2), as far as mail programs need it for a list.
func envelope(m *message) string {
	text := func(name string) string { return nilOr(m.header(name)) }
	people := func(name string) string {
		list, err := mail.ParseAddressList(m.header(name))
		if err != nil || len(list) == 0 {
			return "NIL"
		}
		var b strings.Builder
		for _, a := range list {
			user, host, _ := strings.Cut(a.Address, "@")
			b.WriteString("(" + nilOr(a.Name) + " NIL " + quote(user) + " " + quote(host) + ")")
		}
		return "(" + b.String() + ")"
	}
	from := people("From")
	return "(" + strings.Join([]string{
		text("Date"), text("Subject"), from, from, from, people("To"), people("Cc"), people("Bcc"), text("In-Reply-To"), text("Message-ID"),
	}, " ") + ")"
}

func nilOr(s string) string {
	if s == "" {
		return "NIL"
	}
	return quote(s)
}
