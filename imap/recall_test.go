package imap

import (
	"testing"

	"mailtwin/mailbox"
)

// A cursor remembers of which generation the UIDs were, and which came later.
func TestRecall(t *testing.T) {
	a := &Account{}
	full := memo{Validity: 7, Next: 12}.cursor()
	for _, tt := range []struct {
		cursor     mailbox.Cursor
		id         mailbox.ID
		generation string
		after      bool
	}{
		{full, "11", "7", false},
		{full, "12", "7", true},
		{full, "100", "7", true},
		{full, "9", "7", false},
		{memo{Validity: 7}.cursor(), "1", "7", true},
		{mailbox.Cursor{}, "1", "", true},
		{mailbox.Cursor{Memo: "{"}, "1", "", true},
		{CursorAt("x", 8, 3), "3", "8", true},
		{CursorAt("x", 8, 3), "2", "8", false},
	} {
		if got := a.Generation(tt.cursor); got != tt.generation || a.After(tt.cursor, tt.id) != tt.after {
			t.Errorf("%+v, %s: generation %q, after %v", tt.cursor, tt.id, got, !tt.after)
		}
	}
}
