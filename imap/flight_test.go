package imap

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// uploader is an account on a server that can do more than usual.
func uploader(t *testing.T, caps string) (*fake, *Account) {
	t.Helper()
	f := newFake(t, map[string]string{
		"AUTHENTICATE": "%s OK [CAPABILITY " + usualCaps + " " + caps + "] in\r\n", "SELECT": selected(7, 4, 3, "5"),
	}).start()
	return f, f.account()
}

func lettersOf(sizes ...int) (messages []mailbox.Message) {
	for i, size := range sizes {
		messages = append(messages, mailbox.Message{ID: mailbox.ID(rune('a' + i)), Size: int64(size)})
	}
	return messages
}

func sized(messages []mailbox.Message) func(int) io.Reader {
	return func(i int) io.Reader { return strings.NewReader(strings.Repeat("x", int(messages[i].Size))) }
}

// A literal is announced, and leave waited for, where the server does not take it without, or could refuse much.
func TestLiteralsByServer(t *testing.T) {
	messages := lettersOf(5, 4096, 4097, 1<<20, 1<<20+1)
	for caps, want := range map[string]string{
		"":                     "{5} {4096} {4097} {1048576} {1048577}",
		"LITERAL-":             "{5+} {4096+} {4097} {1048576} {1048577}",
		"LITERAL+":             "{5+} {4096+} {4097+} {1048576+} {1048577}",
		"LITERAL+ MULTIAPPEND": "{5+} {4096+} {4097+} {1048576+} {1048577}",
		"MULTIAPPEND":          "{5} {4096} {4097} {1048576} {1048577}",
	} {
		f, a := uploader(t, caps)
		if _, errs := putBodies(t, a, messages, sized(messages)); errors.Join(errs...) != nil {
			t.Errorf("%q: %v", caps, errs)
		}
		var got []string
		for _, command := range f.sent("APPEND") {
			got = append(got, strings.Fields(command)[2:]...)
		}
		if strings.Join(got, " ") != want || len(f.literals) != len(messages) {
			t.Errorf("%q: announced %q, want %q", caps, got, want)
		}
		commands := len(messages)
		if strings.Contains(caps, "MULTIAPPEND") { // the three small ones share one
			commands -= 2
		}
		if n := len(f.sent("APPEND")); n != commands {
			t.Errorf("%q: %d commands, want %d", caps, n, commands)
		}
	}
}

// RFC 3502: one message that is refused refuses the others that are in the same command. Then each is sent alone, and only
// the one stays behind; what follows goes alone, too.
func TestRefusedGroup(t *testing.T) {
	f, a := uploader(t, "LITERAL+ MULTIAPPEND")
	f.say(`APPEND "INBOX" {16384+}`, "%s OK stored\r\n")
	f.say(`APPEND "INBOX" {16384+} `, "%s NO [OVERQUOTA] one of them\r\n")
	f.say(`APPEND "INBOX" (\Flagged) {16384+}`, "%s NO [OVERQUOTA] this one\r\n")
	const inGroup, inWindow = groupOctets >> 14, appendWindow / groupOctets
	messages := lettersOf(slices.Repeat([]int{1 << 14}, inGroup*(inWindow+3))...)
	messages[1].Flags = mailbox.MakeFlags(mailbox.Flagged)
	ids, errs := putBodies(t, a, messages, sized(messages))
	for i, err := range errs {
		if (err != nil) != (i == 1) || i == 1 && !strings.Contains(err.Error(), "this one") {
			t.Errorf("%d: %v", i, err)
		}
	}
	groups := slices.DeleteFunc(f.sent("APPEND"), func(c string) bool { return strings.Count(c, "{") == 1 })
	if len(ids) != len(messages)-1 || len(groups) != inWindow+1 || len(f.sent("APPEND")) != len(messages)+len(groups) {
		t.Errorf("%d stored with %d commands, of which %d had several", len(ids), len(f.sent("APPEND")), len(groups))
	}
}

