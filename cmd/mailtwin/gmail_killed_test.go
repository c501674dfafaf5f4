package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest/gimap"
)

// TestGmailKilled kills the program at random commands, before they are done, after, and half-way through an answer, and at
// random moments. What comes after must be as if it had been left alone.
func TestGmailKilled(t *testing.T) {
	killed := 0
	for seed := range uint64(size(3, 300)) { // one after the other: a process that is just started holds the locks of others
		if t.Failed() {
			break
		}
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { killed += gmKills(t, seed) })
	}
	t.Logf("killed %d times", killed)
}

func gmKills(t *testing.T, seed uint64) (killed int) {
	h := newGmHistory(t, seed)
	for round := range 3 {
		h.acts(2 + h.rng.IntN(6))
		for i := range 2 {
			if h.killed(fmt.Sprintf("round %d, run %d", round, i)) {
				killed++
			}
		}
		h.calm()
		if !h.settles(fmt.Sprintf("round %d", round)) {
			break
		}
	}
	return killed
}

// killed runs the program as a process, and kills it. It returns false if the run ended first.
func (h *gmHistory) killed(when string) bool {
	h.Helper()
	here := h.numbers()
	h.g.ResetCounters()
	cmd := exec.Command(os.Args[0], "sync", "--allow-delete", "--config", h.config)
	cmd.Env = append(os.Environ(), beProgram+"=1", "HOME="+h.dir, "MAILTWIN_PASSWORD_WORK="+h.g.Password, "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=20")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	h.must(cmd.Start())
	kill := func() {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			h.Errorf("%s: %v", when, err)
		}
	}
	if h.rng.IntN(4) == 0 {
		timer := time.AfterFunc(time.Duration(h.rng.IntN(300))*time.Millisecond, kill)
		defer timer.Stop()
	} else {
		h.g.Fault(gimap.Fault{Verb: h.verb(), Nth: h.rng.IntN(8), At: h.point(), Octet: h.rng.IntN(200), Web: func(*gimap.Web) { kill() }})
	}
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		h.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	h.say("%s: exit status %d\n%s\n%s", when, code, strings.Join(h.commands(), "\n"), said.String())
	h.g.ClearFaults()
	if code > 0 && !h.swallowed(code, said.String()) || strings.Contains(said.String(), "panic:") || strings.Contains(said.String(), "DATA RACE") {
		h.Errorf("%s: exit status %d\n%s", when, code, said.String())
	}
	h.notAgain(when, here)
	return code < 0
}
