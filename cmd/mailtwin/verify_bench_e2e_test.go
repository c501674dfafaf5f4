package main

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// BenchmarkVerify measures verify on a good mirror of messages of 4 KiB in 100 mailboxes, or in one, as a whole process,
// beside a bare client that logs in once and asks for the UIDs of each mailbox.
func BenchmarkVerify(b *testing.B) {
	dovecot := imaptest.Dovecot(b, imaptest.DovecotOptions{})
	program := build(b)
	n := size(benchMessages, 100_000)
	for _, boxes := range []int{100, 1} {
		b.Run(fmt.Sprintf("%d in %d mailboxes", n, boxes), func(b *testing.B) {
			user := dovecot.NewUser()
			fillEvenly(b, dovecot, user, n, boxes)
			w := newTwin(b, server{addr: dovecot.Addr, user: user, password: dovecot.Password, profile: imaptest.All})
			run := func(args ...string) usage {
				return measure(b, exec.CommandContext(b.Context(), program, append(args, "--config", w.config)...))
			}
			run("sync")
			for b.Loop() {
				bare := bareSearch(b, dovecot, user, boxes)
				quick := run("verify")
				quick.report(b, "quick")
				b.ReportMetric(bare.Seconds(), "search-s")
				b.ReportMetric(quick.wall.Seconds()/bare.Seconds(), "quick/search")
				run("verify", "--deep").report(b, "deep")
				run("verify", "--remote", "10%").report(b, "tenth")
			}
		})
	}
}

// bareSearch logs in, and sends EXAMINE and UID SEARCH ALL for each mailbox, one after the other.
func bareSearch(b *testing.B, s *imaptest.Server, user string, boxes int) time.Duration {
	b.Helper()
	began := time.Now()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	r := bufio.NewReaderSize(conn, 1<<20)
	ask := func(command string) {
		fmt.Fprintf(conn, "t %s\r\n", command)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			if strings.HasPrefix(line, "t ") {
				if !strings.HasPrefix(line, "t OK") {
					b.Fatal(line)
				}
				return
			}
		}
	}
	ask("LOGIN " + user + " " + s.Password)
	for box := range boxes {
		ask(fmt.Sprintf("EXAMINE \"Box %d\"", box))
		ask("UID SEARCH ALL")
	}
	return time.Since(began)
}
