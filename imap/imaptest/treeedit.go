package imaptest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

var delivered atomic.Int64

// freshName makes a base name as mail programs make it.
func freshName() string {
	return fmt.Sprintf("%d.M%dP%dQ%d.host", time.Now().Unix(), time.Now().Nanosecond()/1000, os.Getpid(), delivered.Add(1))
}

// Deliver stores a message as a delivery agent does: by tmp, into new without flags and into cur with them. Line ends
// become LF, unless the message has some of another kind.
func (t Tree) Deliver(mailbox string, m Message) (string, error) {
	body := m.Body
	if lines := bytes.Count(body, []byte("\r\n")); lines == bytes.Count(body, []byte("\n")) && lines == bytes.Count(body, []byte("\r")) {
		body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	}
	base := freshName()
	tmp := filepath.Join(t.Dir(mailbox), "tmp", base)
	if err := os.WriteFile(tmp, body, 0o600); err != nil {
		return "", err
	}
	if !m.Date.IsZero() {
		if err := os.Chtimes(tmp, m.Date, m.Date); err != nil {
			return "", err
		}
	}
	path := filepath.Join(t.Dir(mailbox), "new", base)
	if len(m.Flags) > 0 {
		letters, err := t.letters(mailbox, m.Flags)
		if err != nil {
			return "", err
		}
		path = filepath.Join(t.Dir(mailbox), "cur", base+":2,"+letters)
	}
	return path, os.Rename(tmp, path)
}

// letters returns the letters of flags and keywords, and writes down new keywords.
func (t Tree) letters(mailbox string, flags []string) (string, error) {
	var all []rune
	for _, f := range flags {
		letter, err := t.letter(mailbox, f)
		if err != nil {
			return "", err
		}
		all = append(all, letter)
	}
	slices.Sort(all)
	return string(slices.Compact(all)), nil
}

func (t Tree) letter(mailbox, flag string) (rune, error) {
	for letter, f := range letterFlags {
		if strings.EqualFold(f, flag) {
			return letter, nil
		}
	}
	keywords, err := t.keywords(mailbox)
	if err != nil {
		return 0, err
	}
	for letter := 'a'; letter <= 'z'; letter++ {
		if strings.EqualFold(keywords[letter], flag) {
			return letter, nil
		}
	}
	for letter := 'a'; letter <= 'z'; letter++ {
		if keywords[letter] == "" {
			return letter, t.addKeyword(mailbox, letter, flag)
		}
	}
	return 0, fmt.Errorf("no letter left for %s in %s", flag, mailbox)
}

func (t Tree) addKeyword(mailbox string, letter rune, keyword string) error {
	f, err := os.OpenFile(filepath.Join(t.Dir(mailbox), keywordFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %s\n", letter-'a', keyword)
	return errors.Join(err, f.Close())
}

// Flag adds and takes flags, as a mail program does: by a new name, in cur. It returns the new path.
func (t Tree) Flag(c Copy, add, take []string) (string, error) {
	plus, err := t.letters(c.Mailbox, add)
	if err != nil {
		return "", err
	}
	minus, err := t.letters(c.Mailbox, take)
	if err != nil {
		return "", err
	}
	base, info, _ := strings.Cut(filepath.Base(c.Path), ":2,")
	var letters []rune
	for _, letter := range info + plus {
		if !strings.ContainsRune(minus, letter) {
			letters = append(letters, letter)
		}
	}
	slices.Sort(letters)
	path := filepath.Join(t.Dir(c.Mailbox), "cur", base+":2,"+string(slices.Compact(letters)))
	return path, os.Rename(c.Path, path)
}

// Remove deletes a message.
func (t Tree) Remove(c Copy) error { return os.Remove(c.Path) }

// Move moves a message into another mailbox; fresh gives it a new base name, as most mail programs do. The letters of
// keywords are translated.
func (t Tree) Move(c Copy, to string, fresh bool) (string, error) {
	path, err := t.target(c, to, fresh)
	if err != nil {
		return "", err
	}
	return path, os.Rename(c.Path, path)
}

// Copy copies a message, under a new name, with its flags and its time.
func (t Tree) Copy(c Copy, to string) (string, error) {
	path, err := t.target(c, to, true)
	if err != nil {
		return "", err
	}
	return path, copyFile(c.Path, filepath.Join(t.Dir(to), "tmp", filepath.Base(path)), path)
}

func copyFile(from, tmp, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return err
	}
	if err := os.Chtimes(tmp, info.ModTime(), info.ModTime()); err != nil {
		return err
	}
	return os.Rename(tmp, to)
}

func (t Tree) target(c Copy, to string, fresh bool) (string, error) {
	base, info, found := strings.Cut(filepath.Base(c.Path), ":2,")
	if fresh {
		base = freshName()
	}
	if !found {
		return filepath.Join(t.Dir(to), "new", base), nil
	}
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return -1
		}
		return r
	}, info)
	more, err := t.letters(to, keywordsIn(c.Flags))
	if err != nil {
		return "", err
	}
	return filepath.Join(t.Dir(to), "cur", base+":2,"+letters+more), nil
}

func keywordsIn(flags string) []string {
	var all []string
	for f := range strings.FieldsSeq(flags) {
		if !strings.HasPrefix(f, `\`) && f != "$forwarded" {
			all = append(all, f)
		}
	}
	return all
}

// Create makes a mailbox.
func (t Tree) Create(mailbox string) error {
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(t.Dir(mailbox), sub), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// Rename gives a mailbox, and those below it, another name, which no mailbox has.
func (t Tree) Rename(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(t.Dir(to)), 0o700); err != nil {
		return err
	}
	if err := os.Remove(t.Dir(to)); err != nil && !os.IsNotExist(err) { // what is left of a mailbox that was removed
		return err
	}
	if err := os.Rename(t.Dir(from), t.Dir(to)); err != nil {
		return err
	}
	t.tidy(from)
	return nil
}

// Delete removes a mailbox with all its messages, and those below it.
func (t Tree) Delete(mailbox string) error {
	if err := os.RemoveAll(t.Dir(mailbox)); err != nil {
		return err
	}
	t.tidy(mailbox)
	return nil
}

// tidy removes the directories above a mailbox that went away, as far as nothing else is in them.
func (t Tree) tidy(mailbox string) {
	for dir := filepath.Dir(t.Dir(mailbox)); len(dir) > len(t.Root) && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
	}
}
