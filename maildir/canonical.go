package maildir

import (
	"bytes"
	"errors"
	"io"
	"os"

	"mailtwin/mailbox"
)

// A crlfReader reads a file with CRLF for LF, or, if that is not wanted, as it stands.
type crlfReader struct {
	f     io.Reader
	block *[blockSize]byte
	data  []byte // what was read and not handed on
	end   error  // of the file, once it was met
	as    bool   // as it stands
	owed  bool   // a LF, whose CR was handed on
	taken int64  // octets that were read
}

func newCRLFReader(f io.Reader) *crlfReader { return &crlfReader{f: f, block: new([blockSize]byte)} }

// canonical reads the file of a message in canonical form: with CRLF for LF, unless there is a CR in it, or its name
// says that it is to be read as it stands. close ends the reading; the file stays open.
func canonical(f *os.File, verbatim bool) (c *crlfReader, err error) {
	c = &crlfReader{f: f, block: blocks.Get().(*[blockSize]byte), as: verbatim}
	c.fill()
	if c.as || (c.end != nil && !errors.Is(c.end, io.EOF)) {
		return c, nil
	}
	if c.as, err = hasCR(c.data, f, c.end != nil); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// hasCR tells whether there is a CR in what was read or, unless that is all, in the rest of the file, which is then
// read from where it was.
func hasCR(data []byte, f *os.File, all bool) (bool, error) {
	if bytes.IndexByte(data, '\r') >= 0 || all {
		return bytes.IndexByte(data, '\r') >= 0, nil
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return false, err
	}
	block := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(block)
	found := false
	for !found && err == nil {
		var n int
		n, err = f.Read(block[:])
		found = bytes.IndexByte(block[:n], '\r') >= 0
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	_, err = f.Seek(at, io.SeekStart)
	return found, err
}

// fill reads the next block.
func (c *crlfReader) fill() {
	n, err := io.ReadFull(c.f, c.block[:])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	c.data, c.end = c.block[:n], err
	c.taken += int64(n)
}

// content reads all of the message.
func (c *crlfReader) content() (mailbox.Content, error) {
	sum := mailbox.NewSummer()
	if _, err := io.Copy(sum, c); err != nil {
		return mailbox.Content{}, err
	}
	content := sum.Content()
	content.Stored = c.taken
	return content, nil
}

func (c *crlfReader) close() {
	blocks.Put(c.block)
	c.block, c.data = nil, nil
}

// Read implements io.Reader.
func (c *crlfReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if c.owed {
			p[n], c.owed = '\n', false
			n++
			continue
		}
		if len(c.data) == 0 {
			if n > 0 {
				return n, nil
			}
			if c.end != nil {
				return 0, c.end
			}
			c.fill()
			continue
		}
		n += c.line(p[n:])
	}
	return n, nil
}

// line hands on what p has room for, up to and including the CR of the next line end.
func (c *crlfReader) line(p []byte) int {
	i := -1
	if !c.as {
		i = bytes.IndexByte(c.data, '\n')
	}
	rest := c.data
	if i >= 0 {
		rest = c.data[:i]
	}
	n := copy(p, rest)
	c.data = c.data[n:]
	if i == n && n < len(p) {
		p[n], c.owed = '\r', true
		c.data = c.data[1:]
		n++
	}
	return n
}
