package imaptest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Manner is how a server speaks, on one connection, where it speaks in another way than the one that is there.
type Manner struct {
	// Hear gets the first line of each command, without its tag. What it returns, unless that is empty, is answered in place of the server.
	Hear func(tag, verb, line string) string
	// Say gets the first line of each response, without its end, and returns what is said in its place. Of a response
	// that goes on with a literal, the last line must announce it.
	Say func(line string) []string
}

// Servers are those that people told of, each with what it lacks and what is odd about it, for a suite that runs on all of
// them. (Courier and Gmail have suites of their own, too, on the server itself and on an emulator.)
var Servers = []Profile{
	{Name: "cyrus", Manner: falseVanished("* VANISHED (EARLIER) 1:3")},
	{Name: "courier", Removed: ordinary, Manner: zeroFetch},
	{Name: "stalwart", Removed: []string{"QRESYNC"}, Blind: true, Manner: early},
	{Name: "exchange", Removed: append([]string{"UIDPLUS"}, ordinary...), NoKeywords: true, Manner: exchange},
	{Name: "gmail", Removed: []string{"QRESYNC"}, Manner: someModSeqs("0")},
	{Name: "yahoo", Removed: ordinary, Manner: unavailable},
	{Name: "icloud", Manner: icloud},
	{Name: "zoho", Removed: []string{"QRESYNC"}, Blind: true, Manner: replaced(`(HIGHESTMODSEQ )\d+|(MODSEQ \()\d+`, "${1}${2}-1")},
	{Name: "proton", Removed: append([]string{"UIDPLUS", "SPECIAL-USE", "NAMESPACE", "ENABLE"}, ordinary...)},
	{Name: "qq", Removed: ordinary, Manner: ascending},
	{Name: "smartermail", Removed: ordinary, Manner: replaced(`(UIDVALIDITY |APPENDUID |COPYUID )\d+`, "${1}0")},
	{Name: "domino", Removed: ordinary, Manner: replaced(`INTERNALDATE "[^"]*"`, `INTERNALDATE "00-Jan-0000 00:00:00 +0000"`)},
	{Name: "o2", Removed: ordinary, Manner: unsorted},
}

// ordinary is what many servers lack.
var ordinary = []string{"CONDSTORE", "QRESYNC", "ESEARCH", "SEARCHRES", "ESORT", "CONTEXT=SEARCH", "LIST-STATUS", "LIST-EXTENDED"}

// replaced says something else in place of a pattern.
func replaced(pattern, with string) func() Manner {
	re := regexp.MustCompile(pattern)
	return func() Manner {
		return Manner{Say: func(line string) []string { return []string{re.ReplaceAllString(line, with)} }}
	}
}

var fetchUID = regexp.MustCompile(`^\* \d+ FETCH \(.*\bUID (\d+)`)

// uidIn is the UID that a response is about; 0 if there is none.
func uidIn(line string) int {
	m := fetchUID.FindStringSubmatch(line)
	if m == nil {
		return 0
	}
	uid, _ := strconv.Atoi(m[1]) // digits
	return uid
}

// falseVanished says of messages that are there that they are gone, each time that it is asked.
func falseVanished(lie string) func() Manner {
	return func() Manner {
		asked := ""
		return Manner{
			Hear: func(tag, verb, line string) string {
				if verb == "UID FETCH" && strings.Contains(line, "VANISHED") {
					asked = tag
				}
				return ""
			},
			Say: func(line string) []string {
				if asked != "" && strings.HasPrefix(line, asked+" ") {
					asked = ""
					return []string{lie, line}
				}
				return []string{line}
			},
		}
	}
}

// zeroFetch says something of a message that cannot be.
func zeroFetch() Manner {
	return Manner{Say: func(line string) []string {
		if uidIn(line)%3 == 1 {
			return []string{"* 0 FETCH (FLAGS (\\Seen))", line}
		}
		return []string{line}
	}}
}

// early tells in STATUS of changes that are not there yet.
func early() Manner {
	re := regexp.MustCompile(`HIGHESTMODSEQ (\d+)`)
	return Manner{Say: func(line string) []string {
		if !strings.HasPrefix(line, "* STATUS ") {
			return []string{line}
		}
		return []string{re.ReplaceAllStringFunc(line, func(s string) string {
			n, _ := strconv.Atoi(s[len("HIGHESTMODSEQ "):]) // digits
			return fmt.Sprintf("HIGHESTMODSEQ %d", n+1000)
		})}
	}}
}

