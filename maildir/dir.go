package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
)

// A tap is told of every effect on the disk just before it happens, and may prevent it by an error. Tests set it, to
// record the order of effects and to make them go wrong.
type tap func(op, path string) error

func (t tap) tell(op, path string) error {
	if t == nil {
		return nil
	}
	return t(op, path)
}

// A dir is an open directory. All names that its methods take are single levels in it.
type dir struct {
	*os.File
	tap tap
}

// path is where the directory was when it was opened.
func (d *dir) path(name string) string { return filepath.Join(d.Name(), name) }

func (d *dir) fd() int { return int(d.Fd()) }

// call makes one system call about name, again if a signal came in between.
func (d *dir) call(op, name string, do func() error) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return &fs.PathError{Op: op, Path: d.path(fmt.Sprintf("%q", name)), Err: unix.EINVAL}
	}
	for {
		err := do()
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return &fs.PathError{Op: op, Path: d.path(name), Err: err}
		}
		return nil
	}
}

// effect is a call that changes the disk.
func (d *dir) effect(op, name string, do func() error) error {
	if err := d.tap.tell(op, d.path(name)); err != nil {
		return &fs.PathError{Op: op, Path: d.path(name), Err: err}
	}
	return d.call(op, name, do)
}

func (d *dir) openat(op, name string, flags int) (*os.File, error) {
	var fd int
	err := d.call(op, name, func() (err error) {
		fd, err = unix.Openat(d.fd(), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, fileMode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.path(name)), nil
}

// enter opens a directory below. A symbolic link is none.
func (d *dir) enter(name string) (*dir, error) {
	f, err := d.openat("open", name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &dir{f, d.tap}, nil
}

var errIrregular = errors.New("not a regular file")

// open opens a message for reading. It follows no link and waits for no pipe.
func (d *dir) open(name string) (*os.File, error) {
	f, err := d.openat("open", name, unix.O_RDONLY|unix.O_NONBLOCK)
	if errors.Is(err, unix.ELOOP) {
		return nil, &fs.PathError{Op: "open", Path: d.path(name), Err: errIrregular}
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: d.path(name), Err: errIrregular}, err, f.Close())
	}
	return f, nil
}

// create makes a new file for reading and writing. It never opens one that exists.
func (d *dir) create(name string) (f *os.File, err error) {
	if err := d.tap.tell("create", d.path(name)); err != nil {
		return nil, &fs.PathError{Op: "create", Path: d.path(name), Err: err}
	}
	return d.openat("create", name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
}

// lstat looks at name itself, not at what it may point to.
func (d *dir) lstat(name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := d.call("lstat", name, func() error {
		return unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return st, err
}

func (d *dir) mkdir(name string) error {
	return d.effect("mkdir", name, func() error { return unix.Mkdirat(d.fd(), name, dirMode) })
}

func (d *dir) unlink(name string) error {
	return d.effect("unlink", name, func() error { return unix.Unlinkat(d.fd(), name, 0) })
}

func (d *dir) rmdir(name string) error {
	return d.effect("rmdir", name, func() error { return unix.Unlinkat(d.fd(), name, unix.AT_REMOVEDIR) })
}

// link gives a file a second name, which must be free.
func (d *dir) link(name string, to *dir, as string) error {
	return to.effect("link", as, func() error { return unix.Linkat(d.fd(), name, to.fd(), as, 0) })
}

// move gives a file or directory another name, which must be free: it never overwrites. Where the system cannot do
// that at once, a file gets its second name before it loses the first.
func (d *dir) move(name string, to *dir, as string) error {
	err := to.effect("move", as, func() error { return renameNoReplace(d.fd(), name, to.fd(), as) })
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	if err := d.link(name, to, as); err != nil {
		return err
	}
	if err := d.unlink(name); err != nil {
		return errors.Join(err, to.unlink(as)) // somebody else renamed it meanwhile: let his name stand
	}
	return nil
}

// replace gives a file another name, and whatever had that name is gone. It is for no message that is not kept elsewhere.
func (d *dir) replace(name string, to *dir, as string) error {
	return to.effect("replace", as, func() error { return unix.Renameat(d.fd(), name, to.fd(), as) })
}

// exchange gives a file the name of another, which must be there, and that one its own. Where the system cannot do that,
// the other file is gone.
func (d *dir) exchange(name string, to *dir, as string) error {
	err := to.effect("exchange", as, func() error { return renameExchange(d.fd(), name, to.fd(), as) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return d.replace(name, to, as)
	}
	return err
}

// date sets the modification time of a file.
func (d *dir) date(name string, at time.Time) error {
	ts := unix.NsecToTimespec(at.UnixNano())
	return d.effect("date", name, func() error {
		return unix.UtimesNanoAt(d.fd(), name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// sync makes the names in the directory durable.
func (d *dir) sync() error {
	if err := d.tap.tell("fsync", d.Name()); err != nil {
		return &fs.PathError{Op: "fsync", Path: d.Name(), Err: err}
	}
	return d.Sync()
}

// fsync makes the content of a file in the directory durable.
func (d *dir) fsync(f *os.File) error {
	if err := d.tap.tell("fsync", f.Name()); err != nil {
		return &fs.PathError{Op: "fsync", Path: f.Name(), Err: err}
	}
	return f.Sync()
}

// syncfs makes everything durable that was written to the file system of the directory.
func (d *dir) syncfs() error {
	if err := d.tap.tell("syncfs", d.Name()); err != nil {
		return &fs.PathError{Op: "syncfs", Path: d.Name(), Err: err}
	}
	if err := syncfs(d.File); err != nil {
		return &fs.PathError{Op: "syncfs", Path: d.Name(), Err: err}
	}
	return nil
}

// syncDirs makes the names in several directories durable, in this order.
func syncDirs(dirs ...*dir) error {
	for _, d := range dirs {
		if err := d.sync(); err != nil {
			return err
		}
	}
	return nil
}

// again opens the directory once more, so that it can be read from its start while others read it too.
func (d *dir) again() (*os.File, error) {
	fd, err := unix.Openat(d.fd(), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), d.Name()), nil
}

// names lists the directory, in no order.
func (d *dir) names() ([]string, error) {
	f, err := d.again()
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

// entries lists the directory with the kinds of what is in it, in no order.
func (d *dir) entries() ([]fs.DirEntry, error) {
	f, err := d.again()
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	return entries, errors.Join(err, f.Close())
}
