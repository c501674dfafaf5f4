package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strconv"
	"strings"

	"mailtwin/mailbox"
)

// keywordsFile names the keywords of a mailbox: lines of an index and a keyword. Index 0 is the letter a.
//
// Source: <https://doc.dovecot.org/2.3/admin_manual/mailbox_formats/maildir/>, "Usage of files" and "Keywords".
const keywordsFile = "dovecot-keywords"

const maxKeywords = 26

// keywords are the letters of one mailbox.
type keywords struct {
	names [maxKeywords]mailbox.Flag // empty: no keyword has the letter
	other []string                  // lines that were not understood, to be kept
	// orphans are letters that files have and no keyword: a bit for each. What they once meant nobody knows, so that
	// they are given to no other keyword, and a keyword without a letter may be one of them.
	orphans uint32
}

// readKeywords reads the file of a mailbox; none means that there are no keywords.
func readKeywords(d *dir) (keywords, error) {
	text, err := d.small(keywordsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return keywords{}, nil
	}
	if err != nil {
		return keywords{}, err
	}
	return parseKeywords(string(text)), nil
}

func parseKeywords(text string) keywords {
	var k keywords
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		number, name, _ := strings.Cut(line, " ")
		i, err := strconv.Atoi(number)
		if err == nil && i >= 0 && i < maxKeywords && k.names[i] == "" && isKeyword(mailbox.Flag(name)) {
			k.names[i] = mailbox.Flag(name)
		} else if line != "" {
			k.other = append(k.other, line)
		}
	}
	return k
}

// isKeyword tells whether a flag is one that a letter may stand for: no system flag, and what IMAP can send.
func isKeyword(f mailbox.Flag) bool {
	return !strings.HasPrefix(string(f), `\`) && !mailbox.MakeFlags(f).Empty()
}

func (k *keywords) String() string {
	var b strings.Builder
	for i, name := range k.names {
		if name != "" {
			fmt.Fprintf(&b, "%d %s\n", i, name)
		}
	}
	for _, line := range k.other {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// index returns the number of a keyword's letter, or -1.
func (k *keywords) index(f mailbox.Flag) int {
	for i, name := range k.names {
		if name != "" && strings.EqualFold(string(name), string(f)) {
			return i
		}
	}
	return -1
}

// free returns the number of a letter that nothing has, or -1.
func (k *keywords) free() int {
	for i, name := range k.names {
		if name == "" && k.orphans&(1<<i) == 0 {
			return i
		}
	}
	return -1
}

// assign gives letters to those keywords of a set that have none, as long as there are any, and tells whether it did.
func (k *keywords) assign(f mailbox.Flags) bool {
	changed := false
	for _, keyword := range f.Keywords() {
		if k.index(keyword) >= 0 {
			continue
		}
		if i := k.free(); i >= 0 {
			k.names[i], changed = keyword, true
		}
	}
	return changed
}

// adopt notes the letters of a file name that no keyword has.
func (k *keywords) adopt(letters string) {
	for i := range len(letters) {
		if n := int(letters[i]) - 'a'; n >= 0 && n < maxKeywords && k.names[n] == "" {
			k.orphans |= 1 << n
		}
	}
}

// flags returns what the letters of a file name mean.
func (k *keywords) flags(letters string) mailbox.Flags {
	f := mailbox.Letters(letters)
	for i := range len(letters) {
		if n := int(letters[i]) - 'a'; n >= 0 && n < maxKeywords && k.names[n] != "" {
			f = f.With(k.names[n])
		}
	}
	return f
}

// letters returns the letters of a set, in ASCII order. Of what a file had before, those stay that mean nothing to
// us.
func (k *keywords) letters(f mailbox.Flags, before string) string {
	set := map[byte]bool{}
	for i := range len(before) {
		c := before[i]
		if mailbox.Letters(string(c)).Empty() && k.flags(string(c)).Empty() {
			set[c] = true
		}
	}
	for i, name := range k.names {
		if name != "" && f.Has(name) {
			set[byte('a'+i)] = true
		}
	}
	letters := []byte(f.Letters())
	for c := range set {
		letters = append(letters, c)
	}
	sort.Slice(letters, func(i, j int) bool { return letters[i] < letters[j] })
	return string(letters)
}

// holds tells whether a mailbox can show a flag in the names of its files.
func (k *keywords) holds(f mailbox.Flag) bool {
	return !isKeyword(f) || mailbox.MakeFlags(f).Letters() != "" || k.index(f) >= 0 || (k.orphans == 0 && k.free() >= 0)
}

// keywords returns the letters of a mailbox, after it gave letters to what wanted has and needs them for.
func (t *Tree) keywords(b *box, wanted mailbox.Flags) (*keywords, error) {
	t.lettered.Lock()
	defer t.lettered.Unlock()
	k, err := readKeywords(b.dir)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	k.orphans = t.lately(b.name).orphans
	t.mu.Unlock()
	for i, name := range k.names {
		if name != "" {
			k.orphans &^= 1 << i
		}
	}
	if !k.assign(wanted) {
		return &k, nil
	}
	return &k, b.writeSmall(keywordsFile, k.String())
}

// noteOrphans makes sure that no keyword gets a letter that a file of the mailbox has already.
func (t *Tree) noteOrphans(b *box, l *look) {
	var letters keywords
	for _, e := range l.entries {
		letters.adopt(e.letters())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lately(b.name).orphans = letters.orphans
}

// writeSmall puts a small file in the place of another, whole and durable.
func (b *box) writeSmall(name, text string) error {
	tmp := ".small_" + random()
	f, err := b.tmp.create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = b.tmp.fsync(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = b.tmp.replace(tmp, b.dir, name)
	}
	if err != nil {
		return errors.Join(err, b.tmp.unlink(tmp))
	}
	return b.sync()
}
