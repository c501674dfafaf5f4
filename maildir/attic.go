package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// An attic keeps what was removed, in a directory for each day. Below it lie Maildirs, so that any mail program can look
// at them:
//
//	<attic>/2026-11-23/Work/2024/cur/<base>:2,<letters>
//
// What was replaced, because it was damaged, lies apart, for it is not to be brought back as a message that was removed:
//
//	<attic>/2026-11-23/.replaced/Work/2024/cur/<base>:2,<letters>
//
// Messages are linked into it where that can be done, else copied.

// Attic tells how much an attic holds. One that does not exist holds nothing.
func Attic(path string) (messages int, octets int64, err error) {
	err = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == keywordsFile {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		messages, octets = messages+1, octets+info.Size()
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return messages, octets, err
}

// ClearAttic really removes what was put into an attic on days before this one.
func ClearAttic(path string, before time.Time) error {
	days, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clear the attic: %w", err)
	}
	first := before.Format(time.DateOnly)
	for _, day := range days {
		if _, err := time.Parse(time.DateOnly, day.Name()); err != nil || day.Name() >= first {
			continue
		}
		if err := os.RemoveAll(filepath.Join(path, day.Name())); err != nil {
			return fmt.Errorf("clear the attic: %w", err)
		}
	}
	return nil
}

// A shelf is the place in the attic for one mailbox on one day.
type shelf struct {
	cur  *dir
	path string // of the mailbox
}

// replaced is the directory of a day's attic for what was damaged.
const replaced = ".replaced"

// shelve puts messages that are to be removed into the attic, below a directory of this day. They are on disk there when it
// returns.
func (b *box) shelve(ctx context.Context, attic, below string, ids []mailbox.ID) error {
	if attic == "" || len(ids) == 0 {
		return nil
	}
	s, err := makeShelf(shelfPath(attic, filepath.Join(time.Now().Format(time.DateOnly), below), b.name))
	if err != nil {
		return fmt.Errorf("put into the attic: %w", err)
	}
	_, _, err = b.each(ctx, ids, func(_ mailbox.ID, all []entry) error {
		one, err := b.oneFile(all)
		if err != nil || !one {
			return err
		}
		return s.keep(b.in(all[0]), all[0])
	})
	if err == nil {
		err = s.keepKeywords(b.dir)
	}
	if err == nil {
		err = s.cur.sync()
	}
	if err := errors.Join(err, s.cur.Close()); err != nil {
		return fmt.Errorf("put into the attic: %w", err)
	}
	return nil
}

// makeShelf makes a Maildir in the attic.
func makeShelf(path string) (*shelf, error) {
	for _, part := range parts {
		if err := makeRoot(filepath.Join(path, part)); err != nil {
			return nil, err
		}
	}
	f, err := os.Open(filepath.Join(path, "cur"))
	if err != nil {
		return nil, err
	}
	return &shelf{&dir{File: f}, path}, nil
}

// keep brings one message to the shelf. One that is there already, because a run died in between, is not brought twice.
func (s *shelf) keep(from *dir, e entry) error {
	as := e.name
	if e.name == e.base {
		as = withLetters(e.base, "", false)
	}
	err := from.link(e.name, s.cur, as)
	if errors.Is(err, fs.ErrExist) {
		if sameFile(from, e.name, s.cur, as) == nil {
			return nil
		}
		as = withLetters(freshBase(isVerbatim(e.base)), e.letters(), false)
		err = from.link(e.name, s.cur, as)
	}
	for _, cannot := range []error{unix.EXDEV, unix.EPERM, unix.EMLINK, unix.EOPNOTSUPP, unix.ENOSYS} {
		if errors.Is(err, cannot) {
			return s.copy(from, e, as)
		}
	}
	return err
}

func (s *shelf) copy(from *dir, e entry, as string) error {
	source, err := from.open(e.name)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // it was only read
	info, err := source.Stat()
	if err != nil {
		return err
	}
	target, err := s.cur.create(as)
	if errors.Is(err, fs.ErrExist) {
		as = withLetters(freshBase(isVerbatim(e.base)), e.letters(), false)
		target, err = s.cur.create(as)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if err == nil {
		err = target.Sync()
	}
	if err = errors.Join(err, target.Close()); err == nil {
		err = s.cur.date(as, info.ModTime())
	}
	if err != nil {
		return errors.Join(err, s.cur.unlinkAll([]string{as}))
	}
	return nil
}

// keepKeywords copies what the letters of keywords mean.
func (s *shelf) keepKeywords(from *dir) error {
	source, err := from.open(keywordsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := io.ReadAll(source)
	if err := errors.Join(err, source.Close()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.path, keywordsFile), text, fileMode)
}
