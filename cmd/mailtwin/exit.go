package main

import (
	"errors"
	"strings"
	"syscall"

	"mailtwin/imap"
	"mailtwin/mailbox"
	"mailtwin/state"
	"mailtwin/syncer"
)

// The exit statuses, which every verb's help lists. 2 is what a Go program returns that crashed, so it is not used.
const (
	exitDone      = 0
	exitProblems  = 1
	exitAuth      = 3
	exitTemporary = 4
	exitBrake     = 5
	exitLocked    = 6
	exitUsage     = 64
)

// A usageError is a command line or a configuration that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// reported is an error that the user has been told of.
type reported struct{ err error }

func (e *reported) Error() string { return e.err.Error() }
func (e *reported) Unwrap() error { return e.err }

// errProblems means that a run went to its end and left something behind.
var errProblems = errors.New("some mail could not be synced")

func exitStatus(err error) int {
	var cause stopped
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &cause):
		return 128 + int(cause.signal)
	case errors.As(err, new(*usageError)):
		return exitUsage
	case errors.Is(err, mailbox.ErrAuth):
		return exitAuth
	case errors.As(err, new(*syncer.BrakeError)), errors.As(err, new(*changedError)),
		errors.As(err, new(*foreignError)), errors.As(err, new(*neverSynced)), errors.Is(err, mailbox.ErrHalf):
		return exitBrake
	case errors.As(err, new(*state.LockedError)):
		return exitLocked
	case errors.Is(err, mailbox.ErrTemporary):
		return exitTemporary
	}
	return exitProblems
}

// What all hints about removed mail end in.
const (
	fetchAgain = "To get mail back that was lost here, move the state file away (mailtwin status names it) and sync again. "
	meantIt    = "If it was removed on purpose: mailtwin sync --allow-delete "
	limit      = " (max_delete is the limit)"
)

// hintFor says what to do next.
func hintFor(account string, err error) string {
	var brake *syncer.BrakeError
	var own interface {
		error
		hint(account string) string
	}
	var beside interface { // an error of something beside the mail, which must not hide another one's hint
		error
		advice() string
	}
	switch {
	case errors.As(err, new(stopped)):
		return "what was done so far is kept; run again to go on"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many files are open; allow more with ulimit -n, or have fewer connections"
	case errors.As(err, &own):
		return own.hint(show(account))
	case errors.As(err, &brake):
		return brakeHint(show(account), brake)
	case errors.Is(err, mailbox.ErrHalf):
		return "put it back where it was, or remove the whole directory if the mailbox is to go; until then nothing is removed on the server"
	case tokenHint(account, err) != "":
		return tokenHint(account, err)
	case errors.As(err, new(*imap.PasswordError)):
		return "the server was not asked; if you have a password_command, run it in a shell to see what it prints"
	case errors.Is(err, mailbox.ErrAuth):
		return loginHint(err)
	case errors.Is(err, state.ErrDamaged):
		return "the next sync sets the file aside and pairs all mail anew by its content; nothing is lost"
	case errors.As(err, new(*state.LockedError)):
		return "wait for the other run, or end it"
	case errors.Is(err, imap.ErrTLS):
		return "nothing secret was sent; see tls, tls_ca and host in the configuration"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "the disk is full; make room and run again, nothing is lost"
	case errors.Is(err, syscall.EROFS):
		return "the disk cannot be written as it is mounted; mount it anew and run again, nothing is lost"
	case errors.Is(err, syscall.EACCES):
		return "see who owns the file, and who may do what with it and with the directories above"
	case quotaHint(account, err) != "":
		return quotaHint(account, err)
	case errors.Is(err, mailbox.ErrTemporary):
		return "what was done so far is kept; run again later"
	case errors.As(err, &beside):
		return beside.advice()
	}
	return ""
}

// loginHint says what to do about a login that was refused, as far as the server's words tell.
//
// Source: what Gmail was seen to say.
func loginHint(err error) string {
	text := strings.ToLower(err.Error())
	for _, known := range []struct{ words, hint string }{
		{
			"application-specific password required",
			"Google wants an app password here: make one in your Google account, Security, App passwords (with two-step verification), and give it instead of your password; or use OAuth, auth = \"oauth2\"",
		},
		{"web browser", "open that address in a browser, log in there, and sync again"},
		{"web login required", "open that address in a browser, log in there, and sync again"},
		{"not enabled for imap", "allow IMAP in Gmail's settings, Forwarding and POP/IMAP, and sync again"},
		{"disabled for your domain", "IMAP is switched off for all accounts of your domain; only its administrator can allow it"},
		{"does not find the user", "check user: it is the whole address; if it is right, the account has no Gmail, or its administrator has switched it off"},
	} {
		if strings.Contains(text, known.words) {
			return known.hint
		}
	}
	return "check user and password; many providers want an app password"
}

// brakeHint says what may be behind a brake, and what to do.
func brakeHint(account string, brake *syncer.BrakeError) string {
	switch {
	case brake.Flags:
		return "no flag is taken away for it on the other side; all else goes on. Was the mail copied to where names may not contain a colon? " +
			"If the flags were taken away on purpose: mailtwin sync --allow-delete " + account + limit
	case brake.Of > 0 && brake.Side == syncer.Near:
		return "nothing is removed for it on the server; all else goes on. Is all of the mail in its place? " + fetchAgain + meantIt +
			account + limit
	case brake.Of > 0:
		return "nothing is removed for it in the Maildir; all else goes on. Is all of the mail in its place, and are all mailboxes " +
			"shown over IMAP? " + meantIt + account + limit
	case brake.Err != nil:
		return "is the disk mounted, and is maildir the right folder? Nothing was changed. " + fetchAgain +
			"If it was removed on purpose, make an empty directory there, and sync again"
	case brake.Side == syncer.Near:
		return "is the disk mounted, and is maildir the right folder? Nothing was changed. " + fetchAgain + meantIt + account
	}
	return "was the account emptied, or are its mailboxes hidden? Nothing was changed. " + meantIt + account
}
