package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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

func gmHistory(t *testing.T, seed uint64) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	w, g := gmWorld(t)
	policy := []string{"trash", "expunge", "never"}[seed%3]
	g.perBox = rng.IntN(2) == 0
	bin := rng.IntN(3) == 0
	if bin {
		w.keys = append(w.keys, `mailboxes = ["*", "![Gmail]/Important", "![Gmail]/Starred", "![Gmail]/Spam"]`)
		g.bin = true
	}
	w.set("delete_remote", policy)
	labels := []string{`\Inbox`, "Work", "Home", "Work/2024"}
	boxes := []string{"INBOX", "Work", "Home", "Work/2024", "[Gmail]/All Mail"}
	if bin {
		boxes = append(boxes, "[Gmail]/Trash")
	}
	for _, l := range labels[1:] {
		g.label(l)
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
		return g.deliver(gmMail(n), ls...)
	}
	var ids []uint64
	for range 12 {
		ids = append(ids, deliver())
	}
	files := func(box string) []string {
		f, _ := filepath.Glob(filepath.Join(w.maildir(), strings.ReplaceAll(box, "[", "\\["), "[cn]*", "*"))
		slices.Sort(f)
		return f
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
				if g.msgs[id] != nil {
					g.web(id, func(m *gmailMessage) {
						if m.flags[flag] {
							delete(m.flags, flag)
						} else {
							m.flags[flag] = true
						}
					})
					say("web turns %s of %s", flag, g.name(id))
				}
			case 3, 4:
				id, l := ids[pick(len(ids))], labels[pick(len(labels))]
				if m := g.msgs[id]; m != nil && m.bin == "" {
					g.web(id, func(m *gmailMessage) {
						if m.labels[l] {
							delete(m.labels, l)
						} else {
							m.labels[l] = true
						}
					})
					say("web turns label %s of %s", l, g.name(id))
				}
			case 5:
				id := ids[pick(len(ids))]
				if m := g.msgs[id]; m != nil && m.bin == "" {
					g.web(id, func(m *gmailMessage) { m.bin, m.labels = "trash", map[string]bool{} })
					say("web trashes %s", g.name(id))
				}
			case 6, 7:
				if f := files(boxes[pick(len(boxes))]); len(f) > 0 {
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
				if f := files(boxes[pick(len(boxes))]); len(f) > 0 {
					p := f[pick(len(f))]
					must(os.Remove(p))
					say("here removes %s", p[len(w.maildir()):])
				}
			case 10:
				from, to := boxes[pick(len(boxes))], boxes[pick(len(boxes))]
				if f := files(from); len(f) > 0 && from != to {
					p := f[pick(len(f))]
					if _, err := os.Stat(filepath.Join(w.maildir(), to, "cur")); err != nil {
						continue
					}
					must(os.Rename(p, filepath.Join(w.maildir(), to, "cur", fmt.Sprintf("m%d.%d.x", round, pick(1e9))+":2,"+letters(p))))
					say("here moves %s to %s", p[len(w.maildir()):], to)
				}
			case 11:
				from, to := boxes[pick(len(boxes))], boxes[pick(len(boxes))]
				if f := files(from); len(f) > 0 && from != to {
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
		g.reset()
		status := w.run("sync", "-v", "--allow-delete")
		say("sync %d %s%s", status, w.stdout, w.stderr)
		g.mu.Lock()
		for id, times := range g.bodies {
			if times > 1 {
				t.Errorf("seed %d: %s was downloaded %d times", seed, g.name(id), times)
			}
		}
		if g.deleted > 0 {
			t.Errorf(`seed %d: \Deleted outside Trash`, seed)
		}
		g.mu.Unlock()
		if status != 0 {
			t.Errorf("seed %d: exit status %d", seed, status)
		}
		if policy != "never" {
			gmAgree(t, fmt.Sprintf("seed %d, round %d", seed, round), w, g)
		}
		commands := g.commands
		if w.run("sync", "-n", "--allow-delete"); !strings.Contains(w.stdout, "nothing to do") {
			t.Errorf("seed %d: not idle: %s%s", seed, w.stdout, w.stderr)
		}
		if t.Failed() {
			g.commands = commands
			t.Logf("%s", strings.Join(log, "\n"))
			t.Log(strings.Join(g.commands, "\n"))
			return
		}
	}
}

func letters(p string) string {
	_, l, _ := strings.Cut(filepath.Base(p), ":2,")
	return l
}

func (g *gmailFake) name(id uint64) string {
	m := g.msgs[id]
	if m == nil {
		return "none"
	}
	_, rest, _ := strings.Cut(m.raw, "<")
	n, _, _ := strings.Cut(rest, "@")
	return n
}
