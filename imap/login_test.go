package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

const (
	accessToken = "ya29.t0ken-of-an-hour"
	failure     = "+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=\r\n"
	invalid     = "%s NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n"
)

// numbered is a source of tokens: accessToken-1, -2, ... It tells what it was said to be refused.
func numbered(o *Options) *[]string {
	refused := &[]string{}
	o.Password = nil
	o.Token = func(_ context.Context, r string) (string, error) {
		*refused = append(*refused, r)
		return fmt.Sprintf("%s-%d", accessToken, len(*refused)), nil
	}
	return refused
}

func decoded(t *testing.T, text string) string {
	t.Helper()
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Errorf("%q: %v", text, err)
	}
	return strings.ReplaceAll(string(plain), "\x01", "|")
}

func TestTokenLogin(t *testing.T) {
	xoauth2 := "user=me,=|auth=Bearer " + accessToken + "-1||"
	for _, tt := range []struct{ caps, mechanism, want string }{
		{"AUTH=XOAUTH2 AUTH=PLAIN SASL-IR", "XOAUTH2", xoauth2},
		{"AUTH=XOAUTH2", "XOAUTH2", xoauth2},
		{"LOGINDISABLED AUTH=XOAUTH2 AUTH=OAUTHBEARER SASL-IR", "OAUTHBEARER", "n,a=me=2C=3D,|host=HOST|port=PORT|auth=Bearer " + accessToken + "-1||"},
		{"AUTH=OAUTHBEARER", "OAUTHBEARER", "n,a=me=2C=3D,|host=HOST|port=PORT|auth=Bearer " + accessToken + "-1||"},
	} {
		f := newFake(t, nil)
		f.greeting = "* OK [CAPABILITY IMAP4rev1 " + tt.caps + "] hello\r\n"
		o := f.options()
		o.User = "me,="
		numbered(&o)
		command := "AUTHENTICATE " + tt.mechanism
		if !strings.Contains(tt.caps, "SASL-IR") {
			f.answers[command] = "+ \r\n"
		}
		f.start()
		a, err := Open(t.Context(), o)
		if err != nil {
			t.Errorf("%s: %v", tt.caps, err)
			continue
		}
		_ = a.Close()
		sent := f.sent("")
		words := strings.Fields(strings.Join(sent[:min(2, len(sent))], " "))
		if len(words) < 3 || strings.Join(words[:2], " ") != command {
			t.Errorf("%s: %q", tt.caps, sent)
			continue
		}
		want := strings.NewReplacer("HOST", o.Host, "PORT", fmt.Sprint(o.Port)).Replace(tt.want)
		if got := decoded(t, words[2]); got != want {
			t.Errorf("%s: %q, want %q", tt.caps, got, want)
		}
	}
}

// S14: the server's challenge is answered, a newer token is tried once, and then it is over.
func TestS14TokenRefused(t *testing.T) {
	for _, tt := range []struct{ caps, farewell string }{
		{"AUTH=XOAUTH2 SASL-IR", ""}, {"AUTH=XOAUTH2", ""}, {"AUTH=OAUTHBEARER SASL-IR", "AQ=="}, {"AUTH=OAUTHBEARER", "AQ=="},
	} {
		f := newFake(t, map[string]string{"": invalid, "AQ==": invalid, "AUTHENTICATE": failure})
		if !strings.Contains(tt.caps, "SASL-IR") {
			f.answers["AUTHENTICATE"] = "+ \r\n"
			f.answers["dXNlcj1"], f.answers["bixhPW1l"] = failure, failure
		}
		f.greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN " + tt.caps + "] hello\r\n"
		o := f.start().options()
		refused := numbered(&o)
		var trace strings.Builder
		o.Trace = wire.NewTraceWriter(&trace)
		_, err := Open(t.Context(), o)
		if !errors.As(err, new(*TokenError)) || !errors.Is(err, mailbox.ErrAuth) || !strings.Contains(err.Error(), "Invalid credentials") {
			t.Errorf("%s: %v", tt.caps, err)
		}
		if want := []string{"", accessToken + "-1"}; !slices.Equal(*refused, want) {
			t.Errorf("%s: asked for tokens with %q", tt.caps, *refused)
		}
		sent := f.sent("")
		if sent[len(sent)-1] != tt.farewell || len(f.sent("AUTHENTICATE")) != 2 || len(f.sent("LOGIN"))+len(f.sent("AUTHENTICATE PLAIN")) > 0 {
			t.Errorf("%s: %q", tt.caps, sent)
		}
		if strings.Contains(trace.String(), accessToken) || strings.Contains(trace.String(), "dXNlcj1") || strings.Contains(trace.String(), "bixhPW1l") {
			t.Errorf("%s: S17: the trace says %s", tt.caps, trace.String())
		}
	}
}

