package gimap

import (
	"encoding/base64"
	"slices"
	"strings"
)

// capabilities are what is offered before and after login.
func (c *session) capabilities() string {
	if !c.user {
		caps := "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 AUTH=PLAIN AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER"
		if c.s.o.Profile == "2016" {
			caps += " AUTH=XOAUTH"
		}
		return caps
	}
	caps := "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL-"
	if c.s.o.Profile != "2016" {
		caps += " SPECIAL-USE"
	}
	if c.s.o.NoCompress {
		caps = strings.Replace(caps, " COMPRESS=DEFLATE", "", 1)
	}
	return caps + " APPENDLIMIT=" + number(c.s.o.AppendLimit)
}

func (c *session) capability(*command) string {
	c.say("* CAPABILITY %s", c.capabilities())
	return "OK Thats all she wrote! " + id
}

func (c *session) login(cmd *command) string {
	if len(cmd.args) != 2 || c.user {
		return badCommand
	}
	return c.admit(cmd.args[0].text, cmd.args[1].text)
}

// admit lets a user in by password.
func (c *session) admit(user, password string) string {
	switch {
	case !strings.EqualFold(user, c.s.o.User):
		return "NO Lookup failed " + id
	case strings.ReplaceAll(password, " ", "") != strings.ReplaceAll(c.s.o.Password, " ", ""):
		return "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"
	}
	return c.enter()
}

// enter lets the user in.
func (c *session) enter() string {
	others := 0
	for other := range c.s.sessions {
		if other.user {
			others++
		}
	}
	switch {
	case c.s.spent():
		return quotaLogin
	case others >= c.s.o.Connections:
		return "NO [ALERT] Too many simultaneous connections. (Failure)"
	}
	c.user = true
	c.say("* CAPABILITY %s", c.capabilities())
	return "OK " + c.s.o.User + " authenticated (Success)"
}

func (c *session) authenticate(cmd *command) string {
	if len(cmd.args) == 0 || len(cmd.args) > 2 || c.user {
		return badCommand
	}
	mechanism := strings.ToUpper(cmd.args[0].text)
	if !slices.Contains([]string{"PLAIN", "XOAUTH2", "OAUTHBEARER"}, mechanism) {
		return "BAD Unsupported authentication mechanism " + id
	}
	initial := ""
	if len(cmd.args) == 2 {
		initial = cmd.args[1].text
	} else {
		line, err := c.challenge("")
		if err != nil {
			return badCommand
		}
		initial = line
	}
	response, err := base64.StdEncoding.DecodeString(initial)
	if err != nil {
		return "BAD Invalid SASL argument. " + id
	}
	if mechanism == "PLAIN" {
		parts := strings.Split(string(response), "\x00")
		if len(parts) != 3 {
			return "BAD Invalid SASL argument. " + id
		}
		return c.admit(parts[1], parts[2])
	}
	return c.bearer(mechanism, string(response))
}

// noToken is what is said of a token that is no good, whatever is wrong with it.
const noToken = `{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`

// bearer lets a user in by an access token.
func (c *session) bearer(mechanism, response string) string {
	user, token := bearerOf(mechanism, response)
	if token == "" {
		return "BAD Invalid SASL argument. " + id
	}
	if c.s.knows(user, token) {
		return c.enter()
	}
	failure := noToken
	if mechanism == "OAUTHBEARER" && c.s.o.BearerError != "" {
		failure = c.s.o.BearerError
	}
	line, err := c.challenge(base64.StdEncoding.EncodeToString([]byte(failure)))
	if want := map[string]string{"XOAUTH2": "", "OAUTHBEARER": "AQ=="}[mechanism]; err != nil || line != want {
		return badCommand
	}
	return "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"
}

// bearerOf reads a response with an access token (XOAUTH2, or RFC 7628).
func bearerOf(mechanism, response string) (user, token string) {
	for i, f := range strings.Split(response, "\x01") {
		if rest, ok := strings.CutPrefix(f, "user="); ok {
			user = rest
		}
		if i == 0 && mechanism == "OAUTHBEARER" {
			_, user, _ = strings.Cut(f, "a=")
			user, _, _ = strings.Cut(user, ",")
		}
		if rest, ok := strings.CutPrefix(f, "auth=Bearer "); ok {
			token = rest
		}
	}
	return user, token
}

// knows tells whether a token is good, and the user's.
func (s *Server) knows(user, token string) bool {
	until, known := s.tokens[token]
	return known && (until.IsZero() || s.o.Now().Before(until)) && strings.EqualFold(user, s.o.User)
}

// challenge asks for a line, in the middle of a command.
func (c *session) challenge(text string) (string, error) {
	c.s.mu.Unlock()
	defer c.s.mu.Lock()
	c.say("+ %s", text)
	fault := c.now
	c.now = nil
	if err := c.send(); err != nil {
		return "", err
	}
	if err := c.flush(); err != nil {
		return "", err
	}
	c.now = fault
	line, err := c.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}