// R17: which UID is whose is believed only if the server names one for each, in ascending order.
func TestR17GroupUIDs(t *testing.T) {
	for code, want := range map[string]string{
		"[APPENDUID 7 4:6]": "4 5 6", "[APPENDUID 7 4,9,12]": "4 9 12", "[APPENDUID 7 4:5]": "", "[APPENDUID 7 4:7]": "", "[APPENDUID 7 6:4]": "",
		"[APPENDUID 7 6,5,4]": "", "[APPENDUID 7 4,4,5]": "", "[APPENDUID 8 4:6]": "", "[APPENDUID 7 1:3]": "", "[APPENDUID 7 4]": "", "": "",
	} {
		f, a := uploader(t, "LITERAL+ MULTIAPPEND")
		f.scan(a, mailbox.ScanRequest{})
		f.say("APPEND", "%s OK "+code+" stored\r\n")
		ids, errs := put(t, a, lettersOf(5, 5, 5)...)
		if want == "" {
			want = "  "
		}
		if got := strings.Trim(fmt.Sprintf("%s", ids), "[]"); got != want || errors.Join(errs...) != nil || len(f.sent("APPEND")) != 1 {
			t.Errorf("%s: %q, %v", code, got, errs)
		}
	}
}

// R17: of a connection that breaks what was answered is stored, and of the rest nobody knows.
func TestR17CutInTheFlight(t *testing.T) {
	for _, caps := range []string{"", "LITERAL+", "LITERAL+ MULTIAPPEND"} {
		f, a := uploader(t, caps)
		f.say(`APPEND "INBOX" (\Flagged)`, "")
		messages := lettersOf(1<<17, 1<<17, 1<<17, 1<<17)
		messages[2].Flags = mailbox.MakeFlags(mailbox.Flagged)
		ids, errs := putBodies(t, a, messages, sized(messages))
		if len(ids) != 2 || errs[0] != nil || errs[1] != nil || !errors.Is(errors.Join(errs[2:]...), mailbox.ErrTemporary) {
			t.Errorf("%q: %q, %v", caps, ids, errs)
		}
		if n := strings.Count(strings.Join(f.sent(""), "\n"), "AUTHENTICATE"); n != 1 || len(f.sent(`APPEND "INBOX" (\Flagged)`)) != 1 {
			t.Errorf("%q: sent %q", caps, f.sent(""))
		}
	}
}

// A message that cannot be read to its end, or is not as long as it was, costs no other one, wherever it is in the flight,
// and never comes to its end at the server.
func TestBrokenBodyInTheFlight(t *testing.T) {
	for _, caps := range []string{"", "LITERAL+", "LITERAL+ MULTIAPPEND"} {
		for _, size := range []int{5, 1 << 17, 3 << 20} {
			for broken := range 3 {
				testBrokenBody(t, caps, size, broken)
			}
		}
	}
}

func testBrokenBody(t *testing.T, caps string, size, broken int) {
	t.Helper()
	unreadable := errors.New("unreadable")
	text := strings.Repeat("y", size)
	for reason, body := range map[error]io.Reader{
		unreadable:     io.MultiReader(strings.NewReader(text[1:]), iotest.ErrReader(unreadable)),
		wire.ErrLength: strings.NewReader([]string{text[1:], text + "y"}[broken%2]),
	} {
		f, a := uploader(t, caps)
		messages := lettersOf(5, 5, 5)
		messages[broken].Size = int64(size)
		ids, errs := putBodies(t, a, messages, func(i int) io.Reader {
			if i == broken {
				return body
			}
			return strings.NewReader("hello")
		})
		for i, err := range errs {
			var one *mailbox.MessageError
			if (err != nil) != (i == broken) || err != nil && (!errors.As(err, &one) || !errors.Is(err, reason)) {
				t.Errorf("%q, %d octets: %d: %v", caps, size, i, err)
			}
		}
		f.mu.Lock()
		if len(ids) != 2 || !slices.Equal(f.literals, []string{"hello", "hello"}) {
			t.Errorf("%q, %d octets, %v: %q, the server has %d", caps, size, reason, ids, len(f.literals))
		}
		f.mu.Unlock()
	}
}

