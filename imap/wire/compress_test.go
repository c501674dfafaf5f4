package wire

import (
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"mailtwin/mailbox"
)

// squeezed is a server's side of a connection that is compressed as soon as the client asks for it. Then says has it.
func squeezed(t *testing.T, o Options, says func(f *fake, out *flate.Writer)) *Conn {
	t.Helper()
	conn, f := connect(t, o)
	go func() {
		f.say("* OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] hello\r\n")
		line, err := f.br.ReadString('\n')
		if err != nil {
			return
		}
		tag, _, _ := strings.Cut(line, " ")
		f.say(tag + " OK begin\r\n")
		out, err := flate.NewWriter(f.conn, flate.BestSpeed)
		if err != nil {
			return
		}
		f.br = bufio.NewReader(flate.NewReader(f.br))
		says(f, out)
	}()
	if _, err := conn.Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, err := conn.Compress(t.Context()); err != nil || status.Kind != "OK" {
		t.Fatal(status, err)
	}
	return conn
}

// A compressed connection carries the same as one that is not, in both directions, in fewer octets.
func TestCompress(t *testing.T) {
	body := strings.Repeat("the same line again\r\n", 5000)
	traffic := new(Traffic)
	conn := squeezed(t, Options{Traffic: traffic}, func(f *fake, out *flate.Writer) {
		for {
			line, err := f.br.ReadString('\n')
			if err != nil {
				return
			}
			tag, _, _ := strings.Cut(line, " ")
			for part := range strings.SplitAfterSeq("* 1 FETCH (UID 7 BODY[] {105000}\r\n"+body+")\r\n"+tag+" OK done\r\n", "again") {
				if _, err := io.WriteString(out, part); err != nil {
					return
				}
			}
			if out.Flush() != nil {
				return
			}
		}
	})
	for range 3 {
		if got := fetch(t, conn); got != "7:"+body {
			t.Fatalf("got %d octets", len(got))
		}
	}
	in, out := traffic.Octets()
	wireIn, wireOut := traffic.OnWire()
	if in < 315_000 || wireIn > in/20 || wireIn < 100 || out == 0 || wireOut == 0 {
		t.Errorf("%d octets in, %d on the wire; %d out, %d on the wire", in, wireIn, out, wireOut)
	}
}

// S13, M12: what inflates without end is cut where the bounds are, in little memory.
func TestS13Bomb(t *testing.T) {
	conn := squeezed(t, Options{}, func(_ *fake, out *flate.Writer) {
		zeros := make([]byte, 1<<20)
		_, err := io.WriteString(out, "* OK ")
		for n := 0; n < 10<<10 && err == nil; n++ { // 10 GiB, of which 10 MiB go over the wire
			_, err = out.Write(zeros)
		}
	})
	_, err := conn.Exec(context.Background(), nil, Cmd("NOOP"))
	var bound *BoundError
	if !errors.As(err, &bound) {
		t.Errorf("got %v", err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB are in use", m.HeapAlloc>>20)
	}
}

// M12: what was flushed in part only never comes out. The next connection does without.
func TestM12PartialFlush(t *testing.T) {
	conn := squeezed(t, Options{Silence: 300 * time.Millisecond}, func(f *fake, _ *flate.Writer) {
		if _, err := f.br.ReadString('\n'); err != nil {
			return
		}
		// A block of static codes with "* OK hi\r\n", then an empty one, as Z_PARTIAL_FLUSH ends.
		if _, err := f.conn.Write([]byte("\xd2\x52\xf0\xf7\x56\xc8\xc8\xe4\xe5\x02\x08")); err != nil {
			return
		}
		_, _ = f.br.ReadString('\n') // until the client goes
	})
	_, err := conn.Exec(context.Background(), nil, Cmd("NOOP"))
	if !errors.Is(err, ErrCompression) || !errors.Is(err, mailbox.ErrTemporary) {
		t.Errorf("got %v", err)
	}
}

// A server that flushes at once, with nothing to say, is understood, in one packet with its answer or in one of its own.
func TestCompressedEarly(t *testing.T) {
	conn, f := connect(t, Options{})
	go func() {
		f.say("* OK [CAPABILITY IMAP4rev1] hello\r\n")
		line, err := f.br.ReadString('\n')
		if err != nil {
			return
		}
		tag, _, _ := strings.Cut(line, " ")
		f.say(tag + " OK begin\r\n\x00\x00\x00\xff\xff" + "\x00\x05\x00\xfa\xff* OK ")
		in := bufio.NewReader(flate.NewReader(f.br))
		if line, err = in.ReadString('\n'); err != nil {
			return
		}
		tag, _, _ = strings.Cut(line, " ")
		out, err := flate.NewWriter(f.conn, flate.BestSpeed)
		if err == nil {
			_, err = io.WriteString(out, "hi\r\n"+tag+" OK done\r\n")
		}
		if err == nil && out.Flush() != nil {
			return
		}
		_, _ = in.ReadString('\n') // until the client goes
	}()
	if _, err := conn.Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Compress(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, err := conn.Exec(t.Context(), nil, Cmd("NOOP")); err != nil || status[0].Text != "done" {
		t.Errorf("%v, %v", status, err)
	}
}

// What cannot be inflated, and text in clear behind the agreement, end the connection, and not for good.
func TestS13BadStream(t *testing.T) {
	for name, text := range map[string]string{"garbage": "\xff\xff\xff\xff", "text in clear": "* OK in clear\r\n"} {
		conn, f := connect(t, Options{})
		go func() {
			f.say("* OK [CAPABILITY IMAP4rev1] hello\r\n")
			line, err := f.br.ReadString('\n')
			if err != nil {
				return
			}
			tag, _, _ := strings.Cut(line, " ")
			f.say(tag + " OK begin\r\n" + text)
			_, _ = f.br.ReadString('\n') // until the client goes
		}()
		if _, err := conn.Greeting(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Compress(t.Context())
		if err == nil {
			_, err = conn.Exec(t.Context(), nil, Cmd("NOOP"))
		}
		if !errors.Is(err, ErrCompression) || !errors.Is(err, mailbox.ErrTemporary) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A server that refuses goes on in clear.
func TestCompressRefused(t *testing.T) {
	conn, client, f := dial(t, Options{}, answers{"COMPRESS": "%s NO [COMPRESSIONACTIVE] not again\r\n"})
	if status, err := conn.Compress(t.Context()); err != nil || status.Kind != "NO" {
		t.Fatal(status, err)
	}
	alive(t, conn, client)
	if len(f.got) == 0 || f.got[0] != "COMPRESS DEFLATE" {
		t.Errorf("sent %q", f.got)
	}
}
