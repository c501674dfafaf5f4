package imaptest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	goimap "github.com/emersion/go-imap/v2"
)

// A Message is one to be stored somewhere.
type Message struct {
	Body  []byte    // with CRLF line ends, unless it was asked for otherwise
	Flags []string  // as IMAP writes them
	Date  time.Time // INTERNALDATE, whole seconds; zero lets the server choose
}

// Sum identifies the message by its bytes.
func (m Message) Sum() [sha256.Size]byte { return sha256.Sum256(m.Body) }

func (m Message) options() *goimap.AppendOptions {
	return &goimap.AppendOptions{Flags: imapFlags(m.Flags), Time: m.Date}
}

func imapFlags(flags []string) []goimap.Flag {
	var all []goimap.Flag
	for _, f := range flags {
		all = append(all, goimap.Flag(f))
	}
	return all
}

// A Copy is one message where it lies.
type Copy struct {
	Mailbox string // levels separated by "/"
	Sum     [sha256.Size]byte
	Flags   string // in lower case, sorted, separated by a space; without \Recent
	Date    time.Time
	Size    int64  // octets with CRLF line ends
	UID     uint32 // on a server
	Path    string // in a Maildir
}

func (c Copy) key() string { return fmt.Sprintf("%s %x [%s]", c.Mailbox, c.Sum[:6], c.Flags) }

// A View is all that one side shows.
type View struct {
	Mailboxes []string // those that can hold messages, sorted
	Copies    []Copy
}

// joinFlags brings flags into the one form in which they are compared.
func joinFlags(flags []string) string {
	var all []string
	for _, f := range flags {
		if f = strings.ToLower(f); f != `\recent` {
			all = append(all, f)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// Diff says in which mailboxes and messages two views differ, by (mailbox, SHA-256, flags); nothing if they agree.
// One line for each difference, those of far first.
func Diff(far, near View) []string {
	lines := onlyIn("far", far.Mailboxes, near.Mailboxes)
	lines = append(lines, onlyIn("near", near.Mailboxes, far.Mailboxes)...)
	count := map[string]int{}
	for _, c := range far.Copies {
		count[c.key()]++
	}
	for _, c := range near.Copies {
		count[c.key()]--
	}
	var keys []string
	for key, n := range count {
		if n > 0 {
			keys = append(keys, fmt.Sprintf("far only: %s, %d times", key, n))
		} else if n < 0 {
			keys = append(keys, fmt.Sprintf("near only: %s, %d times", key, -n))
		}
	}
	slices.Sort(keys)
	return append(lines, keys...)
}

func onlyIn(side string, names, others []string) []string {
	var lines []string
	for _, name := range names {
		if !slices.Contains(others, name) {
			lines = append(lines, fmt.Sprintf("%s only: mailbox %q", side, name))
		}
	}
	return lines
}

// DiffDates says which messages that both views have bear different dates: INTERNALDATE and the time of a file.
func DiffDates(far, near View) []string {
	dates := map[string][]int64{}
	for _, c := range far.Copies {
		dates[c.key()] = append(dates[c.key()], c.Date.Unix())
	}
	other := map[string][]int64{}
	for _, c := range near.Copies {
		other[c.key()] = append(other[c.key()], c.Date.Unix())
	}
	var lines []string
	for key, a := range dates {
		b := other[key]
		slices.Sort(a)
		slices.Sort(b)
		if len(b) > 0 && !slices.Equal(a, b) {
			lines = append(lines, fmt.Sprintf("%s: %v on the far side, %v on the near one", key, a, b))
		}
	}
	slices.Sort(lines)
	return lines
}

// Count returns how often each message is there, in whatever mailbox, by its SHA-256.
func (v View) Count() map[[sha256.Size]byte]int {
	count := map[[sha256.Size]byte]int{}
	for _, c := range v.Copies {
		count[c.Sum]++
	}
	return count
}

// In returns the messages of one mailbox.
func (v View) In(mailbox string) []Copy {
	var in []Copy
	for _, c := range v.Copies {
		if c.Mailbox == mailbox {
			in = append(in, c)
		}
	}
	return in
}
