package imaptest

import (
	"strings"
	"testing"
	"time"
)

func TestCourierServes(t *testing.T) {
	s := Courier(t)
	began := time.Now()
	k := talk(t, s.Addr)
	k.send("a CAPABILITY\r\nb LOGIN " + s.NewUser() + " {4}\r\n")
	got := k.until("+")
	k.send("pass\r\nc NAMESPACE\r\nd CREATE INBOX.a\r\ne CREATE b\r\nf LIST \"\" *\r\ng LOGOUT\r\n")
	got += k.until("g OK")
	for _, want := range []string{"a OK", "b OK LOGIN Ok", `(("INBOX." "."))`, "d OK", "e NO", `"." "INBOX.a"`, "* BYE"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("a session took %v: is the watcher of files not found?", took)
	}
	k = talk(t, s.Addr)
	k.send("a LOGIN user \"wrong pass\"\r\n")
	k.until("a NO")
}
