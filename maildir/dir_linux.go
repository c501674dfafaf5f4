package maildir

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func renameNoReplace(fromDir int, from string, toDir int, to string) error {
	return unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE)
}

func renameExchange(fromDir int, from string, toDir int, to string) error {
	return unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_EXCHANGE)
}

// Magic numbers of the file systems whose syncfs waits for the data and reports what went wrong. Network and overlay
// file systems are left out on purpose.
const (
	magicExt4  = 0xef53
	magicXFS   = 0x58465342
	magicBtrfs = 0x9123683e
	magicF2FS  = 0xf2f52010
	magicTmpfs = 0x01021994
)

// canSyncfs tells whether one syncfs is as good as an fsync of every file. Before Linux 5.8 it did not report failed
// writes (man 2 syncfs).
func canSyncfs(root *os.File) bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil || !atLeast(unix.ByteSliceToString(name.Release[:]), 5, 8) {
		return false
	}
	var st unix.Statfs_t
	if unix.Fstatfs(int(root.Fd()), &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case magicExt4, magicXFS, magicBtrfs, magicF2FS, magicTmpfs:
		return true
	}
	return false
}

// atLeast compares a kernel release such as "6.1.0-13-amd64".
func atLeast(release string, major, minor int) bool {
	fields := strings.FieldsFunc(release, func(r rune) bool { return r < '0' || r > '9' })
	if len(fields) < 2 {
		return false
	}
	first, err := strconv.Atoi(fields[0])
	second, err2 := strconv.Atoi(fields[1])
	return err == nil && err2 == nil && (first > major || (first == major && second >= minor))
}

func syncfs(f *os.File) error { return unix.Syncfs(int(f.Fd())) }
