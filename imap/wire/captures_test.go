package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// Every answer of a real server is read to its end, and read as what it is.
func TestCaptures(t *testing.T) {
	files := 0
	err := filepath.WalkDir(imaptest.Captures(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txt" {
			return err
		}
		content := imaptest.Capture(t, path)
		files++
		t.Run(filepath.Base(filepath.Dir(path))+"/"+d.Name(), func(t *testing.T) {
			one := digestOf(t, bytes.NewReader(content))
			if slow := digestOf(t, iotestOneByte{bytes.NewReader(content)}); one != slow {
				t.Errorf("byte by byte it reads\n%s\ninstead of\n%s", slow, one)
			}
			wantAlike(t, content)
		})
		return nil
	})
	if err != nil || files < 200 {
		t.Fatalf("%d files, %v", files, err)
	}
}

// What Gmail says of its own is understood in each answer that has it.
func TestGmailCaptures(t *testing.T) {
	said := 0
	files, err := filepath.Glob(filepath.Join(imaptest.Captures(t), "gmail", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for line := range bytes.Lines(imaptest.Capture(t, file)) {
			if !bytes.HasPrefix(line, []byte("* ")) || !bytes.Contains(line, []byte("X-GM-LABELS")) {
				continue
			}
			line, _, _ = bytes.Cut(line, []byte(" ENVELOPE "))
			if head, _, cut := bytes.Cut(line, []byte(" BODY[")); cut { // its literal is not in this line
				line = slices.Concat(head, []byte(")"))
			}
			m, err := parse(t, string(line)).Fetch(nil)
			whole := bytes.Contains(line, []byte("X-GM-MSGID"))
			if err != nil || !m.HasLabels || len(m.Labels) == 0 || whole != (m.GmailID != "") {
				t.Errorf("%s: %.200s reads %+v, %v", file, line, m, err)
			}
			said++
		}
	}
	if said < 20 {
		t.Errorf("%d answers have labels", said)
	}
}

type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return o.r.Read(p[:1])
}

// digestOf reads a stream of responses and says what it understood.
func digestOf(t *testing.T, r io.Reader) string {
	t.Helper()
	c := &Conn{options: Options{Report: func(string) {}}}
	c.p = &parser{br: bufio.NewReaderSize(r, 64<<10), largest: defaultLargest}
	var said strings.Builder
	for {
		err := c.p.begin()
		if errors.Is(err, io.EOF) {
			return said.String()
		}
		if err != nil {
			t.Fatalf("after %q: %v", said.String(), err)
		}
		understand(t, c, &said)
	}
}

func understand(t *testing.T, c *Conn, said *strings.Builder) {
	t.Helper()
	if !bytes.HasPrefix(c.p.seg, []byte("* ")) {
		said.Write(c.p.seg)
		said.WriteByte('\n')
		return
	}
	c.p.seg = c.p.seg[2:]
	response := c.response()
	kind := response.Kind
	said.WriteString(kind)
	if err := read(response, said); err != nil {
		t.Errorf("%s: %v", kind, err)
	}
	switch kind {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		said.WriteByte('\n')
		return
	}
	if err := c.p.finish(); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	said.WriteByte('\n')
}

func read(r *Response, said *strings.Builder) error {
	switch r.Kind {
	case "LIST", "LSUB", "XLIST":
		l, err := r.List()
		said.WriteString(" " + l.Name + " " + strings.Join(l.Attrs, ","))
		return err
	case "STATUS":
		s, err := r.StatusData()
		said.WriteString(" " + s.Name)
		return err
	case "SEARCH", "ESEARCH":
		s, err := r.Search()
		said.WriteString(" " + s.All.String())
		if err != nil && strings.Contains(err.Error(), "ESEARCH") {
			err = nil // some of the captures are of SORT and PARTIAL, which are never asked for
		}
		return err
	case "VANISHED":
		uids, earlier, err := r.Vanished()
		fmt.Fprintf(said, " %v %v", uids, earlier)
		return err
	case "FETCH":
		m, err := r.Fetch(func(_ *Fetch, section string, size int64, body io.Reader) error {
			n, err := io.Copy(io.Discard, body)
			if n != size {
				said.WriteString(" short")
			}
			said.WriteString(section)
			return err
		})
		fmt.Fprintf(said, " %+v", *m)
		return err
	case "FLAGS":
		words, err := r.p.words()
		said.WriteString(" " + strings.Join(words, ","))
		return err
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		said.WriteString(" " + r.Status().Code)
	}
	return nil
}