// A token that ended before its time is replaced, and nobody is bothered.
func TestStaleTokenIsReplaced(t *testing.T) {
	f := newFake(t, map[string]string{"": invalid, "AUTHENTICATE": failure})
	second := base64.StdEncoding.EncodeToString([]byte((&credential{user: "me", secret: accessToken + "-2"}).xoauth2()))
	f.answers["AUTHENTICATE XOAUTH2 "+second] = "%s OK [CAPABILITY " + usualCaps + "] in\r\n"
	f.greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hello\r\n"
	o := f.start().options()
	numbered(&o)
	a, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Close()
}

// S14, S17: a token is never shown as a password, and no error shows it.
func TestS14TokenIsNoPassword(t *testing.T) {
	for _, caps := range []string{"AUTH=PLAIN SASL-IR", "", "AUTH=SCRAM-SHA-256", "AUTH=XOAUTH2 SASL-IR"} {
		f := newFake(t, map[string]string{"AUTHENTICATE": "%s NO no " + accessToken + "-1 " + accessToken + "-2\r\n"})
		f.greeting = "* OK [CAPABILITY IMAP4rev1 " + caps + "] hello\r\n"
		o := f.start().options()
		numbered(&o)
		_, err := Open(t.Context(), o)
		if !errors.Is(err, mailbox.ErrAuth) || strings.Contains(err.Error(), accessToken+"-2") {
			t.Errorf("%q: %v", caps, err)
		}
		if !strings.Contains(caps, "XOAUTH2") && len(f.sent("")) > 0 {
			t.Errorf("%q: %q was sent", caps, f.sent(""))
		}
	}
}

// What the source of tokens says is passed on, and the server is not asked.
func TestNoToken(t *testing.T) {
	gone := errors.New("revoked")
	for _, tt := range []struct {
		token string
		err   error
		want  error
	}{{err: gone, want: gone}, {token: "two\r\nlines", want: mailbox.ErrAuth}, {want: mailbox.ErrAuth}} {
		f := newFake(t, nil)
		f.greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hello\r\n"
		o := f.start().options()
		o.Token = func(context.Context, string) (string, error) { return tt.token, tt.err }
		if _, err := Open(t.Context(), o); !errors.Is(err, tt.want) || len(f.sent("")) > 0 {
			t.Errorf("%q: %v, %q", tt.token, err, f.sent(""))
		}
	}
}

// A server that asks on and on, and one whose token source has no second one.
func TestTokenChallengesEnd(t *testing.T) {
	f := newFake(t, map[string]string{"": failure, "AUTHENTICATE": failure})
	f.greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hello\r\n"
	o := f.start().options()
	numbered(&o)
	if _, err := Open(t.Context(), o); err == nil || len(f.sent("AUTHENTICATE")) > 4 {
		t.Errorf("%v, %q", err, f.sent(""))
	}
	f.say("", invalid)
	o.Token = func(context.Context, string) (string, error) { return "always-the-same", nil }
	before := len(f.sent("AUTHENTICATE"))
	if _, err := Open(t.Context(), o); !errors.As(err, new(*TokenError)) || len(f.sent("AUTHENTICATE")) != before+1 {
		t.Errorf("%v, %q", err, f.sent("AUTHENTICATE")[before:])
	}
}
