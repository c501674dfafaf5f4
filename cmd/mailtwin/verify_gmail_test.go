package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"mailtwin/imap/imaptest/gimap"
)

// reads are the commands that a verification of Gmail may send.
const reads = "CAPABILITY AUTHENTICATE ENABLE LIST NAMESPACE EXAMINE UNSELECT FETCH SEARCH COMPRESS ID"

// verifies verifies, wants an exit status and nothing on Gmail to be changed, and returns what was found.
func (w *gmailWorld) verifies(status int, args ...string) []string {
	w.Helper()
	w.g.ResetCounters()
	if got := w.run(append([]string{"verify", "-v"}, args...)...); got != status {
		w.Fatalf("exit status %d, want %d\n%s%s", got, status, w.stdout, w.stderr)
	}
	for verb := range w.g.Counters().Verbs {
		if !slices.Contains(strings.Fields(reads), verb) {
			w.Errorf("verify sent %s", verb)
		}
	}
	var found []string
	for line := range strings.Lines(w.stdout) {
		if strings.Contains(line, ", UID ") {
			found = append(found, strings.TrimPrefix(strings.TrimSpace(line), "work: "))
		}
	}
	return found
}

// In a good mirror of Gmail there is no difference, and no mailbox is asked for more than UIDs: All Mail tells the rest.
func TestVerifyGmail(t *testing.T) {
	w := filledGmail(t, 40)
	w.syncs("first")
	if found := w.verifies(0, "--deep"); len(found) > 0 {
		t.Errorf("found %q", found)
	}
	for _, line := range w.g.Counters().Lines {
		if _, items, ok := strings.Cut(line, "FETCH 1:* "); ok && items != "(UID X-GM-MSGID)" && items != "(UID X-GM-MSGID FLAGS INTERNALDATE RFC822.SIZE)" {
			t.Errorf("asked %s", line)
		}
	}
	if n := w.g.Counters().Verbs["FETCH"]; n > 10 {
		t.Errorf("%d FETCH", n)
	}
	if found := w.verifies(0, "--remote", "all"); len(found) > 0 {
		t.Errorf("found %q", found)
	}
	bodies := slices.Collect(maps.Values(w.g.Counters().Bodies))
	if len(bodies) != 40 || slices.Max(bodies) != 1 {
		t.Errorf("the bodies were downloaded so often: %v", bodies)
	}
}

// One message is one file with several names. What is wrong with it shows in each of its mailboxes, and is mended in each.
func TestVerifyGmailLinks(t *testing.T) {
	w := filledGmail(t, 20)
	w.syncs("first")
	path := w.file("Work", 7) // \Inbox, Work and Home have it, and All Mail
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := []byte(strings.Replace(string(text), "text", "tExt", 1))
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if found := w.verifies(0); len(found) > 0 {
		t.Errorf("without --deep: %q", found)
	}
	found := w.verifies(1, "--deep")
	in := map[string]bool{}
	for _, line := range found {
		name, rest, _ := strings.Cut(line, ", UID ")
		if in[name] = true; !strings.Contains(rest, "the file has other bytes than were synced") {
			t.Errorf("found %q", line)
		}
	}
	if want := (map[string]bool{"INBOX": true, "Work": true, "Home": true, gmAll: true}); !maps.Equal(in, want) {
		t.Errorf("found in %v", in)
	}
	if mended := w.verifies(0, "--deep", "--repair"); len(mended) != 4 {
		t.Errorf("mended %q", mended)
	}
	if found := w.verifies(0, "--deep"); len(found) > 0 {
		t.Errorf("after the repair: %q", found)
	}
	w.agree("after the repair")
	if text, err := os.ReadFile(w.file("Home", 7)); err != nil || strings.Contains(string(text), "tExt") {
		t.Errorf("%q, %v", text, err)
	}
	w.syncs("after the repair")
}

// Labels and flags that were changed on Gmail after the last sync are named, in each mailbox that they concern.
func TestVerifyGmailChanges(t *testing.T) {
	for name, options := range map[string]gimap.Options{"": {}, "one MODSEQ for each mailbox": {FolderModSeq: true}} {
		w := gmWorld(t, options)
		for n := range 4 {
			w.ids = append(w.ids, w.deliver(gmMail(n), `\Inbox`, "Work"))
		}
		w.syncs("first")
		w.web.Flag(w.ids[1], []string{`\Flagged`}, nil)
		w.web.Label(w.ids[2], nil, []string{"Work"})
		w.deliver(gmMail(9), `\Inbox`)
		got := w.verifies(1)
		want := []string{
			"INBOX, UID 2: the flags differ: \\Flagged on the server, none", "Work, UID 2: the flags differ", "Work, UID 3: the message is missing on the server",
			gmAll + ", UID 2: the flags differ",
		}
		for _, line := range want {
			if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, line) }) {
				t.Errorf("%s: %q is not among %q", name, line, got)
			}
		}
		if len(got) != len(want) || !strings.Contains(w.stdout, "INBOX: 1 new message on the server") {
			t.Errorf("%s: found %q\n%s", name, got, w.stdout)
		}
		w.syncs("second")
		if found := w.verifies(0, "--strict"); len(found) > 0 {
			t.Errorf("%s: after a sync: %q", name, found)
		}
	}
}
