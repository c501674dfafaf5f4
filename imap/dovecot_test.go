package imap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/mailbox"
)

// ours is our view of an account on a real server, reached at an address.
func ours(t *testing.T, addr string, server *imaptest.Server) *Account {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), Options{
		Host: host, Port: number, Security: Plain, User: server.User, Connections: 1, Timeout: 10 * time.Second,
		Password: func(context.Context) (string, error) { return server.Password, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// R7: a server that loses its index counts changes anew. Whatever number it has come to by the next look, lower than
// ours, equal or higher, and whichever messages changed last, no change is missed.
func TestR7LostIndex(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{Storage: "maildir"})
	const messages = 8
	all := known{}
	theirs := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	for _, m := range imaptest.Sample(messages, 3, imaptest.CorpusOptions{MaxSize: 2000}) {
		uid, err := theirs.Append("INBOX", m)
		if err != nil {
			t.Fatal(err)
		}
		all[idOf(uid)] = true
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		above int      // how far the server's number gets beyond ours; -1 stays below
		last  []uint32 // which messages are changed to get there
	}{
		{-1, []uint32{2}}, {0, []uint32{messages}}, {3, []uint32{1, messages, 6}},
	} {
		t.Run(fmt.Sprint(tt.above, tt.last), func(t *testing.T) {
			theirs := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
			flag(t, theirs, []uint32{3, 4}, nil, []string{`\Flagged`})
			for uid := uint32(1); uid <= messages; uid++ {
				flag(t, theirs, []uint32{uid}, []string{`\Answered`}, nil)
				flag(t, theirs, []uint32{uid}, nil, []string{`\Answered`})
			}
			a := ours(t, server.Addr, server)
			before, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: mailbox.Inbox, Known: known{}})
			if err := errors.Join(err, a.Close(), theirs.Close()); err != nil {
				t.Fatal(err)
			}
			goal := readMemo(before.Cursor).Highest
			loseIndex(t, server)
			after := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
			flag(t, after, []uint32{3, 4}, []string{`\Flagged`}, nil) // which must not be missed
			a = ours(t, server.Addr, server)
			now := highest(t, a)
			if now >= goal {
				t.Fatalf("the index is not lost: %d after %d", now, goal)
			}
			for i := 0; tt.above >= 0 && now < goal+uint64(tt.above); i++ {
				uid, flags := tt.last[i%len(tt.last)], []string{`\Answered`}
				flag(t, after, []uint32{uid}, flags, nil)
				flag(t, after, []uint32{uid}, nil, flags)
				now = highest(t, a)
			}
			s, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: mailbox.Inbox, Since: before.Cursor, Known: all})
			if err != nil {
				t.Fatal(err)
			}
			flagged := map[mailbox.ID]bool{}
			for _, m := range s.Present {
				flagged[m.ID] = m.Flags.Has(mailbox.Flagged)
			}
			if err := errors.Join(after.Close(), a.Close()); err != nil {
				t.Error(err)
			}
			if !flagged["3"] || !flagged["4"] {
				t.Errorf("our number is %d, the server's %d: missed; it brought %d messages", goal, now, len(s.Present))
			}
		})
	}
}

func flag(t *testing.T, a *imaptest.Account, uids []uint32, add, take []string) {
	t.Helper()
	if err := a.Flag("INBOX", uids, add, take); err != nil {
		t.Fatal(err)
	}
}

// highest is the server's count of changes to INBOX.
func highest(t *testing.T, a *Account) uint64 {
	t.Helper()
	infos, err := a.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if words := strings.Fields(info.Mark); info.Name == mailbox.Inbox && len(words) > 3 {
			n, err := strconv.ParseUint(words[3], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("the server does not tell")
	return 0
}

// loseIndex removes what a server knows beside the mail itself and its UIDs.
func loseIndex(t *testing.T, server *imaptest.Server) {
	t.Helper()
	lost := 0
	err := filepath.WalkDir(filepath.Join(server.Home, server.User), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(filepath.Base(path), "dovecot.index") {
			lost++
			err = os.Remove(path)
		}
		return err
	})
	if err != nil || lost == 0 {
		t.Fatalf("%d files were removed, %v", lost, err)
	}
}

// R16: what another mail program marked as deleted stays, whatever we do in that mailbox, with UIDPLUS and without.
func TestR16OthersMarks(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range []imaptest.Profile{imaptest.All, imaptest.Bare} {
		server.User = server.NewUser()
		theirs := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
		for _, m := range imaptest.Sample(5, 3, imaptest.CorpusOptions{MaxSize: 2000}) {
			if _, err := theirs.Append("INBOX", m); err != nil {
				t.Fatal(err)
			}
		}
		flag(t, theirs, []uint32{5}, []string{`\Deleted`}, nil)
		a := ours(t, imaptest.NewProxy(t, server.Addr, imaptest.ProxyOptions{Profile: profile}).Addr, server)
		if err := a.Create(t.Context(), "Work"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"fetch", "set flags", "identify", "missing", "copy", "move", "remove"} {
			id := map[string]mailbox.ID{"move": "2", "remove": "3"}[name]
			if id == "" {
				id = "1"
			}
			if err := doings[name](t, a, []mailbox.Doomed{{ID: id}}, []mailbox.ID{id}); err != nil {
				t.Errorf("%s: %s: %v", profile.Name, name, err)
			}
		}
		if _, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: mailbox.Inbox, Known: known{}}); err != nil {
			t.Error(err)
		}
		if _, err := a.Mailboxes(t.Context()); err != nil { // which leaves the mailbox
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		copies, err := theirs.Messages("INBOX")
		if err != nil {
			t.Fatal(err)
		}
		left := map[uint32]bool{}
		for _, c := range copies {
			left[c.UID] = true
		}
		if removes := !profile.Lacks("UIDPLUS"); !left[1] || !left[4] || !left[5] || left[3] == removes || len(copies) != map[bool]int{true: 3, false: 5}[removes] {
			t.Errorf("%s: left are %v", profile.Name, left)
		}
	}
}

// R13: a mailbox that is removed and made again under its name starts anew, empty and with a message.
func TestR13MadeAgain(t *testing.T) {
	server := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	theirs := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	a := ours(t, server.Addr, server)
	sample := imaptest.Sample(2, 3, imaptest.CorpusOptions{MaxSize: 2000})
	fill := func() {
		if _, err := theirs.Append("Work", sample[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := theirs.Create("Work"); err != nil {
		t.Fatal(err)
	}
	fill()
	for _, messages := range []int{0, 1} {
		if messages == 1 {
			fill()
		}
		before, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: "Work", Known: known{}})
		if err := errors.Join(err, theirs.Delete("Work"), theirs.Create("Work")); err != nil {
			t.Fatal(err)
		}
		if messages == 1 {
			fill()
		}
		if _, _, err := a.Remove(t.Context(), "Work", []mailbox.Doomed{{ID: "1"}}); err == nil {
			t.Errorf("a message of another mailbox was removed")
		}
		after, err := a.Scan(t.Context(), mailbox.ScanRequest{Name: "Work", Since: before.Cursor, Known: knows("1")})
		if err != nil || !after.Reset || len(after.Gone) > 0 || len(after.Present) != messages {
			t.Errorf("with %d messages: %+v, %v", messages, after, err)
		}
	}
}
