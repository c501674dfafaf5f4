package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// A wording says what differs, and what to do about it. What stands in braces is filled in.
type wording struct{ text, hint string }

// saying is what a wording is about.
type saying struct {
	kind  syncer.Kind
	side  syncer.Side
	waits bool
}

const (
	atticNote   = "removes it here, too, and keeps it in the attic for a while"
	broughtBack = ". To have it on the server again: mailtwin restore {account}"
	onPurpose   = ". If you removed it on purpose, the next {sync} removes it on the server, too"
	keepHint    = "the copy here is as it was synced, and stays so. To have that of the server, too, save it with a mail program"
	fetchHint   = "{repair} fetches the message again, and keeps what is here in the attic"
	lostHint    = "the server no longer has the message: look for it in the attic, or in another copy of the Maildir"
	otherHint   = "the server now has another message in place of the one that was synced: look for that in another copy of the Maildir"
)

var wordings = map[saying]wording{
	{syncer.Absent, syncer.Far, false}: {
		"the message is missing on the server; here it is {file}",
		"what is missing on the server is taken for removed there: the next {sync} " + atticNote + broughtBack,
	},
	{syncer.Absent, syncer.Near, false}: {
		"the file is missing in the Maildir: {file}",
		"what is missing in the Maildir is fetched again by {repair}" + onPurpose,
	},
	{syncer.Unknown, syncer.Far, false}: {
		"the server has a message that was never downloaded",
		"{repair} has the next {sync} look at everything in the mailbox",
	},
	{syncer.Unknown, syncer.Far, true}: {
		"the message came to the server after the last sync",
		"what is new comes with the next {sync}",
	},
	{syncer.Unknown, syncer.Near, false}: {
		"the Maildir has a file that is not known: {file}",
		"a file that is not known is uploaded by the next {sync}; if it does not belong there, move it away before",
	},
	{syncer.Unknown, syncer.Near, true}: {
		"the file waits to be uploaded, {error}: {file}",
		"mailtwin status {account} tells what waits to be uploaded, and when it is tried again",
	},
	{syncer.WrongFlags, syncer.Far, false}:  flagWording,
	{syncer.WrongFlags, syncer.Near, false}: flagWording,
	{syncer.WrongSize, syncer.Far, false}: {
		"the message has {size} bytes on the server, and had {want} when it was synced; here it is {file}", keepHint,
	},
	{syncer.WrongSize, syncer.Near, false}: {
		"the file holds a message of {size} bytes, and should hold one of {want}: {file}", fetchHint,
	},
	{syncer.WrongBytes, syncer.Far, false}: {
		"the server has other bytes than were synced; here they are in {file}", keepHint,
	},
	{syncer.WrongBytes, syncer.Near, false}: {"the file has other bytes than were synced: {file}", fetchHint},
	{syncer.Unreadable, syncer.Far, false}: {
		"the message cannot be read on the server: {error}", "what the server does not hand over may come later; ask its operator",
	},
	{syncer.Unreadable, syncer.Near, false}: {
		"the file cannot be read, {error}: {file}", "make the file readable, or move it away and run {repair}",
	},
	{syncer.MailboxMissing, syncer.Far, false}: {
		"the mailbox is missing on the server, with {messages}",
		"a mailbox that is missing on the server is taken for removed there: the next {sync} " + atticNote + broughtBack,
	},
	{syncer.MailboxMissing, syncer.Near, false}: {
		"the mailbox is missing in the Maildir, with {messages}",
		"a mailbox that is missing in the Maildir is made and filled by {repair}" + onPurpose,
	},
	{syncer.MailboxUnknown, syncer.Far, true}: {
		"the mailbox is new on the server, with {messages}", "what is new comes with the next {sync}",
	},
	{syncer.MailboxUnknown, syncer.Near, false}: {
		"the mailbox is only in the Maildir, with {messages}", "the next {sync} makes the mailbox on the server, and uploads what is in it",
	},
	{syncer.MailboxUnknown, syncer.Near, true}: {
		"the mailbox is only in the Maildir, and empty", "the next {sync} makes the mailbox on the server",
	},
	{syncer.Renumbered, syncer.Far, false}: {
		"the server has numbered its {messages} anew (UIDVALIDITY), so that none can be told by its number",
		"the next {sync} recognises the messages by their content; verify again after it",
	},
}

