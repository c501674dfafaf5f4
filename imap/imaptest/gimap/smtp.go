package gimap

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// SMTP starts the submission server of the account, in plain text on a free port of 127.0.0.1, and returns its address.
// What it accepts is kept for Sent, and a copy appears in the Sent mailbox after SMTPDelay, as Gmail files one. A Fault with
// the Verb "SMTP MAIL" meets the command MAIL, and so on; "SMTP ." is the end of a message. Of its effects Delay, Answer, and
// Cut at AtCommand and AfterDoing count.
func (s *Server) SMTP() (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	s.wait.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go (&submission{s: s, nc: nc, r: bufio.NewReader(nc)}).serve()
		}
	})
	s.mu.Lock()
	s.alsoClose = append(s.alsoClose, l)
	s.mu.Unlock()
	return l.Addr().String(), nil
}

// A Submission is a message that was sent.
type Submission struct {
	From string
	To   []string
	Raw  []byte
}

// Sent returns what was submitted.
func (s *Server) Sent() []Submission {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Submission(nil), s.sent...)
}

// A submission is one SMTP session.
type submission struct {
	s    *Server
	nc   net.Conn
	r    *bufio.Reader
	user bool
	mail Submission
}

// What the server says, but for the id at its end.
const (
	smtpNoAuth     = "530-5.7.0 Authentication Required. For more information, go to\r\n530 5.7.0  https://support.google.com/mail/?p=WantAuthError"
	smtpBadLogin   = "535-5.7.8 Username and Password not accepted. For more information, go to\r\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials"
	smtpTooMany    = "452 4.5.3 Your message has too many recipients."
	smtpTooLarge   = "552 5.2.3 Your message exceeded Google's message size limits."
	smtpDayIsSpent = "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\r\n550 5.4.5 sending limits go to https://support.google.com/a/answer/166852"
)

func (c *submission) serve() {
	defer func() { _ = c.nc.Close() }()
	c.say("220 smtp.gmail.com ESMTP")
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		verb, args, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		verb = strings.ToUpper(verb)
		if !c.meet(verb, func() string { return c.answer(verb, args) }) || verb == "QUIT" {
			return
		}
	}
}

// say writes an answer, whose last line ends in the id.
func (c *submission) say(line string) { _, _ = io.WriteString(c.nc, line+" "+id+" - gsmtp\r\n") }

// meet answers a command as the fault that it meets lets it. It tells whether the session goes on.
func (c *submission) meet(verb string, do func() string) bool {
	c.s.mu.Lock()
	fault := c.s.pick(func(p *planned) bool { return strings.EqualFold(p.Verb, "SMTP "+verb) })
	c.s.mu.Unlock()
	if fault == nil {
		fault = &Fault{}
	}
	if fault.Delay > 0 {
		<-time.After(fault.Delay)
	}
	if fault.Cut == AtCommand {
		return false
	}
	answer := fault.Answer
	if answer == "" {
		answer = do()
	}
	if fault.Cut == AfterDoing {
		return false
	}
	if answer != "" {
		c.say(answer)
	}
	return true
}

func (c *submission) answer(verb, args string) string {
	switch verb {
	case "EHLO", "HELO":
		return fmt.Sprintf("250-smtp.gmail.com at your service, [127.0.0.1]\r\n250-SIZE %d\r\n250-8BITMIME\r\n"+
			"250-AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SMTPUTF8", c.s.smtpSize())
	case "AUTH":
		return c.auth(args)
	case "NOOP", "RSET":
		return "250 2.1.5 Flushed"
	case "QUIT":
		return "221 2.0.0 closing connection"
	}
	if !c.user {
		return smtpNoAuth
	}
	switch verb {
	case "MAIL":
		c.mail = Submission{From: address(args)}
		return "250 2.1.0 OK"
	case "RCPT":
		return c.recipient(args)
	case "DATA":
		return c.data()
	}
	return "502 5.5.1 Unrecognized command."
}

func address(args string) string {
	_, rest, _ := strings.Cut(args, "<")
	name, _, _ := strings.Cut(rest, ">")
	return name
}

// recipient takes one: at most 100 for a message, and so many a day.
func (c *submission) recipient(args string) string {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	switch {
	case len(c.mail.To) >= 100:
		return smtpTooMany
	case c.s.used.recipients >= c.s.o.Recipients:
		return smtpDayIsSpent
	}
	c.s.used.recipients++
	c.mail.To = append(c.mail.To, address(args))
	return "250 2.1.5 OK"
}

// data asks for the message, and answers for itself.
func (c *submission) data() string {
	c.say("354 Go ahead")
	var raw bytes.Buffer
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return "451 4.3.0 Mail server temporarily rejected message."
		}
		if line == ".\r\n" {
			break
		}
		raw.WriteString(strings.TrimPrefix(line, "."))
	}
	if !c.meet(".", func() string { return c.accept(raw.Bytes()) }) {
		_ = c.nc.Close()
	}
	return ""
}

func (s *Server) smtpSize() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.o.SMTPSize
}

// accept takes a message, and files a copy of it.
func (c *submission) accept(raw []byte) string {
	if len(raw) > c.s.smtpSize() {
		return smtpTooLarge
	}
	sent := c.mail
	sent.Raw = raw
	c.s.mu.Lock()
	c.s.sent = append(c.s.sent, sent)
	delay := c.s.o.SMTPDelay
	c.s.mu.Unlock()
	file := func() {
		at, _ := readDate((&message{raw: raw}).header("Date")) // without one it is the time of delivery
		c.s.Web().Deliver(Mail{Raw: raw, Labels: []string{`\Sent`}, Flags: []string{`\Seen`}, Date: at})
	}
	if delay > 0 {
		time.AfterFunc(delay, file)
	} else {
		file()
	}
	return "250 2.0.0 OK  1700000000"
}
