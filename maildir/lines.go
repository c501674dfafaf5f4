package maildir

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
)

// blockSize is how much of a message is in memory at once.
const blockSize = 64 << 10

var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// A lineWriter stores a message with LF for CRLF, as long as nothing but CRLF ends its lines. At the first CR or LF
// that stands alone it takes back what it did and stores the message as it comes.
type lineWriter struct {
	tmp      *dir
	name     string // in tmp
	f        *os.File
	w        *bufio.Writer
	verbatim bool
	held     bool // a CR whose next octet has not come yet
	anyCR    bool
	anyLF    bool
	stored   int64 // octets of the file, once it is finished
}

var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, blockSize) }}

// newLineWriter makes a file in tmp under a name that nobody can foresee.
func newLineWriter(tmp *dir) (*lineWriter, error) {
	l := &lineWriter{tmp: tmp, name: "mailtwin_" + random()}
	f, err := tmp.create(l.name)
	if err != nil {
		return nil, err
	}
	l.f = f
	l.w = writers.Get().(*bufio.Writer)
	l.w.Reset(f)
	return l, nil
}

// Write takes the next octets of the message.
func (l *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !l.verbatim {
		used, err := l.take(p)
		if err != nil {
			return 0, err
		}
		p = p[used:]
	}
	l.note(p)
	if _, err := l.w.Write(p); err != nil {
		return 0, err
	}
	return n, nil
}

// take stores the octets up to and including the next line end, and returns how many those are.
func (l *lineWriter) take(p []byte) (int, error) {
	if l.held {
		if p[0] != '\n' {
			return 0, l.expand()
		}
		l.held = false
		return 1, l.w.WriteByte('\n')
	}
	i := bytes.IndexByte(p, '\n')
	line := p
	if i >= 0 {
		line = p[:i]
	}
	cr := bytes.IndexByte(line, '\r')
	switch {
	case cr < 0 && i < 0:
		_, err := l.w.Write(p)
		return len(p), err
	case cr < 0:
		return 0, l.expand() // a LF alone
	case cr == len(line)-1:
		l.held, l.anyCR = true, true
		_, err := l.w.Write(line[:cr])
		return cr + 1, err
	}
	return 0, l.expand() // a CR alone
}

// note keeps in mind what a message has that is stored as it comes.
func (l *lineWriter) note(p []byte) {
	l.anyCR = l.anyCR || bytes.IndexByte(p, '\r') >= 0
	l.anyLF = l.anyLF || bytes.IndexByte(p, '\n') >= 0
}

// expand puts the CRs back that were left out so far.
func (l *lineWriter) expand() error {
	l.verbatim = true
	if err := l.w.Flush(); err != nil {
		return err
	}
	if _, err := l.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	other, err := newLineWriter(l.tmp)
	if err != nil {
		return err
	}
	other.verbatim = true
	_, err = io.Copy(other.w, newCRLFReader(l.f))
	if err == nil && l.held {
		err = other.w.WriteByte('\r')
	}
	l.name, other.name = other.name, l.name
	l.f, other.f = other.f, l.f
	l.w, other.w = other.w, l.w
	l.held = false
	return errors.Join(err, other.discard())
}

// finish hands everything to the system. The file stays open.
func (l *lineWriter) finish() error {
	var err error
	if l.held {
		err = l.expand()
	}
	err = errors.Join(err, l.w.Flush())
	l.release()
	if err != nil {
		return err
	}
	l.stored, err = l.f.Seek(0, io.SeekCurrent)
	return err
}

func (l *lineWriter) release() {
	if l.w != nil {
		l.w.Reset(nil)
		writers.Put(l.w)
		l.w = nil
	}
}

// discard removes the file.
func (l *lineWriter) discard() error {
	l.release()
	return errors.Join(l.f.Close(), l.tmp.unlink(l.name))
}

// ambiguous tells whether the file would be read with CRLF although the message has none: it has nothing but LF.
func (l *lineWriter) ambiguous() bool { return l.verbatim && l.anyLF && !l.anyCR }
