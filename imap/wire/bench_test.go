package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// discard is a connection that takes everything and says nothing.
type discard struct{ net.Conn }

func (discard) Write(p []byte) (int, error)      { return len(p), nil }
func (discard) Close() error                     { return nil }
func (discard) SetReadDeadline(time.Time) error  { return nil }
func (discard) SetWriteDeadline(time.Time) error { return nil }

const perFetch = 100 // bodies that one FETCH of the benchmark brings

// BenchmarkBody compares bodies that come through the layer with what go-imap does alone, over loopback.
func BenchmarkBody(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		var text bytes.Buffer
		for i := range perFetch {
			fmt.Fprintf(&text, "* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", i+1, i+1, size, strings.Repeat("x", size))
		}
		b.Run(fmt.Sprintf("wire/%dKiB", size>>10), func(b *testing.B) { benchmark(b, text.Bytes(), size, throughWire) })
		b.Run(fmt.Sprintf("go-imap/%dKiB", size>>10), func(b *testing.B) { benchmark(b, text.Bytes(), size, goIMAPAlone) })
	}
}

func benchmark(b *testing.B, answer []byte, size int, open func(*testing.B, net.Conn) func() (int64, error)) {
	near, far := pipe(b)
	go func() {
		f := &fake{conn: far}
		f.say("* OK [CAPABILITY IMAP4rev1] hello\r\n")
		buf := make([]byte, 4096)
		for {
			n, err := far.Read(buf)
			if err != nil {
				return
			}
			tag, _, _ := strings.Cut(string(buf[:n]), " ")
			if _, err := far.Write(answer); err != nil {
				return
			}
			f.say(tag + " OK done\r\n")
		}
	}()
	run := open(b, near)
	b.SetBytes(int64(perFetch * size))
	b.ReportAllocs()
	for b.Loop() {
		n, err := run()
		if err != nil || n != int64(perFetch*size) {
			b.Fatal(n, err)
		}
	}
}

func throughWire(b *testing.B, conn net.Conn) func() (int64, error) {
	c := New(conn, Options{})
	if _, err := c.Greeting(context.Background()); err != nil {
		b.Fatal(err)
	}
	c.HandOver()
	if err := imapclient.New(c, nil).WaitGreeting(); err != nil {
		b.Fatal(err)
	}
	return func() (total int64, err error) {
		_, err = c.Exec(context.Background(), func(r *Response) error {
			_, err := r.Fetch(func(_ *Fetch, _ string, _ int64, body io.Reader) error {
				n, err := io.Copy(io.Discard, body)
				total += n
				return err
			})
			return err
		}, Cmd("UID FETCH").Raw("1:100 (UID BODY.PEEK[])"))
		return total, err
	}
}

func goIMAPAlone(b *testing.B, conn net.Conn) func() (int64, error) {
	client := imapclient.New(conn, nil)
	if err := client.WaitGreeting(); err != nil {
		b.Fatal(err)
	}
	all := goimap.UIDSet{{Start: 1, Stop: 100}}
	options := &goimap.FetchOptions{UID: true, BodySection: []*goimap.FetchItemBodySection{{Peek: true}}}
	return func() (total int64, err error) {
		cmd := client.Fetch(all, options)
		for m := cmd.Next(); m != nil; m = cmd.Next() {
			for item := m.Next(); item != nil; item = m.Next() {
				section, ok := item.(imapclient.FetchItemDataBodySection)
				if !ok {
					continue
				}
				n, err := io.Copy(io.Discard, section.Literal)
				total += n
				if err != nil {
					return total, err
				}
			}
		}
		return total, cmd.Close()
	}
}
