package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
)

// Compressed, the same comes of it, in fewer octets; on this machine it is not done unasked.
func TestCompress(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, wanted := range []string{"", "compress = true\n"} {
		w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password})
		through, direct := portOf(t, w.proxy.Addr), portOf(t, dovecot.Addr)
		text, err := os.ReadFile(w.config)
		w.must(err)
		w.must(os.WriteFile(w.config, []byte(strings.Replace(string(text), "port = "+through, "port = "+direct, 1)+wanted), 0o600))
		c := newChanges(w, 3)
		c.small(20_000)
		w.sync() // which makes the Maildir
		for _, e := range []editor{c.far(), c.near()} {
			for range 150 {
				c.add(e, "INBOX")
			}
		}
		var sum struct {
			Downloaded, Uploaded int
			Received             int64 `json:"received_bytes"`
			OnWire               int64 `json:"received_on_wire"`
		}
		o := w.sync("--json")
		lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
		w.must(json.Unmarshal([]byte(lines[len(lines)-1]), &sum))
		compressed := strings.Contains(o.trace, "COMPRESS DEFLATE")
		if sum.Downloaded != 150 || sum.Uploaded != 150 || compressed != (wanted != "") || (sum.OnWire < sum.Received*9/10) != compressed {
			t.Errorf("%q: %+v, asked for compression: %v", wanted, sum, compressed)
		}
		w.wantAgreement(fmt.Sprintf("with %q", wanted))
		if o := w.sync(); strings.Contains(o.trace, "COMPRESS DEFLATE") {
			t.Errorf("asked for compression where nothing is to come: %s", o.trace)
		}
	}
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
