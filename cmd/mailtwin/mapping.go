package main

import (
	"fmt"
	"strings"

	"mailtwin/mailbox"
)

// A mapRule gives mailboxes other names: "Old/*=Archive/*". At most one "*" on each side stands for the same text.
type mapRule struct{ from, to string }

// giveName says in a migration or a restore what is to be done about a mailbox that a server cannot have.
const giveName = "; give it another name there, with --map OLD=NEW"

func parseMapRule(text string) (mapRule, error) {
	from, to, found := strings.Cut(text, "=")
	switch {
	case !found || from == "" || to == "":
		return mapRule{}, fmt.Errorf(`a rule is like "Old/*=Archive/*", not %q`, text)
	case strings.Count(from, "*") > 1 || strings.Count(to, "*") > strings.Count(from, "*"):
		return mapRule{}, fmt.Errorf(`%q: a "*" may stand once before the "=", and once behind it`, text)
	}
	return mapRule{from, to}, nil
}

// apply returns the other name of a mailbox, if the rule is about it.
func (r mapRule) apply(name mailbox.Name) (mailbox.Name, bool) {
	before, after, wild := strings.Cut(r.from, "*")
	text := string(name)
	if !wild {
		return mailbox.Name(r.to), text == r.from
	}
	if len(text) < len(before)+len(after) || !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) {
		return "", false
	}
	return mailbox.Name(strings.Replace(r.to, "*", text[len(before):len(text)-len(after)], 1)), true
}

// ruled returns the other name of a mailbox, by the first rule that is about it.
func ruled(rules []mapRule, name mailbox.Name) (mailbox.Name, bool) {
	for _, rule := range rules {
		if to, applies := rule.apply(name); applies {
			return to, true
		}
	}
	return "", false
}

// A mapping tells what the destination calls a mailbox of the source.
type mapping struct {
	rules   []mapRule
	special map[mailbox.Name]mailbox.Name // of mailboxes that have a special use
	prefix  string                        // of the source's own mailboxes, which the destination does not have: "[Gmail]/"
}

// counterparts are the special uses that may take the place of one that the destination does not have. A Gmail account has
// all mail in one place where others have an archive.
//
// Source: RFC 6154, section 2.
var counterparts = map[mailbox.Role][]mailbox.Role{"All": {"All", "Archive"}, "Archive": {"Archive", "All"}}

// plainNames are what mailboxes with a special use are called where there is none yet.
var plainNames = map[mailbox.Role]mailbox.Name{
	"All": "Archive", "Archive": "Archive", "Drafts": "Drafts", "Flagged": "Flagged", "Important": "Important", "Junk": "Junk", "Sent": "Sent", "Trash": "Trash",
}

// newMapping finds what goes where: first as the rules say, then by special use, else by name. A special use that the
// source tells of no mailbox, as a Maildir does of none, goes by the name, too, but only of what the destination does not have
// under its own name.
func newMapping(source, destination []mailbox.Info, rules []mapRule) *mapping {
	m := &mapping{rules: rules, special: map[mailbox.Name]mailbox.Name{}}
	roles, names := map[mailbox.Role]mailbox.Name{}, map[mailbox.Name]mailbox.Role{}
	for _, info := range destination {
		if info.NoSelect {
			continue
		}
		names[info.Name] = info.Role
		if info.Role != "" && roles[info.Role] == "" {
			roles[info.Role] = info.Name
		}
	}
	told := map[mailbox.Role]bool{}
	for _, info := range source {
		told[info.Role] = true
	}
	for _, info := range source {
		if info.Role == "All" && info.Name.Parent() != "" {
			m.prefix = string(info.Name.Parent()) + "/"
		}
		if role := roleByName(info.Name); info.Role == "" && !told[role] {
			if _, same := names[info.Name]; !same {
				info.Role = role
			}
		}
		if info.Role != "" {
			m.special[info.Name] = counterpart(info, roles, names)
		}
	}
	return m
}

// roleByName is the special use that a mailbox has by its name alone, on servers that do not tell.
func roleByName(name mailbox.Name) mailbox.Role {
	for role, plain := range plainNames {
		if name == plain && role != "All" {
			return role
		}
	}
	return ""
}

func counterpart(info mailbox.Info, roles map[mailbox.Role]mailbox.Name, names map[mailbox.Name]mailbox.Role) mailbox.Name {
	alike := counterparts[info.Role]
	if alike == nil {
		alike = []mailbox.Role{info.Role}
	}
	for _, role := range alike {
		if name := roles[role]; name != "" {
			return name
		}
	}
	if _, there := names[info.Name]; there || plainNames[info.Role] == "" {
		return info.Name
	}
	return plainNames[info.Role]
}

// to returns what the destination calls a mailbox of the source.
func (m *mapping) to(name mailbox.Name) mailbox.Name {
	if to, applies := ruled(m.rules, name); applies {
		return to
	}
	if to, is := m.special[name]; is {
		return to
	}
	if rest, inside := strings.CutPrefix(string(name), m.prefix); m.prefix != "" && inside {
		return mailbox.Name(rest)
	}
	return name
}
