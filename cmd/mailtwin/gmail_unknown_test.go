package main

import (
	"path/filepath"
	"strings"
	"testing"

	"mailtwin/imap/imaptest/gimap"
)

// Gmail may or may not change the line ends of an upload, and take long literals at once: either way the message is there
// once on both sides, and is not uploaded again.
func TestGmailUnknownOfUploads(t *testing.T) {
	for name, raw := range map[string]string{
		"no last line end":                "Message-ID: <1@example.org>\r\nSubject: x\r\n\r\ntext",
		"no last line end, no Message-ID": "Subject: x\r\n\r\ntext",
		"bare CR":                         "Message-ID: <1@example.org>\r\nSubject: x\r\n\r\none\rtwo\r\n",
		"bare CR, no Message-ID":          "Subject: x\r\n\r\none\rtwo\r\n",
		"long":                            "Message-ID: <1@example.org>\r\nSubject: x\r\n\r\n" + strings.Repeat("text\r\n", 1000),
	} {
		for _, yes := range []bool{false, true} {
			w := gmWorld(t, gimap.Options{MendsLines: yes, LongLiterals: yes})
			w.web.MakeLabel("Work")
			w.want(0, "", "", "sync")
			w.write("Work", "fresh.1.x", raw)
			if status := w.run("sync", "-v"); status != 0 || len(w.files("Work")) != 1 || len(w.files(gmAll)) != 1 || len(w.g.Messages()) != 1 {
				t.Errorf("%s, line ends changed: %v: exit status %d, %d and %d files, %d messages\n%s%s", name, yes,
					status, len(w.files("Work")), len(w.files(gmAll)), len(w.g.Messages()), w.stdout, w.stderr)
			}
			w.want(0, "nothing to do", "", "sync", "-n")
		}
	}
}

// How Gmail lists special uses, and whether it has mailboxes without any beside the labels, makes no difference.
func TestGmailUnknownOfLists(t *testing.T) {
	for name, tt := range map[string]struct {
		options gimap.Options
		labels  string // of the message, when it was taken out of all mailboxes but INBOX and All Mail
	}{
		"unasked": {gimap.Options{UseUnasked: true}, `\Inbox \Snoozed`},
		"alone":   {gimap.Options{UseAlone: true}, `\Inbox \Snoozed`},
		"more":    {gimap.Options{More: []string{"Snoozed", "Scheduled"}}, `\Inbox`},
	} {
		w := gmWorld(t, tt.options)
		w.deliver(gmMail(1), `\Inbox`, "Work", `\Snoozed`)
		w.web.Trash(w.deliver(gmMail(2), `\Inbox`))
		w.syncs(name)
		w.absent(filepath.Join(w.maildir(), "[Gmail]", "Trash"), filepath.Join(w.maildir(), "[Gmail]", "Important"))
		w.remove(1, "Work")
		if len(tt.options.More) > 0 {
			w.remove(1, "[Gmail]/Snoozed")
		}
		w.syncs(name + ", taken out")
		if m := w.g.Messages()[0]; strings.Join(m.Labels, " ") != tt.labels || m.Trash {
			t.Errorf("%s: %+v", name, m)
		}
		w.want(0, "nothing to do", "", "sync", "-n")
	}
}
