package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

// Exec returns only when its handler does not run any more, also if the context ends in the middle of a body.
func TestExecWaitsForItsHandler(t *testing.T) {
	c, _, _ := dial(t, Options{}, answers{"UID FETCH": "* 1 FETCH (UID 7 BODY[] {500}\r\nhello"})
	ctx, cancel := context.WithCancel(context.Background())
	running := false
	_, err := c.Exec(ctx, func(r *Response) error {
		running = true
		_, err := r.Fetch(func(_ *Fetch, _ string, _ int64, body io.Reader) error {
			cancel()
			_, err := io.Copy(io.Discard, body)
			time.Sleep(20 * time.Millisecond)
			return err
		})
		running = false
		return err
	}, Cmd("UID FETCH").Raw("7 BODY.PEEK[]"))
	if running || !errors.Is(err, context.Canceled) {
		t.Errorf("running %v, %v", running, err)
	}
}

// A slow connection is one whose Write returns only when the answer was read and the reader waits again, at leisure.
type slow struct {
	net.Conn
	mu     sync.Mutex
	last   time.Time
	idle   chan bool
	writes bool
}

func (s *slow) SetReadDeadline(limit time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = limit
	if limit.IsZero() && s.writes {
		s.writes = false
		s.idle <- true
	}
	return s.Conn.SetReadDeadline(limit)
}

func (s *slow) Write(b []byte) (int, error) {
	s.mu.Lock()
	s.writes = true
	s.mu.Unlock()
	n, err := s.Conn.Write(b)
	<-s.idle
	return n, err
}

// An idle connection has no deadline, however the end of a command and the next wait interleave.
func TestIdleIsNoSilence(t *testing.T) {
	near, far := pipe(t)
	conn := &slow{Conn: near, idle: make(chan bool, 1)}
	c := New(conn, Options{Silence: 10 * time.Second})
	go (&fake{t: t, conn: far, br: bufio.NewReader(far)}).serve(nil)
	if _, err := c.Greeting(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.HandOver()
	client := imapclient.New(c, nil)
	if err := client.WaitGreeting(); err != nil {
		t.Fatal(err)
	}
	alive(t, c, client)
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if !conn.last.IsZero() {
		t.Errorf("an idle connection has %v to live", time.Until(conn.last))
	}
}

// An error of a handler is returned once all is answered, and spares the connection.
func TestHandlerError(t *testing.T) {
	c, client, _ := dial(t, Options{}, answers{"UID FETCH": "* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n* 2 FETCH (UID 8)\r\n%s OK\r\n"})
	full, calls := errors.New("disk full"), 0
	status, err := c.Exec(context.Background(), func(r *Response) error {
		calls++
		_, err := r.Fetch(func(*Fetch, string, int64, io.Reader) error { return full })
		return err
	}, Cmd("UID FETCH").Raw("7 BODY.PEEK[]"), Cmd("NOOP"))
	if !errors.Is(err, full) || calls != 1 || len(status) != 2 || status[1].Kind != "OK" {
		t.Errorf("%d calls, %v, %v", calls, status, err)
	}
	alive(t, c, client)
}
