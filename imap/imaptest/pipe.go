package imaptest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"time"
)

var errCut = errors.New("the proxy cut the line")

// A pipe is one direction: it counts, delays and cuts.
type pipe struct {
	*bufio.Writer
	late chan late // nil without delay
	gone chan struct{}
}

type late struct {
	due  time.Time
	data []byte
}

func newPipe(to net.Conn, cut int64, delay time.Duration, count func(octets int64, cut bool)) *pipe {
	var w io.Writer = &tap{to: to, left: cut, cuts: cut > 0, count: count}
	p := &pipe{}
	if delay > 0 {
		p.late, p.gone = make(chan late, 1<<16), make(chan struct{})
		go p.deliver(w)
		w = &delayer{pipe: p, delay: delay}
	}
	p.Writer = bufio.NewWriterSize(w, 64<<10)
	return p
}

// end waits for what is still on its way.
func (p *pipe) end() {
	_ = p.Flush() // an error means that the line is cut, which is what comes next
	if p.late != nil {
		close(p.late)
		<-p.gone
	}
}

func (p *pipe) deliver(w io.Writer) {
	defer close(p.gone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var err error
	for l := range p.late {
		if err != nil {
			continue
		}
		timer.Reset(time.Until(l.due))
		<-timer.C
		_, err = w.Write(l.data)
	}
}

type delayer struct {
	pipe  *pipe
	delay time.Duration
}

func (d *delayer) Write(p []byte) (int, error) {
	d.pipe.late <- late{due: time.Now().Add(d.delay), data: bytes.Clone(p)}
	return len(p), nil
}

// A tap lets so many octets pass and then cuts.
type tap struct {
	to    net.Conn
	left  int64
	cuts  bool
	count func(octets int64, cut bool)
}

func (t *tap) Write(p []byte) (int, error) {
	cut := t.cuts && int64(len(p)) >= t.left
	if cut {
		p = p[:t.left]
	}
	n, err := t.to.Write(p)
	t.left -= int64(n)
	t.count(int64(n), cut)
	if cut {
		_ = t.to.Close() // cutting the line is the purpose
		return n, errCut
	}
	return n, err
}
