package maildir

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mailtwin/mailbox"
)

// An entry is a file in cur or new.
type entry struct {
	base  string
	name  string // with base in front
	fresh bool   // in new
}

func makeEntry(name string, fresh bool) entry {
	base, _, _ := strings.Cut(name, ":")
	return entry{base: base, name: name, fresh: fresh}
}

func (e entry) id() mailbox.ID { return mailbox.ID(e.base) }

// letters returns the letters of the info. An info of another kind than 2 has none.
func (e entry) letters() string {
	letters, ok := strings.CutPrefix(e.name[len(e.base):], ":2,")
	if !ok {
		return ""
	}
	return letters
}

// withLetters returns a file name; without letters it has an info all the same, unless it is for new.
func withLetters(base, letters string, fresh bool) string {
	if fresh && letters == "" {
		return base
	}
	return base + ":2," + letters
}

// A base name that mailtwin gives to what it downloads says where the file comes from:
//
//	<seconds>.<tag>_<far ID>_<digest>.mailtwin
//
// with the date of the message, a tag of the account, the mailbox and its generation, and the start of the digest. A
// number behind the digest keeps apart what would otherwise have one name. A file that must be read as it stands,
// although it has nothing but LF, ends in verbatimSuffix.
const (
	ourSuffix      = ".mailtwin"
	verbatimSuffix = ".mailtwin-lf"
	digestDigits   = 16
)

var ourBase = regexp.MustCompile(`^-?[0-9]+\.([0-9a-f]{8})_([0-9]+)_([0-9a-f]{16})(?:-[0-9]+)?\.mailtwin(?:-lf)?$`)

// tag returns what stands for the origin in a base name, in 8 hexadecimal digits.
func tag(source string, name mailbox.Name, generation string) string {
	sum := sha256.Sum256([]byte(source + "\x00" + string(name) + "\x00" + generation))
	return hex.EncodeToString(sum[:4])
}

// origin returns the far ID and the start of the digest that a base name speaks of, if it was given for this tag.
func origin(base, tag string) (id mailbox.ID, digest string, ok bool) {
	m := ourBase.FindStringSubmatch(base)
	if m == nil || m[1] != tag {
		return "", "", false
	}
	return mailbox.ID(m[2]), m[3], true
}

// originBase returns the nth base name for a message that is downloaded, from 1.
func originBase(m mailbox.Message, tag string, digest mailbox.Digest, verbatim bool, n int) string {
	seconds := int64(0)
	if !m.InternalDate.IsZero() {
		seconds = m.InternalDate.Unix()
	}
	again := ""
	if n > 1 {
		again = "-" + strconv.Itoa(n)
	}
	return fmt.Sprintf("%d.%s_%s_%s%s%s", seconds, tag, idInName(m.ID), digest.String()[:digestDigits], again, suffix(verbatim))
}

// NamedDate returns the InternalDate that the base name of a message tells which was downloaded; zero if it tells none, or
// one that no server takes.
func NamedDate(id mailbox.ID) time.Time {
	text, _, _ := strings.Cut(string(id), ".")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds == 0 || !ourBase.MatchString(string(id)) {
		return time.Time{}
	}
	date := time.Unix(seconds, 0)
	if year := date.UTC().Year(); year < 1 || year > 9998 { // in any time zone
		return time.Time{}
	}
	return date
}

var plainID = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)

// idInName returns an ID in a form that may stand in a file name: what is not short and plain is digested.
func idInName(id mailbox.ID) string {
	if plainID.MatchString(string(id)) {
		return string(id)
	}
	sum := sha256.Sum256([]byte(id))
	return "x" + hex.EncodeToString(sum[:8])
}

// freshBase returns a base name that nothing else has.
func freshBase(verbatim bool) string {
	return fmt.Sprintf("%d.R%s%s", time.Now().Unix(), random(), suffix(verbatim))
}

func suffix(verbatim bool) string {
	if verbatim {
		return verbatimSuffix
	}
	return ourSuffix
}

// isVerbatim tells whether the file of a base name is to be read as it stands.
func isVerbatim(base string) bool { return strings.HasSuffix(base, verbatimSuffix) }
