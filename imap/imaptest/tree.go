package imaptest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Tree is a mail program's view of a Maildir, one directory for each level of a mailbox name. It reads and changes
// files as mail programs do, and knows nothing of mailtwin but its escapes in names and its line ends.
//
// Source: <https://cr.yp.to/proto/maildir.html>.
type Tree struct {
	Root string
}

// View reads every message of every mailbox.
func (t Tree) View() (View, error) {
	names, err := t.Mailboxes()
	if err != nil {
		return View{}, err
	}
	v := View{Mailboxes: names}
	for _, name := range names {
		copies, err := t.Read(name)
		if err != nil {
			return View{}, err
		}
		v.Copies = append(v.Copies, copies...)
	}
	return v, nil
}

// Mailboxes lists the mailboxes, sorted: the directories that have a directory cur.
func (t Tree) Mailboxes() ([]string, error) {
	var names []string
	err := filepath.WalkDir(t.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		switch d.Name() {
		case "new", "tmp":
			return fs.SkipDir
		case "cur":
			rel, err := filepath.Rel(t.Root, filepath.Dir(path))
			if err != nil {
				return err
			}
			names = append(names, mailboxName(rel))
			return fs.SkipDir
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// mailboxName undoes the escapes of a path: "%2E" is ".".
func mailboxName(rel string) string {
	var b strings.Builder
	for i := 0; i < len(rel); i++ {
		if rel[i] == '%' && i+3 <= len(rel) {
			if c, err := strconv.ParseUint(rel[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(rel[i])
	}
	return b.String()
}

// Dir returns the directory of a mailbox. A "%", a leading "." of a level and the first letter of a level that would be
// taken for one of the three directories of a Maildir are escaped; the names that tests use have no other need.
func (t Tree) Dir(mailbox string) string {
	levels := strings.Split(strings.ReplaceAll(mailbox, "%", "%25"), "/")
	for i, level := range levels {
		if strings.HasPrefix(level, ".") || slices.Contains([]string{"cur", "new", "tmp"}, level) {
			levels[i] = fmt.Sprintf("%%%02X%s", level[0], level[1:])
		}
	}
	return filepath.Join(append([]string{t.Root}, levels...)...)
}

// Read reads every message of a mailbox.
func (t Tree) Read(mailbox string) ([]Copy, error) {
	copies, err := t.Messages(mailbox)
	if err != nil {
		return nil, err
	}
	for i := range copies {
		if err := copies[i].read(); err != nil {
			return nil, err
		}
	}
	return copies, nil
}

func (c *Copy) read() error {
	content, err := os.ReadFile(c.Path)
	if err != nil {
		return err
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return err
	}
	if base, _, _ := strings.Cut(filepath.Base(c.Path), ":2,"); !strings.HasSuffix(base, asItStands) {
		content = canonical(content)
	}
	c.Date, c.Size, c.Sum = info.ModTime(), int64(len(content)), sha256.Sum256(content)
	return nil
}

// asItStands ends the names that mailtwin gives to messages that have LF line ends, and nothing else, on the server too.
const asItStands = ".mailtwin-lf"

// canonical brings what is stored with LF line ends back to CRLF; a file that has a CR is stored as it came.
func canonical(content []byte) []byte {
	if bytes.IndexByte(content, '\r') >= 0 {
		return content
	}
	return bytes.ReplaceAll(content, []byte("\n"), []byte("\r\n"))
}

// Messages lists the messages of a mailbox without opening them: their Sum and Date are zero.
func (t Tree) Messages(mailbox string) ([]Copy, error) {
	keywords, err := t.keywords(mailbox)
	if err != nil {
		return nil, err
	}
	var copies []Copy
	for _, sub := range []string{"cur", "new"} {
		dir := filepath.Join(t.Dir(mailbox), sub)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				continue
			}
			_, info, _ := strings.Cut(e.Name(), ":2,")
			copies = append(copies, Copy{
				Mailbox: mailbox, Flags: flagsOf(info, keywords), Path: filepath.Join(dir, e.Name()),
			})
		}
	}
	return copies, nil
}

var letterFlags = map[rune]string{
	'D': `\Draft`, 'F': `\Flagged`, 'P': `$Forwarded`, 'R': `\Answered`, 'S': `\Seen`, 'T': `\Deleted`,
}

func flagsOf(info string, keywords map[rune]string) string {
	var flags []string
	for _, letter := range info {
		if f := letterFlags[letter]; f != "" {
			flags = append(flags, f)
		} else if k := keywords[letter]; k != "" {
			flags = append(flags, k)
		}
	}
	return joinFlags(flags)
}

const keywordFile = "dovecot-keywords"

// keywords reads which letter stands for which keyword: lines of a number and a keyword, 0 for "a".
func (t Tree) keywords(mailbox string) (map[rune]string, error) {
	content, err := os.ReadFile(filepath.Join(t.Dir(mailbox), keywordFile))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[rune]string{}
	for line := range strings.Lines(string(content)) {
		var n int
		var keyword string
		if _, err := fmt.Sscan(line, &n, &keyword); err != nil {
			return nil, fmt.Errorf("%s: %s: %q: %w", mailbox, keywordFile, line, err)
		}
		all['a'+rune(n)] = keyword
	}
	return all, nil
}
