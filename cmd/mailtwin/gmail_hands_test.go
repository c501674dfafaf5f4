package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mailtwin/imap/imaptest/gimap"
)

// What is done to messages on Gmail and in the Maildir is written in words. Mailboxes have short names there.
var gmNames = map[string]string{
	"All": gmAll, "Trash": gmTrash, "Spam": "[Gmail]/Spam", "Sent": "[Gmail]/Sent Mail", "Drafts": "[Gmail]/Drafts",
	"Starred": "[Gmail]/Starred", "Important": "[Gmail]/Important",
}

func gmName(short string) string {
	if name, ok := gmNames[short]; ok {
		return name
	}
	return short
}

// gmShort undoes gmName.
func gmShort(name string) string {
	for short, long := range gmNames {
		if long == name {
			return short
		}
	}
	return name
}

// lay delivers a message to where it is to lie, like "INBOX Work +S", "Trash", or "All" for one without labels.
func (w *gmailWorld) lay(raw, where string) {
	w.n++
	mail := gimap.Mail{Raw: []byte(raw), Date: time.Unix(int64(1700000000+w.n), 0)}
	for _, word := range strings.Fields(where) {
		switch word {
		case "All":
		case "Trash":
			mail.Trash = true
		case "Spam":
			mail.Spam = true
		case "Starred":
			mail.Flags = append(mail.Flags, `\Flagged`)
		default:
			if letters, ok := strings.CutPrefix(word, "+"); ok {
				mail.Flags = append(mail.Flags, flagsOf(letters)...)
			} else {
				mail.Labels = append(mail.Labels, labelOf(word))
			}
		}
	}
	w.web.Deliver(mail)
}

func labelOf(short string) string {
	if label, ok := map[string]string{"INBOX": `\Inbox`, "Sent": `\Sent`, "Drafts": `\Draft`, "Important": `\Important`}[short]; ok {
		return label
	}
	return short
}

// flagsOf reads the letters of a file name.
func flagsOf(letters string) (flags []string) {
	for _, l := range letters {
		if flag, ok := map[rune]string{'F': `\Flagged`, 'P': "$Forwarded", 'R': `\Answered`, 'S': `\Seen`}[l]; ok {
			flags = append(flags, flag)
		}
	}
	return flags
}

// does lets one of three hands do something to message n: "here" in the Maildir, "web" in a browser, "imap" with another
// mail program. Several things stand with commas between.
func (w *gmailWorld) does(n int, what string) {
	w.Helper()
	for _, one := range strings.Split(what, ", ") {
		words := strings.Fields(one)
		switch words[0] {
		case "here":
			w.here(n, words[1], words[2:])
		case "web":
			w.browse(n, words[1], words[2:])
		case "imap":
			w.program(n, words[1], words[2:])
		default:
			w.Fatalf("nobody is called %q: %s", words[0], one)
		}
	}
}

// here does something in the Maildir.
func (w *gmailWorld) here(n int, verb string, args []string) {
	w.Helper()
	dir := func(i int) string { return filepath.Join(w.maildir(), gmName(args[i])) }
	var err error
	switch verb {
	case "cp":
		text, readErr := os.ReadFile(w.file(gmName(args[0]), n))
		w.must(readErr)
		err = os.WriteFile(filepath.Join(dir(1), "cur", fmt.Sprintf("copied%d.x:2,%s", n, letters(w.file(gmName(args[0]), n)))), text, 0o600)
	case "mv":
		err = os.Rename(w.file(gmName(args[0]), n), filepath.Join(dir(1), "cur", fmt.Sprintf("moved%d.x:2,%s", n, letters(w.file(gmName(args[0]), n)))))
	case "rm":
		for _, box := range args {
			w.remove(n, gmName(box))
		}
	case "flag":
		path := w.file(gmName(args[0]), n)
		base, _, _ := strings.Cut(filepath.Base(path), ":2,")
		set := ""
		if len(args) > 1 {
			set = args[1]
		}
		err = os.Rename(path, filepath.Join(dir(0), "cur", base+":2,"+set))
	case "new":
		for _, box := range args {
			w.write(gmName(box), fmt.Sprintf("new%d.%s.x", n, strings.ReplaceAll(box, "/", "")), gmMail(n))
		}
	case "mkdir":
		for _, sub := range []string{"cur", "new", "tmp"} {
			w.must(os.MkdirAll(filepath.Join(dir(0), sub), 0o700))
		}
	case "rmdir":
		err = os.RemoveAll(dir(0))
	case "mvdir":
		w.must(os.MkdirAll(filepath.Dir(dir(1)), 0o700))
		err = os.Rename(dir(0), dir(1))
	default:
		w.Fatalf("what is %q?", verb)
	}
	w.must(err)
}

