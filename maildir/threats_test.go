package maildir

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// recorder is a tap that keeps what it is told, and fails at one step if asked to.
type recorder struct {
	mu     sync.Mutex
	on     bool
	root   string
	steps  []string
	failAt int
	only   string // operations that may fail; all if empty
	err    error
}

func (r *recorder) tap(op, path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return nil
	}
	if r.only == "" || slices.Contains(strings.Fields(r.only), op) {
		r.failAt--
		if r.failAt == 0 {
			return r.err
		}
	}
	rel, err := filepath.Rel(r.root, path)
	if err == nil {
		path = rel
	}
	r.steps = append(r.steps, op+" "+path)
	return nil
}

func (r *recorder) start(root string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on, r.root, r.steps = true, root, nil
}

// kinds returns the steps without the names of files.
func (r *recorder) kinds() []string {
	var kinds []string
	for _, step := range r.steps {
		op, path, _ := strings.Cut(step, " ")
		if dir := filepath.Base(filepath.Dir(path)); slices.Contains(parts, dir) {
			path = dir + "/x"
		} else {
			path = filepath.Base(path)
		}
		if kind := op + " " + path; len(kinds) == 0 || kinds[len(kinds)-1] != kind {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// M13, R27: data, then names, then directories; never a rename that could overwrite.
func TestM13AndR27Order(t *testing.T) {
	r := &recorder{}
	w := newTapped(t, r.tap)
	w.make("Archive")
	few := []string{"1|a", "2 \\Seen|b"}
	var many []string
	for i := range keepOpen + 1 {
		many = append(many, fmt.Sprintf("%d \\Seen|%d", 10+i, i))
	}
	var ids []mailbox.ID
	for _, tt := range []struct {
		name, want string
		syncfs     bool
		do         func()
	}{
		{
			"a few messages", "create tmp/x, date tmp/x, fsync tmp/x, close tmp/x, date tmp/x, fsync tmp/x, close tmp/x, move new/x, move cur/x, fsync new, fsync cur, fsync tmp", true,
			func() { ids = append(ids, w.deliver("INBOX", few...)[0].ID) },
		},
		{
			"many messages", "create tmp/x, close tmp/x, create tmp/x, close tmp/x, date tmp/x, syncfs tmp, move cur/x, fsync cur, fsync tmp", true,
			func() { w.deliver("INBOX", many...) },
		},
		{
			"many messages without syncfs", "create tmp/x, fsync tmp/x, close tmp/x, fsync tmp/x, close tmp/x, fsync tmp/x, close tmp/x, date tmp/x, move new/x, fsync new, fsync tmp", false,
			func() { w.deliver("INBOX", "20|a", "21|b", "22|c", "23|d", "24|e", "25|f") },
		},
		{"a flag", "move cur/x, fsync cur, fsync new", true, func() { w.flag(ids[0], `\Seen`, "") }},
		{"a keyword", "create tmp/x, fsync tmp/x, replace dovecot-keywords, fsync INBOX, move cur/x, fsync cur", true, func() { w.flag(ids[0], "work", "") }},
		{"a copy", "create tmp/x, fsync tmp/x, replace dovecot-keywords, fsync Archive, link cur/x, fsync cur", true, func() {
			if _, err := w.Copy(t.Context(), "INBOX", doomed(ids[0]), "Archive"); err != nil {
				t.Error(err)
			}
		}},
		{"a move", "move cur/x, fsync cur", true, func() {
			if _, err := w.Move(t.Context(), "INBOX", doomed(ids[0]), "Archive"); err != nil {
				t.Error(err)
			}
		}},
		{"a removal", "unlink cur/x, fsync cur", true, func() {
			if _, _, err := w.Remove(t.Context(), "Archive", doomed(ids[0])); err != nil {
				t.Error(err)
			}
		}},
		{"a mailbox", "mkdir Work, fsync Mail, mkdir a, fsync Work, mkdir tmp, mkdir new, mkdir cur, fsync a", true, func() { w.make("Work/a") }},
	} {
		w.syncfs = tt.syncfs
		r.start(w.root)
		tt.do()
		// The clock is asked with a file in tmp, which is no part of the matter.
		steps := slices.DeleteFunc(slices.Clone(r.steps), func(s string) bool { return strings.Contains(s, ".clock_") })
		r.steps = steps
		got := strings.Join(r.kinds(), ", ")
		got = strings.ReplaceAll(got, "fsync .", "fsync Mail")
		if !samePattern(got, tt.want) {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// samePattern compares, where want may leave out repetitions.
func samePattern(got, want string) bool {
	return slices.Equal(slices.Compact(strings.Split(got, ", ")), slices.Compact(strings.Split(want, ", "))) || squeeze(got) == squeeze(want)
}

// squeeze writes "a, b, a, b, a, b" as "a, b".
func squeeze(text string) string {
	words := strings.Split(text, ", ")
	for n := 1; n <= len(words)/2; n++ {
		for i := 0; i+2*n <= len(words); {
			if slices.Equal(words[i:i+n], words[i+n:i+2*n]) {
				words = slices.Delete(words, i, i+n)
			} else {
				i++
			}
		}
	}
	return strings.Join(words, ", ")
}

func doomed(ids ...mailbox.ID) []mailbox.Doomed {
	var list []mailbox.Doomed
	for _, id := range ids {
		list = append(list, mailbox.Doomed{ID: id})
	}
	return list
}

// S33: modes are ours whatever the umask, and a file that waits under a name of ours is neither followed nor used.
func TestS33(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	w := newWorld(t)
	w.deliver("INBOX", "1|a", "2 \\Seen work|b")
	err := filepath.WalkDir(w.root, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		want := os.FileMode(fileMode)
		if e.IsDir() {
			want = dirMode | os.ModeDir
		}
		if err == nil && info.Mode() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.open("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	outside := filepath.Join(t.TempDir(), "x")
	if err := os.Symlink(outside, filepath.Join(w.root, "INBOX/tmp/foreseen")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.tmp.create("foreseen"); !errors.Is(err, os.ErrExist) {
		t.Errorf("a link in the way: %v", err)
	}
	if _, err := os.Lstat(outside); !errors.Is(err, os.ErrNotExist) {
		t.Error("the link was followed")
	}
}

// S34: whatever has the name, it stays.
func TestS34(t *testing.T) {
	text := "1|from the server"
	for _, tt := range []struct{ name, there string }{
		{"another message", "not the same"},
		{"the same message", "from the server"},
		{"a cut message", "from the"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			first := w.deliver("INBOX", text)[0]
			w.put("INBOX/new/"+string(first.ID), tt.there)
			again := w.deliver("INBOX", text)[0]
			if got := w.fetch("INBOX", again.ID); got != "from the server" {
				t.Errorf("%s holds %q", again.ID, got)
			}
			if got := w.fetch("INBOX", first.ID); got != tt.there {
				t.Errorf("%s holds %q", first.ID, got)
			}
			if (again.ID == first.ID) != (tt.there == "from the server") {
				t.Errorf("stored as %s, there was %s", again.ID, first.ID)
			}
			if left := w.files("INBOX/tmp"); len(left) > 0 {
				t.Errorf("tmp holds %q", left)
			}
		})
	}
	t.Run("a flag", func(t *testing.T) {
		w := newWorld(t)
		w.put("INBOX/cur/a:2,", "one")
		w.put("INBOX/cur/a:2,S", "other")
		var problems []error
		change := mailbox.FlagChange{ID: "a", Add: mailbox.MakeFlags(mailbox.Seen)}
		err := w.SetFlags(t.Context(), "INBOX", []mailbox.FlagChange{change}, func(_ mailbox.ID, err error) { problems = append(problems, err) })
		if err != nil || len(problems) != 1 || !errors.Is(problems[0], errNameTaken) {
			t.Errorf("problems %v, %v", problems, err)
		}
		if got := w.files("INBOX/cur"); len(got) != 2 {
			t.Errorf("cur holds %q", got)
		}
		gone, _, err := w.Remove(t.Context(), "INBOX", doomed("a"))
		if err != nil || len(gone) != 0 {
			t.Errorf("removed %v, %v", gone, err)
		}
	})
	t.Run("a name without link", func(t *testing.T) {
		w := newWorld(t)
		w.put("INBOX/cur/a:2,", "one")
		w.put("INBOX/cur/b:2,", "other")
		b, err := w.open("INBOX")
		if err != nil {
			t.Fatal(err)
		}
		defer b.close()
		if err := b.cur.link("a:2,", b.cur, "b:2,"); !errors.Is(err, os.ErrExist) {
			t.Errorf("link: %v", err)
		}
	})
}

// R27b: what a crash left cut short is not taken for the message that its name speaks of, and not for a new one.
func TestDamagedDownload(t *testing.T) {
	w := newWorld(t)
	s := w.deliver("INBOX", "1 \\Seen|whole", "2|fine")
	w.rename("INBOX/cur/"+string(s[0].ID)+":2,S", "INBOX/cur/"+string(s[0].ID)+":2,RS")
	w.put("INBOX/cur/"+string(s[0].ID)+":2,RS", "")
	scan := w.scan("INBOX", known())
	wantScan(t, scan, string(s[1].ID)+" !"+string(s[0].ID))
	again := w.deliver("INBOX", "1 \\Seen|whole")[0]
	if again.ID == s[0].ID || w.fetch("INBOX", again.ID) != "whole" {
		t.Errorf("stored as %s", again.ID)
	}
	scan = w.scan("INBOX", known(s[1].ID))
	if len(scan.Present) != 2 || scan.Present[0].Origin+scan.Present[1].Origin != "1" {
		t.Errorf("the scan shows %s", show(scan))
	}
	if other, err := w.Scan(t.Context(), mailbox.ScanRequest{Name: "INBOX", Generation: "8"}); err != nil || len(other.Present) != 3 {
		t.Errorf("under another generation they are %s, %v", show(other), err)
	}
}

// S32: only regular files are read, and what is not is named and stays.
func TestS32(t *testing.T) {
	w := newWorld(t)
	secret := filepath.Join(t.TempDir(), "secret")
	cur := filepath.Join(w.root, "INBOX/cur")
	for _, err := range []error{
		os.WriteFile(secret, []byte("key"), 0o600),
		os.Symlink(secret, filepath.Join(cur, "link:2,S")),
		syscall.Mkfifo(filepath.Join(cur, "pipe:2,S"), 0o600),
		os.Mkdir(filepath.Join(cur, "dir:2,S"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.put("INBOX/cur/a:2,S", "a")
	if os.Geteuid() == 0 {
		if err := syscall.Mknod(filepath.Join(cur, "zero:2,S"), syscall.S_IFCHR|0o600, 1<<8|5); err == nil {
			wantScan(t, w.scan("INBOX", known()), "a,S !dir !link !pipe !zero")
			w.remove("INBOX/cur/zero:2,S")
		}
	}
	wantScan(t, w.scan("INBOX", known()), "a,S !dir !link !pipe")
	wantScan(t, w.scan("INBOX", known("link", "pipe", "dir")), "a,S dir,S link,S pipe,S")
	var problems []string
	bad := []mailbox.ID{"link", "pipe", "dir"}
	err := w.Fetch(t.Context(), "INBOX", bad, nil, func(id mailbox.ID, _ error) { problems = append(problems, string(id)) })
	if err != nil || len(problems) != 3 {
		t.Errorf("problems with %q, %v", problems, err)
	}
	err = w.Identify(t.Context(), "INBOX", bad, func(id mailbox.ID, _ mailbox.Content) { t.Errorf("read %s", id) })
	if err != nil {
		t.Error(err)
	}
	if missing, err := w.Missing(t.Context(), "INBOX", bad); err != nil || len(missing) > 0 {
		t.Errorf("missing are %v, %v", missing, err)
	}
	if gone, _, err := w.Remove(t.Context(), "INBOX", doomed(bad...)); err != nil || len(gone) > 0 {
		t.Errorf("removed %v, %v", gone, err)
	}
	for _, part := range parts {
		w.make("Odd")
		w.remove("Odd/" + part)
		if err := os.Symlink(filepath.Join(w.root, "INBOX", part), filepath.Join(w.root, "Odd", part)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Scan(t.Context(), mailbox.ScanRequest{Name: "Odd"}); err == nil {
			t.Errorf("a link for %s is followed", part)
		}
		if err := w.Create(t.Context(), "Odd"); err == nil {
			t.Errorf("a link for %s is good enough", part)
		}
		w.remove("Odd/" + part)
	}
}

// renamer changes flags like a mail program, all the time, until it is stopped.
func renamer(t *testing.T, cur string, bases []string, pause time.Duration) (stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		count := 0
		names := map[string]string{}
		for _, base := range bases {
			names[base] = base + ":2,"
		}
		for ctx.Err() == nil {
			base := bases[rand.IntN(len(bases))]
			as := base + ":2,S"
			if names[base] == as {
				as = base + ":2,FRS"
			}
			if err := os.Rename(filepath.Join(cur, names[base]), filepath.Join(cur, as)); err != nil {
				t.Error(err)
				break
			}
			names[base] = as
			count++
			if pause > 0 {
				time.Sleep(pause)
			}
		}
		done <- count
	}()
	return func() int { cancel(); return <-done }
}

// M14, R21: a look beside renames misses files; a scan takes none of them for gone, and finds a removal in the end.
func TestM14(t *testing.T) {
	t.Parallel()
	const count, scans = 2000, 300
	for _, pause := range []time.Duration{8 * time.Millisecond, 300 * time.Microsecond} {
		w := newWorld(t)
		k := ids{}
		var bases []string
		for i := range count {
			base := fmt.Sprintf("%d.%x.host", 1_600_000_000+i, i*7919)
			bases = append(bases, base)
			k[mailbox.ID(base)] = true
			w.put("INBOX/cur/"+base+":2,", "x")
		}
		stop := renamer(t, filepath.Join(w.root, "INBOX/cur"), bases[1:], pause)
		unsettled := 0
		for n := range scans / 2 {
			s := w.scan("INBOX", k)
			if len(s.Gone) > 0 {
				t.Fatalf("%d messages are taken for gone", len(s.Gone))
			}
			if !s.Settled {
				unsettled++
			}
			if n%5 > 0 {
				continue
			}
			if missing, err := w.Missing(t.Context(), "INBOX", []mailbox.ID{mailbox.ID(bases[5])}); err != nil || len(missing) > 0 {
				t.Fatalf("missing: %v, %v", missing, err)
			}
		}
		w.remove("INBOX/cur/" + bases[0] + ":2,")
		found := 0
		for range 3 {
			if s := w.scan("INBOX", k); s.Settled {
				found += len(s.Gone)
			}
		}
		renames := stop()
		s := w.scan("INBOX", k)
		if len(s.Gone) != 1 || s.Gone[0] != mailbox.ID(bases[0]) || len(s.Present) != count-1 {
			t.Errorf("at rest, %d are present and %v gone", len(s.Present), s.Gone)
		}
		t.Logf("%d renames, %d of %d scans not settled; while busy the removal was found in %d of 3 scans", renames, unsettled, scans/2, found)
	}
}

// R21: in a mailbox in which something changes during every look, nothing is gone, and nothing is put right.
func TestR21(t *testing.T) {
	var w *world
	looks, busy := 0, false
	w = newTapped(t, func(op, path string) error {
		if op == "unlink" && strings.Contains(path, ".clock_") && busy { // in the midst of a look
			looks++
			w.rename(fmt.Sprintf("INBOX/cur/x:2,%d", looks-1), fmt.Sprintf("INBOX/cur/x:2,%d", looks))
		}
		return nil
	})
	w.put("INBOX/cur/x:2,0", "x")
	w.put("INBOX/cur/a:2,S", "one")
	w.put("INBOX/new/a", "other")
	b, err := w.open("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	busy = true
	if l, err := b.look(); err != nil || l.quiet {
		t.Errorf("a look during which a file was renamed counts as quiet, %v", err)
	}
	looks = 0
	w.rename("INBOX/cur/x:2,1", "INBOX/cur/x:2,0")
	s := w.scan("INBOX", known("a", "x", "gone"))
	wantScan(t, s, "a,S x")
	if s.Settled || looks != maxLooks || s.Cursor.Mark != "" {
		t.Errorf("after %d looks, settled is %v", looks, s.Settled)
	}
	missing, err := w.Missing(t.Context(), "INBOX", []mailbox.ID{"gone"})
	if err != nil || len(missing) > 0 {
		t.Errorf("missing are %v, %v", missing, err)
	}
	if gone, _, err := w.Remove(t.Context(), "INBOX", doomed("gone")); err != nil || len(gone) > 0 {
		t.Errorf("gone are %v, %v", gone, err)
	}
	busy = false
	if s := w.scan("INBOX", known("a", "x", "gone")); !s.Settled || len(s.Present) != 3 || len(s.Gone) != 1 {
		t.Errorf("at rest it shows %s", show(s))
	}
}

// R22: a change shows although somebody set the time of the directory back, and a time of just now proves nothing.
func TestR22(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX/cur/a:2,", "a")
	cursor := w.scan("INBOX", known("a")).Cursor
	if cursor.Mark != "" {
		t.Errorf("a mailbox that changed just now has the mark %q", cursor.Mark)
	}
	b, err := w.open("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	past := time.Now().Add(-48 * time.Hour)
	w.date("INBOX/cur", past)
	before, err := readState(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	w.put("INBOX/cur/b:2,", "b")
	w.date("INBOX/cur", past)
	after, err := readState(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if before.mark(later) == "" || before.mark(later) == after.mark(later) {
		t.Error("a new file does not show in the mark")
	}
	changed := time.Unix(0, after.changed())
	for _, tt := range []struct {
		now  time.Time
		want bool
	}{
		{changed, false},
		{changed.Add(1900 * time.Millisecond), false},
		{changed.Add(-1900 * time.Millisecond), false},
		{changed.Add(3 * time.Second), true},
		{changed.Add(-time.Hour), true}, // the clock was put back: what changes now has another time
		{time.Time{}, false},
	} {
		if got := after.mark(tt.now) != ""; got != tt.want {
			t.Errorf("%v after the change: known is %v", tt.now.Sub(changed), got)
		}
	}
}

// A listing that finds a mailbox unchanged has the mark of the scan before.
func TestMarkHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("INBOX/cur/a:2,", "a")
	mark := func() string {
		infos, err := w.Mailboxes(t.Context())
		if err != nil || len(infos) != 1 {
			t.Fatal(infos, err)
		}
		return infos[0].Mark
	}
	if mark() != "" {
		t.Error("a mailbox that changed just now has a mark")
	}
	time.Sleep(racy + 100*time.Millisecond)
	s := w.scan("INBOX", known("a"))
	if s.Cursor.Mark == "" || !s.Cursor.Unchanged(mark()) {
		t.Errorf("the scan has %q, the listing %q", s.Cursor.Mark, mark())
	}
	w.rename("INBOX/cur/a:2,", "INBOX/cur/a:2,S")
	if s.Cursor.Unchanged(mark()) {
		t.Error("a change of flags does not show")
	}
}

// R28: after any fault nothing of the batch is in the mailbox, and a second try stores everything once.
func TestR28(t *testing.T) {
	messages := []string{"1|a", "2 \\Seen|b", "3 work|c"}
	var more []string
	for i := range keepOpen + 2 {
		more = append(more, fmt.Sprintf("%d \\Seen|%d", 10+i, i))
	}
	for _, batch := range [][]string{messages, more} {
		for step := 1; ; step++ {
			r := &recorder{failAt: step, err: syscall.EIO}
			w := newTapped(t, r.tap)
			r.start(w.root)
			_, err := w.tryDeliver("INBOX", batch...)
			r.on = false
			if err == nil {
				if step < 8 {
					t.Errorf("only %d steps were seen", step)
				}
				break
			}
			if !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			if s := w.scan("INBOX", known()); len(s.Present) > 0 {
				t.Errorf("after a fault at step %d the scan shows %s", step, show(s))
			}
			if stored := w.deliver("INBOX", batch...); len(stored) != len(batch) {
				t.Errorf("stored %v", stored)
			}
			if s := w.scan("INBOX", known()); len(s.Present) != len(batch) {
				t.Errorf("after a fault at step %d and a second try the scan shows %s", step, show(s))
			}
		}
	}
}

// R31: where there can be no link, the octets are copied, and the date is kept.
func TestR31(t *testing.T) {
	for _, errno := range []error{syscall.EPERM, syscall.EMLINK, syscall.EXDEV, syscall.EOPNOTSUPP} {
		r := &recorder{failAt: 1, only: "link", err: errno}
		w := newTapped(t, r.tap)
		w.make("Archive")
		id := w.deliver("INBOX", "1 \\Seen|a\r\nb\r\n")[0].ID
		r.start(w.root)
		arrived, err := w.Copy(t.Context(), "INBOX", doomed(id), "Archive")
		r.on = false
		if err != nil {
			t.Fatal(err)
		}
		if got := w.fetch("Archive", arrived[id]); got != "a\r\nb\r\n" {
			t.Errorf("%v: the copy holds %q", errno, got)
		}
		m := w.scan("Archive", known()).Present[0]
		if !m.InternalDate.Equal(time.Unix(1_000_000_000, 0)) || m.Flags.Letters() != "S" {
			t.Errorf("%v: the copy is %+v", errno, m)
		}
	}
	r := &recorder{failAt: 1, only: "move", err: syscall.EXDEV}
	w := newTapped(t, r.tap)
	w.make("Archive")
	id := w.deliver("INBOX", "1|a")[0].ID
	r.start(w.root)
	moved, err := w.Move(t.Context(), "INBOX", doomed(id), "Archive")
	if err != nil || w.fetch("Archive", moved.To[id]) != "a" || len(w.files("INBOX/new")) > 0 {
		t.Errorf("moved to %v, %v; left %q", moved.To, err, w.files("INBOX/new"))
	}
}
