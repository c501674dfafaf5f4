package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown is how much of a foreign text is shown, in characters.
const maxShown = 200

// show makes a foreign text harmless: names of mailboxes, words of servers, names of files. What could drive a
// terminal, or make one line look like two, is written as an escape.
func show(s string) string { return escape(s, maxShown) }

// showLong does the same for a line of our own that has foreign parts in it.
func showLong(s string) string { return escape(s, 2000) }

func escape(s string, most int) string {
	var b strings.Builder
	n := 0
	for i, r := range s {
		if n++; n > most {
			b.WriteString("...")
			break
		}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < ' ' || (r >= 0x7f && r < 0xa0):
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
