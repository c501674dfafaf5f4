package imap

import (
	"slices"
	"strings"
	"testing"

	"mailtwin/mailbox"
)

// manyBodies answers a request for the bodies of messages 1 to 20.
func manyBodies() (ids []mailbox.ID, answer string) {
	for n := 1; n <= 20; n++ {
		id := idOf(uint32(n))
		ids = append(ids, id)
		answer += "* " + string(id) + " FETCH (UID " + string(id) + " BODY[] {3}\r\nabc)\r\n"
	}
	return ids, answer + "%s OK\r\n"
}

// Compression is asked for where much is to come, unless it is not wanted or the server is on this machine. One that does
// not work costs a connection, and is then done without.
func TestS13WhenToCompress(t *testing.T) {
	ids, bodies := manyBodies()
	for _, tt := range []struct {
		name   string
		when   Compression
		few    bool
		caps   string
		answer string
		asked  int
	}{
		{name: "does not work", when: CompressOn, answer: "%s OK\r\n* OK in clear\r\n", asked: 1},
		{name: "refused", when: CompressOn, answer: "%s NO not now\r\n", asked: 1},
		{name: "little to come", when: CompressOn, few: true},
		{name: "not offered", when: CompressOn, caps: usualCaps},
		{name: "not wanted", when: CompressNever},
		{name: "on this machine", when: CompressAfar},
	} {
		caps := usualCaps + " COMPRESS=DEFLATE"
		if tt.caps != "" {
			caps = tt.caps
		}
		f := newFake(t, map[string]string{
			"AUTHENTICATE": "%s OK [CAPABILITY " + caps + "] in\r\n", "COMPRESS": tt.answer,
			"SELECT": selected(7, 21, 20, "5"), "UID FETCH 1:20": bodies, "UID FETCH 1:2 ": "* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n* 2 FETCH (UID 2 BODY[] {3}\r\nabc)\r\n%s OK\r\n",
		}).start()
		o := f.options()
		o.Compress, o.Tries, o.Pause = tt.when, 2, 1
		var told []string
		o.Report = func(text string) { told = append(told, text) }
		a, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		want := ids
		if tt.few {
			want = ids[:2]
		}
		for range 2 {
			if got, problems := fetchAll(t, a, want); len(got) != len(want) || len(problems) > 0 {
				t.Errorf("%s: %d bodies, %v", tt.name, len(got), problems)
			}
		}
		if asked := f.sent("COMPRESS"); len(asked) != tt.asked {
			t.Errorf("%s: sent %q", tt.name, asked)
		}
		if slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "compress = false") }) != strings.Contains(tt.answer, "clear") {
			t.Errorf("%s: told %q", tt.name, told)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// M12: a compressed stream that stalls costs a connection. The next one is not compressed, nor are those after it, and all
// that was wanted comes.
func TestM12StalledStream(t *testing.T) {
	ids, bodies := manyBodies()
	f := newFake(t, map[string]string{
		"AUTHENTICATE": "%s OK [CAPABILITY " + usualCaps + " COMPRESS=DEFLATE] in\r\n", "SELECT": selected(7, 21, 20, "5"), "UID FETCH 1:20": bodies,
	})
	f.stalls = true
	o := f.start().options()
	o.Compress, o.Timeout, o.Tries, o.Pause = CompressOn, 4*silentFor, 2, 1
	var told []string
	o.Report = func(text string) { told = append(told, text) }
	a, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, problems := fetchAll(t, a, ids); len(got) != len(ids) || len(problems) > 0 {
			t.Errorf("%d bodies, %v", len(got), problems)
		}
	}
	if len(f.sent("COMPRESS")) != 1 || len(f.sent("AUTHENTICATE")) != 2 || len(told) != 1 || !strings.Contains(told[0], "compress = false") {
		t.Errorf("sent %q, told %q", f.sent(""), told)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
