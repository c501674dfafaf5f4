package wire

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

func newReader(text []byte) *bufio.Reader { return bufio.NewReaderSize(bytes.NewReader(text), 64<<10) }

// Whatever a server sends, reading it ends, panics nowhere, and does the same byte by byte, in the parser and in the layer.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"* 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {5}\r\nhello)\r\n", "* LIST (\\Noselect) \"/\" \"a\\\"b\"\r\n",
		"* STATUS A (MESSAGES 1 HIGHESTMODSEQ 3)\r\n", "* ESEARCH (TAG \"a\") UID ALL 1:3,5 COUNT 4\r\n",
		"* OK [PERMANENTFLAGS (\\*)] x\r\n", "a OK [COPYUID 1 2 3] x\r\n", "+ go\r\n", "* 1 FETCH (BODY[HEADER.FIELDS (A)] NIL)\r\n",
		"* LIST () NIL {3}\r\na\r\n (\"X\" (1 2))\r\n", "* VANISHED (EARLIER) 1:3,7\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole := reading(bytes.NewReader(text))
		if slow := reading(iotestOneByte{bytes.NewReader(text)}); whole != slow {
			t.Errorf("in one piece %q, byte by byte %q", whole, slow)
		}
		wantAlike(t, text)
	})
}

func reading(r io.Reader) string {
	c := &Conn{options: Options{Report: func(string) {}}}
	c.p = &parser{br: bufio.NewReaderSize(r, 64<<10), largest: 1 << 20}
	var said strings.Builder
	for range 1000 {
		if err := c.p.begin(); err != nil {
			return said.String() + err.Error()
		}
		if !bytes.HasPrefix(c.p.seg, []byte("* ")) {
			said.Write(c.p.seg)
			continue
		}
		c.p.seg = c.p.seg[2:]
		response := c.response()
		said.WriteString(response.Kind)
		if err := read(response, &said); err != nil {
			said.WriteString(err.Error())
		}
		if err := c.p.finish(); err != nil {
			return said.String() + err.Error()
		}
	}
	return said.String()
}
