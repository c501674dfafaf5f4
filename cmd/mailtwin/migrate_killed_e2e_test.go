package main

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
)

// process starts the program as a process of its own.
func (w *world) process(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, os.Args[0], append(args, "--config", w.config)...)
	cmd.Env = append(os.Environ(), beProgram+"=1", beLate+"="+w.late.String(), "HOME="+w.dir, "XDG_STATE_HOME=", "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=20")
	for name, value := range w.vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// directions are the four between an ordinary server and Gmail.
var directions = []struct {
	name     string
	old, new func(*testing.T) *end
}{
	{"Dovecot to Dovecot", dovecotEnd, dovecotEnd},
	{"Dovecot to Gmail", dovecotEnd, gmailEnd},
	{"Gmail to Dovecot", gmailEnd, dovecotEnd},
	{"Gmail to Gmail", gmailEnd, gmailEnd},
}

// What a server still does after a migration was killed is not copied by the next one, which waits for it.
func TestMigrateKilledLate(t *testing.T) {
	old, other := dovecotEnd(t), dovecotEnd(t)
	far := imaptest.NewProxy(t, other.addr, imaptest.ProxyOptions{})
	w := newMigration(t, old, &end{addr: far.Addr, user: other.user, password: other.password, account: other.account})
	fillPlain(t, w.old, 100)
	w.killedLate(far, "migrate", "old", "new")
	again, said := w.process(t.Context(), "migrate", "old", "new")
	if err := again.Run(); err != nil || !strings.Contains(said.String(), "complete") {
		t.Fatalf("%v\n%s", err, said)
	}
	w.wantMigrated(t)
}

// killedLate kills a run when all that it stores is on its way, and the server has done none of it. The server does it while
// the next run waits, or as soon as that one stores anything itself, which is too early.
func (w *world) killedLate(proxy *imaptest.Proxy, args ...string) {
	w.Helper()
	const late = 2 * time.Second
	w.late = late
	reached, release := make(chan struct{}, 100), make(chan struct{})
	proxy.Set(imaptest.ProxyOptions{Before: func(verb string) {
		if verb == "APPEND" {
			reached <- struct{}{}
			<-release
		}
	}})
	ctx, kill := context.WithCancel(w.Context())
	cmd, out := w.process(ctx, args...)
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	<-reached
	time.AfterFunc(late/20, kill) // by then all of it is on its way
	if err := ignoreExit(cmd.Wait()); err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	proxy.Set(imaptest.ProxyOptions{Before: func(verb string) {
		if verb == "APPEND" {
			reached <- struct{}{}
		}
	}})
	for len(reached) > 0 {
		<-reached
	}
	go func() {
		select {
		case <-reached: // too early
		case <-time.After(late / 4):
		}
		close(release)
	}()
}

// TestMigrateKilled kills migrations at random moments, in every direction between an ordinary server and Gmail. What the
// last one leaves is what a single one would have: everything once.
func TestMigrateKilled(t *testing.T) {
	for _, tt := range directions {
		t.Run(tt.name, func(t *testing.T) {
			w := newMigration(t, tt.old(t), tt.new(t))
			n := size(120, 10_000)
			if w.old.gmail == nil {
				fillPlain(t, w.old, n)
			} else {
				fillGmail(w.old, n)
			}
			rng := rand.New(rand.NewPCG(3, uint64(len(tt.name))))
			began := time.Now()
			if cmd, out := w.process(t.Context(), "migrate", "-n", "old", "new"); cmd.Run() != nil {
				t.Fatalf("%s", out)
			}
			limit := 4 * time.Since(began) // in which it may or may not come to its end
			killed, after := 0, time.Duration(0)
			w.late = time.Duration(size(100, 2000)) * time.Millisecond
			for range size(10, 50) {
				ctx, cancel := context.WithTimeout(t.Context(), after+time.Duration(rng.Int64N(int64(limit))))
				cmd, out := w.process(ctx, "migrate", "--labels", labelsEach, "old", "new")
				err := cmd.Run()
				dead := ctx.Err() != nil
				cancel()
				if after = 0; dead {
					killed++
					after = w.late
				} else if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			cmd, out := w.process(t.Context(), "migrate", "--labels", labelsEach, "old", "new")
			if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "complete: new has what old has") {
				t.Fatalf("%v\n%s", err, out)
			}
			w.wantMigrated(t)
			t.Logf("killed %d times\n%s", killed, out)
		})
	}
}

// wantMigrated compares both accounts by an independent look, as far as they can be alike: an ordinary server has no All
// Mail, and Gmail has no other copy of the same message.
func (w *migrationWorld) wantMigrated(t *testing.T) {
	t.Helper()
	names := func(name string) string {
		switch name {
		case gmAll, "Archive":
			return "archive"
		case "[Gmail]/Sent Mail":
			return "Sent"
		}
		return name
	}
	got, want := w.new.content(t, names), w.old.content(t, names)
	for _, all := range []map[string]int{got, want} {
		maps.DeleteFunc(all, func(line string, _ int) bool {
			return strings.HasPrefix(line, "[Gmail]/") || w.old.gmail == nil && strings.HasPrefix(line, "archive ")
		})
	}
	wantSame(t, "after all kills", want, got)
}

// fillPlain fills an account with n messages that any server takes, some of them in two mailboxes, some alike.
func fillPlain(t *testing.T, e *end, n int) {
	t.Helper()
	for _, name := range []string{"Work", "Work/2024"} {
		if err := e.account.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		m := imaptest.Message{Body: []byte(gmMailOf(i-i%10/9, 40*(i%30))), Date: time.Unix(int64(1700000000+i), 0)}
		if i%3 == 0 {
			m.Flags = []string{`\Seen`}
		}
		boxes := []string{[]string{"INBOX", "Work", "Work/2024", "Sent"}[i%4]}
		if i%5 == 0 {
			boxes = append(boxes, []string{"Work", "Work/2024", "Sent", "INBOX"}[i%4])
		}
		for _, name := range boxes {
			if _, err := e.account.Append(name, m); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// fillGmail gives n messages labels and flags by the bits of their numbers.
func fillGmail(e *end, n int) {
	web := e.gmail.Web()
	web.MakeLabel("Work/2024")
	for i := range n {
		var labels, flags []string
		for bit, label := range []string{`\Inbox`, "Work", "Home", `\Important`, "Work/2024", `\Sent`} {
			if (i>>bit)&1 == 1 {
				labels = append(labels, label)
			}
		}
		if i%3 == 0 {
			flags = []string{`\Seen`}
		}
		if i%7 == 0 {
			flags = append(flags, `\Flagged`)
		}
		web.Deliver(gimap.Mail{Raw: []byte(gmMail(i)), Labels: labels, Flags: flags, Date: time.Unix(int64(1700000000+i), 0)})
	}
}
