package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest"
	"mailtwin/maildir"
)

// hostileNames are names of mailboxes that would hurt if they were taken for paths, for text, or for each other.
var hostileNames = []string{
	"../../x", "/etc/x", "a/../../b", "nul\x00x", "esc\x1b]0;x\x07", "line\r\nbreak", "cur", "new", "tmp", ".", "..", "...", "%2E%2E",
	"a//b", "Foo", "foo", "caf\u00e9", "cafe\u0301", "right\u202eleft", strings.Repeat("n", 3900), strings.Repeat("ä", 500), "dovecot-keywords",
	".mailtwin", "maildirfolder", "Work.v1", "~", "-rf", "`touch y`", "*", "%",
}

// TestS29HostileNames syncs an account full of such names, in both layouts: each mailbox has its message, nothing lies
// outside of the Maildir, a good mailbox beside them is synced, and what is printed is harmless.
func TestS29HostileNames(t *testing.T) {
	for _, layout := range []maildir.Layout{maildir.Nested, maildir.PlusPlus} {
		server := imaptest.Memory(t)
		account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
		messages := imaptest.Sample(len(hostileNames)+1, 5, imaptest.CorpusOptions{MaxSize: 1e3})
		made := 0
		for i, name := range append(slices.Clone(hostileNames), "Good") {
			if err := account.Create(name); err != nil {
				t.Logf("the server takes no mailbox %.40q: %v", name, err)
				continue
			}
			if _, err := account.Append(name, messages[i]); err != nil {
				t.Fatalf("%.40q: %v", name, err)
			}
			made++
		}
		if made < len(hostileNames)-3 {
			t.Fatalf("the server took %d mailboxes", made)
		}
		w := newWorld(t, server.Addr, server.User, server.Password)
		w.set("layout", string(layout))
		w.set("maildir", filepath.Join(w.dir, "deep", "er", "Mail"))
		for _, args := range [][]string{{"sync", "-n"}, {"sync", "-v"}, {"status"}, {"sync", "-v"}, {"sync", "--json"}, {"status", "--json"}} {
			if status := w.run(args...); status != exitDone {
				t.Errorf("%s, %v: exit status %d: %.300s", layout, args, status, w.stderr)
			}
			harmless(t, w.stdout)
			harmless(t, w.stderr)
		}
		var status statusJSON
		if err := json.Unmarshal([]byte(w.stdout), &status); err != nil {
			t.Fatal(err)
		}
		full := 0
		for _, box := range status.Mailboxes {
			full += box.Messages
		}
		if full != made {
			t.Errorf("%s: %d messages of %d", layout, full, made)
		}
		w.want(0, "nothing to do", "", "sync", "-n")
		wantOnly(t, w.dir, ".local", "config.toml", "deep")
		wantOnly(t, filepath.Join(w.dir, "deep"), "er")
		wantOnly(t, filepath.Join(w.dir, "deep", "er"), "Mail")
		if len(serverView(t, server).Copies) != made {
			t.Errorf("%s: something was uploaded", layout)
		}
	}
}

// wantOnly fails if a directory has anything but these.
func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			t.Errorf("%s has %q", dir, e.Name())
		}
	}
}

// oddMessages are messages that some programs cannot live with.
func oddMessages() map[string][]byte {
	header := "From: a@example.org\r\nSubject: odd\r\nMessage-ID: <%s@odd>\r\n\r\n"
	with := func(name, body string) []byte { return fmt.Appendf(nil, header+"%s", name, body) }
	odd := map[string][]byte{
		"NUL": with("nul", "a\x00b\r\n"), "bare CR": with("cr", "a\rb\r\n"), "bare LF": with("lf", "a\nb\r\n"),
		"8-bit header":       []byte("Subject: Gr\xfc\xdfe \xff\r\nMessage-ID: <8@odd>\r\n\r\nx\r\n"),
		"no header":          []byte("\r\njust text, and no header at all\r\n"),
		"no blank line":      []byte("Subject: nothing follows\r\nMessage-ID: <blank@odd>\r\n"),
		"no end of line":     with("end", "the last line does not end"),
		"zero length":        {},
		"only a blank line":  []byte("\r\n"),
		"a header of colons": []byte(":::\r\n: :\r\n\r\nx\r\n"),
		"one long line":      with("long", strings.Repeat("x", size(5_000_000, 50_000_000))+"\r\n"),
		"large":              with("large", strings.Repeat(strings.Repeat("y", 70)+"\r\n", size(140_000, 1_400_000))),
	}
	return odd
}

