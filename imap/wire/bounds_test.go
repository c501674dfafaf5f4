package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// A chunked reader gives what it reads in pieces of n octets at most.
type chunked struct {
	r io.Reader
	n int
}

func (c chunked) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.n)]) }

// repeated reads as the parts one after another, each as often as it says, without holding them.
func repeated(parts ...any) io.Reader {
	var readers []io.Reader
	for i := 0; i < len(parts); i += 2 {
		text, n := parts[i].(string), parts[i+1].(int)
		most := max(1, 1<<20/len(text))
		block := strings.Repeat(text, min(n, most))
		for ; n >= most; n -= most {
			readers = append(readers, strings.NewReader(block))
		}
		readers = append(readers, strings.NewReader(block[:n*len(text)]))
	}
	return io.MultiReader(readers...)
}

// drain reads responses to the end of r with the handler that a FETCH or LIST would have.
func drain(r io.Reader, largest int64) error {
	c := &Conn{options: Options{Report: func(string) {}}, gone: make(chan struct{})}
	c.p = &parser{br: bufio.NewReaderSize(r, 64<<10), largest: largest}
	x := &execution{handler: func(r *Response) error {
		switch r.Kind {
		case "FETCH":
			_, err := r.Fetch(nil)
			return err
		case "LIST":
			_, err := r.List()
			return err
		}
		return nil
	}}
	c.queue = []*entry{{exec: x}}
	for {
		if err := c.p.begin(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := c.dispatch(); err != nil {
			return err
		}
	}
}

// S20, S21, S23: each bound holds to the octet, in whatever pieces the octets come.
func TestBoundsToTheOctet(t *testing.T) {
	const mib = 1 << 20
	line := func(prefix, suffix string, size int) io.Reader { // size counts the line end
		return repeated(prefix, 1, "x", size-len(prefix)-len(suffix)-2, suffix+"\r\n", 1)
	}
	parts := func(n, last int) io.Reader { // an answer of n lines of a KiB and one of so many octets
		return repeated("* WHATEVER ", 1, strings.Repeat("y", 1018)+" {0}\r\n", n, strings.Repeat("z", last-2)+"\r\n", 1)
	}
	literal := "{65527}\r\n" + strings.Repeat("x", 65527) // 64 KiB with its announcement
	for _, tt := range []struct {
		name string
		text func() io.Reader
		fits bool
	}{
		{"a line", func() io.Reader { return line("* OK ", "", mib) }, true},
		{"a line and one", func() io.Reader { return line("* OK ", "", mib+1) }, false},
		{"a line of something unknown and one", func() io.Reader { return line("* WHAT ", "", mib+1) }, false},
		{"a list of UIDs", func() io.Reader { return line("* SEARCH ", "", 16*mib) }, true},
		{"a list of UIDs and one", func() io.Reader { return line("* esearch ", "", 16*mib+1) }, false},
		{"a literal", func() io.Reader { return repeated("* LIST () NIL {65536}\r\n", 1, "x", 65536, "\r\n", 1) }, true},
		{"a literal and one", func() io.Reader { return repeated("* LIST () NIL {65537}\r\n", 1, "x", 65537, "\r\n", 1) }, false},
		{"a literal nobody wants and one", func() io.Reader { return repeated("* WHAT {65537}\r\n", 1, "x", 65537, "\r\n", 1) }, false},
		{"a flag and one", func() io.Reader { return repeated("* 1 FETCH (FLAGS ({65537}\r\n", 1, "x", 65537, "))\r\n", 1) }, false},
		{"a body", func() io.Reader { return repeated("* 1 FETCH (BODY[] {5000000}\r\n", 1, "x", 5_000_000, ")\r\n", 1) }, true},
		{"a body and one", func() io.Reader { return repeated("* 1 FETCH (BODY[] {5000001}\r\n", 1, "x", 5_000_001, ")\r\n", 1) }, false},
		{"an answer", func() io.Reader { return parts(64<<10-1, 1024-11) }, true},
		{"an answer and one", func() io.Reader { return parts(64<<10-1, 1024-10) }, false},
		{"an answer in literals", func() io.Reader {
			return repeated("* WHATEVER ", 1, literal, 1023, "{65514}\r\n", 1, "x", 65514, "\r\n", 1)
		}, true},
		{"an answer in literals and one", func() io.Reader {
			return repeated("* WHATEVER ", 1, literal, 1023, "{65515}\r\n", 1, "x", 65515, "\r\n", 1)
		}, false},
		{"parentheses", func() io.Reader { return repeated("* 1 FETCH (X ", 1, "(", 100, "a", 1, ")", 100, ")\r\n", 1) }, true},
		{"parentheses and one", func() io.Reader { return repeated("* 1 FETCH (X ", 1, "(", 101, "a", 1, ")", 101, ")\r\n", 1) }, false},
	} {
		for _, n := range []int{1, 1460, mib} {
			if n < mib && (strings.HasPrefix(tt.name, "an answer") || strings.HasPrefix(tt.name, "a list")) {
				continue // it would take longer than all others together
			}
			before := memory()
			err := drain(chunked{tt.text(), n}, 5_000_000)
			if bound := new(BoundError); (err == nil) != tt.fits || err != nil && !errors.As(err, &bound) {
				t.Errorf("%s in chunks of %d: %v", tt.name, n, err)
			}
			if grown := memory() - before; grown > 1<<20 {
				t.Errorf("%s in chunks of %d: %d octets are kept", tt.name, n, grown)
			}
		}
	}
}

// A bound that was broken stays so, also if the handler does not pass the error on.
func TestHandlerCannotHideABrokenBound(t *testing.T) {
	c := &Conn{options: Options{Report: func(string) {}}}
	c.p = &parser{br: newReader([]byte("* LIST () NIL {70000}\r\nX1 OK\r\n")), largest: defaultLargest}
	c.queue = []*entry{{exec: &execution{handler: func(r *Response) error {
		_, _ = r.List() // the point of the test
		return nil
	}}}}
	err := c.p.begin()
	if err == nil {
		err = c.dispatch()
	}
	if bound := new(BoundError); !errors.As(err, &bound) {
		t.Errorf("%v, want a broken bound", err)
	}
}

// S25: twenty times as much of anything takes about twenty times as long. What is quadratic takes 400 times as long, so that even a
// machine that has much else to do tells one from the other.
func TestS25TimeIsLinear(t *testing.T) {
	kinds := map[string]func(n int) string{
		"flags":    func(n int) string { return "* 1 FETCH (FLAGS (" + strings.Repeat("a ", n) + "))\r\n" },
		"items":    func(n int) string { return "* 1 FETCH (" + strings.Repeat("X \"y\\z\" ", n) + ")\r\n" },
		"literals": func(n int) string { return "* 1 FETCH (" + strings.Repeat("X {1}\r\na ", n) + ")\r\n" },
		"unread":   func(n int) string { return "* WHAT " + strings.Repeat("X {1}\r\na ", n) + "\r\n" },
		"quotes":   func(n int) string { return "* LIST (" + strings.Repeat(`"\"" `, n) + ") NIL a\r\n" },
		"braces":   func(n int) string { return "* LIST (" + strings.Repeat(`{1} `, n) + ") NIL a\r\n" },
		"brackets": func(n int) string { return "* OK [A " + strings.Repeat(`("[" `, n) + "\r\n" },
		"lists":    func(n int) string { return "* 1 FETCH (X (" + strings.Repeat("(a)", n) + "))\r\n" },
		"lines":    func(n int) string { return strings.Repeat("* 1 FETCH (UID 1)\r\n", n) },
	}
	for name, text := range kinds {
		small, large := time.Hour, time.Hour
		linear := func() bool { return large < 100*small+100*time.Millisecond }
		for range 10 { // a busy machine may be slow, but not each time
			small, large = min(small, spent(t, text(5000))), min(large, spent(t, text(100_000)))
			if linear() {
				break
			}
		}
		if !linear() {
			t.Errorf("%s: %v for twenty times what takes %v", name, large, small)
		}
	}
}

// spent is how long it takes to read a text.
func spent(t *testing.T, text string) time.Duration {
	t.Helper()
	began := time.Now()
	if err := drain(strings.NewReader(text), defaultLargest); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// What looks like the announcement of a literal where none can be is text.
func TestTextThatLooksLikeALiteral(t *testing.T) {
	for _, line := range []string{
		"* OK see {5}", "* NO {99999999999999999999}", "* WHAT {abc}", `* WHAT "a {5}`, `* LIST () "/" "a{5}"`, "* 1 FETCH (UID 1 X {a 5})",
	} {
		var kinds []string
		c := &Conn{options: Options{Report: func(string) {}}}
		c.p = &parser{br: newReader([]byte(line + "\r\n* 7 EXISTS\r\n")), largest: defaultLargest}
		c.queue = []*entry{{exec: &execution{handler: func(r *Response) error {
			kinds = append(kinds, fmt.Sprint(r.Num, r.Kind))
			return nil
		}}}}
		for range 2 {
			if err := errors.Join(c.p.begin(), c.dispatch()); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		if len(kinds) != 2 || kinds[1] != fmt.Sprint(7, "EXISTS") {
			t.Errorf("%s: read as %q", line, kinds)
		}
	}
}

// The room that a long line took is given back.
func TestLongLineIsNotKept(t *testing.T) {
	p := &parser{br: bufio.NewReaderSize(repeated("* SEARCH", 1, " 1", 2<<20, "\r\n* OK\r\n", 1), 64<<10)}
	if err := p.begin(); err != nil || cap(p.long) < 4<<20 {
		t.Fatal(err)
	}
	if err := p.begin(); err != nil || cap(p.long) > 1<<20 {
		t.Errorf("%d octets are kept, %v", cap(p.long), err)
	}
}
