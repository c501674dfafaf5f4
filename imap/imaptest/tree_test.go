package imaptest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTree(t *testing.T) {
	tree := Tree{Root: t.TempDir()}
	for _, name := range []string{"INBOX", "Work/2024", ".hidden/100% sure", "Lists/new", "Größe & mehr"} {
		must(t, tree.Create(name))
	}
	one, two := message("one"), message("two", `\Seen`, "work")
	names := map[[32]byte]string{one.Sum(): "one", two.Sum(): "two"}
	view := func(want string) View {
		t.Helper()
		v, err := tree.View()
		must(t, err)
		if got := v.text(names); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		return v
	}
	first, err := tree.Deliver("INBOX", one)
	must(t, err)
	if filepath.Base(filepath.Dir(first)) != "new" {
		t.Errorf("delivered to %s", first)
	}
	if content, err := os.ReadFile(first); err != nil || strings.Contains(string(content), "\r") {
		t.Errorf("delivered %q, %v", content, err)
	}
	_, err = tree.Deliver("Work/2024", two)
	must(t, err)
	v := view(`INBOX:one[], Work/2024:two[\seen work]`)
	if !v.Copies[0].Date.Equal(one.Date) || v.Copies[0].Size != int64(len(one.Body)) {
		t.Errorf("got %v, want %v", v.Copies[0], one)
	}
	if got := strings.Join(v.Mailboxes, ", "); got != ".hidden/100% sure, Größe & mehr, INBOX, Lists/new, Work/2024" {
		t.Errorf("mailboxes: %s", got)
	}
	_, err = tree.Flag(v.In("INBOX")[0], []string{`\Seen`, "todo"}, nil)
	must(t, err)
	v = view(`INBOX:one[\seen todo], Work/2024:two[\seen work]`)
	_, err = tree.Flag(v.In("INBOX")[0], []string{`\Flagged`}, []string{`\Seen`})
	must(t, err)
	v = view(`INBOX:one[\flagged todo], Work/2024:two[\seen work]`)
	same, err := tree.Move(v.In("Work/2024")[0], "INBOX", false)
	must(t, err)
	if filepath.Base(same)[:10] != filepath.Base(v.In("Work/2024")[0].Path)[:10] {
		t.Errorf("moved to %s", same)
	}
	v = view(`INBOX:one[\flagged todo], INBOX:two[\seen work]`)
	_, err = tree.Copy(v.In("INBOX")[0], "Größe & mehr")
	must(t, err)
	v = view(`Größe & mehr:one[\flagged todo], INBOX:one[\flagged todo], INBOX:two[\seen work]`)
	must(t, tree.Rename("Größe & mehr", "Work/new name"))
	must(t, tree.Remove(v.In("INBOX")[0]))
	view(`INBOX:two[\seen work], Work/new name:one[\flagged todo]`)
	must(t, tree.Delete("Work/new name"))
	view(`INBOX:two[\seen work]`)
}
