package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// A mailbox counts as seen in agreement by the runs that were about it, and by no other.
func TestStatusAgreement(t *testing.T) {
	w, server := memoryWorld(t, 2)
	if err := imaptest.NewAccount(t, server.Addr, server.User, server.Password).Create("Spam"); err != nil {
		t.Fatal(err)
	}
	agreed := func() map[string]time.Time {
		w.Helper()
		var status statusJSON
		if w.run("status", "--json"); json.Unmarshal([]byte(w.stdout), &status) != nil {
			t.Fatal(w.stdout)
		}
		times := map[string]time.Time{}
		for _, m := range status.Mailboxes {
			times[m.Mailbox] = *m.Synced
		}
		return times
	}
	tick := func() { time.Sleep(1100 * time.Millisecond) } // times on record are whole seconds
	w.want(0, "", "", "sync")
	first := agreed()
	tick()
	w.want(0, "", "", "sync")
	second := agreed()
	w.keys = append(w.keys, `mailboxes = ["*", "!Spam"]`)
	w.set("timeout", "11s")
	tick()
	w.want(0, "", "leaves out what was synced before", "sync")
	third := agreed()
	for _, name := range []string{"INBOX", "Spam"} {
		if !second[name].After(first[name]) {
			t.Errorf("%s: %v, then %v", name, first[name], second[name])
		}
	}
	if !third["INBOX"].After(second["INBOX"]) || third["Spam"].After(second["Spam"]) {
		t.Errorf("%v, then %v", second, third)
	}
	w.keys = slices.DeleteFunc(w.keys, func(line string) bool { return strings.HasPrefix(line, "mailboxes") })
	w.set("timeout", "12s")
	if again := agreed(); again["Spam"].After(second["Spam"]) {
		t.Errorf("%v, then %v", third, again)
	}
}
