//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mailtwin/imap/imaptest"
)

// A disk is a small file system in memory, whose size can change.
type disk struct {
	*testing.T
	path string
}

// newDisk mounts one. That takes root, and a system that lets root do it.
func newDisk(t *testing.T, path string, kib int) *disk {
	t.Helper()
	d := &disk{t, path}
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=700", kib)); err != nil {
		t.Skipf("SKIPPED: no small disk can be made here, so that a full one is not tried (run as root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *disk) again(flags uintptr, kib int) {
	d.Helper()
	if err := unix.Mount("tmpfs", d.path, "tmpfs", unix.MS_REMOUNT|flags, fmt.Sprintf("size=%dk", kib)); err != nil {
		d.Fatal(err)
	}
}

const roomy = 64 << 10 // KiB

// fullTwin is a twin of some messages, of which nothing was synced yet.
func fullTwin(t *testing.T, dovecot *imaptest.Server) *changes {
	t.Helper()
	c := newChanges(newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: imaptest.All}), 31)
	c.small(20_000)
	c.must(c.account.Create("Work"))
	for i := range 60 {
		c.add(c.far(), []string{"INBOX", "Work"}[i%2])
	}
	return c
}

// TestFullDisk lets the disk of the Maildir, or that of the state, be full at one moment after the other, by giving it
// ever more room: in the first sync, and in one that downloads, uploads, flags and removes. The run says so and ends with
// a status; with room again, the next one goes on, and nothing is lost or doubled.
func TestFullDisk(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for where, most := range map[string]int{"Mail": 1600, "state": 160} {
		failed := 0
		for kib := 16; kib < most; kib += size(most/3, most/60) {
			t.Run(fmt.Sprintf("%s of %d KiB", where, kib), func(t *testing.T) {
				c := fullTwin(t, dovecot)
				c.moveState(filepath.Join(c.dir, "state", "a.db"))
				d := newDisk(t, filepath.Join(c.dir, where), kib)
				failed += c.fill(d, kib, "first sync")
				d.again(0, roomy)
				c.both(40)
				d.again(0, max(kib, used(t, d.path)+8))
				failed += c.fill(d, kib, "changes")
			})
		}
		t.Logf("%s: %d runs met a full disk", where, failed)
	}
}

// moveState puts the state elsewhere.
func (w *twin) moveState(to string) {
	w.Helper()
	text, err := os.ReadFile(w.config)
	w.must(err)
	w.must(os.WriteFile(w.config, []byte(strings.ReplaceAll(string(text), filepath.Join(w.dir, "state.db"), to)), 0o600))
}

// fill syncs onto a disk that may be full, makes room, and syncs again. It returns 1 if the disk was full.
func (c *changes) fill(d *disk, kib int, when string) int {
	c.Helper()
	o := c.try()
	if o.code != exitDone && !strings.Contains(o.stderr, "no space left on device") {
		c.Fatalf("%s with %d KiB: %v", when, kib, o)
	}
	if o.code != exitDone && !strings.Contains(o.stderr, "hint: the disk is full; make room and run again, nothing is lost") {
		c.Errorf("%s with %d KiB: no hint: %s", when, kib, o.stderr)
	}
	d.again(0, roomy)
	if o.code == exitDone {
		c.wantAgreement(when)
		return 0
	}
	c.sync("--retry")
	c.wantAgreement(when + ", with room again")
	c.wantIdle(when + ", the run after")
	return 1
}

// used is how much of a disk is taken, in KiB.
func used(t *testing.T, path string) int {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		t.Fatal(err)
	}
	return int((st.Blocks - st.Bfree) * uint64(st.Bsize) >> 10)
}

// TestReadOnlyMaildir has the disk of the Maildir, and that of the state, refuse every change.
func TestReadOnlyMaildir(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, where := range []string{"Mail", "state"} {
		c := fullTwin(t, dovecot)
		c.moveState(filepath.Join(c.dir, "state", "a.db"))
		d := newDisk(t, filepath.Join(c.dir, where), roomy)
		c.sync()
		c.both(40)
		before, _ := c.views()
		d.again(unix.MS_RDONLY, roomy)
		o := c.try()
		if o.code == exitDone || !strings.Contains(o.stderr, "hint: the disk cannot be written as it is mounted") {
			t.Errorf("%s: %v", where, o)
		}
		if where == "state" {
			if far, _ := c.views(); len(imaptest.Diff(before, far)) > 0 {
				t.Errorf("the server was changed by a run that could not put down what it did")
			}
		}
		d.again(0, roomy)
		c.sync("--retry")
		c.wantAgreement(where + " can be written again")
		c.wantIdle(where + ", the run after")
	}
}

// TestFewFiles lets the program open ever more files at once, from too few to do anything.
func TestFewFiles(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	c := fullTwin(t, dovecot)
	failed := 0
	for limit := 6; limit < 64; limit += size(6, 1) {
		o := c.limited(limit)
		if said := strings.Contains(o.stderr, "too many open files"); said && (o.code == exitDone || !strings.Contains(o.stderr, "ulimit -n")) {
			t.Errorf("%d files: %v", limit, o)
		}
		if o.code != exitDone {
			failed++
		}
		if limit%12 == 0 {
			c.sync("--retry")
			c.wantAgreement(fmt.Sprintf("after %d files", limit))
			c.wantIdle(fmt.Sprintf("after %d files, the run after", limit))
			c.both(20)
		}
	}
	if failed < 2 {
		t.Errorf("%d runs had too few files", failed)
	}
	c.sync("--retry")
	c.wantAgreement("in the end")
	c.wantIdle("the last run")
}

// limited runs a sync that may open only so many files.
func (w *twin) limited(files int) outcome {
	w.Helper()
	cmd := exec.CommandContext(context.Background(), "sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" sync --config "$1"`, files), os.Args[0], w.config)
	cmd.Env = append(os.Environ(), beProgram+"=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		w.Fatalf("%v", err)
	}
	if strings.Contains(stderr.String(), "panic:") || strings.Contains(stderr.String(), "DATA RACE") {
		w.Fatalf("%d files: %s", files, stderr.String())
	}
	return outcome{code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
}
