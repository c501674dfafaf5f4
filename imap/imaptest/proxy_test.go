package imaptest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A talker speaks IMAP by hand.
type talker struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func talk(t *testing.T, addr string) *talker {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return &talker{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func (k *talker) send(s string) {
	k.t.Helper()
	_, err := io.WriteString(k.conn, s)
	must(k.t, err)
}

// until reads up to the line that begins with prefix, and returns all.
func (k *talker) until(prefix string) string {
	k.t.Helper()
	var all strings.Builder
	for {
		line, err := k.r.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			k.t.Fatalf("waiting for %q after %q: %v", prefix, all.String(), err)
		}
		if strings.HasPrefix(line, prefix) {
			return all.String()
		}
	}
}

func TestProxyRefuses(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	for _, tt := range []struct {
		profile Profile
		command string
		bad     bool
	}{
		{All, `SELECT INBOX (CONDSTORE)`, false},
		{All, `LIST "" "*" RETURN (SPECIAL-USE STATUS (MESSAGES HIGHESTMODSEQ))`, false},
		{All, `UID EXPUNGE 1:7`, false},
		{All, `ENABLE QRESYNC`, false},
		{NoQResync, `SELECT INBOX (CONDSTORE)`, false},
		{NoQResync, `SELECT INBOX (QRESYNC (1 1))`, true},
		{NoQResync, `UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)`, true},
		{NoQResync, `UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)`, false},
		{NoQResync, `ENABLE QRESYNC`, false},
		{Bare, `SELECT INBOX (CONDSTORE)`, true},
		{Bare, `EXAMINE "INBOX" (CONDSTORE)`, true},
		{Bare, `SELECT INBOX`, false},
		{Bare, `LIST "" "*" RETURN (SPECIAL-USE)`, true},
		{Bare, `LIST "" "RETURN (STATUS)"`, false},
		{Bare, `LIST "" "*"`, false},
		{Bare, `STATUS INBOX (MESSAGES HIGHESTMODSEQ)`, true},
		{Bare, `STATUS INBOX (MESSAGES UIDNEXT)`, false},
		{Bare, `UID SEARCH RETURN (ALL COUNT) UID 1:9`, true},
		{Bare, `UID SEARCH UID 1:9`, false},
		{Bare, `UID EXPUNGE 1:7`, true},
		{Bare, `UID MOVE 1:7 Trash`, true},
		{Bare, `UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)`, true},
		{Bare, `UID FETCH 1:* (UID MODSEQ)`, true},
		{Bare, "APPEND INBOX {5+}\r\na: b\n", true},
		{Bare, "APPEND INBOX {5}\r\na: b\n", false},
		{All, "APPEND INBOX {5+}\r\na: b\n", false},
	} {
		p := NewProxy(t, s.Addr, ProxyOptions{Profile: tt.profile})
		k := talk(t, p.Addr)
		k.send("a LOGIN " + s.User + " pass\r\nb SELECT INBOX\r\nc " + tt.command + "\r\nd NOOP\r\n")
		k.until("b OK")
		got := k.until("d ")
		if bad := strings.Contains(got, "c BAD"); bad != tt.bad || !bad && !strings.Contains(got, "c OK") {
			t.Errorf("%s: %s: %s", tt.profile.Name, tt.command, got)
		}
		if tt.profile.Name != "all" && strings.Contains(got, "ENABLED QRESYNC") {
			t.Errorf("%s: %s", tt.profile.Name, got)
		}
	}
}

func TestProxyHides(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	user := s.NewUser()
	first := talk(t, s.Addr)
	first.send("a LOGIN " + user + " pass\r\nb SELECT INBOX (CONDSTORE)\r\nc APPEND INBOX {5+}\r\na: b\n\r\n")
	first.until("c OK")
	for _, tt := range []struct {
		profile Profile
		gone    []string
		there   []string
	}{
		{All, nil, []string{" QRESYNC ", " CONDSTORE ", " MOVE ", "[APPENDUID ", "[COPYUID ", "[HIGHESTMODSEQ "}},
		{NoQResync, []string{"QRESYNC"}, []string{" CONDSTORE ", " MOVE ", "[APPENDUID ", "[HIGHESTMODSEQ "}},
		{
			Bare,
			[]string{"QRESYNC", "CONDSTORE", "MOVE", "UIDPLUS", "APPENDUID", "COPYUID", "HIGHESTMODSEQ", "LIST-STATUS", "ESEARCH", "LITERAL+", "MULTIAPPEND"},
			[]string{" IDLE ", "[UIDVALIDITY ", "[UIDNEXT ", "a OK [CAPABILITY ", "d OK Append"},
		},
	} {
		p := NewProxy(t, s.Addr, ProxyOptions{Profile: tt.profile})
		k := talk(t, p.Addr)
		k.send("a LOGIN " + user + " pass\r\nb CAPABILITY\r\nc SELECT INBOX\r\nd APPEND INBOX {5}\r\na: b\n\r\n" +
			"e UID COPY 1 Trash\r\nf NOOP\r\n")
		got := k.until("f OK")
		for _, word := range tt.gone {
			if strings.Contains(got, word) {
				t.Errorf("%s: %s is in %s", tt.profile.Name, word, got)
			}
		}
		for _, word := range tt.there {
			if !strings.Contains(got, word) {
				t.Errorf("%s: %s is not in %s", tt.profile.Name, word, got)
			}
		}
	}
}

func TestProxyRefusesInTurnWithLiterals(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	p := NewProxy(t, s.Addr, ProxyOptions{Profile: Profile{Removed: []string{"MOVE", "UIDPLUS"}}})
	k := talk(t, p.Addr)
	k.send("a LOGIN {4+}\r\nuser pass\r\nb SELECT INBOX\r\nc UID MOVE 1 {5+}\r\nTrash\r\nd UID MOVE 1 {5}\r\n")
	got := k.until("d BAD")
	k.send("e APPEND {5}\r\n")
	got += k.until("+ ")
	k.send("INBOX {6}\r\n")
	got += k.until("+ ")
	k.send("a: {3}\r\n")
	got += k.until("e OK")
	last := -1
	for _, tag := range []string{"a OK", "b OK", "c BAD", "d BAD", "e OK"} {
		at := strings.Index(got, tag)
		if at <= last {
			t.Fatalf("%s is out of turn in %s", tag, got)
		}
		last = at
	}
	if strings.Contains(got, "APPENDUID") {
		t.Error(got)
	}
	k.send("f UID FETCH 1 BODY.PEEK[]\r\n")
	if got := k.until("f OK"); !strings.Contains(got, "{6}\r\na: {3})") && !strings.Contains(got, "{6}\r\na: {3}") {
		t.Error(got)
	}
}

// A server may answer a command in place of letting its client send a literal.
func TestProxyPassesWhatTheServerRefuses(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	p := NewProxy(t, s.Addr, ProxyOptions{})
	k := talk(t, p.Addr)
	k.send("a LOGIN " + s.User + " pass\r\nb APPEND none {9999}\r\n")
	k.until("b NO [TRYCREATE]")
	k.send("c APPEND INBOX {6}\r\n")
	k.until("+")
	k.send("a: b\r\n\r\nd NOOP\r\n")
	if got := k.until("d OK"); !strings.Contains(got, "c OK [APPENDUID ") {
		t.Errorf("after what was refused: %s", got)
	}
}

func TestProxyCounts(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	p := NewProxy(t, s.Addr, ProxyOptions{Profile: Bare})
	k := talk(t, p.Addr)
	k.until("* OK")
	for _, flight := range []string{
		"a LOGIN user pass\r\n", "b LIST \"\" *\r\nb STATUS INBOX (MESSAGES)\r\nc STATUS Trash (MESSAGES)\r\n",
		"d SELECT INBOX\r\nd UID FETCH 1:* (FLAGS)\r\ne UID FETCH 1:* (BODY.PEEK[])\r\nf UID MOVE 1 Trash\r\n",
	} {
		k.send(flight)
		k.until(flight[strings.LastIndex(strings.TrimSpace(flight), "\n")+1:][:1] + " ")
	}
	got := p.Stats()
	if got.RoundTrips != 3 || got.Connections != 1 || got.ToServer == 0 || got.ToClient < 500 {
		t.Errorf("got %+v", got)
	}
	if got.Commands["STATUS"] != 2 || got.Commands["UID FETCH"] != 2 || got.Refused["UID MOVE"] != 1 || p.BodyFetches() != 1 {
		t.Errorf("got %+v", got)
	}
	if all := strings.Join(p.Commands(), "\n"); !strings.Contains(all, "UID FETCH 1:* (FLAGS)") || strings.Contains(all, "pass") {
		t.Errorf("commands: %s", all)
	}
	if p.Reset(); p.Stats().Commands["STATUS"] != 0 || len(p.Commands()) != 0 {
		t.Error("not reset")
	}
}

func TestProxyCuts(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	for _, cut := range []Cut{{ToClient: 1}, {ToClient: 100}, {ToServer: 10}, {ToServer: 1, ToClient: 1}} {
		p := NewProxy(t, s.Addr, ProxyOptions{Cut: func(int) Cut { return cut }})
		k := talk(t, p.Addr)
		k.send("a LOGIN user pass\r\nb CAPABILITY\r\n")
		all, err := io.ReadAll(k.r)
		if err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
		got := p.Stats()
		if cut.ToClient > 0 && int64(len(all)) > cut.ToClient || cut.ToServer > 0 && got.ToServer > cut.ToServer {
			t.Errorf("cut at %v: got %d octets, %+v", cut, len(all), got)
		}
		if got.Cuts == 0 {
			t.Errorf("cut at %v: %+v", cut, got)
		}
		if strings.Contains(string(all), "b OK") {
			t.Errorf("cut at %v: %s", cut, all)
		}
	}
}

func TestProxyLosesAnAnswer(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	lose := true
	p := NewProxy(t, s.Addr, ProxyOptions{Lose: func(verb string) bool { was := lose; lose = lose && verb != "APPEND"; return was && verb == "APPEND" }})
	k := talk(t, p.Addr)
	k.send("a LOGIN user pass\r\n")
	k.until("a OK")
	k.send("b APPEND INBOX {6}\r\n")
	k.until("+")
	k.send("a: b\r\n\r\n")
	if rest, _ := io.ReadAll(k.r); len(rest) > 0 {
		t.Errorf("got %q", rest)
	}
	copies, err := NewAccount(t, p.Addr, s.User, s.Password).Messages("INBOX")
	if err != nil || len(copies) != 1 {
		t.Errorf("%d messages, %v", len(copies), err)
	}
}

func TestProxyLatency(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	p := NewProxy(t, s.Addr, ProxyOptions{Latency: 40 * time.Millisecond})
	k := talk(t, p.Addr)
	k.until("* OK")
	began := time.Now()
	for range 3 {
		k.send("a NOOP\r\n")
		k.until("a ")
	}
	if took := time.Since(began); took < 120*time.Millisecond {
		t.Errorf("three round trips took %v", took)
	}
	began = time.Now()
	k.send(strings.Repeat("a CAPABILITY\r\n", 20) + "b NOOP\r\n")
	k.until("b ")
	if took := time.Since(began); took < 40*time.Millisecond || took > time.Second {
		t.Errorf("one flight took %v", took)
	}
}

// TestProxyPassesAccount does all that an Account does, through the barest proxy that still lets it.
func TestProxyPassesAccount(t *testing.T) {
	s := Memory(t)
	p := NewProxy(t, s.Addr, ProxyOptions{Profile: NoQResync})
	a := NewAccount(t, p.Addr, s.User, s.Password)
	want := map[[32]byte]int{}
	for _, m := range Sample(100, 1, CorpusOptions{MaxSize: 300_000}) {
		_, err := a.Append("INBOX", m)
		must(t, err)
		want[m.Sum()]++
	}
	v, err := a.View()
	must(t, err)
	for sum, n := range v.Count() {
		if want[sum] != n {
			t.Errorf("%x: %d of %d", sum, n, want[sum])
		}
	}
	if len(v.Copies) != 100 {
		t.Errorf("%d messages", len(v.Copies))
	}
}

func TestMemoryStoresAllFlags(t *testing.T) {
	s := Memory(t)
	k := talk(t, s.Addr)
	k.send("a LOGIN " + s.User + " pass\r\nb SELECT INBOX\r\n")
	got := k.until("b OK")
	for _, flag := range []string{`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`, `\*`} {
		_, permanent, _ := strings.Cut(got, "PERMANENTFLAGS")
		if !strings.Contains(permanent, flag) {
			t.Errorf("%s cannot be stored: %s", flag, got)
		}
	}
}

// Whoever steps in between two commands finds the first one done and the second one not begun, however they were sent.
func TestProxyLetsStepInBetween(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	a := NewAccount(t, s.Addr, s.User, s.Password)
	var stepped error
	p := NewProxy(t, s.Addr, ProxyOptions{Before: func(verb string) {
		if verb == "STATUS" {
			_, stepped = a.Append("INBOX", message("a: b\r\n\r\n"))
		}
	}})
	k := talk(t, p.Addr)
	k.send("a LOGIN " + s.User + " pass\r\nb SELECT INBOX\r\nc UNSELECT\r\nd STATUS INBOX (MESSAGES)\r\ne NOOP\r\n")
	got := k.until("e OK")
	must(t, stepped)
	if !strings.Contains(got, "* 0 EXISTS") || !strings.Contains(got, "(MESSAGES 1)") {
		t.Error(got)
	}
}
