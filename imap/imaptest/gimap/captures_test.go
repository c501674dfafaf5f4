package gimap

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// A replay compares what this server says with what Gmail said to somebody else.
type replay struct {
	*client
	dir string
}

func newReplay(t *testing.T, o Options) *replay {
	t.Helper()
	dir := filepath.Join(imaptest.Captures(t), "gmail")
	return &replay{dial(t, Start(t, o)), dir}
}

// captured are the lines of a capture, with their literals and without tags.
func (r *replay) captured(name string) []string {
	r.Helper()
	var lines []string
	rest := imaptest.Capture(r.T, filepath.Join(r.dir, name+".txt"))
	for len(rest) > 0 {
		var line []byte
		for more := true; more; {
			part, after, _ := bytes.Cut(rest, []byte("\r\n"))
			line, rest = append(line, part...), after
			m := literal.FindSubmatch(part)
			if more = m != nil; more {
				n, _ := strconv.Atoi(string(m[1]))
				line, rest = append(line, rest[:n]...), rest[n:]
			}
		}
		lines = append(lines, strings.TrimPrefix(string(line), "A######## "))
	}
	return lines
}

// What is another account's.
var (
	numbers = regexp.MustCompile(`(X-GM-MSGID|X-GM-THRID|HIGHESTMODSEQ|UIDNEXT|MESSAGES|UNSEEN|MODSEQ) \(?\d+`)
	tag     = regexp.MustCompile(`\(TAG "[^"]*"\)`)
	ending  = regexp.MustCompile(`^(OK Thats all she wrote!|\* OK Gimap ready for requests from 127\.0\.0\.1) \S+$`)
)

func general(line string) string {
	line = ending.ReplaceAllString(line, "$1 #")
	line = tag.ReplaceAllString(line, `(TAG "a")`)
	return numbers.ReplaceAllString(line, "$1 #")
}

