package wire

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
)

// Codes reach go-imap only if it can hold them, and only on the command that they belong to.
func TestGuardStatus(t *testing.T) {
	for _, tt := range []struct{ verb, said, want string }{
		{"NOOP", "OK done", "OK done"},
		{"NOOP", "OK", "OK ."},
		{"NOOP", "OK [", "OK .["},
		{"NOOP", "OK [UNKNOWN a b] done\x00\x1b[31m", "OK [UNKNOWN] done[31m"},
		{"NOOP", "NO [over\x01quota] full", "NO full"},
		{"CREATE", "NO [overquota (1 2)] full", "NO [OVERQUOTA] full"},
		{"UID COPY", "OK [APPENDUID 7 9] x", "OK x"},
		{"UID COPY", "OK [COPYUID 7 1:3,5 9:12] x", "OK [COPYUID 7 1:3,5 9:12] x"},
		{"UID MOVE", "OK [COPYUID 7 1 2] x", "OK [COPYUID 7 1 2] x"},
		{"CREATE", "OK [COPYUID 7 1 2] x", "OK x"},
		{"", "OK [COPYUID 7 1 2] x", "OK x"},
		{"UID COPY", "OK [COPYUID 7 1:* 2:3] x", "OK x"},
		{"UID COPY", "OK [COPYUID 7 1 4294967295] x", "OK x"},
		{"UID COPY", "OK [COPYUID 7 1:4294967295 1:4294967295] x", "OK x"},
		{"UID COPY", "OK [COPYUID 7 1,0 2,3] x", "OK x"},
		{"UID COPY", "OK [COPYUID 7 2,1 8,9] x", "OK x"},
		{"UID COPY", "OK [COPYUID 7 2:1 8:9] x", "OK x"},
		{"UID COPY", "OK [COPYUID 7 1,1 8:9] x", "OK x"},
		{"UID COPY", "OK [COPYUID 7 1] x", "OK x"},
		{"SELECT", "OK [UIDVALIDITY 4294967295] x", "OK [UIDVALIDITY 4294967295] x"},
		{"SELECT", "OK [UIDVALIDITY 4294967296] x", "OK x"},
		{"SELECT", "OK [UIDNEXT 0] x", "OK x"},
		{"SELECT", "OK [HIGHESTMODSEQ 9223372036854775807] x", "OK [HIGHESTMODSEQ 9223372036854775807] x"},
		{"SELECT", "OK [HIGHESTMODSEQ -1] x", "OK x"},
		{"SELECT", "OK [NOMODSEQ] x", "OK [NOMODSEQ] x"},
		{"SELECT", `OK [PERMANENTFLAGS (\Seen $x OIB-Seen-[Gmail]/Tous \*)] x`, `OK [PERMANENTFLAGS (\Seen $x \*)] x`},
		{"SELECT", `OK [PERMANENTFLAGS ()] x`, `OK [PERMANENTFLAGS ()] x`},
		{"LOGIN", "OK [CAPABILITY imap4rev2 MOVE utf8=accept X\"Y] x", "OK [CAPABILITY IMAP4rev1 MOVE] x"},
	} {
		kind, rest, _ := strings.Cut(tt.said, " ")
		if got := guardStatus(parseStatus(kind, []byte(rest)), tt.verb); got != tt.want {
			t.Errorf("%s: %q becomes %q, want %q", tt.verb, tt.said, got, tt.want)
		}
	}
}

// S24: go-imap takes quadratic time for descending sets, so it does not get them.
func TestS24DescendingCopyUID(t *testing.T) {
	var set strings.Builder
	for i := 70_000; i > 0; i-- {
		set.WriteString(",")
		set.WriteString(UIDSetOf(uint32(2 * i)).String())
	}
	uids := set.String()[1:]
	c, client, _ := dial(t, Options{}, answers{"UID COPY": "%s OK [COPYUID 1 " + uids + " " + uids + "] x\r\n"})
	began := time.Now()
	data, err := client.Copy(goimap.UIDSetNum(1), "A").Wait()
	if took := time.Since(began); err != nil || len(data.DestUIDs) > 0 || took > 2*time.Second {
		t.Errorf("%v, %v after %v", data, err, took)
	}
	alive(t, c, client)
}

// M11: go-imap never asks for capabilities by itself, and learns those that others ask for.
func TestM11GoIMAPNeverAsks(t *testing.T) {
	for _, greeting := range []string{"* OK hello\r\n", "* OK [CAPABILITY IMAP4rev1 SASL-IR] hello\r\n"} {
		c, client, f := dial(t, Options{}, answers{"greeting": greeting, "CAPABILITY": "* CAPABILITY IMAP4rev1 MOVE\r\n%s OK\r\n"})
		if err := client.Login("me", "x").Wait(); err != nil {
			t.Fatal(err)
		}
		if client.Caps().Has(goimap.CapMove) {
			t.Error("go-imap knows what nobody said")
		}
		if _, err := c.Exec(context.Background(), nil, Cmd("CAPABILITY")); err != nil {
			t.Fatal(err)
		}
		if !client.Caps().Has(goimap.CapMove) || !slices.Contains(c.Caps(), "MOVE") {
			t.Errorf("go-imap knows %v, we %q", client.Caps(), c.Caps())
		}
		alive(t, c, client)
		if want := []string{`LOGIN "me" "x"`, "CAPABILITY", "NOOP", "NOOP"}; !slices.Equal(f.got, want) {
			t.Errorf("the server got %q, want %q", f.got, want)
		}
	}
}