// someModSeqs says of some messages that they have another MODSEQ.
func someModSeqs(n string) func() Manner {
	re := regexp.MustCompile(`MODSEQ \(\d+\)`)
	return func() Manner {
		return Manner{Say: func(line string) []string {
			if uidIn(line)%4 == 1 {
				line = re.ReplaceAllString(line, "MODSEQ ("+n+")")
			}
			return []string{line}
		}}
	}
}

var capabilityCode = regexp.MustCompile(`\[CAPABILITY [^\]]*\] ?`)

// exchange tells of its capabilities only if it is asked, says sizes that are wrong, leaves out bodies at first, takes no
// keywords, and says "+" for no reason.
func exchange() Manner {
	size := regexp.MustCompile(`RFC822.SIZE (\d+)`)
	permanent := regexp.MustCompile(`PERMANENTFLAGS \([^)]*\)`)
	left := map[int]bool{}
	return Manner{
		Hear: func(_, verb, line string) string {
			if (verb == "UID STORE" || verb == "APPEND") && strings.Contains(line, "$") {
				return "BAD Command Argument Error. 12"
			}
			return ""
		},
		Say: func(line string) []string {
			line = capabilityCode.ReplaceAllString(line, "")
			line = permanent.ReplaceAllString(line, `PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $$MDNSent)`)
			uid := uidIn(line)
			if strings.Contains(line, "BODY[] {") && uid%5 == 2 && !left[uid] {
				left[uid] = true
				return nil
			}
			line = size.ReplaceAllStringFunc(line, func(s string) string {
				n, _ := strconv.Atoi(s[len("RFC822.SIZE "):]) // digits
				return fmt.Sprintf("RFC822.SIZE %d", n*(1+2*(uid%2))+uid%3)
			})
			if strings.HasSuffix(line, " EXISTS") {
				return []string{"+ ", line}
			}
			return []string{line}
		},
	}
}

// unavailable hands some messages over only at the second try.
func unavailable() Manner {
	left := map[int]bool{}
	withheld := false
	return Manner{Say: func(line string) []string {
		if uid := uidIn(line); strings.Contains(line, "BODY[] {") && uid%6 == 3 && !left[uid] {
			left[uid], withheld = true, true
			return nil
		}
		if tag, _, ok := strings.Cut(line, " OK Fetch completed"); ok && withheld {
			withheld = false
			return []string{tag + " NO [UNAVAILABLE] UID FETCH Server error while fetching messages"}
		}
		return []string{line}
	}}
}

// icloud says that nothing is enabled, yet does it, tells of its capabilities only if it is asked, and says what vanished
// in a way that nobody understands.
func icloud() Manner {
	m := falseVanished("* VANISHED (EARLIER) 1:")()
	say := m.Say
	m.Say = func(line string) []string {
		if strings.HasPrefix(line, "* ENABLED") {
			line = "* ENABLED"
		}
		return say(capabilityCode.ReplaceAllString(line, ""))
	}
	return m
}

// ascending understands no range that goes down.
func ascending() Manner {
	ranges := regexp.MustCompile(`^UID \S+ (\S+)`)
	return Manner{Hear: func(_, _, line string) string {
		if m := ranges.FindStringSubmatch(line); m != nil {
			for r := range strings.SplitSeq(m[1], ",") {
				first, last, _ := strings.Cut(r, ":")
				a, _ := strconv.Atoi(first)
				if b, err := strconv.Atoi(last); err == nil && b < a {
					return "BAD Invalid arguments"
				}
			}
		}
		return ""
	}}
}

// unsorted tells of messages from the last to the first, as far as no body is among what it tells.
func unsorted() Manner {
	var held []string
	return Manner{Say: func(line string) []string {
		switch {
		case uidIn(line) > 0 && !strings.HasSuffix(line, "}"):
			held = append(held, line)
			return nil
		case strings.HasPrefix(line, "* SEARCH "):
			uids := strings.Fields(line)[2:]
			slices.Reverse(uids)
			return []string{"* SEARCH " + strings.Join(uids, " ")}
		case strings.HasPrefix(line, "* "):
			return []string{line}
		}
		said := held
		held = nil
		slices.Reverse(said)
		return append(said, line)
	}}
}
