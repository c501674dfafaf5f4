package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap"
	"mailtwin/imap/imaptest/gimap"
)

// Gmail's mailboxes in English.
const (
	gmAll   = "[Gmail]/All Mail"
	gmTrash = "[Gmail]/Trash"
)

func gmMail(n int) string { return gmMailOf(n, 5*(n%50)) }

func gmMailOf(n, octets int) string {
	return fmt.Sprintf("From: a@example.org\r\nMessage-ID: <%d@example.org>\r\nSubject: %d\r\n\r\n%s\r\n", n, n, strings.Repeat("text ", octets/5))
}

// A gmailWorld is a configuration with one account on an emulated Gmail.
type gmailWorld struct {
	*world
	g       *gimap.Server
	web     *gimap.Web
	ids     []uint64            // of the first messages, in order
	also    map[string]bool     // by special use: what is synced beyond what is synced unasked
	only    []string            // names of mailboxes; the others are not synced
	n       int                 // messages that were delivered
	foreign int                 // how often another program stored \Deleted outside Spam and Trash
	tune    func(*imap.Options) // for the runs that follow
}

// gmWorld starts a Gmail. When the test ends, mailtwin must never have stored \Deleted outside Spam and Trash.
func gmWorld(t *testing.T, options gimap.Options) *gmailWorld {
	g := gimap.Start(t, options)
	w := &gmailWorld{world: newWorld(t, g.Addr, g.User, g.Password), g: g, web: g.Web(), also: map[string]bool{}}
	w.tune = func(o *imap.Options) { o.Pause = time.Millisecond }
	w.prepare = func(env *environment) { env.tune = w.tune }
	t.Cleanup(func() {
		if n := g.EverDeleted() - w.foreign; n > 0 {
			t.Errorf(`\Deleted was set %d times outside Spam and Trash`, n)
		}
	})
	return w
}

// unasked are the special uses of the mailboxes that are not synced unless they are named.
var unasked = []string{`\Important`, `\Flagged`, `\Junk`, `\Trash`}

// syncAlso has mailboxes synced that are not unless they are named.
func (w *gmailWorld) syncAlso(uses ...string) {
	if len(uses) == 0 {
		return
	}
	patterns := []string{`"*"`}
	for _, use := range unasked {
		if w.also[use] = slices.Contains(uses, use); !w.also[use] {
			patterns = append(patterns, fmt.Sprintf("%q", "!"+w.g.Role(use)))
		}
	}
	w.line("mailboxes = [" + strings.Join(patterns, ", ") + "]")
}

// syncOnly has only these mailboxes synced.
func (w *gmailWorld) syncOnly(names ...string) {
	if w.only = names; len(names) > 0 {
		w.line(`mailboxes = ["` + strings.Join(names, `", "`) + `"]`)
	}
}

func (w *gmailWorld) isSynced(f gimap.Folder) bool {
	if f.Hidden || len(w.only) > 0 && !slices.Contains(w.only, f.Name) {
		return false
	}
	return w.also[f.Use] || !slices.Contains(unasked, f.Use)
}

// deliver delivers a message, dated one second after the one before.
func (w *gmailWorld) deliver(raw string, labels ...string) uint64 {
	w.n++
	return w.web.Deliver(gimap.Mail{Raw: []byte(raw), Labels: labels, Date: time.Unix(int64(1700000000+w.n), 0)})
}

var gmailLabels = []string{`\Inbox`, "Work", "Home", `\Important`, "Work/2024"}

// filledGmail has n messages; the i-th label is on those whose number has the i-th bit.
func filledGmail(t *testing.T, n int) *gmailWorld {
	t.Helper()
	w := gmWorld(t, gimap.Options{})
	for i := range n {
		var labels []string
		for bit, label := range gmailLabels {
			if (i>>bit)&1 == 1 {
				labels = append(labels, label)
			}
		}
		w.ids = append(w.ids, w.deliver(gmMail(i), labels...))
	}
	return w
}

// name is the number of a message, for the log.
func (w *gmailWorld) name(id uint64) string {
	m, ok := w.g.Message(id)
	if !ok {
		return "none"
	}
	return gmNumber(m.Raw)
}

func gmNumber(raw []byte) string {
	_, rest, _ := strings.Cut(string(raw), "<")
	n, _, _ := strings.Cut(rest, "@")
	return n
}

