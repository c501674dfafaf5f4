package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxShown = 200  // columns of a foreign text: a name, the words of a server
	maxLine  = 2000 // columns of a line of our own that has foreign texts in it
)

// show makes a foreign text harmless: names of mailboxes, words of servers, names of files. What could drive a
// terminal, or make one line look like two, is written as an escape, and no more than 200 columns are shown.
func show(s string) string { return escape(s, maxShown) }

// showLong does the same for a line of our own that has foreign parts in it.
func showLong(s string) string { return escape(s, maxLine) }

// showLines shows what another program printed, which may be several lines, on one.
func showLines(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return show(strings.Join(lines, " / "))
}

// ellipsis takes the place of what is left out.
const ellipsis = "..."

func escape(s string, most int) string {
	var b strings.Builder
	columns, fits := 0, 0 // fits is where the ellipsis could stand
	for i, r := range s {
		text, width := shown(s[i:], r)
		if columns += width; columns > most {
			return b.String()[:fits] + ellipsis
		}
		b.WriteString(text)
		if columns <= most-len(ellipsis) {
			fits = b.Len()
		}
	}
	return b.String()
}

// shown tells how a character at the beginning of rest looks, and how many columns that may take.
func shown(rest string, r rune) (text string, width int) {
	switch {
	case r == utf8.RuneError && !strings.HasPrefix(rest, string(utf8.RuneError)):
		text = fmt.Sprintf(`\x%02x`, rest[0])
	case isControl(r):
		text = fmt.Sprintf(`\x%02x`, r)
	case drives(r):
		text = fmt.Sprintf(`\u%04x`, r)
	case r < firstWide:
		return string(r), 1
	default:
		return string(r), 2
	}
	return text, len(text)
}

// firstWide is where characters begin that may be two columns wide.
const firstWide = 0x1100

// isControl tells C0, DEL and C1.
func isControl(r rune) bool { return r < ' ' || (r >= 0x7f && r < 0xa0) }

// drives tells what is not seen but changes how other text looks: the direction of writing, lines, what is joined.
func drives(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// jsonLine writes a value as one line of JSON that is harmless on a terminal, too: JSON itself escapes C0 alone.
func jsonLine(value any) (string, error) {
	line, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range string(line) {
		switch {
		case r > 0xffff && drives(r):
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		case isControl(r) || drives(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), nil
}
