package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailtwin/mailbox"
)

// S7: a server that drips does not hold a run up for ever, wherever in an answer it does; one that is slow but gets on,
// and one that waits for us, are waited for. A minute of silence is allowed.
func TestS7Dripping(t *testing.T) {
	const body = 200 << 10
	fetched := fmt.Sprintf("* 1 FETCH (UID 7 BODY[] {%d}\r\n%s)\r\n%%s OK\r\n", body, strings.Repeat("x", body))
	for _, tt := range []struct {
		name, answer string
		piece        int
		every        time.Duration
		think        time.Duration // what we take before a body is read
		ends         time.Duration // 0: it ends well
	}{
		{name: "a line, octet by octet", answer: "* OK " + strings.Repeat("x", 1000) + "\r\n%s OK\r\n", piece: 1, every: 50 * time.Second, ends: 2 * time.Minute},
		{name: "a body, octet by octet", answer: fetched, piece: 1, every: 59 * time.Second, ends: 2 * time.Minute},
		{name: "a literal in a name", answer: "* LIST () NIL {1000}\r\n" + strings.Repeat("x", 1000) + "\r\n%s OK\r\n", piece: 1, every: 10 * time.Second, ends: 2 * time.Minute},
		{name: "half a body, then nothing", answer: fetched[:body/2], piece: 1024, every: time.Second, ends: 10 * time.Minute},
		{name: "a slow body", answer: fetched, piece: 1024, every: 900 * time.Millisecond},
		{name: "many answers, each in time", answer: strings.Repeat("* OK still here\r\n", 20) + "%s OK\r\n", piece: 17, every: 50 * time.Second},
		{name: "a reader that takes its time", answer: fetched, piece: body * 2, think: time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				c := New(near, Options{Silence: time.Minute})
				var server sync.WaitGroup
				server.Go(func() { drip(far, tt.answer, tt.piece, tt.every) })
				if _, err := c.Greeting(t.Context()); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				_, err := c.Exec(context.Background(), func(r *Response) error {
					if r.Kind != "FETCH" {
						return nil
					}
					_, err := r.Fetch(func(_ *Fetch, _ string, _ int64, body io.Reader) error {
						time.Sleep(tt.think)
						_, err := io.Copy(io.Discard, body)
						return err
					})
					return err
				}, Cmd("UID FETCH").Raw("7 BODY.PEEK[]"))
				took := time.Since(began)
				if tt.ends == 0 && err != nil || tt.ends > 0 && (!errors.Is(err, mailbox.ErrTemporary) || took > tt.ends) {
					t.Errorf("%v after %v", err, took)
				}
				_, _ = c.Close(), far.Close() // one of them is closed already
				server.Wait()
			})
		})
	}
}

// drip greets, and answers the first command piece by piece.
func drip(conn net.Conn, answer string, piece int, every time.Duration) {
	_, _ = io.WriteString(conn, "* OK hello\r\n") // if it cannot be sent, the client says so
	line, _ := bufio.NewReader(conn).ReadString('\n')
	tag, _, _ := strings.Cut(line, " ")
	text := strings.ReplaceAll(answer, "%s", tag)
	for len(text) > 0 {
		n := min(piece, len(text))
		if _, err := io.WriteString(conn, text[:n]); err != nil {
			return
		}
		text = text[n:]
		time.Sleep(every)
	}
}
