package wire

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A saying connection says something, takes everything, and then it is cut.
type saying struct {
	net.Conn
	said io.Reader
}

func (s saying) Read(p []byte) (int, error)     { return s.said.Read(p) }
func (saying) Write(p []byte) (int, error)      { return len(p), nil }
func (saying) Close() error                     { return nil }
func (saying) SetReadDeadline(time.Time) error  { return nil }
func (saying) SetWriteDeadline(time.Time) error { return nil }

// wantAlike fails unless a text that comes byte by byte does in the whole layer what it does in one piece: what go-imap gets
// of it, what is understood of it for commands of our own, what is reported and heard, and how it ends.
func wantAlike(t *testing.T, text []byte) {
	t.Helper()
	for _, own := range []bool{false, true} {
		whole := throughLayer(bytes.NewReader(text), own)
		if slow := throughLayer(iotestOneByte{bytes.NewReader(text)}, own); slow != whole {
			t.Errorf("byte by byte it does\n%q\ninstead of\n%q", slow, whole)
		}
	}
}

// throughLayer has a Conn read answers to several commands, of go-imap or of our own, and tells all that came of it.
func throughLayer(said io.Reader, own bool) string {
	var out strings.Builder
	c := New(saying{said: said}, Options{
		MaxMessage: 1 << 20, Report: func(text string) { fmt.Fprintf(&out, "report %s\n", text) },
		Heard: func(s Status) { fmt.Fprintf(&out, "heard %+v\n", s) },
	})
	c.handed = true
	x := &execution{handler: func(r *Response) error { return read(r, &out) }, answers: make([]Status, 100), waiting: 100, done: make(chan struct{})}
	for i, verb := range []string{"SELECT", "UID COPY", "UID FETCH", "AUTHENTICATE"} {
		for _, tag := range []string{"A########", "a", "T1"} { // of the captures, and of what the fuzzer begins with
			e := &entry{tag: tag, own: "T", verb: verb, queued: true, whole: true, waits: 1, goOn: make(chan struct{}, 1)}
			if own {
				e.exec, e.index = x, i
			}
			c.queue = append(c.queue, e)
		}
	}
	passed, err := io.ReadAll(c)
	fmt.Fprintf(&out, "passed %q\nended %v\ncan %q\nanswers %+v", passed, err, c.Caps(), x.answers[:4])
	return out.String()
}

// The layer has no opinion on how the network cuts what a server says.
func TestByteByByte(t *testing.T) {
	for _, text := range []string{
		"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nT1 OK [READ-WRITE] done\r\n", "+ go\r\n+ stray\r\nT1 NO no\r\n",
		"* 1 FETCH (UID 7 BODY[] {5}\r\nhello X-GM-LABELS (a \"b c\" {3}\r\nd\r\n))\r\nT1 OK\r\n", "* BYE gone\r\n", "X1 OK who?\r\n",
		"* LIST () \"/\" {300000}\r\n", "* 1 FETCH (UID 7 BODY[] {99999999999}\r\n", "* CAPABILITY IMAP4rev1 MOVE\r\n* VANISHED (EARLIER) 1:5\r\n* \r\n*\r\n\r\n",
	} {
		wantAlike(t, []byte(text))
	}
	if whole := throughLayer(strings.NewReader("* 3 EXISTS\r\nT1 OK x\r\n"), false); !strings.Contains(whole, `passed "* 3 EXISTS\r\nT OK x\r\n"`) {
		t.Errorf("it does %q", whole)
	}
}