// A mailbox that is not there is no trouble of a message.
func TestTryCreate(t *testing.T) {
	for _, caps := range []string{"", "LITERAL+ MULTIAPPEND"} {
		f, a := uploader(t, caps)
		f.say("APPEND", "%s NO [TRYCREATE] where?\r\n")
		_, errs := put(t, a, lettersOf(5, 5, 5)...)
		if !errors.Is(errors.Join(errs...), mailbox.ErrNoMailbox) || !errors.As(errs[0], new(*mailbox.MailboxError)) {
			t.Errorf("%q: %v", caps, errs)
		}
	}
}

// No message waits for what becomes of the one before it: here a server that says so only when it is sent the next one.
func TestUploadWaitsForNothing(t *testing.T) {
	for _, caps := range []string{"", "LITERAL-", "LITERAL+", "LITERAL+ MULTIAPPEND", "MULTIAPPEND"} {
		f, a := uploader(t, caps)
		f.say(`APPEND "INBOX" {`, held+"%s OK stored\r\n")
		f.say(`APPEND "INBOX" (\Flagged)`, fine)
		messages := lettersOf(slices.Repeat([]int{5}, 2*groupCount+1)...)
		messages[2*groupCount].Flags = mailbox.MakeFlags(mailbox.Flagged)
		if ids, errs := put(t, a, messages...); len(ids) != len(messages) || errors.Join(errs...) != nil {
			t.Errorf("%q: %d stored, %v", caps, len(ids), errs)
		}
	}
}

// Where nothing is answered, no more than a mebibyte is sent.
func TestUploadWindow(t *testing.T) {
	for _, caps := range []string{"LITERAL+", "LITERAL+ MULTIAPPEND"} {
		f := newFake(t, map[string]string{
			"AUTHENTICATE": "%s OK [CAPABILITY " + usualCaps + " " + caps + "] in\r\n", "APPEND": silence,
		}).start()
		o := f.options()
		o.Timeout = silentFor
		a, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		messages := lettersOf(slices.Repeat([]int{1 << 15}, 100)...)
		ids, errs := putBodies(t, a, messages, sized(messages))
		if len(ids) > 0 || !errors.Is(errors.Join(errs...), mailbox.ErrTemporary) {
			t.Errorf("%q: %q, %v", caps, ids, errs)
		}
		_ = a.Close() // its connection is gone
		f.served.Wait()
		if n := len(f.literals); n > 32 || n < 2 {
			t.Errorf("%q: %d literals were sent before an answer", caps, len(f.literals))
		}
	}
}

// A server gets each message once and says where it is, however it wants to be asked.
func TestUploadByServer(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	const n = 100
	const groups = (n + groupCount - 1) / groupCount
	for _, tt := range []struct {
		removed  []string
		commands int
	}{
		{nil, groups},
		{[]string{"MULTIAPPEND"}, n},
		{[]string{"MULTIAPPEND", "LITERAL+"}, n},
		{[]string{"LITERAL+"}, groups},
	} {
		server.User = server.NewUser()
		profile := imaptest.Profile{Removed: tt.removed}
		proxy := imaptest.NewProxy(t, server.Addr, imaptest.ProxyOptions{Profile: profile})
		a := ours(t, proxy.Addr, server)
		messages := make([]mailbox.Message, n)
		for i := range messages {
			messages[i] = mailbox.Message{ID: mailbox.ID(fmt.Sprint(i)), Size: 5000}
		}
		proxy.Reset()
		ids, errs := putBodies(t, a, messages, func(i int) io.Reader { return strings.NewReader(fmt.Sprintf("Subject: %4991d", i)) })
		if err := errors.Join(errs...); err != nil {
			t.Errorf("without %v: %v", tt.removed, err)
		}
		stats := proxy.Stats()
		if stats.Commands["APPEND"] != tt.commands || len(stats.Refused) > 0 {
			t.Errorf("without %v: %d commands, want %d; refused %v", tt.removed, stats.Commands["APPEND"], tt.commands, stats.Refused)
		}
		for i, id := range ids {
			if want := fmt.Sprint(i + 1); string(id) != want {
				t.Errorf("without %v: message %d got %q, want %q", tt.removed, i, id, want)
				break
			}
		}
	}
}
