package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest/gimap"
)

// mailboxesLine is the line for the configuration that a page of the documentation gives.
func mailboxesLine(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "mailboxes = ") {
			return line
		}
	}
	t.Fatalf("%s has no line for mailboxes", page)
	return ""
}

// What a mail program moves to the Trash is in Gmail's Trash, with the line that its page gives. Without that line it is only
// archived.
func TestGmailTrashOfMailPrograms(t *testing.T) {
	for _, page := range []string{"", "mutt.md", "aerc.md"} {
		w := gmWorld(t, gimap.Options{})
		want := [2]string{"All", "All Work"}
		if page != "" {
			w.line(mailboxesLine(t, page))
			w.also[`\Trash`] = true
			want = [2]string{"Trash", "Trash"}
		}
		w.lay(gmMail(1), "INBOX")
		w.lay(gmMail(2), "INBOX Work")
		w.want(0, "", "", "sync")
		w.here(0, "mkdir", []string{"Trash"}) // it is there already if it is synced
		w.does(1, "here mv INBOX Trash")
		w.does(2, "here mv INBOX Trash")
		w.want(0, "", "", "sync")
		if got := [2]string{w.far(1), w.far(2)}; got != want {
			t.Errorf("%q: they are in %q, not %q", page, got, want)
		}
		if page != "" {
			w.agree(page)
		}
		w.want(0, "nothing to do", "", "sync", "-n")
	}
}

// What a mail program stores in Sent while Gmail files its own stays, is named, and is a problem until it is removed here.
func TestGmailFilesWhatIsSent(t *testing.T) {
	w := gmWorld(t, gimap.Options{Dedupe: gimap.DedupeHeader})
	w.lay(gmMail(2), "Sent")
	w.want(0, "", "", "sync")
	w.write(gmNames["Sent"], "sent.by.mutt", gmMail(1))
	w.lay("Received: by Gmail\r\n"+gmMail(1), "Sent")
	const named = "message sent.by.mutt: the server made it one with another message"
	w.want(1, "", named, "sync")
	w.want(1, "", named, "sync", "--retry")
	w.want(1, "", "", "sync") // it was told
	w.want(0, named, "", "status")
	if n := len(w.files(gmNames["Sent"])); n != 3 || w.far(1) != "All Sent" {
		t.Errorf("%d files in Sent, and it is in %q", n, w.far(1))
	}
	w.must(os.Remove(filepath.Join(w.maildir(), gmNames["Sent"], "new", "sent.by.mutt")))
	w.want(0, "", "", "sync")
	w.agree("removed here")
}

// Each version of a draft but the last one stays in All Mail. It goes to the Trash when its file is removed there as well, or
// when it is moved there from Drafts.
func TestGmailDrafts(t *testing.T) {
	w := gmWorld(t, gimap.Options{})
	w.syncAlso(`\Trash`)
	w.lay(gmMail(4), "INBOX")
	w.lay(gmMail(5), "Drafts")
	w.want(0, "", "", "sync")
	for n := range 3 { // postponed, gone on with, gone on with
		if n > 0 {
			w.remove(n-1, gmNames["Drafts"])
		}
		w.does(n, "here new Drafts")
		w.want(0, "", "", "sync")
	}
	w.does(2, "here mv Drafts Trash")
	w.does(0, "here rm All")
	w.want(0, "", "", "sync")
	w.agree("in the end")
	if got, want := [3]string{w.far(0), w.far(1), w.far(2)}, [3]string{"Trash", "All", "Trash"}; got != want {
		t.Errorf("the versions are in %q, not %q", got, want)
	}
}

// Drafts that are kept out of the sync stay on this machine.
func TestGmailDraftsHere(t *testing.T) {
	w := gmWorld(t, gimap.Options{})
	w.line(strings.TrimSuffix(mailboxesLine(t, "mutt.md"), "]") + `, "![Gmail]/Drafts"]`)
	w.lay(gmMail(4), "INBOX")
	w.lay(gmMail(5), "Drafts")
	w.want(0, "", "", "sync")
	w.here(0, "mkdir", []string{"Drafts"})
	w.does(0, "here new Drafts")
	w.want(0, "", "", "sync")
	if len(w.g.Messages()) != 2 || w.near(5) != "All" || len(w.files(gmNames["Drafts"])) != 1 {
		t.Errorf("%d messages on Gmail; the draft of the web is here in %q", len(w.g.Messages()), w.near(5))
	}
}
