package imap

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// waited is how long each of some commands waits for its turn.
func waited(t *testing.T, p *pace, commands int) (all []time.Duration) {
	t.Helper()
	for range commands {
		began := time.Now()
		if err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	return all
}

const s = time.Second

// F1: commands wait for each other while the server complains, longer and longer, and less and less once it does not.
func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		p := &pace{first: s, report: func(text string) { told = append(told, text) }}
		complain := func(text string) { p.hear(time.Now(), wire.Status{Kind: "OK", Text: text}) }
		complain("Success")
		if got := waited(t, p, 2); got[0]+got[1] != 0 || told != nil {
			t.Errorf("nobody complained: waited %v, told %q", got, told)
		}
		var got []time.Duration
		for range 4 {
			complain("Success [THROTTLED]")
			complain("Success [THROTTLED]") // about a command of the same flight
			got = append(got, waited(t, p, 1)...)
		}
		if want := []time.Duration{s, 2 * s, 4 * s, 8 * s}; !slices.Equal(got, want) {
			t.Errorf("throttled: waited %v, want %v", got, want)
		}
		got = waited(t, p, 20)
		if got[0] != 8*s || got[1] != 6*s || got[2] != 4500*time.Millisecond || got[19] != 0 || !slices.IsSortedFunc(got, func(a, b time.Duration) int { return int(b - a) }) {
			t.Errorf("calm again: waited %v", got)
		}
		if len(told) != 2 || !strings.Contains(told[0], "THROTTLED") || !strings.Contains(told[0], "1s") || !strings.Contains(told[1], "no longer") {
			t.Errorf("told %q", told)
		}
		for kind, longest := range map[string]time.Duration{"NO": refusedPace * s, "OK": longestPace} {
			p.gap = 0
			for range 20 {
				p.hear(time.Now(), wire.Status{Kind: kind, Code: "THROTTLED"})
				p.turn()
			}
			if p.gap != longest {
				t.Errorf("%s: the gap grows up to %v", kind, p.gap)
			}
		}
	})
}

