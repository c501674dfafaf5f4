package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest/gimap"
)

// Random things happen to mail and labels on both sides, with each delete_remote, with Trash synced or not, and with either
// meaning of HIGHESTMODSEQ: the sides agree, nothing is transferred twice, and a further run is idle.
func TestGmailHistories(t *testing.T) {
	for seed := range uint64(size(40, 1500)) {
		if t.Failed() {
			return
		}
		gmHistory(t, seed)
	}
}

// unknownOf takes one side of everything that nobody knows of Gmail.
func unknownOf(rng *rand.Rand) gimap.Options {
	yes := func() bool { return rng.IntN(2) == 0 }
	return gimap.Options{
		FolderModSeq: yes(), SilentLabels: yes(), KeepDeleted: yes(), Behaviour: gimap.Behaviour(rng.IntN(3)), AllMailTrash: yes(),
		Dedupe: gimap.Dedupe(rng.IntN(4)), OwnLabel: yes(), PlainTrash: yes(), FreshUID: yes(), BoxKeywords: yes(), SeesDeleted: yes(),
		SameValidity: yes(), EarlyCopyUID: yes(),
	}
}

func gmHistory(t *testing.T, seed uint64) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	options := unknownOf(rng)
	w := gmWorld(t, options)
	policy := []string{"trash", "expunge", "never"}[seed%3]
	bin := rng.IntN(3) == 0
	if bin {
		w.syncAlso(`\Trash`)
	}
	w.set("delete_remote", policy)
	labels := []string{`\Inbox`, "Work", "Home", "Work/2024"}
	boxes := []string{"INBOX", "Work", "Home", "Work/2024", gmAll}
	if bin {
		boxes = append(boxes, gmTrash)
	}
	for _, l := range labels[1:] {
		w.web.MakeLabel(l)
	}
	pick := func(n int) int { return rng.IntN(n) }
	n := 0
	deliver := func() uint64 {
		n++
		var ls []string
		for _, l := range labels {
			if pick(2) == 0 {
				ls = append(ls, l)
			}
		}
		return w.deliver(gmMail(n), ls...)
	}
	var ids []uint64
	for range 12 {
		ids = append(ids, deliver())
	}
	var log []string
	say := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	for round := range 6 {
		for range pick(7) {
			switch pick(13) {
			case 0:
				ids = append(ids, deliver())
				say("web delivers %d", n)
			case 1, 2:
				id := ids[pick(len(ids))]
				flag := []string{`\Seen`, `\Flagged`, `\Answered`}[pick(3)]
				if m, ok := w.g.Message(id); ok && slices.Contains(m.Flags, flag) {
					w.web.Flag(id, nil, []string{flag})
				} else {
					w.web.Flag(id, []string{flag}, nil)
				}
				say("web turns %s of %s", flag, w.name(id))
			case 3, 4:
				id, l := ids[pick(len(ids))], labels[pick(len(labels))]
				if m, ok := w.g.Message(id); ok && !m.Trash {
					if slices.Contains(m.Labels, l) {
						w.web.Label(id, nil, []string{l})
					} else {
						w.web.Label(id, []string{l}, nil)
					}
					say("web turns label %s of %s", l, w.name(id))
				}
			case 5:
				id := ids[pick(len(ids))]
				w.web.Trash(id)
				say("web trashes %s", w.name(id))
			case 6, 7:
				if f := w.files(boxes[pick(len(boxes))]); len(f) > 0 {
					p := f[pick(len(f))]
					base, letters, _ := strings.Cut(filepath.Base(p), ":2,")
					if strings.Contains(letters, "S") {
						letters = strings.ReplaceAll(letters, "S", "")
					} else {
						letters += "S"
					}
					must(os.Rename(p, filepath.Join(filepath.Dir(filepath.Dir(p)), "cur", base+":2,"+letters)))
					say("here S of %s", p[len(w.maildir()):])
				}
			case 8, 9:
				if f := w.files(boxes[pick(len(boxes))]); len(f) > 0 {
					p := f[pick(len(f))]
					must(os.Remove(p))
					say("here removes %s", p[len(w.maildir()):])
				}
			case 10:
				from, to := boxes[pick(len(boxes))], boxes[pick(len(boxes))]
				if f := w.files(from); len(f) > 0 && from != to {
					p := f[pick(len(f))]
					if _, err := os.Stat(filepath.Join(w.maildir(), to, "cur")); err != nil {
						continue
					}
					must(os.Rename(p, filepath.Join(w.maildir(), to, "cur", fmt.Sprintf("m%d.%d.x", round, pick(1e9))+":2,"+letters(p))))
					say("here moves %s to %s", p[len(w.maildir()):], to)
				}
			case 11:
				from, to := boxes[pick(len(boxes))], boxes[pick(len(boxes))]
				if f := w.files(from); len(f) > 0 && from != to {
					p := f[pick(len(f))]
					if _, err := os.Stat(filepath.Join(w.maildir(), to, "cur")); err != nil {
						continue
					}
					text, _ := os.ReadFile(p)
					must(os.WriteFile(filepath.Join(w.maildir(), to, "cur", fmt.Sprintf("c%d.%d.x", round, pick(1e9))+":2,"+letters(p)), text, 0o600))
					say("here copies %s to %s", p[len(w.maildir()):], to)
				}
			case 12:
				n++
				for _, b := range boxes {
					if _, err := os.Stat(filepath.Join(w.maildir(), b, "cur")); err == nil && pick(3) == 0 {
						must(os.WriteFile(filepath.Join(w.maildir(), b, "new", fmt.Sprintf("f%d.%d.x", round, pick(1e9))), []byte(strings.ReplaceAll(gmMail(n), "\r\n", "\n")), 0o600))
						say("here writes %d in %s", n, b)
					}
				}
			}
		}
		w.g.ResetCounters()
		status := w.run("sync", "-v", "--allow-delete")
		say("sync %d %s%s", status, w.stdout, w.stderr)
		if status == 1 && options.Dedupe != gimap.NoDedupe && strings.Contains(w.stderr, "made it one with another") {
			gmLeftAlone(w, fmt.Sprintf("seed %d, round %d", seed, round))
			return
		}
		if status != 0 {
			t.Errorf("seed %d: exit status %d", seed, status)
		}
		when := fmt.Sprintf("seed %d, round %d", seed, round)
		if policy != "never" {
			w.agree(when)
		}
		w.once(when)
		commands := w.commands()
		if w.run("sync", "-n", "--allow-delete"); !strings.Contains(w.stdout, "nothing to do") {
			t.Errorf("seed %d: not idle: %s%s", seed, w.stdout, w.stderr)
		}
		if t.Failed() {
			t.Logf("%+v\n%s", options, strings.Join(log, "\n"))
			t.Log(strings.Join(commands, "\n"))
			return
		}
	}
}

// gmLeftAlone wants a message that Gmail swallowed to be kept here, told of, and never uploaded again.
func gmLeftAlone(w *gmailWorld, when string) {
	w.once(when)
	before := nearFiles(w.T, w.maildir())
	w.g.ResetCounters()
	if status := w.run("sync", "--allow-delete"); status != 1 {
		w.Errorf("%s: exit status %d, want 1", when, status)
	}
	if n := w.g.Counters().Verbs["APPEND"]; n > 0 || !maps.Equal(before, nearFiles(w.T, w.maildir())) {
		w.Errorf("%s: uploaded again %d times, or the Maildir changed", when, n)
	}
}
