package imaptest

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// accounts calls test with an account on each kind of server.
func accounts(t *testing.T, test func(t *testing.T, a *Account)) {
	t.Run("memory", func(t *testing.T) {
		s := Memory(t)
		test(t, NewAccount(t, s.Addr, s.NewUser(), s.Password))
	})
	t.Run("dovecot", func(t *testing.T) {
		s := Dovecot(t, DovecotOptions{})
		test(t, NewAccount(t, s.Addr, s.NewUser(), s.Password))
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func message(text string, flags ...string) Message {
	return Message{
		Body:  []byte("Subject: " + text + "\r\n\r\n" + text + "\r\n"),
		Flags: flags, Date: time.Date(2019, 5, 4, 3, 2, 1, 0, time.FixedZone("", 3600)),
	}
}

func (v View) text(names map[[32]byte]string) string {
	var lines []string
	for _, c := range v.Copies {
		lines = append(lines, c.Mailbox+":"+names[c.Sum]+"["+c.Flags+"]")
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func TestAccount(t *testing.T) {
	accounts(t, func(t *testing.T, a *Account) {
		one, two := message("one", `\Seen`, "work"), message("two")
		names := map[[32]byte]string{one.Sum(): "one", two.Sum(): "two"}
		view := func(want string) View {
			t.Helper()
			v, err := a.View()
			must(t, err)
			if got := v.text(names); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
			return v
		}
		must(t, a.Create("Größe & mehr"))
		must(t, a.Create("Work/2024"))
		uid1, err := a.Append("INBOX", one)
		must(t, err)
		uid2, err := a.Append("INBOX", two)
		must(t, err)
		if uid1 != 1 || uid2 != 2 {
			t.Errorf("UIDs %d and %d", uid1, uid2)
		}
		v := view(`INBOX:one[\seen work], INBOX:two[]`)
		if !v.Copies[0].Date.Equal(one.Date) || v.Copies[0].Size != int64(len(one.Body)) {
			t.Errorf("got %v, want %v", v.Copies[0], one)
		}
		must(t, a.Flag("INBOX", []uint32{2}, []string{`\Flagged`, "todo"}, nil))
		must(t, a.Flag("INBOX", []uint32{1}, nil, []string{`\Seen`}))
		view(`INBOX:one[work], INBOX:two[\flagged todo]`)
		must(t, a.Copy("INBOX", "Größe & mehr", 1))
		must(t, a.Move("INBOX", "Work/2024", 2))
		view(`Größe & mehr:one[work], INBOX:one[work], Work/2024:two[\flagged todo]`)
		must(t, a.Rename("Work/2024", "Work/2025"))
		must(t, a.Expunge("INBOX", 1))
		v = view(`Größe & mehr:one[work], Work/2025:two[\flagged todo]`)
		if !slices.Contains(v.Mailboxes, "Work/2025") || slices.Contains(v.Mailboxes, "Work/2024") {
			t.Errorf("mailboxes: %q", v.Mailboxes)
		}
		must(t, a.Delete("Größe & mehr"))
		view(`Work/2025:two[\flagged todo]`)
		if err := a.Rename("nowhere", "somewhere"); err == nil {
			t.Error("renamed a mailbox that is not there")
		}
		must(t, a.Rename("Work", "Play"))
		view(`Play/2025:two[\flagged todo]`)
		if _, err := a.Append("nowhere", one); err == nil {
			t.Error("stored in a mailbox that is not there")
		}
	})
}

// TestAccountSeesWhatOthersDid: a session that has a mailbox selected does not know what came since.
func TestAccountSeesWhatOthersDid(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	user := s.NewUser()
	a, other := NewAccount(t, s.Addr, user, s.Password), NewAccount(t, s.Addr, user, s.Password)
	first, err := a.Append("INBOX", message("one"))
	must(t, err)
	must(t, a.Flag("INBOX", []uint32{first}, []string{`\Seen`}, nil))
	second, err := other.Append("INBOX", message("two"))
	must(t, err)
	must(t, a.Expunge("INBOX", second))
	if copies, err := other.Messages("INBOX"); err != nil || len(copies) != 1 || copies[0].UID != first {
		t.Errorf("got %v, %v", copies, err)
	}
}

func TestDiff(t *testing.T) {
	copies := func(all ...Copy) View { return View{Mailboxes: []string{"A"}, Copies: all} }
	a := Copy{Mailbox: "A", Sum: [32]byte{1}, Flags: `\seen`, UID: 7, Date: time.Unix(5, 0)}
	b, later, read := a, a, a
	b.Sum[0], later.Date, read.Flags = 2, time.Unix(6, 0), ""
	for _, tt := range []struct {
		name      string
		far, near View
		want      int // differences
		dates     int
	}{
		{name: "equal", far: copies(a, b), near: copies(b, a)},
		{name: "far only", far: copies(a, b), near: copies(a), want: 1},
		{name: "doubled", far: copies(a), near: copies(a, a), want: 1, dates: 1},
		{name: "flags", far: copies(a), near: copies(read), want: 2},
		{name: "dates", far: copies(a), near: copies(later), dates: 1},
		{name: "mailboxes", far: View{Mailboxes: []string{"A", "B"}}, near: View{Mailboxes: []string{"A", "C"}}, want: 2},
	} {
		if got := Diff(tt.far, tt.near); len(got) != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
		if got := DiffDates(tt.far, tt.near); len(got) != tt.dates {
			t.Errorf("%s: dates %q", tt.name, got)
		}
	}
}

// TestDovecotManyFirstSessions lets several sessions at once be the first of an account, as a View does.
func TestDovecotManyFirstSessions(t *testing.T) {
	s := Dovecot(t, DovecotOptions{})
	for range 30 {
		_, err := NewAccount(t, s.Addr, s.NewUser(), s.Password).View()
		must(t, err)
	}
}
