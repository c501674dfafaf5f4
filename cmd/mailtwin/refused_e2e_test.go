package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// A refusal is what a server says to a command of one kind, so many times.
type refusal struct {
	mu     sync.Mutex
	verb   string
	word   string // that must be in the first line; empty for any
	answer string
	times  int
	after  int // so many are let through first
}

func (r *refusal) refuse(verb, line string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if verb != r.verb || !strings.Contains(line, r.word) || r.times == 0 {
		return ""
	}
	if r.after > 0 {
		r.after--
		return ""
	}
	r.times--
	return r.answer
}

// TestR18ServerRefuses has Dovecot refuse one command of a kind, once and as long as it is asked. The rest of the run
// goes on, the exit status tells, mailtwin status names what is left, and when the server has changed its mind, the next
// run mends it.
func TestR18ServerRefuses(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	const always = 1 << 30
	for _, tt := range []struct {
		verb, word, answer string
		status             int // as long as it is refused
	}{
		{"APPEND", "", "NO [OVERQUOTA] Quota exceeded", exitProblems},
		{"APPEND", "", "BAD [TOOBIG] Message too large", exitProblems},
		{"APPEND", "", "NO [THROTTLED] Slow down", exitTemporary},
		{"APPEND", "", "NO [LIMIT] Mail size is larger than the maximum", exitProblems},
		{"UID STORE", "FLAGS", "NO [CANNOT] Not that flag", exitProblems},
		{"UID MOVE", "", "NO [CANNOT] Not there", exitProblems},
		{"UID EXPUNGE", "", "NO [EXPUNGEISSUED] Not now", exitProblems},
		{"SELECT", "Work", "NO [NOPERM] Permission denied", exitProblems},
	} {
		for _, times := range []int{1, always} {
			name := fmt.Sprintf("%s %s, %d times", tt.verb, tt.answer, times)
			r := &refusal{verb: tt.verb, word: tt.word, answer: tt.answer, times: times}
			w, account, tree := refusedWorld(t, server, r)
			if tt.verb == "UID EXPUNGE" {
				w.set("delete_remote", "expunge")
			}
			work := changeALot(t, account, tree, tt.verb)
			status := w.run("sync")
			if status != tt.status && (times == always || status != exitDone) {
				t.Errorf("%s: exit status %d: %s", name, status, w.stderr)
			}
			if times == always {
				if w.run("sync"); !strings.Contains(w.stderr, "[") {
					t.Errorf("%s: the second run does not tell: %s", name, w.stderr)
				}
				w.want(0, "again ", "", "status")
				if n := strings.Count(w.stdout, "again "); n > 3*shownAlike {
					t.Errorf("%s: status tells of %d one by one", name, n)
				}
				if view, err := account.View(); err != nil || view.Count()[work] != 1 {
					t.Errorf("%s: what nobody refuses is not there: %v", name, err)
				}
				r.mu.Lock()
				r.times = 0
				r.mu.Unlock()
			}
			if status := w.run("sync", "--retry"); status != 0 {
				t.Errorf("%s: after the server changed its mind: exit status %d: %s", name, status, w.stderr)
			}
			w.wantEqual(account, tree, name)
			w.run("status")
			if strings.Contains(w.stdout, "again ") {
				t.Errorf("%s: status still tells: %s", name, w.stdout)
			}
		}
	}
}

// refusedWorld is a world of a hundred messages in three mailboxes, synced through a proxy that then begins to refuse.
func refusedWorld(t *testing.T, server *imaptest.Server, r *refusal) (*world, *imaptest.Account, imaptest.Tree) {
	t.Helper()
	user := server.NewUser()
	account := imaptest.NewAccount(t, server.Addr, user, server.Password)
	for _, name := range []string{"Work", "Other"} {
		if err := account.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range imaptest.Sample(100, 11, imaptest.CorpusOptions{MaxSize: 5e3}) {
		if _, err := account.Append([]string{"INBOX", "Work", "Other"}[i%3], m); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	on := false
	proxy := imaptest.NewProxy(t, server.Addr, imaptest.ProxyOptions{Refuse: func(verb, line string) string {
		mu.Lock()
		defer mu.Unlock()
		if !on {
			return ""
		}
		return r.refuse(verb, line)
	}})
	w := newWorld(t, proxy.Addr, user, server.Password)
	w.prepare = func(env *environment) { env.pause = time.Millisecond }
	w.want(0, "", "", "sync")
	mu.Lock()
	on = true
	mu.Unlock()
	return w, account, imaptest.Tree{Root: w.maildir()}
}

// changeALot makes changes in the Maildir that the verb carries to the server, and one that it does not: the message
// whose sum it returns, which is delivered on the server.
func changeALot(t *testing.T, account *imaptest.Account, tree imaptest.Tree, verb string) [32]byte {
	t.Helper()
	more := imaptest.Sample(12, 99, imaptest.CorpusOptions{MaxSize: 5e3})
	if verb == "APPEND" {
		for _, m := range more[1:] {
			if _, err := tree.Deliver("INBOX", m); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"Work", "Other"} {
		copies, err := tree.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range copies[:6] {
			if i < 3 {
				_, err = tree.Flag(c, []string{`\Flagged`}, nil)
			} else {
				err = tree.Remove(c)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := account.Append("Other", more[0]); err != nil {
		t.Fatal(err)
	}
	return more[0].Sum()
}

// wantEqual fails if the sides differ, or anything is left to do.
func (w *world) wantEqual(account *imaptest.Account, tree imaptest.Tree, name string) {
	w.Helper()
	far, err := account.View()
	if err != nil {
		w.Fatal(err)
	}
	near, err := tree.View()
	if err != nil {
		w.Fatal(err)
	}
	if diff := imaptest.Diff(far, near); len(diff) > 0 {
		w.Errorf("%s: the sides differ:\n%s", name, head(diff))
	}
	if w.run("sync", "-n"); !strings.Contains(w.stdout, "nothing to do") {
		w.Errorf("%s: not idle: %s%s", name, w.stdout, w.stderr)
	}
}
