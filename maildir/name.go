package maildir

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxName   = 255 // octets of a directory entry
	cutSuffix = 1 + 16
	// emptyLevel stands for a level without a name. No other level is written so, for "%" itself is "%25".
	emptyLevel = "%"
)

// parts are the directories of a Maildir.
var parts = []string{"cur", "new", "tmp"}

// candidates returns the directory names that may stand for a level, the preferred one first. The others are for
// file systems that take the first for the name of another mailbox because they ignore case or normalize Unicode:
// the second has its first letter escaped, the third, which cannot meet any other, all octets.
func candidates(level string) [3]string {
	_, first := utf8.DecodeRuneInString(level)
	return [...]string{
		shorten(encode(level, 0), level),
		shorten(encode(level, first), level),
		shorten(encode(level, len(level)), level),
	}
}

// encode writes a level as a directory name of any length, with at least the first octets escaped.
func encode(level string, escaped int) string {
	if level == "" {
		return emptyLevel
	}
	if slices.Contains(parts, level) {
		escaped = max(escaped, 1)
	}
	var b strings.Builder
	for i := 0; i < len(level); {
		r, size := utf8.DecodeRuneInString(level[i:])
		octets := level[i : i+size]
		if i < escaped || (i == 0 && r == '.') || unsafeRune(r, size) {
			for j := range len(octets) {
				b.WriteByte('%')
				b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{octets[j]})))
			}
		} else {
			b.WriteString(octets)
		}
		i += size
	}
	return b.String()
}

// unsafeRune tells what never stands in a directory name of ours: the escape character, the separator, C0, DEL and C1
// controls, and octets that are not UTF-8.
func unsafeRune(r rune, size int) bool {
	return r == '%' || r == '/' || r < 0x20 || (r >= 0x7f && r < 0xa0) || (r == utf8.RuneError && size == 1)
}

// shorten cuts what does not fit into a directory entry and adds a digest of the whole level. The whole level is then
// found in a small file inside the directory.
func shorten(name, level string) string {
	if len(name) <= maxName {
		return name
	}
	cut := maxName - cutSuffix
	for i := 1; i <= 2; i++ { // not inside an escape
		if name[cut-i] == '%' {
			cut -= i
			break
		}
	}
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "~" + levelDigest(level)
}

func levelDigest(level string) string {
	sum := sha256.Sum256([]byte(level))
	return hex.EncodeToString(sum[:8])
}

// looksCut tells whether a directory name may be a shortened one.
func looksCut(name string) bool {
	return len(name) > maxName-cutSuffix-utf8.UTFMax-3 && name[len(name)-cutSuffix] == '~'
}

// decode returns the level that a directory name of whatever origin stands for. An escape that is none stands for
// itself.
func decode(name string) string {
	if name == emptyLevel {
		return ""
	}
	if !strings.Contains(name, "%") {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '%' && i+2 < len(name) {
			if octet, err := hex.DecodeString(name[i+1 : i+3]); err == nil {
				b.Write(octet)
				i += 2
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}
