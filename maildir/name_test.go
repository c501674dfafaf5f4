package maildir

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"mailtwin/mailbox"
)

func TestEncode(t *testing.T) {
	long := strings.Repeat("ä", 200)
	for _, tt := range []struct{ level, want string }{
		{"Work", "Work"},
		{"Entwürfe & Co", "Entwürfe & Co"},
		{"100%", "100%25"},
		{"a/b", "a%2Fb"},
		{".hidden", "%2Ehidden"},
		{"..", "%2E."},
		{".", "%2E"},
		{"a.b", "a.b"},
		{"cur", "%63ur"},
		{"new", "%6Eew"},
		{"tmp", "%74mp"},
		{"current", "current"},
		{"", "%"},
		{"\x1b[2J", "%1B[2J"},
		{"a\r\nb\x00", "a%0D%0Ab%00"},
		{"a\x7f\u009bb", "a%7F%C2%9Bb"},
		{"a\xffb", "a%FFb"},
		{long, strings.Repeat("ä", 119) + "~" + levelDigest(long)},
	} {
		if got := candidates(tt.level)[0]; got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.level, got, tt.want)
		}
	}
	if got := candidates("foo"); got != [3]string{"foo", "%66oo", "%66%6F%6F"} {
		t.Errorf("foo may be %q", got)
	}
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"", "Work", "..", "../../etc", "cur", "%", "%2F", "\xff\xfe", "\u202e", strings.Repeat("%", 120), strings.Repeat("a/", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, level string) {
		all := candidates(level)
		for i, name := range all {
			if name == "" || name[0] == '.' || len(name) > maxName || slices.Contains(parts, name) || strings.ContainsFunc(name, func(r rune) bool {
				return r < ' ' || (r >= 0x7f && r < 0xa0) || r == '/'
			}) || !utf8.ValidString(name) {
				t.Errorf("%q becomes %q", level, name)
			}
			if len(encode(level, 0)) <= maxName && i == 0 && decode(name) != level {
				t.Errorf("%q becomes %q and then %q", level, name, decode(name))
			}
			if decode(name) != level && !looksCut(name) {
				t.Errorf("%q becomes %q, which says neither", level, name)
			}
		}
	})
}

// hostile are names that servers may send: paths, controls, other names' spellings.
var hostile = []string{
	"..", ".", "...", "../../etc", "/etc/passwd", "a/../b", ".git", "cur", "new", "tmp", "Cur", "%2E%2E", "%", "%25", "%00",
	"\x00", "a\x00b", "\x1b]0;x\x07", "a\r\nb", "\u009b2J", "\u202egnp", "a b ", " ", "~root", "-rf", "a:2,S", "`touch x`",
	"\xff", "Foo", "foo", "%66oo", "caf\u00e9", "cafe\u0301", "dovecot-keywords", ".mailtwin-name", "", "INBOX.", "~0123456789abcdef",
	strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("x", 300), strings.Repeat("ü", 300), strings.Repeat("/", 300), strings.Repeat("n", 5000),
}

// S29: every name comes back, each has a directory of its own, and nothing is made outside of the root.
func TestS29(t *testing.T) {
	for _, layout := range []Layout{Nested, PlusPlus} {
		t.Run(string(layout), func(t *testing.T) { testS29(t, newLaidOut(t, layout, nil)) })
	}
}

func testS29(t *testing.T, w *world) {
	want := map[mailbox.Name]bool{"INBOX": true}
	for _, level := range hostile {
		for _, name := range []mailbox.Name{mailbox.MakeName(level), mailbox.MakeName("Work", level, "below")} {
			w.make(name)
			want[name] = true
			stored := w.deliver(name, "1|"+string(name))
			if got := w.fetch(name, stored[0].ID); got != string(name) {
				t.Errorf("%q holds %q", name, got)
			}
		}
	}
	infos, err := w.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if !info.NoSelect && !want[info.Name] {
			t.Errorf("%q was not made", info.Name)
		}
		delete(want, info.Name)
	}
	for name := range want {
		t.Errorf("%q is not listed", name)
	}
	outside, err := os.ReadDir(filepath.Dir(w.root))
	if err != nil || len(outside) != 1 {
		t.Errorf("beside the root there are %v, %v", outside, err)
	}
	for _, path := range w.files("") {
		if strings.ContainsAny(path, "\x00\r\n\x1b\x7f") {
			t.Errorf("there is a file %q", path)
		}
	}
}

func TestForeignDirectories(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"100%", "100%25", "%66oo", "foo", "New", "Inbox", "Work/2024", ".notmuch", "empty/below", "%zz"} {
		for _, part := range parts {
			if path == "empty/below" {
				part = ""
			}
			if err := os.MkdirAll(filepath.Join(w.root, path, part), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if path != "empty/below" {
			w.put(path+"/cur/a:2,", path)
		}
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(w.root, "link")); err != nil {
		t.Fatal(err)
	}
	infos, err := w.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, info := range infos {
		word := string(info.Name)
		if info.NoSelect {
			word += "/"
		} else if info.Name != "INBOX" {
			word += "=" + w.fetch(info.Name, "a")
		}
		got = append(got, word)
	}
	want := "%zz=%zz 100%=100%25 %3100%2525=100% INBOX %49NBOX=Inbox New=New Work/ Work/2024=Work/2024 foo=foo %66oo=%66oo"
	words := strings.Fields(want)
	slices.Sort(words)
	slices.Sort(got)
	if !slices.Equal(got, words) {
		t.Errorf("listed are\n%q, want\n%q", got, words)
	}
}
