package gimap

import (
	"encoding/base64"
	"strings"
)

// auth answers AUTH: PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER (RFC 4954), each with and without an initial response.
func (c *submission) auth(args string) string {
	mechanism, initial, given := strings.Cut(args, " ")
	mechanism = strings.ToUpper(mechanism)
	var ok bool
	switch mechanism {
	case "PLAIN":
		parts := strings.Split(c.response(initial, given, ""), "\x00")
		ok = len(parts) == 3 && c.password(parts[1], parts[2])
	case "LOGIN":
		name := c.response(initial, given, "Username:")
		ok = c.password(name, c.response("", false, "Password:"))
	case "XOAUTH2", "OAUTHBEARER":
		user, token := bearerOf(mechanism, c.response(initial, given, ""))
		c.s.mu.Lock()
		ok = c.s.knows(user, token)
		c.s.mu.Unlock()
		if !ok {
			c.response("", false, noToken) // an empty line
		}
	default:
		return "504 5.7.4 Unrecognized Authentication Type"
	}
	if !ok {
		return smtpBadLogin
	}
	c.user = true
	return "235 2.7.0 Accepted"
}

// response is the initial response, or what comes when it is asked for.
func (c *submission) response(initial string, given bool, challenge string) string {
	if !given {
		if _, err := c.nc.Write([]byte("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)) + "\r\n")); err != nil {
			return ""
		}
		line, err := c.r.ReadString('\n')
		if err != nil {
			return ""
		}
		initial = strings.TrimRight(line, "\r\n")
	}
	text, err := base64.StdEncoding.DecodeString(initial)
	if err != nil {
		return ""
	}
	return string(text)
}

func (c *submission) password(user, password string) bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return user == c.s.o.User && password == c.s.o.Password
}
