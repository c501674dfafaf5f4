package maildir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// racy is how close to the present a time may not be to count as known: the coarsest clock of a file system that mail
// lies on is FAT's, two seconds.
const racy = 2 * time.Second

// distant is how far a time must be from the clock of this computer to need no comparison with the clock of the file
// system. It covers a server whose clock is wrong, or in another time zone.
const distant = 26 * time.Hour

// A stamp tells one state of a directory or file from the next. It is zero for what does not exist.
type stamp struct {
	dev, ino     uint64
	mtime, ctime int64 // nanoseconds
	size         int64 // of a file
}

func stampOf(st *unix.Stat_t) stamp {
	s := stamp{dev: uint64(st.Dev), ino: st.Ino} //nolint:unconvert // int32 on some systems
	s.mtime, s.ctime = modTime(st)
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		s.size = st.Size
	}
	return s
}

func modTime(st *unix.Stat_t) (mtime, ctime int64) { return st.Mtim.Nano(), st.Ctim.Nano() }

// A state tells one state of a mailbox from the next: stamps of cur, new and the file of its keywords.
type state [3]stamp

// readState looks at a mailbox without opening anything in it.
func readState(mailbox *dir) (state, error) {
	var s state
	for i, name := range []string{"cur", "new"} {
		st, err := mailbox.lstat(name)
		if err != nil {
			return s, err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return s, &fs.PathError{Op: "look at", Path: mailbox.path(name), Err: unix.ENOTDIR}
		}
		s[i] = stampOf(&st)
	}
	st, err := mailbox.lstat(keywordsFile)
	if err == nil {
		s[2] = stampOf(&st)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	return s, nil
}

// sameFiles tells whether no file came, went or was renamed between two states.
func (s state) sameFiles(o state) bool { return s[0] == o[0] && s[1] == o[1] }

// changed is when a file last came, went or was renamed, by the clock of the file system.
func (s state) changed() int64 { return max(s[0].ctime, s[1].ctime) }

// near tells whether a time in s is so close to now that the clock of the file system has to be asked.
func (s state) near(now time.Time, span time.Duration) bool {
	for _, part := range s {
		for _, at := range []int64{part.mtime, part.ctime} {
			if part.ino != 0 && now.Sub(time.Unix(0, at)).Abs() < span {
				return true
			}
		}
	}
	return false
}

// mark is the state as text; empty if a change that comes now, by the clock of the file system, might leave it as it
// is.
func (s state) mark(now time.Time) string {
	if now.IsZero() || s.near(now, racy) {
		return ""
	}
	var b strings.Builder
	for _, part := range s {
		fmt.Fprintf(&b, "%x.%x.%x.%x.%x ", part.dev, part.ino, part.mtime, part.ctime, part.size)
	}
	return strings.TrimSuffix(b.String(), " ")
}

// clock returns the present as the file system of a mailbox knows it, or zero if it does not tell. It asks only if
// something changed so recently that it matters.
func clock(mailbox *dir, s state) time.Time {
	now := time.Now()
	if !s.near(now, distant) {
		return now
	}
	tmp, err := mailbox.enter("tmp")
	if err != nil {
		return time.Time{}
	}
	defer tmp.Close() //nolint:errcheck // it was only read
	touched, err := touch(tmp)
	if err != nil {
		return time.Time{}
	}
	return touched
}

// touch makes a file, looks at its time and removes it.
func touch(tmp *dir) (time.Time, error) {
	name := ".clock_" + random()
	f, err := tmp.create(name)
	if err != nil {
		return time.Time{}, err
	}
	var st unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &st)
	err = errors.Join(err, f.Close(), tmp.unlink(name))
	mtime, _ := modTime(&st)
	return time.Unix(0, mtime), err
}

// random returns 16 hexadecimal digits that nobody can foresee.
func random() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