// backupHints take the place of those of a sync, where the account is backed up.
var backupHints = map[saying]string{
	{syncer.Absent, syncer.Far, false}:          "what vanished on the server stays here; the next {sync} takes note of it" + broughtBack,
	{syncer.Absent, syncer.Near, false}:         "what is missing here is fetched again by {repair}, and by the next {sync}",
	{syncer.Unknown, syncer.Near, false}:        "a file that the server does not have stays here; the next {sync} takes note of it",
	{syncer.WrongFlags, syncer.Far, false}:      "the next {sync} sets the flags of the server here; so does {repair}",
	{syncer.WrongFlags, syncer.Near, false}:     "the next {sync} sets the flags of the server here; so does {repair}",
	{syncer.MailboxMissing, syncer.Far, false}:  "what vanished on the server stays here; the next {sync} takes note of it",
	{syncer.MailboxMissing, syncer.Near, false}: "a mailbox that is missing here is made and filled by {repair}, and by the next {sync}",
	{syncer.MailboxUnknown, syncer.Near, false}: "a mailbox that the server does not have stays here; the next {sync} takes note of it",
	{syncer.MailboxUnknown, syncer.Near, true}:  "a mailbox that the server does not have stays here",
}

var flagWording = wording{
	"the flags differ: {far flags} on the server, {near flags} in the Maildir, {last flags} when last synced: {file}",
	"the next {sync} carries flags over, to the side that has them as they were; {repair} sets those of the server",
}

// wordingOf finds the words for a difference of an account that is synced, or backed up. Foreign texts in them are not
// harmless yet.
func wordingOf(account string, backup bool, d *syncer.Difference) wording {
	what := saying{d.Kind, d.Side, d.Waits && (d.Kind == syncer.Unknown || d.Kind == syncer.MailboxUnknown)}
	w, verb := wordings[what], "sync"
	if backup {
		verb = "backup"
	}
	if hint := backupHints[what]; backup && hint != "" {
		w.hint = hint
	}
	if hint := hintAround(d, backup); hint != "" {
		w.hint = hint
	}
	if d.Kind == syncer.MailboxMissing && d.Err != nil {
		w = wording{"{error}", "put it back where it was; or {repair} makes what is missing, and fetches the messages again"}
	}
	reason := ""
	if d.Err != nil {
		reason = d.Err.Error()
	}
	fill := strings.NewReplacer(
		"{file}", string(d.Pair.Near), "{error}", reason, "{size}", strconv.FormatInt(d.Size, 10), "{want}", strconv.FormatInt(d.Want, 10),
		"{messages}", plural(d.Messages, "message"), "{account}", account, "{sync}", "mailtwin "+verb+" "+account,
		"{repair}", "mailtwin verify --repair "+account, "{far flags}", flagText(d.Flags[syncer.Far]),
		"{near flags}", flagText(d.Flags[syncer.Near]), "{last flags}", flagText(d.Pair.Flags),
	)
	return wording{usersWords.Replace(fill.Replace(w.text)), fill.Replace(w.hint)}
}

// hintAround finds the hint for a difference where its mailbox, the other side, or a repair has something to say.
func hintAround(d *syncer.Difference, backup bool) string {
	isMessage := d.Kind == syncer.Absent || d.Kind == syncer.WrongSize || d.Kind == syncer.WrongBytes
	switch {
	case d.Anew:
		return wordings[saying{syncer.Renumbered, syncer.Far, false}].hint
	case d.Pair.Parked == mailbox.Left && d.Kind != syncer.WrongFlags:
		return lostHint
	case d.Gone && (d.Kind == syncer.Absent || d.Kind == syncer.MailboxMissing):
		return "what neither side has any more is settled by the next {sync}"
	case d.Gone && isMessage:
		return lostHint
	case errors.Is(d.Failed, syncer.ErrNotAll):
		return "see what became of each message of the mailbox; {repair} tries again"
	case errors.Is(d.Failed, syncer.ErrOther) && d.Kind == syncer.Absent && !backup:
		return otherHint + ", and put it back before the next {sync}, which takes it for removed"
	case errors.Is(d.Failed, syncer.ErrOther):
		return otherHint
	}
	return ""
}

func flagText(f mailbox.Flags) string {
	if f.Empty() {
		return "none"
	}
	return f.String()
}

// mendedWords say what a repair did.
var mendedWords = map[syncer.Kind]string{
	syncer.WrongFlags: "now as on the server", syncer.MailboxMissing: "made again, and filled from the server",
}

// mending says what a repair made of a difference.
func mending(d *syncer.Difference) string {
	switch {
	case d.Mended && mendedWords[d.Kind] != "":
		return "mended: " + mendedWords[d.Kind]
	case d.Mended:
		return "mended: fetched again"
	case d.Waits:
		return "the next sync looks at it"
	case d.Failed != nil:
		return fmt.Sprintf("not mended: %s", usersWords.Replace(d.Failed.Error()))
	}
	return "not mended"
}