func (w *gmailWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// id is the X-GM-MSGID of message n.
func (w *gmailWorld) id(n int) uint64 {
	w.Helper()
	for _, m := range w.g.Messages() {
		if gmNumber(m.Raw) == fmt.Sprint(n) {
			return m.ID
		}
	}
	w.Fatalf("Gmail has no message %d", n)
	return 0
}

// browse does something in a browser: "+Work" and "-INBOX" are labels, "+\Seen" is a flag.
func (w *gmailWorld) browse(n int, verb string, args []string) {
	w.Helper()
	switch verb {
	case "trash":
		w.web.Trash(w.id(n))
	case "spam":
		w.web.Spam(w.id(n))
	case "restore":
		w.web.Restore(w.id(n))
	case "destroy":
		w.web.Destroy(w.id(n))
	case "new":
		w.lay(gmMail(n), strings.Join(args, " "))
	case "drop":
		w.web.DropLabel(args[0])
	case "rename":
		w.web.RenameLabel(args[0], args[1])
	default:
		for _, word := range append([]string{verb}, args...) {
			set, unset := []string{labelOf(word[1:])}, []string(nil)
			if word[0] == '-' {
				set, unset = unset, set
			}
			if flag := word[1:]; slices.Contains([]string{`\Seen`, `\Flagged`, `\Answered`, "$Forwarded"}, flag) {
				w.web.Flag(w.id(n), set, unset)
			} else {
				w.web.Label(w.id(n), set, unset)
			}
		}
	}
}

// program does something with a mail program that speaks IMAP as it was written down, and takes no care of Gmail.
func (w *gmailWorld) program(n int, verb string, args []string) {
	w.Helper()
	quoted := func(i int) string { return `"` + gmName(args[i]) + `"` }
	uid := func() uint32 {
		m, _ := w.g.Message(w.id(n))
		return m.Folders[gmName(args[0])]
	}
	switch verb {
	case "COPY", "MOVE":
		w.imap("SELECT "+quoted(0), fmt.Sprintf("UID %s %d %s", verb, uid(), quoted(1)))
	case "STORE":
		w.imap("SELECT "+quoted(0), fmt.Sprintf("UID STORE %d %s", uid(), strings.Join(args[1:], " ")))
	case "EXPUNGE":
		w.imap("SELECT "+quoted(0), fmt.Sprintf(`UID STORE %d +FLAGS.SILENT (\Deleted)`, uid()), fmt.Sprintf("UID EXPUNGE %d", uid()))
	case "APPEND":
		w.imap(fmt.Sprintf("APPEND %s {%d+}\r\n%s", quoted(0), len(gmMail(n)), gmMail(n)))
	case "DELETE":
		w.imap("DELETE " + quoted(0))
	case "RENAME":
		w.imap("RENAME " + quoted(0) + " " + quoted(1))
	default:
		w.Fatalf("what is %q?", verb)
	}
}

// imap logs in and sends commands, which must go well.
func (w *gmailWorld) imap(commands ...string) {
	w.Helper()
	before := w.g.EverDeleted()
	defer func() { w.foreign += w.g.EverDeleted() - before }()
	conn, err := net.Dial("tcp", w.g.Addr)
	w.must(err)
	defer func() { _ = conn.Close() }()
	w.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
	r := bufio.NewReader(conn)
	for i, command := range append([]string{fmt.Sprintf("LOGIN %q %q", w.g.User, w.g.Password)}, commands...) {
		_, err := fmt.Fprintf(conn, "f%d %s\r\n", i, command)
		w.must(err)
		for {
			line, err := r.ReadString('\n')
			w.must(err)
			if rest, tagged := strings.CutPrefix(line, fmt.Sprintf("f%d ", i)); tagged {
				if !strings.HasPrefix(rest, "OK") {
					w.Fatalf("%s: %s", command, line)
				}
				break
			}
		}
	}
}

// far tells where Gmail shows message n, and with which flags; near where the Maildir has it.
func (w *gmailWorld) far(n int) string {
	at, flags, hidden, times := map[string]bool{}, map[string]bool{}, map[string]bool{}, 0
	for _, f := range w.g.Folders() {
		hidden[f.Name] = f.Hidden
	}
	for _, m := range w.g.Messages() {
		if gmNumber(m.Raw) != fmt.Sprint(n) {
			continue
		}
		if times++; times > 1 {
			at["twice"] = true
		}
		for name := range m.Folders {
			if !hidden[name] {
				at[gmShort(name)] = true
			}
		}
		if len(at) == 0 {
			return "hidden"
		}
		for _, l := range flagLetters(m.Flags) {
			flags[string(l)] = true
		}
	}
	return gmState(at, flags)
}

func (w *gmailWorld) near(n int) string {
	at, flags := map[string]bool{}, map[string]bool{}
	for key := range nearFiles(w.T, w.maildir()) {
		box, rest, _ := strings.Cut(key, fmt.Sprintf(" %d ", n))
		if box == key {
			continue
		}
		at[gmShort(box)] = true
		for _, l := range rest {
			flags[string(l)] = true
		}
	}
	return gmState(at, flags)
}

// gmState writes down where a message is.
func gmState(at, flags map[string]bool) string {
	var words []string
	for word := range at {
		words = append(words, word)
	}
	if len(words) == 0 {
		return "gone"
	}
	return gmSorted(strings.Join(words, " ") + " +" + strings.Join(sortedKeys(flags), ""))
}

// gmSorted writes a state so that it can be compared.
func gmSorted(state string) string {
	words := strings.Fields(state)
	slices.Sort(words)
	return strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "+" }), " ")
}

func sortedKeys(set map[string]bool) []string {
	var keys []string
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