// Several that wait have turns of their own, and one that gives up waits no longer.
func TestThrottledTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{first: s, report: func(string) {}}
		p.hear(time.Now(), wire.Status{Kind: "BAD", Text: "Request is throttled. Suggested Backoff Time: 92415 milliseconds"})
		began := time.Now()
		done := make(chan time.Duration, 3)
		for range 3 {
			go func() {
				_ = p.wait(t.Context()) // never fails
				done <- time.Since(began)
			}()
			synctest.Wait()
		}
		if a, b, c := <-done, <-done, <-done; a != s || b != 2*s || c <= b {
			t.Errorf("%v, %v, %v", a, b, c)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.wait(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// F4: one session that ends is nothing. One that was begun after that and ends within a minute means that the account has
// had enough; the others that end with the first one do not.
func TestSessionsThatEnd(t *testing.T) {
	bye := wire.Status{Kind: "BYE", Text: "Session expired, please login again."}
	for name, tt := range map[string]struct {
		do   func(p *pace, start time.Time)
		want bool
	}{
		"four at once": {func(p *pace, start time.Time) {
			for range 4 {
				p.hear(start, bye)
			}
		}, false},
		"one after the other": {func(p *pace, start time.Time) {
			p.hear(start, bye)
			time.Sleep(s)
			p.hear(start.Add(s), bye)
		}, false},
		"the next one at once": {func(p *pace, start time.Time) {
			p.hear(start, bye)
			time.Sleep(s)
			made := time.Now()
			time.Sleep(50 * s)
			p.hear(made, bye)
		}, true},
		"the next one after an hour": {func(p *pace, start time.Time) {
			p.hear(start, bye)
			time.Sleep(s)
			made := time.Now()
			time.Sleep(time.Hour)
			p.hear(made, bye)
		}, false},
		"in an answer that is none": {func(p *pace, start time.Time) {
			p.hear(start, bye)
			time.Sleep(s)
			p.hear(time.Now(), wire.Status{Kind: "OK", Text: bye.Text})
		}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			time.Sleep(time.Hour)
			p := &pace{first: s, report: func(string) {}}
			tt.do(p, start)
			if err := p.wait(t.Context()); errors.Is(err, mailbox.ErrQuota) != tt.want {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// F2: whatever command is answered that the quota is used up, and in which way, that is what went wrong, of the account and
// not of a mailbox or a message, and nothing more is asked.
func TestF2QuotaIsUsedUp(t *testing.T) {
	const words = "Account exceeded command or bandwidth limits."
	doomed := []mailbox.Doomed{{ID: "1"}}
	scan := func(t *testing.T, a *Account) error {
		_, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: mailbox.Inbox, Known: knows("1")})
		return err
	}
	for _, tt := range []struct {
		step string
		do   func(*testing.T, *Account) error
	}{
		{"LIST", func(t *testing.T, a *Account) error { _, err := a.Mailboxes(t.Context()); return err }},
		{"SELECT", scan},
		{"UID FETCH 1:*", scan},
		{"UID SEARCH", scan},
		{"UID FETCH 1:3 (UID BODY.PEEK[])", func(t *testing.T, a *Account) error {
			return a.Fetch(t.Context(), mailbox.Inbox, []mailbox.ID{"1", "2", "3"},
				func(_ mailbox.ID, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err },
				func(id mailbox.ID, err error) { t.Errorf("message %s: %v", id, err) })
		}},
		{"APPEND", func(t *testing.T, a *Account) error { _, errs := put(t, a, mailbox.Message{ID: "a"}); return errs[0] }},
		{"UID STORE", func(t *testing.T, a *Account) error {
			return a.SetFlags(t.Context(), mailbox.Inbox, []mailbox.FlagChange{{ID: "1", Add: mailbox.MakeFlags(mailbox.Seen)}},
				func(id mailbox.ID, err error) { t.Errorf("message %s: %v", id, err) })
		}},
		{"UID COPY", func(t *testing.T, a *Account) error {
			_, err := a.Copy(t.Context(), mailbox.Inbox, doomed, "Work")
			return err
		}},
		{"UID MOVE", func(t *testing.T, a *Account) error {
			_, err := a.Move(t.Context(), mailbox.Inbox, doomed, "Work")
			return err
		}},
		{"UID EXPUNGE", func(t *testing.T, a *Account) error {
			_, _, err := a.Remove(t.Context(), mailbox.Inbox, doomed)
			return err
		}},
		{"EXAMINE", func(t *testing.T, a *Account) error {
			gone, err := a.Vanished(t.Context(), "Old")
			if gone {
				t.Error("a mailbox is taken for gone")
			}
			return err
		}},
	} {
		for _, answer := range []string{"%s NO [OVERQUOTA] ", "%s NO [ALERT] ", "%s NO ", "* BYE [OVERQUOTA] "} {
			f := newFake(t, map[string]string{
				"SELECT": selected(7, 4, 3, "5"), "UID FETCH": meta("1") + meta("2") + meta("3") + "%s OK\r\n",
				"UID SEARCH": "* ESEARCH (TAG \"%s\") UID COUNT 3 ALL 1:3\r\n%s OK\r\n", "EXAMINE": "* 0 EXISTS\r\n%s OK\r\n",
			})
			if tt.step == "UID SEARCH" {
				f.say("UID FETCH", meta("1")+"%s OK\r\n")
			}
			a := f.start().account()
			f.say(tt.step, answer+words+" (Failure)\r\n")
			err := tt.do(t, a)
			if !errors.Is(err, mailbox.ErrQuota) || !strings.Contains(err.Error(), words) ||
				errors.As(err, new(*mailbox.MailboxError)) || errors.As(err, new(*mailbox.MessageError)) {
				t.Errorf("%s: %q: %v", tt.step, answer, err)
			}
			if n := len(f.sent(tt.step)); n != 1 {
				t.Errorf("%s: %q: sent %d times", tt.step, answer, n)
			}
			before := len(f.sent(""))
			if err := scan(t, a); !errors.Is(err, mailbox.ErrQuota) || len(f.sent("")) != before {
				t.Errorf("%s: %q: then %v, after %q", tt.step, answer, err, f.sent("")[before:])
			}
		}
	}
}

// F16: what a login may be answered, how often it is tried, and what it is taken for.
func TestF16Logins(t *testing.T) {
	const alert = "* NO [WEBALERT https://accounts.google.com/signin/continue?x=1] Web login required.\r\n"
	for _, tt := range []struct {
		answer string
		logins int
		kind   error
		want   string
	}{
		{"%s NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n", 1, mailbox.ErrAuth, "Invalid credentials"},
		{"%s NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)\r\n", 1, mailbox.ErrAuth, "185833"},
		{
			alert + "%s NO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)\r\n",
			1, mailbox.ErrAuth, "(https://accounts.google.com/signin/continue?x=1)",
		},
		{"* NO [WEBALERT " + secret + "] x\r\n%s NO [ALERT] no\r\n", 1, mailbox.ErrAuth, "(***)"},
		{"%s NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page (Failure)\r\n", 1, mailbox.ErrAuth, "not enabled"},
		{"%s NO [ALERT] IMAP access is disabled for your domain. Please contact your domain administrator\r\n", 1, mailbox.ErrAuth, "disabled"},
		{"%s NO Lookup failed u9mb76462483wmq\r\n", lookups, mailbox.ErrAuth, "login refused: the server does not find the user: NO Lookup failed u9mb76462483wmq"},
		{"%s NO [UNAVAILABLE] Temporary System Problem (Failure)\r\n", 4, mailbox.ErrTemporary, "Temporary System Problem"},
		{"%s NO System busy [THROTTLED]\r\n", 4, mailbox.ErrTemporary, "busy"},
		{"%s NO [ALERT] Too many simultaneous connections. (Failure)\r\n", 4, mailbox.ErrTemporary, "Too many simultaneous"},
		{"%s NO [ALERT] Account exceeded command or bandwidth limits. (Failure)\r\n", 1, mailbox.ErrQuota, "Account exceeded"},
		{"* BYE [OVERQUOTA] Account exceeded command or bandwidth limits.\r\n", 1, mailbox.ErrQuota, "Account exceeded"},
	} {
		f := newFake(t, map[string]string{"AUTHENTICATE": tt.answer})
		o := f.start().options()
		o.Tries = 4
		_, err := Open(t.Context(), o)
		if n := len(f.sent("AUTHENTICATE")); n != tt.logins {
			t.Errorf("%s%d logins", tt.answer, n)
		}
		if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s%v", tt.answer, err)
		}
		if errors.Is(err, mailbox.ErrAuth) == errors.Is(err, mailbox.ErrTemporary) {
			t.Errorf("%sit may pass, or may not: %v", tt.answer, err)
		}
	}
	f := newFake(t, nil)
	f.greeting = "* BYE [OVERQUOTA] Account exceeded command or bandwidth limits.\r\n"
	if _, err := Open(t.Context(), f.start().options()); !errors.Is(err, mailbox.ErrQuota) {
		t.Error(err)
	}
	f = newFake(t, map[string]string{"CAPABILITY": "%s NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)\r\n"})
	f.greeting = "* OK hello\r\n"
	if _, err := Open(t.Context(), f.start().options()); !errors.Is(err, mailbox.ErrQuota) {
		t.Error(err)
	}
}

// F16: a user that is not found once is found the next time.
func TestLookupFailedOnce(t *testing.T) {
	f := newFake(t, map[string]string{"AUTHENTICATE": "%s NO Lookup failed abc\r\n"})
	o := f.start().options()
	password := o.Password
	o.Password = func(ctx context.Context) (string, error) {
		if len(f.sent("AUTHENTICATE")) == lookups-1 {
			f.say("AUTHENTICATE", "%s OK [CAPABILITY "+usualCaps+"] in\r\n")
		}
		return password(ctx)
	}
	o.Tries = lookups
	a, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Close()
}

// F4: a session that ends in the middle of a command that changes something: what was done is not done again, and what was
// not is.
func TestSessionEndsInAChange(t *testing.T) {
	const bye = "* BYE Session expired, please login again.\r\n"
	doomed := []mailbox.Doomed{{ID: "1"}, {ID: "2"}}
	for _, done := range []bool{false, true} {
		f, a, _ := first(t)
		f.say("UID MOVE", bye)
		f.say("UID FETCH", meta("1")+meta("2")+"%s OK\r\n")
		after := func() { // what the server does, and tells the next session
			f.say("UID MOVE", "* OK [COPYUID 9 1:2 11:12] x\r\n%s OK\r\n")
			if done {
				f.say("UID MOVE", "* OK [COPYUID 9 2 12] x\r\n%s OK\r\n")
				f.say("UID FETCH", meta("2")+"%s OK\r\n")
				f.say("UID SEARCH", "* ESEARCH (TAG \"%s\") UID COUNT 0\r\n%s OK\r\n")
			}
		}
		a.options.Password = func(context.Context) (string, error) { after(); return secret, nil }
		moved, err := a.Move(t.Context(), mailbox.Inbox, doomed, "Work")
		if err != nil || len(moved.Gone) > 0 || len(moved.To) != 2 {
			t.Errorf("done %v: %+v, %v", done, moved, err)
		}
		want := `UID MOVE 1:2 "Work"`
		if done {
			want = `UID MOVE 2 "Work"`
		}
		if got := f.sent("UID MOVE"); len(got) != 2 || got[1] != want {
			t.Errorf("done %v: %q", done, got)
		}
	}
	f, a, _ := first(t)
	f.say("APPEND", bye)
	b, err := a.Append(t.Context(), mailbox.Inbox)
	if err != nil {
		t.Fatal(err)
	}
	a.options.Password = func(context.Context) (string, error) {
		f.say("APPEND", "%s OK [APPENDUID 7 9] x\r\n")
		return secret, nil
	}
	var stored []mailbox.Stored
	for _, id := range []mailbox.ID{"a", "b"} {
		if err := b.Add(t.Context(), mailbox.Message{ID: id, Size: 5}, strings.NewReader("hello")); err != nil {
			t.Fatal(err)
		}
		some, err := b.Flush(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, some...)
	}
	if len(stored) != 2 || !stored[0].Unsure || stored[1].Unsure || stored[1].ID != "9" {
		t.Errorf("%+v, %v", stored, err)
	}
}