// same wants a command to be answered as it was captured; change makes the lines alike in what else is the account's, and
// takes away lines by leaving nothing of them.
func (r *replay) same(name, command string, change ...func(string) string) {
	r.Helper()
	alike := func(lines []string) []string {
		for i := range lines {
			if strings.Contains(lines[i], " BODY[] {") {
				head, body, _ := strings.Cut(lines[i], "{")
				lines[i] = general(head) + "{" + body
				continue
			}
			lines[i] = general(lines[i])
			for _, c := range change {
				lines[i] = c(lines[i])
			}
		}
		return slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	}
	got, want := alike(r.do(command)), alike(r.captured(name))
	if !slices.Equal(got, want) {
		r.Errorf("%s, %.100s:\ngot\n%.2000s\nwant\n%.2000s", name, command, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func without(pattern string) func(string) string {
	re := regexp.MustCompile(pattern)
	return func(line string) string { return re.ReplaceAllString(line, "") }
}

// The session as it begins and ends.
func TestCapturedSession(t *testing.T) {
	r := newReplay(t, Options{Profile: "2016", User: "username", AppendLimit: 35651584})
	greeting := r.captured("greeting")[0]
	if got := general("* OK Gimap ready for requests from 127.0.0.1 " + id); got != general(greeting) {
		t.Errorf("greeting %q, captured %q", got, greeting)
	}
	r.same("capability", "CAPABILITY")
	alert := r.captured("authenticate+webalert")
	r.s.Fault(Fault{Verb: "LOGIN", Before: alert[0], Answer: alert[1]})
	r.same("authenticate+webalert", "LOGIN username apppassword")
	r.same("authenticate", "AUTHENTICATE PLAIN "+base("\x00username\x00apppassword"))
	r.same("namespace", "NAMESPACE")
	r.same("utf8accept", "ENABLE UTF8=ACCEPT")
	r.write("a APPEND INBOX {4}\r\n")
	r.lines(r.captured("go-ahead")...)
	r.write("A: b\r\n")
	r.line()
	r.same("logout", "LOGOUT")
}

// The mailboxes, as Gmail lists them.
func TestCapturedLists(t *testing.T) {
	r := newReplay(t, Options{})
	r.do("LOGIN me@gmail.com apppassword")
	r.do("CREATE +Folder")
	r.same("xlist", `XLIST "" "*"`, without(`^\* XLIST .*\+Folder$`))
	r.same("lsub-all", `LSUB "" "*"`)
	r.same("list-all-no-status", `LIST "" "*" RETURN (SUBSCRIBED CHILDREN)`)
	r.same("list-gmail", `LIST "" "[Gmail]" RETURN (CHILDREN)`)
	r.same("list-inbox", `LIST "" INBOX RETURN (SUBSCRIBED CHILDREN)`)
	r.same("list-gmail-subfolders", `LIST "" "[Gmail]/%" RETURN (SUBSCRIBED CHILDREN STATUS (UIDVALIDITY MESSAGES UIDNEXT RECENT HIGHESTMODSEQ UNSEEN))`)
	doctored := without(` SIZE \d+ MAILBOXID \([^)]*\)`)
	validity := without(` UIDVALIDITY \d+`) // of a label
	r.same("list-all", `LIST "" "*" RETURN (SUBSCRIBED CHILDREN STATUS (UIDVALIDITY MESSAGES UIDNEXT RECENT HIGHESTMODSEQ UNSEEN))`, doctored, validity)
	r.same("status-+folder", `STATUS +Folder (UIDVALIDITY MESSAGES UIDNEXT RECENT HIGHESTMODSEQ UNSEEN)`, doctored, validity)
	r.same("status-all-mail", `STATUS "[Gmail]/All Mail" (UIDVALIDITY MESSAGES UIDNEXT RECENT HIGHESTMODSEQ UNSEEN)`, doctored)
	r.do("CREATE Level1")
	r.do("CREATE Level1/Level2")
	r.do("CREATE Level1/Level2/Level3")
	for name, mailbox := range map[string]string{"list-level1": "Level1", "list-level2": "Level1/Level2", "list-level3": "Level1/Level2/Level3"} {
		r.same(name, "LIST \"\" "+mailbox)
	}
}

// capturedUIDs are those of the messages that were read in the session of 2014, out of 50.
var capturedUIDs = []int{1, 2, 3, 5, 7, 8, 9, 11, 12, 13, 14, 26, 27, 28, 29, 31, 34, 41, 42, 43, 50}

// The session of 2014: 50 messages are uploaded, some read, found, copied, moved and removed. What was uploaded comes
// back octet by octet, with the size and the date that Gmail gave it.
func TestCapturedMail(t *testing.T) {
	r := newReplay(t, Options{KeepDeleted: true})
	r.do("LOGIN me@gmail.com apppassword")
	r.do("CREATE UnitTests")
	keywords := without(` \$\w+`)
	r.same("select-unittests", "SELECT UnitTests (CONDSTORE)", keywords, without(`UIDVALIDITY \d+`))
	for n := 1; n <= 50; n++ {
		raw, flags := mailOf(n), "()"
		if slices.Contains(capturedUIDs, n) {
			raw, flags = r.body(n), `(\Seen)`
		}
		r.same("append."+strconv.Itoa(n), fmt.Sprintf("APPEND UnitTests %s {%d}\r\n%s", flags, len(raw), raw), without(`^\+ go ahead$`))
	}
	for _, m := range r.s.Messages() {
		r.web.Label(m.ID, []string{"Test Messages", `\Important`}, nil)
	}
	r.do("NOOP")
	r.same("search", "UID SEARCH RETURN (ALL) SEEN")
	r.same("search-deleted-not-1-3", "UID SEARCH RETURN (ALL) SEEN NOT UID 1:3")
	r.same("search-summary", "UID FETCH "+setOf(capturedUIDs)+" (X-GM-THRID X-GM-MSGID X-GM-LABELS RFC822.SIZE MODSEQ INTERNALDATE FLAGS)", without(` ENVELOPE .*\)$|\)$`))
	for _, n := range capturedUIDs[1:] { // the first was made up
		r.same("fetch."+strconv.Itoa(n), fmt.Sprintf("UID FETCH %d (BODY.PEEK[])", n))
	}
	r.do("CREATE Destination")
	validity := without(`(COPYUID|UIDVALIDITY) \d+`)
	r.same("uid-copy", "UID COPY "+setOf(capturedUIDs)+" Destination", validity)
	r.do(`UID STORE 1:* +FLAGS.SILENT (\Deleted)`)
	r.do("UID STORE " + setOf(capturedUIDs) + ` -FLAGS.SILENT (\Deleted)`)
	r.do("EXPUNGE")
	r.do("CREATE Other")
	r.same("uid-move", "UID MOVE "+setOf(capturedUIDs)+" Other", validity)
	r.same("examine-inbox", "EXAMINE INBOX", keywords, without(`UIDVALIDITY \d+`), without(`\d+ EXISTS`))
	r.do("SELECT Other")
	r.same("get-indexes", "SEARCH ALL")
	r.do(`UID STORE 1:* +FLAGS.SILENT (\Deleted)`)
	r.same("uid-expunge", "UID EXPUNGE 1:21")
	r.do("SELECT Destination")
	r.do(`STORE 1:3 +FLAGS.SILENT (\Deleted)`)
	r.same("expunge", "EXPUNGE")
}

func setOf(uids []int) string {
	var set []uint32
	for _, uid := range uids {
		set = append(set, uint32(uid))
	}
	return compact(set)
}

// body is a message of the session, as it came back.
func (r *replay) body(n int) []byte {
	r.Helper()
	line := r.captured("fetch." + strconv.Itoa(n))[0]
	_, rest, _ := strings.Cut(line, "BODY[] {")
	_, body, ok := strings.Cut(rest, "}")
	if !ok || !strings.HasSuffix(body, ")") {
		r.Fatalf("fetch.%d has no body", n)
	}
	return []byte(strings.TrimSuffix(body, ")"))
}