// nearFiles reads the Maildir, if there is one: mailbox, number, flags but for D, which a file that is moved to Drafts gets at
// some time.
func nearFiles(t *testing.T, root string) map[string]int {
	got := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if path == root && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		dir := filepath.Dir(path)
		if b := filepath.Base(dir); b != "cur" && b != "new" {
			return nil
		}
		rel, _ := filepath.Rel(root, filepath.Dir(dir))
		text, err := os.ReadFile(path)
		got[rel+" "+gmNumber(text)+" "+strings.ReplaceAll(letters(path), "D", "")]++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func letters(path string) string {
	_, l, _ := strings.Cut(filepath.Base(path), ":2,")
	return l
}

// wanted is what the Maildir should hold.
func (w *gmailWorld) wanted() map[string]int {
	synced := map[string]bool{}
	for _, f := range w.g.Folders() {
		if w.isSynced(f) {
			synced[f.Name] = true
		}
	}
	want := map[string]int{}
	for _, m := range w.g.Messages() {
		for name := range m.Folders {
			if synced[name] {
				want[name+" "+gmNumber(m.Raw)+" "+flagLetters(m.Flags)]++
			}
		}
	}
	return want
}

// flagLetters are the letters by which a Maildir shows flags.
func flagLetters(flags []string) string {
	letters := ""
	for _, x := range [][2]string{{`\Flagged`, "F"}, {"$Forwarded", "P"}, {`\Answered`, "R"}, {`\Seen`, "S"}} {
		if slices.Contains(flags, x[0]) {
			letters += x[1]
		}
	}
	return letters
}

// agree wants the Maildir to hold what Gmail has, and nothing to have been downloaded twice.
func (w *gmailWorld) agree(when string) {
	w.Helper()
	want, got := w.wanted(), nearFiles(w.T, w.maildir())
	if !maps.Equal(want, got) {
		for k, n := range want {
			if got[k] != n {
				w.Errorf("%s: %q: %d on Gmail, %d here", when, k, n, got[k])
			}
		}
		for k, n := range got {
			if want[k] == 0 {
				w.Errorf("%s: %q: %d here, none on Gmail", when, k, n)
			}
		}
	}
	w.once(when)
}

func (w *gmailWorld) once(when string) {
	w.Helper()
	for id, n := range w.g.Counters().Bodies {
		if n > 1 {
			w.Errorf("%s: %s was downloaded %d times", when, w.name(id), n)
		}
	}
}

// numbers are those of the messages that the Maildir has.
func (w *gmailWorld) numbers() map[string]bool {
	numbers := map[string]bool{}
	for key := range nearFiles(w.T, w.maildir()) {
		words := strings.Split(key, " ")
		numbers[words[len(words)-2]] = true
	}
	return numbers
}

// notAgain wants nothing to have been downloaded that was here before.
func (w *gmailWorld) notAgain(when string, before map[string]bool) {
	w.Helper()
	for id := range w.g.Counters().Bodies {
		if n := w.name(id); before[n] {
			w.Errorf("%s: %s was here, and was downloaded", when, n)
		}
	}
}

// commands are those that followed the login.
func (w *gmailWorld) commands() []string {
	return slices.DeleteFunc(w.g.Counters().Lines, func(c string) bool { return c == "CAPABILITY" || c == "AUTHENTICATE" })
}

// syncs syncs, wants agreement, and returns the commands that followed the login.
func (w *gmailWorld) syncs(when string) []string {
	w.Helper()
	w.g.ResetCounters()
	if status := w.run("sync", "-v"); status != 0 {
		w.Fatalf("%s: exit status %d\n%s%s", when, status, w.stdout, w.stderr)
	}
	w.agree(when)
	return w.commands()
}

// file returns the path of the n-th message in a mailbox.
func (w *gmailWorld) file(box string, n int) string {
	w.Helper()
	for _, path := range w.files(box) {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), fmt.Sprintf("<%d@", n)) {
			return path
		}
	}
	w.Fatalf("%s has no message %d", box, n)
	return ""
}

func (w *gmailWorld) remove(n int, boxes ...string) {
	w.Helper()
	for _, box := range boxes {
		if err := os.Remove(w.file(box, n)); err != nil {
			w.Fatal(err)
		}
	}
}

// moveFile moves a file into the directory of a mailbox, under another name, as mail programs do.
func (w *gmailWorld) moveFile(path, box string) {
	w.Helper()
	if err := os.Rename(path, filepath.Join(w.maildir(), box, "cur", "moved."+filepath.Base(path)+":2,")); err != nil {
		w.Fatal(err)
	}
}

// write puts a new message into a mailbox of the Maildir.
func (w *gmailWorld) write(box, name, raw string) {
	w.Helper()
	path := filepath.Join(w.maildir(), box, "new", name)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(raw, "\r\n", "\n")), 0o600); err != nil {
		w.Fatal(err)
	}
}

func (w *gmailWorld) files(box string) []string {
	files, err := filepath.Glob(filepath.Join(w.maildir(), strings.ReplaceAll(box, "[", "\\["), "[cn]*", "*"))
	if err != nil {
		w.Fatal(err)
	}
	slices.Sort(files)
	return files
}
