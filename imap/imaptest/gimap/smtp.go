package gimap

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"
	"time"
)

// SMTP starts the submission server of the account, in plain text on a free port of 127.0.0.1, and returns its address.
// What it accepts is kept for Sent, and a copy appears in the Sent mailbox after SMTPDelay, as Gmail files one.
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

const smtpSize = 35882577

func (c *submission) serve() {
	defer func() { _ = c.nc.Close() }()
	c.say("220 smtp.gmail.com ESMTP " + id + " - gsmtp")
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		c.say(c.answer(line))
		if strings.EqualFold(line, "QUIT") {
			return
		}
	}
}

func (c *submission) say(line string) { _, _ = io.WriteString(c.nc, line+"\r\n") }

func (c *submission) answer(line string) string {
	verb, args, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO", "HELO":
		return "250-smtp.gmail.com at your service, [127.0.0.1]\r\n250-SIZE 35882577\r\n250-8BITMIME\r\n" +
			"250-AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SMTPUTF8"
	case "AUTH":
		return c.auth(args)
	case "NOOP", "RSET":
		return "250 2.1.5 Flushed " + id + " - gsmtp"
	case "QUIT":
		return "221 2.0.0 closing connection " + id + " - gsmtp"
	}
	if !c.user {
		return "530-5.7.0 Authentication Required. For more information, go to\r\n530 5.7.0  https://support.google.com/mail/?p=WantAuthError " + id + " - gsmtp"
	}
	switch strings.ToUpper(verb) {
	case "MAIL":
		c.mail = Submission{From: address(args)}
		return "250 2.1.0 OK " + id + " - gsmtp"
	case "RCPT":
		if len(c.mail.To) >= 100 {
			return "452 4.5.3 Your message has too many recipients. " + id + " - gsmtp"
		}
		c.mail.To = append(c.mail.To, address(args))
		return "250 2.1.5 OK " + id + " - gsmtp"
	case "DATA":
		c.say("354 Go ahead " + id + " - gsmtp")
		return c.data()
	}
	return "502 5.5.1 Unrecognized command. " + id + " - gsmtp"
}

func address(args string) string {
	_, rest, _ := strings.Cut(args, "<")
	name, _, _ := strings.Cut(rest, ">")
	return name
}

func (c *submission) auth(args string) string {
	mechanism, initial, _ := strings.Cut(args, " ")
	if !strings.EqualFold(mechanism, "PLAIN") {
		return "504 5.7.4 Unrecognized Authentication Type " + id + " - gsmtp"
	}
	text, err := base64.StdEncoding.DecodeString(initial)
	parts := strings.Split(string(text), "\x00")
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if err != nil || len(parts) != 3 || parts[1] != c.s.o.User || parts[2] != c.s.o.Password {
		return "535-5.7.8 Username and Password not accepted. For more information, go to\r\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials " + id + " - gsmtp"
	}
	c.user = true
	return "235 2.7.0 Accepted"
}

func (c *submission) data() string {
	var raw bytes.Buffer
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return "451 4.3.0 Mail server temporarily rejected message. " + id + " - gsmtp"
		}
		if line == ".\r\n" {
			break
		}
		raw.WriteString(strings.TrimPrefix(line, "."))
	}
	if raw.Len() > smtpSize {
		return "552 5.2.3 Your message exceeded Google's message size limits. " + id + " - gsmtp"
	}
	c.mail.Raw = raw.Bytes()
	c.s.mu.Lock()
	c.s.sent = append(c.s.sent, c.mail)
	delay := c.s.o.SMTPDelay
	c.s.mu.Unlock()
	file := func() {
		c.s.Web().Deliver(Mail{Raw: c.mail.Raw, Labels: []string{`\Sent`}, Flags: []string{`\Seen`}, Date: c.date()})
	}
	if delay > 0 {
		time.AfterFunc(delay, file)
	} else {
		file()
	}
	return "250 2.0.0 OK  1700000000 " + id + " - gsmtp"
}

func (c *submission) date() time.Time {
	at, err := mail.ParseDate((&message{raw: c.mail.Raw}).header("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}
