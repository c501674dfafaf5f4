package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// The benchmarks of whole runs take as many messages as this, 100,000 if MAILTWIN_FULL is set.
const benchMessages = 5000

// smallMail is a message of 4 KiB.
func smallMail(n int) imaptest.Message { return mailOf(n, 4096) }

// mailOf is the n-th message, of so many octets: 200 or more.
func mailOf(n, octets int) imaptest.Message {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: a@example.org\r\nTo: b@example.org\r\nMessage-ID: <%d@example.org>\r\nSubject: number %d\r\n\r\n", n, n)
	for b.Len() < octets-100 {
		fmt.Fprintf(&b, "line %d of message %d, and some more words to fill it\r\n", b.Len(), n)
	}
	b.WriteString(strings.Repeat("x", octets-b.Len()-2) + "\r\n")
	return imaptest.Message{Body: b.Bytes(), Date: time.Unix(1700000000+int64(n), 0)}
}

// fillEvenly stores n messages in as many mailboxes as boxes.
func fillEvenly(b *testing.B, s *imaptest.Server, user string, n, boxes int) {
	b.Helper()
	names := make(chan int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			a := imaptest.NewAccount(b, s.Addr, user, s.Password)
			for box := range names {
				name := fmt.Sprintf("Box %d", box)
				if err := a.Create(name); err != nil {
					b.Error(err)
				}
				for i := range n / boxes {
					if _, err := a.Append(name, smallMail(box*n+i)); err != nil {
						b.Error(err)
					}
				}
			}
		})
	}
	for box := range boxes {
		names <- box
	}
	close(names)
	wg.Wait()
}

// A usage is what a whole process took.
type usage struct {
	wall, cpu time.Duration
	peak      float64 // MiB resident, 0 where /proc does not tell
}

func measure(b testing.TB, cmd *exec.Cmd) usage {
	b.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	peak := watchPeak(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, &out)
	}
	u := usage{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	u.peak = <-peak
	return u
}

// watchPeak tells, when a process has ended, how much memory it had at most. The kernel's own account of an ended
// process will not do: it starts with what its parent had.
func watchPeak(pid int) <-chan float64 {
	peak := make(chan float64, 1)
	go func() {
		last := 0.0
		for {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, after, ok := strings.Cut(string(text), "VmHWM:")
			if err != nil || !ok {
				peak <- last
				return
			}
			if kib, err := strconv.ParseFloat(strings.Fields(after)[0], 64); err == nil {
				last = max(last, kib/1024)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return peak
}

func (u usage) report(b *testing.B, what string) {
	b.Helper()
	b.ReportMetric(u.wall.Seconds(), what+"-s")
	b.ReportMetric(u.cpu.Seconds(), what+"-cpu-s")
	b.ReportMetric(u.peak, what+"-MiB")
}

// build builds the program as its users do.
func build(b testing.TB) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "mailtwin")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return program
}

// BenchmarkSyncs measures the first sync of 4 KiB messages in 100 mailboxes, one without any change and, once the
// directories have rested, another, as whole processes, with mbsync beside it where it is installed.
func BenchmarkSyncs(b *testing.B) {
	dovecot := imaptest.Dovecot(b, imaptest.DovecotOptions{})
	user := dovecot.NewUser()
	n := size(benchMessages, 100_000)
	program := build(b)
	fillEvenly(b, dovecot, user, n, 100)
	for b.Loop() {
		w := newTwin(b, server{addr: dovecot.Addr, user: user, password: dovecot.Password, profile: imaptest.All})
		sync := func(what string) {
			measure(b, exec.CommandContext(b.Context(), program, "sync", "--config", w.config)).report(b, what)
		}
		sync("first")
		time.Sleep(2500 * time.Millisecond) // directories that changed just now are read again
		sync("second")
		sync("idle")
		if mbsync, err := exec.LookPath("mbsync"); err == nil {
			rc := mbsyncConfig(b, w, dovecot, user)
			measure(b, exec.CommandContext(b.Context(), mbsync, "-c", rc, "-a")).report(b, "mbsync-first")
			measure(b, exec.CommandContext(b.Context(), mbsync, "-c", rc, "-a")).report(b, "mbsync-idle")
		}
	}
}

func mbsyncConfig(b testing.TB, w *twin, s *imaptest.Server, user string) string {
	b.Helper()
	host, port, _ := strings.Cut(s.Addr, ":")
	root := filepath.Join(w.dir, "mbsync")
	if err := os.MkdirAll(root, 0o700); err != nil {
		b.Fatal(err)
	}
	rc := filepath.Join(w.dir, "mbsyncrc")
	text := fmt.Sprintf(`IMAPAccount a
Host %s
Port %s
User %s
Pass %s
SSLType None
AuthMechs LOGIN

IMAPStore far
Account a

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Near
Sync All
SyncState *
`, host, port, user, s.Password, root, root)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return rc
}