// TestS27OddMessages brings such messages to Dovecot and from it. What the server stores as it is comes back as it is;
// what it changes or refuses is named or recorded, and not sent again; the neighbours arrive in any case.
func TestS27OddMessages(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, direction := range []string{"down", "up"} {
		user := server.NewUser()
		account := imaptest.NewAccount(t, server.Addr, user, server.Password)
		proxy := imaptest.NewProxy(t, server.Addr, imaptest.ProxyOptions{})
		w := newWorld(t, proxy.Addr, user, server.Password)
		w.set("timeout", "60s")
		w.want(0, "", "", "sync")
		tree := imaptest.Tree{Root: w.maildir()}
		neighbours := imaptest.Sample(5, 3, imaptest.CorpusOptions{MaxSize: 1e3})
		sent := map[string][]byte{}
		for name, body := range oddMessages() {
			if direction == "up" {
				writeOdd(t, w.maildir(), name, body)
			} else if _, err := account.Append("INBOX", imaptest.Message{Body: body}); err != nil {
				t.Logf("Dovecot takes no message with %s: %v", name, err)
				continue
			}
			sent[name] = body
		}
		for _, m := range neighbours {
			if _, err := account.Append("INBOX", m); err != nil {
				t.Fatal(err)
			}
		}
		status := w.run("sync", "-v")
		t.Logf("%s: exit status %d\n%.2000s", direction, status, w.stderr)
		far, err := account.View()
		if err != nil {
			t.Fatal(err)
		}
		near, err := tree.View()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range neighbours {
			if near.Count()[m.Sum()] != 1 {
				t.Errorf("%s: a neighbour did not arrive", direction)
			}
		}
		if direction == "down" {
			if diff := imaptest.Diff(far, near); len(diff) > 0 || status != exitDone {
				t.Errorf("down: exit status %d, the sides differ:\n%s", status, head(diff))
			}
		}
		for name, body := range sent {
			kept := far.Count()[imaptest.Message{Body: body}.Sum()]
			if kept != 1 && !slices.Contains([]string{"NUL", "zero length", "bare CR", "bare LF", "no end of line"}, name) {
				t.Errorf("%s: %s: %d times on the server as it was", direction, name, kept)
			}
		}
		proxy.Reset()
		if again := w.run("sync", "-v"); again != status {
			t.Errorf("%s: exit status %d, then %d: %s", direction, status, again, w.stderr)
		}
		w.run("sync")
		if after, err := account.View(); err != nil || len(after.Copies) != len(far.Copies) {
			t.Errorf("%s: %d messages on the server, then %d, %v", direction, len(far.Copies), len(after.Copies), err)
		}
		if left, err := tree.View(); err != nil || len(left.Copies) != len(near.Copies) {
			t.Errorf("%s: %d messages in the Maildir, then %d, %v", direction, len(near.Copies), len(left.Copies), err)
		}
	}
}

// writeOdd stores a message in INBOX as a mail program does that keeps Unix line ends.
func writeOdd(t *testing.T, root, name string, body []byte) {
	t.Helper()
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	path := filepath.Join(root, "INBOX", "cur", strings.ReplaceAll(name, " ", "_")+".odd:2,S")
	if err := os.WriteFile(path, unix, 0o600); err != nil {
		t.Fatal(err)
	}
}
