package gimap

import (
	"bufio"
	"compress/flate"
	"io"
	"strings"
	"testing"
	"time"
)

// write sends something as it stands.
func (c *client) write(text string) {
	c.Helper()
	if _, err := io.WriteString(c.nc, text); err != nil {
		c.Fatal(err)
	}
}

// lines wants these lines to come next.
func (c *client) lines(want ...string) {
	c.Helper()
	for _, w := range want {
		if got := c.line(); got != w {
			c.Fatalf("got %q, want %q", got, w)
		}
	}
}

// idle opens a mailbox and starts an IDLE with the tag i.
func (c *client) idle(box string) {
	c.Helper()
	c.want("OK .*", "SELECT "+box)
	c.write("i IDLE\r\n")
	c.lines("+ idling")
}

func TestE28Idle(t *testing.T) {
	c := enter(t, Options{})
	c.idle("INBOX")
	c.web.Trash(c.id(1))
	c.lines("* 1 EXPUNGE", "* 1 EXISTS")
	c.deliver(4, `\Inbox`)
	c.lines("* 2 EXISTS")
	c.deliver(5, "Work") // which is not the mailbox that is open
	c.web.Flag(c.id(3), []string{`\Seen`}, nil)
	c.lines(`* 1 FETCH (UID 2 FLAGS (\Seen))`)
	c.write("DONE\r\n")
	c.lines("i OK IDLE terminated (Success)")
	c.write("j IDLE\r\n\r\n")
	c.lines("+ idling", "j "+badCommand)
	c.exact("NOOP", "OK Success")
}

func TestE28LabelsAreNotPushed(t *testing.T) {
	c := enter(t, Options{})
	c.idle(`"[Gmail]/All Mail"`)
	c.web.Label(c.id(1), []string{"New"}, []string{"Work"})
	c.web.Flag(c.id(2), []string{`\Seen`}, nil)
	c.lines(`* 2 FETCH (UID 2 FLAGS (\Seen))`)
}

func TestE28Lag(t *testing.T) {
	const lag = 30 * time.Millisecond
	c := enter(t, Options{Lag: lag})
	c.idle("INBOX")
	began := time.Now()
	c.web.Flag(c.id(1), []string{`\Seen`}, nil)
	c.lines(`* 1 FETCH (UID 1 FLAGS (\Seen))`)
	if took := time.Since(began); took < lag {
		t.Errorf("it was told after %s", took)
	}
	c.s.Set(func(o *Options) { o.Lag = time.Hour })
	c.write("DONE\r\n")
	c.lines("i OK IDLE terminated (Success)")
	c.idle("INBOX")
	c.web.Trash(c.id(1))
	c.write("DONE\r\n") // which need not wait for the lag
	c.lines("i OK IDLE terminated (Success)")
}

// How long an IDLE lives, and how it ends, is not known.
func TestE28IdleEnds(t *testing.T) {
	c := enter(t, Options{IdleLife: 10 * time.Millisecond})
	c.idle("INBOX")
	c.lines(sessionOver, "<EOF>")
	var hands clock
	c = enter(t, Options{Now: hands.now, IdleLife: time.Minute, IdleDeaf: true})
	c.idle("INBOX")
	c.web.Flag(c.id(1), []string{`\Seen`}, nil)
	c.lines(`* 1 FETCH (UID 1 FLAGS (\Seen))`)
	hands.forward(2 * time.Minute)
	c.web.Trash(c.id(1))
	c.write("DONE\r\n")
	c.lines("i OK IDLE terminated (Success)")
	c.exact("NOOP", "* 1 EXPUNGE", "* 1 EXISTS", "OK Success")
}

func TestF2QuotaInIdle(t *testing.T) {
	for answer, want := range map[QuotaAnswer][]string{QuotaBye: {quotaBye, "<EOF>"}, QuotaNo: {"i " + quotaNo}} {
		c := enter(t, Options{QuotaAnswer: answer})
		c.idle("INBOX")
		other := dial(t, c.s)
		other.do(`LOGIN me@gmail.com "app password"`)
		c.s.Set(func(o *Options) { o.QuotaDown = 1 })
		other.do("NOOP")
		c.lines(want...)
		if answer == QuotaNo {
			c.exact("NOOP", quotaNo)
		}
	}
}

// Whether a quota counts what goes over the wire or what that is of is not known.
func TestF2QuotaAndCompress(t *testing.T) {
	for _, plain := range []bool{false, true} {
		c := enter(t, Options{QuotaPlain: plain, QuotaAnswer: QuotaNo})
		long := append(mailOf(4), strings.Repeat("again and again\r\n", 2000)...)
		c.web.Deliver(Mail{Raw: long, Labels: []string{`\Inbox`}})
		c.do("SELECT INBOX")
		c.exact("COMPRESS DEFLATE", "OK Success")
		pack, err := flate.NewWriter(c.nc, 6)
		if err != nil {
			t.Fatal(err)
		}
		c.r = bufio.NewReader(flate.NewReader(c.r))
		c.s.Set(func(o *Options) { o.QuotaDown = 16_000 })
		for _, command := range []string{"x FETCH 3 (BODY.PEEK[])\r\n", "y NOOP\r\n"} {
			_, _ = io.WriteString(pack, command) // what goes wrong shows in the answer
			_ = pack.Flush()
		}
		c.line()
		want := "y OK Success"
		if plain {
			want = "y " + quotaNo
		}
		c.lines("x OK Success", want)
	}
}
